package etcdserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/version"
)

// stamp says which etcd wrote a directory last.
type stamp struct {
	V    int    `json:"v"`
	Etcd string `json:"etcd"`
}

const stampFormat = 1

// checkStamp refuses a directory that a newer version wrote, or somebody else, and stamps it. It
// is called with the directory locked.
func checkStamp(dir string) error {
	file := filepath.Join(dir, stampName)
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if names, err := foreign(dir); err != nil || len(names) > 0 {
			return errors.Join(err, fmt.Errorf("it holds %s and no %s, so it is no data directory of this program: name an empty or new one", strings.Join(names, ", "), stampName))
		}
	case err != nil:
		return err
	default:
		var s stamp
		if err := json.Unmarshal(text, &s); err != nil || s.V < 1 || s.Etcd == "" {
			return fmt.Errorf("%s cannot be read; if the data are not needed, delete the directory", stampName)
		}
		if s.V > stampFormat || newer(s.Etcd, version.Version) {
			return fmt.Errorf("it was written by a newer version (etcd %s, this one has %s): use that version, or another directory", s.Etcd, version.Version)
		}
	}
	text, err = json.Marshal(stamp{V: stampFormat, Etcd: version.Version})
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

// foreign lists what is in a directory that was never stamped, but for the lock.
func foreign(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != "lock" {
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
			n[i], _ = strconv.Atoi(part) // what is no number is no newer either
		}
	}
	return n
}
