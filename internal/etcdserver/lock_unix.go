//go:build unix

package etcdserver

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockFile holds an exclusive lock, which ends with the process at the latest.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another process uses it, such as another xconsumer dev; end that, or name another directory with --data")
		}
		return nil, err
	}
	return f, nil
}
