package invariant

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// readSpecs takes a chunk of specs in. What a reference named is still found or is gone; it never names another spec: I12. Only chunks
// that hands have spoilt are deleted.
func (s *Store) readSpecs(c Change, by string, fail func(string, string, ...any)) {
	number, ok := schema.SpecChunkNumber(c.Key)
	chunk := new(schema.SpecChunk)
	err := decode(c, chunk)
	if by != "" {
		s.specsByHand[c.Key] = true
	} else if c.Deleted && !s.specsByHand[c.Key] || !c.Deleted && err != nil {
		fail("I12", "%s: deleted %v, %v", c.Key, c.Deleted, err)
	}
	if c.Deleted || err != nil || !ok {
		chunk = nil
	}
	before := s.chunks[number]
	s.specs, s.chunks[number] = s.specs.With(number, chunk), chunk
	if by != "" || before == nil || chunk == nil {
		return
	}
	former := specs.Table{}.With(number, before)
	for _, spec := range slices.Concat(before.Specs, chunk.Specs) {
		for _, at := range []int64{spec.From, before.Version} {
			ref := schema.SpecRef{Chunk: number, Version: min(at, before.Version)}
			was, is := former.Find(spec.Name, ref), s.specs.Find(spec.Name, ref)
			if is != nil && (was == nil || was.Spec != is.Spec) {
				fail("I12", "%s names another spec of %s than before", ref, spec.Name)
			}
		}
	}
}

// judgeSpecs requires that the specs which assignments name are stored: I12. What a hand has written is not judged.
func (s *Store) judgeSpecs(fail func(string, string, ...any)) {
	for memberID, assignment := range s.assignments {
		if _, byHand := s.hands[memberID]; byHand {
			continue
		}
		for i := range assignment.Granted {
			h := &assignment.Granted[i]
			if s.specs.Find(h.Task, h.Ref) == nil && !s.specsByHand[s.keys.SpecChunk(h.Ref.Chunk)] {
				fail("I12", "%s is granted %s#%s with specs %s, which are not stored", assignment.Node, h.Task, h.Slots, h.Ref)
			}
		}
	}
}
