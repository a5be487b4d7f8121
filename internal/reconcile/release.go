package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// released are slots that are asked back for the same reason, and who is to have them.
type released struct {
	schema.Held
	to string
}

// askFor moves the slots of a document that are to be asked back to those that are, and gives the others their tasks'
// present specs; it returns what it asks back, and whether specs have changed. A document that would be too large
// for that has the specs that it had, or is asked for less: what remains is asked for when there is room, and
// the more of an entry there is to ask for, the sooner, since what is whole takes less.
func (d *decider) askFor(guid string, doc *schema.Doc, version int64) (asked []released, changed bool) {
	granted, kept, asks := doc.Slots, doc.Releasing, d.asked[guid]
	whole, part := d.toAskFor(granted, asks)
	entries := slices.Concat(whole, part)
	for refreshed, most := true, len(entries); ; {
		var back []schema.Held
		stay := granted
		if most > 0 {
			picked := map[*schema.Held]bool{}
			for _, h := range entries[:most] {
				picked[h] = true
			}
			back, stay = schema.Split(granted, func(slot cluster.Slot, h *schema.Held) bool {
				_, back := asks[slot]
				return back && picked[h]
			})
		}
		changed = false
		if refreshed {
			stay, changed = d.refresh(stay)
		}
		asked = d.release(asks, back, version)
		doc.Slots, doc.Releasing = nonNil(stay), slices.Clone(kept)
		for i := range asked {
			doc.Releasing = append(doc.Releasing, asked[i].Held)
		}
		doc.Releasing = nonNil(doc.Releasing)
		switch {
		case most == 0 && !changed || d.fitsDoc(guid, doc, changed):
			return asked, changed
		case changed:
			d.out.Full = append(d.out.Full, doc.Node)
			refreshed = false
		default:
			most /= 2
		}
	}
}

// toAskFor returns the entries of which slots are to be asked back, all of them or some.
func (d *decider) toAskFor(granted []schema.Held, asks map[cluster.Slot]ask) (whole, part []*schema.Held) {
	if len(asks) == 0 {
		return nil, nil
	}
	for i := range granted {
		h, n := &granted[i], 0
		for _, index := range h.Slots {
			if _, back := asks[cluster.Slot{Task: h.Task, Index: index}]; back {
				n++
			}
		}
		switch {
		case n == len(h.Slots):
			whole = append(whole, h)
		case n > 0:
			part = append(part, h)
		}
	}
	return whole, part
}

// fitsDoc reports whether a document is within its bound. What is far from it is not measured.
func (d *decider) fitsDoc(guid string, doc *schema.Doc, changed bool) bool {
	rough := schema.Rough(doc.Slots) + schema.Rough(doc.Releasing)
	if changed {
		for i := range doc.Slots {
			rough += d.sizeOf(&doc.Slots[i])
		}
	}
	if d.Snapshot.Peers[guid].Doc.Size+rough < schema.MaxDoc {
		return true
	}
	return schema.Size(doc) <= schema.MaxDoc
}

// release makes the entries of slots that are asked back, those that are asked back for the same
// reason together.
func (d *decider) release(asks map[cluster.Slot]ask, back []schema.Held, version int64) (list []released) {
	var made []ask
	for _, h := range back {
		first := len(list)
		for _, index := range h.Slots {
			a := asks[cluster.Slot{Task: h.Task, Index: index}]
			at := first
			for at < len(list) && made[at] != a {
				at++
			}
			if at == len(list) {
				why := a.why
				why.Detail = schema.Cut(why.Detail, schema.ShortError)
				entry := schema.Held{Task: h.Task, Token: h.Token, Version: version, Why: &why, Unknown: h.Unknown}
				if count, told := h.Told(); told {
					entry.Count = &count
				}
				list = append(list, released{entry, a.to})
				made = append(made, a)
			}
			list[at].Slots = append(list[at].Slots, index)
		}
	}
	return list
}
