package scale

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// row is what was measured of a change.
type row struct {
	System     string  `json:"system"`
	Store      string  `json:"store"`
	Nodes      int     `json:"nodes"`
	Slots      int     `json:"slots"`
	Change     string  `json:"change"`
	SettledMs  float64 `json:"settledMs"` // until the last slot that moved runs
	FirstMs    float64 `json:"firstMs"`
	P50Ms      float64 `json:"p50Ms"` // of the slots that moved
	P99Ms      float64 `json:"p99Ms"`
	FloorMs    float64 `json:"floorMs"` // the raw operations alone; 0 where they were not measured
	Writes     int     `json:"writes"`  // of assignments and statuses
	Books      int     `json:"books"`   // of other records, heartbeats left out
	Reads      int     `json:"reads"`
	Hints      int     `json:"hints"`
	Bytes      int     `json:"bytes"`
	Moves      int     `json:"moves"`
	Bound      int     `json:"bound"` // that have to move
	Duplicates int     `json:"duplicates"`
	LeaderMB   float64 `json:"leaderMB"`
	NodeMB     float64 `json:"nodeMB"`    // of this process, by node
	LargestKB  float64 `json:"largestKB"` // assignment or status so far
	LeaderCPU  float64 `json:"leaderCPUMs"`
	NodesCPU   float64 `json:"nodesCPUMs"` // of all nodes but the leader, and of what measures them
	StoreCPU   float64 `json:"storeCPUMs"`
	Beats      int     `json:"beats"`  // heartbeats
	Over       float64 `json:"overMs"` // the time in which all this was counted
}

// report is what comes out: a table, and lines of JSON if somebody wants them.
type report struct {
	testing.TB
	want  map[string]bool // changes
	file  *os.File
	began time.Time
}

func newReport(tb testing.TB) *report {
	tb.Helper()
	r := &report{TB: tb, want: map[string]bool{}, began: time.Now()}
	for c := range strings.SplitSeq(*changes, ",") {
		r.want[c] = true
	}
	if *file != "" {
		var err error
		r.file, err = os.Create(*file)
		if err != nil {
			tb.Fatal(err)
		}
	}
	fmt.Println(
		"| system | store | nodes | slots | change | first | p50 | p99 | settled | floor | ratio | writes | other writes | heartbeats | reads | hints | KB | largest | moves | have to | duplicates | CPU of leader, nodes, store | in | leader MB | node MB |",
	)
	fmt.Println("|---|---|--:|--:|---|" + strings.Repeat("--:|", 20))
	return r
}

// time reports whether there is time for more.
func (r *report) time() bool { return time.Since(r.began) < *limit }

func (r *report) print(w row) {
	floor, ratio := "–", "–"
	if w.FloorMs > 0 {
		floor, ratio = fmt.Sprintf("%.0f ms", w.FloorMs), fmt.Sprintf("%.1f", w.SettledMs/w.FloorMs)
	}
	fmt.Printf(
		"| %s | %s | %d | %d | %s | %.0f ms | %.0f ms | %.0f ms | %.0f ms | %s | %s | %d | %d | %d | %d | %d | %d | %.0f KB | %d | %d | %d | %.0f, %.0f, %.0f ms | %.1f s | %.0f | %.1f |\n",
		w.System,
		w.Store,
		w.Nodes,
		w.Slots,
		w.Change,
		w.FirstMs,
		w.P50Ms,
		w.P99Ms,
		w.SettledMs,
		floor,
		ratio,
		w.Writes,
		w.Books,
		w.Beats,
		w.Reads,
		w.Hints,
		w.Bytes>>10,
		w.LargestKB,
		w.Moves,
		w.Bound,
		w.Duplicates,
		w.LeaderCPU,
		w.NodesCPU,
		w.StoreCPU,
		w.Over/1000,
		w.LeaderMB,
		w.NodeMB,
	)
	if r.file != nil {
		if err := json.NewEncoder(r.file).Encode(w); err != nil {
			r.Error(err)
		}
	}
}

func (r *report) close() {
	if r.file != nil {
		_ = r.file.Close()
	}
}
