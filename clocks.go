package xconsumer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// compareEach is how often a node compares its clock with the leader's: three small reads each time.
const compareEach = time.Minute

// compareClocks says when this node's clock and that of the leader are apart, and when they are so no longer. It is for
// people: nothing is decided by it, and it cannot tell which of the two is wrong.
func (l *life) compareClocks(ctx context.Context, log *slog.Logger) {
	told, wait := "", 10*time.Second
	defer l.showApart(0)
	for {
		if !l.sleep(ctx, wait+jitter.Of(wait/2, l.self.GUID)) {
			return
		}
		wait = compareEach
		leader, apart, known := l.compareWithLeader(ctx)
		switch {
		case l.leads.Load():
			l.showApart(0)
			told = ""
		case !known:
			l.showApart(0)
		case !apart.Beyond():
			l.showApart(0)
			if told != "" {
				log.Info("this node's clock and the leader's agree again", "leader", leader)
			}
			told = ""
		default:
			ahead := apart.Low
			if apart.High < 0 {
				ahead = apart.High
			}
			l.showApart(ahead)
			if told != leader {
				log.Warn("this node's clock and the leader's are apart; schedules fire by the leader's: set the clocks of all nodes", "leader", leader, "ahead", apart.Low, "atMost", apart.High)
				l.emit(cluster.Event{Kind: cluster.ClockWrong, Detail: fmt.Sprintf("the clock of %s, which leads, is %v this node's; schedules fire by it: set the clocks of all nodes", leader, apart)})
			}
			told = leader
		}
	}
}

// showApart sets the gauge: 0 while it is not known by how much the clocks are apart. A node that leads is apart from nobody,
// also if it began to lead while it compared.
func (l *life) showApart(ahead time.Duration) {
	l.meter.Set(meter.ClockApart, ahead.Seconds())
	if l.leads.Load() {
		l.meter.Set(meter.ClockApart, 0)
	}
}

// compareWithLeader reads the leader's heartbeat twice. It reports false while that tells nothing.
func (l *life) compareWithLeader(ctx context.Context) (leader string, apart membership.Apart, known bool) {
	r, err := l.session.Get(ctx, l.keys.Epoch())
	var epoch schema.Epoch
	if err != nil || schema.Decode(l.keys.Epoch(), r, &epoch) != nil || epoch.Leader == "" || epoch.Leader == l.self.GUID {
		return "", membership.Apart{}, false
	}
	first, err := membership.See(ctx, l.session, l.keys, epoch.Leader)
	if err != nil || !l.sleep(ctx, membership.TermsOf(l.session.Info()).Between()) {
		return "", membership.Apart{}, false
	}
	second, err := membership.See(ctx, l.session, l.keys, epoch.Leader)
	if err != nil {
		return "", membership.Apart{}, false
	}
	apart, known = membership.Compare(first, second)
	return epoch.Node, apart, known
}

// sleep reports whether so much time has passed before ctx or the session ended.
func (l *life) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-l.session.Done():
		return false
	case <-time.After(d):
		return true
	}
}
