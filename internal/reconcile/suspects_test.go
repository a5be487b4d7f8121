package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// arena is a fleet in small: a leader's decisions are carried out at once, and members claim what
// they are granted. It starts what it is told to and dies of poison.
type arena struct {
	*testing.T
	*board
	probations map[cluster.Slot]round.Probation
	token      int64
	born       int
	claimed    map[cluster.Slot]time.Duration
	moves      []cluster.Decided
}

func newArena(t *testing.T, tasks ...cluster.TaskSpec) *arena {
	return &arena{T: t, board: newBoard(tasks...), claimed: map[cluster.Slot]time.Duration{}, token: 100}
}

// join adds a member of a node.
func (a *arena) join(node string) {
	a.born++
	p := a.live(fmt.Sprintf("%s-%d", node, a.born), 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	p.Assignment.Rec.Node, p.Member.Rec.Node = node, node
}

// settle lets the leader decide and everybody follow until nothing more is to be done.
func (a *arena) settle() {
	a.Helper()
	for range 50 {
		d := a.decide(func(w *round.World) { w.Memory.Probations, w.Self = a.probations, a.leader() })
		a.probations = d.Memory.Probations
		a.moves = append(a.moves, d.Steps...)
		if len(d.Assignments) == 0 && d.Suspects == nil {
			return
		}
		a.snap.Epoch.Rec.NextToken = d.Token
		if d.Suspects != nil {
			a.snap.Suspects = view.Entry[schema.Suspects]{Rec: d.Suspects, Version: a.snap.Suspects.Version + 1}
		}
		for memberID, assignment := range d.Assignments {
			if assignment == nil {
				delete(a.snap.Peers, memberID)
				continue
			}
			p := a.snap.Peers[memberID]
			p.Assignment.Version, p.Assignment.RecAt, p.Assignment.Rec = p.Assignment.Version+1, p.Assignment.Version+1, assignment
			status := &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(assignment.Granted)}
			for slot, h := range schema.Each(assignment.Granted) {
				if before := schema.Find(p.Status.Rec.Holding, slot); before == nil || before.Token != h.Token {
					a.claimed[slot] = a.now
				}
			}
			p.Status.Rec = status
		}
	}
	a.Fatal("the leader decides for ever")
}

func (a *arena) leader() string {
	for _, memberID := range slices.Sorted(maps.Keys(a.snap.Peers)) {
		if a.snap.Peers[memberID].Assignment.Rec.Closed == nil {
			return memberID
		}
	}
	return ""
}

// where returns the member that has a slot, nil if none has.
func (a *arena) where(slot cluster.Slot) (memberID string, p *view.Peer) {
	for memberID, p := range a.snap.Peers {
		if p.Assignment.Rec.Closed == nil && schema.Find(p.Assignment.Rec.Granted, slot) != nil {
			return memberID, p
		}
	}
	return "", nil
}

// crash ends a member as its parent would note it.
func (a *arena) crash(memberID string) (node string) {
	p := a.snap.Peers[memberID]
	assignment := *p.Assignment.Rec
	assignment.Closed = &schema.Closed{By: "parent", Cause: "exit code 2: panic"}
	for slot, h := range schema.Each(assignment.Granted) {
		if a.now-a.claimed[slot] < time.Minute {
			assignment.Closed.At = wall(a.now)
			assignment.Closed.StartedLast60s = append(assignment.Closed.StartedLast60s, schema.Claimed{
				SlotRange: schema.SlotRange{Task: slot.Task, Slots: cluster.Indexes{slot.Index}, Token: h.Token}, Since: wall(a.claimed[slot]),
			})
		}
	}
	p.Assignment.Rec = &assignment
	p.Assignment.Version++
	p.Assignment.RecAt = p.Assignment.Version
	gone(p)
	return assignment.Node
}

// wall is the clock of a machine.
func wall(at time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(at) }

// against returns what is held against slots, as text.
func (a *arena) against() string {
	if a.snap.Suspects.Rec == nil {
		return ""
	}
	var parts []string
	for _, s := range a.snap.Suspects.Rec.Slots {
		parts = append(parts, fmt.Sprintf("%s[%s] %s", s.Task, s.Slots, strings.Join(s.TookDown, ",")))
	}
	return strings.Join(parts, "; ")
}

func (a *arena) state(slot cluster.Slot) cluster.WorkerInfo {
	for _, w := range report.State(&a.snap, schema.NewKeys("c")).Workers {
		if w.Task == slot.Task && w.Index == slot.Index {
			return w
		}
	}
	return cluster.WorkerInfo{}
}

// A slot that kills its process ends as failed, on fleets of several sizes; nobody else is blamed,
// whatever was started beside it, and whenever nodes come back. Where it takes its time and there
// are few nodes, others may be held until they have been tried; they never fail.
func TestPoisonIsFound(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5} {
		for _, back := range []time.Duration{0, 300 * time.Millisecond, 4 * time.Second} {
			for _, delay := range []time.Duration{0, 2 * time.Second, 20 * time.Second} {
				t.Run(fmt.Sprintf("%d nodes, back after %v, kills after %v", nodes, back, delay), func(t *testing.T) {
					poisonIsFound(t, nodes, back, delay)
				})
			}
		}
	}
}

