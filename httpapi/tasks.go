package httpapi

import (
	"context"
	"encoding/json"
	"errors"
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

// taskWrite names the task of a write, and the revision that the write is based on.
type taskWrite struct {
	TaskPath
	Condition
	Wait
}

// taskOperation names the task of an operation.
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
			Workers int `json:"workers" minimum:"0" maximum:"100000" doc:"Number of workers of the task, over all nodes."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "scale-task", Method: http.MethodPost, Path: path("scale"), Tags: tags, Errors: stale,
		Summary:     "Scale a task",
		Description: "Overrides the number of workers that the task declares, until the task is reset.",
	}, func(in *scale) (cluster.Operation, Wait) {
		op := cluster.Scale(in.Task, in.Body.Workers)
		op.If = in.revision()
		return op, in.Wait
	})
	for kind, text := range map[cluster.OperationKind]struct{ summary, description string }{
		cluster.OpPause:  {"Pause a task", "Stops the workers of the task until it is resumed or reset. Has no effect on a paused task."},
		cluster.OpResume: {"Resume a task", "Runs the workers of the task, even if it is declared as paused. Has no effect on a running task."},
		cluster.OpReset:  {"Reset a task", "Removes what scale, pause and resume set, so that the declaration of the task is in force again."},
	} {
		accept(api.routes, huma.Operation{
			OperationID: string(kind) + "-task", Method: http.MethodPost, Path: path(string(kind)), Tags: tags, Errors: stale,
			Summary: text.summary, Description: text.description,
		}, func(in *taskWrite) (cluster.Operation, Wait) {
			return cluster.Operation{Kind: kind, Task: in.Task, If: in.revision()}, in.Wait
		})
	}
	accept(api.routes, huma.Operation{
		OperationID: "restart-task", Method: http.MethodPost, Path: path("restart"), Tags: tags,
		Summary: "Restart all workers of a task",
		Description: "Restarts as many workers at a time as the budgets allow. Failed and withheld workers are tried again. Repeated without " +
			"an Idempotency-Key, it restarts them again.",
	}, func(in *taskOperation) (cluster.Operation, Wait) { return cluster.RestartTask(in.Task), in.Wait })
	type runNow struct {
		TaskPath
		Wait
		Body *struct {
			Params cluster.Params `json:"params,omitempty" doc:"Params of this run; the task's params by default."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "run-task-now", Method: http.MethodPost, Path: path("run-now"), Tags: tags,
		Summary: "Begin a run of a task",
		Description: "The revision of the answer is the ID of the run. While another run of the task is under way the new one waits, unless " +
			"the task's runs may overlap. Refused with 409 if the task is neither once nor scheduled. Repeated without an " +
			"Idempotency-Key, it begins another run.",
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
		Summary:     "List the runs of a task",
		Description: "Runs and skipped firings, in the order of their firing times, the latest one last.",
	}, func(ctx context.Context, in *TaskPath) (*body[client.Runs], error) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		m, err := api.hub.Current(ctx)
		if err != nil {
			return nil, err
		}
		list, err := api.runsOf(ctx, m, in.Task)
		return &body[client.Runs]{client.Runs{Runs: list}}, err
	})
}

// serveDeclarations registers the operations that read declarations, and those that change them.
func (api *tasks) serveDeclarations() {
	const all, one = "/api/v1/tasks", "/api/v1/tasks/{task}"
	tags := []string{"tasks"}
	handle(api.routes, huma.Operation{
		OperationID: "list-tasks",
		Method:      http.MethodGet,
		Path:        all,
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "List tasks",
		Description: "All tasks with their declarations, what operators set over them, and how many workers are in each state.",
	}, func(ctx context.Context, _ *struct{}) (*body[client.Tasks], error) {
		list, err := api.tasks(ctx)
		return &body[client.Tasks]{client.Tasks{Tasks: append([]cluster.TaskDetail{}, list...)}}, err // an empty list, not null
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-task",
		Method:      http.MethodGet,
		Path:        one,
		Tags:        tags,
		Metadata:    as(RoleView),
		Errors:      []int{http.StatusNotFound},
		Summary:     "Get a task",
		Description: "The task with its declaration and overrides. The ETag is its revision, for If-Match. 404 if the task does not exist.",
	}, func(ctx context.Context, in *TaskPath) (*taskAnswer, error) {
		task, err := api.task(ctx, in.Task)
		return &taskAnswer{etag(task.Revision), task}, err
	})
	api.serveChanges(all, one)
}

