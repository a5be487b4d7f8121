//go:build unix

package supervise

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// blockedLog is a log without a reader.
type blockedLog struct {
	slog.Handler
	reached chan<- string
	free    <-chan struct{}
}

func (b blockedLog) Enabled(context.Context, slog.Level) bool { return true }

func (b blockedLog) Handle(_ context.Context, r slog.Record) error {
	b.reached <- r.Message
	<-b.free
	return nil
}

// A child whose lease has lapsed is killed first. The kill is logged afterwards.
func TestAHungChildIsKilledBeforeThatIsLogged(t *testing.T) {
	if !clocksCompare {
		if os.Getenv("CI") != "" {
			t.Fatal("CI runs where a hung child is noticed")
		}
		t.Skip("a hung child is not noticed here; CI requires this test")
	}
	reached, free := make(chan string, 10), make(chan struct{})
	p := &parent{blind: true, Config: Config{
		Args: []string{os.Args[0]}, Env: os.Environ(), Clock: coord.LeaseClock(), Out: os.Stdout, Err: os.Stderr,
		Log: slog.New(blockedLog{slog.DiscardHandler, reached, free}),
	}}
	died := make(chan Death, 1)
	go func() {
		d, err := p.live(t.Context())
		if err != nil {
			t.Error(err)
		}
		died <- d
	}()
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Fatal("nothing is logged")
	}
	p.mu.Lock()
	pid := p.pid
	p.mu.Unlock()
	for end := time.Now().Add(30 * time.Second); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error("the child is not killed while the log blocks")
			_ = syscall.Kill(pid, syscall.SIGKILL)
			break
		}
	}
	close(free)
	if d := <-died; d.Cause != "hung: its lease lapsed without news" {
		t.Errorf("death %+v", d)
	}
}
