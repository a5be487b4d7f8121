package xconsumer

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// How often vitals are looked at, and told although they are the same.
const (
	vitalsPoll  = 100 * time.Millisecond
	vitalsAgain = time.Second
)

// vitals tells a parent process of one membership. Its lock makes what is told and what is
// started one order: idle is never the last word while a worker runs.
type vitals struct {
	tell  func(cluster.Vitals) // nil: nobody is told
	lease *membership.Lease
	pool  *worker.Pool

	mu   sync.Mutex
	last cluster.Vitals
	at   time.Time
}

// joining is told before the member can exist.
func (n *Node) joining(m cluster.Member, session string, lease *membership.Lease) *vitals {
	v := &vitals{tell: n.cfg.Vitals, lease: lease}
	v.last = cluster.Vitals{Cluster: n.cfg.Cluster, Node: n.cfg.Name, Member: m.GUID, Session: session, Idle: true}
	v.update()
	return v
}

// watch lets the workers of a pool count.
func (v *vitals) watch(pool *worker.Pool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pool = pool
}

// update tells what has changed.
func (v *vitals) update() {
	stopBy := v.lease.StopBy() // without the lock: it may take as long as the process is paused
	v.mu.Lock()
	defer v.mu.Unlock()
	next := v.last
	next.StopBy = stopBy
	next.Idle = v.pool == nil || !v.pool.Leased()
	v.say(next)
}

// say tells unless it is what was just told. The lock is held.
func (v *vitals) say(next cluster.Vitals) {
	if v.tell == nil || next == v.last && time.Since(v.at) < vitalsAgain {
		return
	}
	v.last, v.at = next, time.Now()
	v.tell(next)
}

// over is told when nothing is left to clean up: the member has closed itself, or the service
// was told that its session is over.
func (v *vitals) over() {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := v.last
	next.Idle, next.Closed = true, true
	v.say(next)
}

// run tells until ctx ends.
func (v *vitals) run(ctx context.Context) {
	if v.tell == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(vitalsPoll):
			v.update()
		}
	}
}

// told is a pool whose starts are told before they happen.
type told struct {
	*worker.Pool
	vitals *vitals
}

// Start starts a slot, after the parent has been told that something runs.
func (t told) Start(g cluster.Grant) {
	stopBy := t.vitals.lease.StopBy()
	t.vitals.mu.Lock()
	defer t.vitals.mu.Unlock()
	next := t.vitals.last
	next.StopBy, next.Idle = stopBy, false
	t.vitals.say(next)
	t.Pool.Start(g)
}
