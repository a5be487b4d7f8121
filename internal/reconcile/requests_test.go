package reconcile_test

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A request to move a slot stands until the slot that it displaces was asked back in the store. That may take another commit:
// without the request, the slot that was moved would be the one to leave, since it came last.
func TestAMoveStandsUntilWhatItDisplacesIsAskedBack(t *testing.T) {
	b := newBoard(spec("a", 2), spec("b", 0))
	b.live("L", 5, schematest.Granted(), schematest.Releasing("b 0 @4 v5"), 5, schematest.Claimed())
	b.live("M", 5, schematest.Granted("a 0 @6", "a 1 @9"), schematest.Releasing(), 5, schematest.Claimed("a 0 @6", "a 1 @9"))
	request := schema.MoveRequest{Slot: cluster.Slot{Task: "a", Index: 1}, Token: 5, To: "node-M"}
	b.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{Move: []schema.MoveRequest{request}}}
	d := b.decide(func(w *round.World) { w.MaxAssignments = 1 })
	wantDraw(t, `
L:  | 
`, d)
	if d.Requests != nil {
		t.Errorf("the request is dropped before a#0 is asked back: %+v", d.Requests.Move)
	}
	d = b.decide()
	wantDraw(t, `
L:  | 
M: a[1]@9 | a[0]@6
`, d)
	if d.Requests == nil || len(d.Requests.Move) > 0 {
		t.Errorf("the request stays although a#0 is asked back: %+v", d.Requests)
	}
}

// A request to restart slots of a grant that was copied into another assignment names each slot once. It would otherwise grow with every
// decision, for as long as both list them.
func TestARequestToRestartNamesASlotOnce(t *testing.T) {
	b := newBoard(spec("a", 2))
	b.live("L", 5, schematest.Granted("a 0-1 @4"), nil, 5, schematest.Claimed("a 0-1 @4"))
	b.live("M", 5, schematest.Granted("a 0-1 @4"), nil, 5, nil)
	b.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{Restart: schematest.Ranges("a 0-1 @4")}}
	if d := b.decide(); d.Requests != nil {
		t.Errorf("the request becomes %+v", d.Requests.Restart)
	}
}
