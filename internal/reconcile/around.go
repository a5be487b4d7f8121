package reconcile

// Every record has a bound that its writer keeps (see package schema), so a commit of one document or one agenda is
// never too large. Should one be nevertheless, since somebody else wrote a record or a server takes less, it must not
// stop everything else: the largest part of it is left out of decisions for a while, and that is said.

// Part is a part of a leader's commit that can be left out while the rest goes on.
type Part struct{ Kind, Name string }

// The kinds of parts: a member's document, a task's agenda with its runs, the mark of a node, and two that have no names.
const (
	PartDoc      = "document"
	PartAgenda   = "agenda"
	PartMark     = "mark"
	PartSuspects = "suspects"
	PartOrders   = "orders"
)

// around reports whether a part is to be left out, and sees to it that it is tried again.
func (d *decider) around(kind, name string) bool {
	until := d.Around[Part{kind, name}]
	if d.Now >= until {
		return false
	}
	d.wake(until)
	return true
}
