// Package membership makes a node a member of the cluster for the life of one session: it joins, keeps its membership alive, and
// leaves.
//
// # The model
//
// A member is the life of one session, identified by a MemberID that is never used twice. Its keys are created in one commit
// ([Join]) and end together: with the session, in the commit that closes the member ([Close]), or when an operator or leader
// evicts it. Only its assignment stays, until a leader reaps it.
//
//	           Join                   Maintain                   Close
//	(session) ─────▶ member, no work ──────────▶ member, at work ───────▶ closed
//	                      │                          │
//	                      └──── session ended, evicted, keys deleted ───▶ gone: a leader waits,
//	                                                                     then reaps it
//
// The [Lease] is until when the member may run anything. Heartbeats prolong it: writes whose commit the service proves. Not
// guaranteed: that a member which is gone notices it. It must stop by its lease.
package membership

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Errors of joining.
var (
	// ErrNameTaken: another member has this node name. See NameTakenError.
	ErrNameTaken = errors.New("node name is taken")
	// ErrProtocol: this program does not speak the cluster's active protocol.
	ErrProtocol = errors.New("protocol not supported")
	// ErrGone: the member is gone, as far as its session can be asked: it was evicted, or its keys were deleted.
	ErrGone = errors.New("member is gone")
)

// NameTakenError contains the member that has the name. It matches ErrNameTaken.
type NameTakenError struct {
	Node  string
	Owner schema.Name
	// Outlasts is the longest time that the name stays taken if its owner has died.
	Outlasts time.Duration
}

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("node name %q is taken by %s", e.Node, e.Owner)
}

// Until returns how long the name stays taken; it has been taken for the given time so far. If its owner has it for longer than a
// dead owner could, the owner is alive.
func (e *NameTakenError) Until(known time.Duration) string {
	if known > e.Outlasts {
		return "that node leaves: it is alive"
	}
	return fmt.Sprintf("that node leaves, or for %v at most if it has died", e.Outlasts)
}

// RenameHelp is what an operator can do when another node has the name.
const RenameHelp = "stop that node, or give this one another name (--name, or [node] name)"

// Is makes the error match ErrNameTaken.
func (e *NameTakenError) Is(target error) bool { return target == ErrNameTaken }

// Self is a joined member.
type Self struct {
	cluster.Member
	Election string // its candidate key
}

// NewMemberID returns an ID that was never used before.
func NewMemberID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Join makes m a member, and creates the cluster if there is none. The error matches ErrNameTaken, ErrProtocol or an error of
// coord. After coord.ErrUnknown the session must be closed: the join may still be applied, and its MemberID must not be used
// again.
func Join(ctx context.Context, s coord.Session, keys schema.Keys, m cluster.Member) (Self, error) {
	if size := schema.Size(&schema.Member{Member: m}); size > schema.MaxMember {
		return Self{}, fmt.Errorf(
			"join: %w: works and labels take %d bytes, at most %d; register fewer works on one node",
			cluster.ErrTooLarge,
			size,
			schema.MaxMember,
		)
	}
	results, err := coord.Update(ctx, s, func(last error) ([]coord.Op, error) {
		if err := mayJoinAfter(ctx, s, keys, m, last); err != nil {
			return nil, err
		}
		version, err := activeProtocol(ctx, s, keys)
		if err != nil {
			return nil, err
		}
		return joinOps(keys, m, version), nil
	})
	if err != nil {
		return Self{}, fmt.Errorf("join: %w", err)
	}
	return Self{Member: m, Election: results[len(results)-1].Key}, nil
}

// mayJoinAfter returns nil if a failed join may be repeated: meta has changed since it was read, or the member that had the name
// has just left. All other errors are final. So is an unknown outcome: the join may still be applied. So is a cluster that is
// gone: it is being deleted, and a node that was about to join it must not create it again.
func mayJoinAfter(ctx context.Context, s coord.Session, keys schema.Keys, m cluster.Member, last error) error {
	failed, checked := coord.FailedCheck(last)
	switch {
	case last == nil, checked && failed.Op.Key == keys.Meta() && errors.Is(last, coord.ErrVersion):
		return nil
	case checked && failed.Op.Key == keys.Name(m.Node) && errors.Is(last, coord.ErrExists):
		taken, err := NameTaken(ctx, s, keys, m.Node)
		if err != nil || taken == nil {
			return err
		}
		return taken
	}
	return last
}

