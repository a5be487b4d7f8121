package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/link"
)

// unreadPipe is a pipe that is read until it is to be full.
type unreadPipe struct{ reader, writer *os.File }

func newUnreadPipe(t *testing.T) *unreadPipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return &unreadPipe{r, w}
}

// fill ends the reading, and leaves no room.
func (p *unreadPipe) fill(t *testing.T) {
	t.Helper()
	if err := p.reader.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", p.writer.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	for block := make([]byte, 4096); len(block) > 0; {
		_, err := syscall.Write(fd, block)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			block = block[:len(block)/2] // until not even a byte has room
		case err != nil:
			t.Fatal(err)
		}
	}
}

// Nobody reads the standard error of a node, or of its parent. It leads on, grants, and its workers have stopped when its
// lease is over; and its process ends when it is asked to.
func TestNobodyReadsTheLog(t *testing.T) {
	onBoth(t, func(t *testing.T, b backend) {
		for _, supervised := range []bool{false, true} {
			t.Run(fmt.Sprint("supervised ", supervised), func(t *testing.T) { testNobodyReadsTheLog(t, b, supervised) })
		}
	})
}

func testNobodyReadsTheLog(t *testing.T, b backend, supervised bool) {
	server := b.start(t, 1)
	f := newFleet(t, b, server.Hosts(), 4*time.Second)
	wire := link.New(t, server.Addrs()...)
	pipe := newUnreadPipe(t)
	f.supervised, f.Stderr = supervised, pipe.writer
	n1 := f.start("n1", b.flag, wire.Hosts())
	n1.awaitSpread("n1")
	f.Stderr = nil
	n2 := f.start("n2")
	state := n2.awaitSpread("n1", "n2")
	if state.Leader != "n1" {
		t.Fatalf("%s leads", state.Leader)
	}
	member := memberOf(state, "n1")

	t.Log("nobody reads: n1 gives slots back, and leads on")
	pipe.fill(t)
	n3 := f.start("n3")
	state = n2.awaitSpread("n1", "n2", "n3")
	if state.Leader != "n1" {
		t.Errorf("%s leads", state.Leader)
	}

	t.Log("cut off: its workers stop before the service ends the session")
	mark := len(f.journal())
	wire.Cut()
	f.Await("the service ends the session", func() bool {
		_, err := f.session.Get(t.Context(), f.keys.Member(member))
		return errors.Is(err, coord.ErrNotFound)
	})
	expired := f.session.Now()
	stops := f.notes(mark, "stop", "n1")
	if len(stops) == 0 {
		t.Error("no worker of n1 has stopped")
	}
	for _, n := range stops {
		t.Logf("%s stopped %v before the session was seen to have ended", n.Slot, expired-n.At)
		if n.At >= expired {
			t.Errorf("%s stopped %v after the session had ended", n.Slot, n.At-expired)
		}
	}
	n2.awaitBalance("n2", "n3") // none of them overlaps with another: see verify
	n1.leave()
	n2.leave()
	n3.leave()
}
