package view_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

func TestMain(m *testing.M) {
	etcdserver.Serve()
	goleak.VerifyTestMain(m)
}

var keys = schema.NewKeys("test")

// reads counts which keys are read, by their last two parts.
type reads struct {
	mu   sync.Mutex
	list []string
}

func (r *reads) intercept(store coord.Store) coord.Store {
	return coordtest.Intercept(store, coordtest.Interceptor{
		Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
			r.mu.Lock()
			r.list = append(r.list, strings.TrimPrefix(key, keys.Root()))
			r.mu.Unlock()
			return next(ctx, key)
		},
	})
}

func (r *reads) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
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

func join(t *testing.T, store coord.Store, name string) coord.Session {
	t.Helper()
	s := open(t, store)
	_, err := membership.Join(t.Context(), s, keys, cluster.Member{MemberID: name, Node: name, Works: []string{"w"}, SessionTimeout: cluster.Duration(s.Info().Timeout)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func set(t *testing.T, s coord.Session, key, value string) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), coord.Set(key, []byte(value), r.Version)); err != nil {
		t.Fatal(err)
	}
}

// refresh refreshes until nothing is marked any longer.
func refresh(t *testing.T, v *view.View) *view.Snapshot {
	t.Helper()
	for {
		if _, err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case <-v.C():
		default:
			return v.Snapshot()
		}
	}
}

// A leader does not read what it has written itself while it goes on writing, unless the member is gone: then the assignment
// is read before what tells so.
func TestOwnAssignmentsAreReadLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a := join(t, service.Client(), "a")
		lead := open(t, service.Client())
		var counted reads
		v := view.New("test", open(t, counted.intercept(service.Client())), keys, view.ForLeader())
		defer v.Close()
		write := func() {
			p := refresh(t, v).Peers["a"].Assignment
			value := schema.Encode(p.Rec, p.Version+1)
			if _, err := lead.Commit(t.Context(), coord.Set(keys.Assignment("a"), value, p.Version)); err != nil {
				t.Fatal(err)
			}
			v.PutAssignment("a", p.Rec, p.Version+1, len(value))
			synctest.Wait()
			counted.take()
		}
		write()
		refresh(t, v)
		if early := counted.take(); len(early) != 0 || v.Due() == 0 {
			t.Errorf("its own assignment is read at once: %v; the rest is due at %v", early, v.Due())
		}
		time.Sleep(150 * time.Millisecond)
		changed, err := v.Refresh(t.Context())
		if late := counted.take(); changed || err != nil || len(late) != 1 || late[0] != "/assignments/a" || v.Due() != 0 {
			t.Errorf("later %v are read, changed %v, error %v; due at %v", late, changed, err, v.Due())
		}
		write()
		_ = a.Close() // its keys go, the assignment stays
		synctest.Wait()
		s := refresh(t, v)
		list := counted.take()
		at := slices.Index(list, "/assignments/a")
		if at < 0 || slices.Index(list[at:], "/status/a") < 0 || slices.Index(list[at:], "/members/a") < 0 {
			t.Errorf("of a member that is gone %v are read", list)
		}
		if p := s.Peers["a"]; p.Status.Read < p.Assignment.Read || p.Member.Read < p.Assignment.Read {
			t.Errorf("read at %v, %v before the assignment at %v", p.Status.Read, p.Member.Read, p.Assignment.Read)
		}
	})
}

