package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// CheckName returns an error that matches schema.ErrCorrupt if a task's record declares another task.
func CheckName(key string, rec *schema.Task) error {
	if rec.Spec.Name == schema.Base(key) {
		return nil
	}
	return fmt.Errorf("%s: %w: it declares task %q", key, schema.ErrCorrupt, rec.Spec.Name)
}

// Unusable returns what is wrong with the record of a task that is in force nevertheless, and what to do; "" if nothing is wrong.
func (s *Snapshot) Unusable(task string) string {
	switch e, known := s.Tasks[task]; {
	case !known:
		return ""
	case e.Err != nil:
		return "its record cannot be used; declare it again with `xconsumer apply`, or delete it"
	case e.Absent && e.Rec != nil && !e.Rec.Deleted:
		return "its record is gone; declare it again with `xconsumer apply`, or delete it"
	}
	return ""
}

// Recall copies the last good records of tasks from an earlier snapshot, where the present records are absent or unusable.
func (s *Snapshot) Recall(earlier *Snapshot) {
	for name, old := range earlier.Tasks {
		e, known := s.Tasks[name]
		switch {
		case !known && old.Absent:
			s.Tasks[name] = old
		case known && e.Rec == nil && old.Rec != nil:
			e.Rec, e.RecAt = old.Rec, old.RecAt
			s.Tasks[name] = e
		}
	}
}

// Specs returns the declarations in force, by task. Where a declaration cannot be used or was deleted manually, the last good one
// stays. If a record is unusable and no good one was ever read, the declaration is the one in the latest grant: a new leader stops
// nothing for it. A task without any record is not declared, even if assignments grant slots of it.
func (s *Snapshot) Specs() map[string]cluster.TaskSpec {
	specs := make(map[string]cluster.TaskSpec, len(s.Tasks))
	for name, e := range s.Tasks {
		if e.Rec != nil && !e.Rec.Deleted {
			specs[name] = e.Rec.Effective()
		}
	}
	s.addRuns(specs)
	if !s.anyUnreadable() {
		return specs
	}
	latest := map[string]int64{} // by task whose spec an assignment contains: the token of that grant
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for _, h := range p.Assignment.Rec.Granted {
			_, known := specs[h.Task]
			token, seen := latest[h.Task]
			if (!known || seen && h.Token > token) && !isRun(h.Task) && s.unreadable(h.Task) && h.Spec != nil {
				specs[h.Task], latest[h.Task] = *h.Spec, h.Token
			}
		}
	}
	return specs
}

// addRuns replaces the tasks that run to their end by their runs that are under way.
func (s *Snapshot) addRuns(specs map[string]cluster.TaskSpec) {
	var tasks []string
	for name, spec := range specs {
		if spec.Runs() {
			tasks = append(tasks, name)
		}
	}
	for _, name := range tasks {
		spec := specs[name]
		delete(specs, name)
		rec := s.TaskRuns[name].Rec
		if rec == nil {
			continue
		}
		for i := range rec.Runs {
			if r := &rec.Runs[i]; !r.Queued {
				specs[cluster.RunTask(name, r.ID)] = OfRun(spec, r)
			}
		}
	}
}

// OfRun returns the declaration in force for a run of a task.
func OfRun(spec cluster.TaskSpec, r *schema.Run) cluster.TaskSpec {
	spec.WorkName, spec.WorkerNum, spec.Params = r.WorkName, r.WorkerNum, r.Params
	return spec
}

// Run returns the run that slots belong to, nil if it is not under way or they belong to none.
func (s *Snapshot) Run(name string) *schema.Run {
	task, run := cluster.SplitRun(name)
	if rec := s.TaskRuns[task].Rec; rec != nil && run != "" {
		return rec.Find(run)
	}
	return nil
}

// Declared returns the declaration that slots belong to.
func (s *Snapshot) Declared(name string) Entry[schema.Task] {
	task, _ := cluster.SplitRun(name)
	return s.Tasks[task]
}

