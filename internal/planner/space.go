package planner

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// Space is memory that inputs and plans use one after the other. What was taken from it for one input is valid until the next one is made,
// so what a plan is kept of has to be copied. The zero value has none, and a nil Space always allocates.
type Space struct {
	model  model.Space
	nodes  []Node
	tasks  []Task
	owners []int32
	tokens []int64
	counts []int32 // rows of targets and numbers of slots
	taken  int     // of counts
	named  []Named
	byName map[string]int32
}

// Named is a node, and what the maker of the input calls it.
type Named struct{ Name, ID string }

// matrices returns the memory of the solver.
func (s *Space) matrices() *model.Space {
	if s == nil {
		return nil
	}
	return &s.model
}

// Nodes returns an empty list with room for so many nodes.
func (s *Space) Nodes(n int) []Node {
	if s == nil {
		return make([]Node, 0, n)
	}
	if n > cap(s.nodes) {
		s.nodes = make([]Node, 0, n+n/8)
	}
	return s.nodes[:0]
}

// Named returns an empty list with room for so many nodes, and an empty map for them.
func (s *Space) Named(n int) ([]Named, map[string]int32) {
	if s == nil {
		return make([]Named, 0, n), make(map[string]int32, n)
	}
	if n > cap(s.named) {
		s.named, s.byName = make([]Named, 0, n+n/8), make(map[string]int32, n+n/8)
	}
	clear(s.byName)
	return s.named[:0], s.byName
}

// Tasks returns an empty list with room for so many tasks.
func (s *Space) Tasks(n int) []Task {
	if s == nil {
		return make([]Task, 0, n)
	}
	if n > cap(s.tasks) {
		s.tasks = make([]Task, 0, n+n/8)
	}
	return s.tasks[:0]
}

// Rows begins an input, and returns rows for so many slots: no slot has an owner or a token.
func (s *Space) Rows(slots int) (owners []int32, tokens []int64) {
	if s == nil {
		s = &Space{}
	}
	s.taken = 0
	if slots > len(s.owners) {
		s.owners, s.tokens = make([]int32, slots), make([]int64, slots)
	}
	owners, tokens = s.owners[:slots], s.tokens[:slots]
	for i := range owners {
		owners[i] = Nobody
	}
	clear(tokens)
	return owners, tokens
}

// Counts returns n zeros.
func (s *Space) Counts(n int) []int32 {
	if s == nil {
		return make([]int32, n)
	}
	if s.taken+n > len(s.counts) { // what was taken keeps the memory that it has
		s.counts, s.taken = make([]int32, max(n, 2*len(s.counts))), 0
	}
	list := s.counts[s.taken : s.taken+n : s.taken+n]
	s.taken += n
	clear(list)
	return list
}

func (s *Space) clone(row []int32) []int32 {
	copied := s.Counts(len(row))
	copy(copied, row)
	return copied
}

// Clone returns a copy of an input that shares no memory with later ones.
func (in Input) Clone() Input {
	in.Space = nil
	in.Nodes, in.Tasks = slices.Clone(in.Nodes), slices.Clone(in.Tasks)
	for t := range in.Tasks {
		task := &in.Tasks[t]
		task.Current, task.Token, task.InProgress = slices.Clone(task.Current), slices.Clone(task.Token), slices.Clone(task.InProgress)
	}
	return in
}
