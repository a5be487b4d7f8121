// Package hub holds the state of the cluster as a node sees it, for all callers of the node's API.
//
// # The model
//
//	the node's snapshots ─▶ Hub ─┬─▶ Current, Next, State: the present state of the cluster, encoded once
//	the node's events    ─▶      ├─▶ After: numbered messages, one for each change and each event
//	                             └─▶ Events: the events that are kept
//
// A Hub lets the node watch the cluster only while callers read.
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
	hubPause        = 20 * time.Millisecond // between two changes; the first one is sent at once
	hubRetry        = 200 * time.Millisecond
	maxMessages     = 4096
	maxMessageBytes = 16 << 20
	maxEvents       = 1000
	// maxUnwatched bounds the events that are found after a time without readers, so that they do not replace events that
	// were seen as they happened.
	maxUnwatched = maxEvents / 4
)

// Hub holds the last snapshot of the node, encoded once for all readers, and the messages for followers. It gets snapshots
// for as long as the node watches the cluster, which each read extends. The methods may be called from any goroutine.
type Hub struct {
	node     Node
	healthOf func() any
	instance string // a random id, which distinguishes the message numbers of this process from those of others

	mu          sync.Mutex
	now         *Snapshot // nil before the first
	lastEncoded *Snapshot
	floor       int64                        // the lowest snapshot number that State may still return; see Reach
	err         error                        // why the last read failed, nil while the next one is under way
	seen        int64                        // the number of the last snapshot
	follow      int                          // the number of followers
	changed     chan struct{}                // closed and replaced when any of these fields changes
	last        int64                        // the number of the last message
	messages    []Message                    // the last messages, with consecutive numbers
	sum         int                          // the size of messages, in bytes
	own         []numbered                   // the last events of this node, in order
	others      []numbered                   // the last events of others, apart, so that they do not replace the node's own
	members     map[string]cluster.EventKind // the last event of each member: NodeJoined or NodeLeft
	health      string
}

// Snapshot is a snapshot of the cluster, and its place in the stream.
type Snapshot struct {
	cluster.Snapshot
	Seq     int64 // the number of the last message that it includes
	encoded encoded
}

// JSON returns the state as JSON. It may only be called on a snapshot that State returned.
func (s *Snapshot) JSON() []byte { return s.encoded.plain }

// Zipped returns the same, zipped. It may only be called on a snapshot that State returned.
func (s *Snapshot) Zipped() []byte { return s.encoded.zip }

// Message is one server-sent event, as followers get it.
type Message struct {
	Seq  int64
	Text []byte
}

// Node is the part of httpapi.Node that a hub needs.
type Node interface {
	Name() string
	KeepFresh() (since int64)
	Watch(ctx context.Context, seen int64) (cluster.Snapshot, error)
	Events(ctx context.Context) <-chan cluster.Event
}

// New returns the hub of a node. Followers get the result of health, as JSON, whenever it changes.
func New(node Node, health func() any) *Hub {
	return &Hub{
		node: node, healthOf: health, instance: strings.ToLower(rand.Text()[:8]),
		changed: make(chan struct{}), members: map[string]cluster.EventKind{},
	}
}

// Run receives the snapshots and events of the node until ctx ends. It may be called once.
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
			pause = max(pause, time.Since(began)) // use half of a processor at most
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

// retry clears the error of the last read of the cluster. The next one begins, and callers wait for its result.
func (h *Hub) retry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = nil
}

// fail records why a read of the cluster has failed.
func (h *Hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.wake()
}

// wake wakes all waiting callers. The caller holds the lock.
func (h *Hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// put makes a snapshot the present one, and sends the difference to followers.
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
		happened = happened[:min(len(happened), maxEvents)] // more are not kept, and would replace the message of the change itself
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
		// The state does not contain these. A decision alone is a change, too: a run may have begun and ended between two
		// snapshots.
		h.now = &Snapshot{Snapshot: snap, Seq: before.Seq}
	}
	for _, e := range happened {
		e.Time = now
		h.keep(e)
	}
	h.forget(&snap.State)
	h.wake()
}

// push adds a message. The caller holds the lock.
func (h *Hub) push(kind string, data []byte) {
	h.last++
	m := Message{h.last, fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", kind, h.Tag(h.last), data)}
	if data == nil {
		m.Text = nil // the first snapshot has no difference to send
	}
	h.messages, h.sum = append(h.messages, m), h.sum+len(m.Text)
	if len(h.messages) <= maxMessages && h.sum <= maxMessageBytes {
		return
	}
	drop := 0 // drop half of the messages at once; one by one, each new message would copy all others
	for ; len(h.messages)-drop > 1 && (len(h.messages)-drop > maxMessages/2 || h.sum > maxMessageBytes/2); drop++ {
		h.sum -= len(h.messages[drop].Text)
	}
	h.messages = slices.Clone(h.messages[drop:])
}

// event passes an event of this node to followers.
func (h *Hub) event(e cluster.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep(e)
	h.wake()
}

// watchHealth sends the health of the node to followers whenever it changes.
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

// wait calls f until it returns a snapshot or an error, and again after each change. It also has the node watch the cluster
// meanwhile. f runs with the lock held; since is the number of the first snapshot that is up to date.
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

// Current returns the present snapshot. If there is none that is up to date, it waits for one.
func (h *Hub) Current(ctx context.Context) (*Snapshot, error) {
	return h.wait(ctx, func(since int64) (*Snapshot, error) {
		if h.now != nil && h.seen >= since {
			return h.now, nil
		}
		return nil, h.err
	})
}

// Next waits for a snapshot that differs from seen.
func (h *Hub) Next(ctx context.Context, seen *Snapshot) (*Snapshot, error) {
	return h.wait(ctx, func(since int64) (*Snapshot, error) {
		if h.now != seen && h.seen >= since {
			return h.now, nil
		}
		return nil, nil
	})
}

// Reach waits for a snapshot with a number or a later one. After it returns, State returns no earlier one.
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

// State returns the present snapshot with its state encoded, or the last encoded one if that is at most encodedReuse old.
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

// Tag returns an id of a message that is unique among all processes.
func (h *Hub) Tag(seq int64) string { return h.instance + "-" + strconv.FormatInt(seq, 10) }

// Parse returns the number of a message from its tag, and false for a tag of another process.
func (h *Hub) Parse(tag string) (seq int64, ok bool) {
	instance, number, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, err == nil && instance == h.instance
}

// After returns the messages after a number, and false if some of them are no longer kept. The channel is closed at the next
// change.
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
