package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// publish puts what a decision writes into the snapshot.
func (b *board) publish(d round.Decision) {
	b.snap.SpecChunks = maps.Clone(b.snap.SpecChunks)
	for number, chunk := range d.SpecChunks {
		size := len(schema.Encode(chunk, chunk.Version))
		b.snap.SpecChunks[number] = view.Entry[schema.SpecChunk]{Rec: chunk, RecAt: chunk.Version, Version: chunk.Version, Size: size}
		b.snap.StoredSpecs = b.snap.StoredSpecs.With(number, chunk)
	}
	for _, number := range d.DropSpecs {
		delete(b.snap.SpecChunks, number)
		b.snap.StoredSpecs = b.snap.StoredSpecs.With(number, nil)
	}
	for memberID, assignment := range d.Assignments {
		p := *b.snap.Peers[memberID]
		p.Assignment = view.Entry[schema.Assignment]{Rec: assignment, RecAt: p.Assignment.Version + 1, Version: p.Assignment.Version + 1}
		p.Status.Rec = &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(assignment.Granted)}
		b.snap.Peers[memberID] = &p
	}
	epoch := *b.snap.Epoch.Rec
	epoch.NextToken = d.Token
	b.snap.Epoch.Rec = &epoch
}

// namedSpec is a task and the reference by which a grant has named the task's spec.
type namedSpec struct {
	task string
	ref  schema.SpecRef
}

// storeAll decides until nothing is written, and returns the decisions. Every grant names a spec that is stored, and its own. What
// former grants named is that spec or is not found, since a node may still read it.
func (b *board) storeAll(t *testing.T) (all []round.Decision) {
	t.Helper()
	for range 100 {
		d := b.decide()
		b.publish(d)
		for memberID, p := range b.snap.Peers {
			for _, h := range p.Assignment.Rec.Granted {
				if s := b.snap.StoredSpecs.Find(h.Task, h.Ref); s == nil || s.Spec != *h.Spec {
					t.Fatalf("%s: %s names %s, which is %+v; want %+v", memberID, h.Task, h.Ref, s, h.Spec)
				}
				if b.named == nil {
					b.named = map[namedSpec]cluster.TaskSpec{}
				}
				b.named[namedSpec{h.Task, h.Ref}] = *h.Spec
			}
		}
		for named, spec := range b.named {
			if s := b.snap.StoredSpecs.Find(named.task, named.ref); s != nil && s.Spec != spec {
				t.Fatalf("%s of %s was %+v, and is %+v\n%s", named.ref, named.task, spec, s.Spec, b.chunks())
			}
		}
		if !d.Writes() {
			return all
		}
		all = append(all, d)
	}
	t.Fatal("it does not come to rest")
	return nil
}

func (b *board) change(s cluster.TaskSpec) {
	b.snap.Tasks = maps.Clone(b.snap.Tasks)
	b.snap.Tasks[s.Name] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: s}, Version: b.snap.Tasks[s.Name].Version + 1}
}

// chunks draws the chunks: the names of their specs.
func (b *board) chunks() string {
	var text strings.Builder
	for _, number := range slices.Sorted(maps.Keys(b.snap.SpecChunks)) {
		e := b.snap.SpecChunks[number]
		fmt.Fprintf(&text, "%d@%d:", number, e.Version)
		for _, s := range e.Rec.Specs {
			fmt.Fprintf(&text, " %s/%s from %d", s.Name, s.Spec.Params, s.From)
		}
		text.WriteString("\n")
	}
	return text.String()
}

func wantChunks(t *testing.T, b *board, want string) {
	t.Helper()
	if got := b.chunks(); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("chunks:\n%swant:\n%s", got, want)
	}
}

