package operation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// randomRecords writes records that operations may find: of tasks that are declared, scaled, deleted or cannot be used, marks,
// requests, and what was removed.
func randomRecords(t *testing.T, l *lossy, dice *rand.Rand) {
	t.Helper()
	s := l.operator().Session
	put := func(key string, value []byte) {
		t.Helper()
		if dice.IntN(8) == 0 {
			value = []byte("{oops")
		}
		op := coord.Create(key, value)
		if r, err := s.Get(t.Context(), key); err == nil {
			op = coord.Set(key, value, r.Version)
		}
		if _, err := s.Commit(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	a := &schema.Task{Spec: cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 2}, Generation: dice.Int64N(3), Deleted: dice.IntN(3) == 0}
	if dice.IntN(2) == 0 {
		a.Override = cluster.Override{WorkerNum: new(dice.IntN(5)), Paused: new(dice.IntN(2) == 0)}
	}
	put(keys.Task("a"), schema.Encode(a, 1))
	if dice.IntN(2) == 0 {
		mark := &schema.Mark{Cordoned: dice.IntN(2) == 0, Labels: cluster.Labels{"gpu": "old"}, By: "before"}
		if dice.IntN(2) == 0 {
			mark.Drain = &schema.Drain{Slots: 9, Deadline: cluster.Duration(time.Minute)}
		}
		put(keys.Mark("n1"), schema.Encode(mark, 0))
	}
	if dice.IntN(2) == 0 {
		put(keys.Requests(), schema.Encode(&schema.Requests{
			StepDown: 1, MoveNow: []string{"gone"}, Restart: []schema.SlotRange{{Task: "a", Slots: cluster.Indexes{0, 1}, Token: 5}},
			Move: []schema.MoveRequest{{Slot: cluster.Slot{Task: "a", Index: 1}, Token: 5, To: "n2"}},
		}, 0))
	}
	if _, err := s.Commit(t.Context(), coord.Create(keys.Removed(), schema.Encode(&schema.Removed{Generation: dice.Int64N(4)}, 0))); err != nil {
		t.Fatal(err)
	}
}

// randomOperation is one that a list may hold.
func randomOperation(dice *rand.Rand) cluster.Operation {
	task, node := []string{"a", "a", "r", "new", "none"}[dice.IntN(5)], []string{"n1", "n1", "n2", "n9"}[dice.IntN(4)]
	spec := cluster.TaskSpec{Name: task, WorkName: "a", WorkerNum: dice.IntN(4)}
	list := cluster.Operations{
		cluster.Scale(task, dice.IntN(6)), cluster.Pause(task), cluster.Resume(task), cluster.Reset(task), cluster.Declare(spec), cluster.Declare(spec),
		cluster.Patch(task, fmt.Appendf(nil, `{"workerNum": %d, "weight": 2}`, dice.IntN(4))), cluster.Delete(task),
		cluster.Cordon(node), cluster.Uncordon(node), cluster.Drain(node, time.Duration(dice.IntN(2))*time.Hour),
		cluster.Label(node, map[string]*string{"gpu": new("new"), "zone": nil}), cluster.RestartTask(task), cluster.RestartNode(node),
		cluster.RestartWorker(cluster.Slot{Task: "a", Index: dice.IntN(3)}), cluster.Move(cluster.Slot{Task: "a", Index: dice.IntN(3)}, node),
		cluster.StepDown(), cluster.MoveNow(),
	}
	op := list[dice.IntN(len(list))]
	if dice.IntN(6) == 0 && op.Task != "" {
		op.If = []string{"0", "1", "1.1", cluster.IfAbsent}[dice.IntN(4)]
	}
	return op
}

// recordsOf are the records of a snapshot that operations change, by key, without those that ask for nothing.
func recordsOf(s *view.Snapshot) map[string]string {
	list := map[string]string{}
	add := func(key string, err error, rec schema.Record) {
		list[key] = "cannot be used"
		if err == nil {
			list[key] = string(schema.Encode(rec, 0))
		}
	}
	for name, e := range s.Tasks {
		if !e.Absent && (e.Rec != nil || e.Err != nil) {
			add(keys.Task(name), e.Err, e.Rec)
		}
	}
	for node, e := range s.Marks {
		if !e.Absent && (e.Err != nil || e.Rec != nil && e.Rec.Wanted()) {
			add(keys.Mark(node), e.Err, e.Rec)
		}
	}
	if e := s.Requests; !e.Absent && (e.Err != nil || e.Rec != nil && !e.Rec.Empty()) {
		add(keys.Requests(), e.Err, e.Rec)
	}
	return list
}

// What a plan is made from is what is written: whatever is in the store and is asked for, the records that Effect returns are
// those that there are after the commit, or both refuse it in the same words.
func TestPlansSayWhatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused, done, replaced := 0, 0, 0
		for seed := range uint64(1500) {
			dice := rand.New(rand.NewPCG(seed, 1))
			l := newLossy(t)
			randomRecords(t, l, dice)
			var ops cluster.Operations
			for range 1 + dice.IntN(3) {
				ops = append(ops, randomOperation(dice))
			}
			before := l.snapshot()
			was := recordsOf(before)
			next, planErr := operation.Effect(t.Context(), withRemoved(t, l, before), ops, operation.Stamp{By: "test", At: time.Now()})
			if diff := cmp.Diff(was, recordsOf(before)); diff != "" {
				t.Fatalf("seed %d: %s: the snapshot was changed:\n%s", seed, ops, diff)
			}
			o := l.operator()
			var err error
			if len(ops) == 1 {
				_, err = o.Do(t.Context(), before, ops[0])
			} else {
				_, err = o.Apply(t.Context(), before, ops, explain.Revision(before), cluster.Caller{})
			}
			if (err == nil) != (planErr == nil) || err != nil && !strings.HasSuffix(planErr.Error(), strings.TrimPrefix(err.Error(), "change refused: ")) {
				t.Fatalf("seed %d: %s: the plan says %v, and the commit %v", seed, ops, planErr, err)
			}
			want := was
			refused++
			if err == nil {
				want = recordsOf(next)
				refused, done = refused-1, done+1
			}
			got := recordsOf(l.snapshot())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: %s, %v (-planned +written):\n%s", seed, ops, err, diff)
			}
			for key, text := range was {
				if text == "cannot be used" && got[key] != text {
					replaced++
				}
			}
		}
		if refused < 300 || done < 300 || replaced < 10 {
			t.Errorf("%d were refused, %d done, and %d records replaced", refused, done, replaced)
		}
	})
}

