package scale

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// memory returns how much a process has in use, and had at most, in MB.
func memory(pid int) (now, most float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			now = kb / 1024
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			most = kb / 1024
		}
	}
	return now, most
}

// cpu returns how much processor time a process has taken, by the kernel's clock of 100 ticks a second.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	text = text[bytes.LastIndexByte(text, ')')+1:] // a name may have spaces
	var state string
	var skip, user, system int64
	if _, err := fmt.Sscan(
		string(text),
		&state,
		&skip,
		&skip,
		&skip,
		&skip,
		&skip,
		&skip,
		&skip,
		&skip,
		&skip,
		&skip,
		&user,
		&system,
	); err != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
