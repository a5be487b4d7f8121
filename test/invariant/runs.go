package invariant

import (
	"fmt"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// runs judges what is committed of tasks that run to their end: I9. Every firing happens once, every end of
// a slot is noted once, by whoever holds it, what has ended is not granted again, and a run is over
// when all of it is.
type runs struct {
	agendas map[string]*schema.TaskRuns
	seen    map[string]bool                  // runs that have begun, by task@run
	ended   map[cluster.Slot]string          // who noted it, and under which token
	records map[string]map[cluster.Slot]bool // what a member's record says, by MemberID
	excused map[cluster.Slot]bool            // noted by a member whose assignment was deleted by hand afterwards
	over    int                              // runs
}

func newRuns() runs {
	return runs{
		agendas: map[string]*schema.TaskRuns{},
		seen:    map[string]bool{},
		ended:   map[cluster.Slot]string{},
		records: map[string]map[cluster.Slot]bool{},
		excused: map[cluster.Slot]bool{},
	}
}

type failer func(invariant, format string, args ...any)

// agenda judges an agenda.
func (r *runs) agenda(c Change, by string, fail failer) {
	task := schema.Base(c.Key)
	before := r.agendas[task]
	if c.Deleted {
		delete(r.agendas, task)
		return
	}
	after := new(schema.TaskRuns)
	if err := decode(c, after); err != nil {
		if by == "" {
			fail("I5", "%v", err)
		}
		return
	}
	r.agendas[task] = after
	if before != nil && before.Timing == after.Timing && after.Last.Before(before.Last) {
		fail("I9", "the schedule of %s went back from %v to %v", task, before.Last, after.Last)
	}
	for i := range after.Runs {
		name := cluster.RunTask(task, after.Runs[i].ID)
		if before != nil && before.Find(after.Runs[i].ID) != nil {
			continue
		}
		if r.seen[name] {
			fail("I9", "%s begins again", name)
		}
		r.seen[name] = true
	}
	if before == nil {
		return
	}
	for i := range before.Runs {
		run := before.Runs[i]
		now := after.Find(run.ID)
		if now == nil {
			r.over++
			continue
		}
		for _, index := range run.Done {
			if !now.Finished(index) {
				fail("I9", "%s#%d is no longer done", cluster.RunTask(task, run.ID), index)
			}
		}
	}
}

// ran judges the record of a run that is over.
func (r *runs) ran(c Change, fail failer) {
	rec := new(schema.FinishedRun)
	if c.Deleted || decode(c, rec) != nil {
		return
	}
	if rec.Remaining() != 0 {
		fail("I9", "%s is over, and %d of its slots are not", cluster.RunTask(rec.Task, rec.ID), rec.Remaining())
	}
	name := cluster.RunTask(rec.Task, rec.ID)
	for index := range rec.WorkerNum {
		if r.ended[cluster.Slot{Task: name, Index: index}] == "" {
			fail("I9", "%s#%d counts as ended, and no member has said so", name, index)
		}
	}
}

// done judges what a member says to have ended; holding is its status after the commit.
func (r *runs) done(c Change, by string, holding *schema.Status, fail failer) {
	memberID := schema.Base(c.Key)
	after := map[cluster.Slot]bool{}
	rec := new(schema.Completions)
	if !c.Deleted {
		if err := decode(c, rec); err != nil {
			if by == "" {
				fail("I5", "%v", err)
			}
			return
		}
	}
	for _, o := range rec.Slots {
		for _, index := range o.Slots {
			slot := cluster.Slot{Task: o.Task, Index: index}
			after[slot] = true
			if r.records[memberID][slot] {
				continue
			}
			who := fmt.Sprintf("%s under token %d", memberID, o.Token)
			if other := r.ended[slot]; other != "" && !r.excused[slot] {
				fail("I9", "%s ends twice: noted by %s and by %s", slot, other, who)
			}
			r.ended[slot] = who
			if holding == nil {
				fail("I9", "%s records the end of %s and is not a member", memberID, slot)
			} else if h := schema.Find(holding.Holding, slot); h == nil || h.Token != o.Token {
				fail("I9", "%s notes the end of %s under token %d, and does not hold it", memberID, slot, o.Token)
			}
		}
	}
	r.records[memberID] = after
}

// granted judges a new grant.
func (r *runs) granted(slot cluster.Slot, node string, fail failer) {
	if who := r.ended[slot]; who != "" && !r.excused[slot] {
		fail("I9", "%s is granted to %s, and its end was noted by %s", slot, node, who)
	}
}

// Ended returns who has noted the end of a slot of a run, "" if nobody has.
func (s *Store) Ended(slot cluster.Slot) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs.excused[slot] {
		return ""
	}
	return s.runs.ended[slot]
}

// deletedByHand excuses what follows when a member's assignment is deleted by hand: if its session ends before
// somebody leads, nobody knows of it any longer, and not of what has ended on it. That is not promised.
func (r *runs) deletedByHand(memberID string) {
	for slot := range r.records[memberID] {
		r.excused[slot] = true
	}
}

// takenByHand excuses the same of a slot that a hand took out of a member's assignment: leaders hear of its end no more.
func (r *runs) takenByHand(slot cluster.Slot) { r.excused[slot] = true }

// Late returns the runs that began before a time and are not over.
func (s *Store) Late(before time.Time) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for task, a := range s.runs.agendas {
		for i := range a.Runs {
			if r := &a.Runs[i]; !r.Queued && r.Began.Before(before) {
				list = append(
					list,
					fmt.Sprintf("%s, begun at %v, has %d of %d workers left", cluster.RunTask(task, r.ID), r.Began, r.Remaining(), r.WorkerNum),
				)
			}
		}
	}
	slices.Sort(list)
	return list
}

// Runs returns how many runs are over.
func (s *Store) Runs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs.over
}
