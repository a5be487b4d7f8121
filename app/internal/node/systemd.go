package node

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
)

// manager tells systemd, if it has started this process with Type=notify, that the process is ready, that it is
// alive, and in words what it is. It belongs to one goroutine.
type manager struct {
	notify   func(state string)
	watchdog time.Duration // how often it wants to hear, 0 for never
	ready    bool
	heard    time.Time
	status   string
}

// mostStates is how many states may wait for a systemd that does not listen.
const mostStates = 100

// newManager returns nil where nobody wants to know.
func newManager() *manager {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	every, _ := daemon.SdWatchdogEnabled(
		false,
	) // nobody wants to hear if that cannot be read
	states := outbox.New(mostStates, func(state string) { _, _ = daemon.SdNotify(false, state) }) // which waits for a systemd that hangs
	return &manager{notify: func(state string) { states.Put(state, 1) }, watchdog: every / 3}
}

// alive tells systemd that the process is, and what it knows of its node. A service that has begun is ready: a coordination
// service that does not answer is not a reason for systemd to start it again.
func (m *manager) alive(v cluster.SupervisorReport) {
	if m == nil {
		return
	}
	var say []string
	if !m.ready {
		m.ready = true
		say = append(say, daemon.SdNotifyReady)
	}
	status := "not a member"
	if v.Member != "" && !v.Closed {
		status = fmt.Sprintf("member of %s as %s", v.Cluster, v.Node)
	}
	if status != m.status {
		m.status = status
		say = append(say, "STATUS="+status)
	}
	if now := time.Now(); m.watchdog > 0 && now.Sub(m.heard) >= m.watchdog {
		m.heard = now
		say = append(say, daemon.SdNotifyWatchdog)
	}
	if len(say) > 0 {
		m.notify(strings.Join(say, "\n"))
	}
}

// leaving tells systemd when ctx ends that the process is about to.
func (m *manager) leaving(ctx context.Context) (stop func() bool) {
	if m == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { m.notify(daemon.SdNotifyStopping) })
}

// withoutManager is an environment for a child, which is none of systemd's business.
func withoutManager(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, "WATCHDOG_")
	})
}
