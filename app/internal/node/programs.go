package node

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// registerCommands registers the programs of the configuration as works. If the code has a work of the same name, the node
// reports an error.
func registerCommands(node *xconsumer.Node, s config.Settings, keeper *command.Keeper) {
	for _, spec := range s.Works {
		node.Handle(spec.Name, func(ctx context.Context, w *xconsumer.Worker) error {
			return keeper.Run(ctx, spec, jobOf(s.Cluster, node.Name(), w))
		})
	}
}

// withPrograms is a node whose stacks describe the programs of workers instead of the goroutines that wait for them.
type withPrograms struct {
	xconsumer.Admin
	programs *command.Keeper
}

// Stack returns the processes of a worker's program, or the stacks of the worker's goroutines.
func (n withPrograms) Stack(slot cluster.Slot) (string, error) {
	text, err := n.Admin.Stack(slot)
	if program := n.programs.Describe(slot); err == nil && program != "" {
		return program, nil
	}
	return text, err
}

// jobOf returns one execution of a program for a worker. Changed parameters reach a program with its next execution.
func jobOf(name, node string, w *xconsumer.Worker) command.Job {
	params := map[string]any{}
	_ = w.Params(&params) // params are an object, or the task would have been refused
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
	if count := w.Count(); count != 0 { // with resize = "live" there is no count to divide by
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

// Unregistered returns the text that no node has the work of a task, with the known works and a suggestion.
func Unregistered(task, work string, works []string) string {
	text := fmt.Sprintf("task %s: no node has registered work %q", task, work)
	if len(works) > 0 {
		text += "; there are: " + strings.Join(works, ", ")
	}
	if near := spelling.Nearest(work, works); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return text
}
