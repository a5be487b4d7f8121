package app_test

import (
	"slices"
	"strings"
	"testing"
)

// Every command that changes something takes --yes, every one that prints data --output, and those that go on have
// -w and -f for the same.
func TestFlagsAreAlike(t *testing.T) {
	changes := []string{"scale", "pause", "resume", "reset", "restart", "run-now", "delete", "move", "cordon", "drain", "uncordon", "evict", "label", "move-now",
		"apply", "leader step-down", "cluster init", "cluster delete", "cluster protect", "protocol raise", "init"}
	prints := []string{"status", "tasks", "nodes", "workers", "runs", "tree", "plan", "diff", "explain", "stack", "logs", "events", "decisions", "leader", "report", "healthcheck",
		"version", "doctor", "config check", "token"}
	goOn := []string{"status", "tasks", "nodes", "workers", "runs", "tree", "explain", "decisions", "leader", "events", "logs"}
	none := []string{"dev", "run", "config", "cluster", "protocol", "help", "completion"} // print no data, and change no record
	seen := map[string]bool{}
	for _, list := range [][]string{changes, prints, goOn, none} {
		for _, command := range list {
			seen[strings.Fields(command)[0]] = true
			code, help, errs := run(t, nil, nil, append(strings.Fields(command), "--help")...)
			if code != 0 {
				t.Fatalf("%s: exit %d: %s", command, code, errs)
			}
			wants := map[string]bool{
				"-y, --yes": slices.Contains(changes, command), "-w, --watch": slices.Contains(goOn, command), "-f, --follow": slices.Contains(goOn, command),
				"-o, --output": slices.Contains(prints, command) || slices.Contains(changes, command),
			}
			for flag, want := range wants {
				if strings.Contains(help, flag) != want {
					t.Errorf("%s: %s is there: %v; want %v", command, flag, !want, want)
				}
			}
		}
	}
	_, help, _ := run(t, nil, nil, "--help")
	_, list, _ := strings.Cut(help, "\nStart:\n")
	list, _, _ = strings.Cut(list, "\nFlags:\n")
	for line := range strings.Lines(list) {
		if name, _, _ := strings.Cut(strings.TrimPrefix(line, "  "), " "); strings.HasPrefix(line, "  ") && !seen[name] {
			t.Errorf("%s: say here whether it changes or prints something", name)
		}
	}
}