// Suspicions returns the suspects by slot, without those of a task that was declared again since, and without slots that the task
// no longer has.
func (s *Snapshot) Suspicions() map[cluster.Slot]schema.Suspect {
	if s.Suspects.Rec == nil || s.Suspects.Absent {
		return nil
	}
	specs := s.Specs()
	against := map[cluster.Slot]schema.Suspect{}
	for _, e := range s.Suspects.Rec.Slots {
		spec, known := specs[e.Task]
		if task := s.Declared(e.Task); !known || task.Good() && task.Version != e.Declared {
			continue
		}
		for _, index := range e.Slots {
			if index < spec.WorkerNum {
				against[cluster.Slot{Task: e.Task, Index: index}] = e
			}
		}
	}
	return against
}

// Rebalance returns the policy in force for moving slots between nodes.
func (s *Snapshot) Rebalance() cluster.Rebalance {
	if s.Settings.Rec == nil {
		return cluster.Rebalance{}
	}
	return s.Settings.Rec.Spec.Rebalance
}

// Mark returns an operator's mark of a node.
func (s *Snapshot) Mark(node string) schema.Mark {
	if rec := s.Marks[node].Rec; rec != nil {
		return *rec
	}
	return schema.Mark{}
}

// Labels returns the labels in force of a member, without those that it sets itself.
func (s *Snapshot) Labels(m *schema.Member) cluster.Labels {
	over := s.Mark(m.Node).Labels
	if len(over) == 0 {
		return m.Labels
	}
	labels := cluster.Labels{}
	maps.Copy(labels, m.Labels)
	maps.Copy(labels, over)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}

// LeaderPolicy returns the policy in force.
func (s *Snapshot) LeaderPolicy() cluster.LeaderPolicy {
	if s.Settings.Rec == nil || s.Settings.Rec.Spec.LeaderWorkers == "" {
		return cluster.LeaderLast
	}
	return s.Settings.Rec.Spec.LeaderWorkers
}

// Errors returns the records that cannot be used, by path.
func (s *Snapshot) Errors(keys schema.Keys) []cluster.RecordError {
	var list []cluster.RecordError
	add := func(key func() string, err error, absent, expected bool) { // most keys are not needed
		switch {
		case err != nil:
			list = append(list, cluster.RecordError{Path: key(), Error: schema.Reason(key(), err)})
		case absent && expected:
			list = append(list, cluster.RecordError{Path: key(), Error: "deleted; the last good record stays in force"})
		}
	}
	add(keys.Epoch, s.Epoch.Err, s.Epoch.Absent, true)
	add(keys.Settings, s.Settings.Err, s.Settings.Absent, s.Settings.Rec != nil)
	add(keys.Suspects, s.Suspects.Err, false, false)
	add(keys.Requests, s.Requests.Err, false, false)
	add(keys.Removed, s.Removed.Err, false, false)
	for node, e := range s.Marks {
		add(func() string { return keys.Mark(node) }, e.Err, false, false)
	}
	for name, e := range s.Tasks {
		add(func() string { return keys.Task(name) }, e.Err, e.Absent, e.Rec != nil && !e.Rec.Deleted)
	}
	for number, e := range s.SpecChunks {
		add(func() string { return keys.SpecChunk(number) }, e.Err, false, false)
	}
	for name, e := range s.TaskRuns {
		add(func() string { return keys.TaskRunsOf(name) }, e.Err, false, false)
	}
	for memberID, p := range s.Peers {
		add(func() string { return keys.CompletionsOf(memberID) }, p.Completions.Err, false, false)
		add(func() string { return keys.Assignment(memberID) }, p.Assignment.Err, p.Assignment.Absent, p.Live())
		add(func() string { return keys.Status(memberID) }, p.Status.Err, false, false)
		add(func() string { return keys.Member(memberID) }, p.Member.Err, false, false)
	}
	slices.SortFunc(list, func(a, b cluster.RecordError) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// listed reports whether an assignment lists slots of a task, or of its runs.
func (s *Snapshot) listed(task string) bool {
	of := func(name string) bool {
		base, _ := cluster.SplitRun(name)
		return base == task
	}
	for _, p := range s.Peers {
		if rec := p.Assignment.Rec; rec != nil && rec.ListsTask(of) {
			return true
		}
	}
	return false
}
