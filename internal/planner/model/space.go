package model

// Space is memory that plans use one after the other, so that a large plan allocates little. What a plan takes from it is used until the
// next plan begins. The zero value has none, and a nil Space always allocates.
type Space struct {
	nodes   []Node
	tasks   []Task
	numbers []int32
	amounts []int64
	flags   []uint8
	taken   int // of numbers
	counted int // of amounts
	flagged int // of flags
}

// Begin begins a plan: all memory is free again.
func (s *Space) Begin() {
	if s != nil {
		s.taken, s.counted, s.flagged = 0, 0, 0
	}
}

// Lists returns lists of nodes and of tasks, to be filled in.
func (s *Space) Lists(nodes, tasks int) ([]Node, []Task) {
	if s == nil {
		return make([]Node, nodes), make([]Task, tasks)
	}
	if nodes > len(s.nodes) {
		s.nodes = make([]Node, nodes+nodes/8)
	}
	if tasks > len(s.tasks) {
		s.tasks = make([]Task, tasks+tasks/8)
	}
	return s.nodes[:nodes], s.tasks[:tasks]
}

// Numbers returns n zeros.
func (s *Space) Numbers(n int) []int32 {
	if s == nil {
		return make([]int32, n)
	}
	return take(&s.numbers, &s.taken, n)
}

// Amounts returns n zeros.
func (s *Space) Amounts(n int) []int64 {
	if s == nil {
		return make([]int64, n)
	}
	return take(&s.amounts, &s.counted, n)
}

// Flags returns n zeros.
func (s *Space) Flags(n int) []uint8 {
	if s == nil {
		return make([]uint8, n)
	}
	return take(&s.flags, &s.flagged, n)
}

func take[T any](from *[]T, taken *int, n int) []T {
	if *taken+n > len(*from) { // what was taken keeps the memory that it has
		*from, *taken = make([]T, max(n, 2*len(*from))), 0
	}
	list := (*from)[*taken : *taken+n : *taken+n]
	*taken += n
	clear(list)
	return list
}
