// Package explore_test walks through every order of events in small worlds: what leaders and nodes
// decide is decided by the real functions, reconcile.Decide and follower.Follow, and everything
// around them is taken apart into steps that a service, a network and processes may put into any
// order. Commits are lost, arrive late, or lose their answers; leaders are replaced while they
// believe that they lead; processes crash between any two steps and are closed by their parents or
// wait for their sessions to end.
//
// The one thing that is assumed is a sound lease: a session ends only after its node has stopped
// its workers. That a lease is sound is for the backends' conformance to show.
package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// maxWorkers is how many the task has at most: a resize makes two of one and one of two.
const maxWorkers = 2

// The inhabitants: members that work, b from the beginning, a and then c when they join, and leaders in the
// order of their candidate keys. The planner prefers a, so that who knows it decides otherwise than
// who does not.
var (
	memberIDs = []string{"a", "b", "c"}
	leaders   = []string{"L1", "L2"}
)

// record is a key with its version.
type record[R any] struct {
	rec     *R // never changed
	version int64
	exists  bool
}

// world is one state. Maps are copied before they are changed, what they point to never changes.
type world struct {
	workers int // of the task, as it is declared now

	// The store.
	epoch       int64 // version
	term        int64
	nextToken   int64
	assignments map[string]record[schema.Assignment]
	statuses    map[string]record[schema.Status]
	alive       map[string]bool // the member's session, with its member key
	candidates  map[string]bool

	// The processes.
	leads map[string]*leader
	nodes map[string]*node

	// The network, and how much more may go wrong.
	flying []message
	budget budget
	tokens map[cluster.Slot]int64     // highest that was granted
	dead   map[invariant.Release]bool // releases that are still listed, and do not count
	last   map[string]*schema.Status  // of each member whose session has ended
}

// budget bounds the faults.
type budget struct{ lost, crash, depose, fence, join, resize, restart int }

// leader is what a leading process knows; values are replaced, not changed.
type leader struct {
	active      bool
	term        int64
	epoch       int64 // version that its next commit names
	token       int64
	assignments map[string]record[schema.Assignment] // as read
	status      map[string]record[schema.Status]
	member      map[string]bool
	fresh       map[string]bool // read after the assignment
	workers     int             // of the task, as read
	stage       stage
	reaped      map[string]bool
	changed     bool // something may be new since it decided
}

type stage int

const (
	decides stage = iota
	waits         // for the answer to a commit
	readsAssignments
	readsRest
)

// node is a working process.
type node struct {
	assignment record[schema.Assignment] // as read; rec nil before the first
	good       bool
	running    map[cluster.Slot]int64 // token
	counts     map[cluster.Slot]int   // the count, of each that runs
	asked      map[cluster.Slot]bool  // to stop
	said       *schema.Status
	saidAt     int64
	unsure     bool
	busy       bool
	lease      bool
	leaving    bool                   // to be restarted: its slots wait for it
	started    map[cluster.Slot]int64 // with their tokens
	dead       bool
}

// message is a commit under way.
type message struct {
	from string
	// Of a leader.
	epoch, term, token int64
	assignments        map[string]*schema.Assignment
	at                 map[string]int64
	// Of a node.
	status   *schema.Status
	statusAt int64
	claim    bool
	docAt    int64
	start    []cluster.Grant
	silent   bool // nobody waits for the answer any longer
}

func newWorld(b budget, workers int) world {
	w := world{
		workers: workers,
		epoch:   1, nextToken: 1, assignments: map[string]record[schema.Assignment]{}, statuses: map[string]record[schema.Status]{},
		alive: map[string]bool{}, candidates: map[string]bool{"L1": true, "L2": true},
		leads: map[string]*leader{}, nodes: map[string]*node{}, budget: b, tokens: map[cluster.Slot]int64{},
	}
	w = w.join("b", "node-b")
	return w.bump("L1")
}

func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	c := make(map[K]V, len(m)+1)
	maps.Copy(c, m)
	c[k] = v
	return c
}

func without[K comparable, V any](m map[K]V, k K) map[K]V {
	c := maps.Clone(m)
	delete(c, k)
	return c
}

