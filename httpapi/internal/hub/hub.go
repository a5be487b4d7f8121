// Package hub has the cluster as a node sees it, for everybody who asks the node over HTTP.
//
// # The model
//
//	the node's snapshots ─▶ Hub ─┬─▶ Current, Next, State: the cluster as it is, encoded once
//	the node's events    ─▶      ├─▶ After: messages in a row, one for each change and each event
//	                             └─▶ Events: what has happened, as far as it is kept
//
// A Hub never has the node watch the cluster of its own accord: it asks for that when it is asked itself.
package hub

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/events"
)

// How the hub behaves.
const (
	hubPause        = 20 * time.Millisecond // between two changes; the first one is told at once
	hubRetry        = 200 * time.Millisecond
	maxMessages     = 4096
	maxMessageBytes = 16 << 20
	maxEvents       = 1000
	// maxUnwatched bounds the events of a time in which nobody looked, so that they do not drive out what was seen as it happened.
	maxUnwatched = maxEvents / 4
)

// Hub has the cluster as the node sees it, encoded once for everybody who asks, and what has changed since,
// for those who follow. It takes snapshots for as long as the node watches the cluster: whoever reads asks the node to.
type Hub struct {
	node     Node
	healthOf func() any
	instance string // tells the numbers of one process from those of another

	mu          sync.Mutex
	now         *Snapshot // nil before the first
	lastEncoded *Snapshot
	floor       int64                        // the number that somebody was told is reached: nobody gets an earlier state
	err         error                        // why the last look failed, nil once another one goes on
	seen        int64                        // the number of what was seen last
	follow      int                          // followers
	changed     chan struct{}                // closed and replaced when any of it changes
	last        int64                        // number of the last message
	messages    []Message                    // the last ones, in a row
	sum         int                          // their bytes
	own         []numbered                   // the last events of this node, in a row
	others      []numbered                   // those of others, apart, so that they do not drive out the node's own
	members     map[string]cluster.EventKind // NodeJoined or NodeLeft, whichever was told of a member last
	health      string
}

// Snapshot is the cluster as the node saw it, and its place in the stream.
type Snapshot struct {
	cluster.Snapshot
	Seq     int64 // the number of the last message that it includes
	encoded encoded
}

// JSON returns the state as JSON. It may be called of what State has returned.
func (s *Snapshot) JSON() []byte { return s.encoded.plain }

// Zipped returns the same, zipped. It may be called of what State has returned.
func (s *Snapshot) Zipped() []byte { return s.encoded.zip }

// Message is something that has happened, as followers get it.
type Message struct {
	Seq  int64
	Text []byte
}

// Node is what a hub needs of a node; httpapi.Node says what its methods do.
type Node interface {
	Name() string
	KeepFresh() (since int64)
	Watch(ctx context.Context, seen int64) (cluster.Snapshot, error)
	Events(ctx context.Context) <-chan cluster.Event
}

// New returns the hub of a node. Followers get what health returns, as JSON, whenever that is something else.
func New(node Node, health func() any) *Hub {
	return &Hub{
		node: node, healthOf: health, instance: strings.ToLower(rand.Text()[:8]),
		changed: make(chan struct{}), members: map[string]cluster.EventKind{},
	}
}

