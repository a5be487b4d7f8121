package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
)

// TaskPath names a task.
type TaskPath struct {
	Task string `path:"task" maxLength:"128" doc:"The task's name."`
}

// taskWrite names a task that is to change, as it is known.
type taskWrite struct {
	TaskPath
	Condition
	Wait
}

// taskOperation names a task that something is to be done with.
type taskOperation struct {
	TaskPath
	Wait
}

// taskAnswer is a task, with its revision as a header.
type taskAnswer struct {
	ETag string `header:"ETag"`
	Body cluster.TaskDetail
}

// tasks serves tasks and their runs.
type tasks struct{ *routes }

func (api *tasks) serve() {
	api.serveDeclarations()
	path := func(rest string) string { return "/api/v1/tasks/{task}/" + rest }
	tags, stale := []string{"tasks"}, []int{http.StatusPreconditionFailed}
	type scale struct {
		TaskPath
		Condition
		Wait
		Body struct {
			Workers int `json:"workers" minimum:"0" maximum:"100000" doc:"How many workers the task is to have, over all nodes."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "scale-task", Method: http.MethodPost, Path: path("scale"), Tags: tags, Errors: stale,
		Summary:     "Sets the number of a task's workers",
		Description: "Stays in force over what the task declares, until it is reset.",
	}, func(in *scale) (cluster.Operation, Wait) {
		op := cluster.Scale(in.Task, in.Body.Workers)
		op.If = in.revision()
		return op, in.Wait
	})
	for kind, summary := range map[cluster.OperationKind]string{
		cluster.OpPause:  "Stops the workers of a task until it is resumed",
		cluster.OpResume: "Lets the workers of a task run, also if it is declared as paused",
		cluster.OpReset:  "Takes back what scale, pause and resume did to a task",
	} {
		accept(api.routes, huma.Operation{
			OperationID: string(kind) + "-task", Method: http.MethodPost, Path: path(string(kind)), Tags: tags, Errors: stale, Summary: summary,
		}, func(in *taskWrite) (cluster.Operation, Wait) {
			return cluster.Operation{Kind: kind, Task: in.Task, If: in.revision()}, in.Wait
		})
	}
	accept(api.routes, huma.Operation{
		OperationID: "restart-task", Method: http.MethodPost, Path: path("restart"), Tags: tags,
		Summary: "Restarts all workers of a task, as many at a time as the budgets allow",
	}, func(in *taskOperation) (cluster.Operation, Wait) { return cluster.RestartTask(in.Task), in.Wait })
	type runNow struct {
		TaskPath
		Wait
		Body *struct {
			Params cluster.Params `json:"params,omitempty" doc:"In place of the task's params."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "run-task-now", Method: http.MethodPost, Path: path("run-now"), Tags: tags,
		Summary:     "Begins a run of a task that runs to its end",
		Description: "While another one goes on it waits for that, unless the task's runs may overlap.",
	}, func(in *runNow) (cluster.Operation, Wait) {
		var params cluster.Params
		if in.Body != nil {
			params = in.Body.Params
		}
		return cluster.RunNow(in.Task, params), in.Wait
	})
	handle(api.routes, huma.Operation{
		OperationID: "list-runs",
		Method:      http.MethodGet,
		Path:        path("runs"),
		Tags:        tags,
		Metadata:    as(RoleView),
		Errors:      []int{http.StatusNotFound},
		Summary:     "The runs of a task and the firings that were skipped, by the instants of their firings, the last one last",
	}, func(ctx context.Context, in *TaskPath) (*body[client.Runs], error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		m, err := api.hub.Current(ctx)
		if err != nil {
			return nil, err
		}
		list, err := api.runsOf(ctx, m, in.Task)
		return &body[client.Runs]{client.Runs{Runs: list}}, err
	})
}

// serveDeclarations serves what tasks declare.
func (api *tasks) serveDeclarations() {
	const all, one = "/api/v1/tasks", "/api/v1/tasks/{task}"
	tags := []string{"tasks"}
	handle(api.routes, huma.Operation{
		OperationID: "list-tasks",
		Method:      http.MethodGet,
		Path:        all,
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "All tasks, with what they declare",
	}, func(ctx context.Context, _ *struct{}) (*body[client.Tasks], error) {
		list, err := api.tasks(ctx)
		return &body[client.Tasks]{client.Tasks{Tasks: append([]cluster.TaskDetail{}, list...)}}, err // none is a list, too
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-task",
		Method:      http.MethodGet,
		Path:        one,
		Tags:        tags,
		Metadata:    as(RoleView),
		Errors:      []int{http.StatusNotFound},
		Summary:     "A task, with what it declares",
	}, func(ctx context.Context, in *TaskPath) (*taskAnswer, error) {
		task, err := api.task(ctx, in.Task)
		return &taskAnswer{etag(task.Revision), task}, err
	})
	api.serveChanges(all, one)
}

