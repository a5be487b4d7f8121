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

// maxWait is the longest that an answer is waited with.
const maxWait = 10 * time.Minute

// Wait says how long to wait until what was asked for is done.
type Wait struct {
	Wait string `query:"wait" doc:"How long to wait until everything that is touched has settled, as \"30s\", 10m at most; the answer says whether it has."`
}

// asked reports whether to wait at all.
func (w *Wait) asked() bool { return w.Wait != "" }

// Resolve checks it.
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

// goal is what is waited for.
type goal struct {
	// reached returns what there is still to do before the operation itself is done, "" for nothing.
	reached func(s *cluster.Snapshot) string
	renews  map[cluster.Slot]int64 // grants, by their tokens, that others have to take the place of
	task    string                 // whose workers have to settle, "" for all
	run     string                 // that has to be over
}

// unseen are the operations of which no record tells for long whether they were done.
var unseen = []cluster.OperationKind{cluster.OpRestart, cluster.OpEvict, cluster.OpStepDown, cluster.OpMoveNow}

// goalOf returns what an operation is to lead to that was answered with a revision, in a cluster as it was. Of one that was
// repeated nobody knows how the cluster was before it: what it touched has to settle.
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
			return "nobody has followed the leader yet"
		}
	case cluster.OpRunNow:
		g.run = revision
		g.reached = func(s *cluster.Snapshot) string { return seenToGoOn(s, op.Task, revision) }
	case cluster.OpMoveNow:
		lost := before.State.Lost
		g.reached = func(s *cluster.Snapshot) string { return reaped(s, lost) }
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

// arrived returns that a worker is not where it was moved to, "" if it is.
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

// isOld reports whether a worker has a grant that another one has to take the place of.
func (g *goal) isOld(w *cluster.WorkerInfo) bool {
	token, renews := g.renews[w.Slot()]
	return renews && w.Token == token
}

// onItsWay describes how far a worker is that has not settled.
func onItsWay(w *cluster.WorkerInfo) string {
	switch w.State {
	case cluster.WorkerStuck:
		since := ""
		if !w.Since.IsZero() {
			since = " since " + w.Since.UTC().Format("15:04:05 MST") + " by its clock"
		}
		return fmt.Sprintf("%s on %s is %s%s: it does not stop; see xconsumer explain '%[1]s'", w.Slot(), w.Node, w.State, since)
	case cluster.WorkerPending, cluster.WorkerStarting, cluster.WorkerStopping, cluster.WorkerLost:
		return fmt.Sprintf("%s on %s is %s", w.Slot(), w.Node, w.State)
	}
	return fmt.Sprintf("%s on %s is to be restarted", w.Slot(), w.Node)
}

// reaped returns which of the members that were gone is still waited for, "" for none.
func reaped(s *cluster.Snapshot, gone []cluster.NodeInfo) string {
	for i := range s.State.Lost {
		n := &s.State.Lost[i]
		if slices.ContainsFunc(gone, func(g cluster.NodeInfo) bool { return g.Member == n.Member }) {
			return "still waiting for node " + n.Name
		}
	}
	return ""
}

// deleted returns that a task still exists, "" if it does not.
func deleted(s *cluster.Snapshot, task string) string {
	for i := range s.Tasks {
		if s.Tasks[i].Name == task {
			return "task " + task + " still exists"
		}
	}
	return ""
}

// marked returns what of a mark is not seen on a node yet, "" for nothing. A mark that is written after one that was taken back has
// low revisions again, so that these alone do not tell.
func marked(s *cluster.Snapshot, kind cluster.OperationKind, node string) string {
	for i := range s.State.Nodes {
		n := &s.State.Nodes[i]
		if n.Name != node {
			continue
		}
		cordoned, drained := n.Cordoned, n.Drain != nil
		if kind == cluster.OpCordon && !cordoned || kind == cluster.OpDrain && !drained || kind == cluster.OpUncordon && (cordoned || drained) {
			return fmt.Sprintf("%s of %s is not seen yet", kind, node)
		}
	}
	return ""
}

// seenMark returns that the mark of a node is not yet seen at a revision, "" if it is; revision "" is that of a mark that
// does not exist. One that has been taken back is gone.
func seenMark(s *cluster.Snapshot, node, revision string) string {
	have, marked := s.Marks[node]
	if revision == "" || !marked && revision != "0" || marked && atLeast(have, revision) {
		return ""
	}
	return "the mark of node " + node + " is not seen as it was written"
}

// goalOfAll returns what operations are to lead to, each of which was answered with a revision. Those that were repeated have
// none: everything has to settle.
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

// onNode reports whether operations of a kind change what is wanted of a node.
func onNode(kind cluster.OperationKind) bool {
	switch kind {
	case cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain, cluster.OpLabel:
		return true
	}
	return false
}

// overruled reports whether a later operation says something else of the same task or node.
func overruled(op cluster.Operation, later cluster.Operations) bool {
	return slices.ContainsFunc(later, func(l cluster.Operation) bool {
		return onTask(op.Kind) && onTask(l.Kind) && l.Task == op.Task || onNode(op.Kind) && onNode(l.Kind) && l.Node == op.Node
	})
}

// atLeast reports whether a revision is not before another one of the same name: "7" comes before "1.0", which is of
// another task that was declared under the name later.
func atLeast(have, want string) bool {
	h, w := numbers(have), numbers(want)
	return h != nil && w != nil && slices.Compare(h, w) >= 0
}

// numbers returns the two numbers of a revision, nil if it is none.
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

// triedAgain returns what says which workers are still kept from running, of those that a restart is to try again.
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
				return w.Slot().String() + " is to be tried again"
			}
		}
		return ""
	}
}

// seenTask returns that a task is not yet seen at a revision, "" if it is.
func seenTask(s *cluster.Snapshot, task, revision string) string {
	for i := range s.Tasks {
		if s.Tasks[i].Name == task && atLeast(s.Tasks[i].Revision, revision) {
			return ""
		}
	}
	return "task " + task + " is not seen as it was written"
}

// seenToGoOn returns that a run which is over is still seen as one that is not, "" if it is not.
func seenToGoOn(s *cluster.Snapshot, task, id string) string {
	for i := range s.State.Runs {
		if r := &s.State.Runs[i]; r.Task == task && r.ID == id && r.State != cluster.RunDone && r.State != cluster.RunFailed {
			return fmt.Sprintf("run %s is over, but is still seen as %s", id, r.State)
		}
	}
	return ""
}

// settle waits until a goal is reached and all that it touches has settled, and says how far it got.
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

// missing returns what there is still to do.
func (o *writer) missing(ctx context.Context, m *hub.Snapshot, g goal) []string {
	if list := o.unfinished(ctx, m, g); len(list) > 0 {
		return list
	}
	// The plan and the runs may be of a later moment than the snapshot: what was to move does so already, and the next run has
	// begun.
	snap, err := o.node.Watch(ctx, 0)
	if err != nil {
		return []string{err.Error()}
	}
	if list := g.unsettled(&snap); len(list) > 0 {
		return list
	}
	if err := o.hub.Reach(ctx, snap.Number); err != nil { // whoever reads the state from now on sees it, too
		return []string{err.Error()}
	}
	return nil
}

// unfinished returns what there is still to do by a snapshot and by what was read after it.
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

// unsettled says what is not reached yet, or on its way.
func (g *goal) unsettled(s *cluster.Snapshot) (list []string) {
	if todo := g.reached(s); todo != "" {
		return []string{todo}
	}
	if g.run != "" { // its workers have ended, and other runs of the task are not waited for
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

// missingRun says what there is still to do of a run.
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
