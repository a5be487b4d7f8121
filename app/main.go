// Package app is the xconsumer program: app.toml, the commands, and the backends. A program
// with works of its own calls Main:
//
//	func main() {
//		app.Main(func(node *xconsumer.Node) { node.Methods(&work.Work{}) })
//	}
//
// Exit codes: 0 ok, 1 failure, 2 usage, 3 conflict, 4 not found, 5 no node answers, 6 outcome unknown, 69 an address is taken or nobody
// answers there, 70 a worker did not stop, 71 the parent process is gone, 73 a data directory
// cannot be used, 76 what answers is no etcd, 78 the configuration is refused, 130 and 143 ended by
// a second signal.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // for schedules, on systems that have no time zones

	"github.com/spf13/cobra"
	"google.golang.org/grpc/grpclog"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/cli"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/etcdserver"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// Register registers the works of a program with its node.
type Register func(node *xconsumer.Node)

// Streams are what a program reads, writes and is told.
type Streams struct {
	In       io.Reader // nil for nobody who could be asked
	Out, Err io.Writer
	Env      func(string) string // os.Getenv
	// Again receives a second signal; nil for never.
	Again <-chan os.Signal
}

// Main runs the program with the process's arguments and ends the process.
//
// The first SIGINT or SIGTERM asks a node to leave; the second ends everything at once. SIGTERMs that
// come together are one: service managers send them to every process of a service, and the parent
// passes its own on.
func Main(register Register) {
	if command.IsShim() { // a node has started this process to run a program
		os.Exit(command.Shim())
	}
	keepSecrets()                                                                // which shims have none of
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) // it would write to the terminal
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	again := make(chan os.Signal)
	go func() {
		<-signals
		cancel()
		asked := time.Now()
		for sig := range signals {
			if sig == syscall.SIGTERM && time.Since(asked) < sameRequest {
				continue
			}
			select {
			case again <- sig: // to a command that has processes to end first
			case <-time.After(100 * time.Millisecond):
				if sig, ok := sig.(syscall.Signal); ok {
					os.Exit(128 + int(sig))
				}
			}
		}
	}()
	os.Exit(Run(ctx, os.Args[1:], register, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Again: again}))
}

// sameRequest is how soon a second SIGTERM is still the first one's.
const sameRequest = 500 * time.Millisecond

// Run runs one command and returns the exit code.
func Run(ctx context.Context, args []string, register Register, streams Streams) int {
	root := newRoot(register, streams) //nolint:contextcheck // commands get ctx from ExecuteContext
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if errors.Is(err, coord.ErrUnauthorized) {
		err = fmt.Errorf("%w; check username and password of [zookeeper] or [etcd]", err)
	}
	if err != nil && err.Error() != "" {
		lastLine(streams.Err, err)
	}
	return exitCode(err)
}

// exitCodes is the one table from errors to exit codes.
var exitCodes = []struct {
	err  error
	code int
}{
	{config.ErrUsage, 2},
	{httpapi.ErrConflict, 3},
	{httpapi.ErrNotFound, 4},
	{cluster.ErrNoSlot, 4},
	{cluster.ErrNoTask, 4},
	{cli.ErrNoLog, 4},
	{httpapi.ErrOutcomeUnknown, 6},
	{httpapi.ErrUnreachable, 5},
	{errUnavailable, 69},
	{xconsumer.ErrStuck, 70},
	{etcdserver.ErrDir, 73},
	{errNotEtcd, 76},
	{errConfig, 78},
	{xconsumer.ErrConfig, 78},
	{xconsumer.ErrLease, 78},
	{xconsumer.ErrProtocol, 78},
	{coord.ErrUnauthorized, 78},
	{coord.ErrUnsupported, 78},
	{membership.ErrLive, 3},
	{membership.ErrNoCluster, 4},
	{membership.ErrNothingToRaise, 3},
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[childExit](err); ok {
		return int(code)
	}
	for _, row := range exitCodes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return 1
}

