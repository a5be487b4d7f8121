package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a task.
const (
	MaxWorkers         = 100_000
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

// Validate returns every mistake in the declaration, joined. What a later version of this program no longer
// lets anybody declare belongs here and not into ValidateStored.
func (t TaskSpec) Validate() error {
	var errs []error
	for _, f := range []struct{ key, name string }{{"name", t.Name}, {"workName", t.WorkName}} {
		if err := ValidateName(f.name); err != nil && validateWord(f.name) == nil {
			errs = append(errs, wrong(f.key, "%w", err))
		}
	}
	if t.Misfire != "" && t.Runs() && !t.Scheduled() {
		errs = append(errs, wrong("misfire", "there is no schedule whose firings could come too late; leave it out, or add a schedule"))
	}
	return errors.Join(append(errs, t.mistakes()...)...)
}

// ValidateStored is Validate for a declaration that is in force already. It never becomes stricter: the
// workers of a task whose record cannot be used would stop.
func (t TaskSpec) ValidateStored() error { return errors.Join(t.mistakes()...) }

func (t TaskSpec) mistakes() (errs []error) {
	if err := validateWord(t.Name); err != nil {
		errs = append(errs, wrong("name", "%w", err))
	}
	if err := validateWord(t.WorkName); err != nil {
		errs = append(errs, wrong("workName", "%w", err))
	}
	if t.WorkerNum < 0 || t.WorkerNum > MaxWorkers {
		errs = append(errs, wrong("workerNum", "%d is not between 0 and %d", t.WorkerNum, MaxWorkers))
	}
	if d := time.Duration(t.StopTimeout); d < 0 || d > MaxStopTimeout {
		errs = append(errs, wrong("stopTimeout", "%v is not between 0s and %v", d, MaxStopTimeout))
	}
	if d := time.Duration(t.Interval); d < 0 || d > MaxInterval {
		errs = append(errs, wrong("interval", "%v is not between 0s and %v", d, MaxInterval))
	}
	if err := t.Params.Validate(); err != nil {
		errs = append(errs, wrong("params", "%w", err))
	}
	for _, f := range []struct {
		name  string
		value Selector
	}{{"require", t.Require}, {"prefer", t.Prefer}} {
		if err := f.value.Validate(); err != nil {
			errs = append(errs, wrong(f.name, "%w", err))
		}
	}
	if t.Spread != "" {
		if err := validateWord(t.Spread); err != nil {
			errs = append(errs, wrong("spread", "want the key of a label: %w", err))
		}
	}
	for _, f := range []struct {
		name        string
		value, most int
	}{{"maxPerNode", t.MaxPerNode, MaxWorkers}, {"weight", t.Weight, MaxWeight}, {"maxUnavailable", t.MaxUnavailable, MaxWorkers}} {
		if f.value < 0 || f.value > f.most {
			errs = append(errs, wrong(f.name, "%d is not between 1 and %d", f.value, f.most))
		}
	}
	errs = append(errs, t.validateResize()...)
	errs = append(errs, t.validateRuns()...)
	return append(errs, t.Restart.validate()...)
}

func (t TaskSpec) validateResize() (errs []error) {
	switch {
	case t.Resize != "" && t.Resize != ResizeRestart && t.Resize != ResizeLive:
		errs = append(errs, wrong("resize", "%q is none of %q", t.Resize, []Resize{ResizeRestart, ResizeLive}))
	case t.Resize == ResizeLive && t.Runs():
		errs = append(errs, wrong("resize", "a run keeps the number of workers that it began with; leave it out for a task that runs to its end"))
	}
	return errs
}

// validateRuns returns the mistakes in what is said of runs. Package schedule reads the schedule itself.
func (t TaskSpec) validateRuns() (errs []error) {
	oneOf := func(name, value string, known ...string) {
		if value != "" && !slices.Contains(known, value) {
			errs = append(errs, wrong(name, "%q is none of %q", value, known))
		}
	}
	if t.Scheduled() && t.Mode != ModeContinuous && t.Mode != ModeOnce && t.Mode != "" {
		errs = append(errs, wrong("mode", "%q is none of %q; leave it out for a task with a schedule", t.Mode, []Mode{ModeContinuous, ModeOnce}))
	} else {
		oneOf("mode", string(t.Mode), string(ModeContinuous), string(ModeOnce))
	}
	oneOf("whenDisconnected", string(t.WhenDisconnected), string(WhenDisconnectedStop), string(WhenDisconnectedContinue))
	switch {
	case t.Mode == ModeContinuous && t.Scheduled():
		errs = append(errs, wrong("mode", "a task with a schedule runs to its end at every firing; leave mode out"))
	case t.Schedule != "" && t.Every != 0:
		errs = append(errs, wrong("every", "a task has either this or a schedule"))
	case t.Every != 0 && (time.Duration(t.Every) < MinEvery || time.Duration(t.Every) > MaxInterval):
		errs = append(errs, wrong("every", "%v is not between %v and %v", t.Every, MinEvery, MaxInterval))
	}
	misplaced := !t.Runs() && (t.Mode == "" || t.Mode == ModeContinuous)
	if misplaced { // whatever their values are
		for name, given := range map[string]bool{
			"maxAttempts": t.MaxAttempts != 0, "timeout": t.Timeout != 0, "keepRuns": t.KeepRuns != 0,
			"misfire": t.Misfire != "", "overlap": t.Overlap != "",
		} {
			if given {
				errs = append(errs, wrong(name, `only tasks that run to their end have it; add mode = "once" or a schedule`))
			}
		}
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	} else {
		oneOf("misfire", string(t.Misfire), string(MisfireSkip), string(MisfireOnce), string(MisfireAll))
		oneOf("overlap", string(t.Overlap), string(OverlapSkip), string(OverlapQueue), string(OverlapAllow))
		if t.Runs() && t.WorkerNum > MaxRunWorkers {
			errs = append(errs, wrong("workerNum", "%d is more than %d, which a task that runs to its end may have", t.WorkerNum, MaxRunWorkers))
		}
	}
	switch phase, set := t.Phase.Get(); {
	case !set:
	case t.Every == 0:
		errs = append(errs, wrong("phase", "there is no every that it could be of"))
	case phase < 0 || phase >= time.Duration(t.Every):
		errs = append(errs, wrong("phase", "%v is not between 0s and less than every, which is %v", phase, t.Every))
	case phase%time.Second != 0:
		errs = append(errs, wrong("phase", "%v is not in whole seconds", phase))
	}
	if t.TimeZone != "" && t.Schedule == "" {
		errs = append(errs, wrong("timeZone", "there is no schedule that it could be of"))
	}
	if d := time.Duration(t.Timeout); !misplaced && (d < 0 || d > MaxInterval) {
		errs = append(errs, wrong("timeout", "%v is not between 0s and %v", d, MaxInterval))
	}
	for _, f := range []struct {
		name        string
		value, most int
	}{{"maxAttempts", t.MaxAttempts, 1000}, {"keepRuns", t.KeepRuns, MaxKeepRuns}} {
		if !misplaced && (f.value < 0 || f.value > f.most) {
			errs = append(errs, wrong(f.name, "%d is not between 1 and %d", f.value, f.most))
		}
	}
	return errs
}

func (r Restart) validate() (errs []error) {
	if r.Backoff < 0 || r.MaxBackoff < 0 || time.Duration(max(r.Backoff, r.MaxBackoff)) > MaxInterval {
		errs = append(errs, wrong("restart", "backoff %v and maxBackoff %v are not between 0s and %v", r.Backoff, r.MaxBackoff, MaxInterval))
	}
	if r.Max < 0 || r.Elsewhere < 0 {
		errs = append(errs, wrong("restart", "max and elsewhere are numbers of failures; leave them out for never"))
	}
	return errs
}

// ValidateName refuses what cannot be the name of a cluster, node, task or work: names
// become parts of keys, and are read by people. What ZooKeeper refuses in a key is refused
// whichever store there is, so that a cluster can move to another one.
func ValidateName(name string) error {
	if err := validateWord(name); err != nil {
		return err
	}
	if name[0] == '-' {
		return fmt.Errorf("%q: a name does not begin with -, as flags do", name)
	}
	for _, r := range name {
		if r > 0xFFFF { // surrogates, private use and the specials of U+FFF0 on are no letters
			return fmt.Errorf("%q: %c (%U) is not allowed: ZooKeeper takes no characters beyond U+FFFF in names", name, r, r)
		}
	}
	return nil
}

// validateWord refuses what cannot be a label, and what never could be a name.
func validateWord(name string) error {
	switch {
	case name == "":
		return errors.New("must not be empty")
	case len(name) > maxName:
		return fmt.Errorf("%.20q… is longer than %d bytes", name, maxName)
	case name == "." || name == "..":
		return fmt.Errorf("%q is not a name", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return fmt.Errorf("%q: only letters, digits and . _ - are allowed", name)
		}
	}
	return nil
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