// A change costs the reads of what changed, and assignments come before what they are compared
// with.
func TestOnlyWhatChangedIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a := join(t, service.Client(), "a")
		var counted reads
		v := view.New("test", open(t, counted.intercept(service.Client())), keys)
		defer v.Close()
		s := refresh(t, v)
		if len(s.Peers) != 1 || !s.Peers["a"].Live() {
			t.Errorf("peers %+v", s.Peers)
		}
		first := counted.take()
		if len(first) != 7 { // epoch, settings, suspects, orders, assignment, status, member
			t.Errorf("at first %v are read", first)
		}
		refresh(t, v)
		if again := counted.take(); len(again) != 0 {
			t.Errorf("%v are read without a change", again)
		}
		set(t, a, keys.Status("a"), `{"v":1,"version":1,"applied":0,"holding":[]}`)
		s = refresh(t, v)
		if diff := cmp.Diff([]string{"/status/a"}, counted.take()); diff != "" || s.Peers["a"].Status.Version != 1 {
			t.Errorf("after a status (-want +got):\n%s", diff)
		}
		join(t, service.Client(), "b")
		s = refresh(t, v)
		list := counted.take()
		if len(list) != 3 || list[0] != "/assignments/b" || !s.Peers["b"].Live() {
			t.Errorf("after a join %v are read", list)
		}
		v.MarkPeer("b")
		refresh(t, v)
		list = counted.take()
		if len(list) != 3 || list[0] != "/assignments/b" {
			t.Errorf("of a marked member %v are read", list)
		}
	})
}

func TestLastGoodRecordStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a := join(t, service.Client(), "a")
		if _, err := a.Commit(t.Context(), coord.Create(keys.Task("t"), []byte(`{"v":1,"spec":{"name":"t","workName":"w","workerNum":2}}`))); err != nil {
			t.Fatal(err)
		}
		v := view.New("test", open(t, service.Client()), keys, view.ForLeader())
		defer v.Close()
		refresh(t, v)
		set(t, a, keys.Assignment("a"), "nonsense")
		set(t, a, keys.Task("t"), "nonsense")
		s := refresh(t, v)
		assignment := s.Peers["a"].Assignment
		if assignment.Good() || assignment.Rec == nil || assignment.RecAt != 0 || assignment.Version != 1 || !errors.Is(assignment.Err, schema.ErrCorrupt) {
			t.Errorf("assignment %+v", assignment)
		}
		if spec := s.Specs()["t"]; spec.WorkerNum != 2 {
			t.Errorf("task %+v", spec)
		}
		var paths []string
		for _, e := range s.Errors(keys) {
			paths = append(paths, strings.TrimPrefix(e.Path, keys.Root()))
		}
		if diff := cmp.Diff([]string{"/assignments/a", "/tasks/t"}, paths); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
		// What vanished is remembered by a leader until it is told to forget.
		if _, err := a.Commit(t.Context(), coord.Delete(keys.Assignment("a"), 1)); err != nil {
			t.Fatal(err)
		}
		_ = a.Close()
		s = refresh(t, v)
		if p := s.Peers["a"]; p == nil || !p.Assignment.Absent || p.Assignment.Rec == nil || p.Live() {
			t.Errorf("peer %+v", p)
		}
		v.Forget("a")
		if len(v.Snapshot().Peers) != 0 {
			t.Error("it is not forgotten")
		}
	})
}

// Marks and requests are deleted when nothing is left of them: one that was deleted and made again between
// two reads has the version of the old one, and is another.
func TestKeysMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		session := open(t, service.Client())
		v := view.New("test", open(t, service.Client()), keys, view.ForLeader())
		defer v.Close()
		commit := func(ops ...coord.Op) {
			t.Helper()
			if _, err := session.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
		}
		commit(coord.Create(keys.Mark("n"), schema.Encode(&schema.Mark{Cordoned: true}, 0)),
			coord.Create(keys.Requests(), schema.Encode(&schema.Requests{StepDown: 1}, 0)))
		if s := refresh(t, v); !s.Mark("n").Cordoned || s.Requests.Rec.StepDown != 1 {
			t.Fatalf("mark %+v, orders %+v", s.Mark("n"), s.Requests.Rec)
		}
		commit(coord.Delete(keys.Mark("n"), 0), coord.Delete(keys.Requests(), 0))
		commit(coord.Create(keys.Mark("n"), schema.Encode(&schema.Mark{Drain: &schema.Drain{Slots: 3}}, 0)),
			coord.Create(keys.Requests(), schema.Encode(&schema.Requests{StepDown: 2}, 0)))
		time.Sleep(time.Second)
		if s := refresh(t, v); s.Mark("n").Cordoned || s.Mark("n").Drain == nil || s.Requests.Rec.StepDown != 2 {
			t.Errorf("mark %+v, orders %+v", s.Mark("n"), s.Requests.Rec)
		}
	})
}

