package planner

import (
	"cmp"
	"slices"
)

// The effort that is spent on room for workers without a place, so that a plan is never late: looks at a node, a task or an
// exchange of two nodes, of which every loop below takes its part; steps of an exact search; and at how many nodes room is made
// for one worker before another way is tried; and looks at how to improve what that gave. Effort is counted and not timed: equal input gives equal plans.
const (
	roomLooks  = 4_000_000
	roomSteps  = 20_000
	roomNodes  = 12
	roomPolish = polishLooks / 8
)

// room makes room where workers weigh differently: lighter ones leave a node for others so that a heavier one fits.
// It works on the counts of the matrix, and keeps a log by which whatever led nowhere is taken back.
type room struct {
	*matrix
	log   []step
	looks int // that are left
}

// look takes looks from those that are left, and reports whether there were any.
func (r *room) look(n int) bool {
	r.looks -= n
	r.looked += n
	return r.looks >= 0
}

// step is a change of a node's share of a task.
type step struct {
	task int
	node int32
	by   int32
}

// standing is the part of a plan in the making that room changes.
type standing struct {
	share       []int32
	load, short []int64
}

// makeRoom finds places for workers that have none although there is room, be it in pieces. Of what it found and what
// is there now it takes the better one, so that a cluster at rest stays so, also where the search ran out of looks. It costs
// nothing where every worker has a place, or where all weigh the same and polish came to its end: there is no better plan then.
func (m *matrix) makeRoom() {
	small, ended := len(m.share) <= polishCells, m.looked <= polishLooks
	if m.nodes == 0 || len(m.share) > shortCells || !m.isShort() || ended && !m.mixed() {
		return
	}
	m.fixFloors()
	planned := m.stand()
	r := &room{matrix: m, looks: roomLooks / 2}
	m.stayPut()
	r.placeDirectly()
	if small {
		m.improve(roomPolish)
	}
	stays, cost := m.stand(), m.total()
	m.restore(planned)
	r.log, r.looks = nil, r.looks+roomLooks/2
	r.placeDirectly()
	if small { // in larger worlds one exchange may take tasks × tasks × nodes looks, and what there are of them finds next to nothing
		r.placeAll()
		r.trade()
		r.search()
		m.improve(roomPolish)
	}
	if slices.Compare(m.total(), cost) >= 0 {
		m.restore(stays)
	}
}

func (m *matrix) isShort() bool {
	return slices.ContainsFunc(m.short, func(n int64) bool { return n > 0 })
}

// mixed reports whether tasks weigh differently.
func (m *matrix) mixed() bool {
	for t := range m.in.Tasks {
		if m.cost(t) != m.cost(0) {
			return true
		}
	}
	return false
}

func (m *matrix) stand() standing {
	return standing{slices.Clone(m.share), slices.Clone(m.load), slices.Clone(m.short)}
}

func (m *matrix) restore(s standing) {
	copy(m.share, s.share)
	copy(m.load, s.load)
	copy(m.short, s.short)
}

// stayPut gives every node what it has now, as far as it may keep it.
func (m *matrix) stayPut() { m.lay(m.have) }

// lay gives every node so many slots of every task, as far as it may have them.
func (m *matrix) lay(cells []int32) {
	for t := range m.in.Tasks {
		for n := range int32(m.nodes) {
			cell := t*m.nodes + int(n)
			if m.in.Nodes[n].Gone || m.in.Tasks[t].Fixed {
				continue
			}
			m.short[t] += int64(m.share[cell])
			m.load[n] -= int64(m.share[cell]) * m.cost(t)
			m.share[cell] = 0
		}
	}
	r := room{matrix: m}
	for t := range m.in.Tasks {
		for n := range int32(m.nodes) {
			cell := t*m.nodes + int(n)
			for m.share[cell] < cells[cell] && m.short[t] > 0 && r.fitsNow(t, n) {
				r.put(t, n, min(int32(r.most(t, n)), cells[cell]-m.share[cell]))
			}
		}
	}
}

