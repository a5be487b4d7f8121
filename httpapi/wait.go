package httpapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// maxWait is the longest wait that a request may ask for.
const maxWait = 10 * time.Minute

// Wait is how long to wait until an operation has settled.
type Wait struct {
	Wait string `query:"wait" doc:"Time to wait until all affected workers have settled, as in 30s, 10m at most; 0s by default. The answer reports whether they have."`
}

// asked reports whether the caller asked to wait.
func (w *Wait) asked() bool { return w.Wait != "" }

// Resolve implements huma.Resolver: it refuses an invalid duration.
func (w *Wait) Resolve(huma.Context) []error {
	if !w.asked() {
		return nil
	}
	if d, err := time.ParseDuration(w.Wait); err != nil || d < 0 || d > maxWait {
		return []error{
			&huma.ErrorDetail{
				Location: "query.wait",
				Value:    w.Wait,
				Message:  fmt.Sprintf("invalid duration %q: want 0s to %s, as in \"30s\"", w.Wait, "10m"),
			},
		}
	}
	return nil
}

func (w *Wait) duration() time.Duration {
	d, _ := time.ParseDuration(w.Wait)
	return d
}

// goal is what must be true before an operation has settled.
type goal struct {
	// reached returns the step that is missing before the operation itself is done, "" for none.
	reached func(s *cluster.Snapshot) string
	renews  map[cluster.Slot]int64 // the tokens of grants that must be replaced
	task    string                 // the task whose workers must settle, "" for all
	run     string                 // the run that must be over
}

// unseen are the operations that leave no lasting record of whether they were done.
var unseen = []cluster.OperationKind{cluster.OpRestart, cluster.OpEvict, cluster.OpStepDown, cluster.OpMoveNow}

// goalOf returns the goal of an operation that was answered with a revision; before is the cluster before the operation.
// For a repeated operation that state is unknown, so the goal is only that the affected workers settle.
func goalOf(op cluster.Operation, revision string, repeated bool, before *hub.Snapshot) goal {
	g := goal{task: op.Task, reached: func(*cluster.Snapshot) string { return "" }}
	if repeated && slices.Contains(unseen, op.Kind) {
		return g
	}
	switch op.Kind {
	case cluster.OpRestart:
		g.renews = tokensOf(before, op)
		if op.Node == "" {
			g.reached = triedAgain(before, op)
		}
	case cluster.OpMove:
		g.reached = func(s *cluster.Snapshot) string { return arrived(s, op) }
	case cluster.OpEvict:
		member := memberOf(before, op.Node)
		g.reached = func(s *cluster.Snapshot) string {
			if slices.ContainsFunc(s.State.Nodes, func(n cluster.NodeInfo) bool { return n.Member == member }) {
				return op.Node + " is still a member"
			}
			return ""
		}
	case cluster.OpStepDown:
		term := before.State.Term
		g.reached = func(s *cluster.Snapshot) string {
			if s.State.Term > term && s.State.Leader != "" {
				return ""
			}
			return "no new leader yet"
		}
	case cluster.OpSettings:
		g.reached = func(s *cluster.Snapshot) string {
			if s.State.Settings != *op.Settings {
				return "the settings are not visible yet"
			}
			return ""
		}
	case cluster.OpRunNow:
		g.run = revision
		g.reached = func(s *cluster.Snapshot) string { return seenToGoOn(s, op.Task, revision) }
	case cluster.OpMoveNow:
		lost := before.State.Lost
		g.reached = func(s *cluster.Snapshot) string {
			if s.State.Deferred != nil && before.State.Deferred != nil {
				return "moves for balance still wait"
			}
			return reaped(s, lost)
		}
	case cluster.OpDelete:
		g.reached = func(s *cluster.Snapshot) string { return deleted(s, op.Task) }
	case cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain, cluster.OpLabel:
		g.reached = func(s *cluster.Snapshot) string {
			if todo := seenMark(s, op.Node, revision); todo != "" {
				return todo
			}
			return marked(s, op.Kind, op.Node)
		}
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpDeclare, cluster.OpPatch:
		g.reached = func(s *cluster.Snapshot) string { return seenTask(s, op.Task, revision) }
	}
	return g
}

