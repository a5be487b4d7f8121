package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// hole leaves out a guard, to show that the walk would notice.
type hole string

const (
	noHole       hole = ""
	noEpochCheck hole = "commits of leaders do not check the epoch"
	noDocCheck   hole = "claims do not check the assignment"
	noFence      hole = "sessions end before their workers have stopped"
	noRelease    hole = "a release is taken as done at once"
	earlyClose   hole = "a parent closes before its child is dead"
	noBarrier    hole = "slots of another count are taken for slots of the present one"
)

// steps returns everything that can happen next.
func (w world) steps(h hole, maxAssignments int) []step[world] {
	var list []step[world]
	add := func(next world, format string, args ...any) {
		list = append(list, step[world]{fmt.Sprintf(format, args...), next})
	}
	for _, name := range leaders {
		w.leaderSteps(name, maxAssignments, h, add)
	}
	for _, memberID := range memberIDs {
		w.nodeSteps(memberID, add)
		w.endings(memberID, h, add)
	}
	for i := range w.flying {
		w.outcomes(i, h, add)
	}
	for _, memberID := range []string{"a", "c"} {
		if w.nodes[memberID] == nil && w.budget.join > 0 {
			next := w
			next.budget.join--
			add(next.join(memberID, "node-"+memberID), "%s joins", memberID)
			break
		}
	}
	if b := w.nodes["b"]; b.leaving && b.dead && w.nodes["a"] == nil && !w.alive["b"] {
		add(w.join("a", "node-b"), "b's node is back, as a")
	}
	if w.budget.resize > 0 {
		next := w
		next.budget.resize--
		next.workers = 1 + maxWorkers - w.workers
		add(next.hint(), "the task is resized to %d", next.workers)
	}
	return list
}

type adder func(next world, format string, args ...any)

func (w world) lead(name string, l leader) world {
	w.leads = with(w.leads, name, &l)
	return w
}

func (w world) node(memberID string, n node) world {
	w.nodes = with(w.nodes, memberID, &n)
	return w
}

// leaderSteps are those of a process that may lead.
func (w world) leaderSteps(name string, maxAssignments int, h hole, add adder) {
	l := w.leads[name]
	if name == "L2" && l == nil && w.candidates["L2"] && !w.candidates["L1"] {
		add(w.bump("L2"), "L2 leads")
	}
	if name == "L1" && w.candidates["L1"] && w.budget.depose > 0 {
		next := w
		next.budget.depose--
		next.candidates = with(w.candidates, "L1", false)
		add(next, "L1's session ends, unnoticed")
	}
	if l == nil || !l.active {
		return
	}
	next := *l
	switch l.stage {
	case readsAssignments:
		if next.epoch != w.epoch { // it reads again after a commit whose outcome it does not know
			if next.term != w.term {
				add(w.lead(name, leader{}), "%s reads the epoch: deposed", name)
				return
			}
			next.epoch, next.token = w.epoch, w.nextToken
		}
		next.assignments, next.fresh, next.changed, next.stage = maps.Clone(w.assignments), map[string]bool{}, false, readsRest
		for memberID, d := range l.assignments { // one that it knew, and that is gone, is remembered
			if !w.assignments[memberID].exists && d.rec != nil {
				next.assignments[memberID] = record[schema.Assignment]{rec: d.rec, version: d.version}
			}
		}
		add(w.lead(name, next), "%s reads the assignments", name)
	case readsRest:
		next.status, next.member, next.workers, next.stage = maps.Clone(w.statuses), maps.Clone(w.alive), w.workers, decides
		next.fresh = map[string]bool{}
		for memberID := range next.assignments {
			next.fresh[memberID] = true
		}
		add(w.lead(name, next), "%s reads the rest", name)
	case decides:
		if l.changed {
			again := next
			again.stage = readsAssignments
			add(w.lead(name, again), "%s looks again", name)
		}
		w.decide(name, next, maxAssignments, h, add)
	}
}

