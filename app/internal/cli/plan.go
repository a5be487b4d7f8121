package cli

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// maxMoves bounds the moves of a plan that are listed.
const maxMoves = 40

// showPlan writes what operations would do.
func showPlan(b *bytes.Buffer, p *cluster.Plan, width int) {
	restart := ""
	if n := restarting(p); n > 0 {
		restart = fmt.Sprintf(", %d to restart", n)
	}
	fmt.Fprintf(b, "%d to move, %d to start, %d to stop%s; the most loaded node has %s of the mean, now %s\n",
		len(p.Moves), len(p.Starts), len(p.Stops), restart, percent(1+p.After.Skew), percent(1+p.Before.Skew))
	steps := table{{"WORKER", "FROM", "TO", "WHY"}}
	for _, m := range p.Moves {
		steps.add(m.Slot, m.From, m.To, m.Reason)
	}
	for _, m := range p.Starts {
		steps.add(m.Slot, "", m.To, "it has no node yet")
	}
	for _, slot := range p.Stops {
		steps.add(slot, "", "", "no longer needed")
	}
	if more := len(steps) - 1 - maxMoves; more > 0 {
		steps = append(steps[:1+maxMoves], []string{fmt.Sprintf("and %d more", more)})
	}
	if len(steps) > 1 {
		b.WriteByte('\n')
		steps.write(b, width)
	}
	for _, r := range p.Restarts {
		fmt.Fprintf(
			b,
			"\nall workers of task %s restart, since what they are told of their number changes (%s → %s): %d stop, and at most %s later the new ones start\n",
			r.Task,
			countText(r.From),
			countText(r.To),
			r.Workers,
			r.Gap,
		)
	}
	for _, r := range p.NextRuns {
		fmt.Fprintf(b, "\n%s\n", nextRunText(r))
	}
	for _, r := range p.Reverts {
		fmt.Fprintf(b, "\ntask %s: %s\n", r.Task, r.Reason)
	}
	for _, u := range p.Unplaced {
		fmt.Fprintf(b, "\n%d of task %s would have no node: %s\n", u.Slots, u.Task, u.Reason)
	}
}

// nextRunText says what the next run of a task would be.
func nextRunText(r cluster.PlannedRun) string {
	workers := plural.Of(r.Workers, "worker")
	switch {
	case r.Paused:
		return fmt.Sprintf("task %s begins no run as long as it is paused", r.Task)
	case r.First && r.Schedule != "":
		return fmt.Sprintf("task %s is new: its runs begin by its schedule (%s), with %s each", r.Task, r.Schedule, workers)
	case r.First:
		return fmt.Sprintf("task %s is new: its run begins at once, with %s", r.Task, workers)
	}
	return fmt.Sprintf("the next run of task %s has %s; a run that goes on keeps its number", r.Task, workers)
}

// restarting counts the workers that restart, without those that move or stop for good.
func restarting(p *cluster.Plan) (n int) {
	of := map[string]bool{}
	for _, r := range p.Restarts {
		n, of[r.Task] = n+r.Workers, true
	}
	for _, m := range p.Moves {
		if of[m.Slot.Task] {
			n--
		}
	}
	for _, slot := range p.Stops {
		if of[slot.Task] {
			n--
		}
	}
	return max(n, 0)
}

func countText(count int) string {
	if count == 0 {
		return "not told"
	}
	return strconv.Itoa(count)
}

func percent(share float64) string { return strconv.Itoa(int(100*share+0.5)) + " %" }

func movedNames(p *cluster.Plan) (names []string) {
	for _, m := range p.Moves {
		names = append(names, m.Slot.String())
	}
	return names
}

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
		return o.print(env.Out, raw, func(b *bytes.Buffer) { showPlan(b, &p, env.width()) }, movedNames(&p))
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