// join creates the keys of a member of a node in one commit.
func (w world) join(memberID, name string) world {
	w.assignments = with(w.assignments, memberID, record[schema.Assignment]{rec: &schema.Assignment{Node: name, Granted: []schema.Granted{}, Releasing: []schema.Releasing{}}, exists: true})
	w.statuses = with(w.statuses, memberID, record[schema.Status]{rec: &schema.Status{}, exists: true})
	w.alive = with(w.alive, memberID, true)
	w.nodes = with(w.nodes, memberID, &node{running: map[cluster.Slot]int64{}, counts: map[cluster.Slot]int{}, asked: map[cluster.Slot]bool{}, started: map[cluster.Slot]int64{}, said: &schema.Status{}, lease: true})
	return w.hint()
}

// hint lets leaders look again.
func (w world) hint() world {
	for name, l := range w.leads {
		if l.active && !l.changed {
			next := *l
			next.changed = true
			w.leads = with(w.leads, name, &next)
		}
	}
	return w
}

// bump is a new leader's first commit.
func (w world) bump(name string) world {
	w.epoch++
	w.term++
	w.leads = with(w.leads, name, &leader{active: true, term: w.term, epoch: w.epoch, token: w.nextToken, workers: w.workers, stage: readsAssignments, reaped: map[string]bool{}})
	return w
}

// restartGrace is for how long the slots of a node that leaves wait for it. Leaders here remember nothing, so it does not end.
const restartGrace = cluster.Duration(time.Minute)

// snapshot is what a leader has read, as its view would hold it.
func (l *leader) snapshot() *view.Snapshot {
	task := &schema.Task{Spec: cluster.TaskSpec{Name: "t", WorkName: "t", WorkerNum: l.workers}}
	s := &view.Snapshot{
		Epoch:    view.Entry[schema.Epoch]{Rec: &schema.Epoch{Term: l.term, NextToken: l.token}, Version: l.epoch},
		Suspects: view.Entry[schema.Suspects]{Absent: true},
		Peers:    map[string]*view.Peer{},
		Tasks:    map[string]view.Entry[schema.Task]{"t": {Rec: task}},
	}
	chunk := specsUpTo(l.workers)
	s.SpecChunks = map[int64]view.Entry[schema.SpecChunk]{1: {Rec: chunk, RecAt: chunk.Version, Version: chunk.Version}}
	s.StoredSpecs = specs.Table{}.With(1, chunk)
	const docRead = 2 * time.Second
	for memberID, d := range l.assignments {
		read := docRead + time.Second
		if !l.fresh[memberID] {
			read = time.Second
		}
		p := &view.Peer{
			Assignment: view.Entry[schema.Assignment]{Rec: d.rec, RecAt: d.version, Version: d.version, Absent: !d.exists, Read: docRead},
			Status:     view.Entry[schema.Status]{Rec: l.status[memberID].rec, RecAt: l.status[memberID].version, Version: l.status[memberID].version, Absent: !l.status[memberID].exists, Read: read},
			Member:     view.Entry[schema.Member]{Absent: !l.member[memberID], Read: read},
		}
		if l.member[memberID] {
			p.Member.Rec = &schema.Member{Member: cluster.Member{Node: d.rec.Node, Works: []string{"t"}, RestartGrace: restartGrace}}
		}
		s.Peers[memberID] = p
	}
	return s.WithoutSuperseded()
}

// specsUpTo has the specs with up to so many workers. All are stored and read from the start: specWorld has the orders in which they are.
func specsUpTo(workers int) *schema.SpecChunk {
	chunk := &schema.SpecChunk{}
	for n := 1; n <= workers; n++ {
		spec := cluster.TaskSpec{Name: "t", WorkName: "t", WorkerNum: n}
		chunk.Specs = append(chunk.Specs, schema.StoredSpec{Name: "t", From: int64(n), Spec: spec})
	}
	chunk.Version = int64(workers)
	return chunk
}

// local is what a node decides from.
func (n *node) local() follower.Local {
	l := follower.Local{
		Assignment: n.assignment.rec, AssignmentVersion: n.assignment.version, AssignmentGood: n.good, LastStatus: n.said,
		Running: map[cluster.Slot]cluster.Report{}, Claims: map[cluster.Slot]schema.Claim{},
	}
	for slot, token := range n.running {
		state := cluster.WorkerRunning
		if n.asked[slot] {
			state = cluster.WorkerStopping
		}
		l.Running[slot] = cluster.Report{Slot: slot, Token: token, WorkerStatus: cluster.WorkerStatus{State: state}}
		l.Claims[slot] = schema.Claim{Token: token}
	}
	if !n.lease {
		l.Phase = membership.SoftStop
	}
	l.Leaving, l.Announce = n.leaving, n.leaving
	return l
}

