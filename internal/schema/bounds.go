package schema

import (
	"reflect"
	"strings"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema/fields"
)

// The bounds of records, in bytes. A commit of a leader that has at most one assignment or one record of runs stays below
// [coord.MaxCommit], whatever else it contains.
//
//	record         bound     what its writer leaves out to keep it
//	meta, epoch    1 KiB     nothing: names, numbers and times
//	names          4 KiB     nothing: the same, and addresses
//	heartbeats     1 KiB     nothing
//	members       64 KiB     a node with more works and labels does not join
//	assignments  248 KiB     grants (192 KiB: what does not fit stays unplaced), releases (the rest is asked back later), the
//	                         text of reasons beyond 80 bytes
//	  closed     256 KiB     startedLast60s: the earliest starts
//	status       248 KiB     states of workers beyond those that fit, then when slots were claimed; never what is held
//	done          96 KiB     which error was whose beyond 32 KiB of them, then ends, which are recorded when earlier ones have
//	                         been taken in
//	agendas      254 KiB     which of a run's errors was whose, then which firings were skipped, then the oldest runs that
//	                         are over
//	runs          64 KiB     which slot each error belongs to
//	suspects      48 KiB     the slots with the fewest crashes
//	decisions     16 KiB     steps, and slots of steps beyond 1 KiB; the number of omitted ones is recorded
//	audit         64 KiB     the oldest lines, the end of long ones
//	specs         66 KiB     specs beyond 32 KiB, unless it is one: they go to another chunk
//	tasks         64 KiB     an operation that makes it larger is refused
//	settings      16 KiB     the same
//	marks         16 KiB     the same; the error of a quarantine beyond 800 bytes
//	requests      64 KiB     the same; leaders only take out of it
//	checkpoints   24 KiB     one that is larger is refused
//	planfault    144 KiB     the input, the end of error and stack
//
// Lists of slots that are scattered are written as bits: see [cluster.Indexes].
const (
	MaxAssignment  = coord.MaxValue - 8<<10
	MaxGrants      = coord.MaxValue * 3 / 4 // the most that an assignment may have after new grants
	MaxStatus      = coord.MaxValue - 8<<10
	MaxCompletions = 96 << 10
	MaxTaskRuns    = coord.MaxValue - 2<<10
	MaxFinishedRun = 64 << 10
	MaxSuspects    = 48 << 10
	MaxDecision    = 16 << 10
	MaxAudit       = 64 << 10
	MaxMember      = 64 << 10
	MaxTask        = 64 << 10
	MaxSpecChunk   = MaxTask + 2<<10
	MaxSettings    = 16 << 10
	MaxMark        = 16 << 10
	MaxRequests    = 64 << 10
)

// Bound returns the most bytes that a record of a kind may have.
func Bound(r Record) int {
	switch r := r.(type) {
	case *Member:
		return MaxMember
	case *Assignment:
		if r.Closed != nil {
			return coord.MaxValue
		}
		return MaxAssignment
	case *Status:
		return MaxStatus
	case *Completions:
		return MaxCompletions
	case *TaskRuns:
		return MaxTaskRuns
	case *FinishedRun:
		return MaxFinishedRun
	case *Suspects:
		return MaxSuspects
	case *Decision:
		return MaxDecision
	case *Audit:
		return MaxAudit
	case *Task:
		return MaxTask
	case *SpecChunk:
		return MaxSpecChunk
	case *Settings:
		return MaxSettings
	case *Mark:
		return MaxMark
	case *Requests:
		return MaxRequests
	case *Checkpoint:
		return 24 << 10
	case *PlanFault:
		return 144 << 10
	case *Name:
		return 4 << 10
	}
	return 1 << 10 // meta, epoch, heartbeat
}

// KeyBound returns the most bytes that the record of a key may have.
func KeyBound(keys Keys, key string) int {
	switch Dir(key) {
	case keys.Members():
		return MaxMember
	case keys.Assignments():
		return coord.MaxValue // the bound of a closed assignment
	case Dir(keys.Status("")):
		return MaxStatus
	case keys.Completions():
		return MaxCompletions
	case keys.TaskRuns():
		return MaxTaskRuns
	case Dir(keys.Decision(0)):
		return MaxDecision
	case keys.Tasks():
		return MaxTask
	case Dir(keys.SpecChunk(0)):
		return MaxSpecChunk
	case keys.Marks():
		return MaxMark
	}
	switch {
	case key == keys.Suspects():
		return MaxSuspects
	case key == keys.Requests():
		return MaxRequests
	case key == keys.Audit():
		return MaxAudit
	case key == keys.Settings():
		return MaxSettings
	case strings.HasPrefix(key, keys.root+"/runs/"):
		return MaxFinishedRun
	}
	return 144 << 10
}

// Size returns the number of bytes of a record.
func Size(r Record) int { return len(Encode(r, 1<<31)) }

// SizeOf returns the number of bytes of an element in a list, with its separator.
func SizeOf[T any](element *T) int {
	return len(fields.EncodeField(reflect.ValueOf([]T{*element}))) - len("[]") + 1
}

// Rough returns approximately the number of bytes of a list, rather more.
func Rough[T any, P ranged[T]](list []T) int {
	n := 0
	for i := range list {
		r := P(&list[i]).Range()
		n += 150 + len(r.Task) + 7*len(r.Slots)
	}
	return n
}

// Fit returns how many of the first elements of a list fit into a number of bytes of JSON.
func Fit[T any](list []T, room int) int {
	if len(fields.EncodeField(reflect.ValueOf(list)))-1 <= room { // as nearly always: much faster
		return len(list)
	}
	for n := range list {
		room -= SizeOf(&list[n])
		if room < 0 {
			return n
		}
	}
	return len(list)
}

// ShortError is the number of bytes that are kept of an error where there is little room.
const ShortError = 80

// Cut shortens a text to about a number of bytes, between characters.
func Cut(text string, most int) string {
	for i := range text {
		if i > most {
			return text[:i] + "…"
		}
	}
	return text
}