// decide asks the real function, and sends what it says.
func (w world) decide(name string, l leader, maxAssignments int, h hole, add adder) {
	snap := l.snapshot()
	if h == noBarrier {
		forgetCounts(snap, l.workers)
	}
	if h == noRelease {
		for _, p := range snap.Peers {
			if p.Assignment.Rec != nil && len(p.Assignment.Rec.Releasing) > 0 && p.Status.Rec != nil {
				p.Status.Rec = &schema.Status{Applied: 1 << 40}
			}
		}
	}
	d := reconcile.Decide(round.World{
		Snapshot: snap, Self: name, Now: 3 * time.Second, Timeout: time.Second, MaxAssignments: maxAssignments, Reaped: l.reaped,
		Memory: round.Memory{Returns: round.Returns{Names: map[string]bool{}, Settled: true}}, // nothing waits for the nodes to be quiet
	})
	if d.Evict != "" {
		panic("nobody edits the store by hand here")
	}
	for _, memberID := range d.Forget {
		l.assignments, l.reaped = without(l.assignments, memberID), without(l.reaped, memberID)
	}
	if len(d.Assignments) == 0 {
		if len(d.Forget) > 0 {
			add(w.lead(name, l), "%s forgets %v", name, d.Forget)
		}
		return
	}
	m := message{from: name, epoch: l.epoch, term: l.term, token: d.Token, assignments: d.Assignments, at: map[string]int64{}}
	what := ""
	for _, memberID := range slices.Sorted(maps.Keys(d.Assignments)) {
		m.at[memberID] = l.assignments[memberID].version
		if assignment := d.Assignments[memberID]; assignment == nil {
			l.reaped = with(l.reaped, memberID, true)
			what += " " + memberID + ": reaped;"
		} else {
			what += fmt.Sprintf(" %s: [%s];", memberID, lists(assignment))
		}
	}
	l.stage = waits
	next := w.lead(name, l)
	next.flying = append(slices.Clone(w.flying), m)
	add(next, "%s sends%s", name, what)
}

// forgetCounts lets a leader believe that all workers have the same count.
func forgetCounts(snap *view.Snapshot, count int) {
	for _, p := range snap.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		assignment := *p.Assignment.Rec
		assignment.Granted, assignment.Releasing = slices.Clone(assignment.Granted), slices.Clone(assignment.Releasing)
		for i := range assignment.Granted {
			assignment.Granted[i].Count = &count
		}
		for i := range assignment.Releasing {
			assignment.Releasing[i].Count = &count
		}
		p.Assignment.Rec = &assignment
	}
}

// nodeSteps are those of a process that works.
func (w world) nodeSteps(memberID string, add adder) {
	n := w.nodes[memberID]
	if n == nil || n.dead {
		return
	}
	if stored := w.assignments[memberID]; stored.version != n.assignment.version || stored.exists != n.good || n.assignment.rec == nil {
		next := *n
		next.assignment, next.good = stored, stored.exists
		if !stored.exists {
			next.assignment.rec = nil
		}
		add(w.node(memberID, next), "%s reads its assignment", memberID)
	}
	if n.unsure && !n.busy && w.statuses[memberID].exists {
		next := *n
		next.unsure, next.saidAt = false, w.statuses[memberID].version
		add(w.node(memberID, next), "%s reads its status", memberID)
	}
	o := follower.Follow(n.local())
	next, acts := *n, false
	for slot := range o.Stop {
		if !next.asked[slot] {
			next.asked, acts = with(next.asked, slot, true), true
		}
	}
	after := w
	if o.Status != nil && !n.busy && !n.unsure {
		acts, next.busy = true, true
		m := message{from: memberID, status: o.Status, statusAt: n.saidAt}
		m.claim = len(o.Start) > 0 && n.lease
		if m.claim {
			m.docAt, m.start = n.assignment.version, o.Start
		}
		after.flying = append(slices.Clone(w.flying), m)
	}
	if acts {
		add(after.node(memberID, next), "%s follows: stop %d, claim %d", memberID, len(o.Stop), len(o.Start))
	}
	for slot := range n.asked {
		if _, runs := n.running[slot]; runs {
			next := *n
			next.running, next.counts, next.asked = without(n.running, slot), without(n.counts, slot), without(n.asked, slot)
			add(w.node(memberID, next), "%s: %s has stopped", memberID, slot)
		}
	}
	if !n.leaving && w.budget.restart > 0 {
		next := *n
		next.leaving = true
		after := w.node(memberID, next)
		after.budget.restart--
		add(after, "%s is asked to leave", memberID)
	}
	switch {
	case n.lease && w.budget.fence > 0:
		next := *n
		next.lease = false
		after := w.node(memberID, next)
		after.budget.fence--
		add(after, "%s: its lease lapses", memberID)
	case !n.lease && w.alive[memberID]:
		next := *n
		next.lease = true
		add(w.node(memberID, next), "%s: its lease holds again", memberID)
	}
}

