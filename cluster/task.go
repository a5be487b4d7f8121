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
	DefaultStopTimeout = 10 * time.Second
	maxName            = 128 // bytes
)

// TaskSpec declares a task: a work, and how many workers of it should run.
type TaskSpec struct {
	Name        string   `json:"name"`
	WorkName    string   `json:"workName"`
	WorkerNum   int      `json:"workerNum"`
	StopTimeout Duration `json:"stopTimeout,omitempty"` // 0: DefaultStopTimeout
}

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
	if size == 0 || r == utf8.RuneError {
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
