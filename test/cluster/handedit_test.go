package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// hand is somebody with a ZooKeeper GUI: it writes what it likes, whatever version there is.
type hand struct {
	w *world
	s coord.Session
}

func (w *world) hand() hand {
	s, err := w.Service.Client().Open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return hand{w, s}
}

const root = "/xconsumer/test"

func (h hand) get(key string) coord.Record {
	h.w.t.Helper()
	r, err := h.s.Get(context.Background(), root+key)
	if err != nil {
		h.w.t.Fatal(err)
	}
	return r
}

func (h hand) set(key, value string) {
	h.w.t.Helper()
	if _, err := h.s.Commit(context.Background(), coord.Set(root+key, []byte(value), h.get(key).Version)); err != nil {
		h.w.t.Fatal(err)
	}
}

func (h hand) del(key string) {
	h.w.t.Helper()
	if _, err := h.s.Commit(context.Background(), coord.Delete(root+key, h.get(key).Version)); err != nil {
		h.w.t.Fatal(err)
	}
}

func (h hand) children(key string) (names []string) {
	h.w.t.Helper()
	entries, err := h.s.List(context.Background(), root+key)
	if err != nil {
		h.w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func wantError(t *testing.T, s cluster.State, path string) {
	t.Helper()
	for _, e := range s.Errors {
		if strings.Contains(e.Error, e.Path) {
			t.Errorf("the record is named twice: %+v", e)
		}
		if e.Path == root+path && e.Error != "" {
			return
		}
	}
	t.Errorf("no error names %s: %+v", path, s.Errors)
}

// handEdit runs two nodes with four workers, lets a hand edit the store and checks that in the
// end all is as before.
func handEdit(t *testing.T, edit func(w *world, h hand, n1, n2 *proc)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		edit(w, w.hand(), n1, n2)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.leave(n2, n1)
	})
}

func TestCorruptTaskKeepsTheLastGoodOne(t *testing.T) {
	for _, value := range []string{"", "{", `{"v":1,"spec":{"name":"a","workName":"a","workerNum":-4}}`, `{"v":1,"spec":{"name":"b","workName":"a","workerNum":1}}`, "\xff\xfe"} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, n2 *proc) {
				started := w.floor.started()
				h.set("/tasks/a", value)
				time.Sleep(10 * time.Second)
				wantError(t, w.state(n1), "/tasks/a")
				wantError(t, w.state(n2), "/tasks/a")
				if n := w.floor.started(); n != started {
					t.Errorf("%d workers were started", n-started)
				}
				// A leader who never saw a good one goes by what the documents carry.
				w.leave(n1)
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n2": 4})
				*n1 = *w.start("n1")
				time.Sleep(time.Second)
			})
		})
	}
}

func TestHandEditedTaskIsLegal(t *testing.T) {
	handEdit(t, func(w *world, h hand, _, _ *proc) {
		good := string(h.get("/tasks/a").Value)
		h.set("/tasks/a", strings.Replace(good, `"workerNum":4`, `"workerNum":6`, 1))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		h.set("/tasks/a", good)
		time.Sleep(time.Second)
	})
}

func TestDeletedTaskRecordStopsNothing(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		h.del("/tasks/a")
		time.Sleep(40 * time.Second)
		wantError(t, w.state(n1), "/tasks/a")
	})
}

