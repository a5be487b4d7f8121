package follower

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Workers is the worker runtime as the follower uses it. Its methods must not block.
type Workers interface {
	// Start starts a slot that is not running.
	Start(grant cluster.Grant)
	// Update gives a running slot the present spec of its task.
	Update(slot cluster.Slot, spec cluster.TaskSpec)
	// Stop asks a slot to stop within a time; asked again, the shorter time counts.
	Stop(slot cluster.Slot, cause error, within time.Duration)
	// Reports tells of every slot that runs or may still run.
	Reports() map[cluster.Slot]cluster.Report
	// Changed receives when Reports has changed.
	Changed() <-chan struct{}
	// Idle returns a channel that is closed once Reports is empty.
	Idle() <-chan struct{}
}

// resync is how often the document is read again without a hint.
const resync = 30 * time.Second

// A decision that took a while is followed by nothing for as long.
const (
	minRest = time.Millisecond
	maxRest = 20 * time.Millisecond
)

// announceAfter is how long a departure may take before the leader is told of it, so that it
// moves what has stopped already. A shorter one is over before that would help.
const announceAfter = 300 * time.Millisecond

// Follower does what the member's document says.
type Follower struct {
	Session coord.Session
	Keys    schema.Keys
	Self    membership.Self
	Lease   *membership.Lease
	Workers Workers
	Log     *slog.Logger
	Emit    func(cluster.Event)
	// Leads tells whether this node leads at present, and then it stays until its document is
	// empty, so that its slots need not wait for the next leader.
	Leads func() bool
	// Damaged receives when somebody else wrote the status, which is then written again.
	Damaged <-chan struct{}
	// Round is the follower's loop as others see it.
	Round membership.Round
	// Starting, if set, is called before the slots of a claim start, and what it returns once they have. It may take a
	// moment, but much less than a heartbeat.
	Starting func() (started func())
	// Claimed, if set, is told of slots that this node has claimed just now. It must not wait.
	Claimed func(slot cluster.Slot, token int64)
}

// Run follows until ctx ends or the session does. When leave is closed it stops all workers
// and returns nil once none runs; the member may then be closed. If some will not stop in time
// it returns an error that matches ErrStuck.
func (f *Follower) Run(ctx context.Context, leave <-chan struct{}) (membership.Departure, error) {
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hints := coord.NewHints(f.Session)
	defer hints.Close()
	hints.Watch(f.Keys.Doc(f.Self.GUID))
	hints.Mark(f.Keys.Doc(f.Self.GUID))
	fl := &following{
		Follower: f,
		spawn:    background.Go,
		claims:   map[cluster.Slot]schema.Claim{},
		said:     &schema.Status{},
		lazyAt:   f.Session.Now() - lazily,
		replies:  make(chan reply, 1),
	}
	// The zero status is what the join wrote, so that nothing has to be said yet.
	timer := time.NewTimer(resync) // set before it is waited for
	defer timer.Stop()
	anew := time.NewTicker(resync*9/10 + jitter.Of(resync/5, f.Self.GUID)) // not in step with the others
	defer anew.Stop()
	docs := make(chan docRead, 1)
	reading, readAgain := false, false
	read := func() {
		if reading {
			readAgain = true
			return
		}
		reading = true
		background.Go(func() {
			r, err := f.Session.Get(ctx, f.Keys.Doc(f.Self.GUID))
			docs <- docRead{r, err}
		})
	}
	defer f.Round.End()
	for news := true; ; {
		f.Round.Begin(f.Session.Now())
		wait, gone, err := fl.step(ctx, news)
		news = true
		if gone || err != nil {
			return fl.departure(), err
		}
		timer.Reset(wait)
		f.Round.End()
		select {
		case <-ctx.Done():
			return fl.departure(), ctx.Err()
		case <-f.Session.Done():
			return fl.departure(), coord.ErrSessionEnded
		case <-leave:
			leave = nil
			fl.leaving, fl.leavingSince = true, f.Session.Now()
			fl.tellWaits = fl.leavingSince + leavePatience
		case <-hints.C():
			hints.Take()
			read()
			news = false
		case d := <-docs:
			f.Round.Begin(f.Session.Now())
			reading = false
			if readAgain {
				readAgain = false
				read()
			}
			fl.noteDoc(d)
		case r := <-fl.replies:
			f.Round.Begin(f.Session.Now())
			if fl.noteReply(r) {
				read() // the claim was refused: the document has moved on
			}
		case <-f.Damaged:
			fl.unsure, fl.said = true, nil
		case <-anew.C:
			read()
			news = false
		case <-f.Workers.Changed():
			if fl.took >= minRest { // many start or stop at once: what happens meanwhile is taken together
				_ = jitter.Sleep(ctx, min(fl.took, maxRest)) // its end is seen next
			}
		case <-timer.C:
			news = false
		}
	}
}

