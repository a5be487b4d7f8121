package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Slot is one of the N workers of a task, or of one run of it.
type Slot struct {
	Task  string // of a run, as RunTask gives it
	Index int
}

// RunTask returns the name under which the slots of a run are granted: "nightly@20261125T020000Z".
func RunTask(task, run string) string { return task + "@" + run }

// SplitRun returns the task and the run that slots are of; run is "" if they are of no run.
func SplitRun(name string) (task, run string) {
	task, run, _ = strings.Cut(name, "@")
	return task, run
}

// String returns the slot's name, as in "test01#0".
func (s Slot) String() string { return s.Task + "#" + strconv.Itoa(s.Index) }

// MarshalText implements encoding.TextMarshaler.
func (s Slot) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Slot) UnmarshalText(text []byte) error {
	task, index, found := strings.Cut(string(text), "#")
	i, err := strconv.Atoi(index)
	if !found || err != nil || i < 0 {
		return fmt.Errorf("slot %q: want a name as in \"test01#0\"", text)
	}
	*s = Slot{Task: task, Index: i}
	return nil
}

// Compare orders slots by task and index.
func (s Slot) Compare(o Slot) int {
	if c := strings.Compare(s.Task, o.Task); c != 0 {
		return c
	}
	return s.Index - o.Index
}

// Grant is a slot given to a member.
type Grant struct {
	Slot  Slot
	Token int64 // fencing token: of two grants of a slot the later one has the higher token
	Spec  TaskSpec
	// Generation tells the tasks apart that were declared under one name, one after the deletion of the other.
	Generation int64
}

// Indexes is a set of slot indexes of one task, sorted. Its text form is made of ranges,
// as in "0-3,7".
type Indexes []int

// maxIndexes bounds what a text may expand to.
const maxIndexes = MaxWorkers

// String returns the text form.
func (x Indexes) String() string {
	var b strings.Builder
	for i := 0; i < len(x); {
		j := i
		for j+1 < len(x) && x[j+1] == x[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(x[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(x[j]))
		}
		i = j + 1
	}
	return b.String()
}

// ParseIndexes reads the text form. It accepts ascending, non-overlapping ranges only.
func ParseIndexes(text string) (Indexes, error) {
	var x Indexes
	if text == "" {
		return x, nil
	}
	last := -1
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		if !isRange {
			hi = lo
		}
		from, err1 := strconv.ParseUint(lo, 10, 31)
		to, err2 := strconv.ParseUint(hi, 10, 31)
		if err1 != nil || err2 != nil || from > to || int(from) <= last {
			return nil, fmt.Errorf("slot indexes %q: want ascending ranges as in \"0-3,7\"", text)
		}
		if int(to-from)+1+len(x) > maxIndexes {
			return nil, fmt.Errorf("slot indexes %q: more than %d", text, maxIndexes)
		}
		for i := int(from); i <= int(to); i++ {
			x = append(x, i)
		}
		last = int(to)
	}
	return x, nil
}

// MarshalText implements encoding.TextMarshaler.
func (x Indexes) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (x *Indexes) UnmarshalText(text []byte) (err error) {
	*x, err = ParseIndexes(string(text))
	return err
}

// Contains tells whether i is in the set.
func (x Indexes) Contains(i int) bool {
	_, found := slices.BinarySearch(x, i)
	return found
}
