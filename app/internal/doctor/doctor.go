// Package doctor checks the environment of a node and suggests fixes: configuration, coordination service, clocks, addresses,
// works, and other nodes.
package doctor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Finding is the result of a check.
type Finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning or wrong
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"`
}

// The states of a finding.
const (
	fine    = "ok"
	warning = "warning"
	Wrong   = "wrong"
)

// Config configures the checks and their output.
type Config struct {
	Flags    config.Flags
	Env      func(string) string
	Register func(node *xconsumer.Node) // of the program's works
	Show     func(f Finding)            // is called with each finding at once, from the goroutine of Examine
	Waiting  io.Writer                  // receives the reasons of long waits
}

// Examine runs one check after the other and returns the findings. If the configuration is refused, the error names every
// mistake.
func Examine(ctx context.Context, cfg Config) ([]Finding, error) {
	d := &doctor{Config: cfg}
	err := d.examine(ctx)
	return d.list, err
}

// doctor is one examination. It belongs to one goroutine.
type doctor struct {
	Config
	list []Finding
}

// report adds a finding and shows it.
func (d *doctor) report(check, state, found, fix string) {
	f := Finding{check, state, found, fix}
	d.list = append(d.list, f)
	d.Show(f)
}

func (d *doctor) examine(ctx context.Context) error {
	flags := d.Flags
	named, dev := flags.Join != "", ""
	if !named {
		dev = d.dev(ctx, &flags)
	}
	s, err := config.Load(flags, d.Env)
	if err != nil {
		return err // it names each mistake and its place; exit 78
	}
	if named {
		s, err = node.Join(ctx, s, slog.New(slog.DiscardHandler))
		if err != nil {
			d.report("join", Wrong, err.Error(), "")
			return nil
		}
	}
	file := s.File
	if file == "" {
		file = "no file"
	}
	d.report(
		"configuration",
		fine,
		fmt.Sprintf("%s: cluster %s over %v, %s", file, s.Cluster, s.Service, plural.Of(len(s.Tasks), "task")),
		"",
	)
	if dev != "" {
		d.reportDev(dev, s)
	}
	d.http(s)
	session := d.service(ctx, s)
	var members []coord.Entry
	if session != nil {
		defer func() { _ = session.Close() }()
		d.granted(session, s)
		members = d.access(ctx, session, s)
		d.peers(ctx, session, s, members)
	}
	d.place(ctx, session, s)
	d.machine(s)
	d.tasks(ctx, session, s, members)
	d.clock()
	if len(members) > 0 {
		d.clocks(ctx, session, schema.NewKeys(s.Cluster), members) // last, because it takes the longest
	}
	return nil
}

// waits reports the reason of a wait that takes longer than a second, and again every five seconds, until stop is called.
func (d *doctor) waits(what string) (stop func()) {
	const moment, between = time.Second, 5 * time.Second
	began := time.Now()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for next := moment; ; next = between {
			select {
			case <-end:
				return
			case <-time.After(next):
				fmt.Fprintf(d.Waiting, "xconsumer: %s (%v so far)\n", terminal.Printable(what), time.Since(began).Round(time.Second))
			}
		}
	}()
	return func() { close(end); <-ended }
}

// http checks who may use the API.
func (d *doctor) http(s config.Settings) {
	switch {
	case s.Listen == "off":
		d.report("http", fine, "off: this node has no HTTP API", "")
	case config.Loopback(s.Listen):
		found := s.Listen + ": reached from this machine only"
		if s.Access.TLS.On() {
			found += ", over TLS"
		}
		if s.Access.Closed() {
			found += ", with authentication"
		}
		d.report("http", fine, found, "")
	case s.Access.Insecure && s.Access.Closed() && config.Demo(&s) != "":
		d.report(
			"http",
			warning,
			s.Listen+": "+config.Demo(&s)+" is the demo's, which is public",
			"create your own: xconsumer token ada --role admin; openssl rand -hex 32",
		)
	case s.Access.Insecure && !s.Access.Closed():
		d.report(
			"http",
			warning,
			s.Listen+": any client that reaches it has full access",
			"remove insecure = true and add tokens: xconsumer token ada --role admin",
		)
	case !s.Access.TLS.On():
		d.report(
			"http",
			warning,
			s.Listen+": tokens travel in the clear",
			"add [http.tls] cert and key, or put a TLS proxy in front of it",
		)
	default:
		d.report("http", fine, s.Listen+": over TLS, with authentication", "")
	}
	for _, text := range s.Warnings {
		found, mode, _ := strings.Cut(text, ": chmod")
		d.report("secrets", warning, found, "chmod"+mode)
	}
}

// machine checks whether this machine can run the programs of the configuration.
func (d *doctor) machine(s config.Settings) {
	if len(s.Works) == 0 {
		return
	}
	if command.MayGroup() {
		d.report("cgroup", fine, "each program can have a control group of its own", "")
	} else {
		d.report(
			"cgroup",
			warning,
			"programs cannot have their own control groups: a process that leaves its session and outlives its parents "+
				"is found only by its environment",
			"run the node in a delegated cgroup v2, as systemd does with Delegate=yes",
		)
	}
	for _, w := range s.Works {
		if err := w.Startable(); err != nil {
			d.report(
				"work",
				Wrong,
				fmt.Sprintf("%s: %v", w.Name, err),
				"correct [[work]] dir or command, or install the program on this machine",
			)
		}
	}
}
