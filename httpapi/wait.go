package httpapi

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// maxWait is the longest that an answer is waited with.
const maxWait = 10 * time.Minute

// Wait says how long to wait until what was asked for is done.
type Wait struct {
	Wait string `query:"wait" doc:"How long to wait until everything that is touched has settled, as \"30s\", 10m at most; the answer says whether it has."`
}

// asked tells whether to wait at all.
func (w *Wait) asked() bool { return w.Wait != "" }

// Resolve checks it.
func (w *Wait) Resolve(huma.Context) []error {
	if !w.asked() {
		return nil
	}
	if d, err := time.ParseDuration(w.Wait); err != nil || d < 0 || d > maxWait {
		return []error{&huma.ErrorDetail{Location: "query.wait", Value: w.Wait, Message: fmt.Sprintf("%q is no duration from 0s to %s: write it as \"30s\"", w.Wait, "10m")}}
	}
	return nil
}

func (w *Wait) duration() time.Duration {
	d, _ := time.ParseDuration(w.Wait)
	return d
}

// goal is what is waited for.
type goal struct {
	// reached returns what there is still to do before the wish itself is fulfilled, "" for nothing.
	reached func(s *cluster.Sight) string
	task    string // whose workers have to settle, "" for all
	run     string // that has to be over
}

// goalOf returns what an operation is to lead to, whose record has a revision, in a cluster as it was.
func goalOf(op cluster.Operation, revision string, before *moment) goal {
	g := goal{task: op.Task, reached: func(*cluster.Sight) string { return "" }}
	tokens := map[cluster.Slot]int64{}
	for i := range before.sight.State.Workers {
		w := &before.sight.State.Workers[i]
		if (op.Task == "" || w.Task == op.Task) && (op.Node == "" || w.Node == op.Node) && (op.Index == nil || w.Index == *op.Index) && w.Node != "" {
			tokens[w.Slot()] = w.Token
		}
	}
	switch op.Kind {
	case cluster.OpRestart:
		g.reached = func(s *cluster.Sight) string { return renewed(s, tokens) }
	case cluster.OpMove:
		g.reached = func(s *cluster.Sight) string {
			for i := range s.State.Workers {
				if w := &s.State.Workers[i]; w.Task == op.Task && w.Index == *op.Index && w.Node == op.Node {
					return ""
				}
			}
			return fmt.Sprintf("%s#%d is not on %s yet", op.Task, *op.Index, op.Node)
		}
	case cluster.OpEvict:
		member := memberOf(before, op.Node)
		g.reached = func(s *cluster.Sight) string {
			for i := range s.State.Nodes {
				if n := &s.State.Nodes[i]; n.Member == member {
					return op.Node + " is a member still"
				}
			}
			return ""
		}
	case cluster.OpStepDown:
		term := before.sight.State.Term
		g.reached = func(s *cluster.Sight) string {
			if s.State.Term > term && s.State.Leader != "" {
				return ""
			}
			return "nobody has followed the leader yet"
		}
	case cluster.OpRunNow:
		g.run = revision
	case cluster.OpDelete:
		g.reached = func(s *cluster.Sight) string {
			for i := range s.Tasks {
				if s.Tasks[i].Name == op.Task {
					return "task " + op.Task + " is there still"
				}
			}
			return ""
		}
	case cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain:
		g.reached = func(s *cluster.Sight) string { return marked(s, op) }
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpDeclare, cluster.OpPatch:
		g.reached = func(s *cluster.Sight) string { return seenTask(s, op.Task, revision) }
	}
	return g
}

func memberOf(m *moment, node string) string {
	for i := range m.sight.State.Nodes {
		if n := &m.sight.State.Nodes[i]; n.Name == node {
			return n.Member
		}
	}
	return ""
}

// renewed says which grant has not been replaced.
func renewed(s *cluster.Sight, tokens map[cluster.Slot]int64) string {
	for i := range s.State.Workers {
		w := &s.State.Workers[i]
		if old, restarts := tokens[w.Slot()]; restarts && w.Node != "" && w.Token == old {
			return w.Slot().String() + " is to be started anew"
		}
	}
	return ""
}

// marked says whether a node is not yet seen as it is wanted.
func marked(s *cluster.Sight, op cluster.Operation) string {
	for i := range s.State.Nodes {
		n := &s.State.Nodes[i]
		if n.Name == op.Node && (n.Cordoned != (op.Kind != cluster.OpUncordon) || (n.Drain != nil) != (op.Kind == cluster.OpDrain) && op.Kind != cluster.OpCordon) {
			return fmt.Sprintf("%s of %s is not seen yet", op.Kind, op.Node)
		}
	}
	return ""
}

