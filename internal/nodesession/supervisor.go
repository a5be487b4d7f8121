package nodesession

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// How often a report is checked for changes, and how often an unchanged one is sent.
const (
	reportPoll   = 100 * time.Millisecond
	reportRepeat = time.Second
)

// reportTimeout is how long the member waits for its supervisor before it joins or starts workers without it. A supervisor that
// has not listened for so long is not waited for again until it listens.
const reportTimeout = time.Second

// supervisorReport reports one membership to the supervisor. The last report never says idle while a worker runs. The supervisor
// may take any time to receive: only the newest report is sent, and no lock is held meanwhile.
type supervisorReport struct {
	out   *outbox.Latest[cluster.SupervisorReport] // nil without a supervisor
	lease *membership.Lease

	mu       sync.Mutex
	pool     *worker.Pool
	starting int // claims whose workers are about to start
	last     cluster.SupervisorReport
	at       time.Time
}

// newSupervisorReport reports a member before it can exist.
func (r *Runner) newSupervisorReport(m cluster.Member, session string, lease *membership.Lease) *supervisorReport {
	v := &supervisorReport{out: r.cfg.Supervisor, lease: lease}
	v.last = cluster.SupervisorReport{Cluster: r.cfg.Cluster, Node: m.Node, Member: m.MemberID, Session: session, Idle: true}
	v.update()
	v.wait()
	return v
}

// wait waits up to reportTimeout until the supervisor has the last report.
func (v *supervisorReport) wait() {
	if v.out != nil {
		v.out.Wait(reportTimeout)
	}
}

// watch includes the workers of a pool in the reports.
func (v *supervisorReport) watch(pool *worker.Pool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pool = pool
}

// update sends a report if something has changed.
func (v *supervisorReport) update() {
	stopBy := v.lease.StopBy() // without the lock: it may block while the process is paused
	v.mu.Lock()
	defer v.mu.Unlock()
	next := v.last
	next.StopBy = stopBy
	next.Idle = v.starting == 0 && (v.pool == nil || !v.pool.Leased())
	v.put(next)
}

// starts reports that n more claims are about to start their workers; a negative n, that they have.
func (v *supervisorReport) starts(n int) {
	stopBy := v.lease.StopBy()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.starting += n
	next := v.last
	next.StopBy, next.Idle = stopBy, false
	v.put(next)
}

// put sends a report unless it equals the last one, which is repeated once a second. The caller holds the lock.
func (v *supervisorReport) put(next cluster.SupervisorReport) {
	if v.out == nil || next == v.last && time.Since(v.at) < reportRepeat {
		return
	}
	v.last, v.at = next, time.Now()
	v.out.Put(next)
}

// over reports that nothing remains to be cleaned up: the member has closed itself, or its session was closed.
func (v *supervisorReport) over() {
	v.mu.Lock()
	next := v.last
	next.Idle, next.Closed = true, true
	v.put(next)
	v.mu.Unlock()
	v.wait()
}

// run reports until ctx ends.
func (v *supervisorReport) run(ctx context.Context) {
	if v.out == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(reportPoll):
			v.update()
		}
	}
}

// beforeStarts is called before the workers of a claim start. It reports all of them to the supervisor and waits for it. The
// function that it returns is called when they have started.
func (v *supervisorReport) beforeStarts() (started func()) {
	v.starts(1)
	v.wait()
	return func() { v.starts(-1) }
}
