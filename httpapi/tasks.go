package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
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

// taskWish names a task that something is to be done with.
type taskWish struct {
	TaskPath
	Wait
}

func (a *API) serveTasks() {
	a.serveDeclarations()
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
	accept(a, huma.Operation{
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
		accept(a, huma.Operation{
			OperationID: string(kind) + "-task", Method: http.MethodPost, Path: path(string(kind)), Tags: tags, Errors: stale, Summary: summary,
		}, func(in *taskWrite) (cluster.Operation, Wait) {
			return cluster.Operation{Kind: kind, Task: in.Task, If: in.revision()}, in.Wait
		})
	}
	accept(a, huma.Operation{
		OperationID: "restart-task", Method: http.MethodPost, Path: path("restart"), Tags: tags,
		Summary: "Starts all workers of a task anew, as many at a time as the budgets allow",
	}, func(in *taskWish) (cluster.Operation, Wait) { return cluster.RestartTask(in.Task), in.Wait })
	type runNow struct {
		TaskPath
		Wait
		Body *struct {
			Params cluster.Params `json:"params,omitempty" doc:"In place of the task's params."`
		}
	}
	accept(a, huma.Operation{
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
	handle(a, huma.Operation{
		OperationID: "list-runs", Method: http.MethodGet, Path: path("runs"), Tags: tags, Metadata: as(RoleView), Errors: []int{http.StatusNotFound},
		Summary: "The runs of a task and the firings that were skipped, by the instants of their firings, the last one last",
	}, func(ctx context.Context, in *TaskPath) (*body[client.Runs], error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		m, err := a.hub.current(ctx)
		if err != nil {
			return nil, err
		}
		list, err := a.runsOf(ctx, m, in.Task)
		return &body[client.Runs]{client.Runs{Runs: list}}, err
	})
}

// runsOf returns the runs of a task, read once for everybody while nothing changes.
func (a *API) runsOf(ctx context.Context, m *snapshot, task string) ([]cluster.RunInfo, error) {
	return a.runs.get(m, task, func() ([]cluster.RunInfo, error) { return a.node.Runs(ctx, task) })
}
