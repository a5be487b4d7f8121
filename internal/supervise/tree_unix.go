//go:build unix && !linux

package supervise

import "syscall"

// clocksCompare: there is no clock here that is one for all processes and goes on in sleep.
const clocksCompare = false

func adopt() bool { return true }

// awaitExit cannot do it here: an end is not seen without waiting for the child.
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
