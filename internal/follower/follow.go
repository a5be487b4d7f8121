package follower

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Local is the input of Follow: values only.
type Local struct {
	Assignment        *schema.Assignment     // the last good assignment, nil before the first and when it is missing
	AssignmentVersion int64                  // of Assignment
	AssignmentGood    bool                   // Assignment is the one at its key's present version
	Refused           map[cluster.Slot]int64 // grants of Assignment that are not claimed, with their tokens
	Above             int64                  // the token that they are not above
	Running           map[cluster.Slot]cluster.Report
	Claims            map[cluster.Slot]schema.Claim // when each running slot was claimed, and its token
	Phase             membership.Phase
	Leaving           bool
	Announce          bool                // the departure takes a while, which the status shows
	Completions       *schema.Completions // the last record of ended slots known to be committed, nil if there is none
	LastStatus        *schema.Status      // the last status known to be committed, nil if it has to be written
	LazyAt            time.Duration       // when the last status that could have waited was written, on the lease clock
	Differs           time.Duration       // since when the states of workers differ from LastStatus, 0 for just now
	StopsSince        time.Duration       // since when a slot that has stopped waits for others to be confirmed with, 0 for just now
	Now               time.Duration
	WallNow           time.Time // for people: when a slot was claimed

	recorded, lists map[end]bool // from Completions and Assignment
}

// end is a grant of a slot, which ends once.
type end struct {
	slot  cluster.Slot
	token int64
}

// Actions is the result of Follow.
type Actions struct {
	Stop   map[cluster.Slot]error            // workers to stop, and why
	Update map[cluster.Slot]cluster.TaskSpec // workers that continue with another spec
	// Start are slots to start once Status is committed, checked against the assignment at
	// AssignmentVersion: the claim.
	Start []cluster.Grant
	// Completions is written in the same commit, or with a check of the present status.
	Completions *schema.Completions
	// Status is written now; nil if it can wait until RequeueAt.
	Status *schema.Status
	// Lazy is set if Status could have waited: only states of workers have changed.
	Lazy bool
	// Differs is set if states of workers differ from LastStatus, whether Status contains them or not.
	Differs bool
	// Stops is set if Status waits for slots that are about to stop.
	Stops     bool
	RequeueAt time.Duration // 0: never
}

// A status in which only states have changed is written at once if no other such status was written for lazily, and otherwise when
// that time is over. So a first failure is visible at once, and a crash loop costs at most one write in that time. Changes that
// come together, as when all workers of a task fail at their start, are collected for a moment and written together.
const (
	lazily    = 5 * time.Second
	gatherFor = 100 * time.Millisecond
)

// Slots that are asked back together mostly stop within a moment, but not in one instant. The first waits for the others for
// stopTogether, and for stopEach of them, since many share the processors: so one status confirms them all.
const (
	stopTogether = 2 * time.Millisecond
	stopEach     = 20 * time.Microsecond
	maxStopWait  = 40 * time.Millisecond
)

