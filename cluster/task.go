package cluster

import (
	"errors"
	"fmt"
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

// Validate returns every mistake in the declaration, joined.
func (t TaskSpec) Validate() error {
	var errs []error
	if err := ValidateName(t.Name); err != nil {
		errs = append(errs, fmt.Errorf("name: %w", err))
	}
	if err := ValidateName(t.WorkName); err != nil {
		errs = append(errs, fmt.Errorf("workName: %w", err))
	}
	if t.WorkerNum < 0 || t.WorkerNum > MaxWorkers {
		errs = append(errs, fmt.Errorf("workerNum: %d is not between 0 and %d", t.WorkerNum, MaxWorkers))
	}
	if d := time.Duration(t.StopTimeout); d < 0 || d > MaxStopTimeout {
		errs = append(errs, fmt.Errorf("stopTimeout: %v is not between 0s and %v", d, MaxStopTimeout))
	}
	if d := time.Duration(t.Interval); d < 0 || d > MaxInterval {
		errs = append(errs, fmt.Errorf("interval: %v is not between 0s and %v", d, MaxInterval))
	}
	if err := t.Params.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("params: %w", err))
	}
	for _, f := range []struct {
		name  string
		value Selector
	}{{"require", t.Require}, {"prefer", t.Prefer}} {
		if err := f.value.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if t.Spread != "" {
		if err := ValidateName(t.Spread); err != nil {
			errs = append(errs, fmt.Errorf("spread: want the key of a label: %w", err))
		}
	}
	for _, f := range []struct {
		name        string
		value, most int
	}{{"maxPerNode", t.MaxPerNode, MaxWorkers}, {"weight", t.Weight, MaxWeight}, {"maxUnavailable", t.MaxUnavailable, MaxWorkers}} {
		if f.value < 0 || f.value > f.most {
			errs = append(errs, fmt.Errorf("%s: %d is not between 1 and %d", f.name, f.value, f.most))
		}
	}
	return errors.Join(errs...)
}

// ValidateName refuses what cannot be the name of a cluster, node, task or work: names
// become parts of keys, and are read by people.
func ValidateName(name string) error {
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
		return fmt.Errorf("%q is no duration: write it as \"30s\", \"1m30s\" or \"500ms\"", text)
	}
	*d = Duration(v)
	return nil
}
