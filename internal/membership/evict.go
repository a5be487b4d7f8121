package membership

import (
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Eviction is what a commit writes that evicts a member.
type Eviction struct {
	// Assignment is the member's as the commit writes it, nil if it writes none.
	Assignment *schema.Assignment
	Version    int64 // that the assignment has then
	create     bool  // it is missing
}

// Evict returns what evicts a member. The commit marks the assignment and deletes the keys of the session. The member's next
// heartbeat fails, and that fences it. A leader and an operator make this commit, and a plan of an eviction has the same record.
//
// The values are as they were read, the assignment before the others. Was is nil if the assignment is missing. Then it is made
// again, and lists what the member's status holds as asked back, since it is unknown what was granted. This needs the member's
// record and its status. If one of them is unknown, no assignment is written: the leader deletes the keys, waits until nothing of
// the member can run, and forgets it.
//
// Status is the one that the commit deletes, so that it lists what the member held at that moment. If that one cannot be used, a
// leader gives the last good one: it has granted elsewhere only what a later status no longer held. An operator gives nil, since
// its view may be older than such a grant.
//
// Was must be usable. One that cannot be used is not evicted: the leader writes the assignment again first.
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

// Ops returns the operations of the commit. Deletes are those that delete the member's keys. They differ by who evicts:
//
//   - An operator deletes what is bound to the member's session ([SessionKeys.DeleteOps]), which is what fences it. A key that was
//     made by hand may have keys below it, and then it cannot be deleted. It must not keep a person from evicting.
//   - A leader deletes all ([SessionKeys.DeleteAllOps]). It evicts members whose keys were touched by hand, and a key that stayed
//     would make it do so again. It can delete what is below a key first.
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
