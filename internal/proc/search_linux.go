package proc

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
// The number of processes that others start meanwhile does not matter, as long as the machine starts less
// than one in the time that a few system calls take.
//
// # Why nothing is missed
//
// The kernel gives out process numbers in ascending order and tells which one was the last. So whoever was
// born between two instants has a number between those that were the last ones then.
//
// The first round reads everybody on a list of the machine's processes, and all whose number was given out
// during the listing. If it finds none of the family alive, then what is left of the family was born meanwhile:
// its parents lived as the round began and were dead when they were read. Each further round reads those who
// were born during the rounds before, which takes a fraction of the time, so that fewer and fewer are born
// during a round. When all whose number was given out are known to be of others, or nobody was born, no
// parent is left that could bear another one, and the family has died out.
//
// A process gets its number a moment before it can be read, while its parent is in fork. A parent that is in
// fork lives, and can be read. So a number that shows nobody is read again in the next round: if its parent was
// of the family and is not found alive in a round, the fork was over by the end of that round. For the same
// reason the whole list is read twice.
func Search(judge func(Process) Verdict) (none bool) {
	return search(newProcfs(), judge)
}

// kernel is what a search asks of the machine.
type kernel interface {
	// list returns the numbers of all processes that are there from its call to its return, in ascending order.
	list() []int
	// last returns the process number that was given out last. It returns 0 if that cannot be known, or if so much time has
	// passed since it was called before that the numbers may have come round to the same one.
	last() int
	// read returns the line of a process or a thread; ok is false if there is none with that number.
	read(pid int) (p Process, ok bool)
}

const (
	// wholeLists is how many rounds of a search read the whole list.
	wholeLists = 2
	// readsAtOnce is how many processes are read before the last number is looked at again.
	readsAtOnce = 8
)

func search(k kernel, judge func(Process) Verdict) (none bool) {
	var (
		known  = map[int]bool{} // of others, or dead
		again  []int            // alive, with a verdict of Unknown
		older  = k.last()       // the last number, as the round before the last one began to read
		newer  = older          // the last number, as the last round began to read
		latest = older          // the last number, as it was looked at before
	)
	for round := 0; newer > 0; round++ {
		suspects := again
		if round < wholeLists {
			suspects = append(suspects, k.list()...)
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
			p, ok := k.read(pid)
			if !ok {
				continue
			}
			switch verdictOn(p, judge) {
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

// verdictOn returns the verdict on a process. A dead one is never one of its own.
func verdictOn(p Process, judge func(Process) Verdict) Verdict {
	if p.Zombie {
		return Other
	}
	return judge(p)
}

// procfs is the machine's own kernel.
type procfs struct {
	turn   time.Duration // the least time in which the numbers come round
	looked time.Time     // when the last number was looked at
}

// fastest is the least time between two processes that a machine starts. One with more processors starts more of them,
// and has more numbers.
const fastest = 5 * time.Microsecond

func newProcfs() *procfs {
	numbers, err := strconv.Atoi(firstLine("/proc/sys/kernel/pid_max"))
	if err != nil {
		numbers = 1 << 15
	}
	return &procfs{turn: time.Duration(numbers) * fastest, looked: time.Now()}
}

func (procfs) list() (pids []int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (k *procfs) last() int {
	before := k.looked
	pid := lastPID()
	k.looked = time.Now()
	if k.looked.Sub(before) >= k.turn {
		return 0
	}
	return pid
}

// lastPID returns the process number that was given out last, 0 if that cannot be known. It prefers the file that no
// container runtime replaces by one of its own making. A kernel without support for checkpoints lacks it.
func lastPID() int {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return 0 // the process table of another PID namespace
	}
	text := firstLine("/proc/sys/kernel/ns_last_pid")
	if text == "" {
		var fs syscall.Statfs_t
		if syscall.Statfs("/proc/loadavg", &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC {
			return 0
		}
		load := firstLine("/proc/loadavg") // 0.20 0.18 0.12 1/80 11206
		text = load[strings.LastIndexByte(load, ' ')+1:]
	}
	pid, _ := strconv.Atoi(text)
	return pid
}

func (procfs) read(pid int) (p Process, ok bool) {
	p, ok = read(pid)
	if p.Zombie { // a thread that executes a program takes its dead leader's place, maybe between two looks
		p, ok = read(pid)
	}
	return p, ok
}

// firstLine returns the first line of a file, "" if it cannot be read.
func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
