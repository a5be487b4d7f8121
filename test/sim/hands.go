package sim

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/test/hand"
)

// hands are an operator's: they ask for operations, and write records that only nodes should write. Their requests go well.
type hands struct {
	t        *testing.T
	keys     schema.Keys
	dice     dice
	service  *mem.Service
	operator *mem.Client
	byHand   int // the operator's client
}

// do lets an operator want something.
func (h *hands) do(op cluster.Operation) {
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	s, err := h.operator.Open(ctx)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	v := view.New(clusterName, s, h.keys)
	defer v.Close()
	if _, err := v.Refresh(ctx); err == nil {
		_, _ = operation.Operator{Session: s, Keys: h.keys, By: "nemesis"}.Do(ctx, v.Snapshot(), op)
	}
}

// edit changes a record by hand, as an operator does: a checked commit over a link of its own. It reports whether that is
// done, or there is nothing to change.
func (h *hands) edit(key string, change func(coord.Record) (coord.Op, bool)) (done bool) {
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	s, err := h.operator.Open(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = s.Close() }()
	for range 10 {
		r, err := s.Get(ctx, key)
		if err != nil {
			return errors.Is(err, coord.ErrNotFound)
		}
		op, ok := change(r)
		if !ok {
			return true
		}
		_, err = s.Commit(ctx, op)
		if err == nil {
			return true
		}
	}
	return false
}

// write commits one operation by hand.
func (h *hands) write(op func(context.Context, coord.Session) coord.Op) {
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	s, err := h.operator.Open(ctx)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	for range 10 {
		if _, err := s.Commit(ctx, op(ctx, s)); err == nil {
			return
		}
	}
}

// candidate returns a member's candidate key, "" if there is none.
func (h *hands) candidate(member string) string {
	for key := range h.service.Records() {
		if memberID, ok := schema.Candidate(schema.Base(key)); ok && memberID == member && schema.Dir(key) == h.keys.Elections() {
			return key
		}
	}
	return ""
}

// rewrite writes a record as it is.
func (h *hands) rewrite(key string) {
	h.edit(key, func(r coord.Record) (coord.Op, bool) { return coord.Set(key, r.Value, r.Version), true })
}

// takeDecision writes a decision that is the next one, or one of those that are there.
func (h *hands) takeDecision(n int64) {
	var epoch schema.Epoch
	r := h.service.Records()[h.keys.Epoch()]
	if schema.Decode(h.keys.Epoch(), r, &epoch) != nil {
		return
	}
	if h.dice.chance(0.5, "there", n) {
		h.rewrite(h.keys.Decision(max(0, epoch.NextDecision-1-int64(h.dice.pick(3, "which", n)))))
		return
	}
	key := h.keys.Decision(epoch.NextDecision + int64(h.dice.pick(3, "which", n)))
	h.write(func(context.Context, coord.Session) coord.Op { return coord.Create(key, []byte("{}")) })
}

// putEpochBack puts the epoch's next decision back by a few.
func (h *hands) putEpochBack(by int64) {
	key := h.keys.Epoch()
	h.edit(key, func(r coord.Record) (coord.Op, bool) {
		rec := new(schema.Epoch)
		if schema.Decode(key, r, rec) != nil {
			return coord.Op{}, false
		}
		rec.NextDecision = max(0, rec.NextDecision-by)
		return coord.Set(key, schema.Encode(rec, r.Version+1), r.Version), true
	})
}

// raise sets the protocol that the cluster speaks.
func (h *hands) raise(protocol int) {
	key := h.keys.Meta()
	h.edit(key, func(r coord.Record) (coord.Op, bool) {
		rec := new(schema.Meta)
		if err := schema.Decode(key, r, rec); err != nil || rec.Protocol == protocol {
			return coord.Op{}, false
		}
		rec.Protocol = protocol
		return coord.Set(key, schema.Encode(rec, r.Version+1), r.Version), true
	})
}

// scribble writes a record of any kind by hand: what it holds already, something that is none, or, of those that are
// counted, the next one. What nobody but a person can mend is mended after a while.
func (m *machine) scribble(n int64) {
	v := m.reported()
	if v == nil {
		return
	}
	kinds := []func(){
		func() { m.rewrite(m.candidate(v.Member)) },
		func() { m.rewrite(m.candidate(m.store.Leader())) },
		func() { m.rewrite(m.keys.Heartbeat(v.Member)) },
		func() { m.takeDecision(n) },
		func() { m.putEpochBack(1 + int64(m.dice.pick(5, "decisions", n))) },
		func() { m.spoil(m.keys.Status(v.Member), n) },
		func() { m.spoil(m.keys.Member(v.Member), n) },
		func() { m.spoil(m.keys.Name(v.Node), n) },
		func() { m.spoil(m.keys.Mark(m.name), n) },
		func() { m.spoil(m.keys.Requests(), n) },
		func() { m.spoil(m.keys.Suspects(), n) },
		func() { m.spoil(m.keys.Settings(), n) },
		func() { m.spoil(m.keys.Meta(), n) },
		func() { m.spoil(m.keys.Task(m.declared[m.dice.pick(len(m.declared), "task", n)].Name), n) },
		func() { m.spoil(m.keys.TaskRunsOf("c"), n) },
		func() { m.spoil(m.specChunk(n), n) },
	}
	if m.o.Mode == Safety {
		// As with keys that are deleted by hand: if its node is dead, too, its slots wait beyond D.
		kinds = append(kinds, func() {
			if m.led() && m.only("assignment", v.Member) {
				m.touched(v.Member)
				m.spoil(m.keys.Assignment(v.Member), n)
			}
		})
	}
	kinds[m.dice.pick(len(kinds), "kind", n)]()
}

