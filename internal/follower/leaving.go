package follower

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// How long a departure may take before the log says what it waits for, and how often that is repeated.
const (
	logWaitAfter = 1500 * time.Millisecond
	logWaitEvery = 10 * time.Second
)

// waitsFor names some of the workers that a departure waits for, and the longest time that one of them may take by its task; a stuck
// worker may take for ever.
func waitsFor(running map[cluster.Slot]cluster.Report) (names string, left time.Duration) {
	const most = 5
	slots := only(running, func(r *cluster.Report) bool { return !r.Ended })
	for i, slot := range slots {
		r := running[slot]
		if r.State != cluster.WorkerStuck {
			left = max(left, r.StopTimeout()-time.Since(r.Since))
		}
		switch {
		case i == most:
			names += fmt.Sprintf(" and %d more", len(slots)-most)
		case i < most:
			names = strings.TrimPrefix(names+" "+slot.String(), " ")
		}
	}
	return names, left.Round(time.Second)
}

// stuckFor is how long a node that leaves still waits for a worker that should have stopped: on a busy machine, a killed process
// may need a moment to end, and the lease is valid.
const stuckFor = 2 * time.Second

func allStuck(running map[cluster.Slot]cluster.Report) bool {
	for _, r := range running {
		if r.State != cluster.WorkerStuck || time.Since(r.Since) < stuckFor {
			return false
		}
	}
	return true
}

// stays reports whether a member that no longer runs anything should wait before it leaves: for an answer that is under way, or, if it
// leads, until its slots are elsewhere, unless they wait for it. Without a lease there is nothing to wait for.
func (fl *following) stays(now time.Duration, phase membership.Phase) bool {
	if phase > membership.LeaseValid {
		return false
	}
	return fl.busy || fl.Leads() && fl.Self.RestartGrace == 0 && !fl.assignmentEmpty() && now-fl.leavingSince < fl.Lease.Params().Timeout
}

// departure returns the last known records of the member.
func (fl *following) departure() membership.Departure {
	d := membership.Departure{
		StatusVersion: fl.statusVersion, Started: fl.started,
		// Until the status is written again, an earlier write whose outcome is unknown may still arrive.
		NoCompletions: fl.done == nil && !fl.doneUnsure && !fl.busy && fl.lastStatus != nil,
	}
	if fl.assignmentGood && fl.lastStatus != nil && !fl.busy {
		d.Assignment, d.AssignmentVersion = fl.assignment, fl.assignmentVersion
	}
	return d
}

func (fl *following) assignmentEmpty() bool {
	return fl.assignment == nil || len(fl.assignment.Granted) == 0 && len(fl.assignment.Releasing) == 0
}

// stopTime is how long a worker may take to stop: as long as its task declares, but less under a lapsing lease.
func (fl *following) stopTime(grace time.Duration, cause error) time.Duration {
	if errors.Is(cause, cluster.ErrLeaseLost) {
		return min(grace, fl.Lease.Params().Soft)
	}
	return grace
}
