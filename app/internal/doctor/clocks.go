package doctor

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// maxCompared bounds how many nodes' clocks doctor compares.
const maxCompared = 100

// clocks compares the clocks of nodes with this machine's, by two heartbeats of each.
func (d *doctor) clocks(ctx context.Context, session coord.Session, keys schema.Keys, members []coord.Entry) {
	first := map[string]membership.Sighting{}
	for _, m := range members[:min(len(members), maxCompared)] {
		if seen, err := membership.See(ctx, session, keys, m.Name); err == nil && !seen.At.IsZero() {
			first[m.Name] = seen
		}
	}
	if len(first) == 0 {
		return
	}
	between := membership.LeaseParamsOf(session.Info()).Between()
	defer d.waits(
		fmt.Sprintf(
			"comparing the clocks of %s, by two heartbeats of each, which takes %v",
			plural.Of(len(first), "node"),
			between.Round(time.Second),
		),
	)()
	select {
	case <-ctx.Done():
		return
	case <-time.After(between):
	}
	compared, apart := 0, 0
	for _, m := range members {
		before, seen := first[m.Name]
		if !seen {
			continue
		}
		after, err := membership.See(ctx, session, keys, m.Name)
		if err != nil {
			continue
		}
		found, known := membership.Compare(before, after)
		if !known {
			continue
		}
		compared++
		if found.Beyond() {
			apart++
			d.report("clocks", warning, fmt.Sprintf("%s's clock is %v this machine's", memberName(ctx, session, keys, m.Name), found),
				"set the clocks of all nodes, or this machine's if it differs from all of them; schedules fire by the leader's clock")
		}
	}
	if compared > 0 && apart == 0 {
		d.report(
			"clocks",
			fine,
			fmt.Sprintf(
				"no clock of %s was found to differ by more than %v from this machine's",
				plural.Of(compared, "node"),
				membership.ApartAbove,
			),
			"",
		)
	}
}

// memberName returns the node name of a member, or its id if the record cannot be read.
func memberName(ctx context.Context, session coord.Session, keys schema.Keys, memberID string) string {
	var m schema.Member
	if r, err := session.Get(ctx, keys.Member(memberID)); err != nil || schema.Decode(keys.Member(memberID), r, &m) != nil {
		return "member " + memberID
	}
	return m.Node
}
