package invariant

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// Change is a key after a commit.
type Change struct {
	Key     string
	Value   []byte
	Version int64
	Deleted bool
}

// Store judges what is committed, one commit after the other. Its methods may be called from any
// goroutine.
type Store struct {
	keys schema.Keys

	mu          sync.Mutex
	assignments map[string]*schema.Assignment
	spoilt      map[string]bool           // members whose assignments a hand has made unusable
	said        map[string]*schema.Status // the last status of each member
	gone        map[string]bool           // members without one
	epoch       schema.Epoch
	tokens      int64 // the highest that was granted
	released    map[Release]time.Duration
	protocol    int               // that the cluster speaks
	twice       map[string]bool   // slots that a person wrote into a second assignment, until one of them lists it no more
	mixed       map[string]string // by task: different counts that assignments list, by whomever
	wrong       []string
	grants      int
	runs        runs
	hands       map[string]time.Duration // when a hand last wrote a member's assignment
	specs       specs.Table
	chunks      map[int64]*schema.SpecChunk // those in specs
	specsByHand map[string]bool             // chunks that a hand has written or deleted
	dead        map[Release]bool
}

// Release is a slot that a member was asked to give back.
type Release struct {
	Member string
	Slot   cluster.Slot
	Token  int64
}

// NewStore returns the judge of an empty store.
func NewStore(keys schema.Keys) *Store {
	return &Store{
		keys:        keys,
		assignments: map[string]*schema.Assignment{},
		spoilt:      map[string]bool{},
		said:        map[string]*schema.Status{},
		gone:        map[string]bool{},
		released:    map[Release]time.Duration{},
		runs:        newRuns(),
		hands:       map[string]time.Duration{},
		chunks:      map[int64]*schema.SpecChunk{},
		specsByHand: map[string]bool{},
	}
}

// Apply judges a commit. By is a person who edits records by hand, or "".
func (s *Store) Apply(at time.Duration, by string, changes []Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(invariant, format string, args ...any) {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: at %v a commit: %s", invariant, at, fmt.Sprintf(format, args...)))
	}
	if by == "" {
		s.judgeRemovals(changes, fail)
	}
	said := maps.Clone(s.said) // evidence is what was there before; it does not go stale
	tokens := s.tokens
	touched := false            // an assignment
	for _, c := range changes { // what is said of ended slots is said together with the status
		if schema.Dir(c.Key) == schema.Dir(s.keys.Status("")) {
			status := new(schema.Status)
			memberID := schema.Base(c.Key)
			unusable := decode(c, status) != nil
			if unusable && !c.Deleted && by != "" {
				continue // its member writes it again
			}
			s.gone[memberID] = c.Deleted || unusable
			if !s.gone[memberID] {
				s.said[memberID] = status
			}
		}
	}
	for _, c := range changes {
		memberID := schema.Base(c.Key)
		switch {
		case c.Key == s.keys.Meta():
			var meta schema.Meta
			if !c.Deleted && decode(c, &meta) == nil {
				s.protocol = meta.Protocol
			}
		case schema.Dir(c.Key) == s.keys.Members() && !c.Deleted && c.Version == 0 && joins(s.keys, changes, memberID):
			if s.protocol != schema.Protocol && s.protocol != 0 {
				fail("I5", "%s joins a cluster whose protocol is %d", memberID, s.protocol)
			}
		case c.Key == s.keys.Epoch():
			s.judgeEpoch(c, fail)
		case schema.Dir(c.Key) == schema.Dir(s.keys.Decision(0)) && by == "" && !c.Deleted:
			judgeReasons(c, fail)
		case schema.Dir(c.Key) == s.keys.TaskRuns():
			s.runs.agenda(c, by, fail)
		case strings.HasPrefix(c.Key, schema.Dir(s.keys.FinishedRun("", ""))):
			s.runs.ran(c, fail)
		case schema.Dir(c.Key) == s.keys.Completions():
			status := s.said[memberID]
			if s.gone[memberID] {
				status = nil
			}
			s.runs.done(c, by, status, fail)
		case schema.Dir(c.Key) == schema.Dir(s.keys.SpecChunk(0)):
			s.readSpecs(c, by, fail)
			touched = true
		case schema.Dir(c.Key) == s.keys.Assignments():
			if by != "" {
				s.hands[memberID] = at
			}
			assignment := new(schema.Assignment)
			if c.Deleted {
				delete(s.assignments, memberID)
				if by != "" {
					s.runs.deletedByHand(memberID)
				}
				break
			}
			if err := decode(c, assignment); err != nil {
				if by == "" {
					fail("I5", "%v", err)
				}
				s.spoilt[memberID] = true
				break
			}
			s.judgeAssignment(memberID, assignment, said[memberID], tokens, by, at, fail)
			s.assignments[memberID], s.spoilt[memberID] = assignment, false
			touched = true
		}
	}
	if touched {
		s.judgeAll(said, at, by, fail)
	}
}

