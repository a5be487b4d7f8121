package assignment

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Local is what a follower decides from: values only.
type Local struct {
	Doc        *schema.Doc // the last good document, nil before the first and when it is missing
	DocVersion int64       // of Doc
	DocGood    bool        // Doc is the document at its key's present version
	Running    map[cluster.Slot]cluster.Report
	Claims     map[cluster.Slot]schema.Claim // when each running slot was claimed, and its token
	Phase      membership.Phase
	Leaving    bool
	Announce   bool           // the departure takes a while: say so in the status
	Done       *schema.Done   // the last record of ended slots known to be committed, nil if there is none
	Said       *schema.Status // the last status known to be committed, nil if it has to be written
	SaidAt     time.Duration  // when, on the lease clock
	Now        time.Duration
	WallNow    time.Time // for people: when a slot was claimed
}

// Orders are what follows from it.
type Orders struct {
	Stop   map[cluster.Slot]error            // workers to stop, and why
	Update map[cluster.Slot]cluster.TaskSpec // workers whose spec changed without the need to stop
	// Start are slots to start once Status is committed, checked against the document at
	// DocVersion: the claim.
	Start []cluster.Grant
	// Done is to be written in the same commit, or with a check of the status as it is.
	Done *schema.Done
	// Status is to be written now, nil if it can wait until Again.
	Status *schema.Status
	Again  time.Duration // 0: never
}

// lazily is how often a status is written that tells of nothing but states.
const lazily = 5 * time.Second

// Follow is the follower's decision: what to stop, what to claim, what to say. It is a pure
// function.
//
// A status never says less than what runs or may be started: a slot is named before it starts,
// and not left out before it has stopped.
func Follow(l Local) Orders {
	o := Orders{Stop: map[cluster.Slot]error{}, Update: map[cluster.Slot]cluster.TaskSpec{}}
	granted := map[cluster.Slot]*schema.Held{}
	if l.Doc != nil && !l.Leaving && !l.Doc.Evicted && l.Doc.Closed == nil {
		maps.Insert(granted, schema.Each(l.Doc.Slots))
	}
	for slot, r := range l.Running {
		h := granted[slot]
		switch {
		case l.Phase == membership.Holds && r.Ended && !l.Done.Lists(slot, r.Token) && l.listed(slot, r.Token):
			// Nothing of it runs; it only waits for its end to be noted.
		case l.Phase > membership.Holds && r.Continues && !l.Leaving:
			// It may run twice, as its task says.
		case l.Phase > membership.Holds:
			o.Stop[slot] = cluster.ErrLeaseLost
		case l.Leaving:
			o.Stop[slot] = cluster.ErrLeaving
		case h == nil || h.Token != r.Token:
			o.Stop[slot] = cluster.ErrReleased
		default:
			o.Update[slot] = *h.Spec
		}
	}
	status := &schema.Status{Leaving: l.Leaving && l.Announce, Fenced: l.Phase > membership.Holds}
	if l.Doc != nil {
		status.Applied = l.DocVersion
	}
	claims := map[cluster.Slot]schema.Claim{}
	for slot := range l.Running {
		claims[slot] = l.Claims[slot]
	}
	if l.Phase == membership.Holds && l.DocGood {
		for _, slot := range slices.SortedFunc(maps.Keys(granted), cluster.Slot.Compare) {
			if _, running := l.Running[slot]; running {
				continue
			}
			h := granted[slot]
			if l.Done.Lists(slot, h.Token) {
				continue // it has run to its end
			}
			o.Start = append(o.Start, cluster.Grant{Slot: slot, Token: h.Token, Spec: *h.Spec})
			claims[slot] = schema.Claim{Token: h.Token, Since: l.WallNow}
		}
	}
	o.Done = l.ended()
	status.Holding = schema.Gather(claims)
	status.Workers = tellable(l.Running)
	switch {
	case len(o.Start) > 0 || l.urgent(status):
		o.Status = status
	case !sameWorkers(status.Workers, l.Said.Workers):
		if o.Again = l.SaidAt + lazily; l.Now >= o.Again {
			o.Status, o.Again = status, 0
		}
	}
	return o
}