// specBoard is a cluster of one node and two tasks, in which nothing is stored or granted yet.
func specBoard() *board {
	a, other := spec("a", 1), spec("b", 1)
	b := newBoard(a, other)
	b.snap.SpecChunks = map[int64]view.Entry[schema.SpecChunk]{}
	b.live("L", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	return b
}

// The first grants store their specs, in the same commit. A changed spec is stored beside the former
// one, which stays while an assignment names it.
func TestSpecsAreStored(t *testing.T) {
	b := specBoard()
	if all := b.storeAll(t); len(all) != 1 {
		t.Errorf("%d commits", len(all))
	}
	wantChunks(t, b, `
100@0: a/ from 0 b/ from 0
`)
	changed := spec("a", 1)
	changed.Params = `{"x":1}`
	b.change(changed)
	if all := b.storeAll(t); len(all) != 1 || len(all[0].SpecChunks) != 1 || len(all[0].Assignments) != 1 {
		t.Errorf("a change of a spec takes %d commits", len(all))
	}
	wantChunks(t, b, `
100@1: a/ from 0 b/ from 0 a/{"x":1} from 1
`)
	changed.Params = `{"x":2}`
	b.change(changed)
	b.storeAll(t)
	wantChunks(t, b, `
100@2: b/ from 0 a/{"x":1} from 1 a/{"x":2} from 2
`)
	b.change(spec("a", 1)) // as it was at first
	b.storeAll(t)
	wantChunks(t, b, `
100@3: b/ from 0 a/{"x":2} from 2 a/ from 3
`)
	if refs := b.snap.Peers["L"].Assignment.Rec.Granted; refs[0].Ref != refs[1].Ref {
		t.Errorf("%v: the specs of one node have several names", refs)
	}
}

// Slots that move name specs that are stored already: nothing is written but assignments.
func TestMovesStoreNothing(t *testing.T) {
	b := specBoard()
	b.change(spec("a", 4))
	b.storeAll(t)
	b.live("n2", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	moved := false
	for _, d := range b.storeAll(t) {
		moved = moved || len(d.Steps) > 0
		if len(d.SpecChunks) > 0 {
			t.Errorf("specs are written: %v", d.SpecChunks)
		}
	}
	if !moved {
		t.Error("nothing has moved")
	}
}

// A chunk that cannot be read is written again with what it had. If its versions may have begun again at 0, it is deleted. What a
// deleted one had is stored in another one, and the grants name that.
func TestSpecChunksThatHandsHaveSpoilt(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int64
		known   bool // the leader has read it before
		want    string
	}{
		{"spoilt", 17, true, "100@18: a/ from 0 b/ from 0 a/ from 18 b/ from 18\n"},
		{"spoilt before this leader came", 17, false, "102@0: a/ from 0 b/ from 0\n"},
		{"made again", 3, true, "102@0: a/ from 0 b/ from 0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := specBoard()
			b.storeAll(t)
			e := b.snap.SpecChunks[100]
			e.RecAt, e.Version, e.Err = 7, c.version, errByHand
			if !c.known {
				e.Rec, e.RecAt = nil, 0
				b.snap.StoredSpecs = specs.Table{}
				for _, p := range b.snap.Peers {
					for i := range p.Assignment.Rec.Granted {
						p.Assignment.Rec.Granted[i].Spec = nil
					}
				}
			}
			b.snap.SpecChunks = map[int64]view.Entry[schema.SpecChunk]{100: e}
			b.storeAll(t)
			wantChunks(t, b, c.want)
			b.snap.SpecChunks, b.snap.StoredSpecs = map[int64]view.Entry[schema.SpecChunk]{}, specs.Table{}
			b.storeAll(t)
			if len(b.snap.SpecChunks) != 1 || b.snap.SpecChunks[100].Rec != nil {
				t.Errorf("a chunk that was deleted is made again: %s", b.chunks())
			}
		})
	}
}

// Many large specs are stored one commit after the other, each in a chunk within its bound, and no slot is granted before its spec
// is stored.
func TestSpecChunksAreBounded(t *testing.T) {
	b := specBoard()
	const tasks = 60
	for i := range tasks {
		s := spec(fmt.Sprintf("t%02d", i), 1)
		s.WorkName = "a"
		s.Params = cluster.Params(`{"x":"` + strings.Repeat("x", 500*(1+i%20)) + `"}`)
		if i == 7 {
			s.Params = cluster.Params(`{"x":"` + strings.Repeat("x", cluster.MaxParams-10) + `"}`)
		}
		b.change(s)
	}
	all := b.storeAll(t)
	if len(all) < 3 {
		t.Errorf("%d commits", len(all))
	}
	for _, d := range all {
		bytes := 0
		for _, chunk := range d.SpecChunks {
			schematest.WantFit(t, "the chunk", chunk)
			bytes += schema.Size(chunk)
		}
		if bytes > 2*schema.MaxSpecChunk {
			t.Errorf("one commit has %d bytes of specs", bytes)
		}
	}
	if n := schema.Count(b.snap.Peers["L"].Assignment.Rec.Granted); n != tasks+2 {
		t.Errorf("%d slots are granted", n)
	}
}

// The specs of tasks that are gone, and of paused ones that nothing names, go when their chunk is written again.
func TestSpecsOfRemovedTasksGo(t *testing.T) {
	b := specBoard()
	b.storeAll(t)
	delete(b.snap.Tasks, "b")
	b.storeAll(t)
	changed := spec("a", 1)
	changed.Params = `{"x":1}`
	b.change(changed)
	b.storeAll(t)
	wantChunks(t, b, `
100@1: a/ from 0 a/{"x":1} from 1
`)
}

