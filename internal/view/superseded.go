package view

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A member that has given a slot back is often granted nothing at that moment. Leaders then leave the release in its assignment until
// that is written for another reason, and grant the slot elsewhere under a higher token. The evidence that the member gave the slot
// back, its status, is gone once the member is; the higher token shows that a leader has seen it.

// WithoutSuperseded returns the snapshot without the releases that another assignment supersedes: it lists the slot with a higher
// token.
func (s *Snapshot) WithoutSuperseded() *Snapshot {
	highest := s.highestTokens()
	if len(highest) == 0 {
		return s
	}
	counts := *s
	counts.Peers = maps.Clone(s.Peers)
	for memberID, p := range s.Peers {
		if p.Assignment.Rec == nil || len(p.Assignment.Rec.Releasing) == 0 {
			continue
		}
		old, rest := schema.Split(p.Assignment.Rec.Releasing, func(slot cluster.Slot, h *schema.Releasing) bool {
			return h.MayStay() && h.Token < highest[slot.Task][slot.Index]
		})
		if len(old) == 0 {
			continue
		}
		rec, next := *p.Assignment.Rec, *p
		rec.Releasing = rest
		next.Assignment.Rec, next.Superseded = &rec, old
		counts.Peers[memberID] = &next
	}
	return &counts
}

// StoredAssignment returns the member's assignment with the superseded releases, as it is stored. An eviction writes that: once the
// member's status is deleted, only the releases show what grants have to wait for.
func (p *Peer) StoredAssignment() *schema.Assignment {
	if p.Assignment.Rec == nil || len(p.Superseded) == 0 {
		return p.Assignment.Rec
	}
	rec := *p.Assignment.Rec
	rec.Releasing = slices.Concat(rec.Releasing, p.Superseded)
	return &rec
}

// highestTokens returns the highest token with which assignments list each slot that is asked back, by task and index, -1 for other slots.
func (s *Snapshot) highestTokens() map[string][]int64 {
	highest := map[string][]int64{}
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for i := range p.Assignment.Rec.Releasing {
			h := &p.Assignment.Rec.Releasing[i]
			if !h.MayStay() {
				continue
			}
			tokens := highest[h.Task]
			for _, index := range h.Slots {
				for len(tokens) <= index {
					tokens = append(tokens, -1)
				}
				tokens[index] = 0
			}
			highest[h.Task] = tokens
		}
	}
	if len(highest) == 0 {
		return nil
	}
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for r := range p.Assignment.Rec.Ranges() {
			tokens := highest[r.Task]
			for _, index := range r.Slots {
				if index < len(tokens) && tokens[index] >= 0 {
					tokens[index] = max(tokens[index], r.Token)
				}
			}
		}
	}
	return highest
}