// key distinguishes worlds.
func (w world) key() string {
	var b strings.Builder
	assignment := func(r record[schema.Assignment]) {
		if !r.exists || r.rec == nil {
			b.WriteString("-;")
			return
		}
		fmt.Fprintf(&b, "v%d[", r.version)
		b.WriteString(lists(r.rec))
		fmt.Fprintf(&b, " %s%v];", r.rec.Node, r.rec.Closed != nil)
	}
	status := func(r record[schema.Status]) {
		if !r.exists || r.rec == nil {
			b.WriteString("-;")
			return
		}
		fmt.Fprintf(&b, "v%d a%d %v%v[", r.version, r.rec.Applied, r.rec.Fenced, r.rec.Leaving)
		b.WriteString(text(r.rec.Holding))
		b.WriteString(" ];")
	}
	for _, memberID := range memberIDs {
		for i := range maxWorkers {
			for r := range w.dead {
				if r.Member == memberID && r.Slot.Index == i {
					fmt.Fprintf(&b, "%s%d@%d ", memberID, i, r.Token)
				}
			}
		}
	}
	fmt.Fprintf(&b, "%d %d %d %d %v%v%v ", w.workers, w.epoch, w.term, w.nextToken, w.candidates["L1"], w.candidates["L2"], w.budget)
	for _, memberID := range memberIDs {
		fmt.Fprintf(&b, "%v ", w.alive[memberID])
		assignment(w.assignments[memberID])
		status(w.statuses[memberID])
		status(record[schema.Status]{rec: w.last[memberID], exists: w.last[memberID] != nil})
		if n := w.nodes[memberID]; n != nil {
			fmt.Fprintf(&b, "%v%v%v%v%v%v s%d ", n.good, n.unsure, n.busy, n.lease, n.leaving, n.dead, n.saidAt)
			assignment(n.assignment)
			status(record[schema.Status]{rec: n.said, exists: n.said != nil})
			for i := range maxWorkers {
				slot := cluster.Slot{Task: "t", Index: i}
				fmt.Fprintf(&b, "%d%v%d %d,", n.running[slot], n.asked[slot], n.counts[slot], n.started[slot])
			}
		}
	}
	for _, name := range leaders {
		l := w.leads[name]
		if l == nil || !l.active {
			b.WriteString("~")
			continue
		}
		fmt.Fprintf(&b, "%d %d %d %d %d %v ", l.term, l.epoch, l.token, l.workers, l.stage, l.changed)
		for _, memberID := range memberIDs {
			assignment(l.assignments[memberID])
			status(l.status[memberID])
			fmt.Fprintf(&b, "%v%v%v;", l.member[memberID], l.fresh[memberID], l.reaped[memberID])
		}
	}
	flying := make([]string, 0, len(w.flying))
	for _, m := range w.flying {
		var t strings.Builder
		fmt.Fprintf(&t, "%s %d %d %v %d %d %v:", m.from, m.epoch, m.token, m.claim, m.docAt, m.statusAt, m.silent)
		for _, memberID := range slices.Sorted(maps.Keys(m.assignments)) {
			if d := m.assignments[memberID]; d != nil {
				fmt.Fprintf(&t, "%s%d %v", memberID, m.at[memberID], lists(d))
			} else {
				fmt.Fprintf(&t, "%s%d dead", memberID, m.at[memberID])
			}
		}
		if m.status != nil {
			fmt.Fprintf(&t, "%d%s%v%v", m.status.Applied, text(m.status.Holding), m.status.Fenced, m.status.Leaving)
		}
		flying = append(flying, t.String())
	}
	slices.Sort(flying)
	fmt.Fprint(&b, flying)
	return b.String()
}

// lists writes what an assignment grants and what it asks back.
func lists(assignment *schema.Assignment) string {
	var parts []string
	for _, h := range assignment.Granted {
		count, _ := h.WorkerCount()
		parts = append(parts, fmt.Sprintf("%s@%d of %d", h.Slots, h.Token, count))
	}
	parts = append(parts, "|")
	for _, h := range assignment.Releasing {
		count, _ := h.WorkerCount()
		parts = append(parts, fmt.Sprintf("%s@%d/%d of %d", h.Slots, h.Token, h.Version, count))
	}
	return strings.Join(parts, " ")
}

// text writes what a member holds.
func text(list []schema.Claimed) string {
	var parts []string
	for _, h := range list {
		parts = append(parts, fmt.Sprintf("%s@%d", h.Slots, h.Token))
	}
	return strings.Join(parts, " ")
}
