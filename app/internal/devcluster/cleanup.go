package devcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/internal/supervise"
)

// Prefix is the prefix of the names of temporary directories.
const Prefix = "xconsumer-dev-"

// startCleanup starts a process that removes a temporary directory once this process has ended, even if it was killed. The
// returned function removes it at once.
func startCleanup(dir string, log *slog.Logger) (cleanup func()) {
	if !supervise.Supported {
		return func() { _ = os.RemoveAll(dir) }
	}
	p, err := supervise.Spawn([]string{CleanupName, dir}, os.Environ(), nil, nil)
	if err != nil {
		log.Warn("the temporary directory will stay if this process is killed", "directory", dir, "error", err)
		return func() { _ = os.RemoveAll(dir) }
	}
	return func() {
		_ = os.RemoveAll(dir)
		p.Release()
		p.Wait()
	}
}

// CleanupName is the hidden command that runs CleanUp.
const CleanupName = "dev-cleanup"

// CleanUp is the process of startCleanup: it waits until its parent has ended, and removes the directory.
func CleanUp(dir string) error {
	child := supervise.NewChild()
	if child == nil || !strings.HasPrefix(filepath.Base(dir), Prefix) {
		return fmt.Errorf("%w: %s is for xconsumer dev alone", config.ErrUsage, CleanupName)
	}
	child.Orphaned()
	for range 50 { // processes that are ending may still write to it
		if err := os.RemoveAll(dir); err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil
}
