package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// list is a list of tokens that changes.
type list struct {
	mu     sync.Mutex
	tokens []httpapi.Token
}

func (l *list) set(t *testing.T, lines ...string) {
	t.Helper()
	var tokens []httpapi.Token
	for _, line := range lines {
		token, err := httpapi.ParseToken(line)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = tokens
}

func (l *list) get() []httpapi.Token {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tokens
}

// open asks for something that goes on, and waits until the answer has begun.
func open(ctx context.Context, t *testing.T, url string, change func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// Streams and logs end within 15 seconds of what lets somebody follow them: the token, the role or the login.
func TestFollowersEndWithTheirRight(t *testing.T) {
	vic, ada := "vic view "+secretOf("view"), "ada admin "+secretOf("admin")
	slot := cluster.Slot{Task: "a"}
	for what, revoke := range map[string]func(t *testing.T, l *list, server string, cookie *http.Cookie){
		"token":  func(t *testing.T, l *list, _ string, _ *http.Cookie) { l.set(t, ada) },
		"tokens": func(t *testing.T, l *list, _ string, _ *http.Cookie) { l.set(t) },
		"logout": func(t *testing.T, _ *list, server string, cookie *http.Cookie) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/api/v1/logout", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(cookie)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		},
	} {
		for _, path := range []string{"/api/v1/stream", "/api/v1/workers/a/0/log?follow=true"} {
			t.Run(what+" "+path, func(t *testing.T) {
				t.Parallel()
				l := &list{}
				l.set(t, vic, ada)
				n := newLogNode("n1", slot)
				n.say("one")
				server := apinode.Serve(t, n, httpapi.Options{Access: &httpapi.Access{Tokens: l.get}, Log: slog.New(slog.DiscardHandler)})
				login, err := http.Post(server.URL+"/api/v1/login", "application/json", strings.NewReader(`{"token":"`+secretOf("view")+`"}`))
				if err != nil {
					t.Fatal(err)
				}
				_ = login.Body.Close()
				cookie := login.Cookies()[0]
				who := bearer(secretOf("view"))
				if what == "logout" {
					who = func(r *http.Request) { r.AddCookie(cookie) }
				}
				resp := open(t.Context(), t, server.URL+path, who)
				defer func() { _ = resp.Body.Close() }()
				if resp.StatusCode != http.StatusOK {
					t.Fatal(resp.Status)
				}
				staying := open(t.Context(), t, server.URL+path, bearer(secretOf("admin")))
				defer func() { _ = staying.Body.Close() }()
				revoke(t, l, server.URL, cookie)
				began := time.Now()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, _ = io.Copy(io.Discard, resp.Body) // until it ends
				}()
				select {
				case <-ended:
					t.Logf("it ended after %v", time.Since(began).Round(time.Millisecond))
				case <-time.After(15 * time.Second):
					t.Error("it goes on")
				}
				if what == "tokens" {
					return
				}
				n.say("later")
				n.Set(stateOf(9))
				for lines := bufio.NewScanner(staying.Body); ; {
					if !lines.Scan() {
						t.Error("somebody else's has ended, too")
						break
					}
					if text := lines.Text(); strings.Contains(text, "later") || strings.Contains(text, `"term":9`) {
						break
					}
				}
			})
		}
	}
}

// Nobody has so many streams or logs open that there are none for others, and one who has too many is told so.
func TestShares(t *testing.T) {
	slot := cluster.Slot{Task: "a"}
	for path, share := range map[string]int{"/api/v1/stream": 200, "/api/v1/workers/a/0/log?follow=true": 150} {
		n := newLogNode("n1", slot)
		n.say("one")
		server := apinode.Serve(t, n, httpapi.Options{Access: tokens(t), Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		for i := range share + 5 {
			resp := open(ctx, t, server.URL+path, bearer(secretOf("view")))
			want := http.StatusOK
			if i >= share {
				want = http.StatusTooManyRequests
			}
			if resp.StatusCode != want || want != http.StatusOK && resp.Header.Get("Retry-After") == "" {
				t.Fatalf("%s: the %dth: %s; want %d", path, i, resp.Status, want)
			}
			if want != http.StatusOK {
				_ = resp.Body.Close()
			}
		}
		if resp := open(ctx, t, server.URL+path, bearer(secretOf("operate"))); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: somebody else: %s", path, resp.Status)
		}
		cancel()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			ctx, cancel := context.WithCancel(t.Context())
			resp := open(ctx, t, server.URL+path, bearer(secretOf("view")))
			cancel()
			if resp.StatusCode == http.StatusOK {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: nothing is given back", path)
			}
		}
	}
}

// However many follow a log of another node, that is asked for what comes once, and nobody misses a line.
func TestOneUpstreamPerWorker(t *testing.T) {
	slot := cluster.Slot{Task: "a", Index: 1}
	var following, most atomic.Int64
	p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)})
	p.has.followed = func(n int64) {
		now := following.Add(n)
		for {
			old := most.Load()
			if now <= old || most.CompareAndSwap(old, now) {
				return
			}
		}
	}
	for i := range 5 {
		p.has.say(fmt.Sprint("line ", i))
	}
	p.asked.Set(p.state)
	const followers = 50
	var all, begun sync.WaitGroup
	begun.Add(followers)
	for i := range followers {
		all.Go(func() {
			var got []string
			err := clientOf(t, p.server.URL).Log(t.Context(), slot, client.LogQuery{Lines: 1 + i%4, Follow: true}, func(l cluster.LogLine) error {
				got = append(got, l.Text)
				if len(got) == 1 {
					begun.Done()
				}
				if l.Text == "end" {
					return errEnd
				}
				return nil
			})
			want := []string{"line 1", "line 2", "line 3", "line 4", "line 5", "end"}[3-i%4:]
			if !errors.Is(err, errEnd) || strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("the last %d and what comes: %v, %q; want %q", 1+i%4, err, got, want)
			}
		})
	}
	begun.Wait()
	p.has.say("line 5")
	p.has.say("end")
	all.Wait()
	if n := most.Load(); n != 1 {
		t.Errorf("the other node was asked to follow %d times; want 1", n)
	}
	for end := time.Now().Add(30 * time.Second); following.Load() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d go on at the other node", following.Load())
		}
	}
}