// tokensOf returns the tokens of the grants that an operation is about.
func tokensOf(m *hub.Snapshot, op cluster.Operation) map[cluster.Slot]int64 {
	tokens := map[cluster.Slot]int64{}
	for i := range m.State.Workers {
		w := &m.State.Workers[i]
		if (op.Task == "" || w.Task == op.Task) && (op.Node == "" || w.Node == op.Node) && (op.Index == nil || w.Index == *op.Index) &&
			w.Node != "" {
			tokens[w.Slot()] = w.Token
		}
	}
	return tokens
}

// arrived returns "" once a worker is on the node that it was moved to, else the missing step.
func arrived(s *cluster.Snapshot, op cluster.Operation) string {
	for i := range s.State.Workers {
		if w := &s.State.Workers[i]; w.Task == op.Task && w.Index == *op.Index && w.Node == op.Node {
			return ""
		}
	}
	return fmt.Sprintf("%s#%d is not on %s yet", op.Task, *op.Index, op.Node)
}

func memberOf(m *hub.Snapshot, node string) string {
	for i := range m.State.Nodes {
		if n := &m.State.Nodes[i]; n.Name == node {
			return n.Member
		}
	}
	return ""
}

// isOld reports whether a worker still has a grant that must be replaced.
func (g *goal) isOld(w *cluster.WorkerInfo) bool {
	token, renews := g.renews[w.Slot()]
	return renews && w.Token == token
}

// onItsWay describes the progress of a worker that has not settled.
func onItsWay(w *cluster.WorkerInfo) string {
	switch w.State {
	case cluster.WorkerStuck:
		since := ""
		if !w.Since.IsZero() {
			since = " since " + w.Since.UTC().Format("15:04:05 MST") + " by its clock"
		}
		return fmt.Sprintf("%s on %s is %s%s: the worker does not stop; see xconsumer explain '%[1]s'", w.Slot(), w.Node, w.State, since)
	case cluster.WorkerPending, cluster.WorkerStarting, cluster.WorkerStopping, cluster.WorkerLost:
		return fmt.Sprintf("%s on %s is %s", w.Slot(), w.Node, w.State)
	}
	return fmt.Sprintf("%s on %s is to be restarted", w.Slot(), w.Node)
}

// reaped returns "" once all members that were gone are reaped, else the missing step.
func reaped(s *cluster.Snapshot, gone []cluster.NodeInfo) string {
	for i := range s.State.Lost {
		n := &s.State.Lost[i]
		if slices.ContainsFunc(gone, func(g cluster.NodeInfo) bool { return g.Member == n.Member }) {
			return "still waiting for node " + n.Name
		}
	}
	return ""
}

// deleted returns "" once a task no longer exists, else the missing step.
func deleted(s *cluster.Snapshot, task string) string {
	for i := range s.Tasks {
		if s.Tasks[i].Name == task {
			return "task " + task + " still exists"
		}
	}
	return ""
}

// marked returns "" once a snapshot shows the mark of an operation on a node, else the missing step. Revisions alone do not
// suffice: a mark that is written after another one was deleted begins with low revisions again.
func marked(s *cluster.Snapshot, kind cluster.OperationKind, node string) string {
	for i := range s.State.Nodes {
		n := &s.State.Nodes[i]
		if n.Name != node {
			continue
		}
		cordoned, drained := n.Cordoned, n.Drain != nil
		if kind == cluster.OpCordon && !cordoned || kind == cluster.OpDrain && !drained || kind == cluster.OpUncordon && (cordoned || drained) {
			return fmt.Sprintf("%s of %s is not visible yet", kind, node)
		}
	}
	return ""
}

