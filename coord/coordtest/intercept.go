package coordtest

import (
	"context"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Interceptor stands between the caller and a store: it may fail, delay or drop requests and
// answers. A nil function lets everything through. The functions are called from any goroutine.
type Interceptor struct {
	// Commit gets every commit, renewals included, and does it by calling next (or not).
	Commit func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error)
	// Get gets every read of a key.
	Get func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error)
	// List gets every read of the children of a key.
	List func(ctx context.Context, key string, next func(context.Context, string) ([]coord.Entry, error)) ([]coord.Entry, error)
	// Open gets every new session.
	Open func(session coord.Session)
}

// Intercept returns a store whose traffic passes through i. A renewal that the interceptor
// answers itself, without calling next, moves no lease.
func Intercept(store coord.Store, i Interceptor) coord.Store {
	return &interceptedStore{store, i}
}

type interceptedStore struct {
	coord.Store
	i Interceptor
}

func (s *interceptedStore) Open(ctx context.Context) (coord.Session, error) {
	session, err := s.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	if s.i.Open != nil {
		s.i.Open(session)
	}
	return &interceptedSession{session, s.i}, nil
}

type interceptedSession struct {
	coord.Session
	i Interceptor
}

func (s *interceptedSession) Commit(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
	if s.i.Commit == nil {
		return s.Session.Commit(ctx, ops...)
	}
	return s.i.Commit(ctx, ops, s.Session.Commit)
}

func (s *interceptedSession) Renew(ctx context.Context, op coord.Op) error {
	if s.i.Commit == nil {
		return s.Session.Renew(ctx, op)
	}
	_, err := s.i.Commit(ctx, []coord.Op{op}, func(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
		if err := s.Session.Renew(ctx, ops[0]); err != nil {
			return nil, err
		}
		return []coord.Result{{Key: op.Key, Version: op.Version + 1}}, nil
	})
	return err
}

func (s *interceptedSession) Get(ctx context.Context, key string) (coord.Record, error) {
	if s.i.Get == nil {
		return s.Session.Get(ctx, key)
	}
	return s.i.Get(ctx, key, s.Session.Get)
}

func (s *interceptedSession) List(ctx context.Context, key string) ([]coord.Entry, error) {
	if s.i.List == nil {
		return s.Session.List(ctx, key)
	}
	return s.i.List(ctx, key, s.Session.List)
}

// LastWrite implements coord.Historian for sessions that do.
func (s *interceptedSession) LastWrite(ctx context.Context, key string) (committedBy time.Duration, err error) {
	return coord.LastWrite(ctx, s.Session, key)
}
