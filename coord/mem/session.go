package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// session is one client session. Its mutable fields are guarded by the service's lock.
type session struct {
	service *Service
	client  *Client
	id      string
	done    chan struct{}
	once    sync.Once
	base    time.Duration
	expired bool
	expiry  *time.Timer
	ping    *time.Timer
	watches map[string]*watch
	nextID  int
}

// tell lets the client know that its session is over.
func (ss *session) tell() { ss.once.Do(func() { close(ss.done) }) }

// Get implements coord.Session.
func (ss *session) Get(ctx context.Context, key string) (coord.Record, error) {
	if err := ss.client.arrive(ctx, ss); err != nil {
		return coord.Record{}, fmt.Errorf("get %s: %w", key, err)
	}
	s := ss.service
	s.mu.Lock()
	defer s.mu.Unlock()
	ss.arm(key, dataWatch)
	n := s.keys[key]
	if n == nil {
		return coord.Record{}, fmt.Errorf("get %s: %w", key, coord.ErrNotFound)
	}
	record := coord.Record{Value: bytes.Clone(n.value), Version: n.version}
	if n.owner != nil {
		record.Session = n.owner.id
	}
	return record, nil
}

// List implements coord.Session.
func (ss *session) List(ctx context.Context, key string) ([]coord.Entry, error) {
	if err := ss.client.arrive(ctx, ss); err != nil {
		return nil, fmt.Errorf("list %s: %w", key, err)
	}
	s := ss.service
	s.mu.Lock()
	defer s.mu.Unlock()
	ss.arm(key, childWatch)
	var list []coord.Entry
	seen := map[string]bool{}
	for child, n := range s.keys {
		rest, ok := strings.CutPrefix(child, key+"/")
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if seen[name] {
			continue
		}
		seen[name] = true
		entry := coord.Entry{Name: name}
		if !deeper {
			entry.Sequence = n.seq
		}
		list = append(list, entry)
	}
	slices.SortFunc(list, func(a, b coord.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Commit implements coord.Session.
func (ss *session) Commit(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
	if err := coord.Validate(ops); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	if err := ss.client.arrive(ctx, ss); err != nil {
		// It never reached the service, but no client can know that.
		if errors.Is(err, coord.ErrSessionEnded) {
			return nil, fmt.Errorf("commit: %s: %w", ops[0].Key, err)
		}
		return nil, fmt.Errorf("commit: %s: %w", ops[0].Key, errors.Join(coord.ErrUnknown, err))
	}
	results, hints, err := ss.apply(ops)
	for _, hint := range hints {
		hint()
	}
	ss.client.mu.Lock()
	lost := ss.client.loses
	ss.client.mu.Unlock()
	if lost {
		return nil, fmt.Errorf("commit: %s: %w", ops[0].Key, coord.ErrUnknown)
	}
	return results, err
}

// apply is the service's side of a commit: all of it under one lock.
func (ss *session) apply(ops []coord.Op) (results []coord.Result, hints []func(), err error) {
	s := ss.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.expired {
		return nil, nil, fmt.Errorf("commit: %s: %w", ops[0].Key, coord.ErrSessionEnded)
	}
	ss.expiry.Reset(s.cfg.Timeout)
	tx := transaction{service: s, session: ss, keys: map[string]*node{}}
	for i, op := range ops {
		result, err := tx.do(op)
		if err != nil {
			return nil, nil, &coord.CheckError{Index: i, Op: op, Err: err}
		}
		results = append(results, result)
	}
	for key, n := range tx.keys {
		_, existed := s.keys[key]
		if n == nil {
			delete(s.keys, key)
		} else {
			s.keys[key] = n
		}
		hints = append(hints, s.changed(key, existed != (n != nil))...)
	}
	maps.Copy(s.seqs, tx.seqs)
	return results, hints, nil
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

// Renew implements coord.Session. A commit that this service applied counts from its send.
func (ss *session) Renew(ctx context.Context, op coord.Op) error {
	if op.Kind != coord.KindSet {
		return fmt.Errorf("renew: %w: %s", coord.ErrInvalid, op.Kind)
	}
	sent := ss.Now()
	if _, err := ss.Commit(ctx, op); err != nil {
		return err
	}
	ss.service.mu.Lock()
	defer ss.service.mu.Unlock()
	ss.base = max(ss.base, sent)
	return nil
}

// Info implements coord.Session.
func (ss *session) Info() coord.Info {
	connected := ss.client.connected()
	ss.service.mu.Lock()
	defer ss.service.mu.Unlock()
	info := coord.Info{
		ID:        ss.id,
		Timeout:   ss.service.cfg.Timeout,
		Grace:     ss.service.cfg.Grace,
		Base:      ss.base,
		Connected: connected,
		Server:    "memory",
	}
	if !connected {
		info.Err = errors.New("the link is cut")
	}
	return info
}

// Now implements coord.Session.
func (ss *session) Now() time.Duration { return ss.service.now() }

// Done implements coord.Session.
func (ss *session) Done() <-chan struct{} { return ss.done }

// Close implements coord.Session. Without a link the service keeps the session until it
// expires.
func (ss *session) Close() error {
	if ss.client.connected() {
		ss.service.expire(ss)
	}
	ss.tell()
	return nil
}
