package cluster

import (
	"errors"
	"fmt"
	"time"
)

// Rebalance is the policy by which slots move between nodes: how many move at a time, and how long the
// cluster waits for nodes that were lost. The zero value moves everything at once and waits for no node.
//
// app.toml has its fields under their JSON names. Their zero tags are like those of a [TaskSpec].
type Rebalance struct {
	// MaxInFlight bounds how many slots are in flight at a time: released or granted, and not yet
	// running. A slot that runs nowhere counts, but the limit never delays it. 0: no limit.
	MaxInFlight int `json:"maxInFlight,omitempty" doc:"Number of workers that may be in motion at a time; no limit if left out." zero:"would let nothing run or move|leave it out for no limit"`
	// LeaveDelay is how long the slots of a node that crashed or was lost stay reserved for it, so
	// that it can come back to them. The slots of a node that leaves on purpose move at once.
	LeaveDelay Duration `json:"leaveDelay,omitempty" doc:"Time that the work of a node that crashed or was lost stays reserved for it; none if left out." zero:"would be no delay|leave it out for that"`
	// Quiet is for how long no node must have come or gone before slots move, only for balance, to a node that has come back
	// under its name. Until then such a node gets free slots only, so that a rolling restart moves each slot about once. While
	// nodes come and go all the time, it gets its share after MaxQuiets times Quiet. A new node gets its share at once. 0:
	// DefaultQuiet.
	Quiet Duration `json:"quiet,omitempty" doc:"Time without a node that comes or goes, after which a node that has come back gets its share; 15s if left out." zero:"would move slots twice in a rolling restart|leave it out for 15s, or set 1ms"`
	// FreezeAbove is a share of the nodes. When more than that vanish at once, the network is
	// more likely at fault than the nodes, and their slots stay where they are for FreezeFor. 0: never.
	FreezeAbove float64 `json:"freezeAbove,omitempty" doc:"Share of the nodes, above 0 and below 1: if more vanish at once, their work stays where it is for freezeFor; never if left out."`
	// FreezeFor is how long such a freeze holds; 0: DefaultFreezeFor.
	FreezeFor Duration `json:"freezeFor,omitempty" doc:"Length of such a freeze; 5m if left out." zero:"would end a freeze at once|leave freezeAbove out for no freeze, or freezeFor for 5m"`
}

// Bounds of the policy.
const (
	DefaultFreezeFor = 5 * time.Minute
	DefaultQuiet     = 15 * time.Second
	MaxQuiet         = time.Hour
	// MaxQuiets is how many times Quiet a node that has come back waits for its share at most, while nodes come and go.
	MaxQuiets = 10
	MaxDelay  = 24 * time.Hour
)

// Freeze returns how long a freeze holds.
func (r Rebalance) Freeze() time.Duration {
	if r.FreezeFor == 0 {
		return DefaultFreezeFor
	}
	return time.Duration(r.FreezeFor)
}

// QuietFor returns for how long no node must have come or gone before a node that has come back gets its share.
func (r Rebalance) QuietFor() time.Duration {
	if r.Quiet == 0 {
		return DefaultQuiet
	}
	return time.Duration(r.Quiet)
}

// Validate returns every mistake in the policy, joined.
func (r Rebalance) Validate() error {
	var m mistakes
	m.limit("maxInFlight", r.MaxInFlight, MaxWorkers)
	if !(r.FreezeAbove >= 0 && r.FreezeAbove < 1) {
		m.add("freezeAbove", "%v is not a share of the nodes between 0 and 1", r.FreezeAbove)
	}
	m.duration("leaveDelay", r.LeaveDelay, 0, MaxDelay)
	m.duration("quiet", r.Quiet, 0, MaxQuiet)
	m.duration("freezeFor", r.FreezeFor, 0, MaxDelay)
	return errors.Join(m...)
}

// Settings are those of the whole cluster. Fields that are 0 have their defaults.
type Settings struct {
	LeaderWorkers LeaderPolicy `json:"leaderWorkers,omitempty" doc:"Share of the work that the leader takes: last, none or equal; last if left out."`
	Rebalance     Rebalance    `json:"rebalance,omitzero" doc:"Limits on moves."`
}

// Validate returns every mistake in the settings, joined.
func (s Settings) Validate() error {
	var errs []error
	if s.LeaderWorkers != "" {
		if err := s.LeaderWorkers.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("leaderWorkers: %w", err))
		}
	}
	if err := s.Rebalance.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("rebalance: %w", err))
	}
	return errors.Join(errs...)
}
