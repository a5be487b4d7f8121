package cli

import (
	"net"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/devcluster"
)

func devCommand(register func(node *xconsumer.Node), streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole cluster on this machine: several nodes, and etcd inside this process",
		Long: `Run a whole cluster on this machine: several nodes, each a process of its own, and the
coordination service, an etcd inside this process that only this machine can reach. It takes tasks
and settings from app.toml; without one, two workers of every work that the program has. Ctrl-C ends
all of it. To run a program that was built again, end dev and start it again: its nodes run the program
that dev was started with. With --data, the cluster goes on where it was.`,
		Args: noArgs,
		Example: `  xconsumer dev
  xconsumer dev --nodes 5 --http 127.0.0.1:9000
  xconsumer dev --data ./data`,
	}
	var flags config.Flags
	var d devcluster.Config
	c.Flags().IntVar(&d.Nodes, "nodes", 3, "number of nodes")
	c.Flags().StringVar(
		&flags.HTTP,
		"http",
		"",
		"address of the first node's HTTP API (default "+config.DefaultListen+"); the others take the next free ports",
	)
	c.Flags().StringVar(&flags.Config, "config", "", "configuration file (default app.toml, if there is one)")
	c.Flags().StringVar(&flags.Cluster, "cluster", "", "name of the cluster")
	c.Flags().StringVar(&d.Data, "data", "", "directory that keeps the cluster's data (default: deleted at the end)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		flags.Join = "http://" + net.JoinHostPort("127.0.0.1", "1") // a placeholder: the port is chosen later
		d.Settings, err = config.Load(flags, streams.Getenv)
		if err != nil {
			return err
		}
		d.Register, d.Asked = register, flags.HTTP != ""
		d.Out, d.Err, d.Env, d.Again = streams.Out, streams.Err, streams.Getenv, streams.SecondSignal
		return devcluster.Run(c.Context(), d)
	}
	return c
}

// cleanupCommand removes the temporary directory of xconsumer dev, which starts it.
func cleanupCommand() *cobra.Command {
	return &cobra.Command{
		Use: devcluster.CleanupName, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return devcluster.CleanUp(args[0]) },
	}
}
