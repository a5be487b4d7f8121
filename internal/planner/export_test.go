package planner

// Looks returns the effort that is spent on a plan beyond dealing out: looks of polish and of room.
func Looks(in Input) int {
	m := newMatrix(in)
	m.solve()
	return m.looked
}

// Cost returns what the places that workers have now cost, in the order in which plans are compared.
func Cost(in Input) []int64 {
	m := newMatrix(in)
	m.outline()
	m.fixFloors()
	for _, g := range m.groups {
		m.short[g.task] += g.left // not dealt yet
	}
	m.stayPut()
	return m.total()
}
