package follower

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// Workers is the worker runtime as the follower uses it. Its methods must not block.
type Workers interface {
	// Start starts a slot that is not running.
	Start(grant cluster.Grant)
	// Update gives a running slot the present spec of its task.
	Update(slot cluster.Slot, spec cluster.TaskSpec)
	// Stop asks a slot to stop within a time; asked again, the shorter time counts.
	Stop(slot cluster.Slot, cause error, within time.Duration)
	// Reports returns a report of every slot that runs or may still run.
	Reports() map[cluster.Slot]cluster.Report
	// Changed receives when Reports has changed.
	Changed() <-chan struct{}
	// Idle returns a channel that is closed once Reports is empty.
	Idle() <-chan struct{}
}

// resync is how often the assignment is read again without a hint.
const resync = 30 * time.Second

// After a decision that took a while, the loop pauses for as long.
const (
	minRest = time.Millisecond
	maxRest = 20 * time.Millisecond
)

// announceAfter is how long a departure may take before the status announces it, so that the leader moves slots that have stopped.
// A shorter departure is over before that would help.
const announceAfter = 300 * time.Millisecond

// Follower carries out the member's assignment.
type Follower struct {
	Session coord.Session
	Keys    schema.Keys
	Self    membership.Self
	Lease   *membership.Lease
	Workers Workers
	Log     *slog.Logger
	Emit    func(cluster.Event)
	// Leads reports whether this node leads at present. A leader stays until its assignment is empty, so that its slots
	// need not wait for the next leader.
	Leads func() bool
	// Damaged receives a value when the status was edited manually; it is then written again.
	Damaged <-chan struct{}
	// Busy times the present work of the follower's loop.
	Busy membership.Busy
	// Starting, if set, is called before the slots of a claim start, and the function that it returns once they have started. It may
	// block for a moment, but much less than a heartbeat.
	Starting func() (started func())
	// Claimed, if set, is called for each slot that this node has just claimed. It must not block.
	Claimed func(slot cluster.Slot, token int64)
}

// Run follows the assignment until ctx or the session ends. When leave is closed, it stops all workers and returns nil once none
// runs; the member may then be closed. If some do not stop in time, the error matches ErrStuck.
func (f *Follower) Run(ctx context.Context, leave <-chan struct{}) (membership.Departure, error) {
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hints := coord.NewHints(f.Session)
	defer hints.Close()
	hints.Watch(f.Keys.Assignment(f.Self.MemberID))
	hints.Mark(f.Keys.Assignment(f.Self.MemberID))
	fl := &following{
		Follower:   f,
		spawn:      background.Go,
		claims:     map[cluster.Slot]schema.Claim{},
		started:    map[cluster.Slot]int64{},
		lastStatus: &schema.Status{},
		lazyAt:     f.Session.Now() - lazily,
		replies:    make(chan reply, 1),
		specReads:  make(chan specsRead, 1),
	}
	// The zero status is the one that the join wrote, so nothing has to be written yet.
	timer := time.NewTimer(resync) // set before the first wait
	defer timer.Stop()
	resyncTick := time.NewTicker(resync*9/10 + jitter.Of(resync/5, f.Self.MemberID)) // not in step with other members
	defer resyncTick.Stop()
	ahead := time.NewTimer(specsAhead)
	defer ahead.Stop()
	assignments := make(chan assignmentRead, 1)
	reading, readAgain := false, false
	read := func() {
		if reading {
			readAgain = true
			return
		}
		reading = true
		background.Go(func() {
			r, err := f.Session.Get(ctx, f.Keys.Assignment(f.Self.MemberID))
			assignments <- assignmentRead{r, err}
		})
	}
	defer f.Busy.End()
	for news := true; ; {
		f.Busy.Begin(f.Session.Now())
		wait, left, err := fl.step(ctx, news)
		news = true
		if left || err != nil {
			return fl.departure(), err
		}
		timer.Reset(wait)
		f.Busy.End()
		select {
		case <-ctx.Done():
			return fl.departure(), ctx.Err()
		case <-f.Session.Done():
			return fl.departure(), coord.ErrSessionEnded
		case <-leave:
			leave = nil
			fl.leaving, fl.leavingSince = true, f.Session.Now()
			fl.logWaitAt = fl.leavingSince + logWaitAfter
		case <-hints.C():
			hints.Take()
			read()
			news = false
		case d := <-assignments:
			f.Busy.Begin(f.Session.Now())
			reading = false
			if readAgain {
				readAgain = false
				read()
			}
			fl.onAssignment(d)
			fl.resolveSpecs(ctx)
		case <-ahead.C:
			fl.readSpecsAhead(ctx)
			news = false
		case r := <-fl.specReads:
			f.Busy.Begin(f.Session.Now())
			fl.onSpecs(ctx, r)
		case r := <-fl.replies:
			f.Busy.Begin(f.Session.Now())
			if fl.onReply(r) {
				read() // the claim was refused: the assignment has changed
			}
		case <-f.Damaged:
			fl.unsure, fl.lastStatus = true, nil
		case <-resyncTick.C:
			read()
			news = false
		case <-f.Workers.Changed():
			if fl.took >= minRest { // many start or stop at once: changes meanwhile are handled together
				_ = backoff.Sleep(ctx, min(fl.took, maxRest)) // the loop sees the end of ctx
			}
		case <-timer.C:
			news = false
		}
	}
}

