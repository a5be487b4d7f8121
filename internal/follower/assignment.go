package follower

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

type assignmentRead struct {
	r   coord.Record
	err error
}

// onAssignment handles a reading of the assignment.
func (fl *following) onAssignment(d assignmentRead) {
	key := fl.Keys.Assignment(fl.Self.MemberID)
	switch {
	case errors.Is(d.err, coord.ErrNotFound):
		listed := listedIn(fl.assignment)
		fl.Log.Error("this node's assignment is missing; stopping everything that it listed", "slots", listed)
		detail := "this node's assignment is missing; stopping everything that it listed: " + listed
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: detail})
		fl.assignment, fl.assignmentGood = nil, false
		return
	case d.err != nil:
		return // the session is ending
	}
	assignment := new(schema.Assignment)
	if err := schema.Decode(key, d.r, assignment); err != nil {
		fl.Log.Error("this node's assignment cannot be used; the last good one stays in force", "key", key, "error", err)
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: err.Error()})
		fl.assignmentGood = false
		return
	}
	if d.r.Version < fl.assignmentVersion {
		fl.specs = specs.Table{} // the service has lost commits: a version of a chunk may come again with other specs
	}
	fl.assignment, fl.assignmentVersion, fl.assignmentGood = assignment, d.r.Version, true
	fl.refuse(fl.known.Record(assignment))
	fl.emitGrants()
	maps.DeleteFunc(fl.started, func(slot cluster.Slot, token int64) bool { return fl.granted[slot] != token })
}

// listedIn names what an assignment lists, a run by its task and ID: the first entries, and how many more there are.
func listedIn(assignment *schema.Assignment) string {
	const most = 5
	if assignment == nil {
		return "nothing known"
	}
	var names []string
	for h := range assignment.Ranges() {
		names = append(names, fmt.Sprintf("%s#%s", h.Task, h.Slots))
	}
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cmp.Or(text, "nothing")
}

// refuse logs newly refused grants, and emits an event for each.
func (fl *following) refuse(fresh map[cluster.Slot]int64) {
	for slot, token := range fresh {
		fl.Log.Warn("refused a grant: its token is not above those that this node was granted before; an old assignment was restored",
			"slot", slot.String(), "token", token, "highest", fl.known.highest)
		fl.Emit(
			cluster.Event{Kind: cluster.SlotRefused, Slot: &slot, Token: token, Detail: fmt.Sprintf("the token is not above %d", fl.known.highest)},
		)
	}
}

// emitGrants emits an event for each slot that came or went.
func (fl *following) emitGrants() {
	granted := map[cluster.Slot]int64{}
	for slot, h := range schema.Each(fl.assignment.Granted) {
		if _, refused := fl.known.Refused[slot]; refused {
			continue
		}
		granted[slot] = h.Token
		if fl.granted[slot] != h.Token {
			fl.Emit(cluster.Event{Kind: cluster.SlotGranted, Slot: &slot, Token: h.Token})
		}
	}
	for slot, token := range fl.granted {
		if _, still := granted[slot]; !still {
			fl.Emit(cluster.Event{Kind: cluster.SlotReleased, Slot: &slot, Token: token})
		}
	}
	fl.granted = granted
}
