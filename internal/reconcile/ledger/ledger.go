package ledger

import (
	"maps"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Ledger is the sums of one snapshot. It is not safe for concurrent use. The zero value has none.
type Ledger struct {
	// Members are all members, sorted, and IDs their MemberIDs. Neither list is ever changed: an update replaces them.
	Members []*Member
	IDs     []string

	tasks    map[string]*Task
	byID     map[string]*Member
	numbered []*Member // by number, nil for a number that is free
	doubled  int       // slots that are listed more than once
	far      int       // slots whose index is impossible
	mixed    bool      // a slot was listed twice, so its owner may be unknown
}

// Update brings the sums up to date. It looks at members whose records are not those of the last update.
func (l *Ledger) Update(s *view.Snapshot) {
	known := 0
	for _, m := range l.Members {
		p := s.Peers[m.ID]
		switch {
		case p == nil:
			l.put(m, content{})
			l.numbered[m.Number] = nil
			delete(l.byID, m.ID)
		case p != m.peer:
			known++
			l.put(m, contentOf(p))
			m.peer = p
			m.describe(p)
		default:
			known++
		}
	}
	if known < len(l.Members) || known < len(s.Peers) {
		l.enrol(s)
	}
	maps.DeleteFunc(l.tasks, func(_ string, t *Task) bool { return t.listing+t.holding == 0 })
	if l.mixed && l.doubled == 0 {
		*l = Ledger{}
		l.Update(s)
	}
}

// enrol replaces the list of members, and adds those that are new.
func (l *Ledger) enrol(s *view.Snapshot) {
	list := make([]*Member, 0, len(s.Peers))
	for _, m := range l.Members {
		if l.numbered[m.Number] == m {
			list = append(list, m)
		}
	}
	if len(s.Peers) > len(list) {
		for memberID, p := range s.Peers {
			if l.byID[memberID] == nil {
				list = append(list, l.add(memberID, p))
			}
		}
	}
	slices.SortFunc(list, func(a, b *Member) int { return strings.Compare(a.ID, b.ID) })
	l.Members, l.IDs = list, make([]string, len(list))
	for i, m := range list {
		l.IDs[i] = m.ID
	}
}

func (l *Ledger) add(memberID string, p *view.Peer) *Member {
	m := &Member{ID: memberID, Number: int32(slices.Index(l.numbered, nil)), peer: p}
	if m.Number < 0 {
		m.Number = int32(len(l.numbered))
		l.numbered = append(l.numbered, nil)
	}
	l.numbered[m.Number] = m
	if l.byID == nil {
		l.byID = map[string]*Member{}
	}
	l.byID[memberID] = m
	l.put(m, contentOf(p))
	m.describe(p)
	return m
}

// Put counts another assignment for a member than that of its snapshot, nil for none, until the next update.
func (l *Ledger) Put(m *Member, assignment *schema.Assignment) {
	next := content{holding: m.content.holding, live: m.content.live}
	if assignment != nil {
		next.granted, next.releasing = assignment.Granted, assignment.Releasing
	}
	l.put(m, next)
	m.peer = nil
}

// Numbers returns one more than the highest number of a member.
func (l *Ledger) Numbers() int { return len(l.numbered) }

// Numbered returns the member with a number.
func (l *Ledger) Numbered(n int32) *Member { return l.numbered[n] }

// Find returns a member, nil if there is none.
func (l *Ledger) Find(memberID string) *Member {
	return l.byID[memberID]
}

// Task returns the sums of a task, or of a run; nil if nothing of it is or was listed or held.
func (l *Ledger) Task(name string) *Task { return l.tasks[name] }

// Tasks returns the sums by task. The map must not be changed.
func (l *Ledger) Tasks() map[string]*Task { return l.tasks }

// Doubled reports whether a slot is listed more than once.
func (l *Ledger) Doubled() bool { return l.doubled > 0 }

// Exact reports whether the sums by slot can be relied on: no slot is listed more than once, and none has an impossible index.
func (l *Ledger) Exact() bool { return l.doubled == 0 && l.far == 0 && !l.mixed }

// MaxToken returns the highest plausible token in a record of any member, less than 0 for none.
func (l *Ledger) MaxToken() int64 {
	highest := int64(-1)
	for _, m := range l.Members {
		highest = max(highest, m.MaxToken)
	}
	return highest
}