// seenMark returns "" once a snapshot has the mark of a node at a revision, else the missing step. Revision "" is that of a
// mark that does not exist. A mark that was removed since counts as seen.
func seenMark(s *cluster.Snapshot, node, revision string) string {
	have, marked := s.Marks[node]
	if revision == "" || !marked && revision != "0" || marked && atLeast(have, revision) {
		return ""
	}
	return "the change of node " + node + " is not visible yet"
}

// goalOfAll returns the goal of operations that were applied together, each answered with a revision. Repeated ones have no
// revisions; then the goal is only that all workers settle.
func goalOfAll(ops cluster.Operations, revisions []string, before *hub.Snapshot) goal {
	all, goals := goal{renews: map[cluster.Slot]int64{}}, []goal(nil)
	for i, op := range ops {
		if i >= len(revisions) || overruled(op, ops[i+1:]) {
			continue
		}
		g := goalOf(op, revisions[i], false, before)
		maps.Copy(all.renews, g.renews)
		goals = append(goals, g)
	}
	all.reached = func(s *cluster.Snapshot) string {
		for _, g := range goals {
			if todo := g.reached(s); todo != "" {
				return todo
			}
		}
		return ""
	}
	return all
}

// onTask reports whether operations of a kind change the record of a task.
func onTask(kind cluster.OperationKind) bool {
	switch kind {
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpDeclare, cluster.OpPatch, cluster.OpDelete:
		return true
	}
	return false
}

// onNode reports whether operations of a kind change the mark of a node.
func onNode(kind cluster.OperationKind) bool {
	switch kind {
	case cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain, cluster.OpLabel:
		return true
	}
	return false
}

// overruled reports whether a later operation changes the same record of a task, a node or the settings.
func overruled(op cluster.Operation, later cluster.Operations) bool {
	return slices.ContainsFunc(later, func(l cluster.Operation) bool {
		return onTask(op.Kind) && onTask(l.Kind) && l.Task == op.Task || onNode(op.Kind) && onNode(l.Kind) && l.Node == op.Node ||
			op.Kind == cluster.OpSettings && l.Kind == op.Kind
	})
}

// atLeast reports whether a revision is not older than another one of the same name. "7" is older than "1.0": that is the
// revision of a later task under the same name.
func atLeast(have, want string) bool {
	h, w := numbers(have), numbers(want)
	return h != nil && w != nil && slices.Compare(h, w) >= 0
}

// numbers returns the two numbers of a revision, nil if the text is not a revision.
func numbers(revision string) []int64 {
	generation, version, found := strings.Cut(revision, ".")
	if !found {
		generation, version = "0", revision
	}
	g, gerr := strconv.ParseInt(generation, 10, 64)
	v, verr := strconv.ParseInt(version, 10, 64)
	if gerr != nil || verr != nil {
		return nil
	}
	return []int64{g, v}
}

// triedAgain returns the check that a restart tries withheld and failed workers again. The check returns "", or the
// missing step.
func triedAgain(before *hub.Snapshot, op cluster.Operation) func(*cluster.Snapshot) string {
	kept := map[cluster.Slot]bool{}
	for i := range before.State.Workers {
		if w := &before.State.Workers[i]; (op.Task == "" || w.Task == op.Task) && (op.Index == nil || w.Index == *op.Index) && w.Kept() {
			kept[w.Slot()] = true
		}
	}
	return func(s *cluster.Snapshot) string {
		for i := range s.State.Workers {
			if w := &s.State.Workers[i]; kept[w.Slot()] && w.Kept() {
				return w.Slot().String() + " is not started again yet"
			}
		}
		return ""
	}
}

// seenTask returns "" once a snapshot has a task at a revision, else the missing step.
func seenTask(s *cluster.Snapshot, task, revision string) string {
	for i := range s.Tasks {
		if s.Tasks[i].Name == task && atLeast(s.Tasks[i].Revision, revision) {
			return ""
		}
	}
	return "the change of task " + task + " is not visible yet"
}

// seenToGoOn returns "" once a snapshot no longer shows a finished run as under way, else the missing step.
func seenToGoOn(s *cluster.Snapshot, task, id string) string {
	for i := range s.State.Runs {
		if r := &s.State.Runs[i]; r.Task == task && r.ID == id && r.State != cluster.RunDone && r.State != cluster.RunFailed {
			return fmt.Sprintf("run %s is over, but still shown as %s", id, r.State)
		}
	}
	return ""
}

