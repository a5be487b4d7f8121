//go:build unix && !linux

package supervise

import "syscall"

// clocksCompare: this system has no clock that is the same for all processes and goes on in
// sleep.
const clocksCompare = false

func adopt() bool { return true }

// awaitExit is not possible on this system: an end cannot be seen without waiting for the child.
func awaitExit(int) bool { return false }

// killTree kills the process group of a child; it returns 0 when none is left.
func killTree(child int) (left int) {
	if syscall.Kill(-child, syscall.SIGKILL) != nil {
		return 0
	}
	return 1
}

func reap(stop <-chan struct{}, _ func(pid int) bool) { <-stop }

func oomKills() int { return 0 }