func newRoot(register Register, streams Streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "xconsumer",
		Short:         "Keeps N workers of every task running across a fleet of machines",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.UnknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	root.Version = versionLine()
	root.SetVersionTemplate("{{.Version}}")
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(cli.FlagError)
	root.AddCommand(devCommand(register, streams), janitorCommand(), runCommand(register, streams), configCommand(streams), versionCommand(streams), tokenCommand(streams),
		clusterCommand(streams), protocolCommand(streams), doctorCommand(register, streams), initCommand(streams))
	root.AddCommand(cli.Commands(cli.Streams{In: streams.In, Out: streams.Out, Err: streams.Err, Env: streams.Env}, func(file string) (string, []cluster.TaskSpec, error) {
		return loadTasks(file, streams.Env)
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
		Use: "help [COMMAND]", Short: "Tells more of a command", ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
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
				return cli.UnknownCommand(about, rest[0])
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
func configFlags(c *cobra.Command) *runFlags {
	f := &runFlags{}
	c.Flags().StringVar(&f.config, "config", "", "configuration file (default app.toml, if there is one)")
	c.Flags().StringVar(&f.cluster, "cluster", "", "name of the cluster to join")
	c.Flags().StringVar(&f.name, "name", "", "name of this node (default <host>-<http port>)")
	c.Flags().StringVar(&f.http, "http", "", "address of the HTTP API, or \"off\" (default "+defaultListen+", or the next free port)")
	c.Flags().StringVar(&f.zookeeper, "zookeeper", "", "ZooKeeper servers: host:port,host:port/chroot")
	c.Flags().StringVar(&f.etcd, "etcd", "", "etcd servers: http://host:port,http://host:port")
	return f
}

// joinFlag adds the flag of the commands that can take the service of xconsumer dev; what says what they do then.
func joinFlag(c *cobra.Command, f *runFlags, what string) {
	c.Flags().StringVar(&f.join, "join", "", "etcd address that xconsumer dev prints: "+what+", whatever app.toml says")
}

func configCommand(streams Streams) *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "Looks after the configuration", Args: cli.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	check := &cobra.Command{
		Use:   "check",
		Short: "Checks app.toml and tells every mistake with its place; exit 78 if there is one",
		Long: `Checks app.toml, with the flags and variables that ` + "`xconsumer run`" + ` would take too, and tells every mistake with its
place; exit 78 if there is one. With -o json the mistakes are problems of one object, each with line, column, key, message
and, where it is known, fix; ok reports whether there are none. A file that names no coordination service is good for xconsumer dev, which brings its own:
that is a warning.`,
		Args: cli.NoArgs,
	}
	flags, o := configFlags(check), cli.OutputFlag(check, "table", "json", "yaml")
	check.RunE = func(*cobra.Command, []string) error {
		refused := func(err error) error {
			if !o.Asked() {
				return err
			}
			file, problems := problemsOf(err)
			if perr := o.Print(streams.Out, map[string]any{"ok": false, "file": file, "problems": problems}, ""); perr != nil {
				return perr
			}
			return err
		}
		s, f, err := readSettings(*flags, streams.Env)
		if err != nil {
			return refused(err)
		}
		service := fmt.Sprint(s.service)
		if s.service.none() && s.file != "" && len(f.errs) == 0 { // a project that is run by dev alone has no other mistake
			service = ""
			s.warnings = append(s.warnings, noService)
		} else if err := f.complete(s); err != nil {
			return refused(err)
		}
		file := s.file
		if file == "" {
			file = "configuration without a file"
		}
		for _, r := range s.remarks {
			s.warnings = append(s.warnings, r.text+"; "+r.fix)
		}
		for _, text := range s.warnings {
			fmt.Fprintln(streams.Err, "xconsumer: warning:", terminal.Printable(text))
		}
		over := " over " + service
		if service == "" {
			over = " for `xconsumer dev`"
		}
		return o.Print(streams.Out, map[string]any{"ok": true, "problems": []problem{}, "file": s.file, "cluster": s.cluster, "service": service, "tasks": len(s.tasks), "warnings": append([]string{}, s.warnings...)},
			fmt.Sprintf("%s: ok: cluster %s%s, %s\n", file, s.cluster, over, plural.Of(len(s.tasks), "task")))
	}
	config.AddCommand(check)
	return config
}
