package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// mistakes collects the mistakes in the fields of a declaration. Each method adds a [FieldError] if the field is invalid.
type mistakes []error

func (m *mistakes) add(field, format string, args ...any) {
	*m = append(*m, &FieldError{field, fmt.Errorf(format, args...)})
}

func (m *mistakes) check(field string, err error) {
	if err != nil {
		*m = append(*m, &FieldError{field, err})
	}
}

// duration refuses a duration that is not between two bounds.
func (m *mistakes) duration(field string, value Duration, least, most time.Duration) {
	if d := time.Duration(value); d < least || d > most {
		m.add(field, "%v is not between %v and %v", d, least, most)
	}
}

// limit refuses limits that are not between 1 and most; 0 stands for the default.
func (m *mistakes) limit(field string, value, most int) {
	if value < 0 || value > most {
		m.add(field, "%d is not between 1 and %d", value, most)
	}
}

// oneOf refuses values that their type does not have. "" stands for the default.
func oneOf[T interface {
	~string
	Values() []T
}](m *mistakes, field string, value T) {
	if value != "" && !slices.Contains(value.Values(), value) {
		m.add(field, "invalid value %q (want %s)", value, alternatives(value.Values()))
	}
}

// alternatives returns the values as in: "a", "b" or "c".
func alternatives[T ~string](known []T) string {
	var text strings.Builder
	for i, value := range known {
		switch {
		case i == 0:
		case i == len(known)-1:
			text.WriteString(" or ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(strconv.Quote(string(value)))
	}
	return text.String()
}

// Validate returns every mistake in the declaration, joined. A rule that a later version adds belongs here and not in
// ValidateStored.
func (t TaskSpec) Validate() error {
	var m mistakes
	for _, f := range []struct{ key, name string }{{"name", t.Name}, {"workName", t.WorkName}} {
		if validateWord(f.name) == nil { // else ValidateStored has a mistake in it
			m.check(f.key, ValidateName(f.name))
		}
	}
	if t.Misfire != "" && t.Runs() && !t.Scheduled() {
		m.add("misfire", "the task has no schedule whose firings could come too late; leave it out, or add a schedule")
	}
	return errors.Join(append(m, t.mistakes()...)...)
}

// ValidateStored is Validate for a declaration that is in force already. It never becomes stricter: the workers of a task
// whose record cannot be used would stop.
func (t TaskSpec) ValidateStored() error { return errors.Join(t.mistakes()...) }

func (t TaskSpec) mistakes() mistakes {
	var m mistakes
	m.check("name", validateWord(t.Name))
	m.check("workName", validateWord(t.WorkName))
	if t.WorkerNum < 0 || t.WorkerNum > MaxWorkers {
		m.add("workerNum", "%d is not between 0 and %d", t.WorkerNum, MaxWorkers)
	}
	m.duration("stopTimeout", t.StopTimeout, 0, MaxStopTimeout)
	m.duration("interval", t.Interval, 0, MaxInterval)
	m.check("params", t.Params.Validate())
	m.check("require", t.Require.Validate())
	m.check("prefer", t.Prefer.Validate())
	if t.Spread != "" {
		if err := validateWord(t.Spread); err != nil {
			m.add("spread", "want the key of a label: %w", err)
		}
	}
	m.limit("maxPerNode", t.MaxPerNode, MaxWorkers)
	m.limit("weight", t.Weight, MaxWeight)
	m.limit("maxUnavailable", t.MaxUnavailable, MaxWorkers)
	oneOf(&m, "resize", t.Resize)
	if t.Resize == ResizeLive && t.Runs() {
		m.add("resize", "a run keeps the number of workers that it began with; leave it out for a task that runs to its end")
	}
	oneOf(&m, "whenDisconnected", t.WhenDisconnected)
	t.validateMode(&m)
	t.validatePhase(&m)
	if t.Runs() || t.Mode != "" && t.Mode != ModeContinuous { // or in an invalid mode
		t.validateRuns(&m)
	} else {
		t.refuseRuns(&m)
	}
	t.Restart.validate(&m)
	return m
}

// validateMode checks whether the task runs for ever, once or by a schedule. Package schedule reads the schedule itself.
func (t TaskSpec) validateMode(m *mistakes) {
	if t.Scheduled() && t.Mode != ModeContinuous && t.Mode != ModeOnce && t.Mode != "" {
		m.add("mode", "invalid value %q (want %s); leave it out for a task with a schedule", t.Mode, alternatives(t.Mode.Values()))
	} else {
		oneOf(m, "mode", t.Mode)
	}
	switch {
	case t.Mode == ModeContinuous && t.Scheduled():
		m.add("mode", "a task with a schedule runs to its end at every firing; leave mode out")
	case t.Schedule != "" && t.Every != 0:
		m.add("every", "a task has either this or a schedule")
	case t.Every != 0:
		m.duration("every", t.Every, MinEvery, MaxInterval)
	}
	if t.TimeZone != "" && t.Schedule == "" {
		m.add("timeZone", "requires schedule, which the task does not have")
	}
}

func (t TaskSpec) validatePhase(m *mistakes) {
	switch phase, set := t.Phase.Get(); {
	case !set:
	case t.Every == 0:
		m.add("phase", "requires every, which the task does not have")
	case phase < 0 || phase >= time.Duration(t.Every):
		m.add("phase", "%v is not between 0s and less than every, which is %v", phase, t.Every)
	case phase%time.Second != 0:
		m.add("phase", "%v is not in whole seconds", phase)
	}
}

// validateRuns checks the fields that only tasks with runs have.
func (t TaskSpec) validateRuns(m *mistakes) {
	oneOf(m, "misfire", t.Misfire)
	oneOf(m, "overlap", t.Overlap)
	if t.Runs() && t.WorkerNum > MaxRunWorkers {
		m.add("workerNum", "%d is more than %d, which a task that runs to its end may have", t.WorkerNum, MaxRunWorkers)
	}
	m.duration("timeout", t.Timeout, 0, MaxInterval)
	m.limit("maxAttempts", t.MaxAttempts, 1000)
	m.limit("keepRuns", t.KeepRuns, MaxKeepRuns)
}

// refuseRuns refuses those fields with any value.
func (t TaskSpec) refuseRuns(m *mistakes) {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"keepRuns", t.KeepRuns != 0}, {"maxAttempts", t.MaxAttempts != 0}, {"misfire", t.Misfire != ""},
		{"overlap", t.Overlap != ""}, {"timeout", t.Timeout != 0},
	} {
		if f.given {
			m.add(f.name, `only tasks that run to their end have it; add mode = "once" or a schedule`)
		}
	}
}