// judgeAll judges all assignments together, as they are after a commit that touched some. Said are the statuses before it.
func (s *Store) judgeAll(said map[string]*schema.Status, at time.Duration, by string, fail func(invariant, format string, args ...any)) {
	s.dead = Dead(s.dead, s.assignments, said)
	doubled := map[string]bool{}
	for _, twice := range Twice(s.assignments, s.dead) {
		doubled[twice] = true
		if by == "" && !s.twice[twice] && !s.unread(twice, at) {
			fail("I5", "%s", twice)
		}
	}
	s.twice = doubled
	mixed := Mixed(s.assignments, s.dead)
	for task, text := range mixed {
		if by == "" && s.mixed[task] == "" {
			fail("I10", "%s", text)
		}
	}
	s.mixed = mixed
	if by == "" {
		s.judgeSpecs(fail)
	}
}

// unread reports whether a hand has just written one of the assignments that a text names: the leader may not have read it
// before its commit, which checks only what it writes. The member refuses what it was granted in former times.
func (s *Store) unread(text string, at time.Duration) bool {
	const heard = time.Second
	for memberID, written := range s.hands {
		if at-written < heard && strings.Contains(text, memberID) {
			return true
		}
	}
	return false
}

func decode(c Change, into schema.Record) error {
	return schema.Decode(c.Key, coord.Record{Value: c.Value, Version: c.Version}, into)
}

// judgeReasons requires a reason of every step, as a code and in words.
func judgeReasons(c Change, fail func(string, string, ...any)) {
	var d schema.Decision
	if err := decode(c, &d); err != nil {
		fail("I5", "%v", err)
	}
	for _, m := range d.Moves {
		if m.Code == "" || m.Why == "" {
			fail("I5", "decision %d gives no reason for %s %s#%s", d.Number, m.Step, m.Task, m.Slots)
		}
	}
}

func (s *Store) judgeEpoch(c Change, fail func(string, string, ...any)) {
	var next schema.Epoch
	if c.Deleted || decode(c, &next) != nil {
		return // somebody's hand
	}
	if next.Term < s.epoch.Term || next.NextToken < s.epoch.NextToken {
		fail(
			"I4",
			"the epoch went back from term %d, next token %d to term %d, next token %d",
			s.epoch.Term,
			s.epoch.NextToken,
			next.Term,
			next.NextToken,
		)
	}
	s.epoch = next
}

