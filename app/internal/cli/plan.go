package cli

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func planCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "plan", Short: "Shows what a change would move, without making it", Args: noCommand,
		Long: `Shows what a change would move, without making it. Each part of the change is a flag, and all of them are taken together.
What a single command would do it shows itself, with --dry-run: xconsumer scale test01 8 --dry-run.`,
		Example: `  xconsumer plan --scale test01=8 --drain n2
  xconsumer plan --lose n1            # what if this node dies?
  xconsumer plan -f app.toml --prune`,
	}
	f, o := env.server(c), env.tables(c)
	read := planFlags(c)
	file := c.Flags().StringP("file", "f", "", "the tasks were declared as in this app.toml")
	prune := c.Flags().Bool("prune", false, "with --file: and no others")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client()
		if err != nil {
			return err
		}
		var ops cluster.Operations
		if *file != "" {
			d, err := env.declared(c, client, *file)
			if err != nil {
				return err
			}
			ops = d.operations(*prune)
		}
		more, err := read()
		if err != nil {
			return err
		}
		ops = append(ops, more...)
		p, raw, err := client.Plan(c.Context(), ops)
		if err != nil {
			return withHint(err)
		}
		return o.WriteAnswer(env.Out, raw, func(b *bytes.Buffer) { render.Plan(b, &p, env.width()) }, render.MovedWorkers(&p))
	}
	return c
}

// noCommand refuses arguments of plan; one that is a command is what was to be planned.
func noCommand(c *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	root := c.Root()
	verb, _, err := root.Find(given)
	switch {
	case err != nil || verb == root:
		return noArgs(c, given)
	case verb.Flags().Lookup("dry-run") != nil:
		return usage(
			c,
			fmt.Sprintf("%s takes only flags, as in --scale TASK=N; to preview a single command, add --dry-run to it: `%s %s --dry-run`",
				c.CommandPath(), root.Name(), strings.Join(given, " ")),
		)
	}
	return usage(c, fmt.Sprintf("%s takes only flags, as in --scale TASK=N; %s cannot be planned", c.CommandPath(), verb.Name()))
}

// planFlags adds a flag for each kind of operation that can be planned with others. They are done in the order of the flags
// here.
func planFlags(c *cobra.Command) (read func() (cluster.Operations, error)) {
	scale := c.Flags().StringSlice("scale", nil, "TASK=N: the task had N workers")
	var reads []func() (cluster.Operations, error)
	for _, f := range []struct {
		name, what string
		op         func(string) cluster.Operation
	}{
		{"pause", "the task was paused", cluster.Pause},
		{"resume", "the task was resumed", cluster.Resume},
		{"delete", "the task was deleted", cluster.Delete},
		{"uncordon", "the node was uncordoned", cluster.Uncordon},
		{"cordon", "the node was cordoned", cluster.Cordon},
		{"drain", "the node was drained", func(node string) cluster.Operation { return cluster.Drain(node, 0) }},
		{"lose", "the node was lost", cluster.Lose},
	} {
		names := c.Flags().StringSlice(f.name, nil, f.what)
		reads = append(reads, func() (ops cluster.Operations, err error) {
			for _, name := range *names {
				ops = append(ops, f.op(name))
			}
			return ops, nil
		})
	}
	labels := c.Flags().StringSlice("label", nil, "NODE:KEY=VALUE: the node had this label; as in xconsumer label")
	reads = append(reads, func() (cluster.Operations, error) { return labelOperations(*labels) })
	return func() (ops cluster.Operations, err error) {
		if ops, err = scaleOperations(*scale); err != nil {
			return nil, err
		}
		for _, read := range reads {
			more, err := read()
			if err != nil {
				return nil, err
			}
			ops = append(ops, more...)
		}
		return ops, nil
	}
}

func scaleOperations(list []string) (ops cluster.Operations, err error) {
	for _, text := range list {
		task, n, ok := strings.Cut(text, "=")
		workers, err := strconv.Atoi(n)
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: --scale: %q: want TASK=N", config.ErrUsage, text)
		}
		ops = append(ops, cluster.Scale(task, workers))
	}
	return ops, nil
}

func labelOperations(list []string) (ops cluster.Operations, err error) {
	for _, text := range list {
		node, change, ok := strings.Cut(text, ":")
		labels, err := labelChanges([]string{change})
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: --label: %q: want NODE:KEY=VALUE, NODE:KEY- or NODE:KEY~", config.ErrUsage, text)
		}
		ops = append(ops, cluster.Label(node, labels))
	}
	return ops, nil
}
