package membership

import (
	"context"
	"errors"
	"sync"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// SessionKeys is the existing keys of a member that end with its session, as they were read: those of the member, its status
// and its heartbeat, all its candidate keys, and its node's name. The commit that ends a membership deletes them, and records the
// end in the member's assignment. It deletes them at the versions that were read: if the member writes one meanwhile, the commit
// fails, and what the member sends afterwards is refused.
type SessionKeys struct {
	// Session is the session of the member's key. It is "" if there is no such key, or if it was created manually.
	Session string
	// Status is the member's, nil if there is no usable one.
	Status *schema.Status

	keys  []sessionKey // the existing ones
	maker string       // the session that created them, if one of them shows it
}

// sessionKey is one key as it was read. The name may belong to another member by now; the other keys contain the member's ID and
// belong to no other.
type sessionKey struct {
	key    string
	record coord.Record
	isName bool
}

// ReadSessionKeys reads all keys of a member at once. Node is the name of its node, "" if unknown. The error is one of package
// coord; an absent key is not an error.
func ReadSessionKeys(ctx context.Context, s coord.Session, keys schema.Keys, memberID, node string) (SessionKeys, error) {
	candidates, err := s.List(ctx, keys.Elections())
	if err != nil {
		return SessionKeys{}, err
	}
	read := []sessionKey{{key: keys.Member(memberID)}, {key: keys.Status(memberID)}, {key: keys.Heartbeat(memberID)}}
	for _, c := range candidates { // several, if an attempt to stand had an unknown outcome
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

// DeleteOps returns the operations that delete the keys that are bound to a session. Keys that were created manually in their
// place stay: they are bound to no session or to another one, and a key that cannot be deleted must not prevent the end of a
// membership.
func (b SessionKeys) DeleteOps(session string) (ops []coord.Op) {
	for _, k := range b.keys {
		if k.record.Session == session {
			ops = append(ops, coord.Delete(k.key, k.record.Version))
		}
	}
	return ops
}

// DeleteAllOps returns the operations that delete all keys, whichever session created them, and the name only if it belongs to the
// session that created the others. A leader ends a membership whose keys were edited manually, and nothing of it may remain.
func (b SessionKeys) DeleteAllOps() (ops []coord.Op) {
	for _, k := range b.keys {
		if !k.isName || k.record.Session == b.maker {
			ops = append(ops, coord.Delete(k.key, k.record.Version))
		}
	}
	return ops
}
