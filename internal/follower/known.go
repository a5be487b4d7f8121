package follower

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// KnownGrants is the memory of a follower by which an old assignment that is restored starts nothing.
//
// Tokens rise over the whole cluster, and the commit that adds a grant takes its token from the counter. So a grant that is new in an
// assignment has a token above all tokens of earlier versions. One number is enough for this check, also for slots that this
// member never had: no record is kept of each slot that was given back.
//
// A grant that stays listed is not checked again, whatever the state of its worker: after a fence or an outage of the service, a
// node continues with its slots under the same tokens. A slot is given back once a version that was read does not grant it:
// leaders never list a token again that they have released. An unusable version or a missing assignment gives nothing back.
//
// If the service has lost commits, tokens may be given twice. Such grants are refused as well, and Above in the status lets the
// leader give higher tokens.
type KnownGrants struct {
	// Refused are the grants of the last assignment that must not be claimed, with their tokens.
	Refused map[cluster.Slot]int64

	highest int64                  // token that any assignment listed
	taken   map[cluster.Slot]int64 // grants of the last assignment that may be claimed
}

// Record takes a reading of the assignment, and returns the newly refused grants.
func (k *KnownGrants) Record(assignment *schema.Assignment) (fresh map[cluster.Slot]int64) {
	next := KnownGrants{Refused: map[cluster.Slot]int64{}, highest: k.highest, taken: map[cluster.Slot]int64{}}
	fresh = map[cluster.Slot]int64{}
	for slot, h := range schema.Each(assignment.Granted) {
		if k.taken[slot] == h.Token || h.Token > k.highest {
			next.taken[slot] = h.Token
		} else {
			next.Refused[slot] = h.Token
			if k.Refused[slot] != h.Token {
				fresh[slot] = h.Token
			}
		}
	}
	for h := range assignment.Ranges() {
		if schema.PlausibleToken(h.Token) {
			next.highest = max(next.highest, h.Token)
		}
	}
	*k = next
	return fresh
}