// deaf is a session whose watches tell nothing, as those of one that has ended.
type deaf struct{ coord.Session }

func (deaf) Watch(string, func()) (stop func()) { return func() {} }

// An observer watches for as long as somebody asks and not much longer, whoever waits for what comes next; what it finds when
// somebody asks again is marked as the first since.
func TestObserverWatchesWhileSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := mem.New(mem.Config{}).Client()
		var o view.Observer
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go o.Run(ctx, "test", keys)
		session := join(t, store, "n1")
		var read reads
		o.Use(open(t, read.intercept(store)))
		seen := make(chan *view.Snapshot, 100)
		go func() {
			for number := int64(0); ; {
				snap, err := o.Next(ctx, number)
				if err != nil {
					return
				}
				number = snap.Number
				seen <- snap
			}
		}()
		declare := func(name string) {
			spec := cluster.TaskSpec{Name: name, WorkName: "w", WorkerNum: 1}
			if _, err := session.Commit(t.Context(), coord.Create(keys.Task(name), schema.Encode(&schema.Task{Spec: spec}, 0))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		next := func() (last *view.Snapshot) {
			for {
				select {
				case last = <-seen:
				default:
					return last
				}
			}
		}
		time.Sleep(time.Hour)
		if snap := next(); snap != nil || len(read.take()) > 0 {
			t.Fatalf("nobody has asked, and it has read %+v", snap)
		}
		first := o.KeepFresh()
		time.Sleep(time.Second)
		snap := next()
		if snap == nil || snap.Number < first || snap.WatchedSince != first || snap.Peers["n1"] == nil {
			t.Fatalf("the first is %+v; want number %d or above", snap, first)
		}
		declare("a")
		if later := next(); later == nil || later.Number <= snap.Number || later.WatchedSince != first || len(later.Tasks) != 1 {
			t.Fatalf("the next is %+v", later)
		}
		time.Sleep(2 * time.Minute) // nobody asks
		read.take()
		next()
		declare("b")
		time.Sleep(10 * time.Minute)
		if snap := next(); snap != nil || len(read.take()) > 0 {
			t.Fatalf("nobody asks any longer, and it has read %+v", snap)
		}
		again := o.KeepFresh()
		time.Sleep(time.Second)
		if snap := next(); snap == nil || snap.Number < again || snap.WatchedSince != again || again <= first || len(snap.Tasks) != 2 {
			t.Fatalf("asked again, from number %d on, it has %+v", again, snap)
		}
	})
}

// Where nothing can be read an observer has what it knew before as the answer: at once without a session, after a moment with one
// that does not answer.
func TestObserverSettlesForWhatItKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := mem.New(mem.Config{}).Client()
		var o view.Observer
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go o.Run(ctx, "test", keys)
		o.Use(join(t, store, "n1"))
		if _, err := o.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name    string
			session coord.Session
			within  time.Duration
		}{{"no session", nil, 0}, {"no answer", mute{open(t, store)}, 2 * time.Second}} {
			time.Sleep(5 * time.Minute)
			o.Use(c.session)
			o.WakeReaders() // which changes nothing
			began, since := time.Now(), o.KeepFresh()
			snap, err := o.Next(t.Context(), since-1)
			if took := time.Since(began); err != nil || snap.Number < since || snap.Peers["n1"] == nil || took != c.within {
				t.Errorf("%s: after %v %+v, %v; want number %d or above after %v", c.name, took, snap, err, since, c.within)
			}
		}
	})
}

