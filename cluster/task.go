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

	// MaxRunWorkers bounds the workers of a task that runs to its end, since the record of a run lists those that are done.
	MaxRunWorkers      = 20_000
	DefaultMaxAttempts = 3
	DefaultKeepRuns    = 100
	MaxKeepRuns        = 1000
	MinEvery           = time.Second
	MaxActiveRuns      = 20 // of a task at a time, including those that wait
	MaxMisfires        = 10
	MisfireAfter       = time.Minute
)

// TaskSpec declares a task: a work, and how many workers of it should run. Declarations are values, and can be compared with
// ==. A field that is left out has the zero value.
//
// app.toml and the console's form have the fields of this type under their JSON names, in this order. The zero tag of a field
// is for app.toml, which refuses 0 as its value: what 0 would mean, and, after a |, what to write instead.
type TaskSpec struct {
	Name      string `json:"name"`
	WorkName  string `json:"workName"`
	WorkerNum int    `json:"workerNum"`
	// Resize is the policy for its workers when WorkerNum changes.
	Resize Resize `json:"resize,omitempty"` // "": ResizeRestart
	// StopTimeout is how long a worker may take to stop; 0: DefaultStopTimeout.
	StopTimeout Duration `json:"stopTimeout,omitempty" zero:"would leave a worker no time to stop|leave it out for 10s, or write a short time such as 100ms"`
	// Interval is the pause between a worker's return and its next run; 0: at once.
	Interval Duration `json:"interval,omitempty" zero:"would be no pause|leave it out to run a worker again at once"`
	Params   Params   `json:"params,omitempty"`
	Paused   bool     `json:"paused,omitempty"` // none of its workers may run

	// Constraints on the nodes that its workers may run on.
	Require Selector `json:"require,omitempty"` // only on nodes with these labels
	Prefer  Selector `json:"prefer,omitempty"`  // on such nodes while they have room
	Spread  string   `json:"spread,omitempty"`  // evenly over the values of this label first
	// MaxPerNode bounds how many of its workers one node may have; 0: no limit.
	MaxPerNode int `json:"maxPerNode,omitempty" zero:"would let nothing run or move|leave it out for no limit"`
	// Weight is what one worker takes of a node's capacity; 0: 1.
	Weight int `json:"weight,omitempty" zero:"would let nothing run or move|leave it out for 1"`
	// MaxUnavailable bounds how many of its workers may be unavailable at a time because they are being moved; 0: no limit. A
	// worker that runs nowhere counts, but the limit never delays it.
	MaxUnavailable int `json:"maxUnavailable,omitempty" zero:"would let nothing run or move|leave it out for no limit"`

	// Policies for workers that fail, or whose node loses contact.
	Restart          Restart          `json:"restart,omitzero"`
	WhenDisconnected WhenDisconnected `json:"whenDisconnected,omitempty"` // "": WhenDisconnectedStop

	// Tasks that run to their end: once, or at every firing of a schedule. See Runs.
	Mode     Mode   `json:"mode,omitempty"`     // "": ModeContinuous
	Schedule string `json:"schedule,omitempty"` // when a run begins, in the five fields of cron
	TimeZone string `json:"timeZone,omitempty"` // of Schedule, as "Europe/Berlin"; "": UTC
	// Every is the width of a grid of instants, at each of which a run begins.
	Every Duration `json:"every,omitempty" zero:"would fire without end|write at least 1s, or leave it out for a task without a schedule"`
	// Phase shifts the grid of Every against the hours, days or weeks of UTC. It must be less than Every. If it is not set, it
	// follows from the task's name, so that tasks with the same Every do not all begin at once.
	Phase       Phase   `json:"phase,omitzero"`
	Misfire     Misfire `json:"misfire,omitempty"`     // "": MisfireSkip
	Overlap     Overlap `json:"overlap,omitempty"`     // "": OverlapSkip
	MaxAttempts int     `json:"maxAttempts,omitempty"` // attempts in a run after which a worker has failed; 0: DefaultMaxAttempts
	// Timeout bounds one attempt in a run; 0: no limit.
	Timeout  Duration `json:"timeout,omitempty" zero:"would stop every execution at once|leave it out for no limit"`
	KeepRuns int      `json:"keepRuns,omitempty"` // how many runs that are over are kept; 0: DefaultKeepRuns

	Unknown Unknown `json:"-"`
}

// Override holds what an operator set for a task at run time. It stays in force over the declaration until it is reset.
type Override struct {
	WorkerNum *int  `json:"workerNum,omitempty" doc:"Number of workers, set by scale."`
	Paused    *bool `json:"paused,omitempty" doc:"True if paused, false if resumed; set by pause and resume."`

	Unknown Unknown `json:"-"`
}

// Mode is whether a task's workers run for ever or to their end.
type Mode string

// The modes.
const (
	ModeContinuous Mode = "continuous" // a worker that returns is run again
	ModeOnce       Mode = "once"       // a worker that returns without an error is done
)

// Values returns the modes.
func (Mode) Values() []Mode { return []Mode{ModeContinuous, ModeOnce} }

