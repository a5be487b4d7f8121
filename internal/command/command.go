// Package command runs works that are programs, in any language.
//
// # The model
//
//	node ──(orders: deadline, signal, kill)──▶ shim ──▶ the program, and all that it starts
//	 ▲                                          │
//	 └────(reports: pid, how it ended)──────────┘
//
// Every execution has a shim of its own: a second process of this program, which only enforces a deadline. The shim has
// the time until which the node's lease lets anything run, on a clock that all processes of the machine share. If that
// time comes without news, it kills the program and all processes that the program has started, even if the node's process
// is stopped, hangs or has died. It adopts the processes that the program leaves behind, so that none gets lost by a
// change of session or a double fork. It reports an end only when it no longer has children: then nothing of the execution
// runs.
//
// The node in turn does not rely on the shim: if the shim does not answer, or has been killed, the node cleans up before
// the execution counts as ended. A process that clears its environment and leaves its session escapes if its shim is
// killed. A control group, if this process may make one, catches that process too.
//
// Only Linux has the necessary system calls; see [Supported].
package command

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Spec is a work that is a program, as the node's own file describes it.
type Spec struct {
	Name string            // of the work
	Argv []string          // the program and its arguments; no shell reads it
	Dir  string            // the directory that it is started in
	Env  map[string]string // in addition to the variables of every program
	User string            // the user that it runs as; "" for that of the node
}

// Validate returns every mistake that can be seen without starting the program, joined.
func (s Spec) Validate() error {
	var errs []error
	if err := cluster.ValidateName(s.Name); err != nil {
		errs = append(errs, fmt.Errorf("name: %w", err))
	}
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		errs = append(errs, errors.New(`command: name the program and its arguments, as in ["python3", "resize.py"]`))
	}
	for _, text := range s.Argv {
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			errs = append(errs, fmt.Errorf("command: %q is not an argument (want UTF-8 without NUL)", text))
		}
	}
	for name, value := range s.Env {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0):
			errs = append(errs, fmt.Errorf("env: %q is not a variable (want a name without = and NUL)", name))
		case strings.HasPrefix(name, Prefix):
			errs = append(errs, fmt.Errorf("env: %s: names with %s are xconsumer's own", name, Prefix))
		}
	}
	if !Supported {
		errs = append(errs, errors.New("command: programs can be run as works on Linux only"))
	}
	if s.User != "" {
		if _, err := s.credential(); err != nil {
			errs = append(errs, fmt.Errorf("user: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Prefix begins the names of variables that are xconsumer's own.
const Prefix = "XCONSUMER_"

// inherited are the variables that programs get from the node, in addition to LC_*. Others may contain secrets.
var inherited = []string{"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environ returns the environment that a program is started with, and its PATH.
func (s Spec) environ(vars []string, id *identity) (env []string, path string) {
	all := map[string]string{"PATH": defaultPath}
	for _, entry := range os.Environ() {
		if name, value, ok := strings.Cut(entry, "="); ok && (slices.Contains(inherited, name) || strings.HasPrefix(name, "LC_")) {
			all[name] = value
		}
	}
	if id != nil {
		all["HOME"], all["USER"], all["LOGNAME"] = id.home, id.name, id.name
	}
	maps.Copy(all, s.Env)
	for _, entry := range vars {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = value
	}
	for name, value := range all {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env, all["PATH"]
}

// identity is a user that a program runs as.
type identity struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups"`

	name, home string
}

// credential looks up the spec's user. It returns nil for the user of the node.
func (s Spec) credential() (*identity, error) {
	if s.User == "" {
		return nil, nil
	}
	u, err := user.Lookup(s.User)
	if err != nil {
		u, err = user.LookupId(s.User)
		if err != nil {
			return nil, fmt.Errorf("there is no user %q on this machine", s.User)
		}
	}
	id := &identity{name: u.Username, home: u.HomeDir}
	groups, err := u.GroupIds()
	if err != nil {
		groups = nil // its own group remains
	}
	numbers := make([]uint32, 0, len(groups)+2)
	for _, text := range append([]string{u.Uid, u.Gid}, groups...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %q has an ID that is not a number: %q", s.User, text)
		}
		numbers = append(numbers, uint32(n))
	}
	id.UID, id.GID, id.Groups = numbers[0], numbers[1], numbers[2:]
	if me := os.Geteuid(); me != 0 && uint32(me) != id.UID {
		return nil, fmt.Errorf("only a node that runs as root can run programs as %q", s.User)
	}
	return id, nil
}

// Startable returns why the program could not be started on this machine now: its directory or its file does not exist.
// That may change until it is started. Startable does not check whether its user may read or execute them.
func (s Spec) Startable() error {
	info, err := os.Stat(s.Dir)
	switch {
	case s.Dir == "":
	case err != nil:
		return fmt.Errorf("dir: %w", err)
	case !info.IsDir():
		return fmt.Errorf("dir: %s is not a directory", s.Dir)
	}
	id, err := s.credential()
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	_, path := s.environ(nil, id)
	file, err := find(s.Argv[0], s.Dir, path)
	if err == nil {
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Dir, file)
		}
		info, err = os.Stat(file)
	}
	switch {
	case err != nil:
		return fmt.Errorf("command: %w", err)
	case info.IsDir():
		return fmt.Errorf("command: %s is a directory", file)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("command: %s is not executable: chmod +x %[1]s", file)
	}
	return nil
}

// find returns the file to execute. A name with a slash is taken as it is, relative to dir.
func find(name, dir, path string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%q: not found in PATH", name)
}
