package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
)

// MaxToken bounds every token, and the counter that they come from. A cluster that gives a million tokens per second reaches it after
// 146,000 years. A token above it was edited manually, and nothing could be granted after it.
const MaxToken = 1 << 62

// PlausibleToken reports whether new tokens must be above one that a record lists. A token far above all that a cluster can have
// given was edited manually; new tokens above it would use up the range.
func PlausibleToken(token int64) bool { return token <= MaxToken/2 }

// Protocol is the version of the protocol that this program speaks.
const Protocol = 1

// Meta is the cluster's identity. It is created by the first node together with Epoch.
type Meta struct {
	header
	UUID       string    `json:"uuid"`
	Protocol   int       `json:"protocol"`   // the active one: no member writes records of another protocol
	TokenFloor int64     `json:"tokenFloor"` // all tokens are above it
	Created    time.Time `json:"created"`
}

// PeerSecret is a secret by which nodes prove to each other that they belong to the cluster. The first node that has to ask
// another one creates it. Only nodes read it: no view, report or answer contains it.
type PeerSecret struct {
	header
	Secret string `json:"secret"`
	// Closed is set if strangers could not read it when it was made: the store had refused them.
	Closed bool `json:"closed,omitempty"`
}

// MinPeerSecret is how many bytes it has at least.
const MinPeerSecret = 32

func (p *PeerSecret) validate() error {
	if len(p.Secret) < MinPeerSecret {
		return fmt.Errorf("the secret has less than %d bytes", MinPeerSecret)
	}
	return nil
}

func (m *Meta) validate() error {
	if m.UUID == "" || m.Protocol < 1 {
		return errors.New("uuid or protocol is missing")
	}
	if m.TokenFloor < 0 || m.TokenFloor >= MaxToken {
		return fmt.Errorf("tokenFloor %d is not between 0 and 2^62", m.TokenFloor)
	}
	return nil
}

// Epoch is the leader's term. Every commit of a leader sets it at the version that it read.
type Epoch struct {
	versioned
	Leader       string    `json:"leader"` // MemberID
	Node         string    `json:"node"`
	Term         int64     `json:"term"`
	NextToken    int64     `json:"nextToken"`
	NextDecision int64     `json:"nextDecision"`
	Since        time.Time `json:"since,omitzero"`
	// BalanceAt is when slots move for balance to nodes that have come back, at the earliest and by the leader's clock; zero if none
	// waits for that. It is for people: nothing is decided by it.
	BalanceAt time.Time `json:"balanceAt,omitzero"`
}

func (e *Epoch) validate() error {
	if e.Term < 0 || e.NextToken < 1 || e.NextDecision < 0 {
		return errors.New("term, nextToken or nextDecision is impossible")
	}
	if e.NextToken > MaxToken {
		return fmt.Errorf("nextToken %d is above 2^62; set it above the highest token that was ever granted", e.NextToken)
	}
	return nil
}

