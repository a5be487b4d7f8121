package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/cli"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// finding is what a check has found.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning or wrong
	Found string `json:"found"`
	Mend  string `json:"mend,omitempty"` // how
}

// The states of a finding.
const (
	fine    = "ok"
	warning = "warning"
	wrong   = "wrong"
)

// errIll: something is wrong.
var errIll = errors.New("something is wrong; see above how to mend it")

func doctorCommand(register Register, streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Checks the configuration, the coordination service and this machine, and says how to mend what is wrong", Args: cli.NoArgs,
		Example: `  xconsumer doctor --config app.toml
  xconsumer doctor --join http://127.0.0.1:41797    # of a dev that runs elsewhere on this machine`,
	}
	flags := configFlags(c)
	joinFlag(c, flags, "looks at what a node with it would join")
	o := cli.OutputFlag(c, "table", "json", "yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d := &doctor{streams: streams, output: o, register: register}
		return d.examine(c.Context(), *flags)
	}
	return c
}

// doctor examines one thing after the other.
type doctor struct {
	streams  Streams
	output   *cli.Output
	register Register // of the program's works
	list     []finding
}

// tell notes a finding, and shows it at once to people.
func (d *doctor) tell(check, state, found, mend string) {
	d.list = append(d.list, finding{check, state, found, mend})
	if d.output.Asked() {
		return
	}
	fmt.Fprintf(d.streams.Out, "%-8s %-14s %s\n", state, check, terminal.Printable(found))
	if mend != "" {
		fmt.Fprintf(d.streams.Out, "%-8s %-14s → %s\n", "", "", mend)
	}
}

func (d *doctor) examine(ctx context.Context, flags runFlags) error {
	named, dev := flags.join != "", ""
	if !named {
		dev = d.dev(ctx, &flags)
	}
	s, err := loadSettings(flags, d.streams.Env)
	if err != nil {
		return err // with each mistake and its place, exit 78
	}
	if named {
		if s, err = s.join(ctx, slog.New(slog.DiscardHandler)); err != nil {
			d.tell("join", wrong, err.Error(), "")
			return d.finish()
		}
	}
	file := s.file
	if file == "" {
		file = "no file"
	}
	d.tell("configuration", fine, fmt.Sprintf("%s: cluster %s over %v, %s", file, s.cluster, s.service, plural.Of(len(s.tasks), "task")), "")
	if dev != "" {
		d.tellDev(dev, s)
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
		d.clocks(ctx, session, schema.NewKeys(s.cluster), members) // which takes the longest
	}
	return d.finish()
}

// finish prints what was found, unless that was done, and fails if something is wrong.
func (d *doctor) finish() error {
	if d.output.Asked() {
		if err := d.output.Print(d.streams.Out, map[string]any{"findings": d.list}, ""); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(d.list, func(f finding) bool { return f.State == wrong }) {
		return errIll
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
				fmt.Fprintf(d.streams.Err, "xconsumer: %s (%v so far)\n", terminal.Printable(what), time.Since(began).Round(time.Second))
			}
		}
	}()
	return func() { close(end); <-ended }
}

// http looks at who may use the API.
func (d *doctor) http(s settings) {
	switch {
	case s.listen == "off" || loopback(s.listen):
		d.tell("http", fine, s.listen+": reached from this machine only", "")
	case s.access.insecure && s.access.closed() && demo(&s) != "":
		d.tell("http", warning, s.listen+": "+demo(&s)+" is the demo's, which everybody knows", "make your own: xconsumer token ada --role admin; openssl rand -hex 32")
	case s.access.insecure && !s.access.closed():
		d.tell("http", warning, s.listen+": whoever reaches it may do everything", "take out insecure = true and add tokens: xconsumer token ada --role admin")
	case !s.access.tls.on():
		d.tell("http", warning, s.listen+": tokens travel in the clear", "add [http.tls] cert and key, or have something in front of it that speaks TLS")
	default:
		d.tell("http", fine, s.listen+": over TLS, and nobody is let in unknown", "")
	}
	for _, text := range s.warnings {
		found, mend, _ := strings.Cut(text, ": chmod")
		d.tell("secrets", warning, found, "chmod"+mend)
	}
}

// peers looks at whether nodes can ask each other for logs, stacks and leases.
func (d *doctor) peers(ctx context.Context, s settings) {
	r := s.reached(ctx, s.listen)
	why, unasked := s.secretless(), error(nil)
	if why == "" && s.listen != "off" {
		why, unasked = s.openStore(ctx)
	}
	switch {
	case s.listen == "off":
		d.tell("peers", fine, "other nodes cannot show the logs of this node's workers: it has no HTTP API", "")
	case why != "":
		d.tell("peers", warning, peerless+": "+why, s.secretFix())
	case unasked != nil:
		d.tell("peers", warning, unasked.Error(), "look at what is said of etcd")
	case r.trouble != "":
		d.tell("peers", warning, "other nodes cannot show the logs of this node's workers: "+r.trouble, r.fix)
	case len(s.secret) > 0:
		d.tell("peers", fine, fmt.Sprintf("other nodes ask this one at %s, by the secret of [http] secretFile", r.advertise), "")
	default:
		d.tell("peers", fine, fmt.Sprintf("other nodes ask this one at %s, by a secret that the store keeps", r.advertise), "")
	}
}

// machine looks at what this machine lets a node do.
func (d *doctor) machine(s settings) {
	if len(s.works) == 0 {
		return
	}
	if command.MayGroup() {
		d.tell("cgroup", fine, "each program can have a control group of its own", "")
	} else {
		d.tell("cgroup", warning, "programs cannot have control groups of their own: what leaves its session and outlives its parents is found by its environment alone",
			"run the node in a delegated cgroup v2, as systemd does with Delegate=yes")
	}
	for _, w := range s.works {
		if err := w.Startable(); err != nil {
			d.tell("work", wrong, fmt.Sprintf("%s: %v", w.Name, err), "correct [[work]] dir or command, or install the program on this machine")
		}
	}
}
