package e2e_test

import (
	"context"
	"errors"
	"os"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/hand"
	"gitee.com/ken.yang/xconsumer/test/link"
)

// handFaults are done to records, as by people.
var handFaults = soakKinds{
	"assignment deleted": func(s *soaker, node string) func() { s.delete(node, s.keys.Assignment); return nil },
	"member deleted":     func(s *soaker, node string) func() { s.delete(node, s.keys.Member); return nil },
	"status deleted":     func(s *soaker, node string) func() { s.delete(node, s.keys.Status); return nil },
	"candidate written over": func(s *soaker, _ string) func() {
		s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
			epoch, _ := s.epochBy(ctx, session)
			list, _ := session.List(ctx, s.keys.Elections())
			for _, e := range list {
				if memberID, _ := schema.Candidate(e.Name); memberID == epoch.Leader {
					key := s.keys.Elections() + "/" + e.Name
					r, err := session.Get(ctx, key)
					return coord.Set(key, r.Value, r.Version), err == nil
				}
			}
			return coord.Op{}, false
		})
		return nil
	},
	"next decision taken": func(s *soaker, _ string) func() {
		s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
			epoch, r := s.epochBy(ctx, session)
			return coord.Create(s.keys.Decision(epoch.NextDecision), []byte("{}")), r.Value != nil
		})
		return nil
	},
	"epoch put back": func(s *soaker, _ string) func() {
		by := 1 + s.dice.Int64N(5)
		s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
			epoch, r := s.epochBy(ctx, session)
			epoch.NextDecision = max(0, epoch.NextDecision-by)
			return coord.Set(s.keys.Epoch(), schema.Encode(epoch, r.Version+1), r.Version), r.Value != nil
		})
		return nil
	},
	"status spoilt": func(s *soaker, node string) func() {
		if member := s.member(node); member != "" {
			return s.spoil(s.keys.Status(member))
		}
		return nil
	},
	"mark spoilt":   func(s *soaker, node string) func() { return s.spoil(s.keys.Mark(node)) },
	"orders spoilt": func(s *soaker, _ string) func() { return s.spoil(s.keys.Requests()) },
	"former assignment put back": func(s *soaker, node string) func() {
		key, former := s.assignment(node)
		s.ask("nodes/"+node+"/drain", "")
		undo := func() { s.ask("nodes/"+node+"/uncordon", "") }
		if former == nil || former.Evicted || former.Closed != nil || len(former.Granted) == 0 {
			return undo
		}
		for end := time.Now().Add(s.timeout); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if _, assignment := s.assignment(node); assignment != nil && len(assignment.Granted) == 0 {
				s.putBack(key, former)
				break
			}
		}
		return undo
	},
}

// leaderFaults happen to whoever leads.
var leaderFaults = soakKinds{
	"leader deaf": func(s *soaker, _ string) func() {
		leader := s.leader()
		if leader == "" {
			return nil
		}
		end := time.Now().Add(4 * s.timeout)
		heal := s.wire(leader, (*link.Link).LoseReplies)
		return func() {
			time.Sleep(time.Until(end))
			heal()
		}
	},
	"decision hangs":  func(s *soaker, _ string) func() { return s.mislead("hang") },
	"decision panics": func(s *soaker, _ string) func() { return s.mislead("panic") },
}

// exceptions returns how much longer than D it may take until all is well after a fault has ended: see "Not within D"
// of docs/internals/reliability.md.
func (s *soaker) exceptions(kind string) time.Duration {
	switch kind {
	case "decision hangs":
		return max(s.timeout, 10*time.Second)
	case "leader deaf", "assignment deleted", "member deleted", "status deleted":
		return 2 * s.timeout // T + takeover delay
	}
	return 0
}

// hand commits what a person wants, if that can be done now: the other fault of the round may be that no server runs.
func (s *soaker) hand(want func(context.Context, coord.Session) (op coord.Op, ok bool)) (done bool) {
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Second)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		session := s.look(ctx)
		if op, ok := want(ctx, session); ok {
			if _, err := session.Commit(ctx, op); err == nil {
				return true
			}
		}
	}
	return false
}

