package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// storeTimeout bounds the work of a command on the store.
const storeTimeout = time.Minute

// onStore runs a function with a session of the store of the configuration.
func onStore(
	ctx context.Context,
	flags config.Flags,
	streams Streams,
	do func(ctx context.Context, session coord.Session, s config.Settings) error,
) error {
	s, err := config.Load(flags, streams.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	store, err := s.Service.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	opening, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	session, err := store.Open(opening)
	if err != nil {
		return node.Unopened(err)
	}
	defer func() { _ = session.Close() }()
	err = do(ctx, session, s)
	if errors.Is(err, coord.ErrUnknown) || errors.Is(err, coord.ErrSessionEnded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf(
			"%w: %v has stopped answering; see `xconsumer doctor`, and then call this again: what was done stays done",
			client.ErrOutcomeUnknown,
			s.Service,
		)
	}
	return err
}

// confirmStore asks whether to continue. The timeout of the context that it returns begins with the answer, because the time
// that a person takes does not count.
func confirmStore(ctx context.Context, streams Streams, what string, yes bool) (context.Context, context.CancelFunc, error) {
	if err := confirm(streams, what, yes); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	return ctx, cancel, nil
}

// deleteCluster deletes a cluster after a confirmation. It returns the number of deleted records.
func deleteCluster(ctx context.Context, session coord.Session, s config.Settings, streams Streams, yes bool) (records int, err error) {
	what := fmt.Sprintf("delete cluster %s from %v, with all its tasks, runs and checkpoints", s.Cluster, s.Service)
	ctx, cancel, err := confirmStore(ctx, streams, what, yes)
	if err != nil {
		return 0, err
	}
	defer cancel()
	records, err = membership.DeleteCluster(ctx, session, schema.NewKeys(s.Cluster))
	if errors.Is(err, membership.ErrNoCluster) {
		err = fmt.Errorf("%w: %s", err, s.Cluster)
	}
	return records, err
}

func clusterCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Create, protect and delete clusters in the store",
		Example: `  xconsumer cluster init --config app.toml
  xconsumer cluster delete --config app.toml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	create := &cobra.Command{
		Use: "init", Short: "Create the cluster in a new store, or prepare a store that was restored from a copy", Args: noArgs,
		Long: `Create the cluster that the configuration names, if it does not exist. The first node would create it, too. With username
and password only that identity can read and change its records.

In a store that was restored from a copy, new tokens must be above all tokens that were granted after the copy was made:
--token-floor names the greatest of these, and creates the epoch again if it is missing or damaged. No node may run then.`,
		Example: `  xconsumer cluster init --config app.toml
  xconsumer cluster init --token-floor 120000    # in a store that was restored from a copy`,
	}
	flags := configFlags(create)
	o := outputFlag(create, "table", "json", "yaml")
	yesFlag(create, new(bool))
	floor := create.Flags().Int64("token-floor", 0, "greatest token that was granted; the next token is above it")
	create.RunE = func(c *cobra.Command, _ []string) error {
		if *floor < 0 {
			return fmt.Errorf("%w: --token-floor: %d is less than 0", config.ErrUsage, *floor)
		}
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s config.Settings) error {
			next, err := membership.Bootstrap(ctx, session, schema.NewKeys(s.Cluster), *floor)
			if err != nil {
				return err
			}
			return o.Print(streams.Out, map[string]any{"cluster": s.Cluster, "service": fmt.Sprint(s.Service), "nextToken": next},
				fmt.Sprintf("cluster %s is in %v; its next token is %d\n", s.Cluster, s.Service, next))
		})
	}
	remove := &cobra.Command{
		Use: "delete", Short: "Delete all records of the cluster from the store; none of its nodes may run", Args: noArgs,
		Example: `  xconsumer cluster delete --config app.toml
  xconsumer cluster delete --config app.toml --yes    # without a question`,
	}
	removeFlags := configFlags(remove)
	removeOutput := outputFlag(remove, "table", "json", "yaml")
	yes := new(bool)
	yesFlag(remove, yes)
	remove.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *removeFlags, streams, func(_ context.Context, session coord.Session, s config.Settings) error {
			n, err := deleteCluster(c.Context(), session, s, streams, *yes) //nolint:contextcheck // its timeout begins with the answer
			if err != nil {
				return err
			}
			return removeOutput.Print(
				streams.Out,
				map[string]any{"cluster": s.Cluster, "deleted": n},
				fmt.Sprintf("cluster %s is deleted: %s\n", s.Cluster, plural.Of(n, "record")),
			)
		})
	}
	c.AddCommand(create, remove, protectCommand(streams))
	return c
}

func protectCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "protect", Short: "Restrict the records of the cluster to the configured ZooKeeper user", Args: noArgs,
		Long: `Compare the ACL of every znode of the cluster with the username and password of the configuration, and set those that
differ, for example because the cluster was created before it had a user. Configure the user on all nodes first: nodes
without it lose their access.`,
		Example: "  xconsumer cluster protect --config app.toml",
	}
	flags, o := configFlags(c), outputFlag(c, "table", "json", "yaml")
	yes := new(bool)
	yesFlag(c, yes)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s config.Settings) error {
			if s.Service.ZK == nil {
				return fmt.Errorf("%w: cluster protect: etcd has users and roles of its own; see docs/guides/security.md", config.ErrUsage)
			}
			if s.Service.ZK.Username == "" {
				return fmt.Errorf("%w: cluster protect: the configuration has no [zookeeper] username and password", config.ErrUsage)
			}
			access, err := accessToProtect(ctx, session, schema.NewKeys(s.Cluster), s.Cluster)
			if err != nil {
				return err
			}
			//nolint:contextcheck // its timeout begins with the answer
			changed, err := protect(c.Context(), session, s, access, streams, *yes)
			if err != nil {
				return err
			}
			return o.Print(
				streams.Out,
				map[string]any{"cluster": s.Cluster, "username": s.Service.ZK.Username, "changed": changed, "znodes": access.Znodes},
				fmt.Sprintf(
					"cluster %s is for %s alone: %d of %s were not\n",
					s.Cluster,
					s.Service.ZK.Username,
					changed,
					plural.Of(access.Znodes, "znode"),
				),
			)
		})
	}
	return c
}

// accessToProtect returns the access rights to the znodes of a cluster. It fails if the cluster does not exist, or if this
// identity cannot change any of them.
func accessToProtect(ctx context.Context, session coord.Session, keys schema.Keys, name string) (zk.Access, error) {
	access, err := zk.CheckAccess(ctx, session, keys.Root())
	switch {
	case err != nil:
		return access, err
	case access.Znodes == 0:
		return access, fmt.Errorf("%w: %s", membership.ErrNoCluster, name)
	case slices.Contains(access.Kept, keys.Root()): // then this identity owns none of it
		return access, fmt.Errorf("cluster %s belongs to another identity, and only that can change it: %w", name, coord.ErrUnauthorized)
	}
	return access, nil
}

// protect restricts the znodes of a cluster to the configured user, and returns how many it has changed. It asks for a
// confirmation if nodes run without that user. Nodes make a new secret if others could read the old one.
func protect(
	ctx context.Context,
	session coord.Session,
	s config.Settings,
	access zk.Access,
	streams Streams,
	yes bool,
) (changed int, err error) {
	keys := schema.NewKeys(s.Cluster)
	readable := slices.Concat(access.Open, access.Foreign)
	strangers := 0
	for _, key := range readable {
		if strings.HasPrefix(key, keys.Members()+"/") {
			strangers++
		}
	}
	what := fmt.Sprintf(
		"shut out %s of cluster %s that run without the user %s; their workers stop",
		plural.Of(strangers, "node"),
		s.Cluster,
		s.Service.ZK.Username,
	)
	ctx, cancel, err := confirmStore(ctx, streams, what, yes || strangers == 0)
	if err != nil {
		return 0, err
	}
	defer cancel()
	// Others may have read the secret of the nodes, so it is deleted, and the nodes make another one. It is deleted again once
	// only this identity can create it.
	if slices.Contains(readable, keys.PeerSecret()) {
		if _, err := membership.ForgetPeerSecret(ctx, session, keys); err != nil && !errors.Is(err, coord.ErrUnauthorized) {
			return 0, err
		}
	}
	changed, err = zk.Protect(ctx, session, keys.Root())
	switch {
	case errors.Is(err, coord.ErrUnauthorized): // of some znodes, although the identity owns the root
		return changed, fmt.Errorf("not all znodes are protected (changed: %d): %s", changed, err.Error())
	case err != nil:
		return changed, fmt.Errorf("not all znodes are protected (changed: %d): %w", changed, err)
	}
	if changed > 0 {
		if _, err := membership.ForgetPeerSecret(ctx, session, keys); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

func protocolCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "protocol",
		Short: "Manage the version of the protocol that the nodes speak",
		Args:  noArgs, Example: "  xconsumer protocol raise --config app.toml",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	raise := &cobra.Command{
		Use: "raise", Short: "Raise the protocol to the latest version that all nodes support", Args: noArgs,
		Example: "  xconsumer protocol raise --config app.toml",
	}
	flags, o := configFlags(raise), outputFlag(raise, "table", "json", "yaml")
	yesFlag(raise, new(bool))
	raise.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s config.Settings) error {
			from, to, err := membership.Raise(ctx, session, schema.NewKeys(s.Cluster))
			if err != nil {
				return err
			}
			return o.Print(
				streams.Out,
				map[string]any{"cluster": s.Cluster, "protocol": to, "before": from},
				fmt.Sprintf("cluster %s speaks protocol %d now; it was %d\n", s.Cluster, to, from),
			)
		})
	}
	c.AddCommand(raise)
	return c
}