// A task whose record is gone or cannot be used is shown so, and is put in order with a declaration; what an operator
// has set stays. A leader who comes then stops nothing.
func TestUnusableTaskIsDeclaredAgain(t *testing.T) {
	for name, damage := range map[string]func(h hand){
		"gone":    func(h hand) { h.del("/tasks/a") },
		"damaged": func(h hand) { h.set("/tasks/a", "nonsense") },
		"another": func(h hand) { h.set("/tasks/a", `{"v":1,"spec":{"name":"b","workName":"a","workerNum":1}}`) },
	} {
		for _, planned := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " planned ", planned), func(t *testing.T) {
				handEdit(t, func(w *world, h hand, n1, n2 *proc) {
					spec := task("a", 3)
					w.do(n1, cluster.Declare(spec))
					w.do(n1, cluster.Scale("a", 4))
					time.Sleep(10 * time.Second)
					started := w.floor.started()
					damage(h)
					time.Sleep(time.Second)
					list, err := n1.Tasks(w.t.Context())
					if err != nil || len(list) != 1 || !strings.Contains(list[0].Unusable, "declare it again") {
						t.Fatalf("%+v, %v", list, err)
					}
					for _, op := range []cluster.Operation{cluster.Scale("a", 5), cluster.Reset("a")} {
						if _, err := n1.Do(w.t.Context(), op); err == nil || !strings.Contains(err.Error(), "`xconsumer apply`") {
							t.Errorf("%v: %v", op, err)
						}
					}
					if planned {
						change := cluster.Change{Tasks: []cluster.TaskSpec{spec}}
						plan, err := n1.Plan(w.t.Context(), change)
						if err != nil || len(plan.Moves)+len(plan.Starts)+len(plan.Stops)+len(plan.Restarts) > 0 {
							t.Fatalf("%+v, %v", plan, err)
						}
						if _, err := n1.Apply(w.t.Context(), change, plan.Revision); err != nil {
							t.Fatal(err)
						}
					} else {
						w.do(n1, cluster.Declare(spec))
					}
					wantAudit(w.t, n1, name)
					w.leave(n1)
					time.Sleep(time.Second)
					w.wantShare(map[string]int{"n2": 4})
					if errs := w.state(n2).Errors; len(errs) > 0 {
						t.Errorf("%+v", errs)
					}
					if n := w.floor.started(); n != started+2 { // those of n1
						t.Errorf("%d workers were started; want 2", n-started)
					}
					*n1 = *w.start("n1")
					time.Sleep(time.Second)
				})
			})
		}
	}
}

// wantAudit wants the audit to say of what was done last whether it has replaced a record that could not be read.
func wantAudit(t *testing.T, n *proc, damage string) {
	t.Helper()
	h, err := n.Decisions(t.Context())
	if err != nil || len(h.Audit) == 0 {
		t.Fatalf("%+v, %v", h.Audit, err)
	}
	replaced := slices.ContainsFunc(h.Audit, func(l cluster.AuditLine) bool {
		return strings.Contains(l.What, "in place of a record that could not be used")
	})
	if replaced != (damage != "gone") {
		t.Errorf("the audit says: %+v", h.Audit)
	}
}

// A task whose record is gone or cannot be used can be deleted.
func TestUnusableTaskIsDeleted(t *testing.T) {
	for name, damage := range map[string]func(h hand){
		"gone":    func(h hand) { h.del("/tasks/a") },
		"damaged": func(h hand) { h.set("/tasks/a", "nonsense") },
	} {
		t.Run(name, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, _ *proc) {
				damage(h)
				time.Sleep(time.Second)
				w.do(n1, cluster.Delete("a"))
				time.Sleep(time.Second)
				w.wantShare(map[string]int{})
				if errs := w.state(n1).Errors; len(errs) > 0 {
					t.Errorf("%+v", errs)
				}
				w.do(n1, cluster.Declare(task("a", 4)))
				time.Sleep(10 * time.Second)
			})
		})
	}
}

// A mark that cannot be used is replaced by uncordon only; what else is asked for says so.
func TestUnusableMark(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		w.do(n1, cluster.Cordon("n2"))
		h.set("/marks/n2", "nonsense")
		time.Sleep(time.Second)
		if _, err := n1.Do(w.t.Context(), cluster.Drain("n2", 0)); !errors.Is(err, cluster.ErrChange) || !strings.Contains(err.Error(), "`xconsumer uncordon` replaces it") {
			t.Errorf("drain: %v", err)
		}
		w.do(n1, cluster.Uncordon("n2"))
		time.Sleep(time.Second)
		if s := w.state(n1); len(s.Errors) > 0 || w.nodeInfo(n1, "n2").Cordoned {
			t.Errorf("%+v", s)
		}
	})
}

func TestHandEditedDocumentIsWrittenAgain(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, n2 *proc) {
		started := w.floor.started()
		events := n2.Events(w.t.Context())
		doc := "/docs/" + memberOf(w.state(n1), "n2")
		good := string(h.get(doc).Value)
		h.set(doc, strings.Replace(good, `"slots":[`, `"slots":[{"task":"a","slots":"0-3","token":99,"spec":{"name":"a","workName":"a","workerNum":4}},`, 1))
		time.Sleep(time.Second)
		if n := w.floor.started(); n != started {
			t.Errorf("%d workers were started", n-started)
		}
		if len(w.state(n1).Errors) != 0 {
			t.Errorf("still unusable: %+v", w.state(n1).Errors)
		}
		for e := range events {
			if e.Kind == cluster.RecordUnusable {
				if !strings.Contains(e.Detail, doc) {
					t.Errorf("event %+v", e)
				}
				break
			}
		}
	})
}

