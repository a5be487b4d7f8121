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
}

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

// Rows returns rows for so many slots: no slot has an owner or a token.
func (s *Space) Rows(slots int) (owners []int32, tokens []int64) {
	if s == nil {
		s = &Space{}
	}
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

// Clone returns a copy of an input that shares no memory with later ones.
func (in Input) Clone() Input {
	in.Space = nil
	in.Nodes, in.Tasks = slices.Clone(in.Nodes), slices.Clone(in.Tasks)
	for t := range in.Tasks {
		task := &in.Tasks[t]
		task.Current, task.Token = slices.Clone(task.Current), slices.Clone(task.Token)
	}
	return in
}
