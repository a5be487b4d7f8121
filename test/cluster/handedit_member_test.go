package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

func TestHandEditedAssignmentIsWrittenAgain(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, n2 *proc) {
		started := w.floor.started()
		events := n2.Events(w.t.Context())
		assignment := "/assignments/" + memberOf(w.state(n1), "n2")
		good := string(h.get(assignment).Value)
		h.set(assignment, strings.Replace(good, `"granted":[`, `"granted":[{"token":99,"specs":"1.0","slots":{"a":"0-3 of 4"}},`, 1))
		time.Sleep(time.Second)
		if n := w.floor.started(); n != started {
			t.Errorf("%d workers were started", n-started)
		}
		if len(w.state(n1).Errors) != 0 {
			t.Errorf("still unusable: %+v", w.state(n1).Errors)
		}
		for e := range events {
			if e.Kind == cluster.RecordUnusable {
				if !strings.Contains(e.Detail, assignment) {
					t.Errorf("event %+v", e)
				}
				break
			}
		}
	})
}

func TestDeletedAssignmentEvictsItsMember(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		member := memberOf(w.state(n1), "n2")
		h.del("/assignments/" + member)
		time.Sleep(3 * time.Second) // it closes what it was, so that nothing waits for its session timeout
		if again := memberOf(w.state(n1), "n2"); again == member || again == "" {
			t.Errorf("n2 is member %q, was %q", again, member)
		}
		for _, memberID := range h.children("/assignments") {
			if memberID == member {
				t.Error("the assignment of the evicted member is still there")
			}
		}
	})
}

// It does not wait for a request: with its assignment goes everything that it was granted.
func TestNodeWithoutAnAssignmentStops(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		good := h.get("/epoch")
		member := memberOf(w.state(n1), "n2")
		h.del("/epoch") // so that no leader can evict it
		h.del("/assignments/" + member)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2})
		value := strings.Replace(string(good.Value), fmt.Sprintf(`"version":%d`, good.Version), `"version":0`, 1)
		if _, err := h.s.Commit(context.Background(), coord.Create(root+"/epoch", []byte(value))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
	})
}

func TestDeletedAssignmentOfTheLeaderEvictsIt(t *testing.T) {
	handEdit(t, func(w *world, h hand, _, n2 *proc) {
		member := memberOf(w.state(n2), "n1")
		h.del("/assignments/" + member)
		time.Sleep(time.Minute)
		s := w.state(n2)
		if again := memberOf(s, "n1"); s.Leader != "n2" || again == member || again == "" {
			t.Errorf("leader %q; n1 is member %q, was %q", s.Leader, again, member)
		}
	})
}

func TestDeletedAssignmentOfASilentMemberWaitsForItsLease(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, n2 *proc) {
		n2.Cut()
		h.del("/assignments/" + memberOf(w.state(n1), "n2"))
		time.Sleep(21 * time.Second)
		w.wantShare(map[string]int{"n1": 2}) // n2 has stopped by its lease, but who could know
		time.Sleep(4 * time.Second)
		w.wantShare(map[string]int{"n1": 4})
		n2.Heal()
		time.Sleep(30 * time.Second)
	})
}

func TestDeletedMemberKeysAreAnExpiry(t *testing.T) {
	for _, key := range []string{"/members/", "/status/", "/heartbeats/"} {
		t.Run(key, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, _ *proc) {
				member := memberOf(w.state(n1), "n2")
				h.del(key + member)
				time.Sleep(time.Minute)
				if again := memberOf(w.state(n1), "n2"); again == member || again == "" {
					t.Errorf("n2 is member %q, was %q", again, member)
				}
			})
		})
	}
}

// The status of a member that is evicted is deleted, so its assignment still lists what it gave back and others have now: nothing else
// would show that it may still run that, if an edit has hidden it.
func TestAnEvictionKeepsWhatStaysListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		n1, n2 := w.start("n1"), w.start("n2")
		n3 := w.start("n3")
		time.Sleep(time.Second)
		h := w.hand()
		member := w.member(n2)
		key := "/assignments/" + member
		read := func() (rec schema.Assignment) {
			if err := schema.Decode(root+key, h.get(key), &rec); err != nil {
				t.Fatal(err)
			}
			return rec
		}
		stays := schema.Count(read().Releasing)
		if stays != 1 {
			t.Fatalf("%d releases stay listed", stays)
		}
		h.del("/status/" + member)
		var rec schema.Assignment
		for i := 0; i < 500 && !rec.Evicted; i++ {
			time.Sleep(time.Millisecond)
			rec = read()
		}
		if !rec.Evicted || schema.Count(rec.Releasing) != stays {
			t.Errorf("evicted: %v; it lists %v", rec.Evicted, rec.Releasing)
		}
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		w.leave(n3, n2, n1)
	})
}

func TestHandEditedStatusIsWrittenAgain(t *testing.T) {
	for _, value := range []string{
		"{",
		`{"v":1,"version":0,"applied":99,"holding":[]}`,
		// No leader may list such slots as releasing: its assignment could not be used.
		`{"v":1,"version":VERSION,"applied":0,"holding":[{"token":1,"slots":{"b":"0"}},{"token":2,"slots":{"b":"0"}}]}`,
		`{"v":1,"version":VERSION,"applied":0,"holding":[{"token":9223372036854775807,"slots":{"b":"0"}}]}`,
	} {
		t.Run(value, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, _ *proc) {
				started := w.floor.started()
				status := "/status/" + memberOf(w.state(n1), "n2")
				h.set(status, strings.Replace(value, "VERSION", fmt.Sprint(h.get(status).Version+1), 1))
				time.Sleep(30 * time.Second) // its member looks at it every 25 to 28 s
				if s := w.state(n1); len(s.Errors) != 0 {
					t.Errorf("still unusable: %+v", s.Errors)
				}
				if n := w.floor.started(); n != started {
					t.Errorf("%d workers were started", n-started)
				}
				h.set("/tasks/a", `{"v":1,"spec":{"name":"a","workName":"a","workerNum":6}}`)
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n1": 3, "n2": 3}) // it takes part as before
				h.set("/tasks/a", `{"v":1,"spec":{"name":"a","workName":"a","workerNum":4}}`)
				time.Sleep(time.Second)
			})
		})
	}
}

