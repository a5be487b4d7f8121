package follower

import (
	"cmp"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// index looks up the entries of the record of ended slots and of the assignment, if any slot has ended.
func (l *Local) index() {
	l.recorded, l.lists = map[end]bool{}, map[end]bool{}
	if l.Completions != nil {
		for i := range l.Completions.Slots {
			o := &l.Completions.Slots[i]
			for _, index := range o.Slots {
				l.recorded[end{cluster.Slot{Task: o.Task, Index: index}, o.Token}] = true
			}
		}
	}
	none := true
	for _, r := range l.Running {
		none = none && !r.Ended
	}
	if l.Assignment == nil || l.Assignment.Evicted || l.Assignment.Closed != nil || none && len(l.recorded) == 0 {
		return
	}
	for slot, h := range l.Assignment.Each() {
		l.lists[end{slot, h.Token}] = true
	}
}

// ended returns the record of the slots that have ended, nil if it stays unchanged. A slot is in it until the assignment no longer
// lists it, which means that the leader has recorded its end. Ends that do not fit are recorded when earlier ones have gone.
func (l *Local) ended() *schema.Completions {
	next, changed := l.stillListed()
	d := ends{
		Completions: next, room: schema.MaxCompletions - schema.Size(next), errors: maxErrors,
		entries: map[outcome]int{}, grown: map[int]int{},
	}
	for i := range next.Slots {
		o := &next.Slots[i]
		d.entries[outcome{o.Task, o.Token, o.Error}] = i
		if strings.HasPrefix(o.Error, schema.SeveralReasons) {
			d.entries[outcome{o.Task, o.Token, schema.SeveralReasons}] = i
		}
		if o.Error != "" {
			d.errors -= schema.SizeOf(o)
		}
	}
	for _, slot := range only(l.Running, func(r *cluster.Report) bool { return r.Ended }) {
		if r := l.Running[slot]; !l.recorded[end{slot, r.Token}] {
			changed = d.add(slot, r.Token, reasonOf(r)) || changed
		}
	}
	if !changed {
		return nil
	}
	for i := range d.grown {
		slices.Sort(next.Slots[i].Slots)
	}
	return next
}

// stillListed returns the recorded ends of slots that the assignment still lists.
func (l *Local) stillListed() (next *schema.Completions, changed bool) {
	next = &schema.Completions{Slots: []schema.Completion{}}
	if l.Completions == nil {
		return next, false
	}
	for _, o := range l.Completions.Slots {
		kept := o
		kept.Slots = nil
		for _, index := range o.Slots {
			if l.Assignment == nil || !l.AssignmentGood || l.lists[end{cluster.Slot{Task: o.Task, Index: index}, o.Token}] {
				kept.Slots = append(kept.Slots, index)
			}
		}
		changed = changed || len(kept.Slots) != len(o.Slots)
		if len(kept.Slots) > 0 {
			next.Slots = append(next.Slots, kept)
		}
	}
	return next, changed
}

// outcome is what several ended slots have in common.
type outcome struct {
	task   string
	token  int64
	reason string
}

// ends is an unfinished record of ended slots, with the bytes that are left.
type ends struct {
	*schema.Completions
	room, errors int
	entries      map[outcome]int
	grown        map[int]int // bytes, by entry
}

// The most bytes that an index takes, and a list of them.
const (
	indexBytes = 7
	listBytes  = 3<<10 + cluster.MaxRunWorkers/6
)

// add records the end of a slot, and reports whether there was room for it. Once errors have used their share of the bytes, one
// error stands for all others of a grant.
func (d *ends) add(slot cluster.Slot, token int64, reason string) bool {
	key := outcome{slot.Task, token, reason}
	fresh := schema.Completion{Task: slot.Task, Slots: cluster.Indexes{slot.Index}, Token: token, Error: reason}
	at, known := d.entries[key]
	if !known && reason != "" && schema.SizeOf(&fresh) > d.errors {
		grant := outcome{slot.Task, token, schema.SeveralReasons}
		at, known = d.entries[grant]
		if !known {
			key, fresh.Error = grant, schema.SeveralReasons+schema.Cut(reason, schema.ShortError)
		}
	}
	need := 0
	switch {
	case !known:
		need = schema.SizeOf(&fresh)
	case d.grown[at] < listBytes:
		need = indexBytes
	}
	if need > d.room {
		return false
	}
	d.room -= need
	if !known {
		at = len(d.Slots)
		d.entries[key] = at
		d.Slots = append(d.Slots, schema.Completion{Task: fresh.Task, Token: token, Error: fresh.Error})
		if reason != "" {
			d.errors -= need
		}
	}
	d.grown[at] += need
	d.Slots[at].Slots = append(d.Slots[at].Slots, slot.Index)
	return true
}

// reasonOf returns why an ended slot has failed, "" if it is done.
func reasonOf(r cluster.Report) string {
	if r.State == cluster.WorkerDone {
		return ""
	}
	return cmp.Or(schema.Cut(r.Error, 10*schema.ShortError), "failed")
}

// fill writes the held slots and the states of workers, within the bound of a status. Held slots are listed in full. If necessary,
// more slots are listed than are held: these are only given back later. States of workers are dropped first, then the times when
// slots were claimed.
func (l *Local) fill(status *schema.Status, claims map[cluster.Slot]schema.Claim) {
	const spare = 8 << 10 // for some states of workers
	status.Holding = schema.Gather(claims)
	size := func() int {
		if schema.Rough(status.Holding) < schema.MaxStatus/2 {
			return schema.MaxStatus / 2
		}
		return schema.Size(status)
	}
	for _, less := range []func(map[cluster.Slot]schema.Claim){claimedTogether, claimedSometime, l.claimedWhole} {
		if size() <= schema.MaxStatus-spare {
			break
		}
		less(claims)
		status.Holding = schema.Gather(claims)
	}
	workers := notable(l.Running)
	status.Workers = workers[:schema.Fit(workers, schema.MaxStatus-size()-len(`"workers":[],`))]
	slices.SortFunc(status.Workers, func(a, b schema.WorkerState) int { return a.Slot.Compare(b.Slot) })
}

// claimedTogether gives all slots of a grant the time when the last of them was claimed.
func claimedTogether(claims map[cluster.Slot]schema.Claim) {
	type grant struct {
		task  string
		token int64
	}
	last := map[grant]schema.Claim{}
	for slot, c := range claims {
		if g := (grant{slot.Task, c.Token}); c.Since.After(last[g].Since) || last[g].Token == 0 {
			last[g] = c
		}
	}
	for slot, c := range claims {
		claims[slot] = last[grant{slot.Task, c.Token}]
	}
}

// claimedSometime drops the times when slots were claimed.
func claimedSometime(claims map[cluster.Slot]schema.Claim) {
	for slot, c := range claims {
		claims[slot] = schema.Claim{Token: c.Token}
	}
}

// claimedWhole lists all slots of a grant as held if one of them is.
func (l *Local) claimedWhole(claims map[cluster.Slot]schema.Claim) {
	if l.Assignment == nil {
		return
	}
	for i := range l.Assignment.Granted {
		h := &l.Assignment.Granted[i]
		some := slices.ContainsFunc(h.Slots, func(index int) bool {
			return claims[cluster.Slot{Task: h.Task, Index: index}].Token == h.Token
		})
		for _, index := range h.Slots {
			if slot := (cluster.Slot{Task: h.Task, Index: index}); some && claims[slot].Token == 0 {
				claims[slot] = schema.Claim{Token: h.Token}
			}
		}
	}
}
