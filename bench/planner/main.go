// Command planner runs the same placement problems through xconsumer's planner and its peers, in one
// run, and prints a table: time, allocations, slots moved against the lower bound, balance.
//
// Each cell is the median of several runs. What a planner needs as its input (slots by
// name, members' metadata, a ring) is made before the clock starts, from the same world; each
// planner goes on from its own plans.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cell is one line of the result.
type cell struct {
	Planner     string  `json:"planner"`
	Slots       int     `json:"slots"`
	Nodes       int     `json:"nodes"`
	Tasks       int     `json:"tasks"`
	Variant     string  `json:"variant"`
	Change      string  `json:"change"`
	NS          int64   `json:"ns"` // median; of a chain: of one of its steps
	Allocs      uint64  `json:"allocs"`
	Moves       int     `json:"moves"`
	Bound       int     `json:"bound"`  // that no balanced plan can do with less
	Spread      float64 `json:"spread"` // plain: max-min of the nodes' loads; else the greatest distance from an ideal load
	MaxOverMean float64 `json:"maxOverMean"`
}

var (
	jsonFile = flag.String("json", "", "also write one JSON object a line to `FILE`")
	docFile  = flag.String("doc", "", "write the table into the Markdown `FILE`, between the marks")
	peers    = flag.String("peers", "", "only these `PLANNERS`, separated by commas, and xconsumer")
	sizes    = flag.Int("slots", 1_000_000, "the largest number of `SLOTS`")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "planner:", err)
		os.Exit(1)
	}
}

func run() error {
	field := contenders
	if *peers != "" {
		field = []contender{contenders[0]}
		for name := range strings.SplitSeq(*peers, ",") {
			at := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name })
			if at < 0 {
				return fmt.Errorf("no planner is called %q; there are %s", name, names())
			}
			if at > 0 {
				field = append(field, contenders[at])
			}
		}
	}
	var cells []cell
	for _, p := range problems(*sizes) {
		for _, c := range field {
			if c.most < p.slots || p.variant != "plain" && !c.constraints || c.pairs > 0 && c.pairs < p.slots*p.nodes {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s: %s\n", p, c.name)
			for _, change := range changes {
				got, err := measure(p, c, change)
				if err != nil {
					return fmt.Errorf("%s, %s, %s: %w", c.name, p, change.name, err)
				}
				cells = append(cells, got)
			}
		}
	}
	if *jsonFile != "" {
		if err := writeJSON(*jsonFile, cells); err != nil {
			return err
		}
	}
	text := render(cells)
	if *docFile != "" {
		return writeDoc(*docFile, text)
	}
	fmt.Print(text)
	return nil
}

func names() string {
	var list []string
	for _, c := range contenders {
		list = append(list, c.name)
	}
	return strings.Join(list, ", ")
}

// Runs of a cell: as many as fit the time, at least one.
const (
	most   = 9
	budget = 400 * time.Millisecond
	// patience is after how long a peer's chain ends early, or the run would take too long; what
	// making its input takes counts.
	patience = 10 * time.Second
)

// measure runs one change of one problem through one planner.
func measure(p problem, c contender, ch change) (cell, error) {
	got := cell{Planner: c.name, Slots: p.slots, Nodes: p.nodes, Tasks: p.tasks, Variant: p.variant, Change: ch.name}
	w := newWorld(p)
	var times []int64
	if ch.name != "initial" {
		if _, _, err := w.plan(c, 1); err != nil {
			return got, err
		}
	}
	for began, step := time.Now(), 0; step < ch.steps; step++ {
		if c.name != "xconsumer" && time.Since(began) > patience {
			break
		}
		ch.do(w, step)
		old := w.owners()
		runs := most
		if ch.steps > 1 {
			runs = 1
		}
		took, allocs, err := w.plan(c, runs)
		if err != nil {
			return got, err
		}
		times = append(times, took)
		got.Allocs = max(got.Allocs, allocs)
		moves, bound := w.moved(old)
		got.Moves += moves
		got.Bound += bound
		if err := w.check(); err != nil {
			return got, err
		}
	}
	slices.Sort(times)
	got.NS = times[len(times)/2]
	got.Spread, got.MaxOverMean = w.balance()
	return got, nil
}

// plan lets a planner plan, several times the same, and makes the plan the world's. It returns
// the median time and the allocations of a run.
func (w *world) plan(c contender, runs int) (took int64, allocs uint64, err error) {
	var times []int64
	var result [][]int32
	for began := time.Now(); len(times) < runs && (len(times) == 0 || time.Since(began) < budget); {
		run := c.prepare(w)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		finish, err := run()
		times = append(times, time.Since(start).Nanoseconds())
		if err != nil {
			return 0, 0, err
		}
		runtime.ReadMemStats(&after)
		allocs = after.Mallocs - before.Mallocs
		result = finish()
	}
	slices.Sort(times)
	w.owner = result
	return times[len(times)/2], allocs, nil
}

func writeJSON(path string, cells []cell) error {
	var b strings.Builder
	for _, c := range cells {
		line, err := json.Marshal(c)
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
