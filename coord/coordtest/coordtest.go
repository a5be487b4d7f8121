// Package coordtest is the conformance suite of coord: it tests the duties of every backend. A
// backend's own test calls Run with a function that returns clients of one real service.
//
// The package also holds the fault decorator, [Intercept].
package coordtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Client is one machine's access to the service under test, over a link that can fail.
type Client interface {
	coord.Store
	// Cut silences the link both ways without closing it.
	Cut()
	// Heal brings the link back after Cut and LoseReplies.
	Heal()
	// LoseReplies lets requests through and drops the answers of the service.
	LoseReplies()
}

// Service returns a new client of the service under test. All clients reach the same
// service; its session timeout should be a few seconds at most.
type Service func(t *testing.T) Client

// limit bounds every wait of the suite. It is generous: machines are slow.
const limit = 60 * time.Second

// Run runs the suite. Each test uses keys of its own.
func Run(t *testing.T, service Service) {
	tests := []struct {
		name string
		run  func(*env)
	}{
		{"versions count sets", testVersions},
		{"commit is atomic and names the failed check", testAtomic},
		{"create is the check for absence", testAbsence},
		{"parents are made", testParents},
		{"bound keys end with the session", testBound},
		{"bound keys are still mine after a reconnect", testReconnect},
		{"sequenced keys keep their order", testSequenced},
		{"list", testList},
		{"watch hints at every kind of change", testWatch},
		{"watch hints at what happened while cut off", testWatchCut},
		{"one hint until the next read", testWatchArmedByReading},
		{"lost reply is an unknown outcome", testUnknown},
		{"request without an answer is an unknown outcome", testUnknownCut},
		{"reads wait for the link", testReadsWait},
		{"expired session ends and writes nothing", testExpired},
		{"lease ends before the service gives up", testLease},
		{"lease of a new session", testLeaseNew},
		{"close ends the session at the service", testClose},
		{"last write of a deleted key", testLastWrite},
		{"commits that are too large are refused", testLimits},
		{"invalid operations are refused", testInvalid},
		{"letters that not every service takes", testLetters},
		{"ended context", testContext},
		{"checked commits are linearizable", testLinearizable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*limit)
			defer cancel()
			test.run(&env{T: t, ctx: ctx, service: service, root: fmt.Sprintf("/conformance/%x", time.Now().UnixNano())})
		})
	}
}

// env is the environment of one test of the suite.
type env struct {
	*testing.T
	ctx     context.Context
	service Service
	root    string
}

func (e *env) key(name string) string { return e.root + "/" + name }

// open opens a session of a new client and closes it at the end.
func (e *env) open() (coord.Session, Client) {
	e.Helper()
	client := e.service(e.T)
	session, err := client.Open(e.ctx)
	if err != nil {
		e.Fatalf("open: %v", err)
	}
	e.Cleanup(func() {
		client.Heal()
		if err := session.Close(); err != nil {
			e.Errorf("close: %v", err)
		}
	})
	return session, client
}

func (e *env) commit(s coord.Session, ops ...coord.Op) []coord.Result {
	e.Helper()
	results, err := s.Commit(e.ctx, ops...)
	if err != nil {
		e.Fatalf("commit: %v", err)
	}
	return results
}

func (e *env) get(s coord.Session, key string) coord.Record {
	e.Helper()
	r, err := s.Get(e.ctx, key)
	if err != nil {
		e.Fatalf("get: %v", err)
	}
	return r
}

// absent fails the test unless the key does not exist.
func (e *env) absent(s coord.Session, key string) {
	e.Helper()
	if r, err := s.Get(e.ctx, key); !errors.Is(err, coord.ErrNotFound) {
		e.Fatalf("get %s: %q, %v; want ErrNotFound", key, r.Value, err)
	}
}

// wantErr fails the test unless err matches.
func (e *env) wantErr(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("error %v; want %v", err, want)
	}
}

// wantCheck fails the test unless err is the failed check of operation i.
func (e *env) wantCheck(err error, i int, want error) {
	e.Helper()
	failed, ok := coord.FailedCheck(err)
	if !ok || failed.Index != i || !errors.Is(err, want) {
		e.Fatalf("error %v; want a failed check of operation %d: %v", err, i, want)
	}
}

// await polls until the condition holds.
func (e *env) await(what string, condition func() bool) {
	e.Helper()
	for end := time.Now().Add(limit); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			e.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// gone waits until key has vanished, and returns the time on s's clock at which the test noticed
// it.
func (e *env) gone(s coord.Session, key string) time.Duration {
	e.Helper()
	e.await(key+" vanishes", func() bool {
		_, err := s.Get(e.ctx, key)
		return errors.Is(err, coord.ErrNotFound)
	})
	return s.Now()
}

// received waits for a hint.
func (e *env) received(hints <-chan struct{}, what string) {
	e.Helper()
	select {
	case <-hints:
	case <-time.After(limit):
		e.Fatalf("no hint within %v: %s", limit, what)
	}
}

// watch subscribes to key through a channel.
func (e *env) watch(s coord.Session, key string) <-chan struct{} {
	hints := make(chan struct{}, 100)
	e.Cleanup(s.Watch(key, func() {
		select {
		case hints <- struct{}{}:
		default:
		}
	}))
	return hints
}