// epochBy reads the epoch; its record has no value if it cannot be read now.
func (s *soaker) epochBy(ctx context.Context, session coord.Session) (*schema.Epoch, coord.Record) {
	epoch := new(schema.Epoch)
	r, err := session.Get(ctx, s.keys.Epoch())
	if err != nil || schema.Decode(s.keys.Epoch(), r, epoch) != nil {
		return epoch, coord.Record{}
	}
	return epoch, r
}

// leader returns the name of the node that leads, as one that answers sees it; "" if there is none.
func (s *soaker) leader() string {
	for _, name := range s.names {
		if state := s.nodes[name].State(); state != nil && state.Leader != "" {
			return state.Leader
		}
	}
	return ""
}

// member returns the member that a node is, as one that answers sees it; "" if it is none.
func (s *soaker) member(node string) string {
	for _, name := range s.names {
		if state := s.nodes[name].State(); state != nil {
			return memberOf(*state, node)
		}
	}
	return ""
}

// delete deletes a key of a node's member.
func (s *soaker) delete(node string, key func(string) string) {
	member := s.member(node)
	if member == "" {
		return
	}
	s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
		r, err := session.Get(ctx, key(member))
		return coord.Delete(key(member), r.Version), err == nil
	})
}

// assignment returns what a node is granted, nil if that cannot be read now.
func (s *soaker) assignment(node string) (key string, assignment *schema.Assignment) {
	member := s.member(node)
	if member == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	key = s.keys.Assignment(member)
	r, err := s.look(ctx).Get(ctx, key)
	assignment = new(schema.Assignment)
	if err != nil || schema.Decode(key, r, assignment) != nil {
		return key, nil
	}
	return key, assignment
}

// putBack writes a former assignment, as one does who restores a single record. One that is evicted or closed by now
// stays so: docs/internals/reliability.md says that to put such a one back in force is not recognised.
func (s *soaker) putBack(key string, former *schema.Assignment) {
	s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
		r, err := session.Get(ctx, key)
		now := new(schema.Assignment)
		if err != nil || schema.Decode(key, r, now) != nil || now.Evicted || now.Closed != nil {
			return coord.Op{}, false
		}
		return coord.Set(key, schema.Encode(former, r.Version+1), r.Version), true
	})
}

// spoil makes a record unusable until the fault ends. Then it is put back, if nobody has mended it.
func (s *soaker) spoil(key string) (undo func()) {
	var before *coord.Record
	s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
		r, err := session.Get(ctx, key)
		switch {
		case errors.Is(err, coord.ErrNotFound):
			before = nil
			return coord.Create(key, []byte(hand.Spoilt)), true
		case err == nil && string(r.Value) != hand.Spoilt: // else it was written, and the answer was lost
			before = &r
		}
		return coord.Set(key, []byte(hand.Spoilt), r.Version), err == nil
	})
	return func() { // also if it may not have been written: the answer may be lost
		s.Await(key+" is put back", func() bool {
			mended := false
			return s.hand(func(ctx context.Context, session coord.Session) (coord.Op, bool) {
				r, err := session.Get(ctx, key)
				mended = errors.Is(err, coord.ErrNotFound) || err == nil && string(r.Value) != hand.Spoilt
				if before == nil {
					return coord.Delete(key, r.Version), err == nil && !mended
				}
				return coord.Set(key, hand.AtVersion(before.Value, r.Version+1), r.Version), err == nil && !mended
			}) || mended
		})
	}
}

func (s *soaker) planFile(node string) string { return s.path("plan-" + node) }

// mislead lets the decisions of whoever leads go wrong.
func (s *soaker) mislead(how string) (undo func()) {
	leader := s.leader()
	if leader == "" {
		return nil
	}
	if err := os.WriteFile(s.planFile(leader), []byte(how), 0o644); err != nil {
		s.Fatal(err)
	}
	return func() { _ = os.Remove(s.planFile(leader)) }
}
