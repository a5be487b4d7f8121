package cluster_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A key that a hand has made among the members' is nobody's: it keeps nothing from being granted for ever.
func TestStrayMember(t *testing.T) {
	for _, key := range []string{"/members/stray", "/members/stray/note", "/heartbeats/stray/note", "/names/stray/note", "/status/stray/note", "/assignments/stray", "/status/stray", "/done/stray", "/heartbeats/stray", "/names/stray", "/agendas/stray", "/marks/stray", "/tasks/stray"} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, live())
				w.asZooKeeper()
				n1, n2 := w.start("n1"), w.start("n2")
				time.Sleep(5 * time.Second)
				if parent, below, _ := strings.Cut(key[1:], "/stray"); below != "" {
					w.hand().make("/" + parent + "/stray")
				}
				w.hand().make(key)
				time.Sleep(time.Minute)
				w.leave(n1)
				time.Sleep(time.Minute)
				w.wantShare(map[string]int{"n2": 4})
				w.hand().scale(4, 6)
				time.Sleep(10 * time.Second)
				w.wantShare(map[string]int{"n2": 6})
				w.leave(n2)
			})
		})
	}
}
