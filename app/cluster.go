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
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// storePatience bounds what commands do with the store itself.
const storePatience = time.Minute

// onStore runs a function with a session of the store that the configuration names.
func onStore(ctx context.Context, flags runFlags, streams Streams, do func(ctx context.Context, session coord.Session, s settings) error) error {
	s, err := loadSettings(flags, streams.Env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	store, err := s.service.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	opening, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	session, err := store.Open(opening)
	if err != nil {
		return unopened(err)
	}
	defer func() { _ = session.Close() }()
	err = do(ctx, session, s)
	if errors.Is(err, coord.ErrUnknown) || errors.Is(err, coord.ErrSessionEnded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %v has stopped answering; see `xconsumer doctor`, and then call this again: what was done stays done", httpapi.ErrOutcomeUnknown, s.service)
	}
	return err
}

// confirm asks whether to go on, and returns a context whose patience with the store begins with the answer: how long
// that takes is no fault of the store.
func confirm(ctx context.Context, streams Streams, what string, yes bool) (context.Context, context.CancelFunc, error) {
	if err := cli.Confirm(cli.Streams{In: streams.In, Err: streams.Err}, what, yes); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	return ctx, cancel, nil
}

// erase deletes a cluster, unless somebody is asked and does not want it.
func erase(ctx context.Context, session coord.Session, s settings, streams Streams, yes bool) (records int, err error) {
	what := fmt.Sprintf("delete cluster %s from %v, with all its tasks, runs and checkpoints", s.cluster, s.service)
	ctx, cancel, err := confirm(ctx, streams, what, yes)
	if err != nil {
		return 0, err
	}
	defer cancel()
	if records, err = membership.DeleteCluster(ctx, session, schema.NewKeys(s.cluster)); errors.Is(err, membership.ErrNoCluster) {
		err = fmt.Errorf("%w: %s", err, s.cluster)
	}
	return records, err
}

// unopened says why there is no session, and who knows more of it. What trying again does not mend keeps its own exit
// code.
func unopened(err error) error {
	if errors.Is(err, coord.ErrUnauthorized) || errors.Is(err, coord.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("%w: %w; see `xconsumer doctor`", errUnavailable, err)
}

func clusterCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{Use: "cluster", Short: "Creates, protects and deletes clusters in the store", Args: cli.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	create := &cobra.Command{
		Use: "init", Short: "Creates the cluster in a fresh store, or prepares one that was restored from a copy", Args: cli.NoArgs,
		Long: `Creates the cluster that the configuration names, if there is none; the first node would do so, too. With username and
password its records are for that identity alone.

In a store that was restored from a copy, tokens must rise above all that were given since it was made: --token-floor
says what that is, and makes the epoch again if it is missing or damaged. No node may run then.`,
	}
	flags := configFlags(create)
	o := cli.OutputFlag(create, "table", "json", "yaml")
	cli.YesFlag(create, new(bool))
	floor := create.Flags().Int64("token-floor", 0, "the greatest token that was ever seen; the next one is above it")
	create.RunE = func(c *cobra.Command, _ []string) error {
		if *floor < 0 {
			return fmt.Errorf("%w: --token-floor: %d is less than 0", config.ErrUsage, *floor)
		}
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s settings) error {
			next, err := membership.Bootstrap(ctx, session, schema.NewKeys(s.cluster), *floor)
			if err != nil {
				return err
			}
			return o.Print(streams.Out, map[string]any{"cluster": s.cluster, "service": fmt.Sprint(s.service), "nextToken": next},
				fmt.Sprintf("cluster %s is in %v; its next token is %d\n", s.cluster, s.service, next))
		})
	}
	remove := &cobra.Command{Use: "delete", Short: "Deletes everything of the cluster from the store; no node of it may run", Args: cli.NoArgs}
	removeFlags := configFlags(remove)
	removeOutput := cli.OutputFlag(remove, "table", "json", "yaml")
	yes := new(bool)
	cli.YesFlag(remove, yes)
	remove.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *removeFlags, streams, func(_ context.Context, session coord.Session, s settings) error {
			n, err := erase(c.Context(), session, s, streams, *yes) //nolint:contextcheck // its time begins with the answer to a question
			if err != nil {
				return err
			}
			return removeOutput.Print(streams.Out, map[string]any{"cluster": s.cluster, "deleted": n}, fmt.Sprintf("cluster %s is deleted: %s\n", s.cluster, plural.Of(n, "record")))
		})
	}
	c.AddCommand(create, remove, protectCommand(streams))
	return c
}

func protectCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "protect", Short: "Lets the configured ZooKeeper user alone use the records of the cluster", Args: cli.NoArgs,
		Long: `Compares the ACL of every znode of the cluster with the username and password of the configuration, and sets those
that differ, as when the cluster was created before it had a user. Give all nodes the user first: nodes without it are
shut out.`,
	}
	flags, o := configFlags(c), cli.OutputFlag(c, "table", "json", "yaml")
	yes := new(bool)
	cli.YesFlag(c, yes)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s settings) error { //nolint:contextcheck // its time begins with the answer to a question
			if s.service.zk == nil {
				return fmt.Errorf("%w: cluster protect: etcd has users and roles of its own; see docs/configuration.md", config.ErrUsage)
			}
			if s.service.zk.Username == "" {
				return fmt.Errorf("%w: cluster protect: the configuration has no [zookeeper] username and password", config.ErrUsage)
			}
			keys := schema.NewKeys(s.cluster)
			access, err := zk.CheckAccess(ctx, session, keys.Root())
			switch {
			case err != nil:
				return err
			case access.Znodes == 0:
				return fmt.Errorf("%w: %s", membership.ErrNoCluster, s.cluster)
			case slices.Contains(access.Kept, keys.Root()): // so that nothing of it is this identity's
				return fmt.Errorf("cluster %s belongs to another identity, and only that can change it: %w", s.cluster, coord.ErrUnauthorized)
			}
			strangers := 0
			for _, key := range slices.Concat(access.Open, access.Foreign) {
				if strings.HasPrefix(key, keys.Members()+"/") {
					strangers++
				}
			}
			if strangers > 0 {
				what := fmt.Sprintf("shut out %s of cluster %s that run without the user %s; their workers stop", plural.Of(strangers, "node"), s.cluster, s.service.zk.Username)
				var cancel context.CancelFunc
				if ctx, cancel, err = confirm(c.Context(), streams, what, *yes); err != nil {
					return err
				}
				defer cancel()
			}
			// Who could read the secret of the nodes may know it: they make another one. It is deleted once more when
			// nobody else can make it any longer.
			if slices.Contains(slices.Concat(access.Open, access.Foreign), keys.PeerSecret()) {
				if _, err := membership.ForgetPeerSecret(ctx, session, keys); err != nil && !errors.Is(err, coord.ErrUnauthorized) {
					return err
				}
			}
			changed, err := zk.Protect(ctx, session, keys.Root())
			switch {
			case errors.Is(err, coord.ErrUnauthorized): // which is of those znodes: the identity itself was let in
				return fmt.Errorf("not all znodes are protected (changed: %d): %s", changed, err.Error())
			case err != nil:
				return fmt.Errorf("not all znodes are protected (changed: %d): %w", changed, err)
			}
			if changed > 0 {
				if _, err := membership.ForgetPeerSecret(ctx, session, keys); err != nil {
					return err
				}
			}
			return o.Print(streams.Out, map[string]any{"cluster": s.cluster, "username": s.service.zk.Username, "changed": changed, "znodes": access.Znodes},
				fmt.Sprintf("cluster %s is for %s alone: %d of %s were not\n", s.cluster, s.service.zk.Username, changed, plural.Of(access.Znodes, "znode")))
		})
	}
	return c
}

// exposed says which znodes of a cluster are not for the configured user alone, and what to do; "" for none.
func exposed(a zk.Access) (found, fix string) {
	kept := map[string]bool{}
	for _, key := range a.Kept {
		kept[key] = true
	}
	own := func(keys []string) []string { // which the user can change
		return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return kept[key] })
	}
	another := "another identity"
	if len(a.Owners) > 0 {
		another += " (" + strings.Join(a.Owners, ", ") + ")"
	}
	var parts, fixes []string
	for _, kind := range []struct {
		keys      []string
		what, fix string
	}{
		{own(a.Open), "open to everybody who reaches ZooKeeper", protectFix},
		{own(a.Foreign), "open to another identity as well", protectFix},
		{a.Kept, "owned by " + another, "check username and password first: what is owned by another identity only that can change or delete, or ZooKeeper's super user; `cluster protect` cannot"},
	} {
		n := len(kind.keys)
		if n == 0 {
			continue
		}
		verb := "are"
		if n == 1 {
			verb = "is"
		}
		parts = append(parts, fmt.Sprintf("%d of %s %s %s, as %s", n, plural.Of(a.Znodes, "znode"), verb, kind.what, slices.Min(kind.keys)))
		if !slices.Contains(fixes, kind.fix) {
			fixes = append(fixes, kind.fix)
		}
	}
	return strings.Join(parts, "; "), strings.Join(fixes, "; ")
}

// protectFix is how znodes are mended that others may use, and this identity may change.
const protectFix = "give all nodes the username, and run: xconsumer cluster protect"

// sampledAtStart is how many znodes each start compares besides the cluster's root and what is directly below it.
const sampledAtStart = 30

// warnExposed compares once who may use a sample of the cluster's znodes with the configured user, and logs it if others
// may. A sample, since a fleet that starts together would otherwise read everything once for each node; doctor compares
// all. It has a session of its own.
func (s settings) warnExposed(ctx context.Context, log *slog.Logger) {
	if s.service.zk == nil || s.service.zk.Username == "" {
		return
	}
	store, err := s.service.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return
	}
	session, err := store.Open(ctx)
	if err != nil {
		return // the node says what is wrong
	}
	defer func() { _ = session.Close() }()
	root := schema.NewKeys(s.cluster).Root()
	access, err := zk.SampleAccess(ctx, session, root, sampledAtStart)
	switch text, fix := exposed(access); {
	case slices.Contains(access.Kept, root): // the node itself is not let in, and says what to do
	case text != "":
		log.Warn("others may use records of the cluster; a sample was compared, and `xconsumer doctor` compares all", "found", text, "fix", fix)
	case err != nil && ctx.Err() == nil:
		log.Info("could not compare who may use the records of the cluster", "error", err)
	}
}

func protocolCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{Use: "protocol", Short: "Looks after the version of the protocol that the nodes speak", Args: cli.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	raise := &cobra.Command{Use: "raise", Short: "Lets the nodes speak the latest protocol that all of them know", Args: cli.NoArgs}
	flags, o := configFlags(raise), cli.OutputFlag(raise, "table", "json", "yaml")
	cli.YesFlag(raise, new(bool))
	raise.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s settings) error {
			from, to, err := membership.Raise(ctx, session, schema.NewKeys(s.cluster))
			if err != nil {
				return err
			}
			return o.Print(streams.Out, map[string]any{"cluster": s.cluster, "protocol": to, "before": from}, fmt.Sprintf("cluster %s speaks protocol %d now; it was %d\n", s.cluster, to, from))
		})
	}
	c.AddCommand(raise)
	return c
}
