package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func eventsCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "events", Short: "Shows what has happened, as the node that is asked knows it", Args: args(),
		Example: `  xconsumer events --follow
  xconsumer events --since 10m --kind failed`,
	}
	f, o := env.server(c), env.tables(c, "table", "json", "yaml")
	var filter client.EventFilter
	var from string
	c.Flags().StringVar((*string)(&filter.Kind), "kind", "", "of this kind")
	c.Flags().StringVar(&filter.Task, "task", "", "about this task, or one of its workers or runs")
	c.Flags().StringVar(&filter.Node, "node", "", "about this node")
	c.Flags().StringVar(&from, "since", "", "from this time on, or from so long ago: as 15:04:05, \"2006-01-02 15:04:05\" or 10m")
	var follow bool
	goesOn(c, &follow, "follow", "goes on with what happens")
	_ = c.RegisterFlagCompletionFunc("kind", completeOneOf(cluster.EventKinds()))
	_ = c.RegisterFlagCompletionFunc("task", env.completeTasks)
	_ = c.RegisterFlagCompletionFunc("node", env.completeNodes)
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		if from != "" {
			if filter.Since, _, err = parseTime("since", from, time.Now()); err != nil {
				return err
			}
		}
		list, raw, id, err := api.Events(c.Context(), filter)
		if err != nil {
			return withHint(err)
		}
		if !follow {
			return o.print(env.Out, raw, func(b *bytes.Buffer) { showEvents(b, list, env.width()) }, nil)
		}
		for i := range list {
			if err := o.event(env.Out, &list[i]); err != nil {
				return err
			}
		}
		lost := func(err error) {
			fmt.Fprintln(env.Err, "xconsumer: cut off, trying again:", terminal.Printable(err.Error()))
		}
		return withHint(api.FollowEvents(c.Context(), filter, id, lost, func(e *cluster.Event) error { return o.event(env.Out, e) }))
	}
	return c
}

// event writes one event, on a line of its own.
func (o *output) event(out io.Writer, e *cluster.Event) error {
	if o.format == "table" {
		slot := ""
		if e.Slot != nil {
			slot = e.Slot.String()
		}
		_, err := fmt.Fprintln(
			out,
			terminal.Printable(
				strings.TrimRight(fmt.Sprintf("%s %-12s %-12s %-12s %s", clockMilli(e.Time), e.Kind, dash(e.Node), dash(slot), oneLine(e.Detail)), " "),
			),
		)
		return err
	}
	return o.item(out, e)
}

func showEvents(b *bytes.Buffer, list []cluster.Event, width int) {
	t := table{{"AT", "EVENT", "NODE", "WORKER", "DETAIL"}}
	for i := range list {
		e := &list[i]
		slot := ""
		if e.Slot != nil {
			slot = e.Slot.String()
		}
		t.add(clockMilli(e.Time), e.Kind, e.Node, slot, oneLine(e.Detail))
	}
	t.write(b, width)
}

func decisionsCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "decisions", Short: "Shows what leaders decided lately, and why, and what people asked for", Args: args(),
		Example: `  xconsumer decisions --task test01
  xconsumer decisions --node n1 -o json`,
	}
	q := env.query(c)
	task := c.Flags().String("task", "", "about this task")
	node := c.Flags().String("node", "", "about this node")
	from := c.Flags().Int64("since", 0, "from this decision on")
	notNegative(c, "since", from)
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
		return queryOne(c.Context(), q, "/api/v1/decisions", query, func(d *cluster.Decisions, b *bytes.Buffer) { showDecisions(b, d, env.width()) },
			func(d *cluster.Decisions) (names []string) {
				for _, one := range d.Decisions {
					names = append(names, strconv.FormatInt(one.N, 10))
				}
				return names
			})
	}
	return c
}

