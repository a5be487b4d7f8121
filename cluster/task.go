package cluster

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"gitee.com/ken.yang/xconsumer/cluster/indexes"
)

// Bounds of a task.
const (
	MaxWorkers         = indexes.Max
	MaxStopTimeout     = time.Hour
	MaxInterval        = 365 * 24 * time.Hour
	DefaultStopTimeout = 10 * time.Second
	MaxWeight          = 10_000
	maxName            = 128 // bytes

	// MaxRunWorkers bounds the workers of a task that runs to its end: which of them are done is kept.
	MaxRunWorkers      = 20_000
	DefaultMaxAttempts = 3
	DefaultKeepRuns    = 100
	MaxKeepRuns        = 1000
	MinEvery           = time.Second
	MaxActiveRuns      = 20 // of a task at a time, those that wait included
	MaxMisfires        = 10
	MisfireAfter       = time.Minute
)

// TaskSpec declares a task: a work, and how many workers of it should run.
type TaskSpec struct {
	Name        string   `json:"name"`
	WorkName    string   `json:"workName"`
	WorkerNum   int      `json:"workerNum"`
	StopTimeout Duration `json:"stopTimeout,omitempty"` // 0: DefaultStopTimeout
	Interval    Duration `json:"interval,omitempty"`    // between a worker's return and its next run; 0: at once
	Params      Params   `json:"params,omitempty"`

	// Where its workers may run. See package planner for what outranks what.
	Require    Selector `json:"require,omitempty"`    // only on nodes with these labels
	Prefer     Selector `json:"prefer,omitempty"`     // there while such a node has room
	Spread     string   `json:"spread,omitempty"`     // evenly over the values of this label first
	MaxPerNode int      `json:"maxPerNode,omitempty"` // 0: no limit
	Weight     int      `json:"weight,omitempty"`     // of one worker, against a node's capacity; 0: 1

	// MaxUnavailable bounds how many of its workers may be out of work at a time because they
	// are moved; 0: no limit. What runs nowhere anyway counts, and never waits.
	MaxUnavailable int  `json:"maxUnavailable,omitempty"`
	Paused         bool `json:"paused,omitempty"` // none of its workers is to run

	// Resize says what becomes of its workers when it is to have more or fewer of them.
	Resize Resize `json:"resize,omitempty"` // "": ResizeRestart

	// What becomes of workers that fail, or whose node loses contact.
	Restart          Restart          `json:"restart,omitzero"`
	WhenDisconnected WhenDisconnected `json:"whenDisconnected,omitempty"` // "": WhenDisconnectedStop

	// Tasks that run to their end: once, or at every firing of a schedule. See Runs.
	Mode     Mode     `json:"mode,omitempty"`     // "": ModeContinuous
	Schedule string   `json:"schedule,omitempty"` // when a run begins, in the five fields of cron
	TimeZone string   `json:"timeZone,omitempty"` // of Schedule, as "Europe/Berlin"; "": UTC
	Every    Duration `json:"every,omitempty"`    // a run begins at each instant of a grid of this width
	// Phase is by how much the grid of Every is behind that of an hour, a day or a week of UTC, less than Every. Not
	// set: one that follows from the name, so that tasks with the same Every do not all begin at once.
	Phase       Phase    `json:"phase,omitzero"`
	Misfire     Misfire  `json:"misfire,omitempty"`     // "": MisfireSkip
	Overlap     Overlap  `json:"overlap,omitempty"`     // "": OverlapSkip
	MaxAttempts int      `json:"maxAttempts,omitempty"` // executions of a worker in a run until it has failed; 0: DefaultMaxAttempts
	Timeout     Duration `json:"timeout,omitempty"`     // of one execution in a run; 0: none
	KeepRuns    int      `json:"keepRuns,omitempty"`    // of runs that are over; 0: DefaultKeepRuns

	Unknown Unknown `json:"-"`
}

// Override is what an operator set of a task at run time; it stays in force over the declaration until it is reset.
type Override struct {
	WorkerNum *int  `json:"workerNum,omitempty"`
	Paused    *bool `json:"paused,omitempty"`

	Unknown Unknown `json:"-"`
}

// Mode says whether a task's workers run for ever or to their end.
type Mode string

// The modes.
const (
	ModeContinuous Mode = "continuous" // a worker that returns is run again
	ModeOnce       Mode = "once"       // a worker that returns without an error is done
)