// judgeAssignment compares an assignment with the one before.
func (s *Store) judgeAssignment(
	memberID string,
	after *schema.Assignment,
	status *schema.Status,
	tokens int64,
	by string,
	at time.Duration,
	fail func(string, string, ...any),
) {
	before := s.assignments[memberID]
	if before == nil {
		before = &schema.Assignment{}
	}
	for slot, h := range schema.Each(after.Granted) {
		if had := schema.Find(before.Granted, slot); had != nil && had.Token == h.Token {
			continue
		}
		s.grants++
		if by == "" {
			s.runs.granted(slot, after.Node, fail)
		}
		if h.Token <= tokens && by == "" {
			fail("I4", "%s is granted to %s with token %d, after %d", slot, after.Node, h.Token, tokens)
		}
		s.tokens = max(s.tokens, h.Token)
	}
	for slot, h := range schema.Each(before.Granted) {
		if schema.Find(after.Granted, slot) != nil {
			continue
		}
		r := Release{memberID, slot, h.Token}
		if schema.Find(after.Releasing, slot) == nil {
			// Else it has not been claimed, and cannot be any longer; or nothing of the member runs any longer.
			if by == "" && !s.spoilt[memberID] && after.Closed == nil {
				fail("I5", "%s is taken from %s without a release", slot, after.Node)
			}
			s.runs.takenByHand(slot)
			continue
		}
		s.released[r] = at
	}
	for slot, h := range schema.Each(before.Releasing) {
		if schema.Find(after.Releasing, slot) != nil {
			continue
		}
		if by != "" {
			s.runs.takenByHand(slot)
			continue
		}
		if after.Closed != nil || s.dead[Release{memberID, slot, h.Token}] {
			continue // nothing of the member runs any longer, so its word is not waited for; or it was given before
		}
		if status == nil || status.Applied < h.Version || schema.Find(status.Holding, slot) != nil {
			fail("I5", "%s leaves the releasing list of %s without the word of its member", slot, after.Node)
		}
	}
}

// Dead returns the releases that assignments still list although others list the slots with higher tokens, as they may once the
// members have given the slots back. Said are the statuses from before the commit after which the assignments are; a member that
// had said so earlier need not say it again.
func Dead(before map[Release]bool, assignments map[string]*schema.Assignment, said map[string]*schema.Status) map[Release]bool {
	highest := map[cluster.Slot]int64{}
	for _, assignment := range assignments {
		if assignment != nil {
			for slot, r := range assignment.Each() {
				highest[slot] = max(highest[slot], r.Token)
			}
		}
	}
	dead := map[Release]bool{}
	for memberID, assignment := range assignments {
		if assignment == nil {
			continue
		}
		for slot, h := range schema.Each(assignment.Releasing) {
			r, status := Release{memberID, slot, h.Token}, said[memberID]
			returned := status != nil && status.Applied >= h.Version && schema.Find(status.Holding, slot) == nil
			if before[r] || returned && h.Token < highest[slot] {
				dead[r] = true
			}
		}
	}
	return dead
}

// Twice names the slots that are listed more than once by assignments, dead releases left out: I5.
func Twice(assignments map[string]*schema.Assignment, dead map[Release]bool) (wrong []string) {
	listed := map[cluster.Slot]string{}
	for _, memberID := range slices.Sorted(maps.Keys(assignments)) {
		assignment := assignments[memberID]
		if assignment == nil {
			continue
		}
		for slot, r := range assignment.Each() {
			if dead[Release{memberID, slot, r.Token}] {
				continue
			}
			if other := listed[slot]; other != "" {
				wrong = append(wrong, fmt.Sprintf("%s is listed by %s and %s", slot, other, memberID))
			}
			listed[slot] = memberID
		}
	}
	return wrong
}

