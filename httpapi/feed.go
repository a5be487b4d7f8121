package httpapi

import (
	"bytes"
	"compress/gzip"
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

	"gitee.com/ken.yang/xconsumer/cluster"
)

// How the feed behaves.
const (
	feedLinger  = 60 * time.Second       // how long it goes on after the last question
	feedPause   = 20 * time.Millisecond  // between two changes; the first one is told at once
	feedReuse   = 100 * time.Millisecond // how old an encoded state may be to be sent again
	maxFrames   = 4096
	maxFrameSum = 16 << 20 // bytes
	maxEvents   = 1000
)

// feed keeps the cluster as the node sees it, encoded once for everybody who asks, and what has changed since,
// for those who follow. While nobody asks it rests.
type feed struct {
	node     Node
	instance string // tells the numbers of one process from those of another

	mu      sync.Mutex
	now     *moment // nil before the first
	encoded *moment // the last one that was encoded
	fresh   bool    // now is kept up to date
	err     error   // why it is not
	seen    int64   // the number of what was seen last
	asked   time.Time
	follow  int                          // followers
	changed chan struct{}                // closed and replaced when any of it changes
	wake    chan struct{}                // asks a resting feed to begin
	last    int64                        // number of the last frame
	frames  []frame                      // the last ones, in a row
	sum     int                          // their bytes
	own     []numbered                   // the last events of this node, in a row
	others  []numbered                   // those of others, apart, so that they do not drive out the node's own
	members map[string]cluster.EventKind // NodeJoined or NodeLeft, whichever was told of a member last
	health  string
}

// moment is the cluster at a frame.
type moment struct {
	seq   int64
	sight cluster.Sight

	once       sync.Once
	at         time.Time // when it was encoded
	plain, zip []byte
	err        error
}

// frame is something that has happened, as followers get it.
type frame struct {
	seq  int64
	text []byte
}

func newFeed(node Node) *feed {
	return &feed{node: node, instance: strings.ToLower(rand.Text()[:8]), changed: make(chan struct{}), wake: make(chan struct{}, 1), members: map[string]cluster.EventKind{}}
}

// run keeps the feed until ctx ends.
func (f *feed) run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() {
		for e := range f.node.Events(ctx) {
			f.event(e)
		}
	})
	parts.Go(func() { f.watchHealth(ctx) })
	defer parts.Wait()
	for ctx.Err() == nil {
		if !f.wanted() {
			f.rest()
			select {
			case <-ctx.Done():
			case <-f.wake:
			}
			continue
		}
		f.step(ctx)
	}
	f.rest()
}

// step waits for the next change and takes it in.
func (f *feed) step(ctx context.Context) {
	f.mu.Lock()
	seen := int64(0)
	if f.fresh {
		seen = f.seen
	}
	f.mu.Unlock()
	watching, cancel := context.WithTimeout(ctx, feedLinger/2)
	defer cancel()
	sight, err := f.node.Watch(watching, seen)
	pause := feedPause
	switch {
	case err == nil:
		began := time.Now()
		f.put(sight)
		pause = max(pause, time.Since(began)) // half of a processor at most
	case watching.Err() != nil && seen != 0:
		return // nothing has changed
	default:
		f.fail(err)
		pause = 200 * time.Millisecond
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

func (f *feed) wanted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.follow > 0 || time.Since(f.asked) < feedLinger
}

// rest notes that nothing is kept up to date.
func (f *feed) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh, f.err = false, nil
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh, f.err = false, err
	f.tell()
}

