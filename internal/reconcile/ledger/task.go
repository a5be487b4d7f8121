package ledger

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Nobody is the owner of a slot that no assignment grants.
const Nobody int32 = -1

// UnknownCount stands for the number of workers of an entry whose workers may have been given any.
const UnknownCount = -1

// Task is the sums of a task or a run.
type Task struct {
	// Counts are its entries by the number of workers that these were given, UnknownCount if that is unknown. An entry is a grant, a
	// release, or slots that a live member holds and its assignment does not list.
	Counts map[int]int
	// Specs are its grants by their specs.
	Specs map[Spec]int

	slots   []slot
	taken   int // slots that are listed or held
	listing int // entries of assignments
	holding int // entries of statuses of live members
}

// Spec is the spec of a grant, as it was found, and the chunk that the grant names.
type Spec struct {
	Spec  *cluster.TaskSpec
	Chunk int64
}

// slot is the sums of a slot.
type slot struct {
	token  int64 // of its grant
	owner  int32 // 1 plus the number of the member that it is granted to, 0 for none
	listed uint16
	held   uint16 // by live members
}

// Listed reports whether an assignment lists a slot of the task.
func (t *Task) Listed() bool { return t != nil && t.listing > 0 }

// Slots returns one more than the highest index that was ever listed or held.
func (t *Task) Slots() int {
	if t == nil {
		return 0
	}
	return len(t.slots)
}

// Owner returns the number of the member that a slot is granted to, Nobody for none, and the token.
func (t *Task) Owner(index int) (number int32, token int64) {
	if t == nil || index >= len(t.slots) {
		return Nobody, 0
	}
	return t.slots[index].owner - 1, t.slots[index].token
}

// Owners enters, for each slot that is granted, the node of its member and the token. nodes are by number of a member, Nobody for a
// member without one, whose slots are left out.
func (t *Task) Owners(nodes, owners []int32, tokens []int64) {
	for i := range min(len(owners), len(t.slots)) {
		if s := &t.slots[i]; s.owner != 0 && nodes[s.owner-1] != Nobody {
			owners[i], tokens[i] = nodes[s.owner-1], s.token
		}
	}
}

// Taken reports for each of the first slots whether an assignment lists it or a live member holds it. It returns nil if that is so for
// all of them.
func (t *Task) Taken(slots int) []bool {
	if t != nil && len(t.slots) <= slots && t.taken == slots {
		return nil
	}
	taken := make([]bool, slots)
	if t != nil {
		for i := range min(slots, len(t.slots)) {
			taken[i] = t.slots[i].listed+t.slots[i].held > 0
		}
	}
	return taken
}

// GrantedFrom reports whether a slot is granted whose index is not below the given one.
func (t *Task) GrantedFrom(index int) bool {
	for i := max(index, 0); i < len(t.slots); i++ {
		if t.slots[i].owner != 0 {
			return true
		}
	}
	return false
}

func (l *Ledger) task(name string) *Task {
	t := l.tasks[name]
	if t == nil {
		t = &Task{Counts: map[int]int{}, Specs: map[Spec]int{}}
		if l.tasks == nil {
			l.tasks = map[string]*Task{}
		}
		l.tasks[name] = t
	}
	return t
}

// at returns a slot, nil if its index is impossible.
func (l *Ledger) at(t *Task, index, by int) *slot {
	if index < 0 || index >= cluster.MaxWorkers { // a list that was edited manually
		l.far += by
		return nil
	}
	if missing := index + 1 - len(t.slots); missing > 0 {
		t.slots = append(t.slots, make([]slot, missing)...)
	}
	return &t.slots[index]
}

// take counts a slot as listed or held.
func (t *Task) take(s *slot, listed, held int) {
	if s.listed+s.held > 0 {
		t.taken--
	}
	s.listed, s.held = uint16(int(s.listed)+listed), uint16(int(s.held)+held)
	if s.listed+s.held > 0 {
		t.taken++
	}
}

// list counts an entry of an assignment.
func (l *Ledger) list(t *Task, slots cluster.Indexes, by int) {
	t.listing += by
	for _, index := range slots {
		s := l.at(t, index, by)
		if s == nil {
			continue
		}
		before := s.listed
		t.take(s, by, 0)
		if before == 2 && by < 0 {
			l.doubled--
		} else if before == 1 && by > 0 {
			l.doubled++
		}
	}
}

func count[K comparable](counts map[K]int, key K, by int) {
	if n := counts[key] + by; n == 0 {
		delete(counts, key)
	} else {
		counts[key] = n
	}
}

func (t *Task) countWorkers(e schema.Entry, by int) {
	n, known := e.WorkerCount()
	if !known {
		n = UnknownCount
	}
	count(t.Counts, n, by)
}

func (l *Ledger) countGranted(list []schema.Granted, number int32, by int) {
	for i := range list {
		h := &list[i]
		t := l.task(h.Task)
		t.countWorkers(h, by)
		count(t.Specs, Spec{h.Spec, h.Ref.Chunk}, by)
		l.list(t, h.Slots, by)
		for _, index := range h.Slots {
			if index < 0 || index >= len(t.slots) {
				continue
			}
			switch s := &t.slots[index]; {
			case by > 0:
				s.owner, s.token = number+1, h.Token
			case s.owner == number+1:
				l.mixed = l.mixed || s.listed > 0 // another entry may grant it
				s.owner, s.token = 0, 0
			}
		}
	}
}

func (l *Ledger) countReleasing(list []schema.Releasing, by int) {
	for i := range list {
		t := l.task(list[i].Task)
		t.countWorkers(&list[i], by)
		l.list(t, list[i].Slots, by)
	}
}

// countUnknown counts entries that no assignment lists.
func (l *Ledger) countUnknown(list []schema.Releasing, by int) {
	for i := range list {
		count(l.task(list[i].Task).Counts, UnknownCount, by)
	}
}

func (l *Ledger) countHeld(list []schema.Claimed, by int) {
	for i := range list {
		t := l.task(list[i].Task)
		t.holding += by
		for _, index := range list[i].Slots {
			if s := l.at(t, index, by); s != nil {
				t.take(s, 0, by)
			}
		}
	}
}