type docRead struct {
	r   coord.Record
	err error
}

// reply is the outcome of writing a status, or of reading it after an unknown outcome.
type reply struct {
	orders  Orders
	read    bool          // the status was read
	done    *coord.Record // the record of ended slots, if that was read, too; without a value if there is none
	claimed bool          // it was a claim
	version int64         // of the status, if known
	err     error
}

// following is the state of one Run, owned by its goroutine.
type following struct {
	*Follower
	spawn      func(func())
	doc        *schema.Doc
	docVersion int64
	docGood    bool
	known      KnownGrants
	granted    map[cluster.Slot]int64 // as told by events
	specsOf    *schema.Doc            // the document whose specs all workers have been given
	due        time.Duration          // when to decide again without news

	claims       map[cluster.Slot]schema.Claim
	said         *schema.Status // nil: has to be written
	saidVersion  int64
	lazyAt       time.Duration // when a status that could have waited was sent last
	differs      time.Duration // since when the states of workers are not as said, 0 if they are
	unsure       bool          // the status has to be read before it is written
	done         *schema.Done  // the last record of ended slots known to be committed, nil if there is none
	doneVersion  int64
	doneUnsure   bool          // it has to be read before it is written
	held         bool          // the lease, at the last look
	took         time.Duration // the last decision
	busy         bool          // a write or read of the status is under way
	notBefore    time.Duration
	replies      chan reply
	leaving      bool
	leavingSince time.Duration
	tellWaits    time.Duration // when it is told next what a departure waits for
}

// poll is how often the lease is looked at: the boot clock may jump, the lease may be prolonged.
const poll = 250 * time.Millisecond

// step decides and acts. It returns how long to wait at most, and whether the member has left;
// a departure that stuck workers hold up fails with ErrStuck. Without news, while the lease holds, there is nothing
// to decide before it is due.
func (fl *following) step(ctx context.Context, news bool) (wait time.Duration, gone bool, err error) {
	now := fl.Session.Now()
	phase, left := fl.Lease.Phase()
	same := phase == membership.Holds && fl.held
	fl.held = phase == membership.Holds
	if !news && same && !fl.leaving && now < fl.due {
		return max(min(poll, left, fl.due-now), time.Millisecond), false, nil
	}
	running := fl.Workers.Reports()
	maps.DeleteFunc(fl.claims, func(slot cluster.Slot, _ schema.Claim) bool {
		_, ok := running[slot]
		return !ok
	})
	local := Local{
		Doc: fl.doc, DocVersion: fl.docVersion, DocGood: fl.docGood, Told: fl.specsOf == fl.doc,
		Refused: fl.known.Refused, Above: fl.known.highest,
		Running: running, Claims: fl.claims, Phase: phase,
		Leaving: fl.leaving, Announce: fl.leaving && (fl.Leads() || now-fl.leavingSince >= announceAfter),
		Done: fl.done, Said: fl.said, LazyAt: fl.lazyAt, Differs: fl.differs,
		Now: now, WallNow: time.Now().UTC().Truncate(time.Millisecond),
	}
	began := time.Now()
	o := Follow(local)
	fl.took = time.Since(began)
	if fl.differs == 0 && o.Differs {
		fl.differs = now
	} else if !o.Differs {
		fl.differs = 0
	}
	for slot, cause := range o.Stop {
		fl.Workers.Stop(slot, cause, fl.stopTime(running[slot].Grace, cause))
	}
	for slot, spec := range o.Update {
		fl.Workers.Update(slot, spec)
	}
	fl.specsOf = fl.doc
	if fl.leaving && len(running) == 0 && !fl.stays(now, phase) {
		return 0, true, nil
	}
	if fl.leaving && len(running) > 0 && allStuck(running) {
		return 0, false, stuckError(running)
	}
	if fl.leaving && len(running) > 0 && now >= fl.tellWaits {
		fl.tellWaits = now + leaveTell
		slots, left := waitsFor(running)
		fl.Log.Info("waiting for workers to stop before leaving", "workers", slots, "atMost", left)
	}
	if (o.Status != nil || o.Done != nil) && !fl.busy && now >= fl.notBefore {
		fl.say(ctx, o, phase)
	}
	fl.due = now + time.Hour // news come before that
	if o.Again > now {
		fl.due = o.Again
	}
	if now < fl.notBefore {
		fl.due = min(fl.due, fl.notBefore)
	}
	wait = min(poll, fl.due-now)
	if phase == membership.Holds {
		wait = min(wait, left)
	}
	return max(wait, time.Millisecond), false, nil
}

