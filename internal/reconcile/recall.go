package reconcile

import (
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// recall finds the grants that must not be, and that are asked back at once, whatever the plan and the budgets say:
//
//   - A slot that several documents list was granted by nobody: it stays with the highest token alone. Where the highest
//     two are the same, with none.
//   - A grant that its member refuses would run nowhere.
//   - A token that nobody can have given yet is not risen above, so that it must not stay.
func (d *decider) recall() {
	next := d.nextToken()
	unknown := func(token int64) bool { return token >= next }
	d.out.Doubles = d.Snapshot.Doubles()
	for slot, holders := range d.out.Doubles {
		known := slices.DeleteFunc(slices.Clone(holders), func(h view.Holder) bool { return unknown(h.Token) })
		highest := int64(0)
		if len(known) > 0 && (len(known) == 1 || known[0].Token > known[1].Token) {
			highest = known[0].Token
		}
		for _, h := range known {
			if h.Granted && h.Token != highest {
				d.recallSlot(h.GUID, slot, cluster.Reason{Code: cluster.WhyDoubled, Detail: view.DescribeHolders(holders)})
			}
		}
	}
	for _, guid := range d.guids {
		p := d.Snapshot.Peers[guid]
		if p.Doc.Rec == nil {
			continue
		}
		for i := range p.Doc.Rec.Slots {
			if h := &p.Doc.Rec.Slots[i]; unknown(h.Token) {
				for _, index := range h.Slots {
					d.recallSlot(guid, cluster.Slot{Task: h.Task, Index: index}, cluster.Reason{Code: cluster.WhyEdited, Detail: fmt.Sprintf("nobody has given token %d", h.Token)})
				}
			}
		}
		if rec := p.Status.Rec; rec != nil && len(rec.Refused) > 0 {
			for slot, refused := range schema.Each(rec.Refused) {
				if h := schema.Find(p.Doc.Rec.Slots, slot); h != nil && h.Token == refused.Token {
					d.recallSlot(guid, slot, cluster.Reason{Code: cluster.WhyRefused, Node: d.nodeName(guid), Detail: fmt.Sprintf("token %d is not above %d", h.Token, rec.Above)})
				}
			}
		}
	}
}

// recallSlot notes that a grant must not be.
func (d *decider) recallSlot(guid string, slot cluster.Slot, why cluster.Reason) {
	if d.recalled[guid] == nil {
		d.recalled[guid] = map[cluster.Slot]cluster.Reason{}
	}
	d.recalled[guid][slot] = why
}

// askRecalled asks the grants back that must not be.
func (d *decider) askRecalled() {
	for guid, slots := range d.recalled {
		if f := d.fates[guid]; f == works || f == leaves {
			for slot, why := range slots {
				d.ask(guid, slot, ask{why, d.targetName(slot)})
			}
		}
	}
}
