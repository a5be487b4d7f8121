package cluster

import (
	"encoding/base64"
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

// IsOf reports whether a name is that of a task, or of one of its runs; of a run's name, whether it is the same.
func IsOf(name, task string) bool {
	of, _ := SplitRun(name)
	return name == task || of == task
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
	Count int   // as TaskSpec.Count when it was granted: it stays while the grant does
	Spec  TaskSpec
	// Generation tells the tasks apart that were declared under one name, one after the deletion of the other.
	Generation int64
}

// Indexes is a set of slot indexes of one task, sorted. Its text form is made of ranges, as in "0-3,7". A
// set that is scattered over thousands of ranges is written in records as bits instead: "12:" and, in base64, a bit for
// each index from 12 on.
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

// maxRanges is how long the text of a set may be before it is written as bits, if they are shorter.
const maxRanges = 2 << 10

// MarshalText implements encoding.TextMarshaler. The text of a set among the first n indexes takes no more
// than 2 KiB, or than n/6 bytes and a few.
func (x Indexes) MarshalText() ([]byte, error) {
	text := []byte(x.String())
	if len(text) <= maxRanges {
		return text, nil
	}
	first := x[0]
	bits := make([]byte, (x[len(x)-1]-first)/8+1)
	for _, i := range x {
		bits[(i-first)/8] |= 1 << ((i - first) % 8)
	}
	if short := base64.RawStdEncoding.AppendEncode(fmt.Appendf(nil, "%d:", first), bits); len(short) < len(text) {
		return short, nil
	}
	return text, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (x *Indexes) UnmarshalText(text []byte) (err error) {
	start, coded, isBits := strings.Cut(string(text), ":")
	if !isBits {
		*x, err = ParseIndexes(start)
		return err
	}
	first, err := strconv.ParseUint(start, 10, 31)
	if err != nil || len(coded) > base64.RawStdEncoding.EncodedLen(maxIndexes/8+1) {
		return fmt.Errorf("slot indexes %.20q…: want the first index and at most %d bits in base64", text, maxIndexes)
	}
	bits, err := base64.RawStdEncoding.DecodeString(coded)
	if err != nil {
		return fmt.Errorf("slot indexes %.20q…: %w", text, err)
	}
	*x = nil
	for i := range 8 * len(bits) {
		if bits[i/8]>>(i%8)&1 == 1 {
			*x = append(*x, int(first)+i)
		}
	}
	return nil
}

// Contains tells whether i is in the set.
func (x Indexes) Contains(i int) bool {
	_, found := slices.BinarySearch(x, i)
	return found
}
