//go:build unix

package process_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/process"
)

// asTest makes the test binary run as a test that starts a process and ends without cleaning up.
const asTest = "PROCESS_TEST_ENDS"

func TestMain(m *testing.M) {
	if os.Getenv(asTest) == "" {
		os.Exit(m.Run())
	}
	child, err := process.Begin(exec.Command("sleep", "1000"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(child.PID())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has looked
	go panic("the test ends")
	select {}
}

// A process that has ended is not waited for because one that it has started keeps its output open.
func TestOutputThatStaysOpen(t *testing.T) {
	t.Parallel()
	child, err := process.Begin(exec.Command("sh", "-c", "sleep 1000 & echo $!"))
	if err != nil {
		t.Fatal(err)
	}
	code, err := child.Wait(process.StartLimit)
	if err != nil || code != 0 {
		t.Errorf("code %d, %v", code, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(child.Log.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the one that it has started: %v", err)
	}
}

// A test that panics beside its own goroutine runs no cleanup, and leaves no process behind all the same.
func TestProcessesEndWithTheTest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a process to its parent")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asTest+"=1")
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	test := &process.Log{}
	cmd.Stdout = test
	child, err := process.Begin(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(child.Kill)
	pid := 0
	await(t, "it has started a process", func() bool {
		pid, err = strconv.Atoi(strings.TrimSpace(test.String()))
		return err == nil
	})
	for range 20 { // threads come and go meanwhile
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the process is not there before the test ends: %v", err)
	}
	_ = end.Close()
	if code, err := child.Wait(time.Minute); err != nil || code == 0 {
		t.Fatalf("the test ended with code %d, %v", code, err)
	}
	await(t, "its process has ended", func() bool { return gone(pid) })
}

// gone reports whether a process has ended, perhaps unnoticed by its new parent.
func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return errors.Is(err, os.ErrNotExist) || strings.Contains(string(text), ") Z ")
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// No two tests get the same address, although nobody listens there yet; one that has ended gives its own back.
func TestAddressesAreHeld(t *testing.T) {
	seen := map[string]bool{}
	for _, addr := range append(process.FreeAddrs(t, 300), process.FreeAddrs(t, 300)...) {
		if seen[addr] {
			t.Errorf("%s is handed out twice", addr)
		}
		seen[addr] = true
	}
	var addr string
	t.Run("of a test that ends", func(t *testing.T) {
		addr = process.FreeAddrs(t, 1)[0]
		if held, err := net.ListenPacket("udp", addr); err == nil {
			_ = held.Close()
			t.Errorf("%s can be had by others", addr)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	})
	for try := 0; ; try++ { // another process of tests may have it for a moment
		held, err := net.ListenPacket("udp", addr)
		if err == nil {
			_ = held.Close()
			return
		}
		if try == 100 {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A command that cannot be started is an error, and nothing to be killed.
func TestCannotBegin(t *testing.T) {
	if child, err := process.Begin(exec.Command("/nowhere")); err == nil || child != nil {
		t.Errorf("%v, %v", child, err)
	}
}
