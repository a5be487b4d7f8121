package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/command"
)

// works returns the programs that the file declares as works, and records every mistake in them. Directories are relative to
// that of the file, which is also the default.
func (f *configFile) works() []command.Spec {
	var specs []command.Spec
	seen := map[string]int{}
	for i, w := range f.config.Works {
		key := fmt.Sprintf("work[%d]", i)
		spec := command.Spec{Name: cluster.WorkName(w.Name), Argv: w.Command, Dir: w.Dir, Env: w.Env, User: w.User}
		bad := false
		if !filepath.IsAbs(spec.Dir) {
			base, err := filepath.Abs(filepath.Dir(f.path))
			if err != nil {
				f.fail(placedError{place: f.at(key + ".dir"), key: key + ".dir", text: fmt.Sprintf("dir: %v", err)})
				bad = true
			}
			spec.Dir = filepath.Join(base, spec.Dir)
		}
		bad = f.mistakes(key, spec.Validate()) || bad
		f.twice("work", i, spec.Name, seen)
		if !bad {
			specs = append(specs, spec)
		}
	}
	return specs
}

// size parses a number of bytes, as in "256KB", and records a mistake in it. It returns 0 for "".
func (pr *problems) size(key, text string) int {
	const least, most = 4 << 10, 64 << 20
	if text == "" {
		return 0
	}
	number, unit := strings.TrimSpace(text), 1
	for suffix, bytes := range map[string]int{"KB": 1 << 10, "MB": 1 << 20} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = strings.TrimSpace(rest), bytes
		}
	}
	n, err := strconv.Atoi(number)
	switch {
	case err != nil:
		err = fmt.Errorf("invalid size %q: write it as \"256KB\" or \"1MB\"", text)
	case n < least/unit || n > most/unit:
		err = errors.New("want between 4KB and 64MB")
	}
	pr.check(key, err)
	if err != nil {
		return 0
	}
	return n * unit
}