// stuckFor is how long a worker that should have stopped is still waited for by a node that leaves: what has
// been killed on a busy machine may need a moment to be gone, and the lease holds.
const stuckFor = 2 * time.Second

func allStuck(running map[cluster.Slot]cluster.Report) bool {
	for _, r := range running {
		if r.State != cluster.WorkerStuck || time.Since(r.Since) < stuckFor {
			return false
		}
	}
	return true
}

// stays tells whether a member that runs nothing any more should wait before it leaves: for an
// answer that is under way, or, if it leads, for its slots to be elsewhere. Without a lease there
// is nothing to wait for.
func (fl *following) stays(now time.Duration, phase membership.Phase) bool {
	if phase > membership.Holds {
		return false
	}
	return fl.busy || fl.Leads() && !fl.docEmpty() && now-fl.leavingSince < fl.Lease.Terms().Timeout
}

// departure tells what is known of the member's keys.
func (fl *following) departure() membership.Departure {
	d := membership.Departure{StatusVersion: fl.saidVersion}
	if fl.docGood && fl.said != nil && !fl.busy {
		d.Doc, d.DocVersion = fl.doc, fl.docVersion
	}
	return d
}

func (fl *following) docEmpty() bool {
	return fl.doc == nil || len(fl.doc.Slots) == 0 && len(fl.doc.Releasing) == 0
}

// stopTime is how long a worker may take to stop: as its task says, but less under a lapsing
// lease.
func (fl *following) stopTime(grace time.Duration, cause error) time.Duration {
	if errors.Is(cause, cluster.ErrLeaseLost) {
		return min(grace, fl.Lease.Terms().Soft)
	}
	return grace
}

// say writes the status in the background; with slots to start it is a claim.
func (fl *following) say(ctx context.Context, o Orders, phase membership.Phase) {
	fl.busy = true
	if o.Lazy && !fl.unsure {
		fl.lazyAt = fl.Session.Now()
	}
	guid, at := fl.Self.GUID, fl.saidVersion
	if fl.unsure { // read first; what is to be said is decided anew
		readDone := fl.doneUnsure
		fl.spawn(func() {
			r, err := fl.Session.Get(ctx, fl.Keys.Status(guid))
			answer := reply{read: true, version: r.Version, err: err}
			if readDone && err == nil {
				done, derr := fl.Session.Get(ctx, fl.Keys.Done(guid))
				if answer.done = &done; derr != nil && !errors.Is(derr, coord.ErrNotFound) {
					answer.err = derr
				}
			}
			fl.replies <- answer
		})
		return
	}
	claim := len(o.Start) > 0 && phase == membership.Holds
	var ops []coord.Op
	if claim {
		ops = append(ops, coord.Check(fl.Keys.Doc(guid), fl.docVersion))
	}
	next := at
	if o.Status == nil {
		ops = append(ops, coord.Check(fl.Keys.Status(guid), at)) // it says that they are held
	} else {
		next = at + 1
		ops = append(ops, coord.Set(fl.Keys.Status(guid), schema.Encode(o.Status, next), at))
	}
	switch {
	case o.Done == nil:
	case fl.done == nil:
		ops = append(ops, coord.Create(fl.Keys.Done(guid), schema.Encode(o.Done, 0)))
	default:
		ops = append(ops, coord.Set(fl.Keys.Done(guid), schema.Encode(o.Done, fl.doneVersion+1), fl.doneVersion))
	}
	fl.spawn(func() {
		_, err := fl.Session.Commit(ctx, ops...)
		fl.replies <- reply{orders: o, claimed: claim, version: next, err: err}
	})
}

