package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema/fields"
)

// A node has slots of many tasks, and most of them came with one commit. So records have groups: a group is an object with what its
// slots have in common, and the slots by task. Programs have lists of ranges.

// Grants is the list of an assignment's grants, in groups where it is stored.
type Grants []Granted

// Claims is the list of the slots that a member holds, in groups where it is stored.
type Claims []Claimed

// group is slots of a list that have everything in common but their tasks.
type group struct {
	common
	// Slots are the ranges, by task. The number of workers follows, if the workers are given it: "0-3,7 of 12".
	Slots map[string]string `json:"slots"`
}

type common struct {
	Token int64     `json:"token"`
	Specs SpecRef   `json:"specs,omitzero"` // of grants
	Since time.Time `json:"since,omitzero"` // of claims
	// unknown are the fields that this version of the program does not have.
	unknown cluster.Unknown
}

const countMark = " of "

// MarshalJSON writes the groups in the order of their first ranges.
func (g Grants) MarshalJSON() ([]byte, error) {
	var list grouping
	for i := range g {
		h := &g[i]
		text := h.Slots.String()
		if count, known := h.WorkerCount(); known && count > 0 {
			text += countMark + strconv.Itoa(count)
		}
		list.add(common{Token: h.Token, Specs: h.Ref, unknown: h.Unknown}, h.Task, text)
	}
	return list.json(), nil
}

// UnmarshalJSON reads groups. The ranges are sorted by task and token.
func (g *Grants) UnmarshalJSON(text []byte) error {
	*g = Grants{}
	return eachRange(text, func(of *common, task, text string) error {
		slots, number, counted := strings.Cut(text, countMark)
		count, err := strconv.Atoi(number)
		if counted && (err != nil || count < 1) {
			return fmt.Errorf("%.40q: want the number of workers after the slots", text)
		}
		h := Granted{SlotRange: SlotRange{Task: task, Token: of.Token, Unknown: of.unknown}, Count: &count, Ref: of.Specs}
		err = h.Slots.UnmarshalText([]byte(slots))
		*g = append(*g, h)
		return err
	})
}

// MarshalJSON writes the groups in the order of their first ranges.
func (c Claims) MarshalJSON() ([]byte, error) {
	var list grouping
	for i := range c {
		h := &c[i]
		list.add(common{Token: h.Token, Since: h.Since, unknown: h.Unknown}, h.Task, h.Slots.String())
	}
	return list.json(), nil
}

// UnmarshalJSON reads groups. The ranges are sorted by task and token.
func (c *Claims) UnmarshalJSON(text []byte) error {
	*c = Claims{}
	return eachRange(text, func(of *common, task, text string) error {
		h := Claimed{SlotRange: SlotRange{Task: task, Token: of.Token, Unknown: of.unknown}, Since: of.Since}
		err := h.Slots.UnmarshalText([]byte(text))
		*c = append(*c, h)
		return err
	})
}

// grouping is the groups of a list that is being written.
type grouping struct {
	groups []group
	last   map[common]int // by what their slots have in common: the last of these groups
}

// add adds a range. Two ranges of one task are in groups of their own.
func (l *grouping) add(of common, task, slots string) {
	at, known := l.last[of]
	if known {
		_, known = l.groups[at].Slots[task]
		known = !known
	}
	if !known {
		if l.last == nil {
			l.last = map[common]int{}
		}
		at = len(l.groups)
		l.groups, l.last[of] = append(l.groups, group{of, map[string]string{}}), at
	}
	l.groups[at].Slots[task] = slots
}

func (l *grouping) json() []byte {
	var text bytes.Buffer
	text.WriteByte('[')
	for i := range l.groups {
		if i > 0 {
			text.WriteByte(',')
		}
		text.Write(fields.Marshal(&l.groups[i]))
		if unknown := l.groups[i].unknown; unknown != "" {
			text.Truncate(text.Len() - 1)
			text.WriteByte(',')
			text.WriteString(strings.TrimPrefix(string(unknown), "{"))
		}
	}
	text.WriteByte(']')
	return text.Bytes()
}

// eachRange calls f for each range of the groups of a list, sorted by task and token.
func eachRange(text []byte, f func(of *common, task, slots string) error) error {
	var groups []group
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&groups) != nil { // there may be unknown fields to keep
		var objects []map[string]json.RawMessage
		if err := cmp.Or(json.Unmarshal(text, &groups), json.Unmarshal(text, &objects)); err != nil {
			return err
		}
		for i, unknown := range objects {
			for _, known := range []string{"token", "specs", "since", "slots"} {
				delete(unknown, known)
			}
			if len(unknown) > 0 {
				groups[i].unknown = cluster.Unknown(fields.Marshal(unknown))
			}
		}
	}
	type element struct {
		of          *common
		task, slots string
	}
	var list []element
	for i := range groups {
		for task, slots := range groups[i].Slots {
			list = append(list, element{&groups[i].common, task, slots})
		}
	}
	slices.SortFunc(list, func(a, b element) int {
		return cmp.Or(cmp.Compare(a.task, b.task), cmp.Compare(a.of.Token, b.of.Token), a.of.Since.Compare(b.of.Since), cmp.Compare(a.slots, b.slots))
	})
	for _, e := range list {
		if err := f(e.of, e.task, e.slots); err != nil {
			return fmt.Errorf("slots of %s: %w", e.task, err)
		}
	}
	return nil
}
