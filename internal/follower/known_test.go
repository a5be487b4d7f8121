package follower_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

// A grant that was not there before needs a token above all that were there; one that stays needs nothing.
func TestKnownGrants(t *testing.T) {
	type version struct {
		slots     []schema.Granted
		releasing []schema.Releasing
		refused   string // in this version
	}
	v := func(refused string, slots []schema.Granted, releasing []schema.Releasing) version {
		return version{slots, releasing, refused}
	}
	for _, c := range []struct {
		name     string
		versions []version
	}{
		{"a first assignment is taken as it is", []version{v("", schematest.Granted("a 0-1 @5", "b 0 @3"), nil)}},
		{"tokens rise", []version{v("", schematest.Granted("a 0 @5"), nil), v("", schematest.Granted("a 0 @5", "b 0 @6"), nil), v("", schematest.Granted("a 0 @7", "b 0 @6"), nil)}},
		{"one token for several slots, given back one by one", []version{v("", schematest.Granted("a 0-3 @5"), nil), v("", schematest.Granted("a 0,2-3 @5"), schematest.Releasing("a 1 @5 v2")), v("", schematest.Granted("a 3 @5"), schematest.Releasing("a 0,2 @5 v3"))}},
		{"a former assignment is put back", []version{v("", schematest.Granted("a 0 @5", "b 0 @6"), nil), v("", schematest.Granted("b 0 @6"), schematest.Releasing("a 0 @5 v2")), v("", schematest.Granted("b 0 @6"), nil), v("a[0]@5", schematest.Granted("a 0 @5", "b 0 @6"), nil)}},
		{"and stays", []version{v("", schematest.Granted("a 0 @5"), nil), v("", nil, nil), v("a[0]@5", schematest.Granted("a 0 @5"), nil), v("a[0]@5", schematest.Granted("a 0 @5", "b 0 @9"), nil)}},
		{"the slot is granted again, as it should be", []version{v("", schematest.Granted("a 0 @5"), nil), v("", nil, nil), v("a[0]@5", schematest.Granted("a 0 @5"), nil), v("", nil, schematest.Releasing("a 0 @5 v4")), v("", schematest.Granted("a 0 @6"), nil)}},
		{"it is put back while its worker stops", []version{v("", schematest.Granted("a 0 @5"), nil), v("", nil, schematest.Releasing("a 0 @5 v2")), v("a[0]@5", schematest.Granted("a 0 @5"), nil)}},
		{"a slot that this member never had, from another one's assignment", []version{v("", schematest.Granted("a 0 @5"), nil), v("b[0]@4", schematest.Granted("a 0 @5", "b 0 @4"), nil)}},
		{"a slot that came and went meanwhile, unseen", []version{v("", nil, schematest.Releasing("a 0 @5 v2")), v("a[0]@5", schematest.Granted("a 0 @5"), nil)}},
		{"a token under which other slots stay is not for new ones", []version{v("", schematest.Granted("a 0 @5"), nil), v("a[1]@5", schematest.Granted("a 0-1 @5"), nil)}},
		{"a token that nobody can have given does not stand in the way of those that follow", []version{v("", schematest.Granted(fmt.Sprintf("a 0 @%d", int64(schema.MaxToken))), nil), v("", nil, nil), v("", schematest.Granted("a 0 @5"), nil)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var known follower.KnownGrants
			before := ""
			for i, version := range c.versions {
				fresh := known.Record(&schema.Assignment{Node: "n", Granted: version.slots, Releasing: version.releasing})
				if diff := cmp.Diff(version.refused, drawTokens(known.Refused)); diff != "" {
					t.Errorf("version %d: refused (-want +got):\n%s", i, diff)
				}
				want := version.refused
				if want == before {
					want = ""
				}
				if diff := cmp.Diff(want, drawTokens(fresh)); diff != "" {
					t.Errorf("version %d: newly refused (-want +got):\n%s", i, diff)
				}
				before = version.refused
			}
		})
	}
}

func drawTokens(slots map[cluster.Slot]int64) string {
	var parts []string
	for _, h := range schema.GatherTokens(slots) {
		parts = append(parts, fmt.Sprintf("%s[%s]@%d", h.Task, h.Slots, h.Token))
	}
	return strings.Join(parts, " ")
}