// Name is the record of the member that has a node name.
type Name struct {
	header
	Member  string    `json:"member"`
	Node    string    `json:"node"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Address string    `json:"address,omitempty"`
	Since   time.Time `json:"since"`
}

// String describes the process that has the name.
func (n Name) String() string {
	return fmt.Sprintf("host %s, pid %d, since %s", n.Host, n.PID, n.Since.Format(time.RFC3339))
}

// Member describes a live member.
type Member struct {
	header
	cluster.Member
	Since time.Time `json:"since"`
}

func (m *Member) validate() error { return validateNode(m.Node) }

// validateNode refuses what can be no node's name at all. What a program of another version takes for one is its
// affair: its member runs, and its records have to be read.
func validateNode(name string) error {
	if name == "" || strings.Contains(name, "/") {
		return fmt.Errorf("node %q is impossible", name)
	}
	return nil
}

// Heartbeat proves by its version that its member lives.
type Heartbeat struct {
	versioned
	// At is the member's wall clock before it was sent. It is for people who ask whose clock is wrong; nothing is decided
	// by it.
	At time.Time `json:"at,omitzero"`
}

// Assignment is the leader's record of what a member is to run. The join creates it. After that only leaders write it, except that
// the member, or its parent process, closes it, and an operator evicts the member.
type Assignment struct {
	versioned
	Node           string           `json:"node"`
	Host           string           `json:"host"`
	SessionTimeout cluster.Duration `json:"sessionTimeout"`
	Granted        Grants           `json:"granted"`
	Releasing      []Releasing      `json:"releasing"`
	Evicted        bool             `json:"evicted,omitempty"`
	Closed         *Closed          `json:"closed,omitempty"`
}

// Closed means that nothing of the member runs any longer.
type Closed struct {
	By    string `json:"by"`
	Cause string `json:"cause"`
	// Left is set if the member left on purpose: leaders do not wait for its node to come back, unless it asked for RestartGrace, and
	// defer the grants of its slots for a moment while other nodes leave, too.
	Left bool `json:"left,omitempty"`
	// NoCompletions is set if the member has written no record of ended slots, so that leaders need not look for one.
	NoCompletions bool `json:"noCompletions,omitempty"`
	// RestartGrace is for how long, after it has left, the slots of the member wait for its node to come back; 0: they move at
	// once. Each leader counts it from when it first sees the member gone, and counts cluster.MaxRestartGrace at most.
	RestartGrace cluster.Duration `json:"restartGrace,omitempty"`
	// Settled is set once a leader has granted the member's slots elsewhere, as far as it could and after all delays, so that
	// later leaders do not begin the delays again. It does not show how the member ended: By and Cause do.
	Settled bool `json:"settled,omitempty"`
	// StartedLast60s are, after a crash, the slots that may have caused it. The times of their claims, and At, when the process
	// died or left, are by the clock of one machine.
	StartedLast60s []Claimed `json:"startedLast60s,omitempty"`
	At             time.Time `json:"at,omitzero"`
	// Burst is what the member knew, as leader, about nodes that leave one soon after the other.
	Burst *Burst `json:"burst,omitempty"`
}

// CauseLost is the cause of a closed assignment whose member did not close it: a leader found that nothing of it runs.
const CauseLost = "lost"

// Burst is what a leader that leaves passes on to the next one about nodes that leave one soon after the other.
type Burst struct {
	Term  int64 `json:"term"`  // in which the member led
	Count int   `json:"count"` // the nodes that have left or are about to, without the leader; 0: it has decided nothing
	// Deferred is for how long leaders have deferred the grants of what such a node left behind, at most.
	Deferred cluster.Duration `json:"deferred,omitempty"`
}

// Close marks the assignment as that of a member of which nothing runs any longer. It lists the last slots that the member had
// started lately, as far as there is room: they are suspected first.
func (d *Assignment) Close(closed *Closed) {
	c := *closed
	c.Cause = Cut(c.Cause, maxCause)
	started := slices.Clone(c.StartedLast60s)
	slices.SortStableFunc(started, func(a, b Claimed) int { return b.Since.Compare(a.Since) })
	c.StartedLast60s, d.Closed = nil, &c
	const name = len(`,"startedLast60s":[]`)
	c.StartedLast60s = started[:Fit(started, coord.MaxValue-Size(d)-name)]
	slices.SortStableFunc(c.StartedLast60s, func(a, b Claimed) int { return strings.Compare(a.Task, b.Task) })
}

// Evict marks the assignment, which is written at the given version, as that of an evicted member. It does not close the assignment:
// the member's workers run until its lease has lapsed, and leaders wait for that. Slots that the status holds and the assignment
// does not list are listed as releasing, so that leaders wait for them, too. Status is nil if it is unknown what the member holds.
func (d *Assignment) Evict(status *Status, version int64) {
	if status != nil {
		d.Adopt(status.Holding, version)
	}
	d.Evicted = true
}

// maxCause bounds the cause of a death, in bytes.
const maxCause = 500

// validate checks the conditions that the protocol depends on. An unusable assignment stops all grants.
func (d *Assignment) validate() error {
	if err := validateNode(d.Node); err != nil {
		return err
	}
	if err := validateRanges(d.Ranges()); err != nil {
		return err
	}
	for _, h := range d.Releasing {
		if h.Version > d.Version {
			return fmt.Errorf("release of %s is of version %d, which no status can have applied", h.Task, h.Version)
		}
	}
	for _, h := range d.Granted {
		if h.Ref.Chunk < 1 || h.Token < 1 {
			return fmt.Errorf("grant of %s has no token or names no specs", h.Task)
		}
	}
	return nil
}

// validateRanges checks that no slot is listed twice, and that new tokens can be above those that are listed.
func validateRanges(ranges iter.Seq[*SlotRange]) error {
	seen := map[cluster.Slot]bool{}
	for r := range ranges {
		if r.Token > MaxToken {
			return fmt.Errorf("token %d of %s is above 2^62", r.Token, r.Task)
		}
		for _, index := range r.Slots {
			slot := cluster.Slot{Task: r.Task, Index: index}
			if seen[slot] {
				return fmt.Errorf("slot %s is listed twice", slot)
			}
			seen[slot] = true
		}
	}
	return nil
}

// Status is the member's record of what it holds. Applied is the version of its assignment that it has
// acted on: what is not in Holding then does not run, and will not before a new claim.
type Status struct {
	versioned
	Applied int64         `json:"applied"`
	Holding Claims        `json:"holding"`
	Workers []WorkerState `json:"workers,omitempty"` // those that are not simply running
	Leaving bool          `json:"leaving,omitempty"` // the member takes no more work
	// Fenced: its lease is not valid. What needs one is stopping or has stopped, and nothing starts before it is claimed again.
	Fenced bool `json:"fenced,omitempty"`
	// Refused are grants of its assignment that it does not claim, since they came later than the grant of token Above and
	// have no higher one: the assignment is a former one that was put back.
	Refused []SlotRange `json:"refused,omitempty"`
	Above   int64       `json:"above,omitempty"`
}

// validate refuses holdings that no assignment may list: leaders list what a member holds as releasing. The member could not use that
// assignment, and would neither claim nor give back any slot.
func (s *Status) validate() error {
	return validateRanges(func(yield func(*SlotRange) bool) {
		for i := range s.Holding {
			if !yield(&s.Holding[i].SlotRange) {
				return
			}
		}
	})
}

// WorkerState describes a slot that is not simply running.
type WorkerState struct {
	Slot cluster.Slot `json:"slot"`
	cluster.WorkerStatus
	Unknown cluster.Unknown `json:"-"`
}

// Task is a task's declaration. A hand edit is legal input.
type Task struct {
	header
	Spec     cluster.TaskSpec `json:"spec"`
	Origin   Origin           `json:"origin,omitzero"`
	Override cluster.Override `json:"override,omitzero"`
	Deleted  bool             `json:"deleted,omitempty"`
	// Generation counts the declarations after a deletion: each is of another task of the same name.
	Generation int64 `json:"generation,omitempty"`
}

// Declare sets the declaration, of another task if this one was deleted.
func (t *Task) Declare(spec cluster.TaskSpec) {
	if t.Deleted {
		t.Generation++
	}
	t.Spec, t.Deleted = spec, false
}

// Revision identifies the content of a task's record at a version. Versions alone do not: they begin again at 0 with the record of
// another task of the same name.
func (t *Task) Revision(version int64) string {
	if t.Generation == 0 {
		return strconv.FormatInt(version, 10)
	}
	return fmt.Sprintf("%d.%d", t.Generation, version)
}

// Effective returns the declaration in force.
func (t *Task) Effective() cluster.TaskSpec {
	spec := t.Spec
	if t.Override.WorkerNum != nil {
		spec.WorkerNum = *t.Override.WorkerNum
	}
	if t.Override.Paused != nil {
		spec.Paused = *t.Override.Paused
	}
	return spec
}

func (t *Task) validate() error {
	if err := t.Effective().ValidateStored(); err != nil {
		return err
	}
	return t.Spec.ValidateStored()
}

// Settings are in force for the whole cluster. A hand edit is legal input.
type Settings struct {
	header
	Spec   cluster.Settings `json:"spec"`
	Origin Origin           `json:"origin,omitzero"`
}

func (s *Settings) validate() error { return s.Spec.Validate() }

// Checkpoint is the progress of a worker, as it stored it. Only the member that holds the slot writes it.
type Checkpoint struct {
	versioned
	Token      int64  `json:"token"`                // of the worker's grant
	Generation int64  `json:"generation,omitempty"` // of the task: another one of that name ignores it
	Data       []byte `json:"data"`
}

// PlanFault is the last input on which the planner failed. Only people read it; delete it when the fault is fixed.
type PlanFault struct {
	header
	At     time.Time       `json:"at"`
	Leader string          `json:"leader"` // node name
	Error  string          `json:"error"`
	Stack  string          `json:"stack"`
	Input  json.RawMessage `json:"input,omitempty"` // of the planner, as JSON; left out if it is too large
}

// Suspects are the slots that were started shortly before the crashes of their members. Only leaders write it. Deleting it manually
// clears all suspects.
type Suspects struct {
	versioned
	Slots []Suspect `json:"slots"`
}

// Suspect is a range of slots of one task with one history.
type Suspect struct {
	Task  string          `json:"task"`
	Slots cluster.Indexes `json:"slots"`
	// TookDown are the nodes of the members that crashed, in order, one for each crash.
	TookDown []string `json:"tookDown"`
	// Declared is the version of the task's record at the last crash: a changed task is tried again.
	Declared int64           `json:"declared"`
	Unknown  cluster.Unknown `json:"-"`
}

// Limit leaves out the suspects with the fewest crashes, if the record would be too large. It keeps the order of the slots, which
// is that of the record.
func (s *Suspects) Limit() {
	if Size(s) <= MaxSuspects {
		return
	}
	worst := slices.Clone(s.Slots)
	slices.SortStableFunc(worst, func(a, b Suspect) int { return len(b.TookDown) - len(a.TookDown) })
	s.Slots = worst[:Fit(worst, MaxSuspects-Size(&Suspects{versioned: s.versioned}))]
	slices.SortStableFunc(s.Slots, func(a, b Suspect) int { return strings.Compare(a.Task, b.Task) })
}

func (s *Suspects) validate() error {
	seen := map[cluster.Slot]bool{}
	for _, e := range s.Slots {
		if len(e.TookDown) == 0 {
			return fmt.Errorf("slots %s of task %s took down nothing", e.Slots, e.Task)
		}
		for _, index := range e.Slots {
			slot := cluster.Slot{Task: e.Task, Index: index}
			if seen[slot] {
				return fmt.Errorf("slot %s is listed twice", slot)
			}
			seen[slot] = true
		}
	}
	return nil
}

// The history of a suspect: the number of crashes after which it is withheld for a while, and the number after which it is no longer
// granted.
const (
	CrashesToWithhold = 3
	CrashesToFail     = 4
)
