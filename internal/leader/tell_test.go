package leader

import (
	"log/slog"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A slot that two documents list at one decision only was read while a commit arrived; one that stays so is told, once.
func TestDoublesAreToldWhenTheyLast(t *testing.T) {
	var told []cluster.Event
	l := leading{Leader: &Leader{Log: slog.New(slog.DiscardHandler), Emit: func(e cluster.Event) { told = append(told, e) }}}
	doubled := map[cluster.Slot][]view.Holder{{Task: "a", Index: 1}: {{GUID: "x", Node: "n1", Token: 9}, {GUID: "y", Node: "n2", Token: 5}}}
	l.tellDoubles(doubled)
	l.tellDoubles(nil)
	l.tellDoubles(doubled)
	if len(told) > 0 {
		t.Errorf("told of what did not last: %+v", told)
	}
	l.tellDoubles(doubled)
	l.tellDoubles(doubled)
	if len(told) != 1 || told[0].Kind != cluster.SlotDoubled || told[0].Detail != "granted to n1 under token 9 and n2 under token 5" {
		t.Errorf("told of what lasts: %+v", told)
	}
}
