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

// News is what a follower hears of: the state as it is now, what is different in it if it is not all new, and an
// event if that is what it was.
type News struct {
	State  *cluster.State // never nil; the follower's own until the function returns
	Update *Update        // nil after a snapshot, or for an event
	Event  *cluster.Event
	Health *Health
	// Resumed: a node answers again, after Lost was called. The state is the one that was told last.
	Resumed bool
}

// KeepAlive is how long a node leaves a stream without a sign of life at most.
const KeepAlive = 15 * time.Second

// How a follower goes on when it was cut off.
const (
	followAgain = time.Second
	followQuiet = 3 * KeepAlive // without a sign of life
)

// Follow tells a function of everything that happens, beginning with the state as it is, until it returns an
// error or ctx ends. Cut off, it goes on without a gap; Lost is called then, with the reason, if it is set, and the
// function is told the state once more, as Resumed, when a node answers again.
func (c *Client) Follow(ctx context.Context, lost func(error), each func(News) error) error {
	return c.follow(ctx, "", lost, each)
}

// Events returns the events that a node knows of, as they came, too, and the id of the stream that goes on where they
// end.
func (c *Client) Events(ctx context.Context, filter EventFilter) (list []cluster.Event, raw []byte, id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
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

// FollowEvents tells a function of each event after an id of the stream that a filter wants, until the function returns
// an error or ctx ends. Cut off, it calls lost, and goes on without a gap, if the same node answers again before it has
// forgotten what came meanwhile.
func (c *Client) FollowEvents(ctx context.Context, filter EventFilter, id string, lost func(error), each func(*cluster.Event) error) error {
	return c.follow(ctx, id, lost, func(n News) error {
		if n.Event == nil || !filter.Has(n.Event) {
			return nil
		}
		return each(n.Event)
	})
}

// follow goes on after an id of the stream, "" for the state as it is.
func (c *Client) follow(ctx context.Context, last string, lost func(error), each func(News) error) error {
	var state cluster.State
	for {
		err := c.followOnce(ctx, &state, &last, each)
		var own *callerError
		switch refused, ok := errors.AsType[*RefusedError](err); {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // that is how it is ended
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

// callerError is an error of the function that is told.
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

// take takes in one message.
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