// Misfire is the policy for late firings: those that are decided about more than MisfireAfter after their instant. A firing
// is late if no node led, if the task was paused, if clocks were wrong, or if there was no room for another run. A firing
// that is less late is due, and begins a run as if it were on time. With OverlapSkip, if several firings are decided about
// at once, only the last one can be due, and the others count as late.
//
// Runs that make up for late firings are marked with RunInfo.Late. With OverlapSkip and OverlapQueue they run one after the
// other, in the order of their instants, after all due runs that wait. They do not stop a run that is under way. A due firing
// waits for a late run under way, and is not skipped because of it. With OverlapAllow all of them begin at once. If
// MaxActiveRuns leaves too little room, due firings begin, and late ones are skipped, the earliest first. Without a due
// firing, late ones wait for room.
//
// Skipped firings are counted, and shown as runs of state RunSkipped. There are never two runs for one instant.
type Misfire string

// The misfire policies.
const (
	MisfireSkip Misfire = "skip" // late firings are skipped
	MisfireOnce Misfire = "once" // one run makes up for the last late firing; the others are skipped
	MisfireAll  Misfire = "all"  // one run each makes up for the last MaxMisfires late firings; the others are skipped
)

// Values returns the misfire policies.
func (Misfire) Values() []Misfire { return []Misfire{MisfireSkip, MisfireOnce, MisfireAll} }

// Overlap is the policy for a firing while an earlier run of the task is under way.
type Overlap string

// The overlap policies.
const (
	OverlapSkip  Overlap = "skip"  // the firing is skipped
	OverlapQueue Overlap = "queue" // its run waits for the earlier one to end
	OverlapAllow Overlap = "allow" // its run begins at once
)

// Values returns the overlap policies.
func (Overlap) Values() []Overlap { return []Overlap{OverlapSkip, OverlapQueue, OverlapAllow} }

// Skips reports whether o is OverlapSkip, which is the default.
func (o Overlap) Skips() bool { return o == "" || o == OverlapSkip }

// WhenDisconnected is the policy for workers whose node cannot prove its lease.
type WhenDisconnected string

// The policies for workers of a node without a lease.
const (
	WhenDisconnectedStop WhenDisconnected = "stop" // they are stopped before another node can get their slots
	// WhenDisconnectedContinue: they run on until the node is in contact again. Meanwhile other nodes can get their slots, so
	// that two workers may run for one slot. Worker.Valid reports whether the lease is still valid.
	WhenDisconnectedContinue WhenDisconnected = "continue"
)

// Values returns the policies.
func (WhenDisconnected) Values() []WhenDisconnected {
	return []WhenDisconnected{WhenDisconnectedStop, WhenDisconnectedContinue}
}

// Resize is the policy for a task's workers when their number changes.
type Resize string

// The resize policies.
const (
	// ResizeRestart: all workers stop before the first one with the new count starts, and their new tokens are above all
	// earlier ones of the task. So workers of two counts never run together, and workers that divide keys by the count have
	// one owner for each key.
	ResizeRestart Resize = "restart"
	// ResizeLive: the other workers run on. They have no count, since it could not be the same for all of them.
	ResizeLive Resize = "live"
)

// Values returns the resize policies.
func (Resize) Values() []Resize { return []Resize{ResizeRestart, ResizeLive} }

// Restart is the policy by which failed workers are run again.
type Restart struct {
	// Backoff is the pause after the first failure, doubled after each further one; 0: 500 ms.
	Backoff Duration `json:"backoff,omitempty" zero:"would start a worker that fails again without a pause|leave it out for 500ms, or write a short time such as 10ms"`
	// MaxBackoff is the longest pause; 0: one minute.
	MaxBackoff Duration `json:"maxBackoff,omitempty" zero:"would be no pause after any failure|leave it out for 1m, or write at least what backoff is"`
	// Max is the number of failures in a row after which a worker of a continuous task has failed permanently. It then stays
	// stopped until its task is changed or it is restarted. 0: never.
	Max int `json:"max,omitempty"`
	// Elsewhere is the number of failures in a row after which a worker is tried on another node; 0: never.
	Elsewhere int `json:"elsewhere,omitempty"`
}

// Runs reports whether the task's workers run to their end, in runs.
func (t TaskSpec) Runs() bool { return t.Mode == ModeOnce || t.Scheduled() }

// Scheduled reports whether the task has a schedule, by which its runs begin again and again.
func (t TaskSpec) Scheduled() bool { return t.Schedule != "" || t.Every != 0 }

// Continues reports whether the task's workers run on after the lease of their node has ended.
func (t TaskSpec) Continues() bool { return t.WhenDisconnected == WhenDisconnectedContinue }

// Count returns the number that each worker receives as Worker.Count; 0 with ResizeLive.
func (t TaskSpec) Count() int {
	if t.Resize == ResizeLive {
		return 0
	}
	return t.WorkerNum
}

// Cost returns the weight of one worker.
func (t TaskSpec) Cost() int { return max(t.Weight, 1) }

// StopTimeoutOrDefault returns how long a worker of the task may take to stop when its slot is released.
func (t TaskSpec) StopTimeoutOrDefault() time.Duration {
	if t.StopTimeout == 0 {
		return DefaultStopTimeout
	}
	return time.Duration(t.StopTimeout)
}

// WorkName returns the form in which names of works are compared. Its first letter is in lower case, so that method RunTest01
// is work "test01".
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
		return fmt.Errorf("invalid duration %q (want e.g. \"30s\", \"1m30s\" or \"500ms\")", text)
	}
	*d = Duration(v)
	return nil
}
