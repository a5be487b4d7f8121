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
	counts := *s
	counts.Peers = maps.Clone(s.Peers)
	new(hiding).hide(counts.Peers)
	return &counts
}

// hiding is the superseded releases of a view. They are looked for again only when an assignment has changed.
type hiding struct {
	assignments map[string]*schema.Assignment // as they were stored when it looked, by member
	hidden      map[string]*hidden            // by member
}

// hidden is the superseded releases of a member, and its assignment without them. The member's records are replaced by one and the same
// copy for as long as they stay the same.
type hidden struct {
	releases   []schema.Releasing
	assignment *schema.Assignment
	of, copied *Peer
}

// hide replaces the members that have superseded releases by members without them.
func (h *hiding) hide(peers map[string]*Peer) {
	if !h.upToDate(peers) {
		h.look(peers)
	}
	for memberID, x := range h.hidden {
		if p := peers[memberID]; x.of != p {
			next := *p
			next.Assignment.Rec, next.Superseded = x.assignment, x.releases
			x.of, x.copied = p, &next
		}
		peers[memberID] = x.copied
	}
}

// upToDate reports whether no assignment has changed.
func (h *hiding) upToDate(peers map[string]*Peer) bool {
	for memberID, p := range peers {
		if rec, known := h.assignments[memberID]; !known || rec != p.Assignment.Rec {
			return false
		}
	}
	return h.assignments != nil && len(peers) == len(h.assignments)
}

// look looks for superseded releases.
func (h *hiding) look(peers map[string]*Peer) {
	*h = hiding{make(map[string]*schema.Assignment, len(peers)), map[string]*hidden{}}
	highest := highestTokens(peers)
	for memberID, p := range peers {
		h.assignments[memberID] = p.Assignment.Rec
		if len(highest) == 0 || p.Assignment.Rec == nil || len(p.Assignment.Rec.Releasing) == 0 {
			continue
		}
		old, rest := schema.Split(p.Assignment.Rec.Releasing, func(slot cluster.Slot, h *schema.Releasing) bool {
			tokens := highest[slot.Task]
			return h.MayStay() && slot.Index < len(tokens) && h.Token < tokens[slot.Index]
		})
		if len(old) > 0 {
			rec := *p.Assignment.Rec
			rec.Releasing = rest
			h.hidden[memberID] = &hidden{releases: old, assignment: &rec}
		}
	}
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

// highestTokens returns the highest token with which assignments list each slot that is asked back, by task and index, -1 for other
// slots. It leaves out slots with impossible indexes: a list that was edited manually could have any length.
func highestTokens(peers map[string]*Peer) map[string][]int64 {
	highest := map[string][]int64{}
	for _, p := range peers {
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
				if index >= cluster.MaxWorkers {
					break
				}
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
	for _, p := range peers {
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