// Run takes in what the node sees and emits until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() {
		for e := range h.node.Events(ctx) {
			h.event(e)
		}
	})
	parts.Go(func() { h.watchHealth(ctx) })
	defer parts.Wait()
	for seen := int64(0); ctx.Err() == nil; {
		h.retry()
		snap, err := h.node.Watch(ctx, seen)
		pause := hubPause
		switch {
		case err == nil:
			began := time.Now()
			h.put(snap)
			seen = snap.Number
			pause = max(pause, time.Since(began)) // half of a processor at most
		case ctx.Err() == nil:
			h.fail(err)
			pause = hubRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// retry forgets why the last look at the cluster failed: another one begins, and whoever asks waits for what comes of it.
func (h *Hub) retry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = nil
}

// fail takes in why a look at the cluster has failed.
func (h *Hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.wake()
}

// wake wakes those who wait. The lock is held.
func (h *Hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// put takes in the cluster as it is now.
func (h *Hub) put(snap cluster.Snapshot) {
	h.mu.Lock()
	before, missedNothing := h.now, h.seen >= snap.WatchedSince
	h.mu.Unlock()
	now := time.Now()
	var update client.Update
	var happened []cluster.Event
	switch {
	case before == nil:
		happened = events.Found(&snap.State, h.node.Name(), maxEvents)
	case missedNothing:
		update, happened = Diff(&before.State, &snap.State), events.Others(&before.State, &snap.State, h.node.Name())
		happened = happened[:min(len(happened), maxEvents)] // more are not kept, and would drive out the message of the change itself
	default:
		update, happened = Diff(&before.State, &snap.State), events.CaughtUp(&before.State, &snap.State, h.node.Name(), maxUnwatched)
	}
	var text []byte
	if !isEmpty(&update) {
		text, _ = json.Marshal(&update) // values of its own types only
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen, h.err = snap.Number, nil
	switch {
	case before == nil || text != nil:
		h.push("change", text)
		h.now = &Snapshot{Snapshot: snap, Seq: h.last}
	case before.NextDecision != snap.NextDecision, !reflect.DeepEqual(before.Tasks, snap.Tasks), !maps.Equal(before.Marks, snap.Marks):
		// These are not in the state. A decision alone is a change, too: a run may have begun and ended between two snapshots.
		h.now = &Snapshot{Snapshot: snap, Seq: before.Seq}
	}
	for _, e := range happened {
		e.Time = now
		h.keep(e)
	}
	h.forget(&snap.State)
	h.wake()
}

// push adds a message. The lock is held.
func (h *Hub) push(kind string, data []byte) {
	h.last++
	m := Message{h.last, fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", kind, h.Tag(h.last), data)}
	if data == nil {
		m.Text = nil // the first snapshot: there is nothing that it differs from
	}
	h.messages, h.sum = append(h.messages, m), h.sum+len(m.Text)
	if len(h.messages) <= maxMessages && h.sum <= maxMessageBytes {
		return
	}
	drop := 0 // half of them: with each one that is added the others would be copied otherwise
	for ; len(h.messages)-drop > 1 && (len(h.messages)-drop > maxMessages/2 || h.sum > maxMessageBytes/2); drop++ {
		h.sum -= len(h.messages[drop].Text)
	}
	h.messages = slices.Clone(h.messages[drop:])
}

// event passes on an event of this node.
func (h *Hub) event(e cluster.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep(e)
	h.wake()
}

// watchHealth tells followers when the node is not at work.
func (h *Hub) watchHealth(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		h.mu.Lock()
		followed := h.follow > 0
		h.mu.Unlock()
		if !followed {
			continue
		}
		text, _ := json.Marshal(h.healthOf()) // values of its own types only
		h.mu.Lock()
		if string(text) != h.health {
			h.health = string(text)
			h.push("health", text)
			h.wake()
		}
		h.mu.Unlock()
	}
}

// wait asks the node, as often as it must be asked, and returns what f finds: nil until it finds something. The lock is held while
// f runs; since is the number of the first snapshot that is up to date.
func (h *Hub) wait(ctx context.Context, f func(since int64) (*Snapshot, error)) (*Snapshot, error) {
	for {
		since := h.node.KeepFresh()
		h.mu.Lock()
		snap, err := f(since)
		changed := h.changed
		h.mu.Unlock()
		if snap != nil || err != nil {
			return snap, err
		}
		again := time.NewTimer(client.KeepAlive)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, context.Cause(ctx)
		case <-changed:
		case <-again.C:
		}
		again.Stop()
	}
}

// Current returns the cluster as it is, waiting for the first knowledge.
func (h *Hub) Current(ctx context.Context) (*Snapshot, error) {
	return h.wait(ctx, func(since int64) (*Snapshot, error) {
		if h.now != nil && h.seen >= since {
			return h.now, nil
		}
		return nil, h.err
	})
}

// Next returns the cluster once it is no longer as it was in a snapshot.
func (h *Hub) Next(ctx context.Context, seen *Snapshot) (*Snapshot, error) {
	return h.wait(ctx, func(since int64) (*Snapshot, error) {
		if h.now != seen && h.seen >= since {
			return h.now, nil
		}
		return nil, nil
	})
}

// Reach waits until the cluster is seen as it was with a number, and lets nobody have an earlier state after it.
func (h *Hub) Reach(ctx context.Context, number int64) error {
	_, err := h.wait(ctx, func(since int64) (*Snapshot, error) {
		if h.now != nil && h.seen >= max(since, number) {
			h.lastEncoded, h.floor = nil, h.now.Number
			return h.now, nil
		}
		return nil, nil
	})
	return err
}

// State returns the cluster with its state encoded: the last one that was encoded, if that was just now.
func (h *Hub) State(ctx context.Context) (*Snapshot, error) {
	snap, err := h.Current(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	if last := h.lastEncoded; last != nil && last != snap && last.Number >= h.floor && last.Seq <= snap.Seq &&
		time.Since(last.encoded.at) < encodedReuse {
		snap = last
	}
	h.mu.Unlock()
	if err := snap.encoded.make(&snap.State); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if snap.Number >= h.floor && (h.lastEncoded == nil || h.lastEncoded.Seq <= snap.Seq) {
		h.lastEncoded = snap
	}
	return snap, nil
}

// Tag names a message among those of all processes.
func (h *Hub) Tag(seq int64) string { return h.instance + "-" + strconv.FormatInt(seq, 10) }

// Parse returns the number of a message of this process, false for another's.
func (h *Hub) Parse(tag string) (seq int64, ok bool) {
	instance, number, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, err == nil && instance == h.instance
}

// After returns the messages that came after one, and false if some of them are not kept any longer.
func (h *Hub) After(seq int64) (list []Message, changed <-chan struct{}, complete bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq > h.last {
		return nil, h.changed, false
	}
	first := h.last + 1
	if len(h.messages) > 0 {
		first = h.messages[0].Seq
	}
	if seq+1 < first {
		return nil, h.changed, false
	}
	return h.messages[seq+1-first:], h.changed, true
}

// Join counts a follower until leave is called.
func (h *Hub) Join() (leave func()) {
	count := func(more int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.follow += more
	}
	count(1)
	return func() { count(-1) }
}
