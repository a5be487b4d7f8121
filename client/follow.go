package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// News is one message to a follower: the present state, and what has changed.
type News struct {
	State  *cluster.State // never nil; valid until the function returns
	Update *Update        // the difference to the last state; nil for a snapshot, an event or health
	Event  *cluster.Event // nil for other messages
	Health *Health        // nil for other messages
	// Resumed reports that a node answers again, after lost was called. The state is the last one that was reported.
	Resumed bool
}

// KeepAlive is the longest time between two signs of life that a node sends in a stream.
const KeepAlive = 15 * time.Second

// How a follower reconnects.
const (
	followAgain = time.Second   // the pause before it connects again
	followQuiet = 3 * KeepAlive // without a sign of life for so long, the stream is taken for lost
)

// Follow calls each with the state of the cluster, and then with every change, until each returns an error or ctx ends.
// If the stream is interrupted, Follow calls lost with the reason, unless lost is nil, and continues without a gap. When
// a node answers again, Follow calls each with the last state, as Resumed. It returns nil if ctx ends.
func (c *Client) Follow(ctx context.Context, lost func(error), each func(News) error) error {
	return c.follow(ctx, "", lost, each)
}

// Events returns the events that a node has seen, the unparsed answer, and the id of the stream that continues where
// they end.
func (c *Client) Events(ctx context.Context, filter EventFilter) (list []cluster.Event, raw []byte, id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	resp, err := c.ask(ctx, call{path: "/api/v1/events", query: filter.query()})
	if err != nil {
		return nil, nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer Events
	raw, err = c.read(resp, &answer, http.StatusOK)
	return answer.Events, raw, resp.Header.Get("ETag"), err
}

// FollowEvents calls each with the events after an id of the stream that the filter selects, until each returns an error
// or ctx ends. If the stream is interrupted, FollowEvents calls lost and connects again. It continues without a gap if
// the same node answers while it still keeps the events since.
func (c *Client) FollowEvents(ctx context.Context, filter EventFilter, id string, lost func(error), each func(*cluster.Event) error) error {
	return c.follow(ctx, id, lost, func(n News) error {
		if n.Event == nil || !filter.Has(n.Event) {
			return nil
		}
		return each(n.Event)
	})
}

// follow follows the stream after an id, or from a snapshot of the state for "".
func (c *Client) follow(ctx context.Context, last string, lost func(error), each func(News) error) error {
	var state cluster.State
	for {
		err := c.followOnce(ctx, &state, &last, each)
		var own *callerError
		switch refused, ok := errors.AsType[*RefusedError](err); {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the caller ends it in this way
		case errors.As(err, &own):
			return own.error
		case ok && refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusTooManyRequests:
			return err
		case last == "" && err != nil:
			return err
		}
		if lost != nil {
			lost(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followAgain):
		}
	}
}

// callerError is an error that the caller's function returned.
type callerError struct{ error }

func (c *Client) followOnce(ctx context.Context, state *cluster.State, last *string, each func(News) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header := http.Header{}
	if *last != "" {
		header.Set("Last-Event-ID", *last)
	}
	resp, err := c.ask(ctx, call{path: "/api/v1/stream", header: header})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		_, err = c.read(resp, nil, http.StatusOK)
		return err
	}
	if *last != "" {
		if err := each(News{State: state, Resumed: true}); err != nil {
			return &callerError{err}
		}
	}
	quiet := time.AfterFunc(followQuiet, cancel)
	defer quiet.Stop()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	kind, id, data := "", "", ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w at %s any longer: %w", ErrUnreachable, c.base, err)
		}
		quiet.Reset(followQuiet)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if data == "" {
				continue
			}
			news, err := take(kind, data, state)
			if err != nil {
				return err
			}
			*last = id
			if err := each(news); err != nil {
				return &callerError{err}
			}
			kind, id, data = "", "", ""
		}
	}
}

// take decodes one message and applies it to the state.
func take(kind, data string, state *cluster.State) (news News, err error) {
	news.State = state
	switch kind {
	case "snapshot":
		*state = cluster.State{}
		err = json.Unmarshal([]byte(data), state)
	case "change":
		news.Update = &Update{}
		err = json.Unmarshal([]byte(data), news.Update)
		if err == nil {
			news.Update.Apply(state)
		}
	case "event":
		news.Event = &cluster.Event{}
		err = json.Unmarshal([]byte(data), news.Event)
	case "health":
		news.Health = &Health{}
		err = json.Unmarshal([]byte(data), news.Health)
	}
	return news, err
}
