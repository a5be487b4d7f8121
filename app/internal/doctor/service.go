package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/devcluster"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// dev checks whether xconsumer dev runs here with the same file, or with none. Its cluster does not use the service of the
// file. So doctor checks the service of dev, as if --join named it, unless a flag or the environment names one. It returns
// the address of a node of dev, "" for none, and reports a node that requires a token.
func (d *doctor) dev(ctx context.Context, flags *config.Flags) (server string) {
	if config.ChosenBy(*flags, d.Env) != nil {
		return ""
	}
	file, err := config.FindFile(flags.Config, d.Env)
	if err != nil {
		return ""
	}
	api, err := config.ClientFlags{}.Client(d.Env)
	if err != nil {
		d.report("dev", warning, fmt.Sprintf("cannot find out whether xconsumer dev runs here: %v", err), "")
		return ""
	}
	at, err := node.Identify(ctx, api)
	if refused, ok := errors.AsType[*client.RefusedError](err); ok && refused.Status == http.StatusUnauthorized {
		d.report(
			"dev",
			warning,
			"the node at "+api.Server()+" requires a token, so doctor cannot find out whether it belongs to xconsumer dev, "+
				"which has a store of its own",
			"if it does: set XCONSUMER_API_TOKEN",
		)
	}
	if err != nil || at.Joined == "" {
		return ""
	}
	if file != "" {
		file, err = filepath.Abs(file)
		if err != nil || file != at.File {
			return ""
		}
	} else if !strings.HasPrefix(filepath.Base(filepath.Dir(at.File)), devcluster.Prefix) {
		return ""
	}
	flags.Join = at.Joined
	if flags.Cluster == "" {
		flags.Cluster = at.Cluster
	}
	return api.Server()
}

// reportDev reports that the checks are about the service of xconsumer dev.
func (d *doctor) reportDev(at string, s config.Settings) {
	text, fix := "xconsumer dev runs here, and its node at "+at+" uses "+s.Service.String(), ""
	if len(s.Service.Ignored) > 0 {
		text += "; dev ignores " + strings.Join(s.Service.Ignored, ", ") + " of " + s.File
		fix = "to check that one, stop dev, or name the service with --zookeeper or --etcd"
	}
	d.report("dev", fine, text, fix)
}

// etcd checks each server, and reports whether one serves. A session alone would show nothing of the servers that it does not
// need.
func (d *doctor) etcd(ctx context.Context, s config.Settings) bool {
	store, err := etcd.New(*s.Service.Etcd)
	if err != nil {
		d.report("etcd", Wrong, err.Error(), "")
		return false
	}
	list, err := store.Inspect(ctx)
	if err != nil {
		return false // no server answered; the session reports the reason
	}
	away, serving := Wrong, 0
	if slices.ContainsFunc(list, func(s etcd.Server) bool { return s.Serves }) {
		away = warning
	}
	for _, server := range list {
		switch {
		case server.Err != nil:
			d.report("etcd", away, fmt.Sprintf("%s does not answer: %v", server.Endpoint, server.Err), awayFix(away, "[etcd] endpoints"))
		case server.Old != nil:
			d.report("etcd", Wrong, server.Old.Error(), unsupportedFix(s.Service))
		case !server.Serves:
			d.report(
				"etcd",
				away,
				server.Endpoint+" is running but not serving: it has no quorum",
				"start the other servers, or look at its log for why they do not find each other",
			)
		default:
			role := "follower"
			if server.Leads {
				role = "leader"
			}
			serving++
			d.report("etcd", fine, fmt.Sprintf("%s is %s, %s", server.Endpoint, server.Version, role), "")
		}
	}
	if n := len(list); n > 1 && serving > 0 {
		d.report("quorum", fine, fmt.Sprintf("%d of %d servers serve", serving, n), "")
	}
	return serving > 0
}

const (
	// serviceTimeout bounds how long the service may take to answer.
	serviceTimeout = 15 * time.Second
	// lastChance is how long a session may still take after all servers were checked and none serves.
	lastChance = time.Second
)