// endings are the ways in which a process and its member end.
func (w world) endings(memberID string, h hole, add adder) {
	n := w.nodes[memberID]
	if n == nil {
		return
	}
	if !n.dead && w.budget.crash > 0 {
		next := *n
		next.dead, next.running, next.counts, next.asked = true, map[cluster.Slot]int64{}, map[cluster.Slot]int{}, map[cluster.Slot]bool{}
		after := w.node(memberID, next)
		after.budget.crash--
		add(after, "%s crashes", memberID)
	}
	if !w.alive[memberID] {
		return
	}
	gone := w
	gone.alive = with(w.alive, memberID, false)
	gone.statuses, gone.last = with(w.statuses, memberID, record[schema.Status]{}), with(w.last, memberID, w.statuses[memberID].rec)
	if n.dead || !n.lease && len(n.running) == 0 || h == noFence {
		add(gone.hint(), "%s's session ends", memberID)
	}
	assignment := w.assignments[memberID]
	if !assignment.exists || assignment.rec.Closed != nil {
		return
	}
	closed := *assignment.rec
	if n.leaving && !n.dead && len(n.running) == 0 && !n.busy {
		left := *n
		left.dead = true
		closed.GiveBack(assignment.version+1, cluster.Reason{Code: cluster.WhyLeft}, func(slot cluster.Slot, g *schema.Granted) bool { return n.started[slot] != g.Token })
		closed.Closed = &schema.Closed{By: memberID, Left: true, RestartGrace: restartGrace}
		after := gone.node(memberID, left)
		after.assignments = with(w.assignments, memberID, record[schema.Assignment]{rec: &closed, version: assignment.version + 1, exists: true})
		add(after.hint(), "%s leaves, and its slots wait for it", memberID)
	}
	if n.dead || h == earlyClose {
		closed := *assignment.rec
		closed.Closed = &schema.Closed{By: "parent"}
		gone.assignments = with(w.assignments, memberID, record[schema.Assignment]{rec: &closed, version: assignment.version + 1, exists: true})
		add(gone.hint(), "%s is closed by its parent", memberID)
	}
}

// outcomes are what may become of a message.
func (w world) outcomes(i int, h hole, add adder) {
	m := w.flying[i]
	w.flying = slices.Delete(slices.Clone(w.flying), i, i+1)
	applied, ok, refused := w.apply(m, h)
	if m.silent {
		add(applied, "%s's late commit arrives: %v", m.from, ok)
		return
	}
	add(applied.answered(m, ok, refused, false), "%s's commit: %v", m.from, ok)
	if w.budget.lost == 0 {
		return
	}
	w.budget.lost--
	applied.budget.lost--
	add(w.answered(m, false, false, true), "%s's commit is lost", m.from)
	if ok {
		add(applied.answered(m, true, false, true), "%s's commit: true, and its answer is lost", m.from)
	}
	late := w
	m.silent = true
	late.flying = append(slices.Clone(w.flying), m)
	m.silent = false
	add(late.answered(m, false, false, true), "%s's commit is late", m.from)
}

// apply is the service's side of a commit. Refused is, for a claim, that its assignment has moved on.
func (w world) apply(m message, h hole) (next world, ok, refused bool) {
	if m.status != nil {
		assignment := w.assignments[m.from]
		switch {
		case !w.alive[m.from]:
			return w, false, false
		case m.claim && (!assignment.exists || assignment.version != m.docAt) && h != noDocCheck:
			return w, false, true
		case w.statuses[m.from].version != m.statusAt:
			return w, false, false
		}
		w.statuses = with(w.statuses, m.from, record[schema.Status]{rec: m.status, version: m.statusAt + 1, exists: true})
		return w.hint(), true, false
	}
	if (!w.candidates[m.from] || w.epoch != m.epoch) && h != noEpochCheck {
		return w, false, false
	}
	for memberID := range m.assignments {
		if d := w.assignments[memberID]; !d.exists || d.version != m.at[memberID] {
			return w, false, false
		}
	}
	w.epoch++
	w.nextToken = m.token
	said := map[string]*schema.Status{}
	maps.Copy(said, w.last)
	for memberID, status := range w.statuses {
		if status.exists {
			said[memberID] = status.rec
		}
	}
	for memberID, assignment := range m.assignments {
		if assignment == nil {
			w.assignments = without(w.assignments, memberID)
			continue
		}
		for slot, held := range schema.Each(assignment.Granted) {
			if schema.Find(w.assignments[memberID].rec.Granted, slot) == nil {
				if held.Token <= w.tokens[slot] {
					w.tokens = with(w.tokens, slot, -1) // which no world may have
				} else {
					w.tokens = with(w.tokens, slot, held.Token)
				}
			}
		}
		w.assignments = with(w.assignments, memberID, record[schema.Assignment]{rec: assignment, version: m.at[memberID] + 1, exists: true})
	}
	w.dead = invariant.Dead(w.dead, w.listings(), said)
	return w.hint(), true, false
}