// tell wakes those who wait. The lock is held.
func (f *feed) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// put takes in the cluster as it is now.
func (f *feed) put(sight cluster.Sight) {
	f.mu.Lock()
	before, fresh := f.now, f.fresh
	f.mu.Unlock()
	var update Update
	var events []cluster.Event
	switch state := &sight.State; {
	case before == nil:
		events = found(state, f.node.Name(), time.Now())
	case fresh:
		update, events = Diff(&before.sight.State, state), derive(&before.sight.State, state, f.node.Name(), time.Now())
		events = events[:min(len(events), maxEvents)] // more are not kept, and would drive out the frame of the change itself
	default:
		update, events = Diff(&before.sight.State, state), caughtUp(&before.sight.State, state, f.node.Name(), time.Now())
	}
	var text []byte
	if !update.empty() {
		text, _ = json.Marshal(&update) // values of its own types only
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = sight.N
	switch {
	case before == nil || text != nil:
		f.push("change", text)
		f.now = &moment{seq: f.last, sight: sight}
	case !reflect.DeepEqual(before.sight.Tasks, sight.Tasks), !maps.Equal(before.sight.Marks, sight.Marks): // no parts of the state
		f.now = &moment{seq: before.seq, sight: sight}
	}
	for _, e := range events {
		f.note(e)
	}
	f.forget(&sight.State)
	f.fresh, f.err = true, nil
	f.tell()
}

// push adds a frame. The lock is held.
func (f *feed) push(kind string, data []byte) {
	f.last++
	fr := frame{f.last, fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", kind, f.tag(f.last), data)}
	if data == nil {
		fr.text = nil // the first moment: there is nothing that it differs from
	}
	f.frames, f.sum = append(f.frames, fr), f.sum+len(fr.text)
	if len(f.frames) <= maxFrames && f.sum <= maxFrameSum {
		return
	}
	drop := 0 // half of them: with each one that is added the others would be copied otherwise
	for ; len(f.frames)-drop > 1 && (len(f.frames)-drop > maxFrames/2 || f.sum > maxFrameSum/2); drop++ {
		f.sum -= len(f.frames[drop].text)
	}
	f.frames = slices.Clone(f.frames[drop:])
}

// event tells an event of this node.
func (f *feed) event(e cluster.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(e)
	f.tell()
}

// watchHealth tells followers when the node is not at work.
func (f *feed) watchHealth(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		f.mu.Lock()
		followed := f.follow > 0
		f.mu.Unlock()
		if !followed {
			continue
		}
		text, _ := json.Marshal(healthOf(f.node)) // values of its own types only
		f.mu.Lock()
		if string(text) != f.health {
			f.health = string(text)
			f.push("health", text)
			f.tell()
		}
		f.mu.Unlock()
	}
}

// ask notes that somebody wants to know.
func (f *feed) ask() {
	f.mu.Lock()
	f.asked = time.Now()
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// current returns the cluster as it is, waiting for the first knowledge.
func (f *feed) current(ctx context.Context) (*moment, error) {
	f.ask()
	for {
		f.mu.Lock()
		now, fresh, err, changed := f.now, f.fresh, f.err, f.changed
		f.mu.Unlock()
		switch {
		case fresh:
			return now, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// next returns the cluster once it is not any more as it was at a moment.
func (f *feed) next(ctx context.Context, seen *moment) (*moment, error) {
	for {
		f.ask()
		f.mu.Lock()
		now, fresh, changed := f.now, f.fresh, f.changed
		f.mu.Unlock()
		if fresh && now != seen {
			return now, nil
		}
		again := time.NewTimer(feedLinger / 4)
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

// reach waits until the cluster is seen as it was with a number, and lets nobody have an earlier state after it.
func (f *feed) reach(ctx context.Context, number int64) error {
	for {
		f.ask()
		f.mu.Lock()
		there, changed := f.fresh && f.seen >= number, f.changed
		if there {
			f.encoded = nil
		}
		f.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// state returns the encoded state: the last one that was encoded, if that was just now.
func (f *feed) state(ctx context.Context) (*moment, error) {
	m, err := f.current(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	if last := f.encoded; last != nil && last != m && last.seq <= m.seq && time.Since(last.at) < feedReuse {
		m = last
	}
	f.mu.Unlock()
	m.once.Do(m.encode)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.encoded == nil || f.encoded.seq <= m.seq {
		f.encoded = m
	}
	return m, m.err
}

func (m *moment) encode() {
	m.at = time.Now()
	if m.plain, m.err = json.Marshal(&m.sight.State); m.err != nil {
		return
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(m.plain)
	}
	if err == nil {
		err = z.Close()
	}
	m.zip, m.err = b.Bytes(), err
}

// tag names a frame among those of all processes.
func (f *feed) tag(seq int64) string { return f.instance + "-" + strconv.FormatInt(seq, 10) }

// parse returns the number of a frame of this process, false for another's.
func (f *feed) parse(tag string) (seq int64, ok bool) {
	instance, number, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, err == nil && instance == f.instance
}

// after returns the frames that came after one, and false if some of them are not kept any more.
func (f *feed) after(seq int64) (list []frame, changed <-chan struct{}, complete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq > f.last {
		return nil, f.changed, false
	}
	first := f.last + 1
	if len(f.frames) > 0 {
		first = f.frames[0].seq
	}
	if seq+1 < first {
		return nil, f.changed, false
	}
	return f.frames[seq+1-first:], f.changed, true
}

func (f *feed) count(more int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follow += more
	f.asked = time.Now()
}
