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

// manager reports to systemd that this process is ready and alive, and its status. It does so only if systemd started the
// process with Type=notify. It belongs to one goroutine.
type manager struct {
	notify   func(state string)
	watchdog time.Duration // the interval of watchdog notifications, 0 for none
	ready    bool
	heard    time.Time // of the last watchdog notification
	status   string
}

// mostStates is how many notifications may wait for a systemd that does not read them.
const mostStates = 100

// newManager returns nil if the process has no NOTIFY_SOCKET.
func newManager() *manager {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	every, _ := daemon.SdWatchdogEnabled(false)                                                   // after an error there is no watchdog
	states := outbox.New(mostStates, func(state string) { _, _ = daemon.SdNotify(false, state) }) // SdNotify blocks while systemd hangs
	return &manager{notify: func(state string) { states.Put(state, 1) }, watchdog: every / 3}
}

// alive reports to systemd that the process is alive, and the status of its node. The service is ready as soon as it runs,
// because systemd must not restart it when the coordination service does not answer.
func (m *manager) alive(v cluster.SupervisorReport) {
	if m == nil {
		return
	}
	var states []string
	if !m.ready {
		m.ready = true
		states = append(states, daemon.SdNotifyReady)
	}
	status := "not a member"
	if v.Member != "" && !v.Closed {
		status = fmt.Sprintf("member of %s as %s", v.Cluster, v.Node)
	}
	if status != m.status {
		m.status = status
		states = append(states, "STATUS="+status)
	}
	if now := time.Now(); m.watchdog > 0 && now.Sub(m.heard) >= m.watchdog {
		m.heard = now
		states = append(states, daemon.SdNotifyWatchdog)
	}
	if len(states) > 0 {
		m.notify(strings.Join(states, "\n"))
	}
}

// leaving reports to systemd, when ctx ends, that the process is stopping.
func (m *manager) leaving(ctx context.Context) (stop func() bool) {
	if m == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { m.notify(daemon.SdNotifyStopping) })
}

// withoutManager returns an environment for a child, without the variables of systemd: only the parent notifies systemd.
func withoutManager(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, "WATCHDOG_")
	})
}
