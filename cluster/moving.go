package cluster

import (
	"errors"
	"time"
)

// Moving is the policy by which slots move: how many at a time, and how long the cluster waits for
// nodes that are gone without a word. The zero value moves everything at once and waits for nobody.
type Moving struct {
	// MaxMoving bounds how many slots are in motion at a time: released or granted, and not yet
	// running. A slot that runs nowhere counts, and never waits. 0: no limit.
	MaxMoving int `json:"maxMoving,omitempty"`
	// LeaveDelay is how long the slots of a node that crashed or was lost wait for it to come
	// back. A node that leaves on purpose is not waited for.
	LeaveDelay Duration `json:"leaveDelay,omitempty"`
	// FreezeAbove is a share of the nodes: when more than that vanish at once, their slots wait
	// for FreezeFor, since what is wrong is more likely the network than the nodes. 0: never.
	FreezeAbove float64  `json:"freezeAbove,omitempty"`
	FreezeFor   Duration `json:"freezeFor,omitempty"` // 0: DefaultFreezeFor
}

// Bounds of the policy.
const (
	DefaultFreezeFor = 5 * time.Minute
	MaxDelay         = 24 * time.Hour
)

// Freeze returns how long a freeze holds.
func (m Moving) Freeze() time.Duration {
	if m.FreezeFor == 0 {
		return DefaultFreezeFor
	}
	return time.Duration(m.FreezeFor)
}

// Validate returns every mistake in the policy, joined.
func (m Moving) Validate() error {
	var errs []error
	if m.MaxMoving < 0 || m.MaxMoving > MaxWorkers {
		errs = append(errs, wrong("maxMoving", "%d is not between 1 and %d", m.MaxMoving, MaxWorkers))
	}
	if !(m.FreezeAbove >= 0 && m.FreezeAbove < 1) {
		errs = append(errs, wrong("freezeAbove", "%v is no share of the nodes between 0 and 1", m.FreezeAbove))
	}
	for _, f := range []struct {
		name  string
		value Duration
	}{{"leaveDelay", m.LeaveDelay}, {"freezeFor", m.FreezeFor}} {
		if d := time.Duration(f.value); d < 0 || d > MaxDelay {
			errs = append(errs, wrong(f.name, "%v is not between 0s and %v", d, MaxDelay))
		}
	}
	return errors.Join(errs...)
}