// listings returns the assignments.
func (w world) listings() map[string]*schema.Assignment {
	list := map[string]*schema.Assignment{}
	for memberID, d := range w.assignments {
		if d.exists {
			list[memberID] = d.rec
		}
	}
	return list
}

// answered is the sender's side: it learns what became of its commit, or that nobody knows.
func (w world) answered(m message, ok, refused, unknown bool) world {
	if m.status != nil {
		n := *w.nodes[m.from]
		if n.dead {
			return w
		}
		n.busy = false
		switch {
		case refused && !unknown:
		case !ok || unknown:
			n.unsure, n.said = true, nil
		default:
			n.saidAt = m.statusAt + 1
			if !n.unsure {
				n.said = m.status
			}
			for _, g := range m.start {
				if m.claim && n.lease && !n.leaving {
					n.started = with(n.started, g.Slot, g.Token)
					n.running, n.counts = with(n.running, g.Slot, g.Token), with(n.counts, g.Slot, g.Count)
				}
			}
		}
		return w.node(m.from, n)
	}
	l := *w.leads[m.from]
	if !l.active || l.term != m.term {
		return w
	}
	switch {
	case ok && !unknown:
		l.epoch, l.token, l.stage, l.changed = m.epoch+1, m.token, decides, true
		for memberID, assignment := range m.assignments {
			if assignment == nil {
				l.assignments, l.reaped = without(l.assignments, memberID), without(l.reaped, memberID)
				continue
			}
			l.assignments = with(l.assignments, memberID, record[schema.Assignment]{rec: assignment, version: m.at[memberID] + 1, exists: true})
			l.fresh = with(l.fresh, memberID, false)
		}
	case !unknown && (!w.candidates[m.from] || w.term != l.term):
		return w.lead(m.from, leader{}) // deposed
	default:
		l.stage = readsAssignments
	}
	return w.lead(m.from, l)
}

// wrong says which promise a world breaks, "" if none.
func (w world) wrong() string {
	runs, assignments, count := map[cluster.Slot]string{}, w.listings(), 0
	for _, memberID := range memberIDs {
		if n := w.nodes[memberID]; n != nil && !n.dead {
			for slot, token := range n.running {
				if other := runs[slot]; other != "" {
					return fmt.Sprintf("%s runs on %s and %s", slot, other, memberID)
				}
				runs[slot] = memberID
				if count != 0 && count != n.counts[slot] {
					return fmt.Sprintf("workers have the counts %d and %d", min(count, n.counts[slot]), max(count, n.counts[slot]))
				}
				count = n.counts[slot]
				if s := w.statuses[memberID]; w.alive[memberID] && (s.rec == nil || schema.Find(s.rec.Holding, slot) == nil) {
					return fmt.Sprintf("%s runs on %s with token %d, and its status does not say so", slot, memberID, token)
				}
			}
		}
	}
	if twice := invariant.Twice(assignments, w.dead); len(twice) > 0 {
		return twice[0]
	}
	if mixed := invariant.Mixed(assignments, w.dead)["t"]; mixed != "" {
		return mixed
	}
	for slot, token := range w.tokens {
		if token < 0 {
			return fmt.Sprintf("the token of %s did not rise", slot)
		}
	}
	return ""
}

// stepsOf returns what may happen in a world.
func stepsOf(h hole, maxAssignments int) func(world) []step[world] {
	return func(w world) []step[world] { return w.steps(h, maxAssignments) }
}

// stuck returns "": the simulator looks for clusters that come to a halt.
func (w world) stuck() string { return "" }
