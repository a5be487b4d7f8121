package view_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A leader's view has the last heartbeat of a member that is gone or evicted, where the service shows it: not before it was
// sent, and not after the first answer since. It has none of members that live, are closed, or lost other keys only.
func TestLastHeartbeats(t *testing.T) {
	const beat = time.Second
	for name, c := range map[string]struct {
		service mem.Config
		leads   bool
		end     func(t *testing.T, service *mem.Service, s, hand coord.Session)
		want    bool
	}{
		"its session has ended": {mem.Config{TakeoverDelay: coord.OwnTimeout}, true, expire, true},
		"for a reader":          {mem.Config{TakeoverDelay: coord.OwnTimeout}, false, expire, false},
		"on another service":    {mem.Config{TakeoverDelay: beat}, true, expire, false},
		"the history is gone": {mem.Config{TakeoverDelay: coord.OwnTimeout}, true, func(t *testing.T, service *mem.Service, s, hand coord.Session) {
			expire(t, service, s, hand)
			service.Compact()
		}, false},
		"its keys were deleted, the heartbeat was not": {mem.Config{TakeoverDelay: coord.OwnTimeout}, true,
			func(t *testing.T, _ *mem.Service, _, hand coord.Session) {
				if _, err := hand.Commit(t.Context(), coord.Delete(keys.Member("m"), 0), coord.Delete(keys.Status("m"), 0)); err != nil {
					t.Fatal(err)
				}
			}, false},
		"evicted": {mem.Config{TakeoverDelay: coord.OwnTimeout}, true, func(t *testing.T, _ *mem.Service, _, hand coord.Session) {
			bound, err := membership.ReadSessionKeys(t.Context(), hand, keys, "m", "m")
			if err != nil {
				t.Fatal(err)
			}
			was := &schema.Assignment{Node: "m", Granted: []schema.Granted{}, Releasing: []schema.Releasing{}}
			eviction := membership.Evict(was, 0, nil, bound.Status)
			if _, err := hand.Commit(t.Context(), eviction.Ops(keys, "m", bound.DeleteOps(bound.Session))...); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.service.Latency = time.Millisecond
				service := mem.New(c.service)
				leader, hand := join(t, service.Client(), "l"), open(t, service.Client())
				client := service.Client()
				s := join(t, client, "m")
				var options []view.Option
				if c.leads {
					options = append(options, view.ForLeader())
				}
				v := view.New("test", leader, keys, options...)
				defer v.Close()
				var last time.Duration
				for version := range int64(5) {
					for member, session := range map[string]coord.Session{"l": leader, "m": s} {
						if member == "m" {
							last = s.Now()
						}
						if err := session.Renew(t.Context(), coord.Set(keys.Heartbeat(member), nil, version)); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(beat)
				}
				if err := leader.Renew(t.Context(), coord.Set(keys.Heartbeat("l"), nil, 5)); err != nil {
					t.Fatal(err)
				}
				shown := leader.Now()
				if _, err := v.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				if by := v.Snapshot().Peers["m"].LastHeartbeat; by != 0 {
					t.Errorf("of a member that lives it has %v", by)
				}
				time.Sleep(5 * beat)
				c.end(t, service, s, hand)
				synctest.Wait()
				time.Sleep(beat)
				if _, err := v.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				by := v.Snapshot().Peers["m"].LastHeartbeat
				if c.want != (by != 0) || c.want && (by < last || by > shown) {
					t.Errorf("it was sent at %v and shown at %v, and is known to have been committed by %v", last, shown, by)
				}
			})
		})
	}
}

func expire(_ *testing.T, service *mem.Service, s, _ coord.Session) { service.Expire(s.Info().ID) }
