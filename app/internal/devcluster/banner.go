package devcluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// banner waits until the cluster is at work, and prints the addresses and commands to try.
func (d *dev) banner(ctx context.Context, log *slog.Logger) {
	began := time.Now()
	api, err := client.New(d.addrs[0], client.Options{Token: d.token})
	if err != nil {
		log.Error("could not create a client of the first node", "error", err)
		return
	}
	var state cluster.State
	strange := false
	for end := began.Add(bannerWait); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
		if at, err := node.Identify(ctx, api); err == nil && at.Joined != d.server.URL() {
			if !strange {
				log.Warn("the address of the first node is taken by another program, which the node waits for", "address", d.addrs[0],
					"holder", fmt.Sprintf("node %s of cluster %s", at.Node, at.Cluster), "fix", "stop it, or choose another address with --http")
			}
			strange = true
		} else if s, _, err := api.State(ctx); err == nil {
			state = s
		}
		if atWork(state, d.Nodes) || time.Now().After(end) {
			break
		}
	}
	d.group.print(d.greeting(state, time.Since(began)))
}

// atWork reports whether all nodes are members and all workers run that can, or have failed: a work that fails must not keep
// the addresses from its author.
func atWork(s cluster.State, nodes int) bool {
	failing := map[string]int{}
	for _, w := range s.Workers {
		if w.State == cluster.WorkerBackoff {
			failing[w.Task]++
		}
	}
	for _, t := range s.Tasks {
		if !t.Runs && t.Running+failing[t.Name] < t.WorkerNum && t.Reason == "" {
			return false
		}
	}
	return len(s.Nodes) >= nodes && s.Leader != "" && len(s.Tasks) > 0
}

// greeting returns the text that is printed once the cluster is at work.
func (d *dev) greeting(s cluster.State, took time.Duration) string {
	var b strings.Builder
	running, wanted := s.Tally()
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	leader := s.Leader
	if leader == "" {
		leader = "none yet"
	}
	line("")
	line(
		"  cluster %s: %s, leader %s, %d of %s running after %.1fs",
		d.Cluster,
		plural.Of(len(s.Nodes), "node"),
		leader,
		running,
		plural.Of(wanted, "worker"),
		took.Seconds(),
	)
	line("")
	pid := 0 // of a node for the kill example, not the leader if possible
	for i, addr := range d.addrs {
		name, note := nodeOf(i), ""
		for _, n := range s.Nodes {
			if n.Name == name {
				note = fmt.Sprintf("pid %d", n.PID)
				if !n.Leader || len(d.addrs) == 1 {
					pid = n.PID
				}
			}
		}
		line("  %-6s http://%s   %-11s %s", name, addr, note, slotsOf(s, name))
	}
	kept := "in memory and a temporary directory: deleted at the end"
	if d.Data != "" {
		kept = "data in " + d.Data
	}
	line("  %-6s %s   inside this process; %s", "etcd", d.server.URL(), kept)
	line("")
	program := programName()
	for _, text := range slices.Concat(workless(s), failing(s, program)) {
		line("%s", strings.TrimRight("  "+text, " "))
	}
	b.WriteString(d.begin(program))
	line("  Try, in another terminal:")
	try := func(what, command string) { line("    %-44s %s", what, command) }
	if server := "http://" + d.addrs[0]; server != config.DefaultServer {
		try("first: point the commands at this cluster", "export XCONSUMER_SERVER="+server)
	}
	try("look at it", program+" status")
	try("the same as JSON", "curl http://"+d.addrs[0]+"/api/v1/state")
	if pid != 0 {
		try("kill a node: its work moves at once", fmt.Sprintf("kill -9 %d", pid))
	}
	try("add a node", program+" run --join "+d.server.URL())
	line("  Ctrl-C ends all of it.")
	line("")
	return b.String()
}

// workless returns a line for each task whose work no node has, and an empty line after them if there are any.
func workless(s cluster.State) (lines []string) {
	var works []string
	for _, n := range s.Nodes {
		works = append(works, n.Works...)
	}
	slices.Sort(works)
	works = slices.Compact(works)
	for _, t := range s.Tasks {
		if t.ReasonCode == cluster.WhyNoWork {
			lines = append(lines, node.Unregistered(t.Name, t.WorkName, works))
		}
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	return lines
}

// failing returns a line for the first worker of each task that has failed, and an empty line after them if there are any.
func failing(s cluster.State, program string) (lines []string) {
	last := ""
	for _, w := range s.Workers {
		if w.State != cluster.WorkerBackoff || w.Task == last {
			continue
		}
		last = w.Task
		slot := cluster.Slot{Task: w.Task, Index: w.Index}
		reason, _, _ := strings.Cut(w.Error, "\n")
		lines = append(lines, fmt.Sprintf("%s fails: %s; read its log with: %s logs '%s'", slot, terminal.Printable(reason), program, slot))
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	return lines
}

// begin returns a text that explains what runs without an app.toml and how to begin one, "" if there is one.
func (d *dev) begin(program string) string {
	if d.File != "" || len(d.works) == 0 {
		return ""
	}
	return fmt.Sprintf("  Without an app.toml, this program runs two workers of each of its works: %s.\n"+
		"  Name your own tasks in an app.toml, or begin a project with a work of your own: %s init mywork\n\n",
		strings.Join(d.works, ", "), program)
}

// slotsOf names the first slots of a node, and the number of the others.
func slotsOf(s cluster.State, node string) string {
	var slots []string
	for _, w := range s.Workers {
		if w.Node == node {
			slots = append(slots, cluster.Slot{Task: w.Task, Index: w.Index}.String())
		}
	}
	const most = 4
	if more := len(slots) - most; more > 0 {
		slots = append(slots[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(slots, " ")
}

// programName returns the command with which a person starts this program again.
func programName() string {
	name := filepath.Base(os.Args[0])
	if !strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") {
		if strings.ContainsRune(os.Args[0], filepath.Separator) {
			return os.Args[0]
		}
		return name
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Path == "" || info.Path == "command-line-arguments" {
		return name
	}
	if inside, ok := strings.CutPrefix(info.Path, info.Main.Path+"/"); ok {
		return "go run ./" + inside
	}
	return "go run " + info.Path
}
