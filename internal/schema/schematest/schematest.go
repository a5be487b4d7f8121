// Package schematest has what tests of records need.
package schematest

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Ranges makes a list from texts such as "a 0-2 @5": task, slots, token. It panics on any other text.
func Ranges(texts ...string) []schema.SlotRange {
	return list(texts, func(r schema.SlotRange, _ int64) schema.SlotRange { return r })
}

// Granted makes a list of grants from such texts.
func Granted(texts ...string) []schema.Granted {
	return list(texts, func(r schema.SlotRange, _ int64) schema.Granted { return schema.Granted{SlotRange: r} })
}

// Releasing makes a list of what is asked back from such texts. The version may follow that asked for it: "a 0 @5 v3".
func Releasing(texts ...string) []schema.Releasing {
	return list(texts, func(r schema.SlotRange, version int64) schema.Releasing {
		return schema.Releasing{SlotRange: r, Version: version}
	})
}

// Claimed makes a list of what a member holds from such texts.
func Claimed(texts ...string) []schema.Claimed {
	return list(texts, func(r schema.SlotRange, _ int64) schema.Claimed { return schema.Claimed{SlotRange: r} })
}

func list[T any](texts []string, entry func(r schema.SlotRange, version int64) T) []T {
	list := []T{}
	for _, text := range texts {
		var r schema.SlotRange
		var slots string
		var version int64
		if n, _ := fmt.Sscanf(text, "%s %s @%d v%d", &r.Task, &slots, &r.Token, &version); n < 3 {
			panic("schematest: invalid slots: " + text)
		}
		_ = r.Slots.UnmarshalText([]byte(slots))
		list = append(list, entry(r, version))
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

// ClaimAll makes the list of what a member holds that has claimed what it was granted.
func ClaimAll(granted []schema.Granted) []schema.Claimed {
	list := make([]schema.Claimed, len(granted))
	for i := range granted {
		list[i] = schema.Claimed{SlotRange: granted[i].SlotRange}
	}
	return list
}
