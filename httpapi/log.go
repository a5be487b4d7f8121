package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
func (a *api) workerLog(w http.ResponseWriter, r *http.Request) {
	q, err := readLogQuery(r)
	if err != nil {
		a.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	state, serr := a.node.State(ctx)
	var at cluster.WorkerInfo
	for i := range state.Workers {
		if state.Workers[i].Slot() == q.slot {
			at = state.Workers[i]
		}
	}
	_, here := a.node.Log(q.slot, 0)
	switch {
	case at.Node == a.node.Name() || at.Node == "" && here == nil || serr != nil:
		a.sendLog(w, r, q)
	case at.Node == "":
		a.fail(w, fmt.Errorf("%w: %s does not run; its log is on the node that had it, as long as that lives", cluster.ErrNoSlot, q.slot))
	default:
		a.forwardLog(w, r, state, at)
	}
}

// sendLog answers with the log of a worker of this node.
func (a *api) sendLog(w http.ResponseWriter, r *http.Request, q logQuery) {
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
	startLines(w, a.node.Name())
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

func startLines(w http.ResponseWriter, node string) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Xconsumer-Node", node)
	w.WriteHeader(http.StatusOK)
}

// forwardLog fetches the log from the node that has the worker.
func (a *api) forwardLog(w http.ResponseWriter, r *http.Request, state cluster.State, at cluster.WorkerInfo) {
	address := ""
	for _, n := range state.Nodes {
		if n.Member == at.Member {
			address = n.Advertise
		}
	}
	resp, err := a.peers.get(r.Context(), at.Node, address, "/peer/v1/workers/"+at.Task+"/"+strconv.Itoa(at.Index)+"/log", r.URL.Query(), at.Run)
	if err != nil {
		a.fail(w, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	startLines(w, at.Node)
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
