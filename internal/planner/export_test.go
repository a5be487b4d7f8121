package planner

// Looks returns the effort that is spent on a plan beyond dealing out: looks of polish and of room.
func Looks(in Input) int {
	m := newMatrix(in)
	m.solve()
	return m.looked
}
