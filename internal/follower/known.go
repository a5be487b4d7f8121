package follower

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// KnownGrants is what a follower remembers of its assignment, so that a former one which is put back starts nothing.
//
// Tokens rise over the whole cluster, and a grant is taken from the counter by the commit that adds it. So a grant that an
// assignment lists, and its last version that was read did not, has a token above all that any earlier version listed. One
// number says that of every slot, also of those that this member never had: nothing has to be kept of each slot that was
// given back.
//
// A grant that stays listed is not looked at again, whatever became of its worker: after a fence, or an outage of the
// service, a node goes on with its slots under the same tokens. A slot is given back once a version that was read does not
// grant it: leaders list no token again that they have released. A version that cannot be used, or a missing assignment,
// gives nothing back.
//
// Where the service has lost commits, tokens may be given again. They are refused as well, and Above in the status lets the
// leader give higher ones.
type KnownGrants struct {
	// Refused are the grants of the last assignment that must not be claimed, with their tokens.
	Refused map[cluster.Slot]int64

	highest int64                  // token that any assignment listed
	taken   map[cluster.Slot]int64 // grants of the last assignment that may be claimed
}

// Record takes in an assignment that was read, and returns those refused grants that were not refused before.
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