func TestDeletedDocumentEvictsItsMember(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		member := memberOf(w.state(n1), "n2")
		h.del("/docs/" + member)
		time.Sleep(3 * time.Second) // it closes what it was, so that nothing waits for its session timeout
		if again := memberOf(w.state(n1), "n2"); again == member || again == "" {
			t.Errorf("n2 is member %q, was %q", again, member)
		}
		for _, guid := range h.children("/docs") {
			if guid == member {
				t.Error("the document of the evicted member is still there")
			}
		}
	})
}

// It does not wait to be told: with its document goes everything that it was granted.
func TestNodeWithoutADocumentStops(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		good := h.get("/epoch")
		member := memberOf(w.state(n1), "n2")
		h.del("/epoch") // so that no leader can evict it
		h.del("/docs/" + member)
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

func TestDeletedDocumentOfTheLeaderEvictsIt(t *testing.T) {
	handEdit(t, func(w *world, h hand, _, n2 *proc) {
		member := memberOf(w.state(n2), "n1")
		h.del("/docs/" + member)
		time.Sleep(time.Minute)
		s := w.state(n2)
		if again := memberOf(s, "n1"); s.Leader != "n2" || again == member || again == "" {
			t.Errorf("leader %q; n1 is member %q, was %q", s.Leader, again, member)
		}
	})
}

func TestDeletedDocumentOfASilentMemberWaitsForItsLease(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, n2 *proc) {
		n2.Cut()
		h.del("/docs/" + memberOf(w.state(n1), "n2"))
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

func TestHandEditedStatusIsWrittenAgain(t *testing.T) {
	for _, value := range []string{"{", `{"v":1,"version":0,"applied":99,"holding":[]}`} {
		t.Run(value, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, _ *proc) {
				started := w.floor.started()
				h.set("/status/"+memberOf(w.state(n1), "n2"), value)
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

func TestDeletedRingEntryDisturbsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1))
		n1 := w.start("n1")
		h := w.hand()
		time.Sleep(time.Second)
		for _, n := range h.children("/decisions") {
			h.del("/decisions/" + n)
		}
		for i := range 140 { // each change is a decision: the ring goes round
			h.set("/tasks/a", fmt.Sprintf(`{"v":1,"spec":{"name":"a","workName":"a","workerNum":%d}}`, 1+i%2))
			time.Sleep(time.Second)
		}
		if n := len(h.children("/decisions")); n > 128 || n < 100 {
			t.Errorf("the ring holds %d decisions", n)
		}
		w.wantShare(map[string]int{"n1": 2})
		w.leave(n1)
	})
}

func TestCorruptSettingsKeepTheLastGoodOnes(t *testing.T) {
	handEdit(t, func(w *world, h hand, n1, _ *proc) {
		if _, err := h.s.Commit(context.Background(), coord.Create(root+"/settings", []byte(`{"v":1,"spec":{"leaderWorkers":"none"}}`))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n2": 4})
		h.set("/settings", `{"v":1,"spec":{"leaderWorkers":"first"}}`)
		time.Sleep(5 * time.Second)
		wantError(t, w.state(n1), "/settings")
		w.wantShare(map[string]int{"n2": 4})
		h.set("/settings", `{"v":1,"spec":{"leaderWorkers":"last"}}`)
		time.Sleep(time.Second)
	})
}

func TestDeletedNameMovesNothing(t *testing.T) {
	handEdit(t, func(w *world, h hand, _, _ *proc) {
		started := w.floor.started()
		h.del("/names/n2")
		time.Sleep(40 * time.Second)
		if n := w.floor.started(); n != started {
			t.Errorf("%d workers were started", n-started)
		}
	})
}

// putBack writes a former value of a document again, as the version that comes next.
func (h hand) putBack(key string, former coord.Record) {
	h.w.t.Helper()
	now := h.get(key)
	was := fmt.Sprintf(`"version":%d`, former.Version)
	if strings.Count(string(former.Value), was) != 1 {
		h.w.t.Fatalf("%s has no version of its own: %s", key, former.Value)
	}
	h.set(key, strings.Replace(string(former.Value), was, fmt.Sprintf(`"version":%d`, now.Version+1), 1))
}

// eventOf waits until a node tells of something.
func eventOf(t *testing.T, events <-chan cluster.Event, kind cluster.EventKind) cluster.Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no event %q", kind)
		}
	}
}

