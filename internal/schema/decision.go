package schema

import "gitee.com/ken.yang/xconsumer/cluster"

// DecisionRing is the number of decisions that are kept.
const DecisionRing = 128

// MaxDecisions bounds the numbers of decisions: a number above it was not counted but edited manually.
const MaxDecisions = 1 << 53

// maxMoveSlots bounds the slots that one step names, in bytes.
const maxMoveSlots = 1 << 10

// Decision is what one commit of a leader did, and why. It is written once and never changed.
type Decision struct {
	header
	cluster.Decision
}

// Encode returns the record of the decision. It leaves out steps, and slots of steps, until the record is small enough.
func (d Decision) Encode() []byte {
	d.Moves = append([]cluster.Decided{}, d.Moves...) // never null in JSON
	for i := range d.Moves {
		m := &d.Moves[i]
		m.Why = Cut(m.Why, maxMoveSlots)
		for cut := false; len(m.Slots.String()) > maxMoveSlots; cut = true {
			m.Slots = m.Slots[:len(m.Slots)/2]
			if !cut {
				d.Omitted++
			}
		}
	}
	all := d.Moves
	d.Moves = nil
	d.Moves = all[:Fit(all, MaxDecision-Size(&d)-100)] // 100: for their name, and the number of those left out
	d.Omitted += len(all) - len(d.Moves)
	return Encode(&d, 0)
}
