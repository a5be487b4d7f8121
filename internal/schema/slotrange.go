package schema

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// SlotRange is slots of one task that have one token. Lists of records have it alone, or embedded in a struct with more about these
// slots.
type SlotRange struct {
	Task  string          `json:"task"`
	Slots cluster.Indexes `json:"slots"`
	// Token belongs to the entry: all slots of a task that a member gets by one commit have the same token. Tokens rise over the
	// whole cluster, so a later grant of a slot has a higher one than an earlier one.
	Token   int64           `json:"token"`
	Unknown cluster.Unknown `json:"-"`
}

// Range returns r itself. A type that embeds a SlotRange can therefore be an element of the lists that this package walks.
func (r *SlotRange) Range() *SlotRange { return r }

// Granted is an entry of the grants of an assignment: its member may claim the slots and run them.
type Granted struct {
	SlotRange
	// Count is what the workers are given as the number of workers of their task, 0 for none.
	Count *int
	// Ref names the spec that the workers run with.
	Ref SpecRef
	// Spec is that spec, and Generation that of the task when the slots were granted. Records do not contain them: the reader of the
	// assignment finds them with Ref. Spec is nil if they were not found.
	Spec       *cluster.TaskSpec
	Generation int64
}

// WorkerCount returns the number of workers that the workers of the grant are given, and whether it is known. Every grant that was
// read has one; a grant that is being made has that of its spec.
func (g *Granted) WorkerCount() (count int, known bool) {
	switch {
	case g.Count != nil:
		return *g.Count, true
	case g.Spec != nil:
		return g.Spec.Count(), true
	}
	return 0, false
}

// Releasing is an entry of the slots that an assignment asks back. They stay listed until their member has confirmed that it does
// not hold them. They may then stay until the assignment is next written, if another one lists them with a higher token.
type Releasing struct {
	SlotRange
	// Count is that of the grant. It is nil if unknown, because the member's status is the only source.
	Count *int `json:"count,omitempty"`
	// Version is the version of the assignment that asked for the release. The release ends with a status that has applied this
	// version and does not hold the slots.
	Version int64 `json:"version,omitempty"`
	// Why is the reason of the release.
	Why *cluster.Reason `json:"why,omitempty"`
}

// WorkerCount returns the number of workers that the workers of the former grant were given, and whether the record has it.
func (r *Releasing) WorkerCount() (count int, known bool) {
	if r.Count == nil {
		return 0, false
	}
	return *r.Count, true
}

// WhyOr returns why the slots are asked back, or another reason if there is none.
func (r *Releasing) WhyOr(other cluster.Reason) cluster.Reason {
	if r.Why != nil {
		return *r.Why
	}
	return other
}

// MayStay reports whether the release may stay listed after the slots were given back and granted elsewhere. It may not where a
// manual edit, and not a leader, may have put the slots into another assignment, or where they are of a run, whose end has to be
// recorded.
func (r *Releasing) MayStay() bool {
	if _, run := cluster.SplitRun(r.Task); run != "" || r.Why == nil {
		return false
	}
	return r.Why.Code != cluster.WhyEdited && r.Why.Code != cluster.WhyDoubled && r.Why.Code != cluster.WhyRefused
}

// Claimed is slots that a member holds, or held when it died.
type Claimed struct {
	SlotRange
	Since time.Time `json:"since,omitzero"` // when it was claimed, by the member's clock
}

// Entry is an entry of an assignment: a *Granted or a *Releasing.
type Entry interface {
	Range() *SlotRange
	WorkerCount() (count int, known bool)
}

// Entries yields the entries of an assignment: first grants, then releases.
func (d *Assignment) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range d.Granted {
			if !yield(&d.Granted[i]) {
				return
			}
		}
		for i := range d.Releasing {
			if !yield(&d.Releasing[i]) {
				return
			}
		}
	}
}

// Ranges yields the ranges that an assignment lists: first grants, then releases.
func (d *Assignment) Ranges() iter.Seq[*SlotRange] {
	return func(yield func(*SlotRange) bool) {
		for e := range d.Entries() {
			if !yield(e.Range()) {
				return
			}
		}
	}
}

// Each yields every slot that an assignment lists, granted or releasing, with its range.
func (d *Assignment) Each() iter.Seq2[cluster.Slot, *SlotRange] {
	return func(yield func(cluster.Slot, *SlotRange) bool) {
		for r := range d.Ranges() {
			for _, index := range r.Slots {
				if !yield(cluster.Slot{Task: r.Task, Index: index}, r) {
					return
				}
			}
		}
	}
}

// ListsTask reports whether an assignment lists slots of a task, or of a run, with one of the names.
func (d *Assignment) ListsTask(is func(name string) bool) bool {
	for r := range d.Ranges() {
		if is(r.Task) {
			return true
		}
	}
	return false
}

// ranged is a pointer to an element of a list of slots.
type ranged[T any] interface {
	*T
	Range() *SlotRange
}

// Each yields every slot of a list with its entry.
func Each[T any, P ranged[T]](list []T) iter.Seq2[cluster.Slot, *T] {
	return func(yield func(cluster.Slot, *T) bool) {
		for i := range list {
			r := P(&list[i]).Range()
			for _, index := range r.Slots {
				if !yield(cluster.Slot{Task: r.Task, Index: index}, &list[i]) {
					return
				}
			}
		}
	}
}

// Find returns the entry that lists a slot, nil if none does.
func Find[T any, P ranged[T]](list []T, slot cluster.Slot) *T {
	for i := range list {
		if r := P(&list[i]).Range(); r.Task == slot.Task && r.Slots.Contains(slot.Index) {
			return &list[i]
		}
	}
	return nil
}

