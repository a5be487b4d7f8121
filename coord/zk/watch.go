package zk

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// watches turns ZooKeeper's one-shot watches into hints. A watch on the server is set by a
// read of a key that somebody watches, and by no more than one read at a time. Hints come from
// the library's callback, which sees every event; its own watch channels are not used.
type watches struct {
	mu    sync.Mutex
	byKey map[string]*watch
	next  int
}

// watch is what is known about one key that is watched.
type watch struct {
	hints       map[int]func()
	data, child arm
}

// arm tells whether a server-side watch is set. It counts events, so that a read which was
// overtaken by one does not pass for armed.
type arm struct {
	set    bool
	events int
}

// Watch implements coord.Session.
func (ss *session) Watch(key string, hint func()) (stop func()) {
	w := &ss.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.next
	w.next++
	entry := w.byKey[key]
	if entry == nil {
		entry = &watch{hints: map[int]func(){}}
		w.byKey[key] = entry
	}
	entry.hints[id] = hint
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(entry.hints, id)
		if len(entry.hints) == 0 && w.byKey[key] == entry {
			delete(w.byKey, key)
		}
	}
}

// fire passes an event on. It runs on the library's receiving goroutine.
func (w *watches) fire(key string, event zk.EventType) {
	w.mu.Lock()
	entry := w.byKey[key]
	if entry == nil {
		w.mu.Unlock()
		return
	}
	entry.data.fired()
	if event != zk.EventNodeDataChanged {
		entry.child.fired()
	}
	hints := make([]func(), 0, len(entry.hints))
	for _, hint := range entry.hints {
		hints = append(hints, hint)
	}
	w.mu.Unlock()
	for _, hint := range hints {
		hint()
	}
}

// resync hints at every key that is watched. After a reconnect the library tells the server from when on it wants
// to hear of changes, but reads that zxid while the first answer of the new connection writes it: what has
// changed in between may then never be told. The watches are set all the same.
func (w *watches) resync() {
	w.mu.Lock()
	var hints []func()
	for _, entry := range w.byKey {
		for _, hint := range entry.hints {
			hints = append(hints, hint)
		}
	}
	w.mu.Unlock()
	for _, hint := range hints {
		hint()
	}
}

func (a *arm) fired() { a.set, a.events = false, a.events+1 }

// arming returns the arm of a read of key: nil if nobody watches or the watch is set.
func (w *watches) arming(key string, which func(*watch) *arm) (a *arm, events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entry := w.byKey[key]
	if entry == nil {
		return nil, 0
	}
	if a = which(entry); a.set {
		return nil, 0
	}
	return a, a.events
}

// armed notes that a read which began after so many events has set the watch.
func (w *watches) armed(a *arm, events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.events == events {
		a.set = true
	}
}

func dataArm(e *watch) *arm  { return &e.data }
func childArm(e *watch) *arm { return &e.child }

// get reads a znode and arms its watch if one is wanted, also where there is no znode.
func (w *watches) get(conn *zk.Conn, key, path string) ([]byte, *zk.Stat, error) {
	for {
		a, events := w.arming(key, dataArm)
		if a == nil {
			return conn.Get(path)
		}
		value, stat, _, err := conn.GetW(path)
		switch {
		case err == nil:
			w.armed(a, events)
			return value, stat, nil
		case !errors.Is(err, zk.ErrNoNode):
			return nil, nil, err
		}
		exists, err := w.armAbsent(conn, a, events, path)
		if err != nil {
			return nil, nil, err
		}
		if !exists {
			return nil, nil, zk.ErrNoNode
		}
	}
}

// children lists a znode and arms its watch if one is wanted.
func (w *watches) children(conn *zk.Conn, key, path string) ([]string, error) {
	for {
		a, events := w.arming(key, childArm)
		if a == nil {
			names, _, err := conn.Children(path)
			if errors.Is(err, zk.ErrNoNode) {
				err = nil
			}
			return names, err
		}
		names, _, _, err := conn.ChildrenW(path)
		switch {
		case err == nil:
			w.armed(a, events)
			return names, nil
		case !errors.Is(err, zk.ErrNoNode):
			return nil, err
		}
		data, events := w.arming(key, dataArm)
		if data == nil {
			return nil, nil
		}
		exists, err := w.armAbsent(conn, data, events, path)
		if err != nil || !exists {
			return nil, err
		}
	}
}

// armAbsent watches for the creation of a znode.
func (w *watches) armAbsent(conn *zk.Conn, a *arm, events int, path string) (exists bool, err error) {
	exists, _, _, err = conn.ExistsW(path)
	if err != nil { // the library returns true with some errors
		return false, err
	}
	w.armed(a, events)
	return exists, nil
}

// entries sorts names and finds the sequence that ZooKeeper added to some.
func entries(names []string) []coord.Entry {
	list := make([]coord.Entry, len(names))
	for i, name := range names {
		list[i].Name = name
		const digits = 10
		if at := len(name) - digits; at > 0 && strings.HasSuffix(name[:at], "_") {
			if n, err := strconv.ParseInt(name[at:], 10, 64); err == nil {
				list[i].Sequence = n + 1 // ZooKeeper's first is 0, which here means none
			}
		}
	}
	slices.SortFunc(list, func(a, b coord.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}
