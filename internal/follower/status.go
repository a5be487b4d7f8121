package follower

import (
	"context"
	"errors"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// reply is the outcome of writing a status, or of reading it after an unknown outcome.
type reply struct {
	actions Actions
	read    bool          // the status was read
	done    *coord.Record // the record of ended slots, if it was read, too; without a value if there is none
	claimed bool          // the write was a claim
	version int64         // of the status, if known
	err     error
}

// writeStatus writes the status in the background; with slots to start, the write is a claim.
func (fl *following) writeStatus(ctx context.Context, o Actions, phase membership.Phase) {
	fl.busy = true
	if o.Lazy && !fl.unsure {
		fl.lazyAt = fl.Session.Now()
	}
	memberID, at := fl.Self.MemberID, fl.statusVersion
	if fl.unsure { // read first, then decide again what to write
		readDone := fl.doneUnsure
		fl.spawn(func() {
			r, err := fl.Session.Get(ctx, fl.Keys.Status(memberID))
			answer := reply{read: true, version: r.Version, err: err}
			if readDone && err == nil {
				done, derr := fl.Session.Get(ctx, fl.Keys.CompletionsOf(memberID))
				answer.done = &done
				if derr != nil && !errors.Is(derr, coord.ErrNotFound) {
					answer.err = derr
				}
			}
			fl.replies <- answer
		})
		return
	}
	claim := len(o.Start) > 0 && phase == membership.LeaseValid
	var ops []coord.Op
	if claim {
		ops = append(ops, coord.Check(fl.Keys.Assignment(memberID), fl.assignmentVersion))
	}
	next := at
	if o.Status == nil {
		ops = append(ops, coord.Check(fl.Keys.Status(memberID), at)) // it lists them as held
	} else {
		next = at + 1
		ops = append(ops, coord.Set(fl.Keys.Status(memberID), schema.Encode(o.Status, next), at))
	}
	switch {
	case o.Completions == nil:
	case fl.done == nil:
		ops = append(ops, coord.Create(fl.Keys.CompletionsOf(memberID), schema.Encode(o.Completions, 0)))
	default:
		ops = append(ops, coord.Set(fl.Keys.CompletionsOf(memberID), schema.Encode(o.Completions, fl.doneVersion+1), fl.doneVersion))
	}
	fl.spawn(func() {
		_, err := fl.Session.Commit(ctx, ops...)
		fl.replies <- reply{actions: o, claimed: claim, version: next, err: err}
	})
}

// onReply handles the outcome of a write of the status. It returns refused if a claim was made against an old assignment.
func (fl *following) onReply(r reply) (refused bool) {
	fl.busy = false
	now := fl.Session.Now()
	switch {
	case r.err != nil:
		failed, checked := coord.FailedCheck(r.err)
		if checked && failed.Op.Key == fl.Keys.Assignment(fl.Self.MemberID) {
			return true
		}
		// The write was refused because of the status itself, or its outcome is unknown: read the status, then write it again. That
		// also defeats a write that may still arrive.
		fl.unsure, fl.lastStatus = true, nil
		fl.doneUnsure = fl.doneUnsure || r.actions.Completions != nil
		fl.notBefore = now + 50*time.Millisecond
		if errors.Is(r.err, coord.ErrTooLarge) {
			fl.notBefore = now + lazily
			fl.Log.Error("the slots of this node do not fit into its status; it can neither claim nor give back", "error", r.err)
		}
		if !checked {
			fl.Log.Debug("status not written", "error", r.err)
		}
	case r.read:
		fl.unsure, fl.statusVersion = false, r.version
		if r.done != nil {
			fl.storeCompletions(*r.done)
		}
	default:
		fl.onWritten(r)
	}
	return false
}

// onWritten handles a committed write of the status, and starts the slots that it claimed.
func (fl *following) onWritten(r reply) {
	fl.statusVersion = r.version
	if r.actions.Status != nil && !fl.unsure { // otherwise another client has written it since
		fl.lastStatus = r.actions.Status
	}
	if r.actions.Completions != nil {
		if fl.done != nil {
			fl.doneVersion++
		} else {
			fl.doneVersion = 0
		}
		fl.done = r.actions.Completions
	}
	if !r.claimed {
		return
	}
	if fl.Claimed != nil {
		for i := range r.actions.Start {
			fl.Claimed(r.actions.Start[i].Slot, r.actions.Start[i].Token)
		}
	}
	fl.start(r.actions.Start, r.actions.Status)
}

// storeCompletions stores the record of ended slots as it was read. An unusable record is replaced: its content is lost, and those
// slots run once more.
func (fl *following) storeCompletions(r coord.Record) {
	fl.doneUnsure = false
	if r.Value == nil {
		fl.done, fl.doneVersion = nil, 0
		return
	}
	done := new(schema.Completions)
	if err := schema.Decode(fl.Keys.CompletionsOf(fl.Self.MemberID), r, done); err != nil {
		fl.Log.Error("the record of ended slots cannot be used; replacing it", "error", err)
		done = new(schema.Completions)
	}
	fl.done, fl.doneVersion = done, r.Version
}

// start starts the claimed slots. It checks the lease once more, after the claim.
func (fl *following) start(grants []cluster.Grant, status *schema.Status) {
	if fl.Starting != nil && len(grants) > 0 {
		defer fl.Starting()()
	}
	for _, g := range grants {
		fl.Busy.Begin(fl.Session.Now()) // a start of many slots takes long, and is not a hang
		phase, _ := fl.Lease.Phase()
		if phase != membership.LeaseValid || fl.leaving {
			continue // the next status will not name it
		}
		h := schema.Find(status.Holding, g.Slot)
		fl.claims[g.Slot] = schema.Claim{Token: h.Token, Since: h.Since}
		fl.started[g.Slot] = g.Token
		fl.Workers.Start(g)
	}
}