// specChunk returns the key of one of the chunks of specs.
func (m *machine) specChunk(n int64) string {
	chunks := []string{m.keys.SpecChunk(1)}
	for key := range m.service.Records() {
		if schema.Dir(key) == schema.Dir(m.keys.SpecChunk(0)) {
			chunks = append(chunks, key)
		}
	}
	slices.Sort(chunks)
	return chunks[m.dice.pick(len(chunks), "chunk", n)]
}

// spoil makes a record unusable; after a while it is put back, unless it was repaired by then. A record that is unusable already
// is put back by the hand that spoilt it: only that one knows what it was.
func (w *world) spoil(key string, n int64) {
	var before *coord.Record
	tried, spoilt := false, false
	w.write(func(ctx context.Context, s coord.Session) coord.Op {
		r, err := s.Get(ctx, key)
		if errors.Is(err, coord.ErrNotFound) {
			before, tried = nil, true
			return coord.Create(key, []byte(hand.Spoilt))
		}
		switch {
		case string(r.Value) != hand.Spoilt:
			before, tried = &r, true
		case !tried:
			spoilt = true
		} // else it was written, and the answer was lost
		return coord.Set(key, []byte(hand.Spoilt), r.Version)
	})
	if spoilt {
		return
	}
	w.spoilers.Store(key, n)
	most := 20 * time.Second
	if w.o.Mode == Safety && key == w.keys.TaskRunsOf("c") {
		most = 2 * time.Minute // for as long as members die whose runs' ends await it
	}
	w.doing.Go(func() {
		w.nap(w.dice.upTo(most, "spoilt", n))
		putBack := func(r coord.Record) (coord.Op, bool) {
			switch {
			case string(r.Value) != hand.Spoilt:
				return coord.Op{}, false
			case w.spoiler(key) != n: // it was repaired, and another hand has spoilt it again
				return coord.Op{}, false
			case before == nil:
				return coord.Delete(key, r.Version), true
			}
			return coord.Set(key, hand.AtVersion(before.Value, r.Version+1), r.Version), true
		}
		for range 60 { // the service may be away for a while
			if w.edit(key, putBack) {
				return
			}
			time.Sleep(time.Second)
		}
	})
}

// spoiler returns the hand that last spoilt a record that was usable.
func (w *world) spoiler(key string) int64 {
	n, _ := w.spoilers.Load(key)
	return n.(int64)
}

// deafen lets the leader hear nothing, for longer than its session would last if it were not heard either.
func (w *world) deafen(span time.Duration) {
	if m := w.leader(); m != nil {
		m.cut(span, 2)
	}
}

// leader returns the machine whose process leads, nil if none does.
func (w *world) leader() *machine {
	leader := w.store.Leader()
	for _, m := range w.machines {
		if v := m.reported(); v != nil && v.Member == leader {
			return m
		}
	}
	return nil
}

// faulty is how the planner of a process goes wrong. The zero value does not.
type faulty struct {
	mu   sync.Mutex
	how  string
	back chan struct{} // closed when those that hang may go on; nil: none may hang
}

func (f *faulty) set(how string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.back != nil {
		close(f.back)
		f.back = nil
	}
	f.how = how
	if how == "hang" {
		f.back = make(chan struct{})
	}
}

func (f *faulty) plan(in planner.Input) planner.Plan {
	f.mu.Lock()
	how, back := f.how, f.back
	f.mu.Unlock()
	switch how {
	case "hang":
		<-back
	case "panic":
		panic("the planner is at fault")
	case "nonsense":
		return planner.Plan{} // what comes after it panics
	}
	return planner.Make(in)
}

// decide decides as a leader does, with the sums that it keeps, and as one does that looks at everything. Both must agree.
func (p *process) decide(w round.World) round.Decision {
	p.faulty.mu.Lock()
	sound := p.faulty.how == ""
	p.faulty.mu.Unlock()
	got := reconcile.Decide(w)
	w.Ledger, w.Space, w.Planner = nil, nil, nil
	if sound && got.PlanFault == nil {
		if want := reconcile.Decide(w); !reflect.DeepEqual(got, want) {
			p.machine.t.Errorf("%s decided by its sums:\n%+v\nwithout them:\n%+v", p.name, got, want)
		}
	}
	return got
}

// mislead lets the decisions of a process go wrong for a while.
func (m *machine) mislead(how string, span time.Duration) {
	p := m.present()
	if p == nil {
		return
	}
	p.faulty.set(how)
	m.doing.Go(func() {
		m.nap(span)
		p.faulty.set("")
	})
}
