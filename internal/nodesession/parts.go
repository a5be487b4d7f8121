package nodesession

import (
	"slices"
	"sync"

	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// parts are the goroutines of a session, by name, and how they end. The lease watchdog is not one of them: it watches the workers
// while the parts end.
type parts struct {
	running  sync.WaitGroup
	failed   chan error // the first failure of any part
	followed chan error // the follower's error, nil if the node has left
	guarded  chan error // the lease watchdog's error

	departure membership.Departure // to be read after followed
	pulse     membership.KeepAlive // to be read after all parts have ended

	mu   sync.Mutex
	left []string
}

func newParts() *parts {
	return &parts{failed: make(chan error, 1), followed: make(chan error, 1), guarded: make(chan error, 1)}
}

// Go runs a part. A panic counts as a failure: the session ends in order.
func (p *parts) Go(name string, run func() error) {
	p.mu.Lock()
	p.left = append(p.left, name)
	p.mu.Unlock()
	p.running.Go(func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.left = slices.DeleteFunc(p.left, func(other string) bool { return other == name })
		}()
		if err := election.Catch(name, run); err != nil {
			select {
			case p.failed <- err:
			default:
			}
		}
	})
}

// Ended returns a channel that is closed once all parts have ended.
func (p *parts) Ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		p.running.Wait()
		close(ended)
	}()
	return ended
}

// Left returns the parts that have not ended.
func (p *parts) Left() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.left)
}

// departed returns what the member leaves behind. All parts must have ended.
func (p *parts) departed() membership.Departure {
	d := p.departure
	d.KeepAlive = p.pulse
	return d
}
