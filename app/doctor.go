package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/cli"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/membership"
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

func doctorCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Checks the configuration, the coordination service and this machine, and says how to mend what is wrong", Args: noArgs,
		Example: "  xconsumer doctor --config app.toml",
	}
	flags := configFlags(c)
	o := cli.OutputFlag(c, "table", "json", "yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d := &doctor{streams: streams, output: o}
		return d.examine(c.Context(), *flags)
	}
	return c
}

// doctor examines one thing after the other.
type doctor struct {
	streams Streams
	output  *cli.Output
	list    []finding
}

// tell notes a finding, and shows it at once to people.
func (d *doctor) tell(check, state, found, mend string) {
	d.list = append(d.list, finding{check, state, found, mend})
	if d.output.Asked() {
		return
	}
	fmt.Fprintf(d.streams.Out, "%-8s %-14s %s\n", state, check, printable(found))
	if mend != "" {
		fmt.Fprintf(d.streams.Out, "%-8s %-14s → %s\n", "", "", mend)
	}
}

func (d *doctor) examine(ctx context.Context, flags runFlags) error {
	found := d.dev(ctx, &flags)
	s, err := loadSettings(flags, d.streams.Env)
	if err != nil {
		return err // with each mistake and its place, exit 78
	}
	file := s.file
	if file == "" {
		file = "no file"
	}
	d.tell("configuration", fine, fmt.Sprintf("%s: cluster %s over %v, %s", file, s.cluster, s.service, plural.Of(len(s.tasks), "task")), "")
	if found != "" {
		d.tellDev(found, s)
	}
	d.http(s)
	d.peers(ctx, s)
	if s.service.zk != nil {
		d.zookeeper(ctx, s)
	} else {
		d.etcd(ctx, s)
	}
	d.session(ctx, s)
	d.clock()
	d.machine(s)
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

// zookeeper asks each server what it is.
func (d *doctor) zookeeper(ctx context.Context, s settings) {
	store, err := zk.New(*s.service.zk)
	if err != nil {
		d.tell("zookeeper", wrong, err.Error(), "")
		return
	}
	asked := s.service.zk.SessionTimeout
	serving, leaders := 0, 0
	list := store.Inspect(ctx)
	away := wrong // what one server that does not serve is
	if slices.ContainsFunc(list, zkServes) {
		away = warning
	}
	for _, server := range list {
		switch {
		case server.Err != nil:
			d.tell("zookeeper", away, fmt.Sprintf("%s does not answer: %s", server.Address, address.Reason(server.Err)), awayFix(away, "[zookeeper] host"))
			continue
		case server.Silent && strings.Contains(server.Said, "not currently serving"):
			d.tell("zookeeper", away, server.Address+" runs, and serves nobody: it sees no quorum", "start the other servers, or look at its log for why they do not find each other")
			continue
		case server.Silent:
			d.tell("zookeeper", warning, server.Address+" does not say what it is", "allow it to: 4lw.commands.whitelist=srvr,conf in its zoo.cfg")
			serving++
			continue
		case server.Old != nil:
			d.tell("zookeeper", wrong, server.Old.Error(), "upgrade it")
		default:
			d.tell("zookeeper", fine, fmt.Sprintf("%s is %s, %s", server.Address, server.Version, server.Mode), "")
		}
		if serving++; server.Mode == "leader" || server.Mode == "standalone" {
			leaders++
		}
		if server.Tick > s.service.zk.TickTime && s.service.zk.TickTime > 0 {
			d.tell("timeouts", wrong, fmt.Sprintf("%s ticks every %v, and [zookeeper] tickTime is %v", server.Address, server.Tick, s.service.zk.TickTime), fmt.Sprintf("tickTime = %q", server.Tick))
		}
		if server.Longer != nil {
			d.tell("timeouts", warning, server.Longer.Error(), "")
		}
		if server.Most > 0 && asked > server.Most || asked < server.Least {
			d.tell("timeouts", warning, fmt.Sprintf("a session timeout of %v is asked for, and %s grants %v to %v", asked, server.Address, server.Least, server.Most), "choose a sessionTimeout between, or change minSessionTimeout or maxSessionTimeout of the server")
		}
	}
	d.sameTimeouts(list)
	switch n := len(list); {
	case serving == 0:
	case n > 1 && leaders > 1:
		d.tell("quorum", wrong, fmt.Sprintf("%d of the %d servers lead: they are not one ensemble", leaders, n), "name the servers of one ensemble")
	case n == 1:
		d.tell("quorum", warning, "one server: the cluster stops granting while it is away", "three servers outlive the loss of one")
	case n%2 == 0:
		d.tell("quorum", warning, fmt.Sprintf("%d servers outlive no more losses than %d would", n, n-1), "an odd number of servers")
	default:
		d.tell("quorum", fine, fmt.Sprintf("%d of %d servers serve", serving, n), "")
	}
}

// zkServes reports whether a server serves, which it does with a quorum alone.
func zkServes(s zk.Server) bool { return s.Err == nil && s.Mode != "" }

// sameTimeouts looks whether the servers grant alike. One that grants less counts that from when a node has moved to
// it, also if its answer is lost, and the node counts what it was granted before.
func (d *doctor) sameTimeouts(list []zk.Server) {
	first := -1
	for i, server := range list {
		switch {
		case server.Most == 0:
		case first < 0:
			first = i
		case server.Most != list[first].Most || server.Least != list[first].Least || server.Tick != list[first].Tick:
			d.tell("timeouts", warning, fmt.Sprintf("%s grants %v to %v, and %s %v to %v", list[first].Address, list[first].Least, list[first].Most, server.Address, server.Least, server.Most),
				"give all servers the same tickTime, minSessionTimeout and maxSessionTimeout")
			return
		}
	}
}

// session opens one, and looks at what it gives.
func (d *doctor) session(ctx context.Context, s settings) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	store, err := s.service.open(slog.New(slog.DiscardHandler))
	if err != nil {
		d.tell("session", wrong, err.Error(), "")
		return
	}
	began := time.Now()
	session, err := store.Open(ctx)
	switch {
	case errors.Is(err, coord.ErrUnauthorized):
		d.tell("session", wrong, err.Error(), "check username and password of [zookeeper] or [etcd]")
		return
	case errors.Is(err, coord.ErrUnsupported):
		d.tell("session", wrong, err.Error(), unsupportedFix(s.service))
		return
	case err != nil:
		d.tell("session", wrong, err.Error(), "start the service, or correct its address; nothing else can be checked without it")
		return
	}
	defer func() { _ = session.Close() }()
	info := session.Info()
	d.tell("session", fine, fmt.Sprintf("%s answers after %v", info.Server, time.Since(began).Round(time.Millisecond)), "")
	terms := membership.TermsOf(info)
	if err := terms.Check(); err != nil {
		d.tell("timeouts", wrong, err.Error(), "a longer sessionTimeout")
	} else {
		d.tell("timeouts", fine, fmt.Sprintf("session timeout %v; after a machine is lost its work runs elsewhere within %v", info.Timeout, takeover(s.service, info)), "")
	}
	d.access(ctx, session, s)
}

