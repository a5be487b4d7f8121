package nodesession

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// compareEach is how often a node compares its clock with the leader's: three small reads each time.
const compareEach = time.Minute

// compareClocks reports when this node's clock and the leader's differ, and when they agree again. The report is for operators:
// no decision depends on it, and it does not show which of the two clocks is wrong.
func (s *nodeSession) compareClocks(ctx context.Context) {
	reported, wait := "", 10*time.Second
	defer s.showApart(0)
	for {
		if !s.sleep(ctx, wait+jitter.Of(wait/2, s.self.MemberID)) {
			return
		}
		wait = compareEach
		leader, apart, known := s.compareWithLeader(ctx)
		switch {
		case s.leads.Load():
			s.showApart(0)
			reported = ""
		case !known:
			s.showApart(0)
		case !apart.Beyond():
			s.showApart(0)
			if reported != "" {
				s.cfg.Log.Info("this node's clock and the leader's agree again", "leader", leader)
			}
			reported = ""
		default:
			ahead := apart.Low
			if apart.High < 0 {
				ahead = apart.High
			}
			s.showApart(ahead)
			if reported != leader {
				s.cfg.Log.Warn(
					"this node's clock and the leader's are apart; schedules fire by the leader's: set the clocks of all nodes",
					"leader",
					leader,
					"atLeast",
					apart.Low,
					"atMost",
					apart.High,
				)
				s.emit(
					cluster.Event{
						Kind: cluster.ClockWrong,
						Detail: fmt.Sprintf(
							"the clock of %s, which leads, is %v this node's; schedules fire by it: set the clocks of all nodes",
							leader,
							apart,
						),
					},
				)
			}
			reported = leader
		}
	}
}

// showApart sets the gauge; 0 while the difference is unknown. On a node that leads the gauge is 0, also if the node began to lead
// during the comparison.
func (s *nodeSession) showApart(ahead time.Duration) {
	s.cfg.Meter.Set(meter.ClockApart, ahead.Seconds())
	if s.leads.Load() {
		s.cfg.Meter.Set(meter.ClockApart, 0)
	}
}

// compareWithLeader reads the leader's heartbeat twice. It returns false if the two readings show nothing.
func (s *nodeSession) compareWithLeader(ctx context.Context) (leader string, apart membership.Apart, known bool) {
	r, err := s.session.Get(ctx, s.cfg.Keys.Epoch())
	var epoch schema.Epoch
	if err != nil || schema.Decode(s.cfg.Keys.Epoch(), r, &epoch) != nil || epoch.Leader == "" || epoch.Leader == s.self.MemberID {
		return "", membership.Apart{}, false
	}
	first, err := membership.See(ctx, s.session, s.cfg.Keys, epoch.Leader)
	if err != nil || !s.sleep(ctx, membership.LeaseParamsOf(s.session.Info()).Between()) {
		return "", membership.Apart{}, false
	}
	second, err := membership.See(ctx, s.session, s.cfg.Keys, epoch.Leader)
	if err != nil {
		return "", membership.Apart{}, false
	}
	apart, known = membership.Compare(first, second)
	return epoch.Node, apart, known
}

// sleep returns after d, or when ctx or the session ends. It reports whether d has passed.
func (s *nodeSession) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-s.session.Done():
		return false
	case <-time.After(d):
		return true
	}
}
