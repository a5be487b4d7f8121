// Package client asks the nodes of a cluster over HTTP, and has the types of what they answer.
//
// # The model
//
//	Client ── Get, State, Plan, Events, Log ──▶ any node: what it sees of the whole cluster
//	       ── Do ─────────────────────────────▶ any node: a request is accepted, and done once, however often it is sent
//	       ◀─ Follow, FollowEvents ─────────── the cluster as it is, and then every change, without a gap
//
// Every node answers for its whole cluster, so that it does not matter which of them is asked. The nouns are those of
// package cluster. An error that a node answers with is a [RefusedError]; [ErrUnreachable] is that none does, and
// [ErrOutcomeUnknown] that a request was sent and may have been done.
//
// A program that uses this package links the standard library alone, and neither the server nor the console.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/address"
)

// KeyHeader is the header with a key that makes requests the same one: what was done for a key is done once.
const KeyHeader = "Idempotency-Key"

// Options say how a client asks.
type Options struct {
	Token string      // "" for none
	TLS   *tls.Config // nil for the system's roots
}

// Client asks a node. Its methods may be called from any goroutine.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// patience is how long an answer may take that is not waited with.
const patience = 15 * time.Second

// New returns a client of the node at a URL such as "http://127.0.0.1:8800".
func New(server string, options Options) (*Client, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	if err := validateServer(server); err != nil {
		return nil, fmt.Errorf("server %w", err)
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q: want a URL such as http://127.0.0.1:8800", server)
	}
	transport := http.DefaultTransport
	if options.TLS != nil {
		transport = &http.Transport{TLSClientConfig: options.TLS, Proxy: http.ProxyFromEnvironment}
	}
	return &Client{base: strings.TrimSuffix(u.String(), "/"), token: options.Token, http: &http.Client{Transport: transport}}, nil
}

