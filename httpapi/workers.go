package httpapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// WorkerPath names a worker.
type WorkerPath struct {
	TaskPath
	Index int `path:"index" minimum:"0" maximum:"99999" doc:"Which of the task's workers, from 0."`
}

func (w *WorkerPath) slot() cluster.Slot { return cluster.Slot{Task: w.Task, Index: w.Index} }

func (a *api) serveWorkers(mux *http.ServeMux) {
	accept(a, huma.Operation{
		OperationID: "restart-worker", Method: http.MethodPost, Path: "/api/v1/workers/{task}/{index}/restart", Tags: []string{"workers"},
		Summary: "Starts a worker anew, under a new token and not necessarily on the same node",
	}, func(in *WorkerPath) cluster.Operation { return cluster.RestartWorker(in.slot()) })

	mux.HandleFunc("GET /api/v1/workers/{task}/{index}/log", a.workerLog)
	mux.HandleFunc("GET /peer/v1/workers/{task}/{index}/log", a.peers.signed(func(w http.ResponseWriter, r *http.Request) {
		q, err := readLogQuery(r)
		if err != nil {
			a.fail(w, err)
			return
		}
		a.sendLog(w, r, q)
	}))
	a.huma.OpenAPI().AddOperation(logOperation())
}

// logOperation describes the one answer that has no end.
func logOperation() *huma.Operation {
	integer, text, truth := &huma.Schema{Type: huma.TypeInteger}, &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeBoolean}
	return &huma.Operation{
		OperationID: "get-worker-log", Method: http.MethodGet, Path: "/api/v1/workers/{task}/{index}/log", Tags: []string{"workers"},
		Summary:     "What a worker has written, from whichever node has it",
		Description: "A JSON object a line. With follow it goes on until the worker leaves the node or the client goes.",
		Parameters: []*huma.Param{
			{Name: "task", In: "path", Required: true, Schema: text},
			{Name: "index", In: "path", Required: true, Schema: integer},
			{Name: "lines", In: "query", Description: "The last ones, 200 unless it is said.", Schema: integer},
			{Name: "follow", In: "query", Description: "And what comes then.", Schema: truth},
			{Name: "run", In: "query", Description: "Of this run, of a task that runs to its end.", Schema: text},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "Lines", Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: text}}},
			"default": {Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}}},
		},
	}
}
