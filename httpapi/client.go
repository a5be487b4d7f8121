package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Errors of the client; compare with errors.Is.
var (
	// ErrUnreachable: no node answers at the address.
	ErrUnreachable = errors.New("no node answers")
	// ErrRefused: a node answered with an error.
	ErrRefused = errors.New("the node refused")
)

// Client asks a node.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the node at a URL such as "http://127.0.0.1:8800".
func NewClient(server string) (*Client, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q: want a URL such as http://127.0.0.1:8800", server)
	}
	return &Client{base: strings.TrimSuffix(u.String(), "/"), http: &http.Client{Timeout: 10 * time.Second}}, nil
}

// State returns the cluster as the node sees it, and the answer as it came.
func (c *Client) State(ctx context.Context) (state cluster.State, raw []byte, err error) {
	raw, err = c.get(ctx, "/api/v1/state")
	if err != nil {
		return state, nil, err
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return state, nil, fmt.Errorf("%w: %s does not answer like a node: %w", ErrUnreachable, c.base, err)
	}
	return state, raw, nil
}

// LogQuery is what is asked of a worker's log.
type LogQuery struct {
	Lines  int  // the last ones
	Follow bool // and what comes then, until the context ends
}

// Log reads a worker's log and gives its lines one by one to a function, whose error ends it.
func (c *Client) Log(ctx context.Context, slot cluster.Slot, q LogQuery, each func(cluster.LogLine) error) error {
	task, run := cluster.SplitRun(slot.Task)
	query := url.Values{"lines": {strconv.Itoa(q.Lines)}, "follow": {strconv.FormatBool(q.Follow)}}
	if run != "" {
		query.Set("run", run)
	}
	target := c.base + "/api/v1/workers/" + url.PathEscape(task) + "/" + strconv.Itoa(slot.Index) + "/log?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	patient := *c.http
	patient.Timeout = 0 // it may go on for ever
	resp, err := patient.Do(req)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return c.refused(target, resp.Status, body)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var line cluster.LogLine
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// Do posts a wish and returns it in the node's words.
func (c *Client) Do(ctx context.Context, path string, body any) (accepted string, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
	}
	var a Accepted
	if resp.StatusCode != http.StatusAccepted || json.Unmarshal(answer, &a) != nil {
		return "", c.refused(path, resp.Status, answer)
	}
	return a.Accepted, nil
}

// refused is the error of an answer that is none of what was asked for.
func (c *Client) refused(path, status string, body []byte) error {
	var p Problem
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return fmt.Errorf("%w: %s answered %s", ErrRefused, path, status)
	}
	return fmt.Errorf("%w: %s", ErrRefused, words(&p))
}

func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 256 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
	}
	if resp.StatusCode == http.StatusOK {
		return body, nil
	}
	return nil, c.refused(c.base+path, resp.Status, body)
}
