package members

import (
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
)

// ExpireDrains lets members leave whose drain is past its deadline. Until then a slot that no other node can take stays where it is;
// after it the slot is asked back as well, and has no place. It returns the states of all members after that, and, by node, since
// when each mark of a drain with a deadline has been seen.
func ExpireDrains(f *round.Facts, m States, draft *round.Draft) (States, map[string]time.Duration) {
	next, seen := m, map[string]time.Duration{}
	if len(f.Snapshot.Marks) > 0 {
		next = maps.Clone(m)
	}
	for node, e := range f.Snapshot.Marks {
		if e.Rec == nil || e.Rec.Drain == nil || e.Rec.Drain.Deadline == 0 {
			continue
		}
		since, known := f.Memory.Drains[node]
		if !known {
			since = f.Now
		}
		seen[node] = since
		end := since + time.Duration(e.Rec.Drain.Deadline)
		if f.Now < end {
			draft.RequeueAt(end)
			continue
		}
		for memberID, state := range m {
			if state == Active && f.NodeName(memberID) == node {
				next[memberID] = Leaving
			}
		}
	}
	return next, seen
}
