package reconcile

import (
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// invalidGrants are the grants that must not exist, by member, with the reasons.
type invalidGrants map[string]map[cluster.Slot]cluster.Reason

// findInvalidGrants finds the grants that must not exist. They are asked back at once, without regard to the plan and the budgets:
//
//   - A slot that several assignments list was not granted like that by a leader: it stays only with the highest token. If the
//     highest two are equal, it stays with none.
//   - A grant that its member refuses would run nowhere.
//   - A token that no leader can have given yet must not stay, since later tokens would not be above it.
func findInvalidGrants(f *round.Facts, next int64, doubles map[cluster.Slot][]view.Listing) invalidGrants {
	found := invalidGrants{}
	unknown := func(token int64) bool { return token >= next }
	for slot, listings := range doubles {
		found.addDoubled(slot, listings, unknown)
	}
	for _, memberID := range f.Select(func(m *ledger.Member) bool { return m.MaxGranted >= next || m.Refused }) {
		if p := f.Snapshot.Peers[memberID]; p.Assignment.Rec != nil {
			found.addUnknown(memberID, p.Assignment.Rec, unknown)
			found.addRefused(f, memberID, p)
		}
	}
	return found
}

// addDoubled adds the grants of a slot that several assignments list, except for the one with the highest known token.
func (r invalidGrants) addDoubled(slot cluster.Slot, listings []view.Listing, unknown func(token int64) bool) {
	known := slices.DeleteFunc(slices.Clone(listings), func(h view.Listing) bool { return unknown(h.Token) })
	highest := int64(0)
	if len(known) > 0 && (len(known) == 1 || known[0].Token > known[1].Token) {
		highest = known[0].Token
	}
	for _, h := range known {
		if h.Granted && h.Token != highest {
			r.add(h.MemberID, slot, cluster.Reason{Code: cluster.WhyDoubled, Detail: view.DescribeListings(listings)})
		}
	}
}

// addUnknown adds the grants of an assignment whose tokens no leader can have given yet.
func (r invalidGrants) addUnknown(memberID string, assignment *schema.Assignment, unknown func(token int64) bool) {
	for i := range assignment.Granted {
		h := &assignment.Granted[i]
		if !unknown(h.Token) {
			continue
		}
		why := cluster.Reason{Code: cluster.WhyEdited, Detail: fmt.Sprintf("no leader has given token %d", h.Token)}
		for _, index := range h.Slots {
			r.add(memberID, cluster.Slot{Task: h.Task, Index: index}, why)
		}
	}
}

// addRefused adds the grants that a member refuses.
func (r invalidGrants) addRefused(f *round.Facts, memberID string, p *view.Peer) {
	rec := p.Status.Rec
	if rec == nil {
		return
	}
	for slot, refused := range schema.Each(rec.Refused) {
		if h := schema.Find(p.Assignment.Rec.Granted, slot); h != nil && h.Token == refused.Token {
			r.add(memberID, slot, cluster.Reason{Code: cluster.WhyRefused, Node: f.NodeName(memberID),
				Detail: fmt.Sprintf("token %d is not above %d", h.Token, rec.Above)})
		}
	}
}

func (r invalidGrants) add(memberID string, slot cluster.Slot, why cluster.Reason) {
	if r[memberID] == nil {
		r[memberID] = map[cluster.Slot]cluster.Reason{}
	}
	r[memberID][slot] = why
}
