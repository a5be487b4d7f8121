package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// render makes the table: one line for each problem and planner, one column for each change.
func render(cells []cell) string {
	var b strings.Builder
	fmt.Fprintf(
		&b,
		"Measured on %s, %s, on %s. Each cell: time, slots moved / lower bound, spread.\n",
		machine(),
		runtime.Version(),
		time.Now().UTC().Format(time.DateOnly),
	)
	head := ""
	for i, c := range cells {
		title := fmt.Sprintf("%s slots, %s nodes, %s, %s", thousands(c.Slots), thousands(c.Nodes), plural(c.Tasks, "task"), c.Variant)
		if title != head {
			head = title
			fmt.Fprintf(&b, "\n**%s**\n\n| planner | allocations | first plan |", title)
			for _, ch := range changes[1:] {
				fmt.Fprintf(&b, " %s |", ch.name)
			}
			b.WriteString("\n|---|--:|--:|" + strings.Repeat("--:|", len(changes)-1) + "\n")
		}
		if i == 0 || cells[i-1].Planner != c.Planner || c.Change == changes[0].name {
			fmt.Fprintf(&b, "| %s | %s | %s |", c.Planner, allocations(cells[i:]), duration(c.NS))
			continue
		}
		fmt.Fprintf(&b, " %s; %s; %s |", duration(c.NS), ratio(c.Moves, c.Bound), number(c.Spread))
		if c.Change == changes[len(changes)-1].name {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// allocations are those of a change of one node.
func allocations(cells []cell) string {
	for _, c := range cells {
		if c.Change == "leave1" {
			return thousands(int(c.Allocs))
		}
	}
	return ""
}

func ratio(moves, bound int) string {
	if bound == 0 {
		return fmt.Sprint(moves)
	}
	return fmt.Sprintf("%.2f", float64(moves)/float64(bound))
}

func number(x float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
}

func duration(ns int64) string {
	switch d := time.Duration(ns); {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(ns)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(ns)/1e6)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// machine names the processor.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(info) {
			if key, value, found := bytes.Cut(line, []byte(":")); found && string(bytes.TrimSpace(key)) == "model name" {
				model = string(bytes.TrimSpace(value))
				break
			}
		}
	}
	return fmt.Sprintf("%s with %s", model, plural(runtime.NumCPU(), "processor"))
}

const (
	openMark  = "<!-- planner: written by make bench-planner DOC=1 -->\n"
	closeMark = "<!-- planner: end -->\n"
)

// writeDoc replaces what stands between the marks of a file.
func writeDoc(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, opened := strings.Cut(string(old), openMark)
	_, after, closed := strings.Cut(rest, closeMark)
	if !opened || !closed {
		return errors.New(path + " lacks the marks between which the table belongs")
	}
	return os.WriteFile(path, []byte(before+openMark+"\n"+text+"\n"+closeMark+after), 0o644)
}
