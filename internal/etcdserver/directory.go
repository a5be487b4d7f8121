package etcdserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"go.etcd.io/etcd/api/v3/version"
)

// ErrDir reports that the data directory cannot be used. The error contains the reason.
var ErrDir = errors.New("data directory cannot be used")

// The files in addition to etcd's own.
const (
	stampName   = "xconsumer.json"
	lockName    = "lock"
	stampFormat = 1
)

// stamp records which version of etcd wrote a directory last, and the URL of that server.
type stamp struct {
	V      int    `json:"v"`
	Etcd   string `json:"etcd"`
	Client string `json:"client,omitempty"`
}

// directory is a data directory that is this process's own until it is closed.
type directory struct {
	path  string
	lock  io.Closer
	stamp stamp
}

// openDir creates the directory if it does not exist, and locks it. It refuses a directory that a newer version or
// another program wrote.
func openDir(path string) (*directory, error) {
	fail := func(err error) error { return DirError(path, err) }
	if path == "" {
		return nil, fail(errors.New("no directory given"))
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fail(err)
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, fail(err)
	}
	d := &directory{path: path, lock: lock}
	if err := d.check(); err != nil {
		_ = lock.Close()
		return nil, fail(err)
	}
	return d, nil
}

// DirError returns in one line why a directory cannot be used. It matches ErrDir.
func DirError(path string, err error) error {
	if full(err) {
		free := ""
		if bytes, ok := freeBytes(path); ok {
			free = fmt.Sprintf(" (%d bytes free)", bytes)
		}
		return fmt.Errorf("%w: %s: not enough room on its disk%s; make room there, or use another directory", ErrDir, path, free)
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", pathError.Op, pathError.Err)
	}
	return fmt.Errorf("%w: %s: %w", ErrDir, path, err)
}

// full reports whether the cause of an error is a full disk, or an exhausted quota. It also checks the text, since some
// errors are passed on only as text.
func full(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}, func(code syscall.Errno) bool {
		return errors.Is(err, code) || strings.Contains(err.Error(), code.Error())
	})
}

// Close releases the directory.
func (d *directory) Close() error { return d.lock.Close() }

func (d *directory) check() error {
	text, err := os.ReadFile(filepath.Join(d.path, stampName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if names, err := d.foreign(); err != nil || len(names) > 0 {
			return errors.Join(
				err,
				fmt.Errorf(
					"it holds %s and no %s, so it is not a data directory of this program: name an empty or new one",
					strings.Join(names, ", "),
					stampName,
				),
			)
		}
	case err != nil:
		return err
	default:
		s := &d.stamp
		if err := json.Unmarshal(text, s); err != nil || s.V < 1 || s.Etcd == "" {
			return fmt.Errorf("%s cannot be read; if the data are not needed, delete the directory", stampName)
		}
		if s.V > stampFormat || newer(s.Etcd, version.Version) {
			return fmt.Errorf(
				"it was written by a newer version (etcd %s, this one has %s): use that version, or another directory",
				s.Etcd,
				version.Version,
			)
		}
	}
	d.stamp.V, d.stamp.Etcd = stampFormat, version.Version
	return d.write()
}

// write writes the stamp.
func (d *directory) write() error {
	text, err := json.Marshal(d.stamp)
	if err != nil {
		return err
	}
	name := filepath.Join(d.path, stampName)
	if err := os.WriteFile(name+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name) // atomic: the file is complete, or as before
}

// foreign lists up to three files of a directory without a stamp, except the lock.
func (d *directory) foreign() (names []string, err error) {
	entries, err := os.ReadDir(d.path)
	for _, e := range entries {
		if e.Name() != lockName && e.Name() != stampName+".new" {
			names = append(names, e.Name())
		}
	}
	return names[:min(len(names), 3)], err
}

// newer compares the first two parts of versions: those of one line read each other's data.
func newer(a, b string) bool {
	x, y := parts(a), parts(b)
	return x[0] > y[0] || x[0] == y[0] && x[1] > y[1]
}

func parts(v string) (n [2]int) {
	for i, part := range strings.SplitN(v, ".", 3) {
		if i < 2 {
			n[i], _ = strconv.Atoi(part) // 0 for a part that is not a number, which is not newer
		}
	}
	return n
}
