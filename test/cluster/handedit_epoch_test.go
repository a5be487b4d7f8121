package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

func TestDamagedEpochStopsGrantsOnly(t *testing.T) {
	for _, damage := range []string{"delete", "{", `{"v":1,"version":0,"nextToken":1}`} {
		t.Run(damage, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, n2 *proc) {
				good := h.get("/epoch")
				if damage == "delete" {
					h.del("/epoch")
				} else {
					h.set("/epoch", damage)
				}
				n3 := w.start("n3")
				time.Sleep(10 * time.Second)
				w.wantShare(map[string]int{"n1": 2, "n2": 2}) // n3 gets nothing, and nobody loses anything
				wantError(t, w.state(n2), "/epoch")
				if s := w.state(n2); s.Leader != "" {
					t.Errorf("%s leads, without an epoch", s.Leader)
				}
				const blocked = "the epoch is missing or damaged"
				if ready := strings.Join(n1.Ready(), "; "); !strings.Contains(ready, blocked) || gauge(n1, "xconsumer_leader_blocked") != 1 {
					t.Errorf("n1, which is to lead, says of itself %q; blocked %v", ready, gauge(n1, "xconsumer_leader_blocked"))
				}
				if s := w.state(n1); !strings.Contains(strings.Join(s.Warnings, "; "), blocked) {
					t.Errorf("n1 warns of %q", s.Warnings)
				}
				w.leave(n3)
				// An operator restores it: with its version, which is that of its key.
				value := string(good.Value)
				if damage == "delete" {
					value = strings.Replace(value, fmt.Sprintf(`"version":%d`, good.Version), `"version":0`, 1)
					if _, err := h.s.Commit(context.Background(), coord.Create(root+"/epoch", []byte(value))); err != nil {
						t.Fatal(err)
					}
				} else {
					now := h.get("/epoch").Version
					h.set("/epoch", strings.Replace(value, fmt.Sprintf(`"version":%d`, good.Version), fmt.Sprintf(`"version":%d`, now+1), 1))
				}
				time.Sleep(10 * time.Second)
				if ready := n1.Ready(); len(ready) > 0 || gauge(n1, "xconsumer_leader_blocked") != 0 {
					t.Errorf("with an epoch again n1 says of itself %q", ready)
				}
				w.leave(n2)
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n1": 4})
				*n2 = *w.start("n2")
				time.Sleep(time.Second)
			})
		})
	}
}

func TestDamagedMetaRefusesNewMembers(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		good := string(h.get("/meta").Value)
		h.set("/meta", strings.Replace(good, `"protocol":1`, `"protocol":2`, 1))
		n3 := w.start("n3")
		time.Sleep(time.Second)
		if err := n3.Wait(); !errors.Is(err, xconsumer.ErrProtocol) {
			t.Errorf("run: %v", err)
		}
		h.set("/meta", "{")
		n4 := w.start("n4")
		time.Sleep(5 * time.Second)
		if reasons := strings.Join(n4.Ready(), ";"); !strings.Contains(reasons, root+"/meta") {
			t.Errorf("ready: %s", reasons)
		}
		w.leave(n4)
		h.set("/meta", good)
		_ = n1
	})
}

// After an old copy of the store was restored its tokens would be given twice, but for the floor.
func TestTokensAreAboveTheFloor(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, n2 *proc) {
		h.set("/meta", strings.Replace(string(h.get("/meta").Value), `"tokenFloor":0`, `"tokenFloor":1000`, 1))
		w.leave(n1) // the next leader's term begins
		time.Sleep(time.Second)
		*n1 = *w.start("n1")
		time.Sleep(time.Second)
		for _, wk := range w.state(n2).Workers {
			if wk.Node == "n1" && wk.Token <= 1000 {
				t.Errorf("%s#%d was granted token %d", wk.Task, wk.Index, wk.Token)
			}
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
	})
}

// Tokens are not used up by a hand: neither the counter nor a grant may be near the end, and a grant that is does not raise those that follow.
func TestTokensNearTheirBound(t *testing.T) {
	t.Run("the counter", func(t *testing.T) {
		handEdit(t, func(w *world, h hand, _, n2 *proc) {
			good := h.get("/epoch")
			h.set("/epoch", fmt.Sprintf(`{"v":1,"version":%d,"term":1,"nextToken":%d}`, good.Version+1, int64(1<<63-1)))
			time.Sleep(5 * time.Second)
			wantError(t, w.state(n2), "/epoch")
			now := h.get("/epoch").Version
			h.set("/epoch", strings.Replace(string(good.Value), fmt.Sprintf(`"version":%d`, good.Version), fmt.Sprintf(`"version":%d`, now+1), 1))
			time.Sleep(10 * time.Second)
		})
	})
	for _, token := range []int64{1<<62 - 1, 1<<63 - 1} {
		t.Run(fmt.Sprint("a grant of ", token), func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, _ *proc) {
				key := "/assignments/" + memberOf(w.state(n1), "n2")
				now := h.get(key)
				value := strings.Replace(string(now.Value), `"granted":[`, fmt.Sprintf(`"granted":[{"token":%d,"specs":"1.0","slots":{"a":"9 of 4"}},`, token), 1)
				h.set(key, strings.Replace(value, fmt.Sprintf(`"version":%d`, now.Version), fmt.Sprintf(`"version":%d`, now.Version+1), 1))
				time.Sleep(5 * time.Second)
				if _, err := n1.Admin().Do(w.t.Context(), cluster.RestartTask("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
				for _, worker := range w.state(n1).Workers {
					if worker.Token > 1000 {
						t.Errorf("%s has token %d", worker.Slot(), worker.Token)
					}
				}
			})
		})
	}
}

// An epoch that is lost or damaged is made again once no node runs, with a floor for its tokens, and not without one.
func TestFoundMakesAnEpochAgain(t *testing.T) {
	for _, damage := range []string{"delete", "{"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, task("a", 4))
			n1 := w.start("n1")
			time.Sleep(5 * time.Second)
			h := w.hand()
			if damage == "delete" {
				h.del("/epoch")
			} else {
				h.set("/epoch", damage)
			}
			keys := testcluster.Keys()
			if _, err := membership.Bootstrap(t.Context(), h.s, keys, 1000); !errors.Is(err, membership.ErrLive) {
				t.Errorf("while a node runs: %v", err)
			}
			w.leave(n1)
			if next, err := membership.Bootstrap(t.Context(), h.s, keys, 0); err == nil {
				t.Errorf("without a floor the next token is %d", next)
			}
			if next, err := membership.Bootstrap(t.Context(), h.s, keys, 1000); err != nil || next != 1001 {
				t.Errorf("the next token is %d, %v", next, err)
			}
			before := h.children("/decisions")
			n1 = w.start("n1")
			time.Sleep(10 * time.Second)
			w.wantShare(map[string]int{"n1": 4})
			if after := h.children("/decisions"); len(after) <= len(before) || after[len(after)-1] <= before[len(before)-1] {
				t.Errorf("decisions were %v, and are %v", before, after)
			}
			for slot, r := range n1.Admin().Workers() {
				if r.Token <= 1000 {
					t.Errorf("%s has token %d", slot, r.Token)
				}
			}
			w.leave(n1)
		})
	}
}
