package coordtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

func testBound(e *env) {
	s, client := e.open()
	observer, _ := e.open()
	bound, kept := e.key("bound"), e.key("kept")
	e.commit(s, coord.CreateBound(bound, nil), coord.Create(kept, nil))
	if r := e.get(observer, bound); r.Session == "" || r.Session != s.Info().ID {
		e.Fatalf("bound to %q; want %q", r.Session, s.Info().ID)
	}
	client.Cut()
	e.gone(observer, bound)
	e.get(observer, kept)
}

func testReconnect(e *env) {
	s, client := e.open()
	bound := e.key("bound")
	e.commit(s, coord.CreateBound(bound, []byte("0")))
	id := s.Info().ID
	for range 3 {
		client.LoseReplies() // healing cuts the connection where there is one
		time.Sleep(20 * time.Millisecond)
		client.Heal()
		r := e.get(s, bound)
		if r.Session != id || s.Info().ID != id {
			e.Fatalf("bound to %q, session is %q; both were %q", r.Session, s.Info().ID, id)
		}
		e.await("a commit is answered again", func() bool {
			ctx, cancel := context.WithTimeout(e.ctx, limit)
			defer cancel()
			r, err := s.Get(ctx, bound)
			if err != nil {
				return false
			}
			_, err = s.Commit(ctx, coord.Set(bound, r.Value, r.Version))
			return err == nil
		})
	}
	select {
	case <-s.Done():
		e.Fatal("the session ended")
	default:
	}
	// The session can distinguish its own keys from those of another session.
	_, err := s.Commit(e.ctx, coord.CreateBound(bound, nil))
	e.wantCheck(err, 0, coord.ErrExists)
	if r := e.get(s, bound); r.Session != id {
		e.Fatalf("bound to %q; want %q", r.Session, id)
	}
}

func testExpired(e *env) {
	s, client := e.open()
	observer, _ := e.open()
	bound, k := e.key("bound"), e.key("k")
	e.commit(s, coord.CreateBound(bound, nil), coord.Create(k, []byte("0")))
	client.Cut()
	// Requests of the old session that are still queued when it ends must not be sent by its
	// successor.
	var writers sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		writers.Go(func() {
			_, err := s.Commit(e.ctx, coord.Set(k, []byte("late"), 0))
			results <- err
		})
	}
	e.gone(observer, bound)
	client.Heal()
	select {
	case <-s.Done():
	case <-time.After(limit):
		e.Fatal("Done is not closed")
	}
	writers.Wait()
	close(results)
	for err := range results {
		if err == nil {
			// It may have been sent, and committed, before the link went silent; not after.
			e.Fatal("a commit of an ended session succeeded")
		}
	}
	if r := e.get(observer, k); string(r.Value) != "0" {
		e.Fatalf("an ended session wrote %q", r.Value)
	}
	_, err := s.Get(e.ctx, k)
	e.wantErr(err, coord.ErrSessionEnded)
	_, err = s.Commit(e.ctx, coord.Set(k, []byte("later"), 0))
	e.wantErr(err, coord.ErrSessionEnded)
	e.wantErr(s.Renew(e.ctx, coord.Set(bound, nil, 0)), coord.ErrSessionEnded)
	next, err := client.Open(e.ctx)
	if err != nil {
		e.Fatal(err)
	}
	defer func() { _ = next.Close() }()
	if next.Info().ID == s.Info().ID {
		e.Fatal("the new session has the ID of the old one")
	}
	e.commit(next, coord.CreateBound(bound, nil))
}

func testClose(e *env) {
	client := e.service(e.T)
	s, err := client.Open(e.ctx)
	if err != nil {
		e.Fatal(err)
	}
	observer, _ := e.open()
	bound := e.key("bound")
	e.commit(s, coord.CreateBound(bound, nil))
	if err := s.Close(); err != nil {
		e.Fatal(err)
	}
	select {
	case <-s.Done():
	default:
		e.Fatal("Done is not closed after Close")
	}
	e.absent(observer, bound)
	_, err = s.Get(e.ctx, bound)
	e.wantErr(err, coord.ErrSessionEnded)
	if err := s.Close(); err != nil {
		e.Fatalf("second close: %v", err)
	}
}

