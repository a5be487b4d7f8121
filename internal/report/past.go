package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Past returns where everything was after a decision: it walks back from where everything is, undoing one
// decision after the other. The decisions are those that are kept, oldest first, up to the one that the state
// is of.
func Past(s *view.Snapshot, state cluster.State, decisions []cluster.Decision, n int64) (cluster.Past, error) {
	at := slices.IndexFunc(decisions, func(d cluster.Decision) bool { return d.Number == n })
	if at < 0 {
		known := "none is kept"
		if len(decisions) > 0 {
			known = fmt.Sprintf("%d to %d are kept", decisions[0].Number, decisions[len(decisions)-1].Number)
		}
		return cluster.Past{}, fmt.Errorf("%w: %d; %s", cluster.ErrNoDecision, n, known)
	}
	w := walk{places: map[cluster.Slot]cluster.WorkerInfo{}, specs: s.Specs()}
	for _, p := range s.Peers {
		w.start(p)
	}
	for i := len(decisions) - 1; i > at; i-- {
		w.gap = w.gap || decisions[i].Omitted > 0 || decisions[i].Number != decisions[i-1].Number+1
		for j := len(decisions[i].Moves) - 1; j >= 0; j-- {
			w.undo(&decisions[i].Moves[j])
		}
	}
	w.gap = w.gap || s.Epoch.Rec != nil && s.Epoch.Rec.NextDecision != decisions[len(decisions)-1].Number+1
	then := decisions[at]
	past := cluster.Past{State: state, At: then.At, Decision: n, Incomplete: w.gap}
	past.Leader, past.Term = then.Leader, then.Term
	past.Runs, past.Errors, past.Warnings, past.Deferred, past.Settings = nil, nil, nil, nil, cluster.Settings{}
	w.fill(&past)
	return past, nil
}

// walk is the way back.
type walk struct {
	places map[cluster.Slot]cluster.WorkerInfo
	gap    bool
	specs  map[string]cluster.TaskSpec // of today: past weights of workers are not kept
}

// start records where everything is.
func (w *walk) start(p *view.Peer) {
	if p.Assignment.Rec == nil {
		return
	}
	for e := range p.Assignment.Rec.Entries() {
		r, state := e.Range(), cluster.WorkerRunning
		if _, asked := e.(*schema.Releasing); asked {
			state = cluster.WorkerStopping
		}
		for _, index := range r.Slots {
			slot := cluster.Slot{Task: r.Task, Index: index}
			w.places[slot] = cluster.WorkerInfo{Node: p.Assignment.Rec.Node, Token: r.Token, WorkerStatus: cluster.WorkerStatus{State: state}}
		}
	}
}

// undo takes one step back.
func (w *walk) undo(m *cluster.Decided) {
	for _, index := range m.Slots {
		slot := cluster.Slot{Task: m.Task, Index: index}
		switch m.Step {
		case cluster.StepGrant:
			delete(w.places, slot)
		case cluster.StepRelease:
			w.places[slot] = cluster.WorkerInfo{Node: m.Node, Token: m.Token, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}
		case cluster.StepFree:
			state := cluster.WorkerStopping // it was being released
			switch m.Code {
			case cluster.WhyLost, cluster.WhyLeft, cluster.WhyEvicted: // its member was gone by then
				state = cluster.WorkerRunning
			}
			w.places[slot] = cluster.WorkerInfo{Node: m.Node, Token: m.Token, WorkerStatus: cluster.WorkerStatus{State: state}}
		}
	}
}

// fill replaces the present state by the past one.
func (w *walk) fill(past *cluster.Past) {
	slots, loads := map[string]int{}, map[string]int{}
	tasks := map[string]*cluster.TaskInfo{}
	for i := range past.Tasks {
		t := &past.Tasks[i]
		tasks[t.Name] = &cluster.TaskInfo{Name: t.Name, WorkName: t.WorkName, Schedule: t.Schedule, Revision: t.Revision}
	}
	past.Workers = []cluster.WorkerInfo{}
	for _, slot := range slices.SortedFunc(maps.Keys(w.places), cluster.Slot.Compare) {
		info := w.places[slot]
		info.Task, info.Run = cluster.SplitRun(slot.Task)
		info.Index = slot.Index
		slots[info.Node]++
		loads[info.Node] += w.specs[slot.Task].Cost()
		t := tasks[info.Task]
		if t == nil { // it has been deleted since
			t = &cluster.TaskInfo{Name: info.Task}
			tasks[info.Task] = t
		}
		t.Add(info.State)
		t.WorkerNum++
		past.Workers = append(past.Workers, info)
	}
	past.Tasks = []cluster.TaskInfo{} // past declarations are not kept; tasks are those of which a node had workers
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		if t := tasks[name]; t.WorkerNum > 0 {
			past.Tasks = append(past.Tasks, *t)
		}
	}
	nodes := []cluster.NodeInfo{}
	for _, n := range past.Nodes {
		n.Leader, n.Slots, n.Load = n.Name == past.Leader, slots[n.Name], loads[n.Name]
		n.Drain, n.Cordoned, n.Quarantine = nil, false, ""
		delete(slots, n.Name)
		nodes = append(nodes, n)
	}
	past.Lost = []cluster.NodeInfo{}
	for _, name := range slices.Sorted(maps.Keys(slots)) { // of nodes that are gone now, only the slots are known
		nodes = append(
			nodes,
			cluster.NodeInfo{Name: name, Slots: slots[name], Load: loads[name], State: cluster.NodeUp, Leader: name == past.Leader, Weight: 1},
		)
	}
	slices.SortFunc(nodes, func(a, b cluster.NodeInfo) int { return cmp.Compare(a.Name, b.Name) })
	past.Nodes = nodes
}
