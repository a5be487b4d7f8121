package schema

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Each yields every slot of a list with the entry that it stands in.
func Each(list []SlotRange) iter.Seq2[cluster.Slot, *SlotRange] {
	return func(yield func(cluster.Slot, *SlotRange) bool) {
		for i := range list {
			for _, index := range list[i].Slots {
				if !yield(cluster.Slot{Task: list[i].Task, Index: index}, &list[i]) {
					return
				}
			}
		}
	}
}

// Find returns the entry that lists a slot, nil if none does.
func Find(list []SlotRange, slot cluster.Slot) *SlotRange {
	for i := range list {
		if list[i].Task == slot.Task && list[i].Slots.Contains(slot.Index) {
			return &list[i]
		}
	}
	return nil
}

// Unlisted returns what is held and an assignment does not list. Leaders free no slot that its member holds: a hand has taken it
// out of the assignment. What its worker was told of their number nobody knows.
func (d *Assignment) Unlisted(holding []SlotRange) (list []SlotRange) {
	next := 0 // both lists have the same order as a rule
	for i := range holding {
		h := &holding[i]
		for next < len(d.Granted) && d.Granted[next].Task < h.Task {
			next++
		}
		if next < len(d.Granted) && d.Granted[next].Task == h.Task && slices.Equal(d.Granted[next].Slots, h.Slots) {
			continue
		}
		var slots cluster.Indexes
		for _, index := range h.Slots {
			if slot := (cluster.Slot{Task: h.Task, Index: index}); Find(d.Granted, slot) == nil && Find(d.Releasing, slot) == nil {
				slots = append(slots, index)
			}
		}
		if len(slots) > 0 {
			list = append(list, SlotRange{Task: h.Task, Slots: slots, Token: h.Token})
		}
	}
	return list
}

// Adopt lists what is held and was not listed as asked back, by the version that the assignment will have, and returns it. So
// it is granted to nobody before it has stopped, whatever becomes of the member.
func (d *Assignment) Adopt(holding []SlotRange, version int64) []SlotRange {
	list := d.Unlisted(holding)
	if len(list) == 0 {
		return nil
	}
	d.Releasing = slices.Clone(d.Releasing)
	for i := range list {
		list[i].Version, list[i].Why = version, &cluster.Reason{Code: cluster.WhyEdited, Detail: "its assignment did not list it"}
		d.Releasing = append(d.Releasing, list[i])
	}
	return list
}

// Split divides a list by slot; entries are copied, their specs shared.
func Split(list []SlotRange, pick func(cluster.Slot, *SlotRange) bool) (picked, rest []SlotRange) {
	for i := range list {
		h := &list[i]
		var in, out cluster.Indexes
		for _, index := range h.Slots {
			if pick(cluster.Slot{Task: h.Task, Index: index}, h) {
				in = append(in, index)
			} else {
				out = append(out, index)
			}
		}
		for _, part := range []struct {
			slots cluster.Indexes
			to    *[]SlotRange
		}{{in, &picked}, {out, &rest}} {
			if len(part.slots) > 0 {
				entry := *h
				entry.Slots = part.slots
				*part.to = append(*part.to, entry)
			}
		}
	}
	return picked, rest
}

// Told returns the count that the workers of a grant are told, and whether the record says it: an entry that
// an earlier program wrote says it by its spec, and where that is gone nobody knows.
func (h *SlotRange) Told() (count int, known bool) {
	switch {
	case h.Count != nil:
		return *h.Count, true
	case h.Spec != nil:
		return h.Spec.Count(), true
	}
	return 0, false
}

// Count returns the number of slots in a list.
func Count(list []SlotRange) int {
	n := 0
	for _, h := range list {
		n += len(h.Slots)
	}
	return n
}

// AskedBack lists what a member holds as asked back by an assignment of that version.
func AskedBack(holding []SlotRange, version int64) []SlotRange {
	list := make([]SlotRange, len(holding))
	for i, h := range holding {
		list[i] = SlotRange{Task: h.Task, Slots: h.Slots, Token: h.Token, Version: version, Unknown: h.Unknown}
	}
	return list
}

// Gather makes the shortest list of slots that have a token and the time of their claim.
func Gather(slots map[cluster.Slot]Claim) []SlotRange {
	type group struct {
		task  string
		claim Claim
	}
	groups := map[group]cluster.Indexes{}
	for slot, claim := range slots {
		g := group{slot.Task, claim}
		groups[g] = append(groups[g], slot.Index)
	}
	list := []SlotRange{} // never null in JSON
	for g, indexes := range groups {
		slices.Sort(indexes)
		list = append(list, SlotRange{Task: g.task, Slots: indexes, Token: g.claim.Token, Since: g.claim.Since})
	}
	slices.SortFunc(list, func(a, b SlotRange) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Token, b.Token), a.Since.Compare(b.Since))
	})
	return list
}

// GatherTokens makes the shortest list of slots that have a token.
func GatherTokens(slots map[cluster.Slot]int64) []SlotRange {
	claims := make(map[cluster.Slot]Claim, len(slots))
	for slot, token := range slots {
		claims[slot] = Claim{Token: token}
	}
	return Gather(claims)
}

// Claim is what a member notes of a slot that it holds.
type Claim struct {
	Token int64
	Since time.Time // comparable by ==: in UTC, without a monotonic reading
}
