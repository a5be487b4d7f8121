package cli

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func eventsCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "events", Short: "Show the recent events of the cluster", Args: args(),
		Example: `  xconsumer events --follow
  xconsumer events --since 10m --kind worker-failed`,
	}
	f, o := env.server(c), env.tables(c, "table", "json", "yaml")
	var filter client.EventFilter
	var from string
	c.Flags().StringVar((*string)(&filter.Kind), "kind", "", "kind of the events")
	c.Flags().StringVar(&filter.Task, "task", "", "task of the events, or the task of their worker or run")
	c.Flags().StringVar(&filter.Node, "node", "", "node of the events")
	c.Flags().StringVar(&from, "since", "", "earliest time, or how long ago: 15:04:05, \"2006-01-02 15:04:05\" or 10m")
	lastFlag(c, &filter.Limit, "events")
	var follow bool
	goesOn(c, &follow, "follow", "go on with new events")
	_ = c.RegisterFlagCompletionFunc("kind", completeOneOf(cluster.EventKinds()))
	_ = c.RegisterFlagCompletionFunc("task", env.completeTasks)
	_ = c.RegisterFlagCompletionFunc("node", env.completeNodes)
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		if from != "" {
			filter.Since, _, err = render.ParseTime(from, time.Now())
			if err != nil {
				return fmt.Errorf("%w: --since: %w", config.ErrUsage, err)
			}
		}
		list, raw, id, err := api.Events(c.Context(), filter)
		if err != nil {
			return withHint(c.Context(), api, err)
		}
		if !follow {
			return o.WriteAnswer(env.Out, raw, func(b *bytes.Buffer) { render.Events(b, list, env.width()) }, nil)
		}
		for i := range list {
			if err := o.WriteEvent(env.Out, &list[i]); err != nil {
				return err
			}
		}
		lost := func(err error) {
			fmt.Fprintln(env.Err, "xconsumer: cut off, trying again:", terminal.Printable(err.Error()))
		}
		return withHint(
			c.Context(),
			api,
			api.FollowEvents(c.Context(), filter, id, lost, func(e *cluster.Event) error { return o.WriteEvent(env.Out, e) }),
		)
	}
	return c
}

// lastFlag adds the flag that limits a list to its last items.
func lastFlag(c *cobra.Command, limit *int, what string) {
	c.Flags().IntVarP(limit, "limit", "n", 0, "maximum number of "+what+", the last ones (default: all that are kept)")
	notNegative(c, "limit", limit)
}

func decisionsCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "decisions", Short: "Show the recent decisions of leaders with their reasons, and the operations of people", Args: args(),
		Example: `  xconsumer decisions --task test01
  xconsumer decisions -n 10`,
	}
	q := env.query(c)
	task := c.Flags().String("task", "", "task of the decisions")
	node := c.Flags().String("node", "", "node of the decisions")
	from := c.Flags().Int64("since", 0, "number of the first decision to show")
	notNegative(c, "since", from)
	var limit int
	lastFlag(c, &limit, "decisions")
	_ = c.RegisterFlagCompletionFunc("task", env.completeTasks)
	_ = c.RegisterFlagCompletionFunc("node", env.completeNodes)
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{}
		if *task != "" {
			query.Set("task", *task)
		}
		if *node != "" {
			query.Set("node", *node)
		}
		if *from > 0 {
			query.Set("since", strconv.FormatInt(*from, 10))
		}
		if limit > 0 {
			query.Set("limit", strconv.Itoa(limit))
		}
		return queryOne(c.Context(), q, "/api/v1/decisions", query,
			func(d *cluster.Decisions, b *bytes.Buffer) { render.Decisions(b, d, env.width()) },
			func(d *cluster.Decisions) (names []string) {
				for _, one := range d.Decisions {
					names = append(names, strconv.FormatInt(one.Number, 10))
				}
				return names
			})
	}
	return c
}

func explainCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain TASK#INDEX",
		Short: "Explain why a worker is where it is, why not elsewhere, and how it got there",
		Example: `  xconsumer explain test01#0
  xconsumer explain nightly#0 --run 1f`,
		Args:              args("TASK#INDEX"),
		ValidArgsFunction: env.completeWorkers,
	}
	q := env.query(c)
	run := c.Flags().String("run", "", "run of the worker (default: the one under way)")
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := workerPath(args[0])
		if err != nil {
			return err
		}
		query := url.Values{}
		if *run != "" {
			query.Set("run", *run)
		}
		return queryOne(
			c.Context(),
			q,
			path+"/explain",
			query,
			func(e *cluster.Explanation, b *bytes.Buffer) { render.Explanation(b, args[0], e, env.width()) },
			func(e *cluster.Explanation) []string { return []string{e.Worker.Node} },
		)
	}
	return c
}

func reportCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Write all records of the cluster, for a bug report",
		Args:  args(),
		Long: `Write all records of the cluster, for a bug report: the simulator can continue from it. It contains the params of tasks:
read it before you share it.`,
		Example: "  xconsumer report --to report.json",
	}
	f, o := env.server(c), outputFlag(c, "json", "yaml")
	file := c.Flags().String("to", "", "file to write it to (default: the terminal)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		raw, err := api.Get(c.Context(), "/api/v1/report", nil, nil)
		if err != nil {
			return withHint(c.Context(), api, err)
		}
		var b bytes.Buffer
		if err := o.WriteAnswer(&b, raw, nil, nil); err != nil {
			return err
		}
		if *file == "" {
			_, err = b.WriteTo(env.Out)
			return err
		}
		return os.WriteFile(*file, b.Bytes(), 0o600)
	}
	return c
}

func stackCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "stack TASK#INDEX",
		Short:             "Show what a stuck worker is doing: its goroutines, or the processes of its program",
		Example:           "  xconsumer stack test01#0",
		Args:              args("TASK#INDEX"),
		ValidArgsFunction: env.completeWorkers,
	}
	f, o := env.server(c), outputFlag(c, "table", "json", "yaml")
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := workerPath(args[0])
		if err != nil {
			return err
		}
		api, err := f.client()
		if err != nil {
			return err
		}
		raw, err := api.Get(c.Context(), path+"/stack", nil, nil)
		if err != nil {
			return withHint(c.Context(), api, err)
		}
		return o.Print(env.Out, map[string]string{"worker": args[0], "stack": string(raw)}, string(raw))
	}
	return c
}
