package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/peers"
)

// usualLines is the default number of lines of a log.
const usualLines = 200

// logQuery is the query of a request for a worker's log.
type logQuery struct {
	slot   cluster.Slot
	lines  int
	follow bool
	node   string // the node whose lines to read, "" for the node that has the worker
}

func readLogQuery(r *http.Request) (q logQuery, err error) {
	q.lines = usualLines
	query := r.URL.Query()
	index, err := strconv.Atoi(r.PathValue("index"))
	if err != nil || index < 0 {
		return q, wrongValue("path.index", r.PathValue("index"), "want the number of a worker, from 0")
	}
	q.slot, q.node = cluster.Slot{Task: r.PathValue("task"), Index: index}, query.Get("node")
	if run := query.Get("run"); run != "" {
		q.slot.Task = cluster.RunTask(q.slot.Task, run)
	}
	if text := query.Get("lines"); text != "" {
		q.lines, err = strconv.Atoi(text)
		if err != nil || q.lines < 0 {
			return q, wrongValue("query.lines", text, "want a number of lines, from 0")
		}
	}
	if text := query.Get("follow"); text != "" {
		q.follow, err = strconv.ParseBool(text)
		if err != nil {
			return q, wrongValue("query.follow", text, "want true or false")
		}
	}
	return q, nil
}

// workerLogs serves the logs and stacks of workers of all nodes.
type workerLogs struct {
	*routes
	elsewhere *elsewhere
	followers followers
	tails     peers.Tails
}

// serveLog answers with the log of a worker of any node: one JSON object per line.
func (api *workerLogs) serveLog(w http.ResponseWriter, r *http.Request) {
	q, err := readLogQuery(r)
	if err != nil {
		api.fail(w, err)
		return
	}
	leave, full := api.followers.shares.Take(access.CallerOf(r.Context()))
	if full != "" {
		answer.Send(w, answer.TooFast(full))
		return
	}
	defer leave()
	allowed, end := context.WithCancel(r.Context())
	defer api.followers.auth.EndUnlessAllowed(allowed, end, r, api.followers.closing)()
	ctx, cancel := context.WithTimeout(allowed, storeTimeout)
	defer cancel()
	m, serr := api.hub.Current(ctx)
	_, here := api.node.Log(q.slot, 0)
	at := cluster.WorkerInfo{}
	if serr == nil {
		at, err = q.place(m)
		if err != nil {
			api.failLog(ctx, w, q, err)
			return
		}
	}
	switch {
	case at.Node == api.node.Name() || at.Node == "" && here == nil || serr != nil && (q.node == "" || q.node == api.node.Name()):
		err = api.sendLog(allowed, w, localLog{api.node, q.slot}, api.node.Name(), q)
	case serr != nil:
		err = serr
	case at.Node == "":
		err = fmt.Errorf("%w: %s runs on no node; use node=NAME for the lines that an earlier node keeps", cluster.ErrNoSlot, q.slot)
	case q.follow:
		err = api.followElsewhere(allowed, w, m, at, q)
	default:
		err = api.elsewhere.forward(w, r, m, at, "log", "application/x-ndjson")
	}
	if err != nil {
		api.failLog(ctx, w, q, err)
	}
}

