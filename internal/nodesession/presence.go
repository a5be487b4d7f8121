package nodesession

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Presence is the view that the rest of the process has of a node's present session. The sessions write it. Its methods may be
// called from any goroutine, do not block, and read nothing from the store.
type Presence struct {
	changed func()

	mu     sync.Mutex
	health health
	member string       // the present or the last one, "" before the first
	pool   *worker.Pool // of the present or the last member, nil before the first
}

// NewPresence returns the presence of a node that has no session yet. It calls changed, without holding a lock, when the node's
// condition changes.
func NewPresence(changed func()) *Presence {
	return &Presence{changed: changed, health: health{obstacle: "connecting"}}
}

// health is the state of the node on its way to being ready.
type health struct {
	obstacle string        // what keeps the node from being ready, "" for nothing
	session  coord.Session // the present one, nil without
	lease    *membership.Lease
	leader   *leader.Leader // set together with now, nil before the node has joined
	now      *atomic.Pointer[Condition]
}

// Condition is how a member was a moment ago. Questions about the cluster are answered with it instead of a clock, because
// reading a clock may block in a process that is being paused.
type Condition struct {
	Leased  bool
	Away    bool          // the coordination service does not answer, while there is a lease
	Unheard time.Duration // how long ago the coordination service was heard last while there is no lease, coarsely; 0 if it answers
	Trouble string        // of the leader loop, "" for none
}

// coarse rounds a time down, so that it changes rarely.
func coarse(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Truncate(4 * time.Second)
	}
	return d.Truncate(time.Minute)
}

func (h *health) condition() Condition {
	if h.now == nil {
		return Condition{}
	}
	if c := h.now.Load(); c != nil {
		return *c
	}
	return Condition{Leased: true} // it has just joined
}

// set records the state of the node.
func (p *Presence) set(h health) {
	p.mu.Lock()
	before := p.health
	p.health = h
	p.mu.Unlock()
	if before.condition() != h.condition() {
		p.changed()
	}
}

// joined records the present member of the node, and its workers.
func (p *Presence) joined(member string, pool *worker.Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.member, p.pool = member, pool
}

func (p *Presence) get() health {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.health
}

// Session returns the present session, nil while the node is not connected.
func (p *Presence) Session() coord.Session { return p.get().session }

// Ready returns why the node is not at work; none if it is.
func (p *Presence) Ready() (reasons []string) {
	h := p.get()
	if h.obstacle != "" {
		reasons = append(reasons, h.obstacle)
	}
	if h.session != nil {
		if info := h.session.Info(); !info.Connected {
			reasons = append(reasons, fmt.Sprintf("coordination service does not answer: %v", info.Err))
		}
	}
	if h.lease != nil {
		if phase, _ := h.lease.Phase(); phase != membership.LeaseValid {
			reasons = append(reasons, "lease is over; all workers are stopped")
		}
	}
	if h.leader != nil {
		if trouble := h.leader.Trouble(); trouble != "" {
			reasons = append(reasons, trouble)
		}
	}
	return reasons
}

// Lease returns the lease of the present member; the zero value, which is not valid, before the node has joined.
func (p *Presence) Lease() cluster.Lease {
	h := p.get()
	if h.lease == nil {
		return cluster.Lease{}
	}
	phase, _ := h.lease.Phase()
	left := max(h.lease.End()-h.session.Now(), 0)
	return cluster.Lease{
		Valid:      phase == membership.LeaseValid,
		LeftMs:     left.Milliseconds(),
		DurationMs: h.lease.Params().Length.Milliseconds(),
	}
}

// Workers returns what the workers of the present or the last member do, by slot.
func (p *Presence) Workers() map[cluster.Slot]cluster.Report {
	p.mu.Lock()
	pool := p.pool
	p.mu.Unlock()
	if pool == nil {
		return nil
	}
	return pool.Reports()
}

// Condition returns the node's condition a moment ago, and the ID of its member if certainly nothing of that member runs.
func (p *Presence) Condition() (c Condition, without string) {
	p.mu.Lock()
	h, member := p.health, p.member
	p.mu.Unlock()
	c = h.condition()
	if !c.Leased {
		without = member
	}
	return c, without
}

// LeaderLoop is the condition of the loop of a node that leads.
type LeaderLoop struct {
	Blocked bool          // the member should lead, and cannot begin a term
	Lasts   time.Duration // for how long the present step has been running
	Since   time.Duration // since the end of the last round
}

// LeaderLoop returns the condition of the node's leader loop; the zero value while the node does not lead, or is not a member.
func (p *Presence) LeaderLoop() LeaderLoop {
	l := p.get().leader
	if l == nil {
		return LeaderLoop{}
	}
	return LeaderLoop{Blocked: l.IsBlocked(), Lasts: l.Lasts(), Since: l.SinceRound()}
}
