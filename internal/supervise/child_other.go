//go:build !unix

package supervise

import (
	"errors"
	"net"
	"os/exec"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Supported reports whether this system can supervise: this one has neither process groups nor
// descriptors that a child inherits.
const Supported = false

// Variable is the environment variable that makes a process a child.
const Variable = "XCONSUMER_PARENT"

type child struct {
	cmd  *exec.Cmd
	pid  int
	done chan struct{}
	news chan struct{}
}

func start(Config) (*child, error) { return nil, errors.New("not supported on this system") }

func (c *child) gone()                             {}
func (c *child) last() cluster.SupervisorReport    { return cluster.SupervisorReport{} }
func (c *child) lapsed(time.Duration) bool         { return false }
func (c *child) check(time.Duration) time.Duration { return time.Second }
func (c *child) signal(syscall.Signal)             {}
func (c *child) kill()                             {}

func adopt() bool                                     { return false }
func killTree(int) int                                { return 0 }
func reap(stop <-chan struct{}, _ func(pid int) bool) { <-stop }
func oomKills() int                                   { return 0 }

// Child is the child's side; there is none here.
type Child struct{}

// NewChild returns nil.
func NewChild() *Child { return nil }

// IsNode returns false.
func (c *Child) IsNode() bool { return false }

// Report does nothing.
func (c *Child) Report(cluster.SupervisorReport) {}

// Orphaned does not return.
func (c *Child) Orphaned() { select {} }

// Listener returns nil.
func (c *Child) Listener() (net.Listener, error) { return nil, nil }
