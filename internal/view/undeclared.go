package view

// Deleted reports whether a task was deleted on purpose.
func (s *Snapshot) Deleted(task string) bool {
	e, known := s.Tasks[task]
	return known && e.Rec != nil && e.Rec.Deleted
}

// Undeclared reports whether assignments grant slots of a task that is not declared.
func (s *Snapshot) Undeclared(task string) bool {
	if e, known := s.Tasks[task]; known && (e.Rec != nil || !e.Absent) {
		return false
	}
	for _, p := range s.Peers {
		if p.Assignment.Rec != nil && p.Assignment.Rec.ListsTask(func(name string) bool { return name == task }) {
			return true
		}
	}
	return false
}

// unreadable reports whether a task has an unusable record, and no good one is known.
func (s *Snapshot) unreadable(task string) bool {
	e, known := s.Tasks[task]
	return known && e.Rec == nil && !e.Absent
}

// anyUnreadable reports whether that holds for any task.
func (s *Snapshot) anyUnreadable() bool {
	for name := range s.Tasks {
		if s.unreadable(name) {
			return true
		}
	}
	return false
}
