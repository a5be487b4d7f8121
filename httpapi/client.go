package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	var p Problem
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return nil, fmt.Errorf("%w: %s answered %s", ErrRefused, c.base+path, resp.Status)
	}
	return nil, fmt.Errorf("%w: %s", ErrRefused, strings.Join(append([]string{p.Title + ": " + p.Detail}, p.Reasons...), "; "))
}