// seenTask says whether a task is not yet seen at a revision.
func seenTask(s *cluster.Sight, task, revision string) string {
	want, _ := strconv.ParseInt(revision, 10, 64)
	for i := range s.Tasks {
		if have, err := strconv.ParseInt(s.Tasks[i].Revision, 10, 64); s.Tasks[i].Name == task && err == nil && have >= want {
			return ""
		}
	}
	return "task " + task + " is not seen as it was written"
}

// settle waits until a goal is reached and all that it touches has settled, and says how far it got.
func (a *API) settle(ctx context.Context, out *Accepted, wait Wait, g goal) {
	ctx, cancel := context.WithTimeout(ctx, wait.duration())
	defer cancel()
	settled := false
	defer func() { out.Settled = &settled }()
	m, err := a.feed.current(ctx)
	for err == nil {
		if out.Waiting = a.missing(ctx, m, g); len(out.Waiting) == 0 {
			settled = true
			return
		}
		m, err = a.feed.next(ctx, m)
	}
	if len(out.Waiting) == 0 {
		out.Waiting = []string{"it is not known how far it is: " + err.Error()}
	}
}

// maxWaiting bounds what is told of what there is to do.
const maxWaiting = 20

// missing says what there is still to do.
func (a *API) missing(ctx context.Context, m *moment, g goal) []string {
	if g.run != "" {
		return a.missingRun(ctx, m, g)
	}
	if list := g.unsettled(&m.sight); len(list) > 0 {
		return list
	}
	plan, err := a.node.Plan(ctx, cluster.Change{})
	if err != nil {
		return []string{err.Error()}
	}
	if list := g.toMove(&plan); len(list) > 0 {
		return list
	}
	// The plan may be of a later moment, in which what was to move does so already.
	sight, err := a.node.Watch(ctx, 0)
	if err != nil {
		return []string{err.Error()}
	}
	if list := g.unsettled(&sight); len(list) > 0 {
		return list
	}
	if err := a.feed.reach(ctx, sight.N); err != nil { // who asks now sees it, too
		return []string{err.Error()}
	}
	return nil
}

// unsettled says what is not reached yet, or on its way.
func (g *goal) unsettled(s *cluster.Sight) (list []string) {
	if todo := g.reached(s); todo != "" {
		return []string{todo}
	}
	for i := range s.State.Workers {
		w := &s.State.Workers[i]
		if g.task != "" && w.Task != g.task || len(list) == maxWaiting {
			continue
		}
		switch w.State {
		case cluster.WorkerPending, cluster.WorkerStarting, cluster.WorkerStopping, cluster.WorkerStuck, cluster.WorkerLost:
			if w.Node != "" {
				list = append(list, fmt.Sprintf("%s on %s is %s", w.Slot(), w.Node, w.State))
			}
		}
	}
	return list
}

// toMove says what a plan moves of what the goal is about.
func (g *goal) toMove(plan *cluster.Plan) (list []string) {
	add := func(slot cluster.Slot, format string, args ...any) {
		if task, _ := cluster.SplitRun(slot.Task); (g.task == "" || task == g.task) && len(list) < maxWaiting {
			list = append(list, slot.String()+fmt.Sprintf(format, args...))
		}
	}
	for _, move := range plan.Moves {
		add(move.Slot, " is to leave %s: %s", move.From, move.Reason)
	}
	for _, start := range plan.Starts {
		add(start.Slot, " is to start on %s", start.To)
	}
	for _, slot := range plan.Stops {
		add(slot, " is to stop")
	}
	return list
}

// missingRun says what there is still to do of a run.
func (a *API) missingRun(ctx context.Context, m *moment, g goal) []string {
	list, err := a.runsOf(ctx, m, g.task)
	if err != nil {
		return []string{err.Error()}
	}
	for i := range list {
		if r := &list[i]; r.ID == g.run {
			if r.State == cluster.RunDone || r.State == cluster.RunFailed {
				return nil
			}
			return []string{fmt.Sprintf("run %s is %s: %d of %d workers have ended", r.ID, r.State, r.Done+r.Failed, r.WorkerNum)}
		}
	}
	return []string{"run " + g.run + " has not begun"}
}
