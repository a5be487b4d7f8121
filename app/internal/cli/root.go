package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/help"
)

// Program is the program that has the commands.
type Program struct {
	Register func(node *xconsumer.Node) // registers its works
	Release  string                     // the version of a build that records none
}

// New returns the command with all others below it. Their help is in the language of the environment: English or Chinese.
func New(p Program, streams Streams) *cobra.Command {
	build := buildVersion(p.Release)
	root := &cobra.Command{
		Use:   "xconsumer",
		Short: "Keep N workers of every task running across a fleet of machines",
		Long:  help.Start,
		Example: `  xconsumer dev
  xconsumer status --watch
  xconsumer help scale`,
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
	root.AddCommand(nodeCommands(streams, func(file string) (config.Declarations, error) {
		return config.LoadDeclarations(file, streams.Getenv)
	})...)
	root.AddCommand(manualCommand(root, func(lang string) *cobra.Command {
		streams.Getenv = func(string) string { return lang }
		return New(p, streams)
	}))
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultHelpCmd()
	completionCommands(root)
	help.Prepare(root, streams.Getenv)
	return root
}

// completionExamples show how each shell takes its completions.
var completionExamples = map[string]string{
	"bash":       "  xconsumer completion bash > /etc/bash_completion.d/xconsumer",
	"fish":       "  xconsumer completion fish > ~/.config/fish/completions/xconsumer.fish",
	"powershell": "  xconsumer completion powershell > xconsumer.ps1",
	"zsh":        "  xconsumer completion zsh > \"${fpath[1]}/_xconsumer\"",
}

// completionCommands adds the commands that write completions: those of cobra, with examples. They refuse an unknown shell.
func completionCommands(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return // cobra has no such command
	}
	var shells []string
	for _, one := range c.Commands() {
		shells = append(shells, one.Name())
		one.Short = "Write the completions for " + one.Name()
		one.Long = ""
		one.Example = completionExamples[one.Name()]
	}
	c.Short, c.Long = "Write the completions for a shell", ""
	c.Example = completionExamples["bash"]
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownWord("unknown shell %q", args[0], shells)
		}
		return c.Help()
	}
}

// helpCommand is the one of cobra, but refuses a command that does not exist.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		Example: `  xconsumer help scale
  LANG=zh_CN.UTF-8 xconsumer help scale    # in Chinese`,
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

// joinFlag adds the flag of the commands that can take the service of xconsumer dev; what is what they do then.
func joinFlag(c *cobra.Command, f *config.Flags, what string) {
	c.Flags().StringVar(&f.Join, "join", "", "etcd address printed by xconsumer dev: "+what+", and not that of app.toml")
}
