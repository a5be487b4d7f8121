package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// What people ask for: marks of nodes, which stay, requests, which are applied once, and the audit of both.

// Mark is what an operator wants of the node with a name, whichever member has it. It stays until the
// operator takes it back. A hand edit is legal input.
type Mark struct {
	header
	Cordoned bool   `json:"cordoned,omitempty"` // gets nothing new
	Drain    *Drain `json:"drain,omitempty"`    // gives everything away
	// Quarantine is set if everything fails on the node; a leader writes it. It is void for another
	// member of that name: the node was restarted.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	// Labels are in force over those of the node itself; "" hides one.
	Labels cluster.Labels `json:"labels,omitempty"`
	By     string         `json:"by,omitempty"`
	Since  time.Time      `json:"since,omitzero"`
}

// Quarantine is why a node is given nothing.
type Quarantine struct {
	Member string `json:"member"` // MemberID
	Error  string `json:"error"`  // one of those that its workers failed with
}

// Drain is how a node is to be drained.
type Drain struct {
	// Deadline is how long slots that no other node can take may stay; 0 is for ever. It is counted
	// by each leader from when it first saw the mark.
	Deadline cluster.Duration `json:"deadline,omitempty"`
	Slots    int              `json:"slots"` // that the node had when it was asked for
}

func (m *Mark) validate() error {
	if m.Drain != nil && m.Drain.Deadline < 0 {
		return fmt.Errorf("drain.deadline: %v is less than 0s", m.Drain.Deadline)
	}
	shown := maps.Clone(m.Labels)
	maps.DeleteFunc(shown, func(_, value string) bool { return value == "" })
	if err := shown.Validate(); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	return nil
}

// Wanted reports whether anything is wanted of the node.
func (m *Mark) Wanted() bool {
	return m.Cordoned || m.Drain != nil || m.Quarantine != nil || len(m.Labels) > 0
}

// Audit are the last things that people asked for, oldest first. A line is written in the commit that
// records the request.
type Audit struct {
	versioned
	Lines []cluster.AuditLine `json:"lines"`
}

// Bounds of the audit.
const (
	maxAuditLines = 200
	// MaxAuditWhat is how many bytes are kept of what was asked for.
	MaxAuditWhat = 500
)

// Add adds a line, and drops the oldest ones that no longer have room.
func (a *Audit) Add(line cluster.AuditLine) {
	if len(line.What) > MaxAuditWhat {
		line.What = strings.ToValidUTF8(line.What[:MaxAuditWhat], "") + " …"
	}
	line.By, line.From = Cut(line.By, MaxAuditWhat), Cut(line.From, MaxAuditWhat)
	line.Tasks, line.Nodes = cutNames(line.Tasks), cutNames(line.Nodes)
	a.Lines = append(a.Lines, line)
	for len(a.Lines) > maxAuditLines || Size(a) > MaxAudit && len(a.Lines) > 1 {
		a.Lines = a.Lines[max(1, len(a.Lines)/8):]
	}
}

// cutNames cuts a list of names to its bound, and marks it as cut.
func cutNames(names []string) []string {
	size := 0
	for i, name := range names {
		size += len(name)
		if size > MaxAuditWhat {
			return append(slices.Clone(names[:i]), cluster.AndMore)
		}
	}
	return names
}

// Requests are what an operator wants done once. Each names what it is about in a way that makes it void
// when it is done: a term, members, tokens. Leaders take out what is done.
type Requests struct {
	versioned
	StepDown int64       `json:"stepDown,omitempty"` // the term whose leader is to step down
	MoveNow  []string    `json:"moveNow,omitempty"`  // members that are gone and not to be waited for
	Restart  []SlotRange `json:"restart,omitempty"`  // grants that are to be replaced

	RunNow []RunRequest  `json:"runNow,omitempty"` // runs to begin
	Move   []MoveRequest `json:"move,omitempty"`   // grants that are to go to another node
}

// MoveRequest is a slot that is to go to a node. It is void once the slot was granted again.
type MoveRequest struct {
	Slot    cluster.Slot    `json:"slot"`
	Token   int64           `json:"token"` // of its grant when the request was made
	To      string          `json:"to"`    // node name
	Unknown cluster.Unknown `json:"-"`
}

// Empty reports whether nothing is left to do.
func (o *Requests) Empty() bool {
	return o.StepDown == 0 && len(o.MoveNow) == 0 && len(o.Restart) == 0 && len(o.RunNow) == 0 && len(o.Move) == 0
}
