// Package schedule computes when runs of a task begin. It is pure: it reads no clock.
//
// # The model
//
// A schedule is a rule for instants of UTC. A firing is one of them, and its instant is its name: the record of a task
// contains the last one that was decided about, and earlier ones are not decided about again. So none fires twice, no
// matter which node leads and how clocks change. Which instants those are depends on the declaration alone, for an interval
// as for cron: it does not matter when the task was declared or last fired.
//
// Cron schedules are in the local time of a zone. When a clock goes forward, a skipped time fires when it would have been:
// 02:30 at 03:30. Where a clock goes back, a schedule that names its hours fires at the first of the two equal times only;
// one whose hour is a wildcard goes by elapsed time, as those with an interval do, and fires in both hours.
package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/netresearch/go-cron"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

// Schedule is when runs of a task begin.
type Schedule struct {
	spec     *cron.SpecSchedule // of a clock that is never changed; nil for every
	location *time.Location
	every    time.Duration
	phase    time.Duration // by how much the grid of every is behind that of an hour, a day or a week
	fixed    bool          // it names its hours
}

// parser reads five fields, with the days of week and month joined by "or" if both are restricted, as in
// every cron.
var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// star is the library's flag for a wildcard.
const star = 1 << 63

// Parse reads a task's schedule, nil if it has none. Its error names the right form.
func Parse(t cluster.TaskSpec) (*Schedule, error) {
	switch {
	case t.Every != 0:
		return &Schedule{every: time.Duration(t.Every), phase: Phase(t)}, nil
	case t.Schedule == "":
		return nil, nil
	}
	location, err := zoneOf(cmp.Or(t.TimeZone, "UTC"))
	if err != nil {
		_, wrong := parse(t.Schedule, time.UTC)
		return nil, errors.Join(err, wrong)
	}
	return parse(t.Schedule, location)
}

// parse reads the five fields of cron, as times of a zone.
func parse(text string, location *time.Location) (*Schedule, error) {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "TZ=") || strings.HasPrefix(text, "@every") || text == "@reboot" {
		return nil, &cluster.FieldError{Field: "schedule", Err: fmt.Errorf("%q: write the zone as timeZone, and an interval as every", text)}
	}
	parsed, err := parser.Parse(text)
	if err != nil {
		return nil, &cluster.FieldError{
			Field: "schedule",
			Err:   fmt.Errorf("%q: %w; write it as \"minute hour day month weekday\", as in \"30 2 * * MON-FRI\"", text, err),
		}
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, &cluster.FieldError{Field: "schedule", Err: fmt.Errorf("%q: write it as \"minute hour day month weekday\"", text)}
	}
	spec.Location = time.UTC
	spec.MaxSearchYears = 9 // there may be eight years between two leap days
	s := &Schedule{spec: spec, location: location, fixed: spec.Hour&star == 0}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, &cluster.FieldError{Field: "schedule", Err: fmt.Errorf("%q: there is no such date", text)}
	}
	return s, nil
}

// Phase returns the offset of a task's firings from the grid of its interval: the declared one or, without one, a value in
// whole seconds that follows from the task's name. The value for a name must never change: another one would move firings.
func Phase(t cluster.TaskSpec) time.Duration {
	if phase, set := t.Phase.Get(); set {
		return phase
	}
	return jitter.Of(time.Duration(t.Every).Truncate(time.Second)/time.Second, "phase", t.Name) * time.Second
}

// Name identifies a schedule; "" for a task without one.
func Name(t cluster.TaskSpec) string {
	switch {
	case t.Every != 0:
		return fmt.Sprintf("every %v, phase %v", t.Every, Phase(t))
	case t.Schedule == "":
		return ""
	}
	return fmt.Sprintf("%s %s", t.Schedule, cmp.Or(t.TimeZone, "UTC"))
}

// Former returns the schedule of an agenda that an earlier version wrote: that version counted an interval from the last
// firing. It returns nil if the timing in the agenda is not that of the task's interval in the form of that version.
func Former(t cluster.TaskSpec, timing string, last time.Time) *Schedule {
	every := time.Duration(t.Every)
	if every == 0 || timing != "every "+t.Every.String() {
		return nil
	}
	return &Schedule{every: every, phase: last.UTC().Sub(last.UTC().Truncate(every))}
}

// Validate returns every mistake in a task, joined, those in its schedule included.
func Validate(t cluster.TaskSpec) error {
	_, err := Parse(t)
	return errors.Join(append(parts(t.Validate()), parts(err)...)...)
}

// parts returns the errors that were joined into an error.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.Clone(joined.Unwrap())
	}
	return []error{err}
}

// Next returns the first firing after an instant, the zero time if there is none. Which instants fire does not depend on where the
// search begins.
func (s *Schedule) Next(after time.Time) time.Time {
	if s.spec == nil {
		return s.floor(after).Add(s.every)
	}
	for within := after; ; {
		p := periodOf(within.In(s.location))
		next := s.nextIn(p, after)
		if next.IsZero() || p.end.IsZero() || next.Before(p.end) {
			return next
		}
		within, after = p.end, p.end.Add(-time.Nanosecond)
	}
}