// Mixed names the tasks of which assignments list slots whose workers have different counts, what was asked back
// included unless it is dead, and says how: I10. Runs have a count each.
func Mixed(assignments map[string]*schema.Assignment, dead map[Release]bool) map[string]string {
	wrong := map[string]string{}
	type lister struct {
		memberID string
		count    int
	}
	first := map[string]lister{}
	for _, memberID := range slices.Sorted(maps.Keys(assignments)) {
		assignment := assignments[memberID]
		if assignment == nil {
			continue
		}
		for entry := range assignment.Entries() {
			h := entry.Range()
			count, known := entry.WorkerCount()
			if !known || !slices.ContainsFunc(h.Slots, func(index int) bool {
				return !dead[Release{memberID, cluster.Slot{Task: h.Task, Index: index}, h.Token}]
			}) {
				continue // as its member said, after its assignment was lost
			}
			if other, listed := first[h.Task]; !listed {
				first[h.Task] = lister{memberID, count}
			} else if other.count != count {
				wrong[h.Task] = fmt.Sprintf(
					"%s lists slots of %s with a count of %d, %s has some with %d",
					memberID,
					h.Task,
					count,
					other.memberID,
					other.count,
				)
			}
		}
	}
	return wrong
}

// Holds reports whether a member's status names a slot with a token.
func (s *Store) Holds(member string, slot cluster.Slot, token int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.said[member]
	assignment := s.assignments[member]
	evicted := assignment != nil && assignment.Evicted // its status was taken from it, and it may not know that yet
	if status == nil || s.gone[member] && !evicted {
		return false
	}
	h := schema.Find(status.Holding, slot)
	return h != nil && h.Token == token
}

// ReleasedAt returns when a member was asked to give a slot back.
func (s *Store) ReleasedAt(r Release) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.released[r]
	return at, ok
}

// Grants returns how many slots were granted.
func (s *Store) Grants() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants
}

// Leader returns the MemberID of the leader.
func (s *Store) Leader() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch.Leader
}

// Violations returns what is wrong with the commits.
func (s *Store) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

// judgeRemovals looks for deletions of what several write by its version: it begins again at 0 when it is made again.
func (s *Store) judgeRemovals(changes []Change, fail func(invariant, format string, args ...any)) {
	noted := slices.ContainsFunc(changes, func(c Change) bool { return c.Key == s.keys.Removed() && !c.Deleted })
	for _, c := range changes {
		switch dir := schema.Dir(c.Key); {
		case !c.Deleted:
		case c.Key == s.keys.Requests(), c.Key == s.keys.Settings(), c.Key == s.keys.Audit(), c.Key == s.keys.Removed():
			fail("I5", "%s is deleted", c.Key)
		case (dir == s.keys.Tasks() || dir == s.keys.Marks()) && !noted:
			fail("I5", "%s is deleted, and no writer can know", c.Key)
		}
	}
}

// joins reports whether a commit is a member's join, and not a hand's key among the members'.
func joins(keys schema.Keys, changes []Change, memberID string) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Key == keys.Assignment(memberID) && !c.Deleted && c.Version == 0 })
}

// Litter names the keys that should not be there once all nodes have left: I5, I6. What stays is the
// cluster itself, what was declared and asked for, the ring of decisions, the last fault of a leader, and the assignment of
// the last to leave, with the mark of its node.
func Litter(keys schema.Keys, present []string) (litter []string) {
	assignments, marks := 0, 0
	for _, key := range present {
		switch dir := schema.Dir(key); {
		case key == keys.Meta(),
			key == keys.Epoch(),
			key == keys.Settings(),
			key == keys.Suspects(),
			key == keys.Audit(),
			key == keys.Requests(),
			key == keys.Removed(),
			key == keys.PlanFault(),
			key == keys.PeerSecret():
		case dir == schema.Dir(keys.SpecChunk(0)):
		case dir == keys.Tasks(),
			dir == schema.Dir(keys.Decision(0)),
			dir == keys.TaskRuns(),
			strings.HasPrefix(key, schema.Dir(keys.FinishedRun("", ""))):
		case dir == keys.Completions() && slices.Contains(present, keys.Assignment(schema.Base(key))):
		case dir == keys.Assignments() && assignments == 0:
			assignments++
		case dir == keys.Marks() && marks == 0:
			marks++
		case strings.HasPrefix(key, keys.Root()):
			litter = append(litter, key)
		}
	}
	return litter
}
