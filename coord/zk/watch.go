package zk

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/internal/watchset"
)

// watches turns ZooKeeper's one-shot watches into hints. A read of a watched key sets a watch on the server; only one
// read at a time does. Hints come from the library's callback, which sees every event; its own watch channels are not
// used.
type watches struct{ set watchset.Set[arms] }

// arms are the watches on the server for one watched key.
type arms struct{ data, child arm }

// arm records whether a watch is set on the server. It counts events, so that a read that was overtaken by an event
// does not pass for armed.
type arm struct {
	set    bool
	events int
}

// Watch implements coord.Session.
func (ss *session) Watch(key string, hint func()) (stop func()) { return ss.watches.set.Add(key, hint) }

// fire passes an event on. It runs on the library's receiving goroutine.
func (w *watches) fire(key string, event zk.EventType) {
	w.set.Update(key, func(s *arms) {
		s.data.fired()
		if event != zk.EventNodeDataChanged {
			s.child.fired()
		}
	})
	w.set.Hint(key)
}

// resync hints at every key that is watched. After a reconnect the library asks the server for the changes since a
// zxid, but reads that zxid while the first answer of the new connection writes it. Changes in between may then never
// be reported. The watches themselves are set.
func (w *watches) resync() { w.set.HintAll() }

func (a *arm) fired() { a.set, a.events = false, a.events+1 }

func dataArm(s *arms) *arm  { return &s.data }
func childArm(s *arms) *arm { return &s.child }

// arming begins a read that is to set a watch. The read calls armed when the watch is set on the server. It is nil, and
// the read sets none, if key is not watched or the watch is set already.
func (w *watches) arming(key string, which func(*arms) *arm) (armed func()) {
	w.set.Update(key, func(s *arms) {
		a := which(s)
		if a.set {
			return
		}
		events := a.events
		armed = func() {
			w.set.Update(key, func(*arms) { // for the lock: a may belong to a former watch of the key, and is then useless
				if a.events == events {
					a.set = true
				}
			})
		}
	})
	return armed
}

// get reads a znode, and arms its watch if the key is watched, even if the znode does not exist.
func (w *watches) get(conn *zk.Conn, key, path string) ([]byte, *zk.Stat, error) {
	for {
		armed := w.arming(key, dataArm)
		if armed == nil {
			return conn.Get(path)
		}
		value, stat, _, err := conn.GetW(path)
		switch {
		case err == nil:
			armed()
			return value, stat, nil
		case !errors.Is(err, zk.ErrNoNode):
			return nil, nil, err
		}
		exists, err := armAbsent(conn, armed, path)
		if err != nil {
			return nil, nil, err
		}
		if !exists {
			return nil, nil, zk.ErrNoNode
		}
	}
}

// children lists a znode, and arms its watch if the key is watched.
func (w *watches) children(conn *zk.Conn, key, path string) ([]string, error) {
	for {
		armed := w.arming(key, childArm)
		if armed == nil {
			names, _, err := conn.Children(path)
			if errors.Is(err, zk.ErrNoNode) {
				err = nil
			}
			return names, err
		}
		names, _, _, err := conn.ChildrenW(path)
		switch {
		case err == nil:
			armed()
			return names, nil
		case !errors.Is(err, zk.ErrNoNode):
			return nil, err
		}
		armed = w.arming(key, dataArm)
		if armed == nil {
			return nil, nil
		}
		exists, err := armAbsent(conn, armed, path)
		if err != nil || !exists {
			return nil, err
		}
	}
}

// armAbsent watches for the creation of a znode.
func armAbsent(conn *zk.Conn, armed func(), path string) (exists bool, err error) {
	exists, _, _, err = conn.ExistsW(path)
	if err != nil { // the library returns true with some errors
		return false, err
	}
	armed()
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
