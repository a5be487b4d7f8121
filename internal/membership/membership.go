// Package membership makes a node a member of the cluster for the life of one session: it
// joins, proves that it is alive, and leaves.
//
// # The model
//
// A member is one session's life, identified by a MemberID that is never used twice. Its keys
// are created in one commit ([Join]) and end together: with the session, in the commit
// that closes the member ([Close]), or when an operator or leader evicts it. Only its
// assignment stays, until a leader reaps it.
//
//	           Join                   Maintain                   Close
//	(session) ─────▶ member, no work ──────────▶ member, at work ───────▶ closed
//	                      │                          │
//	                      └──── session ended, evicted, keys deleted ───▶ gone: a leader waits,
//	                                                                     then reaps it
//
// The [Lease] is until when the member may run anything. It is fed by heartbeats: writes
// whose commit the service proves. Not promised: that a member which is gone knows it. It
// must stop by its lease.
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
	// ErrProtocol: the cluster's active protocol is not spoken by this program.
	ErrProtocol = errors.New("protocol not supported")
	// ErrGone: the member is gone, as far as its session can be asked: evicted, or its
	// keys were deleted.
	ErrGone = errors.New("member is gone")
)

// NameTakenError names the member that has the name. It matches ErrNameTaken.
type NameTakenError struct {
	Node  string
	Owner schema.Name
	// Outlasts is how long the name stays taken at most if its owner has died.
	Outlasts time.Duration
}

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("node name %q is taken by %s", e.Node, e.Owner)
}

// Until returns how long the name stays taken, after it has been known to be for a while. A node that has it for longer than
// it would if it had died is alive.
func (e *NameTakenError) Until(known time.Duration) string {
	if known > e.Outlasts {
		return "that node leaves: it is alive"
	}
	return fmt.Sprintf("that node leaves, or for %v at most if it has died", e.Outlasts)
}

// RenameHelp is what to do about a name that another node has.
const RenameHelp = "stop that node, or give this one another name (--name, or [node] name)"

// Is makes the error match ErrNameTaken.
func (e *NameTakenError) Is(target error) bool { return target == ErrNameTaken }

// Self is a joined member.
type Self struct {
	cluster.Member
	Election string // its candidate key
}

// NewMemberID returns a name that was never used before.
func NewMemberID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Join makes m a member, creating the cluster if there is none. The error matches
// ErrNameTaken, ErrProtocol or an error of coord. After coord.ErrUnknown the session must
// be closed: the join may still happen, and its MemberID must not be used again.
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

// mayJoinAfter returns nil if a join may be tried again that has failed: meta has changed since it was read, or the member that
// had the name has just left. Everything else is final. So is an unknown outcome: the join may still happen. So is a cluster
// that is gone: it is being deleted, and is not to be made again by a node that was about to join it.
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

// activeProtocol reads meta, creating the cluster in an empty store, and refuses a protocol that is not ours. If another
// node creates the cluster at the same time, one of them wins.
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
		version = 0 // if it is created
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

// newClusterOps creates meta and epoch together.
func newClusterOps(keys schema.Keys) []coord.Op {
	meta := &schema.Meta{UUID: NewMemberID(), Protocol: schema.Protocol, Created: time.Now().UTC().Truncate(time.Second)}
	return []coord.Op{
		coord.Create(keys.Meta(), schema.Encode(meta, 0)),
		coord.Create(keys.Epoch(), schema.Encode(&schema.Epoch{NextToken: 1}, 0)),
	}
}

// outlasts returns how long a member's keys outlast it at most: its session timeout, and what the service may be late. Of
// a member that cannot be read it is taken to be as this session's.
func outlasts(ctx context.Context, s coord.Session, keys schema.Keys, memberID string) time.Duration {
	info := s.Info()
	timeout := info.Timeout
	var m schema.Member
	if r, err := s.Get(ctx, keys.Member(memberID)); err == nil && schema.Decode(keys.Member(memberID), r, &m) == nil && m.SessionTimeout > 0 {
		timeout = time.Duration(m.SessionTimeout)
	}
	return timeout + max(3*info.Spacing, time.Second) // of which ZooKeeper needs 1.5 ticks
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
