package render

import (
	"bytes"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// branch is a line of a tree, with the lines below it.
type branch struct {
	text string
	sub  []branch
}

// Tree draws a cluster.
func Tree(b *bytes.Buffer, state *cluster.State, explain bool) {
	running, wanted := state.Tally()
	root := branch{
		text: fmt.Sprintf("%s: %d of %s running, leader %s", state.Cluster, running, plural.Of(wanted, "worker"), dash(state.Leader)),
	}
	for _, list := range [][]cluster.NodeInfo{state.Nodes, state.Lost} {
		for i := range list {
			root.sub = append(root.sub, nodeBranch(state, &list[i], explain))
		}
	}
	if nowhere := workersOn(state, "", explain); len(nowhere) > 0 {
		root.sub = append(root.sub, branch{"on no node", nowhere})
	}
	fmt.Fprintln(b, root.text)
	draw(b, root.sub, "")
}

func draw(b *bytes.Buffer, list []branch, indent string) {
	for i, one := range list {
		mark, below := "├─ ", "│  "
		if i == len(list)-1 {
			mark, below = "└─ ", "   "
		}
		fmt.Fprintln(b, indent+mark+one.text)
		draw(b, one.sub, indent+below)
	}
}

func nodeBranch(state *cluster.State, n *cluster.NodeInfo, explain bool) branch {
	text := fmt.Sprintf("%s: %s, load %d", n.Name, nodeState(*n), n.Load)
	if n.Capacity > 0 {
		text += fmt.Sprintf(" of %d", n.Capacity)
	}
	if n.Leader {
		text += ", leads"
	}
	if labels := labelText(n.Labels); explain && labels != "" {
		text += ", " + labels
	}
	return branch{text, workersOn(state, n.Member, explain)}
}

// workersOn returns the branches of a member's workers; those of "" have no member.
func workersOn(state *cluster.State, member string, explain bool) (list []branch) {
	why := map[string]string{}
	for _, t := range state.Tasks {
		why[t.Name] = t.Reason
	}
	type group struct {
		task  string
		state cluster.WorkerState
		run   string
	}
	at := map[group]int{}
	slots := map[group]cluster.Indexes{}
	for i := range state.Workers {
		w := &state.Workers[i]
		if w.Member != member || w.State == cluster.WorkerDone {
			continue
		}
		g := group{w.Task, w.State, w.Run}
		if _, known := at[g]; !known {
			at[g] = len(list)
			list = append(list, branch{})
		}
		slots[g] = append(slots[g], w.Index)
		name := w.Task
		if w.Run != "" {
			name = cluster.RunTask(w.Task, w.Run)
		}
		text := fmt.Sprintf("%s#%s", name, slots[g])
		if w.State != cluster.WorkerRunning {
			text += ": " + string(w.State)
		}
		if explain && w.Error != "" {
			text += ", " + oneLine(w.Error)
		}
		if explain && member == "" && why[w.Task] != "" {
			text += ", " + why[w.Task]
		}
		list[at[g]].text = text
	}
	return list
}
