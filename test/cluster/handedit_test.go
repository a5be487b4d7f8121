package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

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
				// A leader who never saw a good one goes by what the assignments carry.
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
					list, err := n1.Admin().Tasks(w.t.Context())
					if err != nil || len(list) != 1 || !strings.Contains(list[0].Unusable, "declare it again") {
						t.Fatalf("%+v, %v", list, err)
					}
					for _, op := range []cluster.Operation{cluster.Scale("a", 5), cluster.Reset("a")} {
						if _, err := n1.Admin().Do(w.t.Context(), op); err == nil || !strings.Contains(err.Error(), "`xconsumer apply`") {
							t.Errorf("%v: %v", op, err)
						}
					}
					if planned {
						ops := cluster.Operations{cluster.Declare(spec)}
						plan, err := n1.Admin().Plan(w.t.Context(), ops)
						if err != nil || len(plan.Moves)+len(plan.Starts)+len(plan.Stops)+len(plan.Restarts) > 0 {
							t.Fatalf("%+v, %v", plan, err)
						}
						if _, err := n1.Admin().Apply(w.t.Context(), ops, plan.Revision, cluster.Caller{}); err != nil {
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
	h, err := n.Admin().Decisions(t.Context())
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
		if _, err := n1.Admin().Do(w.t.Context(), cluster.Drain("n2", 0)); !errors.Is(err, cluster.ErrChange) || !strings.Contains(err.Error(), "`xconsumer uncordon` replaces it") {
			t.Errorf("drain: %v", err)
		}
		w.do(n1, cluster.Uncordon("n2"))
		time.Sleep(time.Second)
		if s := w.state(n1); len(s.Errors) > 0 || w.nodeInfo(n1, "n2").Cordoned {
			t.Errorf("%+v", s)
		}
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
		h.set("/settings", `{"v":1,"spec":{"leaderWorkers":"none"}}`)
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
