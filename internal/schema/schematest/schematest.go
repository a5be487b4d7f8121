// Package schematest has what tests of records need.
package schematest

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Held makes a list from texts such as "a 0-2 @5" (task, slots, token); a version may follow that a release has:
// "a 0 @5 v3". It panics on any other text.
func Held(texts ...string) []schema.SlotRange {
	list := []schema.SlotRange{}
	for _, text := range texts {
		var h schema.SlotRange
		var slots string
		if n, _ := fmt.Sscanf(text, "%s %s @%d v%d", &h.Task, &slots, &h.Token, &h.Version); n < 3 {
			panic("schematest: invalid slots: " + text)
		}
		_ = h.Slots.UnmarshalText([]byte(slots))
		list = append(list, h)
	}
	return list
}

// WantFit fails the test for a record beyond its bound.
func WantFit(t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, rec schema.Record) {
	t.Helper()
	if size, most := schema.Size(rec), schema.Bound(rec); size > most {
		t.Fatalf("%s has %d bytes, at most %d", what, size, most)
	}
}
