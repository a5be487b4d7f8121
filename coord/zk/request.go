package zk

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// A znode's version is an int32 that counts on below zero after its last positive value, up to -1. As the version of a
// request, -1 would mean any version. So a znode takes no more sets before that: after 2^32-2 of them, which a leader that
// commits fifty times a second reaches after 2.7 years.
const lastVersion = 1<<32 - 2

// version is a znode's version as the contract counts it.
func version(onWire int32) int64 { return int64(uint32(onWire)) }

// onWire is the reverse of version.
func onWire(version int64) int32 { return int32(uint32(version)) }

// checkVersions refuses writes that would apply at any version, or lead to a version that cannot be checked.
func checkVersions(ops []coord.Op) error {
	for _, op := range ops {
		if op.Version > lastVersion || op.Version == lastVersion && op.Kind == coord.KindSet {
			return fmt.Errorf(
				"commit: %s of %s at version %d: %w: ZooKeeper counts no further; restore the records into a new znode while nothing runs",
				op.Kind,
				op.Key,
				op.Version,
				coord.ErrRefused,
			)
		}
	}
	return nil
}

// multi sends a commit and returns its results.
func (ss *session) multi(ctx context.Context, ops []coord.Op) ([]coord.Result, error) {
	requests := make([]any, len(ops))
	for i, op := range ops {
		p := ss.rooted(op.Key)
		switch op.Kind {
		case coord.KindCreate:
			requests[i] = &zk.CreateRequest{Path: p, Data: op.Value, Acl: ss.store.acl}
		case coord.KindCreateBound:
			requests[i] = &zk.CreateRequest{Path: p, Data: op.Value, Acl: ss.store.acl, Flags: zk.FlagEphemeral}
		case coord.KindCreateSequenced:
			requests[i] = &zk.CreateRequest{Path: p, Data: op.Value, Acl: ss.store.acl, Flags: zk.FlagEphemeral | zk.FlagSequence}
		case coord.KindSet:
			requests[i] = &zk.SetDataRequest{Path: p, Data: op.Value, Version: onWire(op.Version)}
		case coord.KindDelete:
			requests[i] = &zk.DeleteRequest{Path: p, Version: onWire(op.Version)}
		case coord.KindCheck:
			requests[i] = &zk.CheckVersionRequest{Path: p, Version: onWire(op.Version)}
		}
	}
	type answer struct {
		responses []zk.MultiResponse
		err       error
	}
	got, err := await(ctx, ss, func() answer {
		responses, err := ss.conn.Multi(requests...)
		return answer{responses, err}
	})
	if err != nil {
		return nil, fmt.Errorf("commit: %s: %w", ops[0].Key, errors.Join(coord.ErrUnknown, err))
	}
	if err := commitError(ops, got.responses, got.err); err != nil {
		return nil, ss.orEnded(err)
	}
	results := make([]coord.Result, len(ops))
	for i, op := range ops {
		results[i] = coord.Result{Key: op.Key, Version: op.Version}
		switch op.Kind {
		case coord.KindCreateSequenced:
			results[i].Key = ss.unrooted(got.responses[i].String)
		case coord.KindSet:
			results[i].Version = op.Version + 1
		}
	}
	return results, nil
}

// deep is the depth from which a parent is deleted when it is empty. There may be such a parent for every task and run. The
// parents above are few, and some of them order their children by the number of children that they have had.
const deep = 3

// createParent creates a parent, from depth deep on as a container: the server deletes it some time after its last child is
// gone.
func (ss *session) createParent(parent string) error {
	if above := strings.Count(strings.TrimPrefix(parent, ss.rooted("")), "/") - 1; above >= deep {
		_, err := ss.conn.CreateContainer(parent, []byte("{}"), zk.FlagContainer, ss.store.acl)
		return err
	}
	_, err := ss.conn.Create(parent, []byte("{}"), 0, ss.store.acl)
	return err
}

// makeParents creates the missing parents of p; made reports whether any was missing.
func (ss *session) makeParents(ctx context.Context, p string) (made bool, err error) {
	parent := path.Dir(p)
	if parent == "/" {
		return false, nil
	}
	created, err := read(ctx, ss, "create", parent, func() (bool, error) {
		err := ss.createParent(parent)
		return err == nil, err
	})
	switch {
	case errors.Is(err, coord.ErrExists):
		return false, nil
	case errors.Is(err, coord.ErrNotFound):
		if _, err := ss.makeParents(ctx, parent); err != nil {
			return false, err
		}
		return ss.makeParents(ctx, p)
	}
	return created, err
}

// await runs a call of the library, which takes no context, in a goroutine of its own. The goroutine ends at the latest
// when the session is closed.
func await[T any](ctx context.Context, ss *session, call func() T) (T, error) {
	var zero T
	select {
	case <-ss.done:
		return zero, coord.ErrSessionEnded
	default:
	}
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	answer := make(chan T, 1)
	go func() { answer <- call() }()
	select {
	case v := <-answer:
		return v, nil
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	case <-ss.done:
		return zero, coord.ErrSessionEnded
	}
}

// read does an operation that may be repeated until a server answers it.
func read[T any](ctx context.Context, ss *session, what, key string, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	for {
		got, err := await(ctx, ss, func() answer {
			value, err := call()
			return answer{value, err}
		})
		if err == nil {
			err = answerError(got.err)
			if err == nil {
				return got.value, nil
			}
			err = ss.orEnded(err)
		}
		if !errors.Is(err, coord.ErrUnknown) || errors.Is(err, coord.ErrSessionEnded) {
			var zero T
			return zero, fmt.Errorf("%s %s: %w", what, key, err)
		}
		ss.awaitConnection(ctx)
	}
}

// awaitConnection returns when a server answers again, when the session or ctx has ended, or after a moment.
func (ss *session) awaitConnection(ctx context.Context) {
	ss.mu.Lock()
	connected := ss.connected
	ss.mu.Unlock()
	select {
	case <-connected:
		select { // connected but refused: do not spin
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	case <-ss.done:
	case <-ctx.Done():
	}
}
