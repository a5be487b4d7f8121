package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// roomyChunk is the size of a chunk, in bytes, that gets no further specs: every node that has slots of one of them reads all.
const roomyChunk = 32 << 10

// storedSpecs are the specs that are stored once the decision is committed, by task or run: grants may name them.
type storedSpecs map[string]specs.Stored

// storeSpecs stores the specs of tasks and runs that have changed, as far as one commit has room: the others are not granted before
// they are stored. It keeps every spec that an assignment names, so whenever a node reads a chunk, it finds what its assignment
// names, unless the assignment has changed.
//
// A chunk that was edited manually is written again. If its versions may have begun again at 0, it is deleted. What a deleted one had
// is stored in another one, so a reference never names two specs.
func storeSpecs(f *round.Facts, draft *round.Draft) storedSpecs {
	stored := storedSpecs{}
	w := &chunkWriter{f: f, draft: draft, chunks: map[int64]*schema.SpecChunk{}, sizes: map[int64]int{}}
	for _, number := range slices.Sorted(maps.Keys(f.Snapshot.SpecChunks)) {
		switch {
		case usable(f, number):
		case startedAgain(f, number):
			draft.Out.DropSpecs = append(draft.Out.DropSpecs, number)
		case w.hasRoom(number, 0):
			w.rewrite(number)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Specs)) {
		spec, generation := f.Specs[name], f.Generation(name)
		inUsable := func(s specs.Stored) bool { return usable(f, s.Ref.Chunk) && isPresent(f, s) }
		if list := f.Snapshot.StoredSpecs.Present(name); slices.ContainsFunc(list, inUsable) {
			stored[name] = list[slices.IndexFunc(list, inUsable)]
		} else if spec.WorkerNum > 0 && !spec.Paused {
			added := w.add(schema.StoredSpec{Name: name, Generation: generation, Spec: spec})
			draft.Out.More = draft.Out.More || !added
		}
	}
	draft.Out.SpecChunks = w.chunks
	draft.Extra += len(w.chunks) + len(draft.Out.DropSpecs)
	draft.Bytes += w.total
	for _, number := range slices.Sorted(maps.Keys(w.chunks)) {
		written := specs.Table{}.With(number, w.chunks[number])
		for i := range w.chunks[number].Specs {
			for _, s := range written.Present(w.chunks[number].Specs[i].Name) {
				if isPresent(f, s) {
					stored[s.Name] = s
				}
			}
		}
	}
	return stored
}

// usable reports whether nodes can read a chunk.
func usable(f *round.Facts, number int64) bool {
	e, known := f.Snapshot.SpecChunks[number]
	return known && e.Good()
}

// startedAgain reports whether a chunk is gone, or cannot be used and its versions may have begun again at 0: it was deleted and made
// again manually, or the service has lost commits. New specs in it could get former names.
func startedAgain(f *round.Facts, number int64) bool {
	e := f.Snapshot.SpecChunks[number]
	return !e.Good() && (e.Rec == nil || e.Version <= e.RecAt)
}

// isPresent reports whether a stored spec is the present one of its task or run.
func isPresent(f *round.Facts, s specs.Stored) bool {
	return s.Spec == f.Specs[s.Name] && s.Generation == f.Generation(s.Name)
}

// chunkWriter writes chunks of specs.
type chunkWriter struct {
	f      *round.Facts
	draft  *round.Draft
	chunks map[int64]*schema.SpecChunk // those that the decision writes
	sizes  map[int64]int               // in bytes, of these and of others as they would be written
	total  int                         // of these
	named  map[*schema.StoredSpec]bool // the specs that assignments name; nil before it is needed
}

// add adds a spec to a chunk. It reports false if the commit has no room for it.
func (w *chunkWriter) add(s schema.StoredSpec) bool {
	size := schema.SizeOf(&s)
	number, found := w.pick(s.Name, size)
	if !w.hasRoom(number, size) {
		return false
	}
	if !found {
		number = w.draft.Out.Token
		w.draft.Out.Token++
		w.chunks[number] = &schema.SpecChunk{}
	}
	chunk := w.rewrite(number)
	s.From = chunk.Version
	chunk.Specs = append(chunk.Specs, s)
	w.sizes[number] += size
	w.total += size
	return true
}

// hasRoom reports whether the commit has room for a chunk that grows by so many bytes. It always has room for one.
func (w *chunkWriter) hasRoom(number int64, size int) bool {
	if _, writes := w.chunks[number]; !writes {
		size += w.sizeOf(number)
	}
	return w.total == 0 || w.total+size <= schema.MaxSpecChunk
}

