package report

import (
	"fmt"
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// disputes describes invalid grants: slots that are granted to two nodes, and grants that their node refuses. A view that
// follows a leader's commits reads assignments one after the other. So a slot that moves is in two of them for a moment,
// unless the one with the older grant was read last.
func disputes(s *view.Snapshot, keys schema.Keys) (list []cluster.RecordError) {
	const most = 20 // of them are reported
	doubles := s.Doubles()
	for _, slot := range slices.SortedFunc(maps.Keys(doubles), cluster.Slot.Compare) {
		holders := doubles[slot]
		newest, oldest := holders[0], holders[len(holders)-1]
		if s.Peers[oldest.MemberID].Assignment.Read <= s.Peers[newest.MemberID].Assignment.Read {
			continue
		}
		list = append(list, cluster.RecordError{
			Path:  keys.Assignment(oldest.MemberID),
			Error: fmt.Sprintf("%s is granted twice, to %s; the older grant is asked back", slot, view.DescribeListings(holders)),
		})
		if len(list) == most {
			return list
		}
	}
	for _, memberID := range slices.Sorted(maps.Keys(s.Peers)) {
		if rec := s.Peers[memberID].Status.Rec; rec != nil && s.Peers[memberID].Live() {
			for _, h := range rec.Refused {
				list = append(list, cluster.RecordError{
					Path: keys.Assignment(memberID),
					Error: fmt.Sprintf(
						"an earlier version of it was restored: slots %s of task %s are refused, since their token %d is not above %d",
						h.Slots,
						h.Task,
						h.Token,
						rec.Above,
					),
				})
				if len(list) == most {
					return list
				}
			}
		}
	}
	return list
}
