package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// note is a line of the journal, with the time of the lease clock.
type note = invariant.Note

// writeNote appends to the journal, which has many writers.
func writeNote(dir string, n note) {
	line, _ := json.Marshal(n)
	f, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, _ = f.Write(append(line, '\n'))
		_ = f.Close()
	}
}

// started reports whether the journal has the start of every worker of a state.
func (f *fleet) started(s *cluster.State) bool {
	type start struct {
		node, slot string
		token      int64
	}
	noted := map[start]bool{}
	for _, n := range f.journal() {
		if n.What == "start" {
			noted[start{n.Node, n.Slot, n.Token}] = true
		}
	}
	for _, w := range s.Workers {
		if !noted[start{w.Node, cluster.Slot{Task: w.Task, Index: w.Index}.String(), w.Token}] {
			return false
		}
	}
	return true
}

// journal returns what the workers noted so far.
func (f *fleet) journal() []note {
	f.Helper()
	file, err := os.Open(f.path("journal"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.NewSectionReader(file, f.readTo, 1<<40))
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		var n note
		if err := json.Unmarshal(line, &n); err != nil {
			f.Fatalf("journal: %v in %q", err, line)
		}
		f.noted, f.readTo = append(f.noted, n), f.readTo+int64(len(line))
	}
	return f.noted
}

// verify is the checker of every test: no slot ran twice, and tokens rose.
func (f *fleet) verify() {
	check := invariant.Checker{Kernel: true, Wake: 5 * time.Second}
	for _, n := range f.journal() {
		check.Note(n)
	}
	for _, wrong := range check.Violations() {
		f.Error(wrong)
	}
	if check.Counts().Starts == 0 {
		f.Error("no worker ever started")
	}
}

// note writes into the journal what the test does to a process.
func (p *proc) note(what string) {
	writeNote(p.f.dir, note{At: p.f.session.Now(), What: what, Node: p.Name})
}

// notes returns the journal's notes of a kind since a position, of one node or, for "", of all.
func (f *fleet) notes(since int, what, node string) []note {
	f.Helper()
	return slices.DeleteFunc(slices.Clone(f.journal()[since:]), func(n note) bool { return n.What != what || node != "" && n.Node != node })
}