// testLease lets a session renew for a while, cuts it off, and compares the end of its lease with
// the moment when the service deleted its key. Both are read from one clock.
func testLease(e *env) {
	s, client := e.open()
	observer, _ := e.open()
	hb := e.key("heartbeat")
	e.commit(s, coord.CreateBound(hb, nil))
	first := s.Info()
	version := int64(0)
	renewUntil := s.Now() + first.Timeout
	for s.Now() < renewUntil {
		if err := s.Renew(e.ctx, coord.Set(hb, nil, version)); err != nil {
			e.Fatalf("renew: %v", err)
		}
		version++
		info := s.Info()
		if info.Base > s.Now() {
			e.Fatalf("base %v lies in the future of %v", info.Base, s.Now())
		}
		time.Sleep(info.Spacing + 10*time.Millisecond)
	}
	client.Cut()
	info := s.Info()
	if info.Base <= first.Base {
		e.Fatalf("renewals moved nothing: base %v, at first %v", info.Base, first.Base)
	}
	end := info.Base + info.Timeout
	gone := e.gone(observer, hb)
	e.Logf("timeout %v, spacing %v: the service let go %v after the lease's end", info.Timeout, info.Spacing, gone-end)
	if gone < end {
		e.Fatalf("the service let go at %v, the lease lasted until %v", gone, end)
	}
	// No renewal that comes too late may move the base.
	client.Heal()
	e.await("the client has noticed the end of the session", func() bool {
		select {
		case <-s.Done():
			return true
		default:
			return false
		}
	})
	if err := s.Renew(e.ctx, coord.Set(hb, nil, version)); !errors.Is(err, coord.ErrSessionEnded) {
		e.Fatalf("renew of an ended session: %v", err)
	}
	if s.Info().Base != info.Base {
		e.Fatal("the base moved after the end")
	}
}

func testLeaseNew(e *env) {
	observer, _ := e.open()
	before := observer.Now()
	s, client := e.open()
	bound := e.key("bound")
	e.commit(s, coord.CreateBound(bound, nil))
	client.Cut()
	info := s.Info()
	if info.Base < before || info.Base > s.Now() {
		e.Fatalf("base %v; opened between %v and %v", info.Base, before, s.Now())
	}
	if gone := e.gone(observer, bound); gone < info.Base+info.Timeout {
		e.Fatalf("the service let go at %v, the first lease lasted until %v", gone, info.Base+info.Timeout)
	}
}

