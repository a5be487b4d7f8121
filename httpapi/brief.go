package httpapi

import "fmt"

// maxWaiting bounds what is told of what there is to do.
const maxWaiting = 20

// brief is a list of what there is to do: its first lines, and how many more there are.
type brief struct {
	lines []string
	more  int
}

// add adds a line.
func (b *brief) add(format string, args ...any) {
	if len(b.lines) == maxWaiting {
		b.more++
		return
	}
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// list returns the lines, the last of which says how many were left out.
func (b *brief) list() []string {
	if b.more == 0 {
		return b.lines
	}
	return append(b.lines[:maxWaiting:maxWaiting], fmt.Sprintf("and %d more", b.more))
}