// ended returns the record of the slots that have ended, nil if it stays as it is. A slot is in it until the
// document lists it no more: by then the leader has taken it in.
func (l *Local) ended() *schema.Done {
	next := &schema.Done{Slots: []schema.Outcome{}}
	changed := false
	if l.Done != nil {
		for _, o := range l.Done.Slots {
			kept := o
			if l.Doc != nil && l.DocGood {
				kept.Slots = nil
				for _, index := range o.Slots {
					if l.listed(cluster.Slot{Task: o.Task, Index: index}, o.Token) {
						kept.Slots = append(kept.Slots, index)
					}
				}
			}
			changed = changed || len(kept.Slots) != len(o.Slots)
			if len(kept.Slots) > 0 {
				next.Slots = append(next.Slots, kept)
			}
		}
	}
	for _, slot := range slices.SortedFunc(maps.Keys(l.Running), cluster.Slot.Compare) {
		if r := l.Running[slot]; r.Ended && !next.Lists(slot, r.Token) {
			next.Add(slot, r.Token, reasonOf(r))
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return next
}

// listed tells whether the document still lists a grant.
func (l *Local) listed(slot cluster.Slot, token int64) bool {
	if l.Doc == nil || l.Doc.Evicted || l.Doc.Closed != nil {
		return false
	}
	for _, list := range [][]schema.Held{l.Doc.Slots, l.Doc.Releasing} {
		if h := schema.Find(list, slot); h != nil && h.Token == token {
			return true
		}
	}
	return false
}

// reasonOf returns why an ended slot has failed, "" if it is done.
func reasonOf(r cluster.Report) string {
	if r.State == cluster.WorkerDone {
		return ""
	}
	return cmp.Or(cut(r.Error, 10*shortError), "failed")
}

// urgent tells whether a status has to be written at once: somebody waits for it, or it would
// say something wrong about what is held.
func (l *Local) urgent(status *schema.Status) bool {
	if l.Said == nil || l.Said.Leaving != status.Leaving || l.Said.Fenced != status.Fenced || !sameHolding(l.Said.Holding, status.Holding) {
		return true
	}
	if l.Doc != nil {
		for slot, h := range schema.Each(l.Doc.Releasing) {
			if _, running := l.Running[slot]; !running && l.Said.Applied < h.Version {
				return true
			}
		}
	}
	// A worker that is stuck should not wait to be seen.
	return stuck(status.Workers) != stuck(l.Said.Workers)
}

func stuck(workers []schema.WorkerState) (n int) {
	for _, w := range workers {
		if w.State == cluster.WorkerStuck {
			n++
		}
	}
	return n
}

func sameHolding(a, b []schema.Held) bool {
	return slices.EqualFunc(a, b, func(x, y schema.Held) bool {
		return x.Task == y.Task && x.Token == y.Token && x.Since.Equal(y.Since) && slices.Equal(x.Slots, y.Slots)
	})
}

func sameWorkers(a, b []schema.WorkerState) bool {
	return slices.EqualFunc(a, b, func(x, y schema.WorkerState) bool {
		return x.Slot == y.Slot && x.State == y.State && x.Since.Equal(y.Since) && x.Restarts == y.Restarts && x.InRow == y.InRow && x.Error == y.Error
	})
}

// A status has to stay far below what the store takes. So many states are told at most, the rest
// are said to run; and so many bytes of errors, after which they are cut short.
const (
	maxTold    = 500
	maxErrors  = 32 << 10
	shortError = 80
)

// tellable returns the workers that are not simply running.
func tellable(running map[cluster.Slot]cluster.Report) []schema.WorkerState {
	var list []schema.WorkerState
	budget := maxErrors
	for _, slot := range slices.SortedFunc(maps.Keys(running), cluster.Slot.Compare) {
		r := running[slot]
		if r.State == cluster.WorkerRunning && r.Restarts == 0 || r.State == cluster.WorkerDone {
			continue
		}
		if len(list) == maxTold {
			break
		}
		if len(r.Error) > budget {
			r.Error = cut(r.Error, shortError)
		}
		budget = max(0, budget-len(r.Error))
		list = append(list, schema.WorkerState{Slot: slot, State: r.State, Since: r.Since.UTC().Truncate(time.Millisecond), Restarts: r.Restarts, InRow: r.InRow, Error: r.Error})
	}
	return list
}

// cut shortens a text to about so many bytes, between characters.
func cut(text string, most int) string {
	for i := range text {
		if i > most {
			return text[:i] + "…"
		}
	}
	return text
}
