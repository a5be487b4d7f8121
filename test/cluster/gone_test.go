package cluster_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// Why a membership is over is said in words: no key of the store is in the log, in the event or in what health says.
func TestWhyAMembershipIsOver(t *testing.T) {
	const (
		gone   = "not heard of for longer than its session, or evicted"
		either = "(" + gone + "|its session with the coordination service has ended)" // whichever it hears of first
	)
	for _, c := range []struct {
		name string
		end  func(w *world, h hand, n1, n2 *proc)
		want string
	}{
		{"silent", func(_ *world, _ hand, _, n2 *proc) { n2.Cut(); time.Sleep(40 * time.Second); n2.Heal() }, either},
		{"session expired", func(w *world, _ hand, _, n2 *proc) { w.Service.Expire(n2.LastReport().Session) }, either},
		{"evicted", func(w *world, _ hand, n1, _ *proc) { w.do(n1, cluster.Evict("n2")) }, gone},
		{"heartbeat deleted", func(w *world, h hand, n1, _ *proc) { h.del("/heartbeats/" + memberOf(w.state(n1), "n2")) }, gone},
		{"status deleted", func(w *world, h hand, n1, _ *proc) { h.del("/status/" + memberOf(w.state(n1), "n2")) }, gone},
		{"candidate deleted", func(w *world, h hand, n1, _ *proc) {
			for _, name := range h.children("/election") {
				if strings.HasPrefix(name, memberOf(w.state(n1), "n2")) {
					h.del("/election/" + name)
				}
			}
		}, gone},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, live())
				var log bytes.Buffer
				w.Config = func(cfg *xconsumer.Config) {
					if cfg.Name == "n2" {
						cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
					}
				}
				n1, n2 := w.start("n1"), w.start("n2")
				time.Sleep(5 * time.Second)
				before := memberOf(w.state(n1), "n2")
				events := n2.Events(t.Context())
				over := make(chan struct{})
				var said []string
				go func() {
					defer close(over)
					for {
						for _, reason := range n2.Ready() {
							said = append(said, "health: "+reason)
						}
						select {
						case e := <-events:
							if e.Kind == cluster.NodeLeft {
								said = append(said, "event: "+e.Detail)
								if !regexp.MustCompile("^" + c.want + "$").MatchString(e.Detail) {
									t.Errorf("the event says %q; want %q", e.Detail, c.want)
								}
							}
							if e.Kind == cluster.NodeJoined && e.Member != before {
								return
							}
						case <-time.After(20 * time.Millisecond):
						}
					}
				}()
				c.end(w, w.hand(), n1, n2)
				<-over
				w.leave(n1, n2)
				text := log.String()
				for _, want := range []string{
					`no longer a member; stopping all workers" node=n2 reason="` + c.want + `"`, `not a member; trying again" node=n2 reason="` + c.want + `"`,
				} {
					if !regexp.MustCompile(want).MatchString(text) {
						t.Errorf("the log does not say %q:\n%s", want, text)
					}
				}
				for _, line := range append(said, strings.Split(text, "\n")...) {
					if strings.Contains(line, "/test/") && !strings.Contains(line, " key=/") {
						t.Errorf("a key is in %s", line)
					}
				}
				if !regexp.MustCompile("health: not connected: " + c.want).MatchString(strings.Join(said, "\n")) {
					t.Errorf("health does not say %q: %q", c.want, said)
				}
			})
		})
	}
}