// noteReply files the outcome of a write of the status; refused tells that a claim was made
// against an old document.
func (fl *following) noteReply(r reply) (refused bool) {
	fl.busy = false
	now := fl.Session.Now()
	switch {
	case r.err != nil:
		failed, checked := coord.FailedCheck(r.err)
		if checked && failed.Op.Key == fl.Keys.Doc(fl.Self.GUID) {
			return true
		}
		// Refused because of the status itself, or unknown: read it, then write it again,
		// which also defeats the write that may still come.
		fl.unsure, fl.said = true, nil
		fl.doneUnsure = fl.doneUnsure || r.orders.Done != nil
		fl.notBefore = now + 50*time.Millisecond
		if errors.Is(r.err, coord.ErrTooLarge) {
			fl.notBefore = now + lazily
			fl.Log.Error("what this node holds is too large to be said; it can neither claim nor give back", "error", r.err)
		}
		if !checked {
			fl.Log.Debug("status not written", "error", r.err)
		}
	case r.read:
		fl.unsure, fl.saidVersion = false, r.version
		if r.done != nil {
			fl.noteDone(*r.done)
		}
	default:
		if fl.saidVersion = r.version; r.orders.Status != nil {
			if !fl.unsure { // else somebody else has written it since
				fl.said = r.orders.Status
			}
		}
		if r.orders.Done != nil {
			if fl.done != nil {
				fl.doneVersion++
			} else {
				fl.doneVersion = 0
			}
			fl.done = r.orders.Done
		}
		if r.claimed && fl.Claimed != nil {
			for i := range r.orders.Start {
				fl.Claimed(r.orders.Start[i].Slot, r.orders.Start[i].Token)
			}
		}
		if r.claimed {
			fl.start(r.orders.Start, r.orders.Status)
		}
	}
	return false
}

// noteDone files the record of ended slots as read. What cannot be used is written anew: what it said is
// lost then, and those slots run once more.
func (fl *following) noteDone(r coord.Record) {
	fl.doneUnsure = false
	if r.Value == nil {
		fl.done, fl.doneVersion = nil, 0
		return
	}
	done := new(schema.Done)
	if err := schema.Decode(fl.Keys.Done(fl.Self.GUID), r, done); err != nil {
		fl.Log.Error("the record of ended slots cannot be used; writing it anew", "error", err)
		done = new(schema.Done)
	}
	fl.done, fl.doneVersion = done, r.Version
}

// start starts what was claimed. The lease is looked at once more, after the claim.
func (fl *following) start(grants []cluster.Grant, status *schema.Status) {
	if fl.Starting != nil && len(grants) > 0 {
		defer fl.Starting()()
	}
	for _, g := range grants {
		fl.Round.Begin(fl.Session.Now()) // starting many takes longer than one, and does not hang
		phase, _ := fl.Lease.Phase()
		if phase != membership.Holds || fl.leaving {
			continue // the next status will not name it
		}
		h := schema.Find(status.Holding, g.Slot)
		fl.claims[g.Slot] = schema.Claim{Token: h.Token, Since: h.Since}
		fl.specsOf = nil // the document may have been read anew since
		fl.Workers.Start(g)
	}
}

// noteDoc files the document as read.
func (fl *following) noteDoc(d docRead) {
	key := fl.Keys.Doc(fl.Self.GUID)
	switch {
	case errors.Is(d.err, coord.ErrNotFound):
		fl.Log.Error("this node's document is missing; stopping everything", "key", key)
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: key + " is missing"})
		fl.doc, fl.docGood = nil, false
		return
	case d.err != nil:
		return // the session is ending
	}
	doc := new(schema.Doc)
	if err := schema.Decode(key, d.r, doc); err != nil {
		fl.Log.Error("this node's document cannot be used; the last good one stays in force", "key", key, "error", err)
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: err.Error()})
		fl.docGood = false
		return
	}
	fl.doc, fl.docVersion, fl.docGood = doc, d.r.Version, true
	fl.refuse(fl.known.Note(doc))
	fl.tellGrants()
}

// refuse says which grants are refused that were not before.
func (fl *following) refuse(fresh map[cluster.Slot]int64) {
	for slot, token := range fresh {
		fl.Log.Warn("refused a grant: its token is not above those that this node was granted before; a former assignment was put back",
			"slot", slot.String(), "token", token, "above", fl.known.highest)
		fl.Emit(cluster.Event{Kind: cluster.SlotRefused, Slot: &slot, Token: token, Detail: fmt.Sprintf("the token is not above %d", fl.known.highest)})
	}
}

// tellGrants says which slots came and went.
func (fl *following) tellGrants() {
	granted := map[cluster.Slot]int64{}
	for slot, h := range schema.Each(fl.doc.Slots) {
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