// mute is a session that does not answer.
type mute struct{ coord.Session }

func (mute) Get(ctx context.Context, _ string) (coord.Record, error) {
	<-ctx.Done()
	return coord.Record{}, ctx.Err()
}

func (mute) List(ctx context.Context, _ string) ([]coord.Entry, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A watch begins with the first snapshot that is read in it. What is answered meanwhile from an earlier watch, because the service is
// slow or the session is another one, has not been watched since: changes in between may have been missed.
func TestWatchBeginsWithWhatIsRead(t *testing.T) {
	for name, interrupt := range map[string]func(t *testing.T, o *view.Observer, store coord.Store){
		"nobody asked, and the first read is slow": func(*testing.T, *view.Observer, coord.Store) { time.Sleep(5 * time.Minute) },
		"another session":                          func(t *testing.T, o *view.Observer, store coord.Store) { o.Use(slow{open(t, store)}) },
		"no session for a while": func(t *testing.T, o *view.Observer, store coord.Store) {
			o.Use(nil)
			time.Sleep(30 * time.Second)
			o.Use(slow{open(t, store)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := mem.New(mem.Config{}).Client()
				var o view.Observer
				ctx, cancel := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer cancel()
				go o.Run(ctx, "test", keys)
				session := join(t, store, "n1")
				o.Use(slow{session})
				o.KeepFresh()
				before, err := o.Next(t.Context(), 0)
				if err != nil || before.WatchedSince != before.Number {
					t.Fatalf("the first snapshot is %+v, %v", before, err)
				}
				interrupt(t, &o, store)
				spec := cluster.TaskSpec{Name: "a", WorkName: "w", WorkerNum: 1}
				if _, err := session.Commit(t.Context(), coord.Create(keys.Task("a"), schema.Encode(&schema.Task{Spec: spec}, 0))); err != nil {
					t.Fatal(err)
				}
				for read := false; !read; {
					snap, err := o.Snapshot(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					read = snap.Tasks["a"].Rec != nil
					switch begins := snap.WatchedSince; {
					case begins <= before.Number:
						t.Errorf("snapshot %d is of the watch that began with %d, as if %d were of it", snap.Number, begins, before.Number)
					case read != (begins <= snap.Number):
						t.Errorf("snapshot %d was read in this watch: %t; the watch begins with %d", snap.Number, read, begins)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// slow is a session that takes five seconds for each read.
type slow struct{ coord.Session }

func (s slow) Get(ctx context.Context, key string) (coord.Record, error) {
	pause(ctx, 5*time.Second)
	return s.Session.Get(ctx, key)
}

func (s slow) List(ctx context.Context, prefix string) ([]coord.Entry, error) {
	pause(ctx, 5*time.Second)
	return s.Session.List(ctx, prefix)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// An observer that is given another session looks at the cluster through that one, at once: the old one,
// which has ended, does not even tell that there is nothing more to hear.
func TestObserverChangesItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := mem.New(mem.Config{}).Client()
		var o view.Observer
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go o.Run(ctx, "test", keys)
		first := join(t, store, "n1")
		o.Use(deaf{first})
		if s, err := o.Snapshot(t.Context()); err != nil || s.Peers["n1"] == nil {
			t.Fatal(s, err)
		}
		_ = first.Close()
		o.Use(nil)
		second := join(t, store, "n2")
		o.Use(second)
		began := time.Now()
		s, err := o.Snapshot(t.Context())
		if err != nil || s.Peers["n2"] == nil {
			t.Errorf("it sees %v, %v", s.Peers, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it sees that after %v", took)
		}
	})
}

// leave closes member a.
func leave(t *testing.T, a coord.Session, closed *schema.Closed) {
	t.Helper()
	assignment := schema.Encode(&schema.Assignment{Node: "a", Granted: []schema.Granted{}, Releasing: []schema.Releasing{}, Closed: closed}, 1)
	if _, err := a.Commit(t.Context(), coord.Set(keys.Assignment("a"), assignment, 0), coord.Delete(keys.Status("a"), 0)); err != nil {
		t.Fatal(err)
	}
}

// A service may give the hints of one commit in any order. A member that leaves is not taken for lost because the hint of its closed
// assignment comes last.
func TestALeaverIsNotTakenForLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := map[string]time.Duration{keys.Assignment("a"): time.Millisecond}
		service := mem.New(mem.Config{Faults: mem.Faults{Hint: func(n mem.Notice) time.Duration { return late[n.Key] }}})
		a := join(t, service.Client(), "a")
		slow := coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
				time.Sleep(2 * time.Millisecond)
				return next(ctx, key)
			},
		})
		v := view.New("test", open(t, slow), keys, view.ForLeader())
		defer v.Close()
		refresh(t, v)
		leave(t, a, &schema.Closed{Left: true})
		<-v.C()
		if _, err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := v.Snapshot().Peers["a"]
		if !p.Status.Absent || p.Assignment.Rec.Closed == nil {
			t.Errorf("after the first refresh: status absent %v, closed %+v", p.Status.Absent, p.Assignment.Rec.Closed)
		}
	})
}

// What has ended on a member is read by whoever leads, wherever its assignment cannot tell that it may have had runs:
// the assignment was deleted by hand, another leader has evicted the member since, or its keys are gone.
func TestWhatHasEndedIsRead(t *testing.T) {
	const ended = `{"v":1,"version":0,"slots":[{"task":"job@r","slots":"0","token":7}]}`
	for name, c := range map[string]struct {
		change func(t *testing.T, a coord.Session)
		want   bool
	}{
		"nothing happened": {func(*testing.T, coord.Session) {}, false},
		"its assignment was deleted": {func(t *testing.T, a coord.Session) {
			if _, err := a.Commit(t.Context(), coord.Delete(keys.Assignment("a"), 0)); err != nil {
				t.Fatal(err)
			}
		}, true},
		"its session has ended": {func(t *testing.T, a coord.Session) {
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}, true},
		"it has left": {func(t *testing.T, a coord.Session) { leave(t, a, &schema.Closed{Left: true}) }, true},
		"it has left, and has written no such record": {func(t *testing.T, a coord.Session) {
			leave(t, a, &schema.Closed{Left: true, NoCompletions: true})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				a := join(t, service.Client(), "a")
				if _, err := a.Commit(t.Context(), coord.Create(keys.CompletionsOf("a"), []byte(ended))); err != nil {
					t.Fatal(err)
				}
				c.change(t, a)
				v := view.New("test", open(t, service.Client()), keys, view.ForLeader())
				defer v.Close()
				p := refresh(t, v).Peers["a"]
				if got := p.Completions.Rec != nil && !p.Completions.Absent; got != c.want {
					t.Errorf("it is read: %v; want %v", got, c.want)
				}
			})
		})
	}
}

