package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// maxBody bounds what a request may hold.
const maxBody = 1 << 20

// operations serves what changes the cluster.
func (a *api) operations(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/tasks/{task}/scale", a.scale)
	for _, kind := range []cluster.OperationKind{cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpRestart} {
		mux.HandleFunc("POST /api/v1/tasks/{task}/"+string(kind), func(w http.ResponseWriter, r *http.Request) {
			a.do(w, r, cluster.Operation{Kind: kind, Task: r.PathValue("task")})
		})
	}
	mux.HandleFunc("POST /api/v1/tasks/{task}/run-now", a.runNow)
	mux.HandleFunc("POST /api/v1/workers/{task}/{index}/restart", a.restartWorker)
	for _, kind := range []cluster.OperationKind{cluster.OpCordon, cluster.OpUncordon, cluster.OpRestart} {
		mux.HandleFunc("POST /api/v1/nodes/{node}/"+string(kind), func(w http.ResponseWriter, r *http.Request) {
			a.do(w, r, cluster.Operation{Kind: kind, Node: r.PathValue("node")})
		})
	}
	mux.HandleFunc("POST /api/v1/nodes/{node}/drain", a.drain)
	mux.HandleFunc("POST /api/v1/leader/step-down", func(w http.ResponseWriter, r *http.Request) { a.do(w, r, cluster.StepDown()) })
	mux.HandleFunc("POST /api/v1/moves/now", func(w http.ResponseWriter, r *http.Request) { a.do(w, r, cluster.MoveNow()) })
	mux.HandleFunc("POST /api/v1/plan", a.plan)
	mux.HandleFunc("POST /api/v1/plan/apply", a.apply)
}

// Accepted is the answer to a wish that is in the store.
type Accepted struct {
	Accepted string `json:"accepted"` // the wish, in words
}

// do notes a wish.
func (a *api) do(w http.ResponseWriter, r *http.Request, op cluster.Operation) {
	ctx, cancel := context.WithTimeout(r.Context(), stateTimeout)
	defer cancel()
	if err := a.node.Do(ctx, op); err != nil {
		a.fail(w, err)
		return
	}
	write(w, http.StatusAccepted, Accepted{op.String()})
}

func (a *api) scale(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Workers *int `json:"workers"`
	}
	if err := read(w, r, &body); err != nil {
		a.fail(w, err)
		return
	}
	if body.Workers == nil {
		a.fail(w, fmt.Errorf("%w: workers: must be given, as in {\"workers\": 3}", cluster.ErrChange))
		return
	}
	a.do(w, r, cluster.Scale(r.PathValue("task"), *body.Workers))
}

func (a *api) drain(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Deadline cluster.Duration `json:"deadline"`
	}
	if err := read(w, r, &body); err != nil {
		a.fail(w, err)
		return
	}
	a.do(w, r, cluster.Operation{Kind: cluster.OpDrain, Node: r.PathValue("node"), Deadline: body.Deadline})
}

func (a *api) restartWorker(w http.ResponseWriter, r *http.Request) {
	index, err := strconv.Atoi(r.PathValue("index"))
	if err != nil || index < 0 {
		a.fail(w, fmt.Errorf("%w: index: %q is no number of a worker", cluster.ErrChange, r.PathValue("index")))
		return
	}
	a.do(w, r, cluster.RestartWorker(cluster.Slot{Task: r.PathValue("task"), Index: index}))
}

func (a *api) plan(w http.ResponseWriter, r *http.Request) {
	var change cluster.Change
	if err := read(w, r, &change); err != nil {
		a.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), stateTimeout)
	defer cancel()
	plan, err := a.node.Plan(ctx, change)
	if err != nil {
		a.fail(w, err)
		return
	}
	write(w, http.StatusOK, plan)
}

func (a *api) apply(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Revision string         `json:"revision"`
		Change   cluster.Change `json:"change"`
	}
	if err := read(w, r, &body); err != nil {
		a.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), stateTimeout)
	defer cancel()
	if err := a.node.Apply(ctx, body.Change, body.Revision); err != nil {
		a.fail(w, err)
		return
	}
	write(w, http.StatusAccepted, Accepted{"plan " + body.Revision})
}

// errBody: a request's body is not what it should be.
var errBody = errors.New("body refused")

// read reads a body, of which every field has to be known. No body is an empty one.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	switch err := d.Decode(into); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", errBody, err)
	case d.More():
		return fmt.Errorf("%w: there is more than one value in it", errBody)
	}
	return nil
}

// statuses turns errors into answers.
var statuses = []struct {
	err    error
	status int
	title  string
}{
	{errBody, http.StatusBadRequest, "the request cannot be read"},
	{cluster.ErrNoTask, http.StatusNotFound, "no such task"},
	{cluster.ErrNoNode, http.StatusNotFound, "no such node"},
	{cluster.ErrNoSlot, http.StatusNotFound, "no such worker"},
	{cluster.ErrChange, http.StatusUnprocessableEntity, "refused"},
	{cluster.ErrMovedOn, http.StatusConflict, "the cluster has moved on"},
	{errPeer, http.StatusBadGateway, "the other node cannot be asked"},
	{cluster.ErrNotMember, http.StatusServiceUnavailable, "not connected"},
}

func (a *api) fail(w http.ResponseWriter, err error) {
	p := Problem{Status: http.StatusServiceUnavailable, Title: "not done", Detail: err.Error()}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			p.Status, p.Title = s.status, s.title
			break
		}
	}
	if p.Status == http.StatusServiceUnavailable {
		p.Reasons = a.node.Ready()
	}
	write(w, p.Status, p)
}