// settle waits until a goal is reached and its workers have settled, or the wait is over, and fills the answer with the
// progress.
func (o *writer) settle(ctx context.Context, out *client.Accepted, wait Wait, g goal) {
	ctx, cancel := context.WithTimeout(ctx, wait.duration())
	defer cancel()
	settled := false
	defer func() { out.Settled = &settled }()
	m, err := o.hub.Current(ctx)
	for err == nil {
		out.Waiting = o.missing(ctx, m, g)
		if len(out.Waiting) == 0 {
			settled = true
			out.Unplaced = g.unplaced(&m.Snapshot)
			return
		}
		m, err = o.hub.Next(ctx, m)
	}
	if len(out.Waiting) == 0 {
		out.Waiting = []string{"progress unknown: " + err.Error()}
	}
}

// missing returns the steps that are still to be done.
func (o *writer) missing(ctx context.Context, m *hub.Snapshot, g goal) []string {
	if list := o.unfinished(ctx, m, g); len(list) > 0 {
		return list
	}
	// The plan and the runs may be newer than the snapshot: a pending move may be under way by then, and the next run may have
	// begun. So a snapshot that is not older must be settled, too.
	snap, err := o.node.Watch(ctx, 0)
	if err != nil {
		return []string{err.Error()}
	}
	if list := g.unsettled(&snap); len(list) > 0 {
		return list
	}
	if err := o.hub.Reach(ctx, snap.Number); err != nil { // from now on every read of the state includes it
		return []string{err.Error()}
	}
	return nil
}

// unfinished returns the steps that are still to be done, by a snapshot and by the plan or the runs, which are read after
// it.
func (o *writer) unfinished(ctx context.Context, m *hub.Snapshot, g goal) []string {
	if g.run != "" {
		return o.missingRun(ctx, m, g)
	}
	if list := g.unsettled(&m.Snapshot); len(list) > 0 {
		return list
	}
	plan, err := o.node.Plan(ctx, nil)
	if err != nil {
		return []string{err.Error()}
	}
	return g.toMove(&plan)
}

// unsettled returns the goal's missing step, or the workers that have not settled.
func (g *goal) unsettled(s *cluster.Snapshot) (list []string) {
	if todo := g.reached(s); todo != "" {
		return []string{todo}
	}
	if g.run != "" { // its workers have ended, and other runs of the task do not count
		return nil
	}
	var old, others []*cluster.WorkerInfo
	for i := range s.State.Workers {
		w := &s.State.Workers[i]
		if g.task != "" && w.Task != g.task || w.Node == "" {
			continue
		}
		if g.isOld(w) {
			old = append(old, w)
			continue
		}
		switch w.State {
		case cluster.WorkerPending, cluster.WorkerStarting, cluster.WorkerStopping, cluster.WorkerStuck, cluster.WorkerLost:
			others = append(others, w)
		}
	}
	workers := slices.Concat(old, others)
	for i, w := range workers {
		if i == maxWaiting {
			return append(list, fmt.Sprintf("and %d more", len(workers)-maxWaiting))
		}
		list = append(list, onItsWay(w))
	}
	return list
}

// missingRun returns the progress of a run that is not over, nil once it is.
func (o *writer) missingRun(ctx context.Context, m *hub.Snapshot, g goal) []string {
	list, err := o.runsOf(ctx, m, g.task)
	if err != nil {
		return []string{err.Error()}
	}
	for i := range list {
		if r := &list[i]; r.ID == g.run {
			if r.State == cluster.RunDone || r.State == cluster.RunFailed {
				return nil
			}
			return []string{fmt.Sprintf("run %s is %s: %d of %s ended", r.ID, r.State, r.Done+r.Failed, plural.Of(r.WorkerNum, "worker"))}
		}
	}
	return []string{"run " + g.run + " has not begun"}
}
