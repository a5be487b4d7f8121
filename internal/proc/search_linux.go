package proc

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// Verdict is the decision whether a process is one of those that a search is for.
type Verdict int

// The verdicts. A zero Verdict is Unknown.
const (
	Unknown Verdict = iota // it could not be read; it may have ended
	Own                    // it is one of them
	Other                  // it is not, and the processes that it starts will not be either
)

// Search looks for the living processes of a family: judge recognizes them, and only a process of the family
// starts another one of it. It calls judge for the processes that it finds alive, the youngest first, on the
// caller's goroutine; a process may come more than once. It reports whether the family has died out. False
// means that a process of it was found, or that one may have been missed: search again.
//
// Where [OwnTable] is false it calls judge for none and returns false: the numbers in that table are others'.
//
// The number of processes that others start meanwhile does not matter, as long as the machine starts less than one in the
// time that a few system calls take. If the last process number is unknown, Search uses [searchLists] instead of the
// algorithm below, which needs a longer quiet moment.
//
// # Why nothing is missed
//
// The kernel gives out process numbers in ascending order and shows which one was the last. So a process that
// was born between two instants has a number between those that were the last ones then.
//
// The first round reads all processes on a list of the machine's processes, and all whose number was given out during the
// listing. If it finds none of the family alive, then all living processes of the family were born meanwhile: their parents
// lived as the round began and were dead when they were read. Each further round reads the processes that were born during
// the rounds before, which takes a fraction of the time, so that fewer and fewer are born during a round. When all whose
// number was given out belong to others, or none was born, no parent is left that could bear another one, and the family
// has died out.
//
// A process gets its number a moment before it can be read, while its parent is in fork. A parent that is in
// fork lives, and can be read. So a number that shows no process is read again in the next round: if its parent was
// of the family and is not found alive in a round, the fork was over by the end of that round. For the same
// reason the whole list is read twice.
//
// A process that cannot be read for another reason, such as a lack of file descriptors, does not count as dead: it is read
// again. A list that cannot be read ends the search.
func Search(judge func(Process) Verdict) (none bool) {
	if !OwnTable() {
		return false
	}
	return search(newProcfs(), judge)
}

// kernel is the part of the machine's kernel that a search uses.
type kernel interface {
	// list returns the numbers of all processes that are there from its call to its return, in ascending order: it decides on
	// one number after the other, or on all at one instant. It reports false if it has not read all.
	list() (pids []int, ok bool)
	// last returns the process number that was given out last. It returns 0 if that is unknown, or if so much time has
	// passed since the call before that the numbers may have come round to the same one.
	last() int
	// read returns the line of a process or a thread. The error matches fs.ErrNotExist if there is none with that number.
	read(pid int) (Process, error)
	// now returns the time that has passed since the search began.
	now() time.Duration
	// turn returns the least time in which the numbers come round.
	turn() time.Duration
}

const (
	// wholeLists is how many rounds of a search read the whole list.
	wholeLists = 2
	// readsAtOnce is how many processes are read before the last number is read again.
	readsAtOnce = 8
	// mostRounds bounds a search that a single process keeps from ending, such as one that hangs while it exits.
	mostRounds = 100
)

func search(k kernel, judge func(Process) Verdict) (none bool) {
	s := searcher{kernel: k, judge: judge, known: map[int]bool{}, latest: k.last()}
	older := s.latest // the last number, as the round before the last one began to read
	newer := older    // the last number, as the last round began to read
	if older == 0 {
		return searchLists(k, judge)
	}
	for round := range mostRounds {
		suspects := s.again
		if round < wholeLists {
			pids, ok := k.list()
			if !ok {
				return false
			}
			suspects = append(suspects, pids...)
		}
		if !s.ascends() {
			return false // the numbers have begun again
		}
		now := s.latest
		suspects = append(suspects, numbers(older, now)...)
		suspects = slices.DeleteFunc(suspects, func(pid int) bool { return s.known[pid] })
		if round > 0 && len(suspects) == 0 {
			return true
		}
		if !s.readAll(suspects) {
			return false
		}
		older, newer = newer, now
	}
	return false
}

// searcher is what a search has found out so far.
type searcher struct {
	kernel
	judge  func(Process) Verdict
	known  map[int]bool // of others, or dead
	again  []int        // alive, with a verdict of Unknown
	latest int          // the last number, as it was looked at before
}

// ascends looks at the last number, and reports whether it is not below the one that was looked at before.
func (s *searcher) ascends() bool {
	last := s.last()
	if last < s.latest {
		return false
	}
	s.latest = last
	return true
}

// readAll reads processes, and reports whether none of them is of the family and the numbers have not begun again meanwhile.
func (s *searcher) readAll(suspects []int) (none bool) {
	none, s.again = true, nil
	for i, pid := range slices.Backward(suspects) {
		if i%readsAtOnce == 0 && !s.ascends() {
			return false
		}
		p, err := s.read(pid)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		switch verdictOn(p, err, s.judge) {
		case Own:
			none = false
		case Other:
			s.known[pid] = true
		case Unknown:
			s.again = append(s.again, pid)
		}
	}
	return none
}

// numbers returns the numbers above one, up to another.
func numbers(above, last int) (list []int) {
	for pid := above + 1; pid <= last; pid++ {
		list = append(list, pid)
	}
	return list
}

// verdictOn returns the verdict on the result of reading a process. A dead process never belongs to the family, and neither
// does one that this process may not read: it belongs to another user.
func verdictOn(p Process, err error, judge func(Process) Verdict) Verdict {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Other
	case err != nil:
		return Unknown
	case p.Zombie:
		return Other
	}
	return judge(p)
}
