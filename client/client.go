// Package client calls the HTTP API of a cluster's nodes, and defines the types of its answers.
//
// # The model
//
//	Client ── Get, State, Plan, Events, Log ──▶ any node: the whole cluster as the node sees it
//	       ── Do ─────────────────────────────▶ any node: a request is accepted, and done once even if it is sent again
//	       ◀─ Follow, FollowEvents ─────────── the state of the cluster, and then every change, without a gap
//
// Every node answers for its whole cluster, so a client may call any of them. The nouns are those of package cluster. An
// error answer of a node is a [RefusedError]. [ErrUnreachable] means that no node answered, and [ErrOutcomeUnknown] that
// a request was sent and may have been done.
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

// KeyHeader is the header with the key of a request. Requests with the same key are done once.
const KeyHeader = "Idempotency-Key"

// Options configure a client.
type Options struct {
	Token string      // "" for none
	TLS   *tls.Config // nil for the system's root certificates
}

// Client calls one node. Its methods may be called from any goroutine.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// answerTimeout bounds how long an answer may take, besides the Wait of a request.
const answerTimeout = 15 * time.Second

// New returns a client of the node at a URL such as "http://127.0.0.1:8800". It does not connect.
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

// validateServer refuses a URL with an address that is not valid.
func validateServer(server string) error {
	_, rest, _ := strings.Cut(server, "://")
	if err := address.RefuseUserinfo(rest); err != nil {
		return fmt.Errorf("%w; nodes take tokens", err)
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	const anyPort = 80 // in place of the scheme's port; only the form is checked
	_, err := address.Parse(rest, anyPort)
	return err
}

// Server returns the URL of the node.
func (c *Client) Server() string { return c.base }

// State returns the cluster as the node sees it, and the unparsed answer.
func (c *Client) State(ctx context.Context) (state cluster.State, raw []byte, err error) {
	raw, err = c.Get(ctx, "/api/v1/state", nil, &state)
	return state, raw, err
}

// Get reads a path of the API into answer, and returns the unparsed answer, too.
func (c *Client) Get(ctx context.Context, path string, query url.Values, answer any) (raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return c.exchange(ctx, call{path: path, query: query}, answer, http.StatusOK)
}

// Health returns the health of the process, or with ready whether the node is a member at work.
func (c *Client) Health(ctx context.Context, ready bool) (health Health, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
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

// Request is a write.
type Request struct {
	Method string // "" for POST
	Path   string
	Body   any           // nil for none
	Match  string        // the revision that the write is based on, "" for any
	Key    string        // the idempotency key; "" for a new random one
	Wait   time.Duration // how long to wait until the write has settled; 0 not to wait
}

// A request whose answer was lost is sent again after a pause, a bounded number of times.
const (
	repeats     = 3
	repeatPause = time.Second
)

// Do sends a write. It returns once the operation is committed; the leader carries it out afterwards. With Wait, Do
// waits until the operation has settled or the time is over; Settled reports which. If an answer is lost, Do sends the
// request again with the same key, so that it is done once. If no answer comes, the error matches ErrOutcomeUnknown.
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

// lostAnswer is the error of a request that was sent and may have been done.
type lostAnswer struct{ error }

func (e *lostAnswer) Unwrap() error { return e.error }

// noAnswerError states for people why there is no answer. It unwraps to its causes.
type noAnswerError struct {
	text string
	errs []error
}

func (e *noAnswerError) Error() string   { return e.text }
func (e *noAnswerError) Unwrap() []error { return e.errs }

// isLost reports whether a request may have been done although its answer is an error.
func isLost(err error) bool {
	_, lost := errors.AsType[*lostAnswer](err)
	return lost || errors.Is(err, ErrOutcomeUnknown)
}

// isAbsent reports whether an error means that no node can answer at this moment.
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

// try sends a request once.
func (c *Client) try(ctx context.Context, r Request) (accepted Accepted, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout+r.Wait)
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

// Plan returns what operations would do, without doing them, and the unparsed answer.
func (c *Client) Plan(ctx context.Context, ops cluster.Operations) (plan cluster.Plan, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	raw, err = c.exchange(ctx, call{method: http.MethodPost, path: "/api/v1/plan", body: struct {
		Operations cluster.Operations `json:"operations,omitempty"`
	}{ops}}, &plan, http.StatusOK)
	return plan, raw, err
}

// LogQuery selects a part of a worker's log.
type LogQuery struct {
	Lines  int    // the number of most recent lines
	Follow bool   // whether to continue with new lines until the context ends
	Node   string // the node whose lines to read, even if the worker has left it; "" for the node that has the worker
}

// Log reads the log of a worker and calls each for every line. An error of each ends it and is returned. The error
// matches ErrNotFound if there is no such log.
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
			Problem{Status: http.StatusNotFound, Title: "no such log", Detail: fmt.Sprintf("%s has no log of %s", q.Node, slot)},
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

// call is one HTTP request.
type call struct {
	method, path string // "" for GET
	query        url.Values
	body         any
	header       http.Header
}

// exchange sends a request and reads its answer, whose status must be one of want.
func (c *Client) exchange(ctx context.Context, r call, answer any, want ...int) ([]byte, error) {
	resp, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return c.read(resp, answer, want...)
}

// ask sends a request. The caller closes the body of the response.
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

// noAnswer returns the error of an answer that did not come, or not as a whole. If the caller canceled the request, the
// error does not blame the node.
func (c *Client) noAnswer(err error) error {
	if errors.Is(err, context.Canceled) {
		return &noAnswerError{"interrupted before " + c.base + " answered", []error{err}}
	}
	reason := address.Reason(unwrapURL(err))
	if errors.Is(err, http.ErrSchemeMismatch) {
		reason = "it does not speak TLS"
	}
	return &noAnswerError{fmt.Sprintf("%v at %s: %s", ErrUnreachable, c.base, reason), []error{ErrUnreachable, err}}
}

// unwrapURL removes the request from an error, because the caller names it.
func unwrapURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// read reads an answer. If its status is none of want, the error is the problem in the answer.
func (c *Client) read(resp *http.Response, answer any, want ...int) ([]byte, error) {
	const most = 256 << 20
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, &lostAnswer{c.noAnswer(err)}
	}
	if !slices.Contains(want, resp.StatusCode) {
		e := &RefusedError{}
		if json.Unmarshal(text, &e.Problem) != nil || e.Title == "" {
			if resp.StatusCode == http.StatusBadRequest && strings.Contains(string(text), "HTTP request to an HTTPS server") { // net/http's
				return nil, &noAnswerError{fmt.Sprintf("%v: the service at %s speaks TLS", ErrUnreachable, c.base), []error{ErrUnreachable, http.ErrSchemeMismatch}}
			}
			err := fmt.Errorf("%w: the service at %s is not a node: %s", ErrUnreachable, c.base, resp.Status)
			if resp.StatusCode >= http.StatusInternalServerError { // from a proxy
				err = &lostAnswer{err}
			}
			return nil, err
		}
		e.Status = resp.StatusCode
		return nil, e
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			return nil, fmt.Errorf("%w: the service at %s is not a node: %w", ErrUnreachable, c.base, err)
		}
	}
	return text, nil
}