// access looks at whether the records of the cluster can be read and written.
func (d *doctor) access(ctx context.Context, session coord.Session, s settings) {
	keys := schema.NewKeys(s.cluster)
	r, err := session.Get(ctx, keys.Meta())
	var meta schema.Meta
	switch {
	case errors.Is(err, coord.ErrNotFound):
		d.unborn(ctx, session, s)
		return
	case errors.Is(err, coord.ErrUnauthorized):
		d.tell("access", wrong, "the records of cluster "+s.cluster+" are another identity's", "use the username and password that the cluster was created with")
		return
	case err != nil:
		d.tell("cluster", wrong, err.Error(), "")
		return
	}
	if err := schema.Decode(keys.Meta(), r, &meta); err != nil {
		d.tell("cluster", wrong, err.Error(), "restore "+keys.Meta())
		return
	}
	if meta.Protocol != schema.Protocol {
		d.tell("cluster", wrong, fmt.Sprintf("the nodes speak protocol %d, and this program %d", meta.Protocol, schema.Protocol), "a program of their version")
		return
	}
	switch err := d.probe(ctx, session, keys); {
	case errors.Is(err, coord.ErrUnauthorized):
		d.tell("access", wrong, "the cluster can be read, and not written", "use the username and password that the cluster was created with")
		return
	case err != nil:
		d.tell("access", wrong, err.Error(), "")
		return
	}
	if s.service.zk != nil && s.service.zk.Username != "" {
		d.exposure(ctx, session, keys)
	}
	open := ""
	if s.service.zk != nil && s.service.zk.Username == "" {
		open = "everybody who reaches ZooKeeper can write it: add username and password before the cluster is created"
	}
	state := fine
	if open != "" {
		state = warning
	}
	members, err := session.List(ctx, keys.Members())
	if err != nil {
		d.tell("cluster", wrong, err.Error(), "")
		return
	}
	d.tell("access", state, fmt.Sprintf("cluster %s can be read and written; %s", s.cluster, plural.Of(len(members), "live member")), open)
	d.clocks(ctx, session, keys, members)
}

// exposure looks at whether others than the configured user may use records of the cluster.
func (d *doctor) exposure(ctx context.Context, session coord.Session, keys schema.Keys) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience) // a large cluster takes longer than the rest
	defer cancel()
	access, err := zk.CheckAccess(ctx, session, keys.Root())
	switch text := exposed(access); {
	case text != "":
		d.tell("protection", wrong, text, protectFix)
	case err != nil:
		d.tell("protection", warning, fmt.Sprintf("%s were looked at, not all: %v", plural.Of(access.Znodes, "znode"), err), "try again")
	default:
		d.tell("protection", fine, fmt.Sprintf("all %d znodes of the cluster are for the configured user alone", access.Znodes), "")
	}
}

// machine looks at what this machine lets a node do.
func (d *doctor) machine(s settings) {
	if len(s.works) == 0 {
		return
	}
	if command.MayGroup() {
		d.tell("cgroup", fine, "each program can have a control group of its own", "")
		return
	}
	d.tell("cgroup", warning, "programs cannot have control groups of their own: what leaves its session and outlives its parents is found by its environment alone",
		"run the node in a delegated cgroup v2, as systemd does with Delegate=yes")
	for _, w := range s.works {
		if _, err := os.Stat(w.Dir); w.Dir != "" && err != nil {
			d.tell("work", wrong, fmt.Sprintf("%s: %v", w.Name, err), "")
		}
	}
}
