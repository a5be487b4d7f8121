package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// WriteEvent writes one event, on a line of its own.
func (o *Output) WriteEvent(out io.Writer, e *cluster.Event) error {
	if !o.ForPrograms() {
		slot := ""
		if e.Slot != nil {
			slot = e.Slot.String()
		}
		_, err := fmt.Fprintln(
			out,
			terminal.Printable(
				strings.TrimRight(
					fmt.Sprintf("%s %-16s %-12s %-12s %s", TimeMilli(e.Time), e.Kind, dash(e.Node), dash(slot), oneLine(e.Detail)),
					" ",
				),
			),
		)
		return err
	}
	return o.WriteItem(out, e)
}

// Events writes events as a table.
func Events(b *bytes.Buffer, list []cluster.Event, width int) {
	t := Table{{"AT", "EVENT", "NODE", "WORKER", "DETAIL"}}
	for i := range list {
		e := &list[i]
		slot := ""
		if e.Slot != nil {
			slot = e.Slot.String()
		}
		t.Add(TimeMilli(e.Time), e.Kind, e.Node, slot, oneLine(e.Detail))
	}
	t.Write(b, width)
}

// Decisions writes decisions and the operations of people, by time.
func Decisions(b *bytes.Buffer, d *cluster.Decisions, width int) {
	t := Table{{"AT", "N", "WHO", "WHAT", "SLOTS", "NODE", "WHY"}}
	audit := d.Audit
	for _, one := range d.Decisions {
		for len(audit) > 0 && audit[0].At.Before(one.At) {
			audit = addAudit(&t, audit)
		}
		for _, m := range one.Moves {
			slots, to := "", m.Node
			if m.Task != "" {
				slots = m.Task
				if len(m.Slots) > 0 {
					slots += "#" + m.Slots.String()
				}
			}
			if m.To != "" {
				to += " → " + m.To
			}
			t.Add(Time(one.At), one.Number, fmt.Sprintf("%s, term %d", one.Leader, one.Term), m.Step, slots, to, reasonOf(&m))
		}
		if len(one.Moves) == 0 && one.Omitted == 0 { // otherwise its number would be missing
			t.Add(
				Time(one.At),
				one.Number,
				fmt.Sprintf("%s, term %d", one.Leader, one.Term),
				"no step",
				"",
				"",
				"records were put in order, no worker was touched",
			)
		}
		if one.Omitted > 0 {
			t.Add(
				Time(one.At),
				one.Number,
				"",
				fmt.Sprintf("and %d more", one.Omitted),
				"",
				"",
				"the record of a large decision lists only some of its steps",
			)
		}
	}
	for len(audit) > 0 {
		audit = addAudit(&t, audit)
	}
	t.Write(b, width)
}

// reasonOf returns why a step was taken. A record that was edited may have only a code, or no reason.
func reasonOf(d *cluster.Decided) string {
	return cmp.Or(d.Why, string(d.Code), "the record has no reason")
}

func addAudit(t *Table, audit []cluster.AuditLine) []cluster.AuditLine {
	who := audit[0].By
	if audit[0].From != "" {
		who += " at " + audit[0].From
	}
	t.Add(Time(audit[0].At), "", who, "asked for", audit[0].What, "", "an operation")
	return audit[1:]
}

// Explanation writes why a worker is on its node. The name is the argument of the command.
func Explanation(b *bytes.Buffer, name string, e *cluster.Explanation, width int) {
	at := "has no node"
	if e.Worker.Node != "" {
		at = fmt.Sprintf("is on %s, %s", e.Worker.Node, e.Worker.State)
	}
	if e.Worker.Run != "" { // the argument does not name the run under way
		name = e.Worker.Slot().String()
	}
	fmt.Fprintf(b, "%s %s\n  %s\n\n", name, at, e.Here)
	t := Table{{"NODE", "COULD", "LOAD", "OF THE TASK", "WHY NOT THERE"}}
	for _, n := range e.Nodes {
		could := "no"
		switch {
		case n.Here:
			could = "is there"
		case n.Placeable:
			could = "yes"
		}
		t.Add(n.Node, could, n.Load, n.TaskWorkers, n.Why)
	}
	t.Write(b, width)
	if len(e.History) == 0 {
		return
	}
	b.WriteString("\nhow it got there\n")
	h := Table{{"  AT", "DECISION", "STEP", "NODE", "TO", "TOKEN", "WHY"}}
	for _, d := range e.History {
		for _, m := range d.Moves {
			h.Add("  "+Time(d.At), d.Number, m.Step, m.Node, m.To, m.Token, reasonOf(&m))
		}
	}
	h.Write(b, width)
}
