package httpapi

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

// hub has the cluster as the node sees it, encoded once for everybody who asks, and what has changed since,
// for those who follow. It takes snapshots for as long as the node watches the cluster: whoever reads asks the node to.
type hub struct {
	node     Node
	instance string // tells the numbers of one process from those of another

	mu          sync.Mutex
	now         *snapshot // nil before the first
	lastEncoded *snapshot
	floor       int64                        // the number that somebody was told is reached: nobody gets an earlier state
	err         error                        // why the last look failed, nil once another one goes on
	seen        int64                        // the number of what was seen last
	follow      int                          // followers
	changed     chan struct{}                // closed and replaced when any of it changes
	last        int64                        // number of the last message
	messages    []message                    // the last ones, in a row
	sum         int                          // their bytes
	own         []numbered                   // the last events of this node, in a row
	others      []numbered                   // those of others, apart, so that they do not drive out the node's own
	members     map[string]cluster.EventKind // NodeJoined or NodeLeft, whichever was told of a member last
	health      string
}

// snapshot is the cluster as the node saw it, and its place in the stream.
type snapshot struct {
	cluster.Snapshot
	seq     int64 // the number of the last message that it includes
	encoded encoded
}

// message is something that has happened, as followers get it.
type message struct {
	seq  int64
	text []byte
}

func newHub(node Node) *hub {
	return &hub{node: node, instance: strings.ToLower(rand.Text()[:8]), changed: make(chan struct{}), members: map[string]cluster.EventKind{}}
}

// run takes in what the node sees and emits until ctx ends.
func (h *hub) run(ctx context.Context) {
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
func (h *hub) retry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = nil
}

// fail takes in why a look at the cluster has failed.
func (h *hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.wake()
}

// wake wakes those who wait. The lock is held.
func (h *hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// put takes in the cluster as it is now.
func (h *hub) put(snap cluster.Snapshot) {
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
		h.now = &snapshot{Snapshot: snap, seq: h.last}
	case before.NextDecision != snap.NextDecision, !reflect.DeepEqual(before.Tasks, snap.Tasks), !maps.Equal(before.Marks, snap.Marks):
		// These are no parts of the state. A decision alone is a change, too: a run may have begun and ended between two snapshots.
		h.now = &snapshot{Snapshot: snap, seq: before.seq}
	}
	for _, e := range happened {
		e.Time = now
		h.keep(e)
	}
	h.forget(&snap.State)
	h.wake()
}

// push adds a message. The lock is held.
func (h *hub) push(kind string, data []byte) {
	h.last++
	m := message{h.last, fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", kind, h.tag(h.last), data)}
	if data == nil {
		m.text = nil // the first snapshot: there is nothing that it differs from
	}
	h.messages, h.sum = append(h.messages, m), h.sum+len(m.text)
	if len(h.messages) <= maxMessages && h.sum <= maxMessageBytes {
		return
	}
	drop := 0 // half of them: with each one that is added the others would be copied otherwise
	for ; len(h.messages)-drop > 1 && (len(h.messages)-drop > maxMessages/2 || h.sum > maxMessageBytes/2); drop++ {
		h.sum -= len(h.messages[drop].text)
	}
	h.messages = slices.Clone(h.messages[drop:])
}

// event passes on an event of this node.
func (h *hub) event(e cluster.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep(e)
	h.wake()
}

// watchHealth tells followers when the node is not at work.
func (h *hub) watchHealth(ctx context.Context) {
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
		text, _ := json.Marshal(healthOf(h.node)) // values of its own types only
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
func (h *hub) wait(ctx context.Context, f func(since int64) (*snapshot, error)) (*snapshot, error) {
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

// current returns the cluster as it is, waiting for the first knowledge.
func (h *hub) current(ctx context.Context) (*snapshot, error) {
	return h.wait(ctx, func(since int64) (*snapshot, error) {
		if h.now != nil && h.seen >= since {
			return h.now, nil
		}
		return nil, h.err
	})
}

// next returns the cluster once it is no longer as it was in a snapshot.
func (h *hub) next(ctx context.Context, seen *snapshot) (*snapshot, error) {
	return h.wait(ctx, func(since int64) (*snapshot, error) {
		if h.now != seen && h.seen >= since {
			return h.now, nil
		}
		return nil, nil
	})
}

// reach waits until the cluster is seen as it was with a number, and lets nobody have an earlier state after it.
func (h *hub) reach(ctx context.Context, number int64) error {
	_, err := h.wait(ctx, func(since int64) (*snapshot, error) {
		if h.now != nil && h.seen >= max(since, number) {
			h.lastEncoded, h.floor = nil, h.now.Number
			return h.now, nil
		}
		return nil, nil
	})
	return err
}

// state returns the cluster with its state encoded: the last one that was encoded, if that was just now.
func (h *hub) state(ctx context.Context) (*snapshot, error) {
	snap, err := h.current(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	if last := h.lastEncoded; last != nil && last != snap && last.Number >= h.floor && last.seq <= snap.seq &&
		time.Since(last.encoded.at) < encodedReuse {
		snap = last
	}
	h.mu.Unlock()
	if err := snap.encoded.make(&snap.State); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if snap.Number >= h.floor && (h.lastEncoded == nil || h.lastEncoded.seq <= snap.seq) {
		h.lastEncoded = snap
	}
	return snap, nil
}

// tag names a message among those of all processes.
func (h *hub) tag(seq int64) string { return h.instance + "-" + strconv.FormatInt(seq, 10) }

// parse returns the number of a message of this process, false for another's.
func (h *hub) parse(tag string) (seq int64, ok bool) {
	instance, number, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, err == nil && instance == h.instance
}

// after returns the messages that came after one, and false if some of them are not kept any longer.
func (h *hub) after(seq int64) (list []message, changed <-chan struct{}, complete bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq > h.last {
		return nil, h.changed, false
	}
	first := h.last + 1
	if len(h.messages) > 0 {
		first = h.messages[0].seq
	}
	if seq+1 < first {
		return nil, h.changed, false
	}
	return h.messages[seq+1-first:], h.changed, true
}

// join counts a follower until leave is called.
func (h *hub) join() (leave func()) {
	count := func(more int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.follow += more
	}
	count(1)
	return func() { count(-1) }
}