// serveChanges serves changes of what tasks declare.
func (api *tasks) serveChanges(all, one string) {
	tags := []string{"tasks"}
	type create struct {
		Wait
		Body cluster.TaskSpec
	}
	handleKeyed(api.routes, huma.Operation{
		OperationID: "create-task", Method: http.MethodPost, Path: all, Tags: tags, Metadata: as(RoleAdmin), DefaultStatus: http.StatusAccepted,
		Errors:  []int{http.StatusConflict, http.StatusUnprocessableEntity},
		Summary: "Creates a task",
	}, func(ctx context.Context, in *create) (*accepted, error) {
		op := cluster.Declare(in.Body)
		op.If = cluster.IfAbsent
		return api.do(ctx, op, in.Wait)
	})
	type replace struct {
		TaskPath
		Condition
		Wait
		IfNoneMatch string `header:"If-None-Match" enum:"*" doc:"* for a task that must not exist."`
		Body        cluster.TaskSpec
	}
	accept(api.routes, huma.Operation{
		OperationID: "replace-task",
		Method:      http.MethodPut,
		Path:        one,
		Tags:        tags,
		Metadata:    as(RoleAdmin),
		Errors:      []int{http.StatusPreconditionFailed},
		Summary:     "Puts a declaration in force, in place of the one that the task has",
		Description: "The task is created if it does not exist. What scale and pause did to it stays.",
	}, func(in *replace) (cluster.Operation, Wait) {
		op := cluster.Operation{Kind: cluster.OpDeclare, Task: in.Task, Spec: &in.Body, If: in.revision()}
		if in.IfNoneMatch != "" {
			op.If = cluster.IfAbsent
		}
		return op, in.Wait
	})
	type patch struct {
		TaskPath
		Condition
		Wait
		Body map[string]any `doc:"The fields that change; null takes one back."`
	}
	handleKeyed(api.routes, huma.Operation{
		OperationID: "patch-task", Method: http.MethodPatch, Path: one, Tags: tags, Metadata: as(RoleAdmin), DefaultStatus: http.StatusAccepted,
		Errors:      []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity},
		Summary:     "Changes parts of what a task declares",
		Description: "A merge patch (RFC 7396) of the declaration.",
	}, func(ctx context.Context, in *patch) (*accepted, error) {
		text, err := json.Marshal(in.Body)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", cluster.ErrChange, err)
		}
		op := cluster.Patch(in.Task, text)
		op.If = in.revision()
		return api.do(ctx, op, in.Wait)
	})
	accept(api.routes, huma.Operation{
		OperationID: "delete-task",
		Method:      http.MethodDelete,
		Path:        one,
		Tags:        tags,
		Metadata:    as(RoleAdmin),
		Errors:      []int{http.StatusPreconditionFailed},
		Summary:     "Deletes a task, and what is known of its runs",
		Description: "Its workers are stopped. A file that declares it the same way as before does not bring it back.",
	}, func(in *taskWrite) (cluster.Operation, Wait) {
		op := cluster.Delete(in.Task)
		op.If = in.revision()
		return op, in.Wait
	})
}

// tasks returns all tasks.
func (c *reader) tasks(ctx context.Context) ([]cluster.TaskDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := c.hub.Current(ctx)
	if err != nil {
		return nil, err
	}
	return m.Tasks, nil
}

// task returns a task.
func (c *reader) task(ctx context.Context, name string) (cluster.TaskDetail, error) {
	list, err := c.tasks(ctx)
	if err != nil {
		return cluster.TaskDetail{}, err
	}
	at := slices.IndexFunc(list, func(t cluster.TaskDetail) bool { return t.Name == name })
	if at < 0 {
		return cluster.TaskDetail{}, fmt.Errorf("%w: %q", cluster.ErrNoTask, name)
	}
	return list[at], nil
}

// runsOf returns the runs of a task, read once for everybody while nothing changes.
func (c *reader) runsOf(ctx context.Context, m *hub.Snapshot, task string) ([]cluster.RunInfo, error) {
	return c.runs.Get(ctx, m, task, func(ctx context.Context) ([]cluster.RunInfo, error) { return c.node.Runs(ctx, task) })
}
