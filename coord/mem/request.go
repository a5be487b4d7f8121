package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"gitee.com/ken.yang/xconsumer/coord"
)

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
	ss.client.rouse()
	fail := func(err error) error {
		if errors.Is(err, coord.ErrSessionEnded) {
			return fmt.Errorf("commit: %s: %w", ops[0].Key, err)
		}
		return fmt.Errorf("commit: %s: %w", ops[0].Key, errors.Join(coord.ErrUnknown, err))
	}
	c := ss.call(ctx)
	if err := c.over(); err != nil {
		return nil, 0, fail(err)
	}
	delivery := ss.client.delivery(true, ops[0].Key)
	switch {
	case delivery.Lost:
		return nil, 0, fail(c.sleep(delivery.Back))
	case delivery.Late:
		after(delivery.There, func() {
			_, _, _ = ss.apply(ops)
		})
		return nil, 0, fail(c.sleep(delivery.Back))
	}
	if err := c.arrive(delivery.There); err != nil {
		return nil, 0, fail(err) // it never reached the service, but a client cannot be certain of that
	}
	if err := c.wait(ss.storeReachable, delivery.There); err != nil {
		return nil, 0, fail(err)
	}
	results, n, err := ss.apply(ops)
	if n == 0 {
		return nil, 0, err
	}
	if werr := c.wait(func() <-chan struct{} { return ss.arrived(n) }, 0); werr != nil {
		return nil, 0, fail(werr)
	}
	if werr := c.answer(delivery.Back); werr != nil {
		return nil, 0, fail(werr)
	}
	ss.client.mu.Lock()
	mute := ss.client.mute
	ss.client.mu.Unlock()
	if mute || delivery.Mute {
		return nil, 0, fail(nil)
	}
	return results, n, err
}

// storeReachable is a channel that is closed when the session's server may reach the store.
func (ss *session) storeReachable() <-chan struct{} {
	return ss.until(func(srv *server) bool { return !srv.cut })
}

// arrived is a channel that is closed when the session's server may have a change.
func (ss *session) arrived(n int64) <-chan struct{} {
	return ss.until(func(srv *server) bool { return srv.has >= n })
}

func (ss *session) until(condition func(*server) bool) <-chan struct{} {
	ss.service.mu.Lock()
	defer ss.service.mu.Unlock()
	if srv := ss.server(); !condition(srv) {
		return srv.moved
	}
	return newGate().open
}

// apply is the service's side of a commit: all of it under one lock. It returns the number of the
// change as n.
func (ss *session) apply(ops []coord.Op) (results []coord.Result, n int64, err error) {
	s := ss.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.expired {
		return nil, 0, fmt.Errorf("commit: %s: %w", ops[0].Key, coord.ErrSessionEnded)
	}
	if ss.server().cut {
		return nil, 0, fmt.Errorf("commit: %s: %w", ops[0].Key, coord.ErrUnknown)
	}
	ss.touch()
	tx := transaction{service: s, session: ss, keys: map[string]*node{}}
	for i, op := range ops {
		result, err := tx.do(op)
		if err != nil {
			return nil, s.changes, &coord.CheckError{Index: i, Op: op, Err: err}
		}
		results = append(results, result)
	}
	maps.Copy(s.seqs, tx.seqs)
	return results, s.change(ss, tx.keys, false), nil
}

// transaction is a commit that has not been applied yet: later operations see earlier ones.
type transaction struct {
	service *Service
	session *session
	keys    map[string]*node // nil: deleted
	seqs    map[string]int64
}

func (tx *transaction) get(key string) *node {
	if n, ok := tx.keys[key]; ok {
		return n
	}
	return tx.service.keys[key]
}

func (tx *transaction) do(op coord.Op) (coord.Result, error) {
	result := coord.Result{Key: op.Key, Version: op.Version}
	if op.Kind <= coord.KindCreateSequenced {
		return tx.create(op)
	}
	n := tx.get(op.Key)
	switch {
	case n == nil:
		return result, coord.ErrNotFound
	case n.version != op.Version:
		return result, coord.ErrVersion
	}
	switch op.Kind {
	case coord.KindSet:
		next := *n
		next.value, next.version = bytes.Clone(op.Value), n.version+1
		tx.keys[op.Key] = &next
		result.Version = next.version
	case coord.KindDelete:
		tx.keys[op.Key] = nil
	}
	return result, nil
}

func (tx *transaction) create(op coord.Op) (coord.Result, error) {
	n := &node{value: bytes.Clone(op.Value)}
	key := op.Key
	if op.Kind != coord.KindCreate {
		n.owner = tx.session
	}
	if op.Kind == coord.KindCreateSequenced {
		if tx.seqs == nil {
			tx.seqs = map[string]int64{}
		}
		parent := key[:strings.LastIndexByte(key, '/')]
		next, ok := tx.seqs[parent]
		if !ok {
			next = tx.service.seqs[parent]
		}
		next++
		tx.seqs[parent], n.seq = next, next
		key = fmt.Sprintf("%s%010d", key, next)
	}
	if tx.get(key) != nil {
		return coord.Result{}, coord.ErrExists
	}
	tx.keys[key] = n
	return coord.Result{Key: key}, nil
}
