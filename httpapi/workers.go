package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
)

// WorkerPath names a worker.
type WorkerPath struct {
	TaskPath
	Index int `path:"index" minimum:"0" maximum:"99999" doc:"Which of the task's workers, from 0."`
}

func (w *WorkerPath) slot(run string) cluster.Slot {
	if run != "" {
		return cluster.Slot{Task: cluster.RunTask(w.Task, run), Index: w.Index}
	}
	return cluster.Slot{Task: w.Task, Index: w.Index}
}

// workerQuery picks workers.
type workerQuery struct {
	Task  string     `query:"task" doc:"Of this task."`
	Node  string     `query:"node" doc:"On this node."`
	State stateParam `query:"state" doc:"In this state."`
}

// workerRun names a worker, of a run if its task has runs.
type workerRun struct {
	WorkerPath
	Run string `query:"run" doc:"Of this run, of a task that runs to its end; of the one under way that began last unless it is said."`
}

// underWay returns the slot that is meant where a task has runs, and none is named: that of the run under way that began
// last.
func underWay(m *hub.Snapshot, slot cluster.Slot) (cluster.Slot, error) {
	tasks := m.State.Tasks
	at := slices.IndexFunc(tasks, func(t cluster.TaskInfo) bool { return t.Name == slot.Task && t.Runs })
	if at < 0 {
		return slot, nil
	}
	var last *cluster.RunInfo
	for i := range m.State.Runs {
		if r := &m.State.Runs[i]; r.Task == slot.Task && r.State == cluster.RunGoesOn && (last == nil || r.Began.After(last.Began)) {
			last = r
		}
	}
	switch next := tasks[at].NextRun; {
	case last != nil:
		return cluster.Slot{Task: cluster.RunTask(slot.Task, last.ID), Index: slot.Index}, nil
	case next.IsZero():
		return slot, fmt.Errorf("%w: %s: its task has no run under way, and none is due", cluster.ErrNoSlot, slot)
	default:
		return slot, fmt.Errorf(
			"%w: %s: its task has no run under way; the next one is due at %s",
			cluster.ErrNoSlot,
			slot,
			next.UTC().Format(time.RFC3339),
		)
	}
}

// workers serves workers and their logs.
type workers struct {
	*routes
	logs *workerLogs
}