// lose makes a member seem lost: its assignment stays as it is until its session is over for certain.
func (b *board) lose(memberID string) {
	p := *b.snap.Peers[memberID]
	p.Member.Absent, p.Status.Absent, p.LostAt = true, true, b.now
	p.Assignment.Read, p.Member.Read, p.Status.Read = b.now, b.now, b.now
	b.snap.Peers[memberID] = &p
}

func withParam(s cluster.TaskSpec, x int) cluster.TaskSpec {
	s.Params = cluster.Params(fmt.Sprintf(`{"x":%d}`, x))
	return s
}

// The assignment of a lost member names an early spec. The specs between that and the last one stay, too, or a node that reads its
// former assignment and then the chunk would find the early spec in their place.
func TestNoReferenceEverFindsAnotherSpec(t *testing.T) {
	b := specBoard()
	b.live("X", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	b.change(spec("a", 2))
	b.storeAll(t)
	if len(b.snap.Peers["X"].Assignment.Rec.Granted) == 0 {
		t.Fatal("X has nothing")
	}
	b.lose("X")
	for x := range 4 {
		b.change(withParam(spec("a", 2), x))
		b.storeAll(t)
		b.change(withParam(spec("b", 1), x))
		b.storeAll(t)
	}
}

// A task that is declared again as it was is not taken for stored while a chunk has another spec of it in force.
func TestTheFormerSpecIsNotInForce(t *testing.T) {
	b := specBoard()
	b.live("X", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	large := cluster.Params(`{"x":"` + strings.Repeat("x", 10_000) + `"}`)
	z := spec("z", 2)
	z.WorkName, z.Params = "a", large
	b.change(z)
	b.storeAll(t)
	b.lose("X")
	b.change(withParam(z, 1))
	b.storeAll(t)
	for _, memberID := range []string{"L", "X"} {
		if !slices.ContainsFunc(b.snap.Peers[memberID].Assignment.Rec.Granted, func(h schema.Granted) bool { return h.Task == "z" }) {
			t.Fatalf("%s has no slot of z", memberID)
		}
	}
	b.change(z)
	b.change(withParam(spec("b", 1), 1))
	for i := range 12 { // there is no more room in the commit that writes the chunk
		s := spec(fmt.Sprintf("t%02d", i), 1)
		s.WorkName, s.Params = "a", large
		b.change(s)
	}
	b.storeAll(t)
}

// The counter of tokens may go back: a former epoch was put back manually, or the service has lost commits. No chunk gets the number
// of another one all the same, also not of one that was deleted and that grants still name.
func TestNumbersOfChunksAreNotUsedAgain(t *testing.T) {
	for _, how := range []string{"there", "deleted", "not named"} {
		b, deleted := specBoard(), how == "deleted"
		large := func(name string, x int) cluster.TaskSpec {
			s := spec(name, 1)
			s.Params = cluster.Params(fmt.Sprintf(`{"x":"%d%s"}`, x, strings.Repeat("x", 20_000)))
			return s
		}
		b.storeAll(t)
		b.change(large("a", 1))
		b.storeAll(t)
		b.change(large("b", 1))
		b.storeAll(t)
		numbers := slices.Sorted(maps.Keys(b.snap.SpecChunks))
		if last := b.snap.Epoch.Rec.NextToken - 1; len(numbers) != 2 || numbers[1] != last {
			t.Fatalf("chunks %d, and the last token is %d", numbers, last)
		}
		b.snap.Epoch.Rec.NextToken = numbers[1]
		if how == "not named" { // its task runs nowhere
			for _, p := range b.snap.Peers {
				p.Assignment.Rec.Granted = slices.DeleteFunc(p.Assignment.Rec.Granted, func(h schema.Granted) bool { return h.Task == "b" })
				p.Status.Rec.Holding = slices.DeleteFunc(p.Status.Rec.Holding, func(h schema.Claimed) bool { return h.Task == "b" })
			}
		}
		if deleted {
			delete(b.snap.SpecChunks, numbers[1])
			b.snap.StoredSpecs = b.snap.StoredSpecs.With(numbers[1], nil)
		}
		b.change(large("a", 2))
		for _, d := range b.storeAll(t) {
			if chunk := d.SpecChunks[numbers[1]]; chunk != nil && (deleted || chunk.Version == 0) {
				t.Errorf("%s: number %d is used again", how, numbers[1])
			}
		}
	}
}