// validateServer refuses a URL with an address that cannot be reached as it stands.
func validateServer(server string) error {
	_, rest, _ := strings.Cut(server, "://")
	if err := address.RefuseUserinfo(rest); err != nil {
		return fmt.Errorf("%w; nodes take tokens", err)
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	const anyPort = 80 // what the scheme says; only the form counts
	_, err := address.Parse(rest, anyPort)
	return err
}

// Server returns the URL of the node.
func (c *Client) Server() string { return c.base }

// State returns the cluster as the node sees it, and the answer as it came.
func (c *Client) State(ctx context.Context) (state cluster.State, raw []byte, err error) {
	raw, err = c.Get(ctx, "/api/v1/state", nil, &state)
	return state, raw, err
}

// Get asks for something, and returns the answer as it came, too.
func (c *Client) Get(ctx context.Context, path string, query url.Values, answer any) (raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.exchange(ctx, call{path: path, query: query}, answer, http.StatusOK)
}

// Health asks whether the node answers, or with ready whether it is a member at work.
func (c *Client) Health(ctx context.Context, ready bool) (health Health, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	path := "/healthz"
	if ready {
		path = "/readyz"
	}
	want := []int{http.StatusOK}
	if ready {
		want = append(want, http.StatusServiceUnavailable)
	}
	_, err = c.exchange(ctx, call{path: path}, &health, want...)
	return health, err
}

// Request asks for a change.
type Request struct {
	Method string // "" for POST
	Path   string
	Body   any           // nil for none
	Match  string        // the revision that it is based on, "" for any
	Key    string        // makes requests that are the same one; "" for one of its own
	Wait   time.Duration // how long to wait until it has settled; 0 not to
}

// A request whose answer was lost is sent again, so often at most, with such a pause before.
const (
	repeats     = 3
	repeatPause = time.Second
)

// Do asks for a change. It is done when leaders see to it, and within Wait if the answer says that it has
// settled. Where the answer is lost it is asked for again, with the same key, so that it is done once; if that does not help
// the error matches ErrOutcomeUnknown.
func (c *Client) Do(ctx context.Context, r Request) (accepted Accepted, err error) {
	if r.Key == "" {
		r.Key = rand.Text()
	}
	unknown, until := false, time.Now().Add(r.Wait)
	for try := 0; ; try++ {
		if try > 0 && r.Wait > 0 {
			r.Wait = max(time.Until(until), time.Second)
		}
		accepted, err = c.try(ctx, r)
		switch lost := isLost(err); {
		case err == nil:
			return accepted, nil
		case !lost && (!unknown || !isAbsent(err)):
			return accepted, err
		case lost:
			unknown = true
		}
		if try == repeats || sleep(ctx, repeatPause) != nil {
			return accepted, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
	}
}

// lostAnswer is an error of a request that was sent and may have been done.
type lostAnswer struct{ error }

func (e *lostAnswer) Unwrap() error { return e.error }

// noAnswerError is why there is no answer, in words for people.
type noAnswerError struct {
	text string
	errs []error
}

func (e *noAnswerError) Error() string   { return e.text }
func (e *noAnswerError) Unwrap() []error { return e.errs }

// isLost reports whether what was sent may have been done although the answer is an error.
func isLost(err error) bool {
	_, lost := errors.AsType[*lostAnswer](err)
	return lost || errors.Is(err, ErrOutcomeUnknown)
}

// isAbsent reports whether an error says that nobody is there to answer at this moment.
func isAbsent(err error) bool {
	refused, answered := errors.AsType[*RefusedError](err)
	return errors.Is(err, ErrUnreachable) ||
		answered && (refused.Status == http.StatusServiceUnavailable || refused.Status == http.StatusTooManyRequests)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// try asks once.
func (c *Client) try(ctx context.Context, r Request) (accepted Accepted, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+r.Wait)
	defer cancel()
	query, header := url.Values{}, http.Header{KeyHeader: {r.Key}}
	if r.Wait > 0 {
		query.Set("wait", r.Wait.String())
	}
	if r.Match != "" {
		header.Set("If-Match", `"`+r.Match+`"`)
	}
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	_, err = c.exchange(ctx, call{method, r.Path, query, r.Body, header}, &accepted, http.StatusAccepted)
	return accepted, err
}

// Plan asks what operations would do.
func (c *Client) Plan(ctx context.Context, ops cluster.Operations) (plan cluster.Plan, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err = c.exchange(ctx, call{method: http.MethodPost, path: "/api/v1/plan", body: struct {
		Operations cluster.Operations `json:"operations,omitempty"`
	}{ops}}, &plan, http.StatusOK)
	return plan, raw, err
}

// LogQuery is what is asked of a worker's log.
type LogQuery struct {
	Lines  int    // the last ones
	Follow bool   // and what comes then, until the context ends
	Node   string // what this node keeps of it, wherever the worker is; "" for the node that has the worker
}

// Log reads a worker's log and gives its lines one by one to a function, whose error ends it. The error matches
// ErrNotFound if there is no such log.
func (c *Client) Log(ctx context.Context, slot cluster.Slot, q LogQuery, each func(cluster.LogLine) error) error {
	task, run := cluster.SplitRun(slot.Task)
	query := url.Values{"lines": {strconv.Itoa(q.Lines)}, "follow": {strconv.FormatBool(q.Follow)}}
	if run != "" {
		query.Set("run", run)
	}
	if q.Node != "" {
		query.Set("node", q.Node)
	}
	resp, err := c.ask(ctx, call{path: "/api/v1/workers/" + url.PathEscape(task) + "/" + strconv.Itoa(slot.Index) + "/log", query: query})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		return &RefusedError{
			Problem{Status: http.StatusNotFound, Title: "no such log", Detail: fmt.Sprintf("%s keeps nothing of the log of %s", q.Node, slot)},
		}
	default:
		_, err = c.read(resp, nil, http.StatusOK)
		return err
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var line cluster.LogLine
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.noAnswer(err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// call is what is sent.
type call struct {
	method, path string // "" for GET
	query        url.Values
	body         any
	header       http.Header
}

// exchange sends a request and reads the answer.
func (c *Client) exchange(ctx context.Context, r call, answer any, want ...int) ([]byte, error) {
	resp, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return c.read(resp, answer, want...)
}

// ask sends a request.
func (c *Client) ask(ctx context.Context, r call) (*http.Response, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var content io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, content)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.header)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	var sent atomic.Bool
	resp, err := c.http.Do(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})))
	if err != nil {
		err = c.noAnswer(err)
		if sent.Load() {
			err = &lostAnswer{err}
		}
		return nil, err
	}
	return resp, nil
}

// noAnswer says that there is no answer, or not all of it. A caller that gave up is not told that the node failed to answer.
func (c *Client) noAnswer(err error) error {
	if errors.Is(err, context.Canceled) {
		return &noAnswerError{"interrupted before " + c.base + " answered", []error{err}}
	}
	return &noAnswerError{fmt.Sprintf("%v at %s: %s", ErrUnreachable, c.base, address.Reason(unwrapURL(err))), []error{ErrUnreachable, err}}
}

// unwrapURL takes the request out of an error, which says the same again.
func unwrapURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// read reads an answer with a status that is wanted, or the problem that came in its place.
func (c *Client) read(resp *http.Response, answer any, want ...int) ([]byte, error) {
	const most = 256 << 20
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, &lostAnswer{c.noAnswer(err)}
	}
	if !slices.Contains(want, resp.StatusCode) {
		e := &RefusedError{}
		if json.Unmarshal(text, &e.Problem) != nil || e.Title == "" {
			err := fmt.Errorf("%w: what answers at %s is not a node: %s", ErrUnreachable, c.base, resp.Status)
			if resp.StatusCode >= http.StatusInternalServerError { // of a proxy
				err = &lostAnswer{err}
			}
			return nil, err
		}
		e.Status = resp.StatusCode
		return nil, e
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			return nil, fmt.Errorf("%w: what answers at %s is not a node: %w", ErrUnreachable, c.base, err)
		}
	}
	return text, nil
}
