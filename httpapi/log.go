package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// usualLines is how many lines of a log are shown unless it is said.
const usualLines = 200

// logQuery is what is asked of a worker's log.
type logQuery struct {
	slot   cluster.Slot
	lines  int
	follow bool
}

func readLogQuery(r *http.Request) (q logQuery, err error) {
	q.lines = usualLines
	index, err := strconv.Atoi(r.PathValue("index"))
	if err != nil || index < 0 {
		return q, fmt.Errorf("%w: index: %q is no number of a worker", errRequest, r.PathValue("index"))
	}
	q.slot = cluster.Slot{Task: r.PathValue("task"), Index: index}
	if run := r.FormValue("run"); run != "" {
		q.slot.Task = cluster.RunTask(q.slot.Task, run)
	}
	if text := r.FormValue("lines"); text != "" {
		if q.lines, err = strconv.Atoi(text); err != nil || q.lines < 0 {
			return q, fmt.Errorf("%w: lines: %q is no number of lines", errRequest, text)
		}
	}
	if text := r.FormValue("follow"); text != "" {
		if q.follow, err = strconv.ParseBool(text); err != nil {
			return q, fmt.Errorf("%w: follow: %q is neither true nor false", errRequest, text)
		}
	}
	return q, nil
}

// workerLog answers with the log of a worker, from whichever node has it: a JSON object a line.
func (a *API) workerLog(w http.ResponseWriter, r *http.Request) {
	q, err := readLogQuery(r)
	if err != nil {
		a.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	m, serr := a.feed.current(ctx)
	_, here := a.node.Log(q.slot, 0)
	at := cluster.WorkerInfo{}
	if serr == nil {
		at, _ = workerOf(m, q.slot)
	}
	switch {
	case at.Node == a.node.Name() || at.Node == "" && here == nil || serr != nil:
		a.sendLog(w, r, q)
	case at.Node == "":
		a.fail(w, fmt.Errorf("%w: %s does not run; its log is on the node that had it, as long as that lives", cluster.ErrNoSlot, q.slot))
	default:
		a.forward(w, r, m, at, "log", "application/x-ndjson")
	}
}

// sendLog answers with the log of a worker of this node.
func (a *API) sendLog(w http.ResponseWriter, r *http.Request, q logQuery) {
	lines, err := a.node.Log(q.slot, q.lines)
	if err != nil {
		a.fail(w, err)
		return
	}
	all, err := a.node.Log(q.slot, 1)
	if err != nil {
		a.fail(w, err)
		return
	}
	next := int64(0)
	if len(all) > 0 {
		next = all[0].N + 1
	}
	start(w, a.node.Name(), "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	for {
		for i := range lines {
			if out.Encode(&lines[i]) != nil {
				return // the client has gone
			}
			next = max(next, lines[i].N+1)
		}
		if !q.follow {
			return
		}
		_ = flush.SetWriteDeadline(time.Now().Add(30 * time.Second))
		if flush.Flush() != nil {
			return
		}
		if lines, err = a.node.FollowLog(r.Context(), q.slot, next); err != nil || len(lines) == 0 {
			return
		}
	}
}

// start begins an answer that comes bit by bit.
func start(w http.ResponseWriter, node, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Xconsumer-Node", node)
	w.WriteHeader(http.StatusOK)
}

// forward fetches what is asked of a worker from the node that has it.
func (a *API) forward(w http.ResponseWriter, r *http.Request, m *moment, at cluster.WorkerInfo, what, kind string) {
	address := ""
	for _, n := range m.sight.State.Nodes {
		if n.Member == at.Member {
			address = n.Advertise
		}
	}
	query := r.URL.Query()
	if at.Run != "" {
		query.Set("run", at.Run)
	}
	a.relay(w, r, at.Node, address, "/peer/v1/workers/"+at.Task+"/"+strconv.Itoa(at.Index)+"/"+what, query, kind)
}

// relay answers with what another node answers.
func (a *API) relay(w http.ResponseWriter, r *http.Request, node, address, path string, query url.Values, kind string) {
	resp, err := a.peers.get(r.Context(), node, address, path, query)
	if err != nil {
		a.fail(w, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	start(w, node, kind)
	flush := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buffer)
		if n > 0 {
			_ = flush.SetWriteDeadline(time.Now().Add(30 * time.Second))
			if _, werr := w.Write(buffer[:n]); werr != nil || flush.Flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// stack answers with the stacks of a worker's goroutines.
func (a *API) stack(w http.ResponseWriter, r *http.Request) {
	q, err := readLogQuery(r)
	if err != nil {
		a.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	m, err := a.feed.current(ctx)
	if err != nil {
		a.fail(w, err)
		return
	}
	at, ok := workerOf(m, q.slot)
	switch {
	case !ok || at.Node == "":
		a.fail(w, fmt.Errorf("%w: %s does not run", cluster.ErrNoSlot, q.slot))
	case at.Node == a.node.Name():
		a.sendStack(w, q)
	default:
		a.forward(w, r, m, at, "stack", "text/plain; charset=utf-8")
	}
}

func (a *API) sendStack(w http.ResponseWriter, q logQuery) {
	text, err := a.node.Stack(q.slot)
	if err != nil {
		a.fail(w, err)
		return
	}
	if text == "" {
		text = fmt.Sprintf("no goroutine of %s works for %s: it is a program, or between two executions", a.node.Name(), q.slot)
	}
	start(w, a.node.Name(), "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text+"\n") // the client has gone
}
