package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// maxListed bounds the number of listed runs, and of listed workers that do not run normally.
const maxListed = 20

// State writes the cluster as tables.
func State(b *bytes.Buffer, s *cluster.State, width int) {
	running, wanted := s.Tally()
	leader := s.Leader
	if leader == "" {
		leader = "none"
	}
	fmt.Fprintf(b, "cluster %s   leader %s   term %d   %d of %s running\n\n", s.Cluster, leader, s.Term, running, plural.Of(wanted, "worker"))
	nodes := Table{{"NODE", "STATE", "SLOTS", "ADDRESS", "PID"}}
	for _, list := range [][]cluster.NodeInfo{s.Nodes, s.Lost} {
		for _, n := range list {
			name := n.Name
			if n.Leader {
				name += " (leader)"
			}
			nodes = append(nodes, []string{name, nodeState(n), fmt.Sprint(n.Slots), dash(addressOf(&n)), dash(number(n.PID))})
		}
	}
	nodes.Write(b, width)
	b.WriteByte('\n')
	tasksOf(s.Tasks).Write(b, width)
	listRuns(b, s.Runs, width)
	listOthers(b, s, width)
	if d := s.Deferred; d != nil {
		fmt.Fprintf(b, "\nbalance waits until %s at least: %s; to wait no longer: xconsumer move-now\n",
			d.Until.Local().Format("15:04:05 MST"), d.Reason)
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(b, "\nwarning: %s\n", w)
	}
	for _, e := range s.Errors {
		fmt.Fprintf(b, "\nunusable record %s: %s\n", e.Path, e.Error)
	}
}

// tasksOf lists the tasks, with the next run if a task has runs, and with the schedule if a task has one.
func tasksOf(tasks []cluster.TaskInfo) Table {
	rows := Table{{"TASK", "WORK", "WORKERS", "RUNNING", "UNPLACED"}}
	for _, t := range tasks {
		rows = append(rows, []string{t.Name, t.WorkName, fmt.Sprint(t.WorkerNum), fmt.Sprint(t.Running), unplaced(t)})
	}
	if slices.ContainsFunc(tasks, func(t cluster.TaskInfo) bool { return between(t) != "" }) {
		rows[0] = slices.Insert(rows[0], 4, "OTHERS")
		for i, t := range tasks {
			rows[i+1] = slices.Insert(rows[i+1], 4, dash(between(t)))
		}
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
	if slices.ContainsFunc(tasks, func(t cluster.TaskInfo) bool { return t.Schedule != "" }) {
		rows[0] = slices.Insert(rows[0], 4, "SCHEDULE")
		for i, t := range tasks {
			rows[i+1] = slices.Insert(rows[i+1], 4, dash(t.Schedule))
		}
	}
	return rows
}

// nodeState returns the state of a node, with its drain, cordon or quarantine.
func nodeState(n cluster.NodeInfo) string {
	switch {
	case n.Drain != nil && n.Drain.Left == 0:
		return string(n.State) + ", drained"
	case n.Drain != nil:
		return fmt.Sprintf("%s, draining: %d of %d left", n.State, n.Drain.Left, n.Drain.From)
	case n.Quarantine != "":
		return string(n.State) + ", quarantined: " + oneLine(n.Quarantine)
	case n.Cordoned:
		return string(n.State) + ", cordoned"
	}
	return string(n.State)
}

// between counts by state the workers of a task that neither run nor count as unplaced. The words are those of the workers'
// own rows.
func between(t cluster.TaskInfo) string {
	var list []string
	for _, c := range []struct {
		count int
		state cluster.WorkerState
	}{
		{t.Lost, cluster.WorkerLost}, {t.Stuck, cluster.WorkerStuck}, {t.Stopping - t.Stuck, cluster.WorkerStopping},
		{t.Pending, cluster.WorkerPending}, {t.Starting - t.Pending, cluster.WorkerStarting},
		{t.Backoff, cluster.WorkerBackoff}, {t.Withheld, cluster.WorkerWithheld}, {t.Failed, cluster.WorkerGivenUp},
	} {
		if c.count > 0 {
			list = append(list, fmt.Sprintf("%d %s", c.count, c.state))
		}
	}
	return strings.Join(list, ", ")
}

func unplaced(t cluster.TaskInfo) string {
	switch {
	case t.Unplaced == 0 && t.Running == t.WorkerNum && t.ReasonCode != cluster.WhyResizing, t.Reason == "":
		return fmt.Sprint(t.Unplaced)
	}
	return fmt.Sprintf("%d: %s", t.Unplaced, t.Reason)
}

// listRuns lists the runs that are under way.
func listRuns(b *bytes.Buffer, runs []cluster.RunInfo, width int) {
	if len(runs) == 0 {
		return
	}
	rows := Table{{"RUN", "STATE", "DONE", "FAILED", "OF", "LAST ERROR"}}
	for i, r := range runs {
		if i == maxListed {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(runs)-maxListed)})
			break
		}
		rows = append(
			rows,
			[]string{
				cluster.RunTask(r.Task, r.ID),
				string(r.State),
				fmt.Sprint(r.Done),
				fmt.Sprint(r.Failed),
				fmt.Sprint(r.WorkerNum),
				oneLine(r.Error),
			},
		)
	}
	b.WriteByte('\n')
	rows.Write(b, width)
}

// listOthers lists the workers that do not run normally.
func listOthers(b *bytes.Buffer, s *cluster.State, width int) {
	var others []cluster.WorkerInfo
	for _, w := range s.Workers {
		suspected := w.State == cluster.WorkerWithheld || w.State == cluster.WorkerGivenUp
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
	rows := Table{{"WORKER", "NODE", "STATE", "RESTARTS", "LAST ERROR"}}
	for i, o := range others {
		if i == maxListed {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(others)-maxListed)})
			break
		}
		rows = append(rows, []string{o.Slot().String(), dash(o.Node), string(o.State), fmt.Sprint(o.Restarts), oneLine(o.Error)})
	}
	b.WriteByte('\n')
	rows.Write(b, width)
}
