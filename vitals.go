package xconsumer

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// How often vitals are looked at, and told although they are the same.
const (
	vitalsPoll  = 100 * time.Millisecond
	vitalsAgain = time.Second
)

// vitalsPatience is how long a parent may take to listen before the member joins or starts workers all the same. One
// that has not listened for so long is not waited for until it does.
const vitalsPatience = time.Second

// vitals tells a parent process of one membership: idle is never the last word while a worker runs. The parent may
// listen for as long as it likes: only the newest is told, and no lock is held meanwhile.
type vitals struct {
	tell  *outbox.Latest[cluster.Vitals] // nil: nobody is told
	lease *membership.Lease

	mu       sync.Mutex
	pool     *worker.Pool
	starting int // claims whose workers are about to start
	last     cluster.Vitals
	at       time.Time
}

// joining is told before the member can exist.
func (n *Node) joining(m cluster.Member, session string, lease *membership.Lease) *vitals {
	v := &vitals{tell: n.parent, lease: lease}
	v.last = cluster.Vitals{Cluster: n.cfg.Cluster, Node: n.cfg.Name, Member: m.GUID, Session: session, Idle: true}
	v.update()
	v.told()
	return v
}

// told waits until what was said last is told, for a moment.
func (v *vitals) told() {
	if v.tell != nil {
		v.tell.Wait(vitalsPatience)
	}
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
	next.Idle = v.starting == 0 && (v.pool == nil || !v.pool.Leased())
	v.say(next)
}

// starts says that the workers of a claim are about to start, before they do, or that they have.
func (v *vitals) starts(n int) {
	stopBy := v.lease.StopBy()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.starting += n
	next := v.last
	next.StopBy, next.Idle = stopBy, false
	v.say(next)
}

// say has it told, unless it is what was just said. The lock is held.
func (v *vitals) say(next cluster.Vitals) {
	if v.tell == nil || next == v.last && time.Since(v.at) < vitalsAgain {
		return
	}
	v.last, v.at = next, time.Now()
	v.tell.Put(next)
}

// over is told when nothing is left to clean up: the member has closed itself, or the service
// was told that its session is over.
func (v *vitals) over() {
	v.mu.Lock()
	next := v.last
	next.Idle, next.Closed = true, true
	v.say(next)
	v.mu.Unlock()
	v.told()
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

// beforeStarts is called before the workers of a claim start: the parent is told once for all of them, and waited for. What
// it returns is called when they have.
func (v *vitals) beforeStarts() (started func()) {
	v.starts(1)
	v.told()
	return func() { v.starts(-1) }
}