func (r Restart) validate(m *mistakes) {
	if r.Backoff < 0 || r.MaxBackoff < 0 || time.Duration(max(r.Backoff, r.MaxBackoff)) > MaxInterval {
		m.add("restart", "backoff %v and maxBackoff %v are not between 0s and %v", r.Backoff, r.MaxBackoff, MaxInterval)
	}
	if r.Max < 0 || r.Elsewhere < 0 {
		m.add("restart", "max and elsewhere are numbers of failures; leave them out for never")
	}
}

// ValidateName refuses text that cannot be the name of a cluster, node, task or work. Names become parts of keys, and
// people read them. Characters that ZooKeeper refuses in a key are refused with every store, so that a cluster can move
// from one to another.
func ValidateName(name string) error {
	if err := validateWord(name); err != nil {
		return err
	}
	if name[0] == '-' {
		return fmt.Errorf("%q: a name does not begin with -, as flags do", name)
	}
	for _, r := range name {
		if r > 0xFFFF { // surrogates, private use and the specials from U+FFF0 on are not letters
			return fmt.Errorf("%q: %c (%U) is not allowed: ZooKeeper takes no characters beyond U+FFFF in names", name, r, r)
		}
	}
	return nil
}

// validateWord refuses text that cannot be a label. Names that are stored already must fulfill only this.
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
