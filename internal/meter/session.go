package meter

import (
	"context"
	"errors"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Session wraps a session and measures its operations. Kind returns the kind of the record under a
// key.
func Session(s coord.Session, m *Meter, kind func(key string) string) coord.Session {
	return &session{s, m, kind}
}

type session struct {
	coord.Session
	meter *Meter
	kind  func(key string) string
}

func (s *session) Get(ctx context.Context, key string) (coord.Record, error) {
	defer s.timed("get")()
	r, err := s.Session.Get(ctx, key)
	s.count("get", err)
	s.meter.Add(StoreReceived, len(r.Value))
	return r, err
}

func (s *session) List(ctx context.Context, key string) ([]coord.Entry, error) {
	defer s.timed("list")()
	list, err := s.Session.List(ctx, key)
	s.count("list", err)
	size := 0
	for i := range list {
		size += len(list[i].Name)
	}
	s.meter.Add(StoreReceived, size)
	return list, err
}

func (s *session) Commit(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
	defer s.timed("commit")()
	results, err := s.Session.Commit(ctx, ops...)
	s.count("commit", err)
	s.sent(ops, err)
	return results, err
}

func (s *session) Renew(ctx context.Context, op coord.Op) error {
	began := time.Now()
	err := s.Session.Renew(ctx, op)
	s.meter.Took(Heartbeat, time.Since(began))
	s.count("renew", err)
	s.sent([]coord.Op{op}, err)
	return err
}

// LastWrite implements coord.Historian for sessions that do.
func (s *session) LastWrite(ctx context.Context, key string) (committedBy time.Duration, err error) {
	return coord.LastWrite(ctx, s.Session, key)
}

func (s *session) Watch(key string, hint func()) (stop func()) {
	return s.Session.Watch(key, func() {
		s.meter.Add(StoreHints, 1)
		hint()
	})
}

func (s *session) timed(operation string) func() {
	began := time.Now()
	return func() { s.meter.Took(StoreSeconds, time.Since(began), operation) }
}

func (s *session) sent(ops []coord.Op, err error) {
	size := 0
	for i := range ops {
		size += len(ops[i].Key) + len(ops[i].Value)
		if err == nil && ops[i].Kind != coord.KindCheck {
			s.meter.Add(StoreWrites, 1, s.kind(ops[i].Key))
		}
		if len(ops[i].Value) > 0 && err == nil {
			s.meter.Most(RecordBytes, len(ops[i].Value), s.kind(ops[i].Key))
		}
	}
	s.meter.Add(StoreSent, size)
}

func (s *session) count(operation string, err error) {
	outcome := "ok"
	_, refused := coord.FailedCheck(err)
	switch {
	case err == nil || errors.Is(err, coord.ErrNotFound):
	case refused:
		outcome = "refused"
	default:
		outcome = "failed"
	}
	s.meter.Add(StoreOperations, 1, operation, outcome)
}

// Kind returns a function that maps a key below a cluster's root to the kind of its record:
// "assignments" for assignments/x.
func Kind(root string) func(key string) string {
	return func(key string) string {
		kind, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(key, root), "/"), "/")
		return kind
	}
}