func joinOps(keys schema.Keys, m cluster.Member, metaVersion int64) []coord.Op {
	now := time.Now().UTC().Truncate(time.Second)
	return []coord.Op{
		coord.Check(keys.Meta(), metaVersion),
		coord.CreateBound(keys.Name(m.Node), schema.Encode(&schema.Name{
			Member: m.MemberID, Node: m.Node, Host: m.Host, PID: m.PID, Address: m.Address, Since: now}, 0)),
		coord.CreateBound(keys.Member(m.MemberID), schema.Encode(&schema.Member{Member: m, Since: now}, 0)),
		coord.CreateBound(keys.Heartbeat(m.MemberID), schema.Encode(&schema.Heartbeat{}, 0)),
		coord.CreateBound(keys.Status(m.MemberID), schema.Encode(&schema.Status{Holding: []schema.Claimed{}}, 0)),
		coord.Create(keys.Assignment(m.MemberID), schema.Encode(&schema.Assignment{
			Node: m.Node, Host: m.Host, SessionTimeout: m.SessionTimeout, Granted: []schema.Granted{}, Releasing: []schema.Releasing{}}, 0)),
		coord.CreateSequenced(schema.CandidatePrefix(keys, m.MemberID), []byte("{}")),
	}
}

// activeProtocol reads meta, creates the cluster in an empty store, and refuses a protocol that this program does not speak. If
// another node creates the cluster at the same time, one of them wins.
func activeProtocol(ctx context.Context, s coord.Session, keys schema.Keys) (version int64, err error) {
	_, err = coord.Update(ctx, s, func(last error) ([]coord.Op, error) {
		if failed, checked := coord.FailedCheck(last); checked && failed.Op.Key == keys.Epoch() {
			return nil, fmt.Errorf(
				"%s exists without %s: the store was damaged; restore %[2]s, or delete %s if nothing runs",
				keys.Epoch(),
				keys.Meta(),
				keys.Root(),
			)
		}
		version = 0 // of a key that is created
		r, err := s.Get(ctx, keys.Meta())
		if errors.Is(err, coord.ErrNotFound) {
			return newClusterOps(keys), nil
		}
		if err != nil {
			return nil, err
		}
		var meta schema.Meta
		if err := schema.Decode(keys.Meta(), r, &meta); err != nil {
			return nil, err
		}
		if meta.Protocol != schema.Protocol {
			return nil, fmt.Errorf("%w: the cluster's is %d, this program speaks %d", ErrProtocol, meta.Protocol, schema.Protocol)
		}
		version = r.Version
		return nil, nil
	})
	return version, err
}

// newClusterOps returns the operations that create meta and epoch together.
func newClusterOps(keys schema.Keys) []coord.Op {
	meta := &schema.Meta{UUID: NewMemberID(), Protocol: schema.Protocol, Created: time.Now().UTC().Truncate(time.Second)}
	return []coord.Op{
		coord.Create(keys.Meta(), schema.Encode(meta, 0)),
		coord.Create(keys.Epoch(), schema.Encode(&schema.Epoch{NextToken: 1}, 0)),
	}
}

// outlasts returns how long a member's keys can outlast it at most: its session timeout, plus the possible delay of the service. If
// the member's record cannot be read, the timeout of this session is assumed.
func outlasts(ctx context.Context, s coord.Session, keys schema.Keys, memberID string) time.Duration {
	info := s.Info()
	timeout := info.Timeout
	var m schema.Member
	if r, err := s.Get(ctx, keys.Member(memberID)); err == nil && schema.Decode(keys.Member(memberID), r, &m) == nil && m.SessionTimeout > 0 {
		timeout = time.Duration(m.SessionTimeout)
	}
	return timeout + max(3*info.Spacing, time.Second) // ZooKeeper needs 1.5 ticks of it
}

// NameTaken returns which member has a node name, nil if none has.
func NameTaken(ctx context.Context, s coord.Session, keys schema.Keys, name string) (*NameTakenError, error) {
	r, err := s.Get(ctx, keys.Name(name))
	if errors.Is(err, coord.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var n schema.Name
	if err := schema.Decode(keys.Name(name), r, &n); err != nil {
		return nil, err
	}
	return &NameTakenError{Node: name, Owner: n, Outlasts: outlasts(ctx, s, keys, n.Member)}, nil
}
