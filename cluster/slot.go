package cluster

import (
	"fmt"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster/indexes"
)

// Slot is one of the N workers of a task, or of one run of it.
type Slot struct {
	Task  string // in the form of RunTask for a slot of a run
	Index int
}

// RunTask returns the name under which the slots of a run are granted: "nightly@20261125T020000Z".
func RunTask(task, run string) string { return task + "@" + run }

// SplitRun is the reverse of RunTask. The run of a plain task name is "".
func SplitRun(name string) (task, run string) {
	task, run, _ = strings.Cut(name, "@")
	return task, run
}

// IsOf reports whether name is the task, or one of its runs. If task is itself the name of a run, it reports whether both are
// the same.
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
	Token int64 // the fencing token: of two grants of a slot, the later one has the higher token
	Count int   // TaskSpec.Count when the slot was granted; it does not change during the grant
	Spec  TaskSpec
	// Generation distinguishes tasks that were declared under the same name, one after the deletion of the other.
	Generation int64
}

// Indexes is a set of slot indexes of one task, in ascending order. Its text form is made of ranges, as in "0-3,7".
type Indexes = indexes.Set
