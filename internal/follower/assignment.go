package follower

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

type docRead struct {
	r   coord.Record
	err error
}

// noteAssignment files the assignment as read.
func (fl *following) noteAssignment(d docRead) {
	key := fl.Keys.Assignment(fl.Self.MemberID)
	switch {
	case errors.Is(d.err, coord.ErrNotFound):
		listed := listedIn(fl.assignment)
		fl.Log.Error("this node's assignment is missing; all that it listed stops", "slots", listed)
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: "this node's assignment is missing; all that it listed stops: " + listed})
		fl.assignment, fl.docGood = nil, false
		return
	case d.err != nil:
		return // the session is ending
	}
	assignment := new(schema.Assignment)
	if err := schema.Decode(key, d.r, assignment); err != nil {
		fl.Log.Error("this node's assignment cannot be used; the last good one stays in force", "key", key, "error", err)
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: err.Error()})
		fl.docGood = false
		return
	}
	fl.assignment, fl.docVersion, fl.docGood = assignment, d.r.Version, true
	fl.refuse(fl.known.Note(assignment))
	fl.tellGrants()
}

// listedIn names what an assignment lists, a run by its task and ID: the first entries, and how many more there are.
func listedIn(assignment *schema.Assignment) string {
	const most = 5
	if assignment == nil {
		return "nothing that is known"
	}
	var names []string
	list := slices.Concat(assignment.Granted, assignment.Releasing)
	for i := range list[:min(len(list), most)] {
		names = append(names, fmt.Sprintf("%s#%s", list[i].Task, list[i].Slots))
	}
	text := strings.Join(names, ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cmp.Or(text, "nothing")
}

// refuse says which grants are refused that were not before.
func (fl *following) refuse(fresh map[cluster.Slot]int64) {
	for slot, token := range fresh {
		fl.Log.Warn("refused a grant: its token is not above those that this node was granted before; a former assignment was put back",
			"slot", slot.String(), "token", token, "highest", fl.known.highest)
		fl.Emit(
			cluster.Event{Kind: cluster.SlotRefused, Slot: &slot, Token: token, Detail: fmt.Sprintf("the token is not above %d", fl.known.highest)},
		)
	}
}

// tellGrants says which slots came and went.
func (fl *following) tellGrants() {
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
