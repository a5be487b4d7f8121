package etcd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
)

// sequenced matches the names of sequenced keys.
var sequenced = regexp.MustCompile(`_[0-9a-f]{16}-[0-9]+$`)

// Commit implements coord.Session.
func (ss *session) Commit(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
	results, _, err := ss.commit(ctx, ops)
	return results, err
}

// commit does a commit, and returns its revision as well.
func (ss *session) commit(ctx context.Context, ops []coord.Op) (results []coord.Result, revision int64, err error) {
	if err := coord.Validate(ops); err != nil {
		return nil, 0, fmt.Errorf("commit: %w", err)
	}
	if err := ss.alive(ctx); err != nil {
		if !errors.Is(err, coord.ErrSessionEnded) {
			err = errors.Join(coord.ErrUnknown, err) // never sent, but the caller need not distinguish that
		}
		return nil, 0, fmt.Errorf("commit: %s: %w", ops[0].Key, err)
	}
	t := ss.newTxn(ops)
	ctx, cancel := ss.attempt(ctx)
	defer cancel()
	resp, err := ss.client.Txn(ctx).If(t.compares...).Then(t.writes...).Else(t.reads...).Commit()
	err = ss.outcome(ctx, err)
	if err != nil {
		return nil, 0, fmt.Errorf("commit: %s: %w", ops[0].Key, err)
	}
	if resp.Succeeded {
		return t.results, resp.Header.Revision, nil
	}
	if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) == 0 || kvs[0].CreateRevision != ss.created {
		ss.end(errors.New("the session's key is gone")) //nolint:contextcheck // it ends for all, not for this request
		return nil, 0, fmt.Errorf("commit: %s: %w", ops[0].Key, coord.ErrSessionEnded)
	}
	found := map[string]state{}
	for i, key := range t.keys {
		if kvs := resp.Responses[i+1].GetResponseRange().Kvs; len(kvs) > 0 {
			found[key] = state{exists: true, version: kvs[0].Version - 1}
		}
	}
	for i, op := range ops {
		next, err := step(found[op.Key], op)
		if err != nil {
			return nil, 0, &coord.CheckError{Index: i, Op: op, Err: err}
		}
		found[op.Key] = next
	}
	return nil, 0, fmt.Errorf("commit: %s: %w: refused without a failed check", ops[0].Key, coord.ErrUnknown)
}

// state is the last read or expected state of a key.
type state struct {
	exists  bool
	version int64
}

// step returns the state of a key after an operation, or the error of the operation.
func step(s state, op coord.Op) (state, error) {
	if op.Kind <= coord.KindCreateSequenced {
		if s.exists {
			return s, coord.ErrExists
		}
		return state{exists: true}, nil
	}
	switch {
	case !s.exists:
		return s, coord.ErrNotFound
	case s.version != op.Version:
		return s, coord.ErrVersion
	case op.Kind == coord.KindSet:
		s.version++
	case op.Kind == coord.KindDelete:
		s = state{}
	}
	return s, nil
}

// txn is a commit as etcd takes it: all compares are made before any write, so operations that
// follow another one on the same key are decided here.
type txn struct {
	keys     []string // in the order of their reads, which follow that of the session's key
	compares []clientv3.Cmp
	writes   []clientv3.Op
	reads    []clientv3.Op
	results  []coord.Result
}

func (ss *session) newTxn(ops []coord.Op) *txn {
	t := &txn{
		compares: []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(ss.mark), "=", ss.created)},
		reads:    []clientv3.Op{clientv3.OpGet(ss.mark, clientv3.WithKeysOnly())},
	}
	assumed := map[string]state{}
	for _, op := range ops {
		result := coord.Result{Key: op.Key, Version: op.Version}
		key := ss.rooted(op.Key)
		if op.Kind == coord.KindCreateSequenced {
			suffix := fmt.Sprintf("%016x-%d", int64(ss.lease), ss.sequence.Add(1))
			key, result.Key = key+suffix, result.Key+suffix
		}
		before, seen := assumed[op.Key]
		if !seen {
			t.keys = append(t.keys, op.Key)
			t.reads = append(t.reads, clientv3.OpGet(key, clientv3.WithKeysOnly()))
			if op.Kind <= coord.KindCreateSequenced {
				t.compares = append(t.compares, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
			} else {
				t.compares = append(t.compares, clientv3.Compare(clientv3.Version(key), "=", op.Version+1))
				before = state{exists: true, version: op.Version}
			}
		}
		after, err := step(before, op)
		if err != nil { // it contradicts an earlier operation: the whole commit fails
			t.compares = append(t.compares, clientv3.Compare(clientv3.CreateRevision(ss.mark), "=", 0))
		}
		assumed[op.Key] = after
		switch op.Kind {
		case coord.KindCreate:
			t.writes = append(t.writes, clientv3.OpPut(key, string(op.Value)))
		case coord.KindCreateBound, coord.KindCreateSequenced:
			t.writes = append(t.writes, clientv3.OpPut(key, string(op.Value), clientv3.WithLease(ss.lease)))
		case coord.KindSet:
			t.writes = append(t.writes, clientv3.OpPut(key, string(op.Value), clientv3.WithIgnoreLease()))
			result.Version = op.Version + 1
		case coord.KindDelete:
			t.writes = append(t.writes, clientv3.OpDelete(key))
		}
		t.results = append(t.results, result)
	}
	return t
}

// alive returns an error if no further request can be made.
func (ss *session) alive(ctx context.Context) error {
	select {
	case <-ss.done:
		return coord.ErrSessionEnded
	default:
		return context.Cause(ctx)
	}
}

// attempt bounds one request: by ctx, the life of the session and requestTimeout.
func (ss *session) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := ss.link.attempt(ctx, requestTimeout(ss.info.Timeout))
	stop := context.AfterFunc(ss.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// read does a request that may be repeated until a server answers it, with the watch of its key
// open before.
func read[T any](ctx context.Context, ss *session, what, key string, kind watchKind, request func(context.Context) (T, error)) (T, error) {
	value, err := repeat(ctx, ss, func() error { return ss.watches.open(ctx, ss, key, kind) }, request)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", what, key, err)
	}
	return value, err
}

// repeat does a request, after something else, until a server answers it.
func repeat[T any](ctx context.Context, ss *session, before func() error, request func(context.Context) (T, error)) (T, error) {
	var zero T
	for {
		if err := ss.alive(ctx); err != nil {
			return zero, err
		}
		err := before()
		if err == nil {
			var value T
			attempt, cancel := ss.attempt(ctx)
			value, err = request(attempt)
			err = ss.outcome(attempt, err)
			cancel()
			if err == nil {
				return value, nil
			}
		}
		switch {
		case errors.Is(err, coord.ErrSessionEnded):
			return zero, coord.ErrSessionEnded
		case ctx.Err() != nil:
			return zero, fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		case !errors.Is(err, coord.ErrUnknown):
			return zero, err
		}
		select { // refused at once: do not spin
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		case <-ss.done:
		}
	}
}