func (api *workers) serve() {
	const one = "/api/v1/workers/{task}/{index}"
	tags := []string{"workers"}
	handle(api.routes, huma.Operation{
		OperationID: "list-workers",
		Method:      http.MethodGet,
		Path:        "/api/v1/workers",
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "Workers, all or some",
	}, func(ctx context.Context, in *workerQuery) (*body[client.Workers], error) {
		if err := api.checkNames(ctx, in.Task, in.Node); err != nil {
			return nil, err
		}
		m, err := api.current(ctx)
		if err != nil {
			return nil, err
		}
		list := []cluster.WorkerInfo{}
		for i := range m.State.Workers {
			if w := &m.State.Workers[i]; (in.Task == "" || w.Task == in.Task) && (in.Node == "" || w.Node == in.Node) &&
				(in.State == "" || w.State == cluster.WorkerState(in.State)) {
				list = append(list, *w)
			}
		}
		return &body[client.Workers]{client.Workers{Workers: list}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-worker", Method: http.MethodGet, Path: one, Tags: tags, Metadata: as(RoleView),
		Errors: []int{http.StatusNotFound}, Summary: "A worker",
	}, func(ctx context.Context, in *workerRun) (*body[cluster.WorkerInfo], error) {
		m, slot, err := api.locate(ctx, in)
		if err != nil {
			return nil, err
		}
		w, ok := workerOf(m, slot)
		if !ok {
			return nil, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
		}
		return &body[cluster.WorkerInfo]{w}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "explain-worker", Method: http.MethodGet, Path: one + "/explain", Tags: tags, Metadata: as(RoleView),
		Errors: []int{http.StatusNotFound}, Summary: "Why a worker is where it is, why not elsewhere, and how it got there",
	}, func(ctx context.Context, in *workerRun) (*body[cluster.Explanation], error) {
		_, slot, err := api.locate(ctx, in)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		out, err := api.node.Explain(ctx, slot)
		return &body[cluster.Explanation]{out}, err
	})
	api.serveOperations(one)
	api.serveLogs()
}

// serveOperations serves what is done with one worker.
func (api *workers) serveOperations(one string) {
	tags := []string{"workers"}
	type restart struct {
		WorkerPath
		Wait
	}
	accept(api.routes, huma.Operation{
		OperationID: "restart-worker", Method: http.MethodPost, Path: one + "/restart", Tags: tags,
		Summary: "Restarts a worker under a new token, not necessarily on the same node",
	}, func(in *restart) (cluster.Operation, Wait) { return cluster.RestartWorker(in.slot("")), in.Wait })
	type move struct {
		WorkerPath
		Wait
		Body struct {
			To string `json:"to" minLength:"1" maxLength:"128" doc:"The node that is to have it."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "move-worker", Method: http.MethodPost, Path: one + "/move", Tags: tags,
		Summary:     "Moves a worker to a node",
		Description: "Another one makes room for it where that keeps the placement even. Refused if the plan would not leave it there.",
	}, func(in *move) (cluster.Operation, Wait) { return cluster.Move(in.slot(""), in.Body.To), in.Wait })
}

// serveLogs serves logs and stacks, to callers and to other nodes.
func (api *workers) serveLogs() {
	api.handleRaw(logOperation(), api.logs.serveLog)
	api.handleRaw(stackOperation(), api.logs.serveStack)
	asked := func(send func(http.ResponseWriter, *http.Request, logQuery)) http.HandlerFunc {
		return api.logs.elsewhere.peers.Signed(api.node, func(w http.ResponseWriter, r *http.Request) {
			q, err := readLogQuery(r)
			if err != nil {
				api.fail(w, err)
				return
			}
			send(w, r, q)
		})
	}
	api.mux.HandleFunc("GET /peer/v3/workers/{task}/{index}/log", asked(func(w http.ResponseWriter, r *http.Request, q logQuery) {
		// The other node looks after who reads it.
		if err := api.logs.sendLog(r.Context(), w, localLog{api.node, q.slot}, api.node.Name(), q); err != nil {
			api.fail(w, err)
		}
	}))
	api.mux.HandleFunc(
		"GET /peer/v3/workers/{task}/{index}/stack",
		asked(func(w http.ResponseWriter, _ *http.Request, q logQuery) { api.logs.sendStack(w, q) }),
	)
}

// locate returns the cluster as it is, and the slot in it that a request means.
func (c *reader) locate(ctx context.Context, in *workerRun) (*hub.Snapshot, cluster.Slot, error) {
	m, err := c.current(ctx)
	if err != nil {
		return nil, cluster.Slot{}, err
	}
	slot, err := underWay(m, in.slot(in.Run))
	return m, slot, err
}

// workerOf returns a worker, and false if there is none.
func workerOf(m *hub.Snapshot, slot cluster.Slot) (cluster.WorkerInfo, bool) {
	list := m.State.Workers
	task, run := cluster.SplitRun(slot.Task)
	at, found := slices.BinarySearchFunc(
		list,
		cluster.WorkerInfo{Task: task, Run: run, Index: slot.Index},
		func(a, b cluster.WorkerInfo) int { return a.Compare(&b) },
	)
	if !found {
		return cluster.WorkerInfo{}, false
	}
	return list[at], true
}

// logOperation describes the log, which may have no end.
func logOperation() *huma.Operation {
	integer, text, truth := &huma.Schema{Type: huma.TypeInteger}, &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeBoolean}
	return &huma.Operation{
		OperationID: "get-worker-log",
		Method:      http.MethodGet,
		Path:        "/api/v1/workers/{task}/{index}/log",
		Tags:        []string{"workers"},
		Summary:     "What a worker has written, from whichever node has it",
		Description: "A JSON object a line. With follow it goes on for as long as the node has the worker and the client stays; the " +
			"stream says where a worker is.",
		Parameters: []*huma.Param{
			{Name: "task", In: "path", Required: true, Schema: text},
			{Name: "index", In: "path", Required: true, Schema: integer},
			{Name: "lines", In: "query", Description: "Number of most recent lines; 200 by default.", Schema: integer},
			{Name: "follow", In: "query", Description: "Keep the stream open and send new lines as they are written.", Schema: truth},
			{Name: "run", In: "query", Description: "ID of the run, for a task with runs.", Schema: text},
			{
				Name: "node",
				In:   "query",
				Description: "What this node keeps of it, also of a worker that has left it, or of a run that is over; the node that has the " +
					"worker unless it is said.",
				Schema: text,
			},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "Lines", Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: text}}},
			"204": {
				Description: "The node that was named keeps nothing of it: the worker has not begun there, or left long ago, or the node is " +
					"not up. A node that nothing names, now or in what is kept of the past, is refused, and a task like it is not " +
					"found. If no node is named, a worker without a log is not found.",
			},
			"default": problemResponse(),
		},
	}
}

// stackOperation describes the stack, which is text.
func stackOperation() *huma.Operation {
	integer, text := &huma.Schema{Type: huma.TypeInteger}, &huma.Schema{Type: huma.TypeString}
	return &huma.Operation{
		OperationID: "get-worker-stack", Method: http.MethodGet, Path: "/api/v1/workers/{task}/{index}/stack", Tags: []string{"workers"},
		Summary:     "What the goroutines of a worker are doing, from whichever node has it",
		Description: "For one that does not stop. Programs have none: of these it says which processes they are, and in which state.",
		Parameters: []*huma.Param{
			{Name: "task", In: "path", Required: true, Schema: text},
			{Name: "index", In: "path", Required: true, Schema: integer},
			{
				Name:        "run",
				In:          "query",
				Description: "Of this run, of a task that runs to its end; of the one under way that began last unless it is said.",
				Schema:      text,
			},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "Stacks", Content: map[string]*huma.MediaType{"text/plain": {Schema: text}}},
			"default": problemResponse(),
		},
	}
}
