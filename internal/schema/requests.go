package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// The operations that people ask for: marks of nodes, which stay, requests, which are served once, and the audit of both.

// Mark is an operator's mark of the node with a name, whichever member has the name. It stays until the operator takes it back. A
// manual edit is allowed.
type Mark struct {
	header
	Cordoned bool   `json:"cordoned,omitempty"` // the node gets no new slots
	Drain    *Drain `json:"drain,omitempty"`    // all slots leave the node
	// Quarantine is set if everything fails on the node; a leader writes it. It is void for another member of that name: the node
	// was restarted.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	// Labels are in force over those of the node itself; "" hides one.
	Labels cluster.Labels `json:"labels,omitempty"`
	By     string         `json:"by,omitempty"`
	Since  time.Time      `json:"since,omitzero"`
}

// Quarantine is why a node gets no slots.
type Quarantine struct {
	Member string `json:"member"` // MemberID
	Error  string `json:"error"`  // one of the errors of its workers
}

// Drain is how a node is to be drained.
type Drain struct {
	// Deadline is how long slots that no other node can take may stay; 0 is for ever. Each leader counts it from when it first saw
	// the mark.
	Deadline cluster.Duration `json:"deadline,omitempty"`
	Slots    int              `json:"slots"` // of the node when the drain was requested
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

// Wanted reports whether the mark has any content.
func (m *Mark) Wanted() bool {
	return m.Cordoned || m.Drain != nil || m.Quarantine != nil || len(m.Labels) > 0
}

// Audit is the latest operations, oldest first. A line is written in the commit that records the operation.
type Audit struct {
	versioned
	Lines []cluster.AuditLine `json:"lines"`
}

// Bounds of the audit.
const (
	maxAuditLines = 200
	// MaxAuditWhat is the number of bytes that are kept of the text of an operation.
	MaxAuditWhat = 500
)

// Add adds a line, and drops the oldest ones that no longer fit.
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

// Requests are operations that are served once. Each names its object in a way that makes it void when it is served: a term,
// members, tokens. Leaders remove served requests.
type Requests struct {
	versioned
	StepDown int64 `json:"stepDown,omitempty"` // the term whose leader is to step down
	// BalanceNow is the term whose leader is not to wait before it moves slots to nodes that have come back.
	BalanceNow int64 `json:"balanceNow,omitempty"`

	MoveNow []string    `json:"moveNow,omitempty"` // lost members whose slots move without delay
	Restart []SlotRange `json:"restart,omitempty"` // grants that are to be replaced

	RunNow []RunRequest  `json:"runNow,omitempty"` // runs to begin
	Move   []MoveRequest `json:"move,omitempty"`   // grants that are to go to another node
}

// validate refuses runs that no record of runs may list.
func (o *Requests) validate() error {
	for i := range o.RunNow {
		r := &o.RunNow[i]
		if r.ID == "" || strings.Contains(r.ID, "/") {
			return fmt.Errorf("run %q of task %s is impossible", r.ID, r.Task)
		}
		if err := r.Params.Validate(); err != nil {
			return fmt.Errorf("run %s of task %s: params: %w", r.ID, r.Task, err)
		}
	}
	return nil
}

// MoveRequest is a slot that is to go to a node. It is void once the slot was granted again.
type MoveRequest struct {
	Slot    cluster.Slot    `json:"slot"`
	Token   int64           `json:"token"` // of its grant when the request was made
	To      string          `json:"to"`    // node name
	Unknown cluster.Unknown `json:"-"`
}

// Empty reports whether no request is left.
func (o *Requests) Empty() bool {
	return o.StepDown == 0 && o.BalanceNow == 0 && len(o.MoveNow) == 0 && len(o.Restart) == 0 && len(o.RunNow) == 0 && len(o.Move) == 0
}
