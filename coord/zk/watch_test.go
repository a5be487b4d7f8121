package zk

import (
	"testing"

	"github.com/go-zookeeper/zk"
)

// A read whose watch has fired before the read has ended is not armed: the next one sets the watch again. The same holds for
// a read of a watch that was stopped and asked for again meanwhile.
func TestOvertakenReadIsNotArmed(t *testing.T) {
	var w watches
	const key = "/a"
	armed := func() bool { return w.arming(key, dataArm) == nil }
	if !armed() {
		t.Error("a read of a key that is not watched sets a watch")
	}
	stop := w.set.Add(key, func() {})
	begun := w.arming(key, dataArm)
	w.fire(key, zk.EventNodeDataChanged)
	begun()
	if armed() {
		t.Error("armed by a read that an event has overtaken")
	}
	w.arming(key, dataArm)()
	if !armed() {
		t.Error("not armed by a read")
	}
	w.fire(key, zk.EventNodeDataChanged)
	begun = w.arming(key, dataArm)
	stop()
	w.fire(key, zk.EventNodeDataChanged)
	w.set.Add(key, func() {})
	begun()
	if armed() {
		t.Error("armed by a read for a watch that was stopped")
	}
}

// An event of the value does not concern the children, and their watch stays set.
func TestEventsDisarm(t *testing.T) {
	var w watches
	const key = "/a"
	hints := 0
	w.set.Add(key, func() { hints++ })
	for _, c := range []struct {
		event       zk.EventType
		data, child bool // are set again by the next read
	}{
		{zk.EventNodeDataChanged, true, false},
		{zk.EventNodeChildrenChanged, true, true},
		{zk.EventNodeDeleted, true, true},
	} {
		for _, which := range []func(*arms) *arm{dataArm, childArm} {
			if armed := w.arming(key, which); armed != nil {
				armed()
			}
		}
		hints = 0
		w.fire(key, c.event)
		data, child := w.arming(key, dataArm) != nil, w.arming(key, childArm) != nil
		if hints != 1 || data != c.data || child != c.child {
			t.Errorf("%v: %d hints, data %v, children %v", c.event, hints, data, child)
		}
	}
}
