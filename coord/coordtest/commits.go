package coordtest

import (
	"context"
	"errors"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

func testVersions(e *env) {
	s, _ := e.open()
	k := e.key("k")
	if r := e.commit(s, coord.Create(k, []byte("a")))[0]; r.Version != 0 || r.Key != k {
		e.Fatalf("created: %+v", r)
	}
	for v := range int64(3) {
		if r := e.commit(s, coord.Set(k, []byte{'b' + byte(v)}, v))[0]; r.Version != v+1 {
			e.Fatalf("set at %d: %+v", v, r)
		}
	}
	if r := e.get(s, k); string(r.Value) != "d" || r.Version != 3 || r.Session != "" {
		e.Fatalf("got %+v", r)
	}
	e.commit(s, coord.Delete(k, 3))
	e.absent(s, k)
	e.commit(s, coord.Create(k, nil))
	if r := e.get(s, k); len(r.Value) != 0 || r.Version != 0 {
		e.Fatalf("created again: %+v", r)
	}
}

func testAtomic(e *env) {
	s, _ := e.open()
	a, b, none := e.key("a"), e.key("b"), e.key("none")
	e.commit(s, coord.Create(a, []byte("0")), coord.Create(b, []byte("0")))
	e.commit(s, coord.Set(b, []byte("1"), 0))
	cases := []struct {
		name string
		op   coord.Op
		want error
	}{
		{"check of another version", coord.Check(b, 0), coord.ErrVersion},
		{"check of a later version", coord.Check(b, 2), coord.ErrVersion},
		{"check of nothing", coord.Check(none, 0), coord.ErrNotFound},
		{"set at another version", coord.Set(b, []byte("x"), 0), coord.ErrVersion},
		{"set of nothing", coord.Set(none, []byte("x"), 0), coord.ErrNotFound},
		{"delete at another version", coord.Delete(b, 0), coord.ErrVersion},
		{"delete of nothing", coord.Delete(none, 0), coord.ErrNotFound},
		{"create of what exists", coord.Create(b, []byte("x")), coord.ErrExists},
		{"bound create of what exists", coord.CreateBound(b, []byte("x")), coord.ErrExists},
	}
	good := coord.Set(a, []byte("x"), 0)
	for _, c := range cases {
		for at := range 3 {
			ops := slices.Insert([]coord.Op{good, coord.Check(b, 1)}, at, c.op)
			_, err := s.Commit(e.ctx, ops...)
			e.Logf("%s, at %d: %v", c.name, at, err)
			e.wantCheck(err, at, c.want)
		}
	}
	if r := e.get(s, a); string(r.Value) != "0" || r.Version != 0 {
		e.Fatalf("a failed commit wrote: %+v", r)
	}
	e.absent(s, none)
	// Operations see the effects of earlier ones of the same commit.
	e.commit(s, coord.Create(e.key("seen"), nil), coord.Check(e.key("seen"), 0))
	_, err := s.Commit(e.ctx, good, coord.Check(a, 0))
	e.wantCheck(err, 1, coord.ErrVersion)
	_, err = s.Commit(e.ctx, coord.Delete(b, 1), coord.Check(b, 1))
	e.wantCheck(err, 1, coord.ErrNotFound)
	_, err = s.Commit(e.ctx, coord.Check(b, 0), coord.Delete(b, 1), coord.Check(b, 1))
	e.wantCheck(err, 0, coord.ErrVersion)
	results := e.commit(s, coord.Check(b, 1), good, coord.Create(none, nil), coord.Delete(b, 1))
	if results[1].Version != 1 || results[2].Key != none {
		e.Fatalf("results %+v", results)
	}
	e.absent(s, b)
}

func testAbsence(e *env) {
	s, _ := e.open()
	other, _ := e.open()
	k := e.key("lock")
	e.commit(s, coord.CreateBound(k, []byte("s")))
	_, err := other.Commit(e.ctx, coord.CreateBound(k, []byte("other")))
	e.wantCheck(err, 0, coord.ErrExists)
	if r := e.get(other, k); r.Session != s.Info().ID {
		e.Fatalf("bound to %q; want %q", r.Session, s.Info().ID)
	}
	// A key that was deleted and created again passes for the old one: versions do not distinguish the
	// two.
	e.commit(s, coord.Delete(k, 0))
	e.commit(other, coord.CreateBound(k, []byte("other")))
	e.commit(s, coord.Check(k, 0))
}

func testParents(e *env) {
	s, _ := e.open()
	deep, bound := e.key("x/y/z"), e.key("p/q")
	e.commit(s, coord.Create(deep, []byte("1")), coord.CreateBound(bound, nil), coord.CreateSequenced(e.key("r/n_"), nil))
	if r := e.get(s, deep); string(r.Value) != "1" {
		e.Fatalf("got %+v", r)
	}
	_, err := s.Commit(e.ctx, coord.Set(e.key("no/such"), nil, 0))
	e.wantCheck(err, 0, coord.ErrNotFound)
	_, err = s.Commit(e.ctx, coord.Create(e.key("u/v"), nil), coord.Check(e.key("w"), 0))
	e.wantCheck(err, 1, coord.ErrNotFound)
	e.absent(s, e.key("u/v"))
}

func testList(e *env) {
	s, _ := e.open()
	if list, err := s.List(e.ctx, e.key("none")); err != nil || len(list) != 0 {
		e.Fatalf("list of nothing: %v, %v", list, err)
	}
	for _, name := range []string{"b", "a", "a-b", "c"} { // a-b sorts between a and the keys below a
		e.commit(s, coord.Create(e.key("dir/"+name), nil))
	}
	e.commit(s, coord.Create(e.key("dir/a/below"), nil), coord.Create(e.key("dirt"), nil))
	list, err := s.List(e.ctx, e.key("dir"))
	if err != nil {
		e.Fatal(err)
	}
	var names []string
	for _, entry := range list {
		names = append(names, entry.Name)
	}
	if !slices.Equal(names, []string{"a", "a-b", "b", "c"}) {
		e.Fatalf("listed %q", names)
	}
}

func testSequenced(e *env) {
	s, _ := e.open()
	other, _ := e.open()
	prefixes := []string{"zz-n_", "aa-n_", "mm-n_"} // names do not sort in the order of their creation
	var made []string
	for i, prefix := range prefixes {
		from := []coord.Session{s, other}[i%2]
		made = append(made, e.commit(from, coord.CreateSequenced(e.key("q/"+prefix), []byte(prefix)))[0].Key)
	}
	list, err := s.List(e.ctx, e.key("q"))
	if err != nil || len(list) != len(made) {
		e.Fatalf("list: %v, %v", list, err)
	}
	slices.SortFunc(list, func(a, b coord.Entry) int { return int(a.Sequence - b.Sequence) })
	for i, entry := range list {
		if entry.Sequence <= 0 || e.key("q/"+entry.Name) != made[i] {
			e.Fatalf("%d: %+v; made %q", i, entry, made)
		}
	}
	r := e.get(s, made[1])
	if string(r.Value) != prefixes[1] || r.Version != 0 || r.Session != other.Info().ID {
		e.Fatalf("sequenced key: %+v", r)
	}
}

func testUnknown(e *env) {
	s, client := e.open()
	observer, _ := e.open()
	k := e.key("k")
	e.commit(s, coord.Create(k, []byte("0")))
	client.LoseReplies()
	ctx, cancel := context.WithTimeout(e.ctx, 500*time.Millisecond)
	defer cancel()
	_, err := s.Commit(ctx, coord.Set(k, []byte("1"), 0))
	e.wantErr(err, coord.ErrUnknown)
	if _, checked := coord.FailedCheck(err); checked {
		e.Fatalf("an unknown outcome is not a failed check: %v", err)
	}
	e.await("the commit that was not answered shows", func() bool {
		r, err := observer.Get(e.ctx, k)
		return err == nil && string(r.Value) == "1" && r.Version == 1
	})
	client.Heal()
	// The same write again is refused: versions make a retry harmless.
	e.await("the link is back", func() bool {
		_, err := s.Commit(e.ctx, coord.Set(k, []byte("1"), 0))
		return errors.Is(err, coord.ErrVersion)
	})
}

func testUnknownCut(e *env) {
	s, client := e.open()
	k := e.key("k")
	e.commit(s, coord.Create(k, []byte("0")))
	client.Cut()
	ctx, cancel := context.WithTimeout(e.ctx, 200*time.Millisecond)
	defer cancel()
	_, err := s.Commit(ctx, coord.Set(k, []byte("1"), 0))
	e.wantErr(err, coord.ErrUnknown)
	e.wantErr(err, context.DeadlineExceeded)
	client.Heal()
}

func testReadsWait(e *env) {
	s, client := e.open()
	k := e.key("k")
	e.commit(s, coord.Create(k, []byte("0")))
	client.Cut()
	type answer struct {
		r   coord.Record
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		r, err := s.Get(e.ctx, k)
		answers <- answer{r, err}
	}()
	time.Sleep(100 * time.Millisecond) // the request is under way; the test asserts nothing about it
	client.Heal()
	select {
	case a := <-answers:
		if a.err != nil || string(a.r.Value) != "0" {
			e.Fatalf("got %+v", a)
		}
	case <-time.After(limit):
		e.Fatal("the read did not come back")
	}
	client.Cut()
	ctx, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
	defer cancel()
	_, err := s.List(ctx, e.root)
	e.wantErr(err, context.DeadlineExceeded)
	client.Heal()
}

func testLimits(e *env) {
	s, _ := e.open()
	k := e.key("k")
	_, err := s.Commit(e.ctx, coord.Create(k, make([]byte, coord.MaxValue+1)))
	e.wantErr(err, coord.ErrTooLarge)
	var ops []coord.Op
	for _, more := range []string{"1", "2", "3"} {
		ops = append(ops, coord.Create(k+more, make([]byte, coord.MaxValue-1)))
	}
	_, err = s.Commit(e.ctx, ops...)
	e.wantErr(err, coord.ErrTooLarge)
	_, err = s.Commit(e.ctx, slices.Repeat([]coord.Op{coord.Check(k, 0)}, coord.MaxOps+1)...)
	e.wantErr(err, coord.ErrTooLarge)
	e.absent(s, k)
	e.commit(s, coord.Create(k, make([]byte, coord.MaxValue)))
	if r := e.get(s, k); len(r.Value) != coord.MaxValue {
		e.Fatalf("got %d bytes", len(r.Value))
	}
}

func testInvalid(e *env) {
	s, _ := e.open()
	k := e.key("k")
	for _, op := range []coord.Op{
		coord.Set(k, nil, -1), coord.Delete(k, -1), coord.Check(k, -1),
		coord.Create("k", nil), coord.Create("", nil), coord.Create(k+"/", nil), {Key: k},
	} {
		_, err := s.Commit(e.ctx, op)
		e.wantErr(err, coord.ErrInvalid)
	}
	for _, ops := range [][]coord.Op{
		nil,
		{coord.Create(k, nil), coord.Set(k, nil, 0)},
		{coord.Create(k, nil), coord.Check(k, 0), coord.Delete(k, 0)},
		{coord.CreateSequenced(k+"_", nil), coord.CreateSequenced(k+"_", nil)},
	} {
		_, err := s.Commit(e.ctx, ops...)
		e.wantErr(err, coord.ErrInvalid)
	}
	e.wantErr(s.Renew(e.ctx, coord.Create(k, nil)), coord.ErrInvalid)
	e.absent(s, k)
}

// A service refuses a key that it does not accept. The refusal is an outcome, and not a failed check.
func testLetters(e *env) {
	s, _ := e.open()
	for _, name := range []string{"任务", "\U00020bb7野家", "\uf8ff", "\ufff0", "a\u0085b"} {
		k, other := e.key(name), e.key("other")
		e.commit(s, coord.Create(other, nil))
		_, err := s.Commit(e.ctx, coord.Create(k, []byte("x")), coord.Delete(other, 0))
		switch _, checked := coord.FailedCheck(err); {
		case err == nil:
			if r := e.get(s, k); string(r.Value) != "x" {
				e.Errorf("%q was written, and is %q", name, r.Value)
			}
			continue
		case checked, !errors.Is(err, coord.ErrRefused), errors.Is(err, coord.ErrUnknown):
			e.Errorf("%q: %v; want %v", name, err, coord.ErrRefused)
		case name == "任务":
			e.Errorf("%q is refused: %v", name, err)
		default:
			e.Logf("%q: %v", name, err)
		}
		e.commit(s, coord.Delete(other, 0)) // the refused commit has not deleted it
	}
}

func testContext(e *env) {
	s, _ := e.open()
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := s.Get(ctx, e.key("k"))
	e.wantErr(err, context.Canceled)
	_, err = s.Commit(ctx, coord.Create(e.key("k"), nil))
	e.wantErr(err, context.Canceled)
	client := e.service(e.T)
	client.Cut()
	defer client.Heal()
	short, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
	defer cancel()
	_, err = client.Open(short)
	e.wantErr(err, context.DeadlineExceeded)
}
