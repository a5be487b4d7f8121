package membership

import (
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Eviction is what the commit says that evicts a member.
type Eviction struct {
	// Assignment is the member's as the commit writes it, nil if it writes none.
	Assignment *schema.Assignment
	Version    int64 // that the assignment has then
	create     bool  // it is missing
}

// Evict returns what evicts a member: one commit in which its assignment says so, and which deletes the keys of its session. Its
// next heartbeat fails, and that fences it. Everybody who evicts has the record from here: a leader, an operator, and whoever
// plans what an eviction would lead to.
//
// The values are as they were read, the assignment before the others. Was is nil if the assignment is missing. It is made
// again then: it lists what the member's status holds as asked back, since nobody knows what was granted. It can only be made for
// a member whose record and status are known. Of another one no assignment is written; a leader deletes its keys, waits until
// nothing of it can run, and forgets it.
//
// Status is the one that is deleted in the commit, so that it is certain what the member held then. If that one cannot be used,
// a leader gives the last good one: a member has nothing that its leader has granted elsewhere since. Others do not know that,
// and give nil.
//
// An assignment that cannot be used is nobody's to evict by. Its leader writes it again first.
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

// Ops returns the operations of the commit. Deletes are those that delete the member's keys. Which they are depends on who
// evicts. An operator deletes what is bound to the member's session ([SessionKeys.DeleteOps]): that is what fences it, and a key
// that a hand has made in the place of another one, with keys below it that keep it from being deleted, must not keep a person
// from evicting. A leader deletes all ([SessionKeys.DeleteAllOps]): it evicts members whose keys a hand has touched, a key that
// stayed would be in its way again, and it can delete what is below one.
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
