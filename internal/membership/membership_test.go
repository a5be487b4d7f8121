package membership_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTerms(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		timeout, tick            time.Duration
		beat, length, soft, hard time.Duration
		ok                       bool
	}{
		{20 * s, 2 * s, 2 * s, 19 * s, 3 * s, 500 * ms, true},        // normal
		{10 * s, 2 * s, 1250 * ms, 9500 * ms, 2 * s, 500 * ms, true}, // fast
		{40 * s, 2 * s, 2 * s, 38 * s, 3 * s, 500 * ms, true},        // patient
		{6 * s, 2 * s, 1200 * ms, 5700 * ms, 1200 * ms, 300 * ms, true},
		{4 * s, 2 * s, 1200 * ms, 3800 * ms, 800 * ms, 200 * ms, false},
		{2 * s, 200 * ms, 300 * ms, 1900 * ms, 400 * ms, 100 * ms, true},
		{1 * s, 200 * ms, 300 * ms, 950 * ms, 200 * ms, 50 * ms, false},
	} {
		terms := membership.NewLeaseParams(c.timeout, c.tick/2+200*ms, c.tick)
		if terms.HeartbeatInterval != c.beat || terms.Length != c.length || terms.Soft != c.soft || terms.Hard != c.hard {
			t.Errorf("T %v, tick %v: %+v", c.timeout, c.tick, terms)
		}
		if err := terms.Check(); (err == nil) != c.ok || err != nil && !errors.Is(err, membership.ErrLeaseParams) {
			t.Errorf("T %v, tick %v: %v", c.timeout, c.tick, err)
		}
	}
}

var keys = schema.NewKeys("test")

func member(name string, s coord.Session) cluster.Member {
	return cluster.Member{MemberID: membership.NewMemberID(), Node: name, Host: "h", PID: 7, Works: []string{"w"}, SessionTimeout: cluster.Duration(s.Info().Timeout)}
}

func open(t *testing.T, store coord.Store) coord.Session {
	t.Helper()
	s, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func join(t *testing.T, s coord.Session, name string) membership.Self {
	t.Helper()
	self, err := membership.Join(t.Context(), s, keys, member(name, s))
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func names(t *testing.T, s coord.Session, key string) (list []string) {
	t.Helper()
	entries, err := s.List(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return list
}

func TestJoinIsOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		commits := 0
		s := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				commits++
				return next(ctx, ops...)
			},
		}))
		first := join(t, s, "n1")
		if commits != 2 { // one makes the cluster
			t.Errorf("%d commits", commits)
		}
		if _, err := membership.Join(t.Context(), s, keys, member("n1", s)); !errors.Is(err, membership.ErrNameTaken) || !strings.Contains(err.Error(), "host h, pid 7") {
			t.Errorf("second join: %v", err)
		}
		second := join(t, open(t, service.Client()), "n2")
		if n := names(t, s, keys.Members()); len(n) != 2 {
			t.Errorf("members %v", n)
		}
		if n := names(t, s, keys.Assignments()); len(n) != 2 { // the refused join left nothing
			t.Errorf("assignments %v", n)
		}
		if first.Election >= second.Election && len(names(t, s, keys.Elections())) != 2 {
			t.Errorf("candidates %s, %s", first.Election, second.Election)
		}
	})
}

func TestHeartbeatsKeepTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Latency: time.Millisecond})
		fail := 0
		s := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				fail++
				if ops[0].Key != keys.Meta() && fail%3 == 0 { // unknown, and applied or not
					if fail%2 == 0 {
						_, _ = next(ctx, ops...)
					}
					return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
				}
				return next(ctx, ops...)
			},
		}))
		self := join(t, s, "n1")
		lease := membership.NewLease(s)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var pulse membership.KeepAlive
		go func() { done <- membership.Maintain(ctx, s, keys, self, &pulse, nil, func() bool { return true }) }()
		for range 100 {
			time.Sleep(time.Second)
			if phase, left := lease.Phase(); phase != membership.LeaseValid || left < 8*time.Second {
				t.Fatalf("phase %v, %v left", phase, left)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("keep: %v", err)
		}
	})
}

func TestDeletedKeysEndTheMember(t *testing.T) {
	for _, key := range []func(string) string{keys.Member, keys.Status, keys.Heartbeat} {
		t.Run(key("x"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				s, hand := open(t, service.Client()), open(t, service.Client())
				self := join(t, s, "n1")
				done := make(chan error, 1)
				var pulse membership.KeepAlive
				go func() {
					done <- membership.Maintain(t.Context(), s, keys, self, &pulse, nil, func() bool { return true })
				}()
				time.Sleep(10 * time.Second)
				remove := func() error {
					r, err := hand.Get(t.Context(), key(self.MemberID))
					if err != nil {
						t.Fatal(err)
					}
					_, err = hand.Commit(t.Context(), coord.Delete(key(self.MemberID), r.Version))
					return err
				}
				err := remove()
				for errors.Is(err, coord.ErrVersion) { // a heartbeat came between
					err = remove()
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := <-done; !errors.Is(err, membership.ErrGone) || !strings.Contains(err.Error(), key(self.MemberID)) {
					t.Errorf("keep: %v", err)
				}
			})
		})
	}
}

