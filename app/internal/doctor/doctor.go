// Package doctor looks at what a node depends on, and says what is wrong and what to do: configuration, coordination service, clocks,
// addresses, works, other nodes.
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
	"gitee.com/ken.yang/xconsumer/app/internal/peers"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Finding is what a check has found.
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

// Config is what a doctor looks at, and how it says what it finds.
type Config struct {
	Flags    config.Flags
	Env      func(string) string
	Register func(node *xconsumer.Node) // of the program's works
	Show     func(f Finding)            // is called with each finding at once
	Waiting  io.Writer                  // where it is said what is waited for
}

// Examine looks at one thing after the other, and returns what it has found. The error is of a configuration that is
// refused: it has every mistake, and findings are not returned then.
func Examine(ctx context.Context, cfg Config) ([]Finding, error) {
	d := &doctor{Config: cfg}
	err := d.examine(ctx)
	return d.list, err
}

// doctor examines one thing after the other.
type doctor struct {
	Config
	list []Finding
}

// report keeps a finding, and shows it at once.
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
		return err // with each mistake and its place, exit 78
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
	d.report("configuration", fine, fmt.Sprintf("%s: cluster %s over %v, %s", file, s.Cluster, s.Service, plural.Of(len(s.Tasks), "task")), "")
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
		d.peers(ctx, s)
	}
	d.place(ctx, session, s)
	d.machine(s)
	d.tasks(ctx, session, s, members)
	d.clock()
	if len(members) > 0 {
		d.clocks(ctx, session, schema.NewKeys(s.Cluster), members) // which takes the longest
	}
	return nil
}

// waits says on standard error what is waited for, if that takes longer than a moment, and again every few seconds. Stop
// ends it.
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

// http looks at who may use the API.
func (d *doctor) http(s config.Settings) {
	switch {
	case s.Listen == "off" || config.Loopback(s.Listen):
		d.report("http", fine, s.Listen+": reached from this machine only", "")
	case s.Access.Insecure && s.Access.Closed() && config.Demo(&s) != "":
		d.report(
			"http",
			warning,
			s.Listen+": "+config.Demo(&s)+" is the demo's, which everybody knows",
			"make your own: xconsumer token ada --role admin; openssl rand -hex 32",
		)
	case s.Access.Insecure && !s.Access.Closed():
		d.report(
			"http",
			warning,
			s.Listen+": whoever reaches it may do everything",
			"take out insecure = true and add tokens: xconsumer token ada --role admin",
		)
	case !s.Access.TLS.On():
		d.report(
			"http",
			warning,
			s.Listen+": tokens travel in the clear",
			"add [http.tls] cert and key, or have something in front of it that speaks TLS",
		)
	default:
		d.report("http", fine, s.Listen+": over TLS, and nobody is let in unknown", "")
	}
	for _, text := range s.Warnings {
		found, mode, _ := strings.Cut(text, ": chmod")
		d.report("secrets", warning, found, "chmod"+mode)
	}
}

// peers looks at whether nodes can ask each other for logs, stacks and leases.
func (d *doctor) peers(ctx context.Context, s config.Settings) {
	r := peers.Reached(ctx, s, s.Listen)
	why, unasked := peers.Secretless(s), error(nil)
	if why == "" && s.Listen != "off" {
		why, unasked = peers.OpenStore(ctx, s)
	}
	switch {
	case s.Listen == "off":
		d.report("peers", fine, "other nodes cannot show the logs of this node's workers: it has no HTTP API", "")
	case why != "":
		d.report("peers", warning, peers.Peerless+": "+why, peers.SecretFix(s))
	case unasked != nil:
		d.report("peers", warning, unasked.Error(), "look at what is said of etcd")
	case r.Trouble != "":
		d.report("peers", warning, "other nodes cannot show the logs of this node's workers: "+r.Trouble, r.Fix)
	case len(s.Secret) > 0:
		d.report("peers", fine, fmt.Sprintf("other nodes ask this one at %s, by the secret of [http] secretFile", r.Advertise), "")
	default:
		d.report("peers", fine, fmt.Sprintf("other nodes ask this one at %s, by a secret that the store keeps", r.Advertise), "")
	}
}

// machine looks at what this machine lets a node do.
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
			"programs cannot have control groups of their own: what leaves its session and outlives its parents is found by its environment alone",
			"run the node in a delegated cgroup v2, as systemd does with Delegate=yes",
		)
	}
	for _, w := range s.Works {
		if err := w.Startable(); err != nil {
			d.report("work", Wrong, fmt.Sprintf("%s: %v", w.Name, err), "correct [[work]] dir or command, or install the program on this machine")
		}
	}
}
