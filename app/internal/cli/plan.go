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
		Use: "plan", Short: "Show what a change would move, without making it", Args: noCommand,
		Long: `Show what a change would move, without making it. Each part of the change is a flag, and all of them are planned together.
To preview a single command, add --dry-run to it: xconsumer scale test01 8 --dry-run.`,
		Example: `  xconsumer plan --scale test01=8 --drain n2
  xconsumer plan --lose n1            # what if this node dies?
  xconsumer plan -f app.toml --prune`,
	}
	f, o := env.server(c), env.tables(c)
	read := planFlags(c)
	file := c.Flags().StringP("file", "f", "", "app.toml whose tasks were declared")
	prune := c.Flags().Bool("prune", false, "with --file: delete all other tasks")
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
			return withHint(c.Context(), client, err)
		}
		return o.WriteAnswer(env.Out, raw, func(b *bytes.Buffer) { render.Plan(b, &p, env.width()) }, render.MovedWorkers(&p))
	}
	return c
}

// noCommand refuses arguments of plan. If they are a command, the error shows how to plan it.
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

// planFlags adds a flag for each kind of operation that can be planned together with others. They apply in the order of the
// flags here.
func planFlags(c *cobra.Command) (read func() (cluster.Operations, error)) {
	scale := c.Flags().StringSlice("scale", nil, "TASK=N: scale the task to N workers")
	var reads []func() (cluster.Operations, error)
	for _, f := range []struct {
		name, what string
		op         func(string) cluster.Operation
	}{
		{"pause", "task to pause", cluster.Pause},
		{"resume", "task to resume", cluster.Resume},
		{"delete", "task to delete", cluster.Delete},
		{"uncordon", "node to uncordon", cluster.Uncordon},
		{"cordon", "node to cordon", cluster.Cordon},
		{"drain", "node to drain", func(node string) cluster.Operation { return cluster.Drain(node, 0) }},
		{"lose", "node to lose, as if it died", cluster.Lose},
	} {
		names := c.Flags().StringSlice(f.name, nil, f.what)
		reads = append(reads, func() (ops cluster.Operations, err error) {
			for _, name := range *names {
				ops = append(ops, f.op(name))
			}
			return ops, nil
		})
	}
	labels := c.Flags().StringSlice("label", nil, "NODE:KEY=VALUE: label of the node to change, as in xconsumer label")
	reads = append(reads, func() (cluster.Operations, error) { return labelOperations(*labels) })
	return func() (ops cluster.Operations, err error) {
		ops, err = scaleOperations(*scale)
		if err != nil {
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
		if !ok || err != nil || workers < 0 || workers > cluster.MaxWorkers {
			return nil, fmt.Errorf("%w: --scale: invalid value %q (want TASK=N, N from 0 to %d)", config.ErrUsage, text, cluster.MaxWorkers)
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
			return nil, fmt.Errorf("%w: --label: invalid value %q (want NODE:KEY=VALUE, NODE:KEY- or NODE:KEY~)", config.ErrUsage, text)
		}
		ops = append(ops, cluster.Label(node, labels))
	}
	return ops, nil
}