func TestCorruptMemberKeepsTheLastGoodOne(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		member := memberOf(w.state(n1), "n2")
		h.set("/members/"+member, "nonsense")
		time.Sleep(5 * time.Second)
		wantError(t, w.state(n1), "/members/"+member)
	})
}

func TestDeletedCandidateElectsAnother(t *testing.T) {
	handEdit(t, func(w *world, h hand, _, n2 *proc) {
		for _, name := range h.children("/election") {
			if strings.HasPrefix(name, memberOf(w.state(n2), "n1")) {
				h.del("/election/" + name)
			}
		}
		time.Sleep(time.Minute)
		if s := w.state(n2); s.Leader != "n2" || s.Term < 2 {
			t.Errorf("leader %q, term %d", s.Leader, s.Term)
		}
	})
}

// A former assignment starts nothing: not that of a node which has given its slots away, the leader or not, nor that of another one.
func TestFormerAssignmentStartsNothing(t *testing.T) {
	for _, of := range []string{"n1", "n2"} {
		t.Run(of, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, n2 *proc) {
				victim := map[string]*proc{"n1": n1, "n2": n2}[of]
				key := "/assignments/" + memberOf(w.state(n1), of)
				former := h.get(key)
				if _, err := n1.Admin().Do(w.t.Context(), cluster.Drain(of, 0)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				w.wantShare(map[string]int{map[string]string{"n1": "n2", "n2": "n1"}[of]: 4})
				started := w.floor.started()
				refused, doubled := victim.Events(w.t.Context()), n1.Events(w.t.Context())
				h.putBack(key, former)
				if e := eventOf(t, refused, cluster.SlotRefused); e.Slot == nil || e.Token == 0 {
					t.Errorf("event %+v", e)
				}
				if e := eventOf(t, doubled, cluster.SlotDoubled); !strings.Contains(e.Detail, "n1 under token") || !strings.Contains(e.Detail, "n2 under token") {
					t.Errorf("event %+v", e)
				}
				time.Sleep(5 * time.Second)
				if n := w.floor.started(); n != started {
					t.Errorf("%d workers were started", n-started)
				}
				if s := w.state(n1); len(s.Errors) != 0 {
					t.Errorf("it is not over: %+v", s.Errors)
				}
				if _, err := n1.Admin().Do(w.t.Context(), cluster.Uncordon(of)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// A node takes its slots again after a fence, under the same tokens, and refuses nothing: what it did not give back is its own.
func TestNothingIsRefusedAfterAFence(t *testing.T) {
	handEdit(t, func(w *world, _ hand, n1, n2 *proc) {
		tokens := func() map[cluster.Slot]int64 {
			list := map[cluster.Slot]int64{}
			for _, worker := range w.state(n1).Workers {
				list[worker.Slot()] = worker.Token
			}
			return list
		}
		before, events := tokens(), n2.Events(w.t.Context())
		n1.Cut()
		n2.Cut()
		time.Sleep(17 * time.Second) // their leases lapse, and their sessions go on
		w.wantShare(map[string]int{})
		n1.Heal()
		n2.Heal()
		time.Sleep(10 * time.Second)
		for slot, token := range tokens() {
			if before[slot] != token {
				t.Errorf("%s: token %d, was %d", slot, token, before[slot])
			}
		}
		for {
			select {
			case e := <-events:
				if e.Kind == cluster.SlotRefused {
					t.Errorf("event %+v", e)
				}
				continue
			default:
			}
			break
		}
	})
}

// What a hand grants of a task that nobody declared is shown, and asked back.
func TestGrantOfAnUndeclaredTask(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, n2 *proc) {
		key := "/assignments/" + memberOf(w.state(n1), "n2")
		n2.Cut() // so that its worker stays for as long as it is looked at
		now := h.get(key)
		value := strings.Replace(string(now.Value), `"granted":[`, `"granted":[{"token":900,"specs":"1.0","slots":{"alien":"0-1 of 2"}},`, 1)
		h.set(key, strings.Replace(value, fmt.Sprintf(`"version":%d`, now.Version), fmt.Sprintf(`"version":%d`, now.Version+1), 1))
		time.Sleep(time.Second)
		shown := false
		for _, task := range w.state(n1).Tasks {
			shown = shown || task.Name == "alien" && task.ReasonCode == cluster.WhyUndeclared
		}
		if !shown {
			t.Errorf("tasks: %+v", w.state(n1).Tasks)
		}
		if _, err := n1.Admin().Do(w.t.Context(), cluster.Delete("alien")); !errors.Is(err, cluster.ErrNoTask) || !strings.Contains(err.Error(), "being released") {
			t.Errorf("delete: %v", err)
		}
		n2.Heal()
		time.Sleep(10 * time.Second)
		for _, task := range w.state(n1).Tasks {
			if task.Name == "alien" {
				t.Errorf("it is there still: %+v", task)
			}
		}
	})
}