// service checks the servers and opens a session at the same time, so that an unreachable service is reported within a few
// seconds. It returns nil if no session can be opened.
func (d *doctor) service(ctx context.Context, s config.Settings) coord.Session {
	store, err := s.Service.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		d.report("session", Wrong, err.Error(), "")
		return nil
	}
	defer d.waits(fmt.Sprintf("waiting for %v to answer", s.Service))()
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	type answer struct {
		session coord.Session
		err     error
		took    time.Duration
	}
	opened := make(chan answer, 1)
	go func() {
		began := time.Now()
		session, err := store.Open(ctx)
		opened <- answer{session, err, time.Since(began)}
	}()
	ask := d.etcd
	if s.Service.ZK != nil {
		ask = d.zookeeper
	}
	if !ask(ctx, s) {
		defer time.AfterFunc(lastChance, cancel).Stop()
	}
	got := <-opened
	switch err := got.err; {
	case errors.Is(err, coord.ErrUnauthorized):
		d.report("session", Wrong, err.Error(), identityFix(s.Service))
	case errors.Is(err, coord.ErrUnsupported):
		d.report("session", Wrong, err.Error(), unsupportedFix(s.Service))
	case err != nil:
		d.report(
			"session",
			Wrong,
			strings.TrimSuffix(err.Error(), ": "),
			"start the service, or correct its address; nothing else can be checked without it",
		)
	default:
		d.report("session", fine, fmt.Sprintf("%s answers after %v", got.session.Info().Server, got.took.Round(time.Millisecond)), "")
	}
	return got.session
}

// granted checks the session timeout that the service granted.
func (d *doctor) granted(session coord.Session, s config.Settings) {
	info := session.Info()
	if err := membership.LeaseParamsOf(info).Check(); err != nil {
		d.report("timeouts", Wrong, err.Error(), "a longer sessionTimeout")
		return
	}
	d.report(
		"timeouts",
		fine,
		fmt.Sprintf("session timeout %v; the work of a lost machine runs elsewhere within %v", info.Timeout, takeover(s.Service, info)),
		"",
	)
}

// access checks whether the records of the cluster can be read and written, and returns its members.
func (d *doctor) access(ctx context.Context, session coord.Session, s config.Settings) []coord.Entry {
	keys := schema.NewKeys(s.Cluster)
	asking, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	r, err := session.Get(asking, keys.Meta())
	var meta schema.Meta
	switch {
	case errors.Is(err, coord.ErrNotFound):
		d.unborn(asking, session, s)
		return nil
	case errors.Is(err, coord.ErrUnauthorized):
		d.refused(asking, session, s)
		return nil
	case err != nil:
		d.report("cluster", Wrong, err.Error(), "")
		return nil
	}
	if err := schema.Decode(keys.Meta(), r, &meta); err != nil {
		d.report("cluster", Wrong, err.Error(), "restore "+keys.Meta())
		return nil
	}
	if meta.Protocol != schema.Protocol {
		d.report(
			"cluster",
			Wrong,
			fmt.Sprintf("the nodes speak protocol %d, and this program %d", meta.Protocol, schema.Protocol),
			"use a program of their version",
		)
		return nil
	}
	switch err := d.probe(asking, session, keys); {
	case errors.Is(err, coord.ErrUnauthorized):
		d.report("access", Wrong, "the cluster can be read but not written", identityFix(s.Service))
		return nil
	case err != nil:
		d.report("access", Wrong, err.Error(), "")
		return nil
	}
	members, err := session.List(asking, keys.Members())
	if err != nil {
		d.report("cluster", Wrong, err.Error(), "")
		return nil
	}
	state, fix := fine, ""
	found := fmt.Sprintf("cluster %s can be read and written; %s", s.Cluster, plural.Of(len(members), "live member"))
	if s.Service.ZK != nil && s.Service.ZK.Username == "" {
		state, fix = warning, "give all nodes a username and password in [zookeeper], and run: xconsumer cluster protect"
		found += "; everybody who reaches ZooKeeper can do so, too"
	}
	d.report("access", state, found, fix)
	if s.Service.ZK != nil && s.Service.ZK.Username != "" {
		d.exposure(ctx, session, keys)
	}
	return members
}