// Follow is the follower's decision: what to stop, what to claim, what to write. It is a pure function.
//
// A status never lists less than what runs or may be started: a slot is added before it starts, and removed only after it has
// stopped.
func Follow(l Local) Actions {
	l.index()
	o := Actions{Stop: map[cluster.Slot]error{}, Update: map[cluster.Slot]cluster.TaskSpec{}}
	granted := l.granted()
	for slot, r := range l.Running {
		h := granted[slot]
		switch {
		case r.Ended && !l.recorded[end{slot, r.Token}] && l.lists[end{slot, r.Token}] && (l.Phase == membership.LeaseValid || !l.Leaving):
			// Nothing of it runs, so it needs no lease: it waits for its end to be recorded. Were it
			// forgotten while the lease is lost, it would be executed again.
		case l.Phase > membership.LeaseValid && r.Continues() && !l.Leaving:
			// It may run twice, as its task says.
		case l.Phase > membership.LeaseValid:
			o.Stop[slot] = cluster.ErrLeaseLost
		case l.Leaving:
			o.Stop[slot] = cluster.ErrLeaving
		case h == nil || h.Token != r.Token:
			o.Stop[slot] = cluster.ErrReleased
		case h.Spec != nil && (r.Spec == nil || *r.Spec != *h.Spec):
			o.Update[slot] = *h.Spec
		}
	}
	claims := make(map[cluster.Slot]schema.Claim, len(l.Running))
	for slot := range l.Running {
		claims[slot] = l.Claims[slot]
	}
	if l.Phase == membership.LeaseValid && l.AssignmentGood {
		for slot, h := range granted {
			if _, running := l.Running[slot]; running {
				continue
			}
			if h.Spec == nil || l.recorded[end{slot, h.Token}] {
				continue // its spec was not read yet, or it has run to its end
			}
			count, _ := h.WorkerCount()
			o.Start = append(o.Start, cluster.Grant{Slot: slot, Token: h.Token, Count: count, Spec: *h.Spec, Generation: h.Generation})
			claims[slot] = schema.Claim{Token: h.Token, Since: l.WallNow}
		}
		slices.SortFunc(o.Start, func(a, b cluster.Grant) int { return a.Slot.Compare(b.Slot) })
	}
	o.Completions = l.ended()
	if until := l.awaitsStops(&o); until != 0 {
		o.Stops, o.RequeueAt = true, until
		return o
	}
	status := l.status()
	l.fill(status, claims)
	switch {
	case len(o.Start) > 0 || l.urgent(status):
		o.Status = status
	case sameWorkers(status.Workers, l.LastStatus.Workers):
	case sameWorkers(older(status.Workers, l.WallNow), l.LastStatus.Workers):
		o.RequeueAt = l.Now + passing
	default:
		o.Differs = true
		o.RequeueAt = max(l.LazyAt+lazily, cmp.Or(l.Differs, l.Now)+gatherFor)
		if l.Now >= o.RequeueAt {
			o.Status, o.RequeueAt, o.Lazy = status, 0, true
		}
	}
	return o
}

// granted returns the grants of the assignment that are not refused.
func (l *Local) granted() map[cluster.Slot]*schema.Granted {
	granted := make(map[cluster.Slot]*schema.Granted, len(l.Running))
	if l.Assignment != nil && !l.Leaving && !l.Assignment.Evicted && l.Assignment.Closed == nil {
		maps.Insert(granted, schema.Each(l.Assignment.Granted))
		for slot := range l.Refused {
			delete(granted, slot)
		}
	}
	return granted
}

// status returns the status without the held slots.
func (l *Local) status() *schema.Status {
	status := &schema.Status{Leaving: l.Leaving && l.Announce, Fenced: l.Phase > membership.LeaseValid}
	if l.Assignment != nil {
		status.Applied = l.AssignmentVersion
	}
	if len(l.Refused) > 0 {
		status.Refused, status.Above = schema.GatherTokens(l.Refused), l.Above
	}
	return status
}

// passing is how long a worker must have been starting or stopping before that alone is worth a status: most take less.
const passing = time.Second

// older leaves out the workers that have just begun to start or to stop.
func older(workers []schema.WorkerState, now time.Time) []schema.WorkerState {
	return slices.DeleteFunc(slices.Clone(workers), func(w schema.WorkerState) bool {
		return (w.State == cluster.WorkerStarting || w.State == cluster.WorkerStopping) && now.Sub(w.Since) < passing
	})
}

// only returns the slots whose reports a filter selects, sorted.
func only(reports map[cluster.Slot]cluster.Report, wanted func(*cluster.Report) bool) (slots []cluster.Slot) {
	for slot, r := range reports {
		if wanted(&r) {
			slots = append(slots, slot)
		}
	}
	slices.SortFunc(slots, cluster.Slot.Compare)
	return slots
}

// urgent reports whether a status must be written at once: the leader waits for it, or the last one is wrong about the held slots.
func (l *Local) urgent(status *schema.Status) bool {
	last := l.LastStatus
	if last == nil || last.Leaving != status.Leaving || last.Fenced != status.Fenced || !sameHolding(last.Holding, status.Holding) ||
		!sameRefused(last.Refused, status.Refused) {
		return true
	}
	if l.Assignment != nil {
		for slot, h := range schema.Each(l.Assignment.Releasing) {
			if _, running := l.Running[slot]; !running && last.Applied < h.Version {
				return true
			}
		}
	}
	// A stuck worker must be visible at once.
	return stuck(status.Workers) != stuck(last.Workers)
}

