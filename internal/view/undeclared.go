package view

import "gitee.com/ken.yang/xconsumer/cluster"

// Deleted reports whether a task was deleted on purpose.
func (s *Snapshot) Deleted(task string) bool {
	e, known := s.Tasks[task]
	return known && e.Rec != nil && e.Rec.Deleted
}

// Undeclared reports whether documents grant slots of a task that nobody has declared.
func (s *Snapshot) Undeclared(task string) bool {
	if e, known := s.Tasks[task]; known && (e.Rec != nil || !e.Absent) {
		return false
	}
	for _, p := range s.Peers {
		for slot := range p.listed() {
			if slot.Task == task {
				return true
			}
		}
	}
	return false
}

// unreadable reports whether a task has a record that cannot be used, and none that could be is known.
func (s *Snapshot) unreadable(task string) bool {
	e, known := s.Tasks[task]
	return known && e.Rec == nil && !e.Absent
}

// addUndeclared adds the tasks that documents grant slots of, and nobody has declared.
func (s *Snapshot) addUndeclared(tasks map[string]*cluster.TaskInfo, placed map[cluster.Slot]cluster.WorkerInfo) {
	for slot, w := range placed {
		if _, run := cluster.SplitRun(slot.Task); run != "" || s.Deleted(slot.Task) {
			continue
		}
		task := tasks[slot.Task]
		if task == nil {
			why := cluster.Reason{Code: cluster.WhyUndeclared}
			task = &cluster.TaskInfo{Name: slot.Task, Reason: why.String() + "; its workers are asked back", ReasonCode: why.Code}
			tasks[slot.Task] = task
		}
		if task.ReasonCode == cluster.WhyUndeclared {
			task.Note(w.State)
		}
	}
}
