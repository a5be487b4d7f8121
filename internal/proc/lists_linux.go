package proc

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

const (
	// cleanLists is how many lists have to be clean.
	cleanLists = 3
	// mostLists bounds a search. One that has not come to its end is repeated, with pauses.
	mostLists = 20
)

// life identifies a process even if its number is given out again: the numbers do not come round within a tick.
type life struct {
	pid   int
	start uint64
}

// searchLists is [Search] for machines that do not show the last process number: sandboxes with a kernel of their own, and
// containers whose /proc/loadavg is a file of their runtime's making. It reads lists only, and reports that the family
// has died out after three clean ones, from the first to the last in less time than the numbers take to come round.
//
// A list is clean if each process on it was read after it was listed, and found to belong to others. A process that is gone
// or dead when it is read makes the list unclean: it may have belonged to the family, and may have left a child. Only a
// process that was dead before the list began does not count.
//
// # Why nothing is missed
//
// A program that forks and ends all the time has no process that lives long enough to be read, but it cannot get past
// such lists. At each moment some process of a family that lives is there to be listed: a parent is in fork until its
// child can be listed. A list decides on the numbers in ascending order. So a family stays off a clean list only if its
// living process changes, from a number that the list has not reached to one that it has passed, and each
// of those ends before the list reaches it.
//
//   - After a clean list all living processes of the family were born since it began. A process that was there before, and
//     lives on, is on the list.
//   - Those have numbers in the order of their births, unless the numbers have begun again. So in the next clean list each
//     child's number is above its parent's. To be passed over, a child must not be there yet when the list is at
//     its number. Then its parent or another ancestor is, with a lower number. That one was passed over earlier,
//     when it was not there yet itself: its own parent was, and so on. The first of them was there as the list
//     began, so it is on the list, and the list is not clean. So two clean lists suffice.
//   - The numbers begin again at most once during three lists. If that is before the second list, that and the third are
//     such a pair; if it is after the second list, that and the first are. If it is in the second list, that passes over no
//     process that was born before: those have their numbers in order. The processes that live at its end were born after
//     it and have their numbers in order again, and the third list shows them.
//
// The limits: any process of the machine that ends after it was listed and before it is read makes a list unclean. So the
// search needs three lists without such a process, close to each other. On a machine where that does not happen, or with so
// many processes that three lists take longer than its numbers, it never reports that a family has died out.
func searchLists(k kernel, judge func(Process) Verdict) (none bool) {
	others := map[life]bool{} // and the dead
	var clean []time.Duration // when each of the clean lists began
	for range mostLists {
		began := k.now()
		pids, ok := k.list()
		if !ok {
			return false
		}
		found, missed := readAll(k, pids, others, judge)
		if found {
			return false
		}
		if missed {
			continue
		}
		clean = append(clean, began)
		if first := len(clean) - cleanLists; first >= 0 && k.now()-clean[first] < k.turn() {
			return true
		}
	}
	return false
}

// readAll reads the processes of a list, the youngest first. It reports whether one of the family was found alive, and
// whether one may have been missed. It adds to others the processes that belong to others, or are dead.
func readAll(k kernel, pids []int, others map[life]bool, judge func(Process) Verdict) (found, missed bool) {
	for _, pid := range slices.Backward(pids) {
		p, err := k.read(pid)
		if errors.Is(err, fs.ErrNotExist) {
			missed = true // it may have started another one since it was listed
			continue
		}
		id := life{pid, p.start}
		if err == nil && others[id] {
			continue
		}
		switch verdictOn(p, err, judge) {
		case Own:
			found = true
		case Other:
			others[id] = err == nil
			missed = missed || p.Zombie // it may have lived when it was listed
		case Unknown:
			missed = true
		}
	}
	return found, missed
}
