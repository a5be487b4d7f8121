package nodesession

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// watchConnection reports when the service stops answering and when it answers again, and records the condition of this
// member.
func (s *nodeSession) watchConnection(ctx context.Context) {
	connected := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.session.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		info := s.session.Info()
		c := Condition{Leased: s.lease.BeforeHardStop(), Trouble: s.leader.Trouble()}
		switch away := !connected && !info.Connected; { // two checks in a row
		case c.Leased:
			c.Away = away
		case !info.Connected:
			c.Unheard = coarse(s.lease.Now() - info.Base)
		}
		if before := s.now.Swap(&c); before == nil && !c.Leased || before != nil && *before != c {
			s.cfg.Observer.WakeReaders()
		}
		switch {
		case connected && !info.Connected:
			s.cfg.Log.Warn(
				"disconnected",
				"error",
				info.Err,
				"leaseLeft",
				s.lease.End()-s.session.Now(),
				"fix",
				"if it lasts, `xconsumer doctor` finds the cause",
			)
			s.emit(cluster.Event{Kind: cluster.Disconnected, Detail: fmt.Sprint(info.Err)})
			connected = false
		case !connected && info.Connected:
			s.cfg.Log.Info("connected again", "server", info.Server)
			s.emit(cluster.Event{Kind: cluster.Connected, Detail: info.Server})
			connected = true
		}
	}
}