func (r *room) put(t int, n int32, by int32) {
	r.share[t*r.nodes+int(n)] += by
	r.load[n] += int64(by) * r.cost(t)
	r.short[t] -= int64(by)
	r.log = append(r.log, step{t, n, by})
}

// back takes everything back that was done since a point of the log.
func (r *room) back(to int) {
	for len(r.log) > to {
		s := r.log[len(r.log)-1]
		r.put(s.task, s.node, -s.by)
		r.log = r.log[:len(r.log)-2]
	}
}

// takes reports whether a node may have one more of a task, its room aside.
func (r *room) takes(t int, n int32) bool {
	node, cell := &r.in.Nodes[n], t*r.nodes+int(n)
	if node.Gone || r.of[t].rank[n] < 0 || (node.Cordoned || node.Draining) && r.share[cell] >= r.have[cell] {
		return false
	}
	per := r.in.Tasks[t].Spec.MaxPerNode
	return per == 0 || r.share[cell] < int32(per)
}

func (r *room) free(n int32) int64 { return r.limit[n] - r.load[n] }

func (r *room) fitsNow(t int, n int32) bool { return r.free(n) >= r.cost(t) && r.takes(t, n) }

// most is how many of a task a node that has room for one can take, as long as it takes them for the same reason: because it
// has them now, or not.
func (r *room) most(t int, n int32) int64 {
	cell := t*r.nodes + int(n)
	most := min(r.short[t], r.free(n)/r.cost(t))
	if per := r.in.Tasks[t].Spec.MaxPerNode; per > 0 {
		most = min(most, int64(per)-int64(r.share[cell]))
	}
	if more := r.have[cell] - r.share[cell]; more > 0 {
		most = min(most, int64(more))
	}
	return most
}

// leaving is how many more slots move if a node gives one of a task away, arriving how many fewer if it takes one.
func (r *room) leaving(t int, n int32) int64 {
	cell := t*r.nodes + int(n)
	if r.share[cell] <= r.have[cell] {
		return 1
	}
	return 0
}

func (r *room) arriving(t int, n int32) int64 {
	cell := t*r.nodes + int(n)
	if r.share[cell] < r.have[cell] {
		return 1
	}
	return 0
}

// byWeight returns the tasks that have workers without a place, the heaviest first.
func (r *room) byWeight() (list []int) {
	for t := range r.in.Tasks {
		if r.short[t] > 0 {
			list = append(list, t)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(r.cost(b), r.cost(a)) })
	return list
}

func (r *room) placeDirectly() {
	for _, t := range r.byWeight() {
		for r.short[t] > 0 && r.direct(t) {
		}
	}
}

// placeAll places what has no place, the heaviest first. What found no room once is tried again after the others.
func (r *room) placeAll() {
	for better := true; better; {
		better = false
		for _, t := range r.byWeight() {
			for r.short[t] > 0 && (r.direct(t) || r.clear(t)) {
				better = true
			}
		}
	}
}

// direct places some of a task where there is room: where they were, else where they would rather be, else where the least
// room is left. Each that follows would find the same node, so that takes as many as it can.
func (r *room) direct(t int) bool {
	if !r.look(r.nodes) {
		return false
	}
	best := Nobody
	for n := range int32(r.nodes) {
		if r.fitsNow(t, n) && (best == Nobody || r.rather(t, n, best)) {
			best = n
		}
	}
	if best != Nobody {
		r.put(t, best, int32(r.most(t, best)))
	}
	return best != Nobody
}

func (r *room) rather(t int, a, b int32) bool {
	rank := r.of[t].rank
	return cmp.Or(cmp.Compare(r.arriving(t, b), r.arriving(t, a)), cmp.Compare(rank[a], rank[b]), cmp.Compare(r.free(a), r.free(b))) < 0
}