// pick returns the chunk for a spec of so many bytes: one that is written anyway, else one that has a spec of that name, else the
// first with room.
func (w *chunkWriter) pick(name string, size int) (number int64, found bool) {
	candidates := slices.Sorted(maps.Keys(w.chunks))
	for _, s := range w.f.Snapshot.StoredSpecs.Present(name) {
		candidates = append(candidates, s.Ref.Chunk)
	}
	for _, number := range append(candidates, slices.Sorted(maps.Keys(w.f.Snapshot.SpecChunks))...) {
		if slices.Contains(w.draft.Out.DropSpecs, number) {
			continue
		}
		if n := w.sizeOf(number); n == 0 || n+size <= roomyChunk {
			return number, true
		}
	}
	return 0, false
}

// sizeOf returns the size of the specs that a chunk will have if it is written.
func (w *chunkWriter) sizeOf(number int64) int {
	size, known := w.sizes[number]
	if !known {
		for _, s := range w.kept(number) {
			size += schema.SizeOf(&s)
		}
		w.sizes[number] = size
	}
	return size
}

// rewrite returns the next record of a chunk, with all specs that are still needed.
func (w *chunkWriter) rewrite(number int64) *schema.SpecChunk {
	if chunk, writes := w.chunks[number]; writes {
		return chunk
	}
	w.total += w.sizeOf(number)
	chunk, e := schema.SpecChunk{}, w.f.Snapshot.SpecChunks[number]
	if e.Rec != nil {
		chunk = *e.Rec
	}
	chunk.Specs, chunk.Version = w.kept(number), e.Version+1
	w.chunks[number] = &chunk
	return &chunk
}

// kept returns the specs of a chunk that are still needed: of each name, those from the first one on that an assignment names or that
// is present. Without those in between, a former reference would find an earlier spec.
func (w *chunkWriter) kept(number int64) []schema.StoredSpec {
	kept := []schema.StoredSpec{}
	rec := w.f.Snapshot.SpecChunks[number].Rec
	if rec == nil {
		return kept
	}
	if w.named == nil {
		w.named = namedSpecs(w.f.Snapshot)
	}
	first := map[string]int64{} // version, by name
	for i := range rec.Specs {
		s := &rec.Specs[i]
		present := func(p specs.Stored) bool { return p.StoredSpec == s && s.Spec == w.f.Specs[s.Name] }
		if w.named[s] || slices.ContainsFunc(w.f.Snapshot.StoredSpecs.Present(s.Name), present) {
			from, known := first[s.Name]
			if !known || s.From < from {
				first[s.Name] = s.From
			}
		}
	}
	for i := range rec.Specs {
		s := &rec.Specs[i]
		if from, needed := first[s.Name]; needed && s.From >= from {
			kept = append(kept, *s)
		}
	}
	return kept
}

// namedSpecs returns the specs that assignments name.
func namedSpecs(s *view.Snapshot) map[*schema.StoredSpec]bool {
	type reference struct {
		name string
		ref  schema.SpecRef
	}
	named, seen := map[*schema.StoredSpec]bool{}, map[reference]bool{}
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for i := range p.Assignment.Rec.Granted {
			h := &p.Assignment.Rec.Granted[i]
			r := reference{h.Task, h.Ref}
			if seen[r] {
				continue
			}
			seen[r] = true
			if found := s.StoredSpecs.Find(h.Task, h.Ref); found != nil {
				named[found] = true
			}
		}
	}
	return named
}

// nameSpecs makes grants name the present specs of their tasks, where they have them, so that an assignment has few references. Only
// assignments that the decision writes change.
func nameSpecs(stored storedSpecs, assignments map[string]*schema.Assignment) {
	for _, assignment := range assignments {
		if assignment == nil {
			continue
		}
		copied := false
		for i := range assignment.Granted {
			h := &assignment.Granted[i]
			s, known := stored[h.Task]
			if !known || h.Spec == nil || h.Ref == s.Ref || *h.Spec != s.Spec || h.Generation != s.Generation {
				continue
			}
			if !copied {
				assignment.Granted, copied = slices.Clone(assignment.Granted), true
			}
			assignment.Granted[i].Ref, assignment.Granted[i].Spec = s.Ref, &s.Spec
		}
	}
}

// outdated returns the tasks of which not every grant has the present spec, as far as that is known.
func (stored storedSpecs) outdated(f *round.Facts) (tasks []string) {
	if f.Sums == nil {
		return nil
	}
	for name, t := range f.Sums.Tasks() {
		for of := range t.Specs {
			h := schema.Granted{SlotRange: schema.SlotRange{Task: name}, Ref: schema.SpecRef{Chunk: of.Chunk}, Spec: of.Spec}
			if !stored.suits(f, &h) {
				tasks = append(tasks, name)
				break
			}
		}
	}
	return tasks
}

// suits reports whether a grant has the present spec of its task, where nodes can read it, or whether there is none to give it.
func (stored storedSpecs) suits(f *round.Facts, h *schema.Granted) bool {
	s, known := stored[h.Task]
	if !known {
		return true
	}
	return !startedAgain(f, h.Ref.Chunk) && h.Spec != nil && *h.Spec == s.Spec
}
