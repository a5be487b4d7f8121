// Package specs finds the specs that grants name in the chunks that were read: see [schema.SpecRef].
package specs

import (
	"cmp"
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Table is the chunks that were read. It does not change. The zero value has none.
type Table struct {
	chunks  map[int64]readChunk
	present map[string][]Stored // by name
}

// readChunk is a chunk with its specs by name, in the order of their versions.
type readChunk struct {
	version int64
	byName  map[string][]*schema.StoredSpec
}

// Stored is a spec that is in force in a chunk at the chunk's present version, with the reference by which grants name it.
type Stored struct {
	*schema.StoredSpec
	Ref schema.SpecRef
}

// Empty reports whether the table has no chunk.
func (t Table) Empty() bool { return len(t.chunks) == 0 }

// With returns the table with a chunk, nil to leave the chunk out.
func (t Table) With(number int64, chunk *schema.SpecChunk) Table {
	next := Table{maps.Clone(t.chunks), maps.Clone(t.present)}
	if next.chunks == nil {
		next = Table{map[int64]readChunk{}, map[string][]Stored{}}
	}
	for name := range next.chunks[number].byName {
		others := slices.DeleteFunc(slices.Clone(next.present[name]), func(s Stored) bool { return s.Ref.Chunk == number })
		next.present[name] = others
		if len(others) == 0 {
			delete(next.present, name)
		}
	}
	delete(next.chunks, number)
	if chunk == nil {
		return next
	}
	read := readChunk{chunk.Version, map[string][]*schema.StoredSpec{}}
	for i := range chunk.Specs {
		s := &chunk.Specs[i]
		read.byName[s.Name] = append(read.byName[s.Name], s)
	}
	next.chunks[number] = read
	for name, specs := range read.byName {
		slices.SortFunc(specs, func(a, b *schema.StoredSpec) int { return cmp.Compare(a.From, b.From) })
		last := Stored{specs[len(specs)-1], schema.SpecRef{Chunk: number, Version: chunk.Version}}
		next.present[name] = append(slices.Clone(next.present[name]), last)
	}
	return next
}

// Present returns the specs of a name that are in force, one for each chunk that has any.
func (t Table) Present(name string) []Stored { return t.present[name] }

// Find returns the spec of a task, or of a run, that a reference names; nil if the table does not have it. It never returns the spec
// of another version.
func (t Table) Find(name string, ref schema.SpecRef) (found *schema.StoredSpec) {
	chunk := t.chunks[ref.Chunk]
	if chunk.version < ref.Version {
		return nil
	}
	for _, s := range chunk.byName[name] {
		if s.From <= ref.Version {
			found = s
		}
	}
	return found
}

// Resolve gives grants their specs, as far as a table has them. It reports whether all grants have theirs. The list must be the
// caller's own.
func (t Table) Resolve(granted []schema.Granted) (all bool) {
	all = true
	for i := range granted {
		g := &granted[i]
		if s := t.Find(g.Task, g.Ref); s != nil {
			g.Spec, g.Generation = &s.Spec, s.Generation
		}
		all = all && g.Spec != nil
	}
	return all
}

// Unresolved returns the numbers of the chunks that grants without specs name, sorted.
func Unresolved(granted []schema.Granted) (chunks []int64) {
	for i := range granted {
		if g := &granted[i]; g.Spec == nil && !slices.Contains(chunks, g.Ref.Chunk) {
			chunks = append(chunks, g.Ref.Chunk)
		}
	}
	slices.Sort(chunks)
	return chunks
}
