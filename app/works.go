package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/command"
)

// works returns the programs that the file names as works, noting every mistake in them. Directories are
// relative to that of the file, which is the default.
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

// size reads a number of bytes, as in "256KB", noting a mistake in it; "" is 0.
func (f *configFile) size(key, text string) int {
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
	f.check(key, err)
	if err != nil {
		return 0
	}
	return n * unit
}

// registerCommands registers the programs of the configuration as works. A program that the code has as a
// work of that name, too, is a mistake that the node tells.
func registerCommands(node *xconsumer.Node, s settings, keeper *command.Keeper) {
	for _, spec := range s.works {
		node.Handle(spec.Name, func(ctx context.Context, w *xconsumer.Worker) error {
			return keeper.Run(ctx, spec, jobOf(s.cluster, node.Name(), w))
		})
	}
}

// withPrograms is a node that says of its programs what they are, where it would show its own goroutines that wait for them.
type withPrograms struct {
	xconsumer.Admin
	programs *command.Keeper
}

// Stack returns what a worker of this node does.
func (n withPrograms) Stack(slot cluster.Slot) (string, error) {
	text, err := n.Admin.Stack(slot)
	if program := n.programs.Describe(slot); err == nil && program != "" {
		return program, nil
	}
	return text, err
}

// jobOf is one execution for a worker. A program learns of other parameters with its next execution.
func jobOf(name, node string, w *xconsumer.Worker) command.Job {
	params := map[string]any{}
	_ = w.Params(&params) // an object, or the task would not have been taken
	text, _ := cluster.NewParams(params)
	if text == "" {
		text = "{}"
	}
	vars := []string{
		"XCONSUMER_CLUSTER=" + name,
		"XCONSUMER_NODE=" + node,
		"XCONSUMER_TASK=" + w.Task(),
		"XCONSUMER_INDEX=" + strconv.Itoa(w.Index()),
		"XCONSUMER_RUN=" + w.Run(),
		"XCONSUMER_TOKEN=" + strconv.FormatInt(w.Token(), 10),
		"XCONSUMER_PARAMS=" + string(text),
	}
	if count := w.Count(); count != 0 { // else there is nothing to divide by
		vars = append(vars, "XCONSUMER_COUNT="+strconv.Itoa(count))
	}
	slot := cluster.Slot{Task: w.Task(), Index: w.Index()}
	if w.Run() != "" {
		slot.Task = cluster.RunTask(w.Task(), w.Run())
	}
	return command.Job{
		Slot: slot, Title: fmt.Sprintf("%s#%d", w.Task(), w.Index()), Vars: vars,
		Out: w.Stdout(), Err: w.Stderr(), StopBy: w.StopBy, Unleashed: w.Continues,
	}
}
