//go:build linux

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// smallDisk returns a directory on a disk of its own with so many megabytes. It needs the right to mount; CI requires
// that.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a small disk cannot be mounted: %v", err)
		}
		t.Skipf("a small disk cannot be mounted; CI requires this test: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// lastLine returns what the program said last, and fails if there is a stack in what it said.
func (p *program) lastLine(t *testing.T) string {
	t.Helper()
	if text := p.Log.String(); strings.Contains(text, "goroutine ") || strings.Contains(text, "panic") {
		t.Errorf("a stack:\n%s", text)
	}
	lines := strings.Split(strings.TrimSpace(p.Log.String()), "\n")
	return lines[len(lines)-1]
}

// A data directory on a disk that is full is reported in one line, exit 73.
func TestDevOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(smallDisk(t, 4), "data")
	d := launch(t, "", "dev", "--nodes", "1", "--http", "127.0.0.1:0", "--data", dir)
	want := regexp.MustCompile(`^xconsumer: data directory cannot be used: ` + dir + `: not enough room on its disk \(\d+ bytes free\); make room there, or use another directory$`)
	if code := d.Exit(); code != 73 || !want.MatchString(d.lastLine(t)) {
		t.Errorf("exit %d: %s", code, d.lastLine(t))
	}
	full := smallDisk(t, 1)
	fill(t, full)
	d = launch(t, "", "dev", "--nodes", "1", "--http", "127.0.0.1:0", "--data", filepath.Join(full, "data"))
	if code := d.Exit(); code != 73 || !strings.Contains(d.lastLine(t), "not enough room on its disk (0 bytes free)") {
		t.Errorf("not a byte free: exit %d: %s", code, d.lastLine(t))
	}
}

// So is a disk that fills while the cluster runs: the cluster ends, and says why.
func TestDevWhileDiskFills(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 200)
	data := filepath.Join(dir, "data")
	d := launch(t, "", "dev", "--nodes", "1", "--http", "127.0.0.1:0", "--data", data)
	endpoint := d.Find(`run --join (http://\S+)`)
	fill(t, dir)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	value := strings.Repeat("x", 256<<10)
	for i, end := 0, time.Now().Add(limit); time.Now().Before(end) && !d.Ended(); i++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = client.Put(ctx, fmt.Sprintf("/fill/%d", i), value) // until it fails
		cancel()
	}
	want := regexp.MustCompile(`^xconsumer: the embedded etcd has failed: data directory cannot be used: ` + data + `: not enough room on its disk \(\d+ bytes free\); make room there, or use another directory$`)
	if code := d.Exit(); code != 73 || !want.MatchString(d.lastLine(t)) {
		t.Errorf("exit %d: %s", code, d.lastLine(t))
	}
}

// fill fills a disk, to the last byte.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size > 0; size /= 2 {
		for block := bytes.Repeat([]byte("x"), size); err == nil; {
			_, err = f.Write(block)
		}
		err = nil
	}
}