func poisonIsFound(t *testing.T, nodes int, back, delay time.Duration) {
	poison := cluster.Slot{Task: "b", Index: 1}
	a := newArena(t, spec("a", 4), spec("b", 3))
	for i := range nodes {
		a.join(fmt.Sprintf("n%d", i+1))
	}
	a.settle()
	returns := map[time.Duration]string{}
	crashes := 0
	for end := a.now + 20*time.Minute; a.now < end; a.now += 200 * time.Millisecond {
		for at, node := range returns {
			if a.now >= at {
				delete(returns, at)
				a.join(node)
			}
		}
		a.touch()
		a.settle()
		if memberID, p := a.where(poison); p != nil && a.now-a.claimed[poison] >= delay {
			crashes++
			node := a.crash(memberID)
			a.settle()
			if back == 0 {
				a.join(node)
			} else {
				returns[a.now+back+time.Duration(crashes)] = node
			}
		}
	}
	if crashes != schema.CrashesToFail {
		t.Errorf("it took down %d nodes; want %d: %s", crashes, schema.CrashesToFail, a.against())
	}
	w := a.state(poison)
	if w.State != cluster.WorkerGivenUp || w.Node != "" || !strings.HasPrefix(w.Error, "took down n") {
		t.Errorf("it is %+v", w)
	}
	for _, w := range report.State(&a.snap, schema.NewKeys("c")).Workers {
		if (cluster.Slot{Task: w.Task, Index: w.Index}) != poison && w.State != cluster.WorkerRunning {
			t.Errorf("%+v", w)
		}
	}
	for _, m := range a.moves {
		if (m.Step == cluster.StepFail || m.Step == cluster.StepWithhold && delay < 5*time.Second) && (m.Task != poison.Task || !m.Slots.Contains(poison.Index)) {
			t.Errorf("blamed: %+v", m)
		}
	}
	if against := a.against(); strings.Contains(against, ";") || !strings.HasPrefix(against, "b[1] ") {
		t.Errorf("held against: %s", against)
	}
}

// touch makes everything as fresh as the clock.
func (a *arena) touch() {
	for _, p := range a.snap.Peers {
		p.Assignment.Read, p.Status.Read, p.Member.Read = a.now, a.now, a.now
	}
}

// A suspect that is not started again is not forgotten, and one whose task changes is tried again.
func TestSuspectsAreTriedAnew(t *testing.T) {
	failed := schema.Suspect{Task: "a", Slots: cluster.Indexes{0}, TookDown: []string{"n1", "n2", "n3", "n1"}}
	setup := func(t *testing.T) *arena {
		a := newArena(t, spec("a", 2))
		a.snap.Suspects = view.Entry[schema.Suspects]{Rec: &schema.Suspects{Slots: []schema.Suspect{failed}}}
		a.join("n1")
		a.join("n2")
		a.settle()
		return a
	}
	slot := cluster.Slot{Task: "a"}
	t.Run("it stays failed", func(t *testing.T) {
		a := setup(t)
		a.now += time.Hour
		a.touch()
		a.settle()
		if w := a.state(slot); w.State != cluster.WorkerGivenUp || w.Error != "took down n1, n2, n3, n1" {
			t.Errorf("%+v", w)
		}
		if w := a.state(cluster.Slot{Task: "a", Index: 1}); w.State != cluster.WorkerRunning {
			t.Errorf("%+v", w)
		}
	})
	t.Run("the task changed", func(t *testing.T) {
		a := setup(t)
		e := a.snap.Tasks["a"]
		e.Version++
		a.snap.Tasks["a"] = e
		a.settle()
		if w := a.state(slot); w.State != cluster.WorkerRunning || a.against() != "" {
			t.Errorf("%+v, %s", w, a.against())
		}
	})
	t.Run("an operator restarts it", func(t *testing.T) {
		a := setup(t)
		a.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{Restart: []schema.SlotRange{{Task: "a", Slots: cluster.Indexes{0}}}}}
		a.settle()
		if w := a.state(slot); w.State != cluster.WorkerRunning || a.against() != "" {
			t.Errorf("%+v, %s", w, a.against())
		}
	})
	t.Run("it is on trial when an operator restarts it", func(t *testing.T) {
		a := setup(t)
		on := schema.Suspect{Task: "a", Slots: cluster.Indexes{1}, TookDown: []string{"n1", "n2", "n3"}}
		a.snap.Suspects.Rec = &schema.Suspects{Slots: []schema.Suspect{on}}
		a.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{Restart: []schema.SlotRange{{Task: "a", Slots: cluster.Indexes{1}}}}}
		a.settle()
		if a.against() == "" {
			t.Error("what is held against it is forgotten while it runs")
		}
	})
	t.Run("the record was deleted by hand", func(t *testing.T) {
		a := setup(t)
		a.snap.Suspects = view.Entry[schema.Suspects]{Rec: a.snap.Suspects.Rec, Absent: true}
		a.settle()
		if w := a.state(slot); w.State != cluster.WorkerRunning {
			t.Errorf("%+v", w)
		}
	})
	t.Run("the slot is gone", func(t *testing.T) {
		a := setup(t)
		a.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("a", 0)}}
		a.settle()
		if a.against() != "" {
			t.Error(a.against())
		}
	})
}

// A suspect that runs for a minute is cleared, by the leader's own clock.
func TestSuspectIsCleared(t *testing.T) {
	a := newArena(t, spec("a", 1))
	a.join("n1")
	a.settle()
	memberID, _ := a.where(cluster.Slot{Task: "a"})
	a.crash(memberID)
	a.join("n2")
	a.settle()
	if a.against() != "a[0] n1" {
		t.Fatalf("held against: %q", a.against())
	}
	a.now += 59 * time.Second
	a.touch()
	a.settle()
	if a.against() != "a[0] n1" {
		t.Errorf("cleared too early: %q", a.against())
	}
	a.now += 2 * time.Second
	a.touch()
	a.settle()
	if a.against() != "" {
		t.Errorf("not cleared: %q", a.against())
	}
}