// withRemoved returns a snapshot with what was removed, which only those who write read.
func withRemoved(t *testing.T, l *lossy, s *view.Snapshot) *view.Snapshot {
	t.Helper()
	r, err := l.operator().Session.Get(t.Context(), keys.Removed())
	rec := new(schema.Removed)
	if err == nil {
		err = schema.Decode(keys.Removed(), r, rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	next := *s
	next.Removed = view.Entry[schema.Removed]{Rec: rec}
	return &next
}

// A move is refused where the plan would not leave the worker there, by whoever asks for it, and nothing is written.
func TestMoveThatThePlanWouldUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t)
		s, o := l.snapshot(), l.operator()
		ops := cluster.Operations{cluster.Cordon("n2"), cluster.Move(cluster.Slot{Task: "a"}, "n2")}
		_, planErr := o.Plan(t.Context(), s, ops)
		_, err := o.Apply(t.Context(), s, ops, explain.Revision(s), cluster.Caller{})
		for _, err := range []error{planErr, err} {
			if err == nil || !strings.Contains(err.Error(), "the plan would not leave a#0 on n2") {
				t.Errorf("%v", err)
			}
		}
		if l.count > 0 {
			t.Errorf("%d commits", l.count)
		}
		do(t, o, s, cluster.Move(cluster.Slot{Task: "a"}, "n2"))
	})
}