// refused reports why the service refuses this identity the records of the cluster. ZooKeeper accepts every username and
// password at the start of a session, and compares them only with the ACLs of znodes. So the answer does not show whether the
// username or the password is wrong.
func (d *doctor) refused(ctx context.Context, session coord.Session, s config.Settings) {
	switch {
	case s.Service.ZK == nil:
		who := "the user " + s.Service.Etcd.Username
		if s.Service.Etcd.Username == "" {
			who = "this configuration, which names no user,"
		}
		d.report("access", Wrong, "etcd does not let "+who+" read the records of cluster "+s.Cluster, createFix(s.Service, ""))
	case s.Service.ZK.Username == "":
		d.report(
			"access",
			Wrong,
			"the records of cluster "+s.Cluster+" belong to an identity, and this configuration has none",
			identityFix(s.Service),
		)
	default:
		text := fmt.Sprintf(
			"the records of cluster %s belong to another identity than the user %s with this password",
			s.Cluster,
			s.Service.ZK.Username,
		)
		if access, err := zk.SampleAccess(ctx, session, schema.NewKeys(s.Cluster).Root(), 0); err == nil && len(access.Owners) > 0 {
			text += ": to " + strings.Join(access.Owners, ", ")
		}
		d.report("access", Wrong, text, identityFix(s.Service))
	}
}

// identityFix returns the fix for an identity that the service refuses.
func identityFix(s config.Service) string {
	switch {
	case s.ZK == nil:
		return "check username, password and passwordFile of [etcd]"
	case s.ZK.Username == "":
		return "give [zookeeper] the username and password that the cluster was created with"
	}
	return "check username, password and passwordFile of [zookeeper] first: they must be those that the cluster was created with; " +
		"`cluster protect` does not help: " +
		"only the identity that created the records can change them"
}

// awayFix returns the fix for a server that does not answer.
func awayFix(state, key string) string {
	if state == Wrong {
		return "start it, or correct " + key
	}
	return "start it, or correct or take it out of " + key + "; the others have a quorum and work without it"
}

// unsupportedFix returns the fix for a service on which leases would not be safe.
func unsupportedFix(s config.Service) string {
	if s.ZK != nil {
		return "upgrade ZooKeeper, or set tickTime as stated; nodes refuse to run on it as it is"
	}
	return "upgrade etcd, or correct its address; nodes refuse to run on it as it is"
}

// takeover returns the time within which the work of a lost machine runs elsewhere: the formula in docs/internals/reliability.md.
func takeover(s config.Service, info coord.Info) time.Duration {
	if s.ZK != nil {
		return info.Timeout + zk.Expiry(s.ZK.TickTime) + info.TakeoverDelayAfter(info.Timeout)
	}
	return info.Timeout + max(etcd.Expiry, membership.LeaseParamsOf(info).HeartbeatInterval)
}

// unborn checks whether a cluster that does not exist yet could be created.
func (d *doctor) unborn(ctx context.Context, session coord.Session, s config.Settings) {
	keys := schema.NewKeys(s.Cluster)
	var above string
	var err error
	if s.Service.ZK != nil {
		above, err = zk.CheckCreate(ctx, session, keys.Meta())
	} else {
		above = keys.Root()
		err = d.probe(ctx, session, keys)
	}
	switch {
	case errors.Is(err, coord.ErrUnauthorized):
		d.report(
			"cluster",
			Wrong,
			fmt.Sprintf("cluster %s does not exist yet, and this identity may not create it below %s", s.Cluster, above),
			createFix(s.Service, above),
		)
	case err != nil:
		d.report(
			"cluster",
			Wrong,
			fmt.Sprintf("cluster %s does not exist yet and cannot be created below %s: %v", s.Cluster, above, err),
			"",
		)
	default:
		d.report("cluster", fine, "cluster "+s.Cluster+" does not exist yet; the first node creates it", "")
	}
}

// createFix returns the fix for an identity that may not create a cluster.
func createFix(s config.Service, above string) string {
	if s.ZK == nil {
		return "grant the user of [etcd] readwrite on all keys that begin with " + s.Etcd.Prefix + "/xconsumer"
	}
	who := "everybody, or a username and password in [zookeeper] that may"
	if s.ZK.Username != "" {
		who = "the user " + s.ZK.Username
	}
	return fmt.Sprintf(
		"allow create to %s in its ACL, have an administrator create what is missing below %s, or name another chroot in [zookeeper] host",
		who,
		above,
	)
}

// probe checks whether records of a cluster may be written: it creates one that ends with the session, and deletes it.
func (d *doctor) probe(ctx context.Context, session coord.Session, keys schema.Keys) error {
	key := keys.Root() + "/doctor"
	if _, err := session.Commit(ctx, coord.CreateBound(key, []byte("{}"))); err != nil && !errors.Is(err, coord.ErrExists) {
		return err
	}
	_, _ = session.Commit(ctx, coord.Delete(key, 0)) // after an error, it ends with the session
	return nil
}