// Unlisted returns the held slots that an assignment does not list. Leaders free no slot that its member holds: it was removed from
// the assignment manually. The number of workers that its worker was given is unknown. The entries have no version.
func (d *Assignment) Unlisted(holding []Claimed) (list []Releasing) {
	next := 0 // both lists usually have the same order
	for i := range holding {
		h := &holding[i]
		for next < len(d.Granted) && d.Granted[next].Task < h.Task {
			next++
		}
		if next < len(d.Granted) && d.Granted[next].Task == h.Task && slices.Equal(d.Granted[next].Slots, h.Slots) {
			continue
		}
		var slots cluster.Indexes
		for _, index := range h.Slots {
			if slot := (cluster.Slot{Task: h.Task, Index: index}); Find(d.Granted, slot) == nil && Find(d.Releasing, slot) == nil {
				slots = append(slots, index)
			}
		}
		if len(slots) > 0 {
			list = append(list, Releasing{SlotRange: SlotRange{Task: h.Task, Slots: slots, Token: h.Token}})
		}
	}
	return list
}

// Adopt adds held slots that are not listed to the releases, under the version that the assignment will have, and returns them. So
// no other member is granted such a slot before its worker has stopped, whatever happens to the member.
func (d *Assignment) Adopt(holding []Claimed, version int64) []Releasing {
	list := d.Unlisted(holding)
	if len(list) == 0 {
		return nil
	}
	for i := range list {
		list[i].Version, list[i].Why = version, &cluster.Reason{Code: cluster.WhyEdited, Detail: "its assignment did not list it"}
	}
	d.Releasing = slices.Concat(d.Releasing, list)
	return list
}

// GiveBack moves the granted slots that a filter picks to the releases, under the version that the assignment will have.
func (d *Assignment) GiveBack(version int64, why cluster.Reason, pick func(cluster.Slot, *Granted) bool) {
	back, kept := Split(d.Granted, pick)
	if len(back) == 0 {
		return
	}
	d.Granted, d.Releasing = append([]Granted{}, kept...), slices.Clone(d.Releasing)
	for i := range back {
		entry := Releasing{SlotRange: back[i].SlotRange, Version: version, Why: &why}
		if count, known := back[i].WorkerCount(); known {
			entry.Count = &count
		}
		d.Releasing = append(d.Releasing, entry)
	}
}

// Split divides a list by slot. It copies the entries, which share their specs, and their slots if these stay together.
func Split[T any, P ranged[T]](list []T, pick func(cluster.Slot, *T) bool) (picked, rest []T) {
	var in, out cluster.Indexes
	for i := range list {
		r := P(&list[i]).Range()
		in, out = in[:0], out[:0]
		for _, index := range r.Slots {
			if pick(cluster.Slot{Task: r.Task, Index: index}, &list[i]) {
				in = append(in, index)
			} else {
				out = append(out, index)
			}
		}
		for _, part := range []struct {
			slots cluster.Indexes
			to    *[]T
		}{{in, &picked}, {out, &rest}} {
			if len(part.slots) == 0 {
				continue
			}
			if *part.to == nil && (part.to == &rest || i == 0) { // what is picked is all, or usually little
				*part.to = make([]T, 0, len(list)-i)
			}
			*part.to = append(*part.to, list[i])
			of := P(&(*part.to)[len(*part.to)-1]).Range()
			if len(part.slots) < len(r.Slots) {
				of.Slots = slices.Clone(part.slots)
			} else {
				of.Slots = slices.Clip(r.Slots)
			}
		}
	}
	return picked, rest
}

// Count returns the number of slots in a list.
func Count[T any, P ranged[T]](list []T) int {
	n := 0
	for i := range list {
		n += len(P(&list[i]).Range().Slots)
	}
	return n
}

// AskedBack returns the held slots of a member as releases of an assignment of that version.
func AskedBack(holding []Claimed, version int64) []Releasing {
	list := make([]Releasing, len(holding))
	for i, h := range holding {
		list[i] = Releasing{SlotRange: h.SlotRange, Version: version}
	}
	return list
}

// Gather returns the shortest list of slots with their tokens and the times of their claims.
func Gather(slots map[cluster.Slot]Claim) Claims {
	type group struct {
		task  string
		claim Claim
	}
	groups := map[group]cluster.Indexes{}
	for slot, claim := range slots {
		g := group{slot.Task, claim}
		groups[g] = append(groups[g], slot.Index)
	}
	list := Claims{}
	for g, indexes := range groups {
		slices.Sort(indexes)
		list = append(list, Claimed{SlotRange{Task: g.task, Slots: indexes, Token: g.claim.Token}, g.claim.Since})
	}
	slices.SortFunc(list, func(a, b Claimed) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Token, b.Token), a.Since.Compare(b.Since))
	})
	return list
}

// GatherTokens returns the shortest list of slots with their tokens.
func GatherTokens(slots map[cluster.Slot]int64) []SlotRange {
	claims := make(map[cluster.Slot]Claim, len(slots))
	for slot, token := range slots {
		claims[slot] = Claim{Token: token}
	}
	var list []SlotRange
	for _, c := range Gather(claims) {
		list = append(list, c.SlotRange)
	}
	return list
}

// Claim is a member's record of a slot that it holds.
type Claim struct {
	Token int64
	Since time.Time // comparable by ==: in UTC, without a monotonic reading
}