// following is the state of one Run, owned by its goroutine.
type following struct {
	*Follower
	spawn             func(func())
	assignment        *schema.Assignment
	assignmentVersion int64
	assignmentGood    bool
	known             KnownGrants
	granted           map[cluster.Slot]int64 // as of the events emitted so far
	started           map[cluster.Slot]int64 // grants of the last assignment that were started, with their tokens
	specs             specs.Table            // the chunks that this member has read
	specReads         chan specsRead
	readingSpecs      bool
	due               time.Duration // when to decide again without news

	claims        map[cluster.Slot]schema.Claim
	lastStatus    *schema.Status // nil: must be written
	statusVersion int64
	lazyAt        time.Duration       // when the last status that could have waited was sent
	differs       time.Duration       // since when the states of workers differ from lastStatus, 0 if they do not
	stopsSince    time.Duration       // since when slots that have stopped wait for others, 0 if none does
	unsure        bool                // the status must be read before it is written
	done          *schema.Completions // the last record of ended slots known to be committed, nil if there is none
	doneVersion   int64
	doneUnsure    bool          // it must be read before it is written
	leaseValid    bool          // the lease was valid at the last check
	took          time.Duration // the last decision
	busy          bool          // a write or read of the status is under way
	notBefore     time.Duration
	replies       chan reply
	leaving       bool
	leavingSince  time.Duration
	logWaitAt     time.Duration // when to log next what a departure waits for
}

// leaseCheckInterval is how often the lease is checked: the boot clock may jump, and the lease may be renewed.
const leaseCheckInterval = 250 * time.Millisecond

// step decides and acts. It returns the longest time to wait, and whether the member has left. If stuck workers delay a departure
// for too long, the error is ErrStuck. Without news, while the lease is valid, there is nothing to decide before it is due.
func (fl *following) step(ctx context.Context, news bool) (wait time.Duration, left bool, err error) {
	now := fl.Session.Now()
	phase, valid := fl.Lease.Phase()
	same := phase == membership.LeaseValid && fl.leaseValid
	fl.leaseValid = phase == membership.LeaseValid
	if !news && same && !fl.leaving && now < fl.due {
		return max(min(leaseCheckInterval, valid, fl.due-now), time.Millisecond), false, nil
	}
	began := time.Now()
	running := fl.Workers.Reports()
	maps.DeleteFunc(fl.claims, func(slot cluster.Slot, _ schema.Claim) bool {
		_, ok := running[slot]
		return !ok
	})
	local := Local{
		Assignment: fl.assignment, AssignmentVersion: fl.assignmentVersion, AssignmentGood: fl.assignmentGood,
		Refused: fl.known.Refused, Above: fl.known.highest,
		Running: running, Claims: fl.claims, Phase: phase,
		Leaving: fl.leaving, Announce: fl.leaving && (fl.Leads() || now-fl.leavingSince >= announceAfter),
		Completions: fl.done, LastStatus: fl.lastStatus, LazyAt: fl.lazyAt, Differs: fl.differs, StopsSince: fl.stopsSince,
		Now: now, WallNow: time.Now().UTC().Truncate(time.Millisecond),
	}
	o := Follow(local)
	fl.took = time.Since(began)
	if fl.differs == 0 && o.Differs {
		fl.differs = now
	} else if !o.Differs {
		fl.differs = 0
	}
	if fl.stopsSince == 0 && o.Stops {
		fl.stopsSince = now
	} else if !o.Stops {
		fl.stopsSince = 0
	}
	for slot, cause := range o.Stop {
		fl.Workers.Stop(slot, cause, fl.stopTime(running[slot].StopTimeout(), cause))
	}
	for slot, spec := range o.Update {
		fl.Workers.Update(slot, spec)
	}
	if fl.leaving && len(running) == 0 && !fl.stays(now, phase) {
		return 0, true, nil
	}
	if fl.leaving && len(running) > 0 && allStuck(running) {
		return 0, false, stuckError(running)
	}
	if fl.leaving && len(running) > 0 && now >= fl.logWaitAt {
		fl.logWaitAt = now + logWaitEvery
		slots, atMost := waitsFor(running)
		fl.Log.Info("waiting for workers to stop before leaving", "slots", slots, "atMost", atMost)
	}
	if (o.Status != nil || o.Completions != nil) && !fl.busy && now >= fl.notBefore {
		fl.writeStatus(ctx, o, phase)
	}
	fl.due = now + time.Hour // news arrive before that
	if o.RequeueAt > now {
		fl.due = o.RequeueAt
	}
	if now < fl.notBefore {
		fl.due = min(fl.due, fl.notBefore)
	}
	wait = min(leaseCheckInterval, fl.due-now)
	if phase == membership.LeaseValid {
		wait = min(wait, valid)
	}
	return max(wait, time.Millisecond), false, nil
}