// serveChanges registers the operations that change declarations.
func (api *tasks) serveChanges(all, one string) {
	tags := []string{"tasks"}
	type create struct {
		Wait
		Body cluster.TaskSpec
	}
	handleKeyed(api.routes, huma.Operation{
		OperationID: "create-task", Method: http.MethodPost, Path: all, Tags: tags, Metadata: as(RoleAdmin), DefaultStatus: http.StatusAccepted,
		Errors:  []int{http.StatusConflict, http.StatusUnprocessableEntity},
		Summary: "Create a task",
		Description: "Declares a task; its workers start where there is room. Refused with 409 if the task exists, and with 422 if the " +
			"declaration is not valid.",
	}, func(ctx context.Context, in *create) (*accepted, error) {
		op := cluster.Declare(in.Body)
		op.If = cluster.IfAbsent
		return api.do(ctx, op, in.Wait)
	})
	type replace struct {
		TaskPath
		Condition
		Wait
		IfNoneMatch string `header:"If-None-Match" enum:"*" doc:"* to create the task only; refused with 412 if it exists."`
		Body        cluster.TaskSpec
	}
	handleKeyed(api.routes, huma.Operation{
		OperationID: "replace-task", Method: http.MethodPut, Path: one, Tags: tags, Metadata: as(RoleAdmin), DefaultStatus: http.StatusAccepted,
		Errors: []int{
			http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		},
		Summary:     "Replace the declaration of a task",
		Description: "Replaces all fields, or creates the task if it does not exist. The overrides of scale, pause and resume stay in force.",
	}, func(ctx context.Context, in *replace) (*accepted, error) {
		op := cluster.Operation{Kind: cluster.OpDeclare, Task: in.Task, Spec: &in.Body, If: in.revision()}
		if in.IfNoneMatch != "" {
			op.If = cluster.IfAbsent
		}
		out, err := api.do(ctx, op, in.Wait)
		if errors.Is(err, cluster.ErrExists) {
			err = fmt.Errorf("%w: %w", errNoneMatch, err)
		}
		return out, err
	})
	type patch struct {
		TaskPath
		Condition
		Wait
		Body map[string]any `doc:"Fields to change; null resets a field to its default."`
	}
	handleKeyed(api.routes, huma.Operation{
		OperationID: "patch-task", Method: http.MethodPatch, Path: one, Tags: tags, Metadata: as(RoleAdmin), DefaultStatus: http.StatusAccepted,
		Errors:      []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity},
		Summary:     "Change parts of the declaration of a task",
		Description: "The body is a JSON merge patch (RFC 7396): a declaration with only the fields to change. null resets a field to its default.",
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
		Summary:     "Delete a task and its runs",
		Description: "Stops the workers of the task. A file that declares the task in the same way as before does not create it again.",
	}, func(in *taskWrite) (cluster.Operation, Wait) {
		op := cluster.Delete(in.Task)
		op.If = in.revision()
		return op, in.Wait
	})
}

// tasks returns all tasks.
func (c *reader) tasks(ctx context.Context) ([]cluster.TaskDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
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

// runsOf returns the runs of a task. While the cluster does not change they are read once for all callers.
func (c *reader) runsOf(ctx context.Context, m *hub.Snapshot, task string) ([]cluster.RunInfo, error) {
	return c.runs.Get(ctx, m, task, func(ctx context.Context) ([]cluster.RunInfo, error) { return c.node.Runs(ctx, task) })
}
