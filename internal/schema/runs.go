package schema

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// TaskRuns is the state of a task that runs to its end: the instant up to which its schedule was decided, and the runs that are
// under way. Only leaders write it. Deleting it manually makes the task start from the beginning.
type TaskRuns struct {
	versioned
	// Generation is that of the task whose runs these are: a task that was declared again after a deletion has another one.
	Generation int64 `json:"generation,omitempty"`
	// Timing is the schedule that Last refers to: another schedule starts from the beginning.
	Timing string `json:"timing,omitempty"`
	// Last is the instant up to which the schedule was decided: no firing up to it happens again.
	Last time.Time `json:"last,omitzero"`
	// Passed are the last stretches of time up to Last in which nothing was fired. If it turns out that a clock was ahead, the
	// firings in them are still to come.
	Passed []Span `json:"passed,omitempty"`
	// Decided are stretches after Last that were decided while a clock was ahead: no firing in them happens again either.
	Decided []Span `json:"decided,omitempty"`
	// Begun is set if a task without a schedule has had its run.
	Begun bool `json:"begun,omitempty"`
	// Missed counts the firings that were skipped because they came too late, Skipped those that came while
	// another run was going on.
	Missed  int64 `json:"missed,omitempty"`
	Skipped int64 `json:"skipped,omitempty"`
	// Skips are the last of those, oldest first, at most MaxSkips.
	Skips []Skip `json:"skips,omitempty"`
	// Runs are those under way, in the order in which they began or are to begin.
	Runs []Run `json:"runs"`
	// Kept are the IDs of the last runs that are over, oldest first.
	Kept []string `json:"kept,omitempty"`
}

// MaxSkips bounds the list of skipped firings.
const MaxSkips = 10

// Skip is a firing that began no run, or several in a row with the same reason.
type Skip struct {
	From   time.Time `json:"from,omitzero"` // the instant of the first, if there are several
	Due    time.Time `json:"due"`           // the instant of the last
	Number int       `json:"number"`        // how many; MaxCounted of package schedule if there may be more
	// Late is by how much the last one came too late, by the clock of the leader that decided so; 0 if it was in time.
	Late cluster.Duration `json:"late,omitempty"`
	// Run is the run that was under way, or queued, or due instead.
	Run     string          `json:"run,omitempty"`
	Unknown cluster.Unknown `json:"-"`
}

// Why returns why the firing began no run.
func (s *Skip) Why() string {
	switch {
	case s.Late > 0:
		return fmt.Sprintf("%v late", time.Duration(s.Late).Round(time.Second))
	case s.Run != "":
		return "run " + s.Run + " went before it"
	}
	return "another run went before it"
}

// String describes the skipped firings and the reason.
func (s *Skip) String() string {
	due := s.Due.UTC().Format(time.RFC3339)
	if s.Number > 1 && !s.From.IsZero() {
		due = fmt.Sprintf("%d firings from %s to %s", s.Number, s.From.UTC().Format(time.RFC3339), due)
	}
	return due + " skipped: " + s.Why()
}

// Run is one execution of a task. Its work, its number of workers and its parameters are as declared when the run began; everything
// else follows the task's present declaration.
type Run struct {
	cluster.Run
	WorkName string          `json:"workName"`
	Queued   bool            `json:"queued,omitempty"` // it waits for another run
	Done     cluster.Indexes `json:"done,omitempty"`
	Failed   []Failure       `json:"failed,omitempty"`
	Unknown  cluster.Unknown `json:"-"`
}

// RunID names a run after the instant of its firing.
func RunID(at time.Time) string { return at.UTC().Format("20060102T150405Z") }

// Failure is a set of slots that have failed in the same way.
type Failure struct {
	Slots   cluster.Indexes `json:"slots"`
	Error   string          `json:"error"`
	Unknown cluster.Unknown `json:"-"`
}

// SeveralReasons begins an error that stands for others, too.
const SeveralReasons = "for several reasons, among them: "

// Blur replaces the errors of all failed slots by one, the first, cut short.
func (r *Run) Blur(most int) {
	if len(r.Failed) == 0 {
		return
	}
	all := Failure{Error: Cut(r.Failed[0].Error, most)}
	if len(r.Failed) > 1 && !strings.HasPrefix(all.Error, SeveralReasons) {
		all.Error = SeveralReasons + all.Error
	}
	for _, f := range r.Failed {
		all.Slots = append(all.Slots, f.Slots...)
	}
	slices.Sort(all.Slots)
	r.Failed = []Failure{all}
}

// Remaining counts the slots that are neither done nor failed.
func (r *Run) Remaining() int {
	left := r.WorkerNum - len(r.Done)
	for _, f := range r.Failed {
		left -= len(f.Slots)
	}
	return left
}

// Finished reports whether a slot is done or has failed.
func (r *Run) Finished(index int) bool {
	for _, f := range r.Failed {
		if f.Slots.Contains(index) {
			return true
		}
	}
	return r.Done.Contains(index)
}

// Find returns a run, nil if it is not under way.
func (a *TaskRuns) Find(id string) *Run {
	for i := range a.Runs {
		if a.Runs[i].ID == id {
			return &a.Runs[i]
		}
	}
	return nil
}

func (a *TaskRuns) validate() error {
	seen := map[string]bool{}
	for i := range a.Runs {
		r := &a.Runs[i]
		if r.ID == "" || seen[r.ID] {
			return fmt.Errorf("run %q is there twice", r.ID)
		}
		seen[r.ID] = true
		if r.WorkerNum < 0 || r.WorkerNum > cluster.MaxRunWorkers {
			return fmt.Errorf("run %s: workerNum %d is impossible", r.ID, r.WorkerNum)
		}
		if r.WorkName == "" {
			return fmt.Errorf("run %s: workName is missing", r.ID)
		}
		if err := r.Params.Validate(); err != nil {
			return fmt.Errorf("run %s: params: %w", r.ID, err)
		}
	}
	return nil
}

// FinishedRun is the record of a run that is over.
type FinishedRun struct {
	header
	Task string `json:"task"`
	Run
}

// Completions are the slots of runs that have ended on a member, until its assignment no longer lists them. Only the member writes
// it, in commits that also prove that it holds the slots.
type Completions struct {
	versioned
	Slots []Completion `json:"slots"`
}

// Completion is the result of slots of one run.
type Completion struct {
	Task  string          `json:"task"` // as cluster.RunTask gives it
	Slots cluster.Indexes `json:"slots"`
	Token int64           `json:"token"`
	// Error is why they have failed, "" if they are done.
	Error   string          `json:"error,omitempty"`
	Unknown cluster.Unknown `json:"-"`
}

// RunRequest is a run that an operator asks for.
type RunRequest struct {
	ID      string          `json:"id"`
	Task    string          `json:"task"`
	Params  cluster.Params  `json:"params,omitempty"`
	By      string          `json:"by,omitempty"`
	Unknown cluster.Unknown `json:"-"`
}
