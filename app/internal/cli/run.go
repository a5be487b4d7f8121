package cli

import (
	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/client"
)

func runCommand(register func(node *xconsumer.Node), build client.Build, streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run a node: join the cluster and run the workers that it is granted",
		Args:  noArgs,
		Example: `  xconsumer run --config app.toml
  xconsumer run --name n2 --http 127.0.0.1:8802`,
	}
	flags := configFlags(c)
	joinFlag(c, flags, "join that cluster")
	c.Flags().StringVar(&flags.Advertise, "advertise", "", "host:port where other nodes reach this one")
	c.Flags().StringVar(&flags.SecretFile, "secret-file", "", "file with the secret that nodes sign requests to each other with")
	uncordon := c.Flags().Bool(
		"uncordon",
		false,
		"uncordon this node when it joins, for a node that was drained before it left",
	)
	alone := c.Flags().Bool(
		"no-supervise",
		false,
		"run without a parent process: after a crash the node is not restarted, and its work waits for the session timeout",
	)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := config.Load(*flags, streams.Getenv)
		if err != nil {
			return err
		}
		return node.Run(c.Context(), node.Config{
			Settings: s, Register: register, Build: build, Uncordon: *uncordon, Alone: *alone,
			Env: streams.Getenv, Err: streams.Err, Again: streams.SecondSignal,
		})
	}
	return c
}