// Misfire says what becomes of firings that came more than MisfireAfter too late: nobody led, the task was
// paused, clocks were wrong, or there was no room for another run. A firing that is up to MisfireAfter late is due, and
// begins a run as if it were in time; with OverlapSkip, of several that are decided about at once only the last one is due, and
// the others count as too late.
//
// Runs that make up for late firings are marked (RunInfo.Late). With OverlapSkip and OverlapQueue they go on one after the
// other, in the order of their instants, behind all runs that are due and wait; one that goes on is not stopped for them. A due firing
// waits for a late run that goes on, and is not skipped for it. With OverlapAllow all begin at once. Where MaxActiveRuns leaves no
// room for all, due firings begin and late ones are skipped, the first ones first; without a due firing late ones wait for room.
//
// Firings that are skipped are counted and shown as runs of state RunSkipped. No instant has two runs.
type Misfire string

// What becomes of them.
const (
	MisfireSkip Misfire = "skip" // they are skipped
	MisfireOnce Misfire = "once" // one run makes up for the last of them, the others are skipped
	MisfireAll  Misfire = "all"  // a run each makes up for the last MaxMisfires of them, the others are skipped
)

// Overlap says what becomes of a firing while an earlier run of the task goes on.
type Overlap string

// What becomes of it.
const (
	OverlapSkip  Overlap = "skip"  // nothing
	OverlapQueue Overlap = "queue" // its run waits
	OverlapAllow Overlap = "allow" // its run begins
)

// Skips reports whether it is OverlapSkip.
func (o Overlap) Skips() bool { return o == "" || o == OverlapSkip }

// WhenDisconnected says what becomes of workers whose node cannot prove its lease.
type WhenDisconnected string

// What becomes of them.
const (
	WhenDisconnectedStop WhenDisconnected = "stop" // they are stopped before anybody else may have their slots
	// WhenDisconnectedContinue: they run on until the node is in contact again. Meanwhile others may
	// have their slots: such a task may run twice, and Worker.Valid tells.
	WhenDisconnectedContinue WhenDisconnected = "continue"
)

// Resize says what becomes of a task's workers when their number changes.
type Resize string

// What becomes of them.
const (
	// ResizeRestart: all of them stop before the first one that is told the new count starts, and their tokens
	// are above all earlier ones of the task. So workers of two counts never run together, and who divides keys
	// by count has one owner for each.
	ResizeRestart Resize = "restart"
	// ResizeLive: the others run on. They are told no count, since it could not be the same for all.
	ResizeLive Resize = "live"
)

// Restart is the policy by which failed workers are run again.
type Restart struct {
	Backoff    Duration `json:"backoff,omitempty"`    // after the first failure, then doubled; 0: 500 ms
	MaxBackoff Duration `json:"maxBackoff,omitempty"` // 0: a minute
	// Max is after how many failures in a row a worker of a continuous task has failed for good: until
	// its task is changed or it is restarted; 0: never.
	Max int `json:"max,omitempty"`
	// Elsewhere is after how many failures in a row a worker is tried on another node; 0: never.
	Elsewhere int `json:"elsewhere,omitempty"`
}

// Runs tells whether the task's workers run to their end, in runs.
func (t TaskSpec) Runs() bool { return t.Mode == ModeOnce || t.Scheduled() }

// Scheduled tells whether runs of the task begin by themselves, again and again.
func (t TaskSpec) Scheduled() bool { return t.Schedule != "" || t.Every != 0 }

// Continues tells whether the task's workers outlast the lease of their node.
func (t TaskSpec) Continues() bool { return t.WhenDisconnected == WhenDisconnectedContinue }

// Count returns how many workers there are, as each of them is told; 0 if they are not told, with ResizeLive.
func (t TaskSpec) Count() int {
	if t.Resize == ResizeLive {
		return 0
	}
	return t.WorkerNum
}

// Cost returns the weight of one worker.
func (t TaskSpec) Cost() int { return max(t.Weight, 1) }

// Grace returns how long a worker of the task may take to stop when it is released.
func (t TaskSpec) Grace() time.Duration {
	if t.StopTimeout == 0 {
		return DefaultStopTimeout
	}
	return time.Duration(t.StopTimeout)
}

// WorkName returns the form in which works are compared: with the first letter in lower
// case, so that method RunTest01 is work "test01".
func WorkName(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	if size == 0 || r == utf8.RuneError || unicode.ToLower(r) == r {
		return name
	}
	return string(unicode.ToLower(r)) + name[size:]
}

// Duration is a time.Duration whose text form is "30s".
type Duration time.Duration

// String returns the text form.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("invalid duration %q: write it as \"30s\", \"1m30s\" or \"500ms\"", text)
	}
	*d = Duration(v)
	return nil
}