// A leader that finds a member without its assignment does not know what that granted: it remembers the member when
// the rest of it goes, too, until it is told to forget it. Who only looks does not.
func TestMissingFromTheFirst(t *testing.T) {
	for name, c := range map[string]struct {
		options []view.Option
		seen    bool // before its session ends
		want    bool
	}{
		"a leader that saw it":        {[]view.Option{view.ForLeader()}, true, true},
		"a leader that came too late": {[]view.Option{view.ForLeader()}, false, false},
		"who looks":                   {nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				a := join(t, service.Client(), "a")
				if _, err := a.Commit(t.Context(), coord.Delete(keys.Status("a"), 0), coord.Delete(keys.Assignment("a"), 0)); err != nil {
					t.Fatal(err)
				}
				v := view.New("test", open(t, service.Client()), keys, c.options...)
				defer v.Close()
				if c.seen {
					refresh(t, v)
				}
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if got := refresh(t, v).Peers["a"] != nil; got != c.want {
					t.Errorf("it is remembered: %v; want %v", got, c.want)
				}
				if v.Forget("a"); v.Snapshot().Peers["a"] != nil {
					t.Error("it is not forgotten")
				}
			})
		})
	}
}

// Where the record of a task cannot be used, what its latest grant carries declares it, however the assignments differ: a count that
// is this one now and that one then would restart all workers each time.
func TestSpecOfAssignments(t *testing.T) {
	granted := func(token int64, workers int) *view.Peer {
		spec := &cluster.TaskSpec{Name: "t", WorkName: "w", WorkerNum: workers}
		return &view.Peer{Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Granted: []schema.Granted{{SlotRange: schema.SlotRange{Task: "t", Slots: cluster.Indexes{0}, Token: token}, Spec: spec}}}}}
	}
	s := view.Snapshot{Peers: map[string]*view.Peer{"g1": granted(5, 9), "g2": granted(6, 3), "g3": granted(4, 9)}}
	s.Tasks = map[string]view.Entry[schema.Task]{"t": {Err: schema.ErrCorrupt}}
	for range 30 {
		if got := s.Specs()["t"].WorkerNum; got != 3 {
			t.Fatalf("%d workers, want the 3 of the latest grant", got)
		}
	}
}

