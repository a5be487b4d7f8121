package command

import (
	"io"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Keeper starts programs for a node. Its methods may be called from any goroutine.
type Keeper struct {
	mu       sync.Mutex
	stopBy   time.Duration
	changed  chan struct{} // closed when stopBy changes
	programs map[cluster.Slot]*program
}

// NewKeeper returns a keeper whose programs have no time yet. It removes the empty control groups of shims that were
// killed earlier.
func NewKeeper() *Keeper {
	removeStale()
	return &Keeper{stopBy: 1, changed: make(chan struct{})}
}

// SetStopBy sets the time until which the node's lease lets anything run, on the machine's boot clock. It is sent to
// the shims soon, and must reach them before the time that they had before.
func (k *Keeper) SetStopBy(stopBy time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	stopBy = max(stopBy, 1)
	if stopBy != k.stopBy {
		k.stopBy = stopBy
		close(k.changed)
		k.changed = make(chan struct{})
	}
}

// deadline returns the time that was set last, and a channel that is closed when it changes.
func (k *Keeper) deadline() (time.Duration, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stopBy, k.changed
}

// Job is one execution of a program.
type Job struct {
	Slot  cluster.Slot // the slot that it is executed for
	Title string       // for people who read the process table
	Vars  []string     // NAME=value
	// Out and Err receive what it writes. They must not block.
	Out, Err io.Writer
	// StopBy returns the time by which the execution must have ended, once it was asked to end.
	StopBy func() (at time.Time, asked bool)
	// Unleashed reports whether it may run on when the node's lease is over; nil for no. The answer may change
	// while it runs: it is asked whenever the lease has moved.
	Unleashed func() bool
}

// Time limits for shims.
const (
	// killEarly is how long before the end of its time a program is killed, but at most a fifth of that time.
	killEarly = time.Second
	// answer is how long a shim may take to carry out a kill.
	answer = 250 * time.Millisecond
)
