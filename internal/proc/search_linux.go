package proc

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// Verdict says whether a process is one of those that a search is for.
type Verdict int

// The verdicts. A zero Verdict is Unknown.
const (
	Unknown Verdict = iota // it could not be read; it may have ended
	Own                    // it is one of them
	Other                  // it is not, and what it starts will not be either
)

// Search looks for the living processes of a family: judge recognizes them, and only a process of the family
// starts another one of it. It calls judge for the processes that it finds alive, the youngest first, on the
// caller's goroutine; a process may come more than once. It reports whether the family has died out. False
// means that a process of it was found, or that one may have been missed: search again.
//
// Where [OwnTable] is false it calls judge for none and returns false: the numbers in that table are others'.
//
// The number of processes that others start meanwhile does not matter, as long as the machine starts less
// than one in the time that a few system calls take. Where the last process number is not known, [searchLists]
// takes the place of what follows, and needs a longer quiet moment.
//
// # Why nothing is missed
//
// The kernel gives out process numbers in ascending order and shows which one was the last. So a process that
// was born between two instants has a number between those that were the last ones then.
//
// The first round reads all on a list of the machine's processes, and all whose number was given out
// during the listing. If it finds none of the family alive, then what is left of the family was born meanwhile:
// its parents lived as the round began and were dead when they were read. Each further round reads those who
// were born during the rounds before, which takes a fraction of the time, so that fewer and fewer are born
// during a round. When all whose number was given out are known to be of others, or none was born, no
// parent is left that could bear another one, and the family has died out.
//
// A process gets its number a moment before it can be read, while its parent is in fork. A parent that is in
// fork lives, and can be read. So a number that shows no process is read again in the next round: if its parent was
// of the family and is not found alive in a round, the fork was over by the end of that round. For the same
// reason the whole list is read twice.
//
// What cannot be read for another reason, as for want of file descriptors, is not taken for dead: it is read
// again, and a list that cannot be read ends the search.
func Search(judge func(Process) Verdict) (none bool) {
	if !OwnTable() {
		return false
	}
	return search(newProcfs(), judge)
}

// kernel is what a search asks of the machine.
type kernel interface {
	// list returns the numbers of all processes that are there from its call to its return, in ascending order: it decides on
	// one number after the other, or on all at one instant. It reports false if it has not read all.
	list() (pids []int, ok bool)
	// last returns the process number that was given out last. It returns 0 if that cannot be known, or if so much time has
	// passed since it was called before that the numbers may have come round to the same one.
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
	// readsAtOnce is how many processes are read before the last number is looked at again.
	readsAtOnce = 8
	// mostRounds bounds a search that one process keeps from its end, as one that hangs while it exits.
	mostRounds = 100
)

func search(k kernel, judge func(Process) Verdict) (none bool) {
	var (
		known  = map[int]bool{} // of others, or dead
		again  []int            // alive, with a verdict of Unknown
		older  = k.last()       // the last number, as the round before the last one began to read
		newer  = older          // the last number, as the last round began to read
		latest = older          // the last number, as it was looked at before
	)
	if older == 0 {
		return searchLists(k, judge)
	}
	for round := range mostRounds {
		suspects := again
		if round < wholeLists {
			pids, ok := k.list()
			if !ok {
				return false
			}
			suspects = append(suspects, pids...)
		}
		now := k.last()
		if now < latest {
			return false // the numbers have begun again
		}
		latest = now
		suspects = append(suspects, numbers(older, now)...)
		suspects = slices.DeleteFunc(suspects, func(pid int) bool { return known[pid] })
		if round > 0 && len(suspects) == 0 {
			return true
		}
		found := false
		again = nil
		for i, pid := range slices.Backward(suspects) {
			if i%readsAtOnce == 0 {
				last := k.last()
				if last < latest {
					return false
				}
				latest = last
			}
			p, err := k.read(pid)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			switch verdictOn(p, err, judge) {
			case Own:
				found = true
			case Other:
				known[pid] = true
			case Unknown:
				again = append(again, pid)
			}
		}
		if found {
			return false
		}
		older, newer = newer, now
	}
	return false
}

// numbers returns the numbers above one, up to another.
func numbers(above, last int) (list []int) {
	for pid := above + 1; pid <= last; pid++ {
		list = append(list, pid)
	}
	return list
}

// verdictOn returns the verdict on what reading a process gave. A dead one is never one of the family, and neither is
// one that this process may not read: that is of another user.
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
