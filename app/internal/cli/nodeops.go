package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func nodePath(node, what string) string { return "/api/v1/nodes/" + url.PathEscape(node) + what }

// onNode returns a command with one node as its argument.
func onNode(env *environment, verb, short string, plans func(node string) cluster.Operation) *cobra.Command {
	c := &cobra.Command{
		Use: verb + " NODE", Short: short, Args: args("NODE"), ValidArgsFunction: env.completeNodes,
		Example: "  xconsumer " + verb + " n1",
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return m.do(c.Context(), client.Request{Path: nodePath(args[0], "/"+verb)}, plans(args[0]))
	}
	return c
}

func cordonCommand(env *environment) *cobra.Command {
	return onNode(env, "cordon", "Grant a node nothing new; what it has stays", cluster.Cordon)
}

func uncordonCommand(env *environment) *cobra.Command {
	return onNode(env, "uncordon", "Grant a node workers again; also end a drain or a quarantine", cluster.Uncordon)
}

func drainCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "drain [NODE]",
		Short:             "Move all workers off a node, and grant it nothing new until it is uncordoned",
		Args:              args("[NODE]"),
		ValidArgsFunction: env.completeNodes,
		Example: `  xconsumer drain n1 --wait
  xconsumer drain n1 --deadline 10m
  xconsumer drain --self --wait          # before it leaves, as in a preStop hook; with run --uncordon`,
	}
	self := c.Flags().Bool("self", false, "drain the node that is asked")
	m := env.mutation(c).planned(c)
	deadline := c.Flags().Duration("deadline", 0, "how long workers that no other node can take may stay (default: no limit)")
	notNegative(c, "deadline", deadline)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *self == (len(args) == 1) {
			return fmt.Errorf("%w: drain takes the name of a node, or --self", config.ErrUsage)
		}
		if *self {
			api, err := m.client()
			if err != nil {
				return err
			}
			health, err := api.Health(c.Context(), false)
			if err != nil {
				return withHint(c.Context(), api, err)
			}
			args = []string{health.Node}
		}
		body := map[string]any{"deadline": cluster.Duration(*deadline)}
		if *deadline == 0 {
			body = map[string]any{}
		}
		return m.do(c.Context(), client.Request{Path: nodePath(args[0], "/drain"), Body: body}, cluster.Drain(args[0], *deadline))
	}
	return c
}

func evictCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "evict NODE",
		Short:             "End the membership of a node: its workers stop, and it joins again",
		Example:           "  xconsumer evict n1",
		Args:              args("NODE"),
		ValidArgsFunction: env.completeNodes,
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := m.confirmFor(
			c.Context(),
			nodePath(args[0], ""),
			"evict "+args[0]+": its workers stop now and restart elsewhere only after its lease has expired",
		); err != nil {
			return err
		}
		return m.do(c.Context(), client.Request{Path: nodePath(args[0], "/evict")}, cluster.Evict(args[0]))
	}
	return c
}

func labelCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "label NODE KEY=VALUE...",
		Short:             "Change the labels of a node, over those of its configuration",
		Args:              args("NODE", "KEY=VALUE..."),
		ValidArgsFunction: env.completeNodes,
		Long: `Change the labels of a node, over those of its configuration: KEY=VALUE sets a label, KEY- hides one that the node has,
KEY~ restores the node's own.`,
		Example: `  xconsumer label n1 zone=a gpu=true
  xconsumer label n1 zone~    # as the configuration of n1 sets it`,
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		labels, err := labelChanges(args[1:])
		if err != nil {
			return err
		}
		return m.do(
			c.Context(),
			client.Request{Path: nodePath(args[0], "/label"), Body: map[string]any{"labels": labels}},
			cluster.Label(args[0], labels),
		)
	}
	return c
}

// labelChanges reads changes of labels.
func labelChanges(list []string) (map[string]*string, error) {
	labels := map[string]*string{}
	for _, text := range list {
		key, value, set := strings.Cut(text, "=")
		switch {
		case set && value != "":
			labels[key] = &value
		case strings.HasSuffix(text, "-"):
			labels[strings.TrimSuffix(text, "-")] = new("")
		case strings.HasSuffix(text, "~"):
			labels[strings.TrimSuffix(text, "~")] = nil
		default:
			return nil, fmt.Errorf("%w: invalid label %q (want KEY=VALUE, KEY- or KEY~)", config.ErrUsage, text)
		}
	}
	return labels, nil
}

func moveNowCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "move-now", Short: "End the delays of work that waits for nodes, and of balance", Args: args(),
		Example: "  xconsumer move-now --wait",
	}
	m := env.mutation(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return m.do(c.Context(), client.Request{Path: "/api/v1/moves/now"})
	}
	return c
}
