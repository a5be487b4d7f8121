package membership

import (
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Eviction is the content of a commit that evicts a member.
type Eviction struct {
	// Assignment is the member's as the commit writes it, nil if it writes none.
	Assignment *schema.Assignment
	Version    int64 // of the assignment after the commit
	create     bool  // the assignment is missing
}

// Evict returns the eviction of a member. The commit marks the assignment and deletes the keys of the session. The member's next
// heartbeat fails, and that fences the member. A leader and an operator make this commit, and a plan of an eviction has the same
// record.
//
// The arguments are records as they were read, the assignment before the others. Was is nil if the assignment is missing. The
// commit then creates it and lists the slots that the member's status holds as releasing, since it is unknown which slots were
// granted. This needs the member's record and its status. If one of them is unknown, no assignment is written: the leader deletes
// the keys, waits until nothing of the member can run, and drops the member.
//
// Status is the one that the commit deletes, so it lists what the member held at that moment. If it cannot be used, a leader
// passes the last good one: it has granted elsewhere only slots that a later status no longer held. An operator passes nil, since
// its view may be older than such a grant.
//
// Was must be usable. A member whose assignment cannot be used is not evicted: the leader writes the assignment again first.
func Evict(was *schema.Assignment, version int64, member *schema.Member, status *schema.Status) Eviction {
	switch {
	case was != nil:
		assignment := *was
		assignment.Evict(status, version+1)
		return Eviction{Assignment: &assignment, Version: version + 1}
	case member == nil || status == nil:
		return Eviction{}
	}
	assignment := &schema.Assignment{
		Node:           member.Node,
		Host:           member.Host,
		SessionTimeout: member.SessionTimeout,
		Granted:        []schema.Granted{},
		Releasing:      schema.AskedBack(status.Holding, 0),
	}
	assignment.Evict(status, 0)
	return Eviction{Assignment: assignment, create: true}
}

// Ops returns the operations of the commit. Deletes are the operations that delete the member's keys. They depend on the caller:
//
//   - An operator deletes the keys that are bound to the member's session ([SessionKeys.DeleteOps]), which fences the member. A
//     key that was created manually may have keys below it, so it cannot be deleted. It must not prevent an eviction.
//   - A leader deletes all keys ([SessionKeys.DeleteAllOps]). It evicts members whose keys were edited manually, and would do so
//     again if such a key remained. It can delete the keys below a key first.
func (e Eviction) Ops(keys schema.Keys, memberID string, deletes []coord.Op) []coord.Op {
	var ops []coord.Op
	switch key := keys.Assignment(memberID); {
	case e.Assignment == nil:
	case e.create:
		ops = append(ops, coord.Create(key, schema.Encode(e.Assignment, e.Version)))
	default:
		ops = append(ops, coord.Set(key, schema.Encode(e.Assignment, e.Version), e.Version-1))
	}
	return append(ops, deletes...)
}
