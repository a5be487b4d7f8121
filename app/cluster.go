package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/cli"
	"gitee.com/ken.yang/xconsumer/internal/membership"
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
		return fmt.Errorf("%w: %w; see `xconsumer doctor`", errUnavailable, err)
	}
	defer func() { _ = session.Close() }()
	return do(ctx, session, s)
}

func clusterCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{Use: "cluster", Short: "Creates and deletes clusters in the store", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	create := &cobra.Command{
		Use: "init", Short: "Creates the cluster in a fresh store, or prepares one that was restored from a copy", Args: noArgs,
		Long: `Creates the cluster that the configuration names, if there is none; the first node would do so, too. With username and
password its records are for that identity alone.

In a store that was restored from a copy, tokens must rise above all that were given since it was made: --token-floor
says what that is. No node may run then.`,
	}
	flags := configFlags(create)
	floor := create.Flags().Int64("token-floor", 0, "the greatest token that was ever seen; the next one is above it")
	create.RunE = func(c *cobra.Command, _ []string) error {
		if *floor < 0 {
			return fmt.Errorf("%w: --token-floor: %d is less than 0", errUsage, *floor)
		}
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s settings) error {
			next, err := membership.Found(ctx, session, schema.NewKeys(s.cluster), *floor)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(streams.Out, "cluster %s is in %v; its next token is %d\n", s.cluster, s.service, next)
			return err
		})
	}
	erase := &cobra.Command{Use: "delete", Short: "Deletes everything of the cluster from the store; no node of it may run", Args: noArgs}
	eraseFlags := configFlags(erase)
	yes := erase.Flags().BoolP("yes", "y", false, "does not ask")
	erase.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *eraseFlags, streams, func(ctx context.Context, session coord.Session, s settings) error {
			what := fmt.Sprintf("delete cluster %s from %v, with all its tasks, runs and checkpoints", s.cluster, s.service)
			if err := cli.Confirm(cli.Streams{In: streams.In, Err: streams.Err}, what, *yes); err != nil {
				return err
			}
			n, err := membership.Erase(ctx, session, schema.NewKeys(s.cluster))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(streams.Out, "cluster %s is deleted: %d records\n", s.cluster, n)
			return err
		})
	}
	c.AddCommand(create, erase)
	return c
}

func protocolCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{Use: "protocol", Short: "Looks after the version of the protocol that the nodes speak", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	raise := &cobra.Command{Use: "raise", Short: "Lets the nodes speak the latest protocol that all of them know", Args: noArgs}
	flags := configFlags(raise)
	raise.RunE = func(c *cobra.Command, _ []string) error {
		return onStore(c.Context(), *flags, streams, func(ctx context.Context, session coord.Session, s settings) error {
			from, to, err := membership.Raise(ctx, session, schema.NewKeys(s.cluster))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(streams.Out, "cluster %s speaks protocol %d now; it was %d\n", s.cluster, to, from)
			return err
		})
	}
	c.AddCommand(raise)
	return c
}