func TestCloseLeavesOnlyTheAssignment(t *testing.T) {
	for name, change := range map[string]func(*membership.Departure){
		"all known":     func(*membership.Departure) {},
		"a burst":       func(d *membership.Departure) { d.Burst = &schema.Burst{Term: 3, Count: 2} },
		"nothing known": func(d *membership.Departure) { d.Assignment = nil },
		"known wrongly": func(d *membership.Departure) { d.AssignmentVersion, d.StatusVersion = 5, 5 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				s := open(t, service.Client())
				self := join(t, s, "n1")
				r, err := s.Get(t.Context(), keys.Assignment(self.MemberID))
				if err != nil {
					t.Fatal(err)
				}
				d := membership.Departure{Assignment: &schema.Assignment{}}
				if err := schema.Decode(keys.Assignment(self.MemberID), r, d.Assignment); err != nil {
					t.Fatal(err)
				}
				change(&d)
				for range 2 { // closing twice is closing once
					if err := membership.Close(t.Context(), s, keys, self, d, "n1", "test"); err != nil {
						t.Fatal(err)
					}
				}
				if service.Keys() != 3 { // meta, epoch, assignment
					t.Errorf("%d keys are left", service.Keys())
				}
				r, err = s.Get(t.Context(), keys.Assignment(self.MemberID))
				closed := `"closed":{"by":"n1","cause":"test","left":true}`
				if d.Burst != nil {
					closed = strings.Replace(closed, "}", `,"burst":{"term":3,"count":2}}`, 1)
				}
				if err != nil || !strings.Contains(string(r.Value), closed) {
					t.Errorf("assignment %s, %v", r.Value, err)
				}
			})
		})
	}
}

// A member that asks for a restart grace gives back what it was granted and never started: it does not wait for the node.
func TestWhatWasNeverStartedDoesNotWait(t *testing.T) {
	for _, c := range []struct {
		name        string
		grace       time.Duration
		known       bool
		keeps, back string
	}{
		{"known", time.Minute, true, "a 0-1 @5", "a 2-3 @7, b 0 @6"},
		{"read", time.Minute, false, "a 0-1 @5", "a 2-3 @7, b 0 @6"},
		{"without a grace", 0, true, "a 0-1 @5, a 2-3 @7, b 0 @6", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, mem.New(mem.Config{}).Client())
				self := join(t, s, "n1")
				self.RestartGrace = cluster.Duration(c.grace)
				key := keys.Assignment(self.MemberID)
				read := func() *schema.Assignment {
					var assignment schema.Assignment
					r, err := s.Get(t.Context(), key)
					if err == nil {
						err = schema.Decode(key, r, &assignment)
					}
					if err != nil {
						t.Fatal(err)
					}
					return &assignment
				}
				granted := read()
				granted.Granted = schematest.Granted("a 0-1 @5", "b 0 @6", "a 2-3 @7")
				for i := range granted.Granted {
					granted.Granted[i].Ref, granted.Granted[i].Count = schema.SpecRef{Chunk: 1, Version: 1}, new(4)
				}
				if _, err := s.Commit(t.Context(), coord.Set(key, schema.Encode(granted, 1), 0)); err != nil {
					t.Fatal(err)
				}
				d := membership.Departure{Started: map[cluster.Slot]int64{
					{Task: "a"}: 5, {Task: "a", Index: 1}: 5, {Task: "a", Index: 2}: 3, // #2 was granted before, and is again
				}}
				if c.known {
					d.Assignment, d.AssignmentVersion = granted, 1
				}
				if err := membership.Close(t.Context(), s, keys, self, d, "n1", "test"); err != nil {
					t.Fatal(err)
				}
				closed := read()
				if got := listed(closed.Granted); got != c.keeps {
					t.Errorf("%s wait, want %s", got, c.keeps)
				}
				if got := listed(closed.Releasing); got != c.back {
					t.Errorf("%s are given back, want %s", got, c.back)
				}
				for _, r := range closed.Releasing {
					if r.Version != 2 || r.Count == nil || *r.Count != 4 {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

// listed returns the ranges of a list, sorted.
func listed[T any, P interface {
	*T
	Range() *schema.SlotRange
}](list []T) string {
	var texts []string
	for i := range list {
		r := P(&list[i]).Range()
		texts = append(texts, fmt.Sprintf("%s %s @%d", r.Task, r.Slots, r.Token))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func TestLeaseOfAnEndedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{TakeoverDelay: 4 * time.Second})
		s := open(t, service.Client())
		lease := membership.NewLease(s)
		if !lease.BeforeHardStop() {
			t.Error("a new lease is not valid")
		}
		service.Expire(s.Info().ID)
		<-lease.Ended()
		if phase, left := lease.Phase(); phase != membership.SoftStop || left != 3*time.Second {
			t.Errorf("phase %v, %v left; a leader takes over after 4s", phase, left)
		}
		time.Sleep(3 * time.Second)
		if phase, _ := lease.Phase(); phase != membership.HardStop || lease.BeforeHardStop() {
			t.Errorf("phase %v", phase)
		}
	})
}