// A grant has the spec that it names, also after a hand has edited the chunk. A chunk that was deleted and made again
// is not used.
func TestSpecsEditedByHand(t *testing.T) {
	for _, apart := range []time.Duration{0, time.Second} { // between the deletion and what makes the chunk again
		synctest.Test(t, func(t *testing.T) {
			service := mem.New(mem.Config{})
			s := join(t, service.Client(), "a")
			key := keys.SpecChunk(9)
			write := func(version int64, params ...string) string {
				chunk := &schema.SpecChunk{}
				for i, p := range params {
					spec := cluster.TaskSpec{Name: "t", WorkName: "t", WorkerNum: 1, Params: cluster.Params(`{"x":` + p + `}`)}
					chunk.Specs = append(chunk.Specs, schema.StoredSpec{Name: "t", From: int64(i), Spec: spec})
				}
				return string(schema.Encode(chunk, version))
			}
			if _, err := s.Commit(t.Context(), coord.Create(key, []byte(write(0, "1")))); err != nil {
				t.Fatal(err)
			}
			set(t, s, key, write(1, "1", "2"))
			count := 1
			granted := []schema.Granted{{SlotRange: schema.SlotRange{Task: "t", Slots: cluster.Indexes{0}, Token: 5}, Count: &count, Ref: schema.SpecRef{Chunk: 9, Version: 1}}}
			v := view.New("test", open(t, service.Client()), keys, view.ForLeader())
			defer v.Close()
			a := *refresh(t, v).Peers["a"].Assignment.Rec
			a.Granted = granted
			set(t, s, keys.Assignment("a"), string(schema.Encode(&a, 1)))
			want := func(params string) {
				t.Helper()
				if h := refresh(t, v).Peers["a"].Assignment.Rec.Granted[0]; h.Spec == nil || string(h.Spec.Params) != `{"x":`+params+`}` {
					t.Errorf("spec %+v; want %s", h.Spec, params)
				}
			}
			want("2")
			set(t, s, key, write(2, "1", "3"))
			want("3")
			r, err := s.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Commit(t.Context(), coord.Delete(key, r.Version)); err != nil {
				t.Fatal(err)
			}
			if time.Sleep(apart); apart > 0 {
				want("3")
			}
			if _, err := s.Commit(t.Context(), coord.Create(key, []byte(write(0, "4")))); err != nil {
				t.Fatal(err)
			}
			want("3")
			if e := v.Snapshot().SpecChunks[9]; e.Good() || e.Err == nil {
				t.Errorf("a chunk that was made again is good: %+v", e)
			}
		})
	}
}
