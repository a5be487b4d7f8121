package schema

import (
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// DecisionRing is how many decisions are kept.
const DecisionRing = 128

// MaxDecisions bounds their numbers: beyond this one was not counted but written by hand.
const MaxDecisions = 1 << 53

// maxMoveSlots bounds the slots that one step names, in bytes.
const maxMoveSlots = 1 << 10

// Decision is what one commit of a leader did, and why.
type Decision struct {
	header
	N      int64     `json:"n"`
	Term   int64     `json:"term"`
	Leader string    `json:"leader"` // node name
	At     time.Time `json:"at"`
	Moves  []Move    `json:"moves,omitempty"`
	Omit   int       `json:"omitted,omitempty"` // moves left out to keep the record small
}

// Move is one step of a decision for slots of one task.
type Move struct {
	Step    cluster.Step    `json:"step"`
	Task    string          `json:"task,omitempty"`
	Slots   cluster.Indexes `json:"slots,omitempty"`
	Node    string          `json:"node"`
	To      string          `json:"to,omitempty"` // of a release: the node that is to have them
	Token   int64           `json:"token,omitempty"`
	Why     cluster.Reason  `json:"why,omitzero"`
	Unknown cluster.Unknown `json:"-"`
}

// Encode writes the decision, leaving out moves, and slots of moves, until it is small enough.
func (d Decision) Encode() []byte {
	d.Moves = slices.Clone(d.Moves)
	for i := range d.Moves {
		m := &d.Moves[i]
		m.Why.Detail = Cut(m.Why.Detail, maxMoveSlots)
		for cut := false; len(m.Slots.String()) > maxMoveSlots; cut = true {
			if m.Slots = m.Slots[:len(m.Slots)/2]; !cut {
				d.Omit++
			}
		}
	}
	all := d.Moves
	d.Moves = nil
	d.Moves = all[:Fit(all, MaxDecision-Size(&d)-100)] // 100: for their name, and the number of those left out
	d.Omit += len(all) - len(d.Moves)
	return Encode(&d, 0)
}
