package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// Program is the one whose commands they are.
type Program struct {
	Register func(node *xconsumer.Node) // of its works
	Release  string                     // the version of a build that knows none of its own
}

// New returns the command with all others below it.
func New(p Program, streams Streams) *cobra.Command {
	build := buildVersion(p.Release)
	root := &cobra.Command{
		Use:           "xconsumer",
		Short:         "Keep N workers of every task running across a fleet of machines",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	root.Version = versionLine(build)
	root.SetVersionTemplate("{{.Version}}")
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		devCommand(p.Register, streams),
		cleanupCommand(),
		runCommand(p.Register, build, streams),
		configCommand(streams),
		versionCommand(build, streams),
		tokenCommand(streams),
		clusterCommand(streams),
		protocolCommand(streams),
		doctorCommand(p.Register, streams),
		initCommand(build, streams),
	)
	root.AddCommand(nodeCommands(streams, func(file string) (string, []cluster.TaskSpec, error) {
		return config.LoadTasks(file, streams.Getenv)
	})...)
	root.AddCommand(manualCommand(root))
	root.SetHelpCommand(helpCommand(root))
	refuseUnknownShells(root)
	return root
}

// refuseUnknownShells has cobra's command that writes completions refuse a shell that it does not know.
func refuseUnknownShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return // cobra has none
	}
	var shells []string
	for _, one := range c.Commands() {
		shells = append(shells, one.Name())
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%w: unknown shell %q (known: %s)", config.ErrUsage, args[0], strings.Join(shells, ", "))
		}
		return c.Help()
	}
}

// helpCommand is cobra's, but for a command that there is not.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 && about.HasSubCommands() {
				return unknownCommand(about, rest[0])
			}
			if err != nil {
				return fmt.Errorf("%w: %w", config.ErrUsage, err)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// configFlags are the flags of the commands that read the configuration.
func configFlags(c *cobra.Command) *config.Flags {
	f := &config.Flags{}
	c.Flags().StringVar(&f.Config, "config", "", "configuration file (default app.toml, if there is one)")
	c.Flags().StringVar(&f.Cluster, "cluster", "", "name of the cluster to join")
	c.Flags().StringVar(&f.Name, "name", "", "name of this node (default <host>-<http port>)")
	c.Flags().StringVar(&f.HTTP, "http", "", "address of the HTTP API, or \"off\" (default "+config.DefaultListen+", or the next free port)")
	c.Flags().StringVar(&f.ZooKeeper, "zookeeper", "", "ZooKeeper servers: host:port,host:port/chroot")
	c.Flags().StringVar(&f.Etcd, "etcd", "", "etcd servers: http://host:port,http://host:port")
	return f
}

// joinFlag adds the flag of the commands that can take the service of xconsumer dev; what says what they do then.
func joinFlag(c *cobra.Command, f *config.Flags, what string) {
	c.Flags().StringVar(&f.Join, "join", "", "etcd address that xconsumer dev prints: "+what+", whatever app.toml says")
}