// awaitsStops returns until when a slot that has stopped waits for others that are asked back; 0 if none has stopped, if something else is
// to be written, or if no other one may stop in a moment.
func (l *Local) awaitsStops(o *Actions) (until time.Duration) {
	if len(o.Stop) == 0 || l.LastStatus == nil || l.Phase != membership.LeaseValid || l.Leaving || len(o.Start) > 0 || o.Completions != nil {
		return 0
	}
	stopped, stopping := 0, 0
	for slot := range schema.Each(l.LastStatus.Holding) {
		if _, running := l.Running[slot]; !running {
			stopped++
		}
	}
	for slot := range o.Stop {
		if l.Running[slot].State != cluster.WorkerStuck {
			stopping++
		}
	}
	if stopped == 0 || stopping == 0 {
		return 0
	}
	until = cmp.Or(l.StopsSince, l.Now) + min(stopTogether+time.Duration(stopped+stopping)*stopEach, maxStopWait)
	if l.Now >= until {
		return 0
	}
	return until
}

func stuck(workers []schema.WorkerState) (n int) {
	for _, w := range workers {
		if w.State == cluster.WorkerStuck {
			n++
		}
	}
	return n
}

func sameHolding(a, b []schema.Claimed) bool {
	return slices.EqualFunc(a, b, func(x, y schema.Claimed) bool {
		return sameRange(&x.SlotRange, &y.SlotRange) && x.Since.Equal(y.Since)
	})
}

func sameRefused(a, b []schema.SlotRange) bool {
	return slices.EqualFunc(a, b, func(x, y schema.SlotRange) bool { return sameRange(&x, &y) })
}

func sameRange(a, b *schema.SlotRange) bool {
	return a.Task == b.Task && a.Token == b.Token && slices.Equal(a.Slots, b.Slots)
}

func sameWorkers(a, b []schema.WorkerState) bool {
	return slices.EqualFunc(a, b, func(x, y schema.WorkerState) bool {
		return x.Slot == y.Slot && x.Equal(y.WorkerStatus)
	})
}

// The bounds of a status, which must stay far below the limit of the store: the number of states that it contains, while the
// other workers seem to run, and the bytes of errors, after which they are cut short.
const (
	maxStates = 500
	maxErrors = 32 << 10
)

// rank orders the workers by how much their states matter, if a status cannot contain all: first those that need an operator.
func rank(r *cluster.Report) int {
	switch r.State {
	case cluster.WorkerStuck:
		return 0
	case cluster.WorkerGivenUp:
		return 1
	case cluster.WorkerBackoff:
		return 2
	case cluster.WorkerRunning:
		if r.Restarts == 0 {
			return 5
		}
		return 4
	}
	return 3
}

// notable returns the workers that are not simply running, first those that need an operator.
func notable(running map[cluster.Slot]cluster.Report) []schema.WorkerState {
	var list []schema.WorkerState
	budget := maxErrors
	isNotable := func(r *cluster.Report) bool {
		return (r.State != cluster.WorkerRunning || r.Restarts > 0 || r.Error != "") && r.State != cluster.WorkerDone
	}
	slots := only(running, isNotable)
	slices.SortStableFunc(slots, func(a, b cluster.Slot) int {
		x, y := running[a], running[b]
		return cmp.Compare(rank(&x), rank(&y))
	})
	for _, slot := range slots {
		if len(list) == maxStates {
			break
		}
		status := running[slot].WorkerStatus
		if len(status.Error) > budget {
			status.Error = schema.Cut(status.Error, schema.ShortError)
		}
		budget = max(0, budget-len(status.Error))
		status.Since = status.Since.UTC().Truncate(time.Millisecond)
		list = append(list, schema.WorkerState{Slot: slot, WorkerStatus: status})
	}
	return list
}
