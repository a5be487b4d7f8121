package round

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Sums is a ledger that is up to date with the facts of a decision. It shows which tasks and members a stage has to look at: of all
// others, the stage would find nothing.
type Sums struct {
	*ledger.Ledger
	facts *Facts
	// odd are the tasks whose entries have to be looked at one by one.
	odd map[string]bool
}

// NewFacts returns the facts of a world, and brings its ledger up to date. They have neither specs nor sums yet.
func NewFacts(w World) *Facts {
	if w.Ledger == nil {
		return &Facts{World: w, MemberIDs: slices.Sorted(maps.Keys(w.Snapshot.Peers))}
	}
	w.Ledger.Update(w.Snapshot)
	return &Facts{World: w, MemberIDs: w.Ledger.IDs}
}

// Sum compares the ledger with the specs, once for the facts of a decision. If there is no ledger, or if slots are listed more than
// once, every stage looks at everything.
func (f *Facts) Sum() {
	if f.Ledger == nil || !f.Ledger.Exact() {
		return
	}
	f.Sums = &Sums{Ledger: f.Ledger, facts: f, odd: map[string]bool{}}
	for name, t := range f.Ledger.Tasks() {
		if f.isOdd(name, t) {
			f.Sums.odd[name] = true
		}
	}
}

// isOdd reports whether entries of a task have to be looked at one by one: some of them may have to leave their nodes, whatever the plan
// is.
func (f *Facts) isOdd(name string, t *ledger.Task) bool {
	spec, known := f.Specs[name]
	if !known || IsRun(name) || spec.Paused || t.GrantedFrom(spec.WorkerNum) || f.resizes(name, t) {
		return true
	}
	for of := range t.Specs {
		if !f.SameWork(&schema.Granted{SlotRange: schema.SlotRange{Task: name}, Spec: of.Spec}) {
			return true
		}
	}
	return false
}

// resizes reports whether an entry of a task has another count of workers: see OtherCount.
func (f *Facts) resizes(name string, t *ledger.Task) bool {
	spec, known := f.Specs[name]
	if !known || IsRun(name) {
		return false
	}
	for count := range t.Counts {
		if count != spec.Count() {
			return true
		}
	}
	return false
}

// IsOdd reports whether entries of a task have to be looked at one by one.
func (s *Sums) IsOdd(task string) bool { return s.odd[task] }

// Resizing reports whether an entry of any task has another count of workers.
func (s *Sums) Resizing() bool {
	for name, t := range s.Tasks() {
		if s.facts.resizes(name, t) {
			return true
		}
	}
	return false
}

// After brings the ledger up to date with the assignments of a draft. It returns nil if the sums cannot be relied on then.
func (s *Sums) After(draft *Draft) *Sums {
	if s == nil {
		return nil
	}
	for memberID, r := range draft.Returned {
		s.Put(s.Find(memberID), r.Assignment)
	}
	for memberID, assignment := range draft.Out.Assignments {
		s.Put(s.Find(memberID), assignment)
	}
	if !s.Exact() {
		return nil
	}
	return s
}

// Select returns the members that a condition holds for, or all of them if that is unknown.
func (f *Facts) Select(holds func(m *ledger.Member) bool) []string {
	if f.Sums == nil {
		return f.MemberIDs
	}
	var list []string
	for _, m := range f.Sums.Members {
		if holds(m) {
			list = append(list, m.ID)
		}
	}
	return list
}

// Marks are the members that a stage has to look at.
type Marks struct {
	facts *Facts
	is    []bool // by number; nil for all of them
}

// NewMarks returns marks without any member, or with all of them if the facts have no sums.
func (f *Facts) NewMarks() *Marks {
	if f.Sums == nil {
		return &Marks{facts: f}
	}
	return &Marks{f, make([]bool, f.Sums.Numbers())}
}

// Member marks a member.
func (k *Marks) Member(memberID string) {
	if k.is == nil {
		return
	}
	if m := k.facts.Sums.Find(memberID); m != nil {
		k.is[m.Number] = true
	}
}

// Slot marks the member that a slot is granted to.
func (k *Marks) Slot(task string, index int) {
	if k.is == nil {
		return
	}
	if number, _ := k.facts.Sums.Task(task).Owner(index); number != ledger.Nobody {
		k.is[number] = true
	}
}

// Task marks the members that slots of a task are granted to.
func (k *Marks) Task(name string) {
	if k.is == nil {
		return
	}
	t := k.facts.Sums.Task(name)
	for i := range t.Slots() {
		if number, _ := t.Owner(i); number != ledger.Nobody {
			k.is[number] = true
		}
	}
}

// Odd marks the members that have slots of odd tasks.
func (k *Marks) Odd() {
	if k.is == nil {
		return
	}
	for name := range k.facts.Sums.odd {
		k.Task(name)
	}
}

// MemberIDs returns the marked members and those that a condition holds for, sorted.
func (k *Marks) MemberIDs(holds func(m *ledger.Member) bool) []string {
	return k.facts.Select(func(m *ledger.Member) bool { return k.is[m.Number] || holds(m) })
}

// Doubles returns the slots that several assignments list.
func (f *Facts) Doubles() map[cluster.Slot][]view.Listing {
	if f.Sums != nil {
		return nil
	}
	return f.Snapshot.Doubles()
}
