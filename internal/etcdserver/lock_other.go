//go:build !unix

package etcdserver

import (
	"io"
	"os"
)

// lockFile only opens the file on this system: the store itself refuses to be opened twice.
func lockFile(path string) (io.Closer, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