// showDecisions writes decisions and what people asked for, by time.
func showDecisions(b *bytes.Buffer, d *cluster.Decisions, width int) {
	t := table{{"AT", "N", "WHO", "WHAT", "SLOTS", "NODE", "WHY"}}
	audit := d.Audit
	for _, one := range d.Decisions {
		for len(audit) > 0 && audit[0].At.Before(one.At) {
			audit = addAudit(&t, audit)
		}
		for _, m := range one.Moves {
			slots, to := "", m.Node
			if m.Task != "" {
				if slots = m.Task; len(m.Slots) > 0 {
					slots += "#" + m.Slots.String()
				}
			}
			if m.To != "" {
				to += " → " + m.To
			}
			t.add(clock(one.At), one.N, fmt.Sprintf("%s, term %d", one.Leader, one.Term), m.Step, slots, to, m.Why)
		}
		if len(one.Moves) == 0 && one.Omitted == 0 { // its number would be missed
			t.add(
				clock(one.At),
				one.N,
				fmt.Sprintf("%s, term %d", one.Leader, one.Term),
				"no step",
				"",
				"",
				"records were put in order, no worker was touched",
			)
		}
		if one.Omitted > 0 {
			t.add(clock(one.At), one.N, "", fmt.Sprintf("and %d more", one.Omitted), "", "", "")
		}
	}
	for len(audit) > 0 {
		audit = addAudit(&t, audit)
	}
	t.write(b, width)
}

func addAudit(t *table, audit []cluster.AuditLine) []cluster.AuditLine {
	who := audit[0].By
	if audit[0].From != "" {
		who += " at " + audit[0].From
	}
	t.add(clock(audit[0].At), "", who, "asked for", audit[0].What, "", "")
	return audit[1:]
}

func explainCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "explain TASK#INDEX",
		Short:             "Says why a worker is where it is, why not elsewhere, and how it came there",
		Args:              args("TASK#INDEX"),
		ValidArgsFunction: env.completeWorkers,
	}
	q := env.query(c)
	run := c.Flags().String("run", "", "of this run")
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
			func(e *cluster.Explanation, b *bytes.Buffer) { showExplanation(b, args[0], e, env.width()) },
			func(e *cluster.Explanation) []string { return []string{e.Worker.Node} },
		)
	}
	return c
}

func showExplanation(b *bytes.Buffer, name string, e *cluster.Explanation, width int) {
	at := "has no node"
	if e.Worker.Node != "" {
		at = fmt.Sprintf("is on %s, %s", e.Worker.Node, e.Worker.State)
	}
	if e.Worker.Run != "" { // which was not named, if it is the one under way
		name = e.Worker.Slot().String()
	}
	fmt.Fprintf(b, "%s %s\n  %s\n\n", name, at, e.Here)
	t := table{{"NODE", "COULD", "LOAD", "OF THE TASK", "WHY NOT THERE"}}
	for _, n := range e.Nodes {
		could := "no"
		switch {
		case n.Here:
			could = "is there"
		case n.Fits:
			could = "yes"
		}
		t.add(n.Node, could, n.Load, n.Of, n.Why)
	}
	t.write(b, width)
	if len(e.History) == 0 {
		return
	}
	b.WriteString("\nhow it came there\n")
	h := table{{"  AT", "DECISION", "STEP", "NODE", "TO", "TOKEN", "WHY"}}
	for _, d := range e.History {
		for _, m := range d.Moves {
			h.add("  "+clock(d.At), d.N, m.Step, m.Node, m.To, m.Token, m.Why)
		}
	}
	h.write(b, width)
}

func reportCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Writes all records of the cluster, for a bug report",
		Args:  args(),
		Long:  "Writes all records of the cluster, for a bug report: the simulator can run on from it. It holds the params of tasks: look through it before you send it to anybody.",
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
			return withHint(err)
		}
		var b bytes.Buffer
		if err := o.print(&b, raw, nil, nil); err != nil {
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
		Short:             "Shows what the goroutines of a worker, or the processes of a program, are doing, for one that does not stop",
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
			return withHint(err)
		}
		return o.Print(env.Out, map[string]string{"worker": args[0], "stack": string(raw)}, string(raw))
	}
	return c
}