// failLog answers a request for a log that cannot be shown. If the named node has no lines of it, the answer is 204 and
// not an error: the worker may have left before it began there, or the node may have gone, and a follower cannot know that
// before it asks. An unknown task or node is an error.
func (api *workerLogs) failLog(ctx context.Context, w http.ResponseWriter, q logQuery, err error) {
	if p := api.problem(err); q.node == "" || p.Status != http.StatusNotFound {
		answer.Send(w, p)
		return
	}
	if err := api.checkLogNames(ctx, q); err != nil {
		api.fail(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// checkLogNames refuses the log of a task or at a node that does not exist and that nothing in the kept past names.
func (api *workerLogs) checkLogNames(ctx context.Context, q logQuery) error {
	now, ever, err := api.heardOf(ctx, q.slot.Task, q.node)
	switch task, _ := cluster.SplitRun(q.slot.Task); {
	case err != nil:
		return err
	case !ever.has(task, ""):
		return fmt.Errorf("%w: %q%s", cluster.ErrNoTask, task, instead(task, slices.Sorted(maps.Keys(now.tasks))))
	case !ever.has("", q.node):
		return invalid(unknown("query.node", "node", q.node, slices.Sorted(maps.Keys(now.nodes))))
	}
	return nil
}

// place returns the worker at the node whose lines to read: the named node, or the one that has the worker.
func (q logQuery) place(m *hub.Snapshot) (cluster.WorkerInfo, error) {
	at, _ := workerOf(m, q.slot)
	if q.node == "" {
		return at, nil
	}
	at.Task, at.Run = cluster.SplitRun(q.slot.Task)
	at.Index = q.slot.Index
	for i := range m.State.Nodes {
		if n := &m.State.Nodes[i]; n.Name == q.node && n.Member != "" {
			at.Node, at.Member = n.Name, n.Member
			return at, nil
		}
	}
	return at, fmt.Errorf("%w: %s is not up, and its lines of the log of %s are lost", cluster.ErrNoNode, q.node, q.slot)
}

// followElsewhere answers with the log of a worker of another node, and then with its new lines. If it returns an error, it
// has written nothing.
func (api *workerLogs) followElsewhere(
	ctx context.Context, w http.ResponseWriter, m *hub.Snapshot, at cluster.WorkerInfo, q logQuery,
) error {
	there, err := api.elsewhere.reach(m, at.Member)
	if err != nil {
		return err
	}
	key := peers.TailKey{Slot: q.slot, Member: at.Member, Node: at.Node, Address: there.Advertise}
	ask := func(ctx context.Context, lines int, follow bool) (io.ReadCloser, error) {
		query := url.Values{"lines": {strconv.Itoa(lines)}, "follow": {strconv.FormatBool(follow)}}
		if at.Run != "" {
			query.Set("run", at.Run)
		}
		return api.elsewhere.peers.Get(ctx, key.Node, key.Address, peerPath(at, "log"), query)
	}
	tail, leave := api.tails.Join(ctx, key, func(ctx context.Context) (io.ReadCloser, error) { return ask(ctx, peers.TailLines, true) })
	defer leave()
	return api.sendLog(ctx, w, peers.RemoteLog{Tail: tail, Ask: ask}, at.Node, q)
}

// logSource is the log of one worker.
type logSource interface {
	// Last returns the most recent lines, n at most.
	Last(ctx context.Context, n int) ([]cluster.LogLine, error)
	// Since waits until there are lines from a number on, and returns them; none when the log or ctx ends.
	Since(ctx context.Context, first int64) ([]cluster.LogLine, error)
}

// localLog is the log of a worker of this node.
type localLog struct {
	node Node
	slot cluster.Slot
}

func (l localLog) Last(_ context.Context, n int) ([]cluster.LogLine, error) {
	return l.node.Log(l.slot, n)
}

func (l localLog) Since(ctx context.Context, first int64) ([]cluster.LogLine, error) {
	return l.node.FollowLog(ctx, l.slot, first)
}

// sendLog answers with a log, until ctx ends if it is followed. If it returns an error, it has written nothing.
func (api *workerLogs) sendLog(ctx context.Context, w http.ResponseWriter, log logSource, node string, q logQuery) error {
	lines, err := log.Last(ctx, max(q.lines, 1)) // at least one line, which shows where new lines begin
	if err != nil {
		return err
	}
	next := int64(0)
	if len(lines) > 0 {
		next = lines[len(lines)-1].Number + 1
	}
	lines = lines[max(0, len(lines)-q.lines):]
	start(w, node, "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	for {
		if q.follow {
			_ = flush.SetWriteDeadline(time.Now().Add(30 * time.Second))
		}
		for i := range lines {
			if out.Encode(&lines[i]) != nil {
				return nil //nolint:nilerr // the client has gone
			}
			next = max(next, lines[i].Number+1)
		}
		if !q.follow || flush.Flush() != nil {
			return nil //nolint:nilerr // the client has gone
		}
		lines, err = log.Since(ctx, next)
		if err != nil || len(lines) == 0 {
			return nil //nolint:nilerr // the log has ended, and all its lines are sent
		}
	}
}

// start writes the header of an answer whose body comes in parts.
func start(w http.ResponseWriter, node, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Xconsumer-Node", node)
	w.WriteHeader(http.StatusOK)
}

// forward relays a request about a worker to the node that has it. If it returns an error, it has written nothing.
func (e *elsewhere) forward(w http.ResponseWriter, r *http.Request, m *hub.Snapshot, at cluster.WorkerInfo, what, kind string) error {
	query := r.URL.Query()
	if at.Run != "" {
		query.Set("run", at.Run)
	}
	return e.relay(w, r, m, at.Member, peerPath(at, what), query, kind)
}

func peerPath(at cluster.WorkerInfo, what string) string {
	return "/peer/v3/workers/" + at.Task + "/" + strconv.Itoa(at.Index) + "/" + what
}

// relay answers with the answer of another node. If it returns an error, it has written nothing.
func (e *elsewhere) relay(
	w http.ResponseWriter, r *http.Request, m *hub.Snapshot, member, path string, query url.Values, kind string,
) error {
	ctx, cancel := context.WithTimeout(r.Context(), peers.Patience)
	defer cancel()
	there, err := e.reach(m, member)
	if err != nil {
		return err
	}
	body, err := e.peers.Get(ctx, there.Name, there.Advertise, path, query)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	start(w, there.Name, kind)
	flush := http.NewResponseController(w)
	buffer := make([]byte, peers.MaxFrame)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			_ = flush.SetWriteDeadline(time.Now().Add(30 * time.Second))
			if _, werr := w.Write(buffer[:n]); werr != nil || flush.Flush() != nil {
				return nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			panic(http.ErrAbortHandler) // the client must not take the first part for the whole
		}
	}
}

// serveStack answers with the stacks of a worker's goroutines.
func (api *workerLogs) serveStack(w http.ResponseWriter, r *http.Request) {
	q, err := readLogQuery(r)
	if err != nil {
		api.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	m, err := api.hub.Current(ctx)
	if err != nil {
		api.fail(w, err)
		return
	}
	q.slot, err = underWay(m, q.slot)
	if err != nil {
		api.fail(w, err)
		return
	}
	at, ok := workerOf(m, q.slot)
	switch {
	case !ok || at.Node == "":
		api.fail(w, fmt.Errorf("%w: %s does not run", cluster.ErrNoSlot, q.slot))
	case at.Node == api.node.Name():
		api.sendStack(w, q)
	default:
		if err := api.elsewhere.forward(w, r, m, at, "stack", "text/plain; charset=utf-8"); err != nil {
			api.fail(w, err)
		}
	}
}

func (api *workerLogs) sendStack(w http.ResponseWriter, q logQuery) {
	text, err := api.node.Stack(q.slot)
	if err != nil {
		api.fail(w, err)
		return
	}
	if text == "" {
		text = fmt.Sprintf("no goroutine of %s runs %s: the worker is between two executions, or has left", api.node.Name(), q.slot)
	}
	start(w, api.node.Name(), "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text+"\n") // the client has gone
}