// nextIn returns the first firing after an instant if the clock of the zone were not changed after a period. It searches on
// a clock that is never changed; the times on it are written as if they were UTC.
func (s *Schedule) nextIn(p period, after time.Time) time.Time {
	after = after.UTC()
	from := after.Add(p.offset)
	changed := p.start.UTC().Add(p.former) // the time that the clock showed when it was changed
	if s.fixed && p.offset < p.former {    // set back: a time that it shows again does not fire again
		from = latest(from, changed.Add(-time.Nanosecond))
	}
	next := instantOf(s.spec.Next(from), p.offset)
	if s.fixed && p.offset > p.former { // set forward: a skipped time fires when it would have been
		leftOut := s.spec.Next(latest(after.Add(p.former), changed.Add(-time.Nanosecond)))
		if at := instantOf(leftOut, p.former); !leftOut.IsZero() && leftOut.Before(p.start.UTC().Add(p.offset)) && at.Before(next) {
			return at
		}
	}
	return next
}

// floor returns the last firing of a schedule with an interval that is not after an instant. It is counted from the year 1,
// whose first day was a Monday: an interval of a week has its grid there.
func (s *Schedule) floor(at time.Time) time.Time {
	return at.UTC().Add(-s.phase).Truncate(s.every).Add(s.phase)
}

// between returns the firings in (after, until]; only the last ones if there are more than most.
func (s *Schedule) between(after, until time.Time, most int) (list []time.Time) {
	if s.spec == nil {
		for at := s.floor(until); at.After(after) && len(list) < most; at = at.Add(-s.every) {
			list = append(list, at)
		}
		slices.Reverse(list)
		return list
	}
	for at := s.Next(after); !at.IsZero() && !at.After(until); at = s.Next(at) {
		list = append(list, at)
	}
	return list[max(0, len(list)-most):]
}

// Due lists the firings of a schedule to decide about at a moment.
type Due struct {
	Late   []time.Time // firings that came too late and are made up for, by their instants, in order
	Fire   []time.Time // firings that are due now, in order
	Missed int         // firings that came too late and were skipped, as far as they were counted
	From   time.Time   // the first of those that were counted
	To     time.Time   // the last one
	Last   time.Time   // nothing up to it is decided about again
	Next   time.Time   // the first firing that is to come, zero for none
}

// GiveUp skips the first n firings that would be made up for.
func (d *Due) GiveUp(n int) {
	n = min(n, len(d.Late))
	if n == 0 {
		return
	}
	if d.Missed == 0 {
		d.From = d.Late[0]
	}
	d.Missed, d.To, d.Late = d.Missed+n, d.Late[n-1], d.Late[n:]
}

// MaxCounted bounds how many firings that came too late are counted.
const MaxCounted = 1000

// At returns the firings of a task's schedule to decide about now. Firings up to last have been decided about, and so have
// later ones for which fired returns true. If one is set, only the last of several firings is due now, and the others count
// as too late.
func (s *Schedule) At(last, now time.Time, misfire cluster.Misfire, one bool, fired func(time.Time) bool) Due {
	// The bound is high enough that no firing is missed during a change of leaders.
	const most = 10_000
	edge := now.Add(-cluster.MisfireAfter)
	d := Due{Last: last}
	d.Fire = s.between(latest(last, edge), now, most)
	if n := len(d.Fire); n > 0 {
		d.Last = d.Fire[n-1]
	}
	d.Fire = slices.DeleteFunc(d.Fire, fired)
	if n := len(d.Fire); one && n > 1 {
		edge = d.Fire[n-2]
		d.Fire = d.Fire[n-1:]
	}
	late := s.Recent(last, edge)
	if n := len(late); n > 0 {
		d.Last = latest(d.Last, late[n-1])
	}
	late = slices.DeleteFunc(late, fired)
	if len(late) > 0 {
		keep := 0
		switch misfire {
		case cluster.MisfireOnce:
			keep = 1
		case cluster.MisfireAll:
			keep = min(len(late), cluster.MaxMisfires)
		}
		d.Late = late[len(late)-keep:]
		d.Missed = len(late) - keep
		if d.Missed > 0 {
			d.From, d.To = late[0], late[d.Missed-1]
		}
	}
	d.Next = s.Next(d.Last)
	return d
}

// Recent returns the firings after an instant and up to another one; only the last MaxCounted if there are more. It looks
// back further step by step, since there may be very many.
func (s *Schedule) Recent(last, edge time.Time) (list []time.Time) {
	const longest = math.MaxInt64 / 8 // that can be multiplied once more
	for back := time.Hour; edge.After(last); back *= 8 {
		from := last
		if back <= longest {
			from = latest(last, edge.Add(-back))
		}
		list = s.between(from, edge, MaxCounted)
		if len(list) == MaxCounted || from.Equal(last) {
			return list
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
