package membership

import (
	"context"
	"errors"
	"sync"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// SessionKeys is what there is of a member's keys that end with its session, as they were read: those of the member, its status
// and its heartbeat, all its candidate keys, and its node's name. What ends a membership deletes them in the commit that
// records that in the member's assignment. They are deleted at the versions that were read: what the member writes meanwhile
// makes that commit fail, and what it sends afterwards is refused.
type SessionKeys struct {
	// Session is the one that the key of the member is bound to. It is "" if there is no such key, or if a hand has made it.
	Session string
	// Status is the member's, nil if there is none that can be used.
	Status *schema.Status

	keys  []sessionKey // that there are
	maker string       // the session that has made them, as far as one of them shows it
}

// sessionKey is one key as it was read. The name may be another member's by now; the others are called after the member, and
// belong to no other.
type sessionKey struct {
	key    string
	record coord.Record
	isName bool
}

// ReadSessionKeys reads a member's keys, all at once. Node is its node's name, "" if it is unknown. The error is one of
// package coord; a key that is not there is no error.
func ReadSessionKeys(ctx context.Context, s coord.Session, keys schema.Keys, memberID, node string) (SessionKeys, error) {
	candidates, err := s.List(ctx, keys.Elections())
	if err != nil {
		return SessionKeys{}, err
	}
	read := []sessionKey{{key: keys.Member(memberID)}, {key: keys.Status(memberID)}, {key: keys.Heartbeat(memberID)}}
	for _, c := range candidates { // several, where an attempt to stand had an unknown outcome
		if owner, ok := schema.Candidate(c.Name); ok && owner == memberID {
			read = append(read, sessionKey{key: keys.Elections() + "/" + c.Name})
		}
	}
	if node != "" {
		read = append(read, sessionKey{key: keys.Name(node), isName: true})
	}
	errs := make([]error, len(read))
	var reads sync.WaitGroup
	for i := range read {
		reads.Go(func() { read[i].record, errs[i] = s.Get(ctx, read[i].key) })
	}
	reads.Wait()
	var b SessionKeys
	for i, k := range read {
		switch {
		case errors.Is(errs[i], coord.ErrNotFound):
			continue
		case errs[i] != nil:
			return SessionKeys{}, errs[i]
		}
		b.keys = append(b.keys, k)
		if i < 3 && b.maker == "" {
			b.maker = k.record.Session
		}
		switch k.key {
		case keys.Member(memberID):
			b.Session = k.record.Session
		case keys.Status(memberID):
			b.Status = new(schema.Status)
			if schema.Decode(k.key, k.record, b.Status) != nil {
				b.Status = nil
			}
		}
	}
	return b, nil
}

// DeleteOps deletes the keys that are bound to a session. What a hand has made in their place stays: it is bound to none,
// or to the hand's, and a key that cannot be deleted must not keep a membership from being ended.
func (b SessionKeys) DeleteOps(session string) (ops []coord.Op) {
	for _, k := range b.keys {
		if k.record.Session == session {
			ops = append(ops, coord.Delete(k.key, k.record.Version))
		}
	}
	return ops
}

// DeleteAllOps deletes all the keys, whichever session made them, but a name only if the session has it that has made the
// others: a leader ends a membership whose keys were touched by hand, and nothing of it is to be left.
func (b SessionKeys) DeleteAllOps() (ops []coord.Op) {
	for _, k := range b.keys {
		if !k.isName || k.record.Session == b.maker {
			ops = append(ops, coord.Delete(k.key, k.record.Version))
		}
	}
	return ops
}