// A former assignment starts nothing: not that of a node which has given its slots away, the leader or not, nor that of another one.
func TestFormerAssignmentStartsNothing(t *testing.T) {
	for _, of := range []string{"n1", "n2"} {
		t.Run(of, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, n2 *proc) {
				victim := map[string]*proc{"n1": n1, "n2": n2}[of]
				key := "/docs/" + memberOf(w.state(n1), of)
				former := h.get(key)
				if _, err := n1.Do(w.t.Context(), cluster.Drain(of, 0)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				w.wantShare(map[string]int{map[string]string{"n1": "n2", "n2": "n1"}[of]: 4})
				started := w.floor.started()
				told, doubled := victim.Events(w.t.Context()), n1.Events(w.t.Context())
				h.putBack(key, former)
				if e := eventOf(t, told, cluster.SlotRefused); e.Slot == nil || e.Token == 0 {
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
				if _, err := n1.Do(w.t.Context(), cluster.Uncordon(of)); err != nil {
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
		key := "/docs/" + memberOf(w.state(n1), "n2")
		n2.Cut() // so that its worker stays for as long as it is looked at
		now := h.get(key)
		value := strings.Replace(string(now.Value), `"slots":[`, `"slots":[{"task":"alien","slots":"0-1","token":900,"spec":{"name":"alien","workName":"a","workerNum":2}},`, 1)
		h.set(key, strings.Replace(value, fmt.Sprintf(`"version":%d`, now.Version), fmt.Sprintf(`"version":%d`, now.Version+1), 1))
		time.Sleep(time.Second)
		shown := false
		for _, task := range w.state(n1).Tasks {
			shown = shown || task.Name == "alien" && task.ReasonCode == cluster.WhyUndeclared
		}
		if !shown {
			t.Errorf("tasks: %+v", w.state(n1).Tasks)
		}
		if _, err := n1.Do(w.t.Context(), cluster.Delete("alien")); !errors.Is(err, cluster.ErrNoTask) || !strings.Contains(err.Error(), "asked back") {
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
				key := "/docs/" + memberOf(w.state(n1), "n2")
				now := h.get(key)
				value := strings.Replace(string(now.Value), `"slots":[`, fmt.Sprintf(`"slots":[{"task":"a","slots":"9","token":%d,"spec":{"name":"a","workName":"a","workerNum":4}},`, token), 1)
				h.set(key, strings.Replace(value, fmt.Sprintf(`"version":%d`, now.Version), fmt.Sprintf(`"version":%d`, now.Version+1), 1))
				time.Sleep(5 * time.Second)
				if _, err := n1.Do(w.t.Context(), cluster.RestartTask("a")); err != nil {
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
			if _, err := membership.Found(t.Context(), h.s, keys, 1000); !errors.Is(err, membership.ErrLive) {
				t.Errorf("while a node runs: %v", err)
			}
			w.leave(n1)
			if next, err := membership.Found(t.Context(), h.s, keys, 0); err == nil {
				t.Errorf("without a floor the next token is %d", next)
			}
			if next, err := membership.Found(t.Context(), h.s, keys, 1000); err != nil || next != 1001 {
				t.Errorf("the next token is %d, %v", next, err)
			}
			before := h.children("/decisions")
			n1 = w.start("n1")
			time.Sleep(10 * time.Second)
			w.wantShare(map[string]int{"n1": 4})
			if after := h.children("/decisions"); len(after) <= len(before) || after[len(after)-1] <= before[len(before)-1] {
				t.Errorf("decisions were %v, and are %v", before, after)
			}
			for slot, r := range n1.Workers() {
				if r.Token <= 1000 {
					t.Errorf("%s has token %d", slot, r.Token)
				}
			}
			w.leave(n1)
		})
	}
}