// testLastWrite asks for the last write of keys that have vanished. Where the service ends sessions early, it must show it: the
// time is not before the write was sent, and not after the first renewal that was answered since.
func testLastWrite(e *env) {
	observer, _ := e.open()
	own := e.key("own")
	e.commit(observer, coord.CreateBound(own, nil))
	renewed := int64(0)
	renew := func(s coord.Session, key string, version int64) (sent time.Duration) {
		e.Helper()
		sent = s.Now()
		if err := s.Renew(e.ctx, coord.Set(key, nil, version)); err != nil {
			e.Fatalf("renew: %v", err)
		}
		return sent
	}
	// vanish makes a session that writes a key three times, and ends.
	vanish := func(key string, meanwhile func()) (sent time.Duration) {
		e.Helper()
		s, err := e.service(e.T).Open(e.ctx)
		if err != nil {
			e.Fatal(err)
		}
		e.commit(s, coord.CreateBound(key, nil))
		for version := range int64(3) {
			renew(observer, own, renewed)
			renewed++
			time.Sleep(5 * time.Millisecond)
			sent = renew(s, key, version)
		}
		meanwhile()
		if _, err := coord.LastWrite(e.ctx, observer, key); !errors.Is(err, coord.ErrNoHistory) {
			e.Errorf("the last write of a key that exists: %v", err)
		}
		if err := s.Close(); err != nil {
			e.Fatal(err)
		}
		return sent
	}
	nothing := func() {}
	answered := time.Duration(0)
	renews := func() {
		renew(observer, own, renewed)
		renewed++
		answered = observer.Now()
		time.Sleep(20 * time.Millisecond)
	}
	for name, meanwhile := range map[string]func(){"renewed": renews, "silent": nothing} {
		key := e.key(name)
		sent := vanish(key, meanwhile)
		by, err := coord.LastWrite(e.ctx, observer, key)
		if errors.Is(err, coord.ErrNoHistory) && observer.Info().TakeoverDelay != coord.OwnTimeout {
			e.Log("the service keeps no history, and needs none")
			return
		}
		last := observer.Now()
		if name == "renewed" {
			last = answered
		}
		if err != nil || by < sent || by > last {
			e.Errorf("%s: the last write, sent at %v, was committed by %v (%v); want %v at the latest", name, sent, by, err, last)
		}
	}
	if _, err := coord.LastWrite(e.ctx, observer, e.key("none")); !errors.Is(err, coord.ErrNoHistory) {
		e.Errorf("the last write of a key that never existed: %v", err)
	}
}

func testWatch(e *env) {
	s, _ := e.open()
	other, _ := e.open()
	k, dir := e.key("dir/k"), e.key("dir")
	data, children := e.watch(s, k), e.watch(s, dir)
	list := func(want int) {
		e.Helper()
		entries, err := s.List(e.ctx, dir)
		if err != nil || len(entries) != want {
			e.Fatalf("list: %v, %v; want %d", entries, err, want)
		}
	}
	e.absent(s, k)
	list(0)
	e.commit(other, coord.Create(k, []byte("0")))
	e.received(data, "created")
	e.received(children, "child created")
	e.get(s, k)
	list(1)
	e.commit(other, coord.Set(k, []byte("1"), 0))
	e.received(data, "set")
	if r := e.get(s, k); string(r.Value) != "1" {
		e.Fatalf("read %q after the hint", r.Value)
	}
	e.commit(other, coord.Delete(k, 1))
	e.received(data, "deleted")
	e.received(children, "child deleted")
	e.absent(s, k)
	list(0)
	e.commit(other, coord.Create(k, nil))
	e.received(data, "created again")
	e.received(children, "child created again")
}

func testWatchCut(e *env) {
	s, client := e.open()
	other, _ := e.open()
	set, made := e.key("set"), e.key("made")
	e.commit(other, coord.Create(set, nil))
	onSet, onMade := e.watch(s, set), e.watch(s, made)
	e.get(s, set)
	e.absent(s, made)
	client.LoseReplies()
	e.commit(other, coord.Set(set, []byte("1"), 0), coord.Create(made, nil))
	client.Heal()
	e.received(onSet, "set while cut off")
	e.received(onMade, "created while cut off")
	if r := e.get(s, set); string(r.Value) != "1" {
		e.Fatalf("read %q after the hint", r.Value)
	}
}

func testWatchArmedByReading(e *env) {
	s, _ := e.open()
	k := e.key("k")
	e.commit(s, coord.Create(k, nil))
	hints := e.watch(s, k)
	e.get(s, k)
	e.get(s, k)
	var both sync.WaitGroup
	for range 4 { // reads that overlap must leave the watch armed, too
		both.Go(func() { _, _ = s.Get(e.ctx, k) })
	}
	both.Wait()
	for v := range int64(20) {
		e.commit(s, coord.Set(k, nil, v))
		e.received(hints, "set after a read")
		if r := e.get(s, k); r.Version != v+1 {
			e.Fatalf("read version %d after the hint of %d", r.Version, v+1)
		}
	}
}
