package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/cluster"
)

const defaultServer = "http://127.0.0.1:8800"

func statusCommand(streams Streams) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "status",
		Short: "Shows the cluster, as any of its nodes sees it",
		Args:  noArgs,
	}
	server := serverFlag(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if output != "table" && output != "json" {
			return fmt.Errorf("%w: --output: %q is neither table nor json", errUsage, output)
		}
		client, err := clientOf(*server, streams.Env)
		if err != nil {
			return err
		}
		state, raw, err := client.State(c.Context())
		if err != nil {
			return advise(err)
		}
		if output == "json" {
			var b bytes.Buffer
			if err := json.Indent(&b, raw, "", "  "); err != nil {
				return err
			}
			_, err = b.WriteTo(streams.Out)
			return err
		}
		return printState(streams.Out, state)
	}
	return c
}

// maxListed bounds the workers that are listed because they are not simply running.
const maxListed = 20

// tally counts the workers that run and those that should; of runs those that are not over.
func tally(s cluster.State) (running, wanted int) {
	for _, t := range s.Tasks {
		if running += t.Running; !t.Runs {
			wanted += t.WorkerNum
		}
	}
	for _, r := range s.Runs {
		if r.State == cluster.RunGoesOn {
			wanted += r.WorkerNum - r.Done - r.Failed
		}
	}
	return running, wanted
}

// printState writes the cluster as tables.
func printState(out io.Writer, s cluster.State) error {
	var b bytes.Buffer
	running, wanted := tally(s)
	leader := s.Leader
	if leader == "" {
		leader = "none"
	}
	fmt.Fprintf(&b, "cluster %s   leader %s   term %d   %d of %d workers running\n\n", s.Cluster, leader, s.Term, running, wanted)
	nodes := [][]string{{"NODE", "STATE", "SLOTS", "ADDRESS", "PID"}}
	for _, list := range [][]cluster.NodeInfo{s.Nodes, s.Lost} {
		for _, n := range list {
			name := n.Name
			if n.Leader {
				name += " (leader)"
			}
			nodes = append(nodes, []string{name, nodeState(n), fmt.Sprint(n.Slots), dash(n.Address), dash(pid(n.PID))})
		}
	}
	writeTable(&b, nodes)
	b.WriteByte('\n')
	writeTable(&b, tasksOf(s.Tasks))
	listRuns(&b, s.Runs)
	listOthers(&b, s)
	for _, e := range s.Errors {
		fmt.Fprintf(&b, "\nunusable record %s: %s\n", e.Path, e.Error)
	}
	_, err := io.WriteString(out, printable(b.String()))
	return err
}

// tasksOf lists the tasks; when they run next, if any of them has runs.
func tasksOf(tasks []cluster.TaskInfo) [][]string {
	rows := [][]string{{"TASK", "WORK", "WORKERS", "RUNNING", "UNPLACED"}}
	for _, t := range tasks {
		rows = append(rows, []string{t.Name, t.WorkName, fmt.Sprint(t.WorkerNum), fmt.Sprint(t.Running), unplaced(t)})
	}
	if !slices.ContainsFunc(tasks, func(t cluster.TaskInfo) bool { return t.Runs }) {
		return rows
	}
	rows[0] = slices.Insert(rows[0], 4, "NEXT RUN")
	for i, t := range tasks {
		next := ""
		switch {
		case !t.NextRun.IsZero():
			next = t.NextRun.Local().Format("2006-01-02 15:04:05 MST")
		case t.Runs && t.Paused:
			next = "paused"
		case t.Runs:
			next = "by hand"
		}
		rows[i+1] = slices.Insert(rows[i+1], 4, dash(next))
	}
	return rows
}

// nodeState tells what a node is doing, and what an operator wants of it.
func nodeState(n cluster.NodeInfo) string {
	switch {
	case n.Drain != nil && n.Drain.Left == 0:
		return string(n.State) + ", drained"
	case n.Drain != nil:
		return fmt.Sprintf("%s, draining: %d of %d left", n.State, n.Drain.Left, n.Drain.From)
	case n.Quarantine != "":
		return string(n.State) + ", quarantined: " + firstLine(n.Quarantine)
	case n.Cordoned:
		return string(n.State) + ", cordoned"
	}
	return string(n.State)
}

func unplaced(t cluster.TaskInfo) string {
	switch {
	case t.Unplaced == 0 && t.Running == t.WorkerNum, t.Reason == "":
		return fmt.Sprint(t.Unplaced)
	}
	return fmt.Sprintf("%d: %s", t.Unplaced, t.Reason)
}

// listRuns lists the runs that are under way.
func listRuns(b *bytes.Buffer, runs []cluster.RunInfo) {
	if len(runs) == 0 {
		return
	}
	rows := [][]string{{"RUN", "STATE", "DONE", "FAILED", "OF", "LAST ERROR"}}
	for i, r := range runs {
		if i == maxListed {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(runs)-maxListed)})
			break
		}
		rows = append(rows, []string{cluster.RunTask(r.Task, r.ID), string(r.State), fmt.Sprint(r.Done), fmt.Sprint(r.Failed), fmt.Sprint(r.WorkerNum), firstLine(r.Error)})
	}
	b.WriteByte('\n')
	writeTable(b, rows)
}

// listOthers lists the workers that do not simply run.
func listOthers(b *bytes.Buffer, s cluster.State) {
	var others []cluster.WorkerInfo
	for _, w := range s.Workers {
		suspected := w.State == cluster.WorkerHeld || w.State == cluster.WorkerGivenUp
		if w.State == cluster.WorkerDone {
			continue
		}
		if suspected || w.Node != "" && (w.State != cluster.WorkerRunning || w.Restarts > 0) {
			others = append(others, w)
		}
	}
	if len(others) == 0 {
		return
	}
	rows := [][]string{{"WORKER", "NODE", "STATE", "RESTARTS", "LAST ERROR"}}
	for i, o := range others {
		if i == maxListed {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(others)-maxListed)})
			break
		}
		rows = append(rows, []string{o.Slot().String(), dash(o.Node), string(o.State), fmt.Sprint(o.Restarts), firstLine(o.Error)})
	}
	b.WriteByte('\n')
	writeTable(b, rows)
}

// writeTable writes rows as columns.
func writeTable(b *bytes.Buffer, rows [][]string) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // to a buffer
	}
	_ = w.Flush() // to a buffer
}

func firstLine(text string) string {
	const most = 60
	for i, r := range text {
		if r == '\n' || i > most {
			return text[:i] + "…"
		}
	}
	return text
}

func pid(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
