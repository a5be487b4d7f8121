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
	Index int `path:"index" minimum:"0" maximum:"99999" doc:"Index of the worker in its task, from 0."`
}

func (w *WorkerPath) slot(run string) cluster.Slot {
	if run != "" {
		return cluster.Slot{Task: cluster.RunTask(w.Task, run), Index: w.Index}
	}
	return cluster.Slot{Task: w.Task, Index: w.Index}
}

// workerQuery selects workers.
type workerQuery struct {
	Task  string     `query:"task" doc:"Name of the task."`
	Node  string     `query:"node" doc:"Name of the node."`
	State stateParam `query:"state" doc:"State of the workers."`
}

// workerRun names a worker, and the run if its task has runs.
type workerRun struct {
	WorkerPath
	Run string `query:"run" doc:"ID of the run, for a task with runs; by default the run under way that began last."`
}

// underWay adds the run to a slot that names none although its task has runs: the run under way that began last.
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
		Summary:     "List workers",
		Description: "All workers, or those that match every filter. Refused with 422 if no task or node of that name is known.",
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
		Errors: []int{http.StatusNotFound}, Summary: "Get a worker",
		Description: "The state of one worker. 404 if the task has no such worker, or if it has runs and none is under way.",
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
		Errors:      []int{http.StatusNotFound},
		Summary:     "Explain the placement of a worker",
		Description: "Why the worker is where it is, why it is not on other nodes, and how it got there.",
	}, func(ctx context.Context, in *workerRun) (*body[cluster.Explanation], error) {
		_, slot, err := api.locate(ctx, in)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		out, err := api.node.Explain(ctx, slot)
		return &body[cluster.Explanation]{out}, err
	})
	api.serveOperations(one)
	api.serveLogs()
}

// serveOperations registers the operations on one worker.
func (api *workers) serveOperations(one string) {
	tags := []string{"workers"}
	type restart struct {
		WorkerPath
		Wait
	}
	accept(api.routes, huma.Operation{
		OperationID: "restart-worker", Method: http.MethodPost, Path: one + "/restart", Tags: tags,
		Summary: "Restart a worker",
		Description: "The worker runs again under a new token, not necessarily on the same node. Repeated without an Idempotency-Key, it " +
			"restarts again.",
	}, func(in *restart) (cluster.Operation, Wait) { return cluster.RestartWorker(in.slot("")), in.Wait })
	type move struct {
		WorkerPath
		Wait
		Body struct {
			To string `json:"to" minLength:"1" maxLength:"128" doc:"Name of the node to move the worker to."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "move-worker", Method: http.MethodPost, Path: one + "/move", Tags: tags,
		Summary: "Move a worker",
		Description: "Moves the worker to a node. Another worker of that node moves away if that keeps the placement even. Refused with " +
			"409 if the worker is there already, runs on no node, or would be moved back.",
	}, func(in *move) (cluster.Operation, Wait) { return cluster.Move(in.slot(""), in.Body.To), in.Wait })
}

// serveLogs registers logs and stacks, for callers and for other nodes.
func (api *workers) serveLogs() {
	api.handleRaw(logOperation(), api.logs.serveLog)
	api.handleRaw(stackOperation(), api.logs.serveStack)
	fromPeer := func(send func(http.ResponseWriter, *http.Request, logQuery)) http.HandlerFunc {
		return api.logs.elsewhere.peers.Signed(api.node, func(w http.ResponseWriter, r *http.Request) {
			q, err := readLogQuery(r)
			if err != nil {
				api.fail(w, err)
				return
			}
			send(w, r, q)
		})
	}
	api.mux.HandleFunc("GET /peer/v3/workers/{task}/{index}/log", fromPeer(func(w http.ResponseWriter, r *http.Request, q logQuery) {
		// The other node checks its caller.
		if err := api.logs.sendLog(r.Context(), w, localLog{api.node, q.slot}, api.node.Name(), q); err != nil {
			api.fail(w, err)
		}
	}))
	api.mux.HandleFunc(
		"GET /peer/v3/workers/{task}/{index}/stack",
		fromPeer(func(w http.ResponseWriter, _ *http.Request, q logQuery) { api.logs.sendStack(w, q) }),
	)
}

// locate returns the present state of the cluster, and the slot that a request names.
func (c *reader) locate(ctx context.Context, in *workerRun) (*hub.Snapshot, cluster.Slot, error) {
	m, err := c.current(ctx)
	if err != nil {
		return nil, cluster.Slot{}, err
	}
	slot, err := underWay(m, in.slot(in.Run))
	return m, slot, err
}

// workerOf returns the worker of a slot, and false if there is none.
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

// logOperation describes serveLog, which huma cannot serve because the answer may have no end.
func logOperation() *huma.Operation {
	integer, text, truth := &huma.Schema{Type: huma.TypeInteger}, &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeBoolean}
	return &huma.Operation{
		OperationID: "get-worker-log",
		Method:      http.MethodGet,
		Path:        "/api/v1/workers/{task}/{index}/log",
		Tags:        []string{"workers"},
		Summary:     "Get the log of a worker",
		Description: "The output of the worker, one JSON object per line, from the node that has the worker. With follow, the answer " +
			"continues as long as that node has the worker; the stream reports where a worker is. 404 if the worker has no log or " +
			"its task is unknown, 422 if the node is unknown.",
		Parameters: []*huma.Param{
			{Name: "task", In: "path", Required: true, Description: "The task's name.", Schema: text},
			{Name: "index", In: "path", Required: true, Description: "Index of the worker in its task, from 0.", Schema: integer},
			{Name: "lines", In: "query", Description: "Number of most recent lines; 200 by default.", Schema: integer},
			{Name: "follow", In: "query", Description: "Keep the answer open, and send new lines as they come; false by default.", Schema: truth},
			{Name: "run", In: "query", Description: "ID of the run, for a task with runs.", Schema: text},
			{
				Name: "node",
				In:   "query",
				Description: "Name of the node whose lines to return, even of a worker that has left the node or of a run that is over; by " +
					"default the node that has the worker.",
				Schema: text,
			},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "The lines, one JSON object each.", Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: text}}},
			"204": {
				Description: "The named node has no lines of the worker: the worker has not begun there, it left long ago, or the node is not " +
					"up.",
			},
			"default": problemResponse(),
		},
	}
}

// stackOperation describes serveStack, whose answer is text.
func stackOperation() *huma.Operation {
	integer, text := &huma.Schema{Type: huma.TypeInteger}, &huma.Schema{Type: huma.TypeString}
	return &huma.Operation{
		OperationID: "get-worker-stack", Method: http.MethodGet, Path: "/api/v1/workers/{task}/{index}/stack", Tags: []string{"workers"},
		Summary: "Get the stacks of a worker",
		Description: "The stacks of the worker's goroutines, from the node that has the worker. Use it for a worker that does not stop. " +
			"For a program the answer lists its processes and their states. 404 if the worker does not run.",
		Parameters: []*huma.Param{
			{Name: "task", In: "path", Required: true, Description: "The task's name.", Schema: text},
			{Name: "index", In: "path", Required: true, Description: "Index of the worker in its task, from 0.", Schema: integer},
			{
				Name:        "run",
				In:          "query",
				Description: "ID of the run, for a task with runs; by default the run under way that began last.",
				Schema:      text,
			},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The stacks, as text.", Content: map[string]*huma.MediaType{"text/plain": {Schema: text}}},
			"default": problemResponse(),
		},
	}
}
