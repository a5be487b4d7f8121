// Package app is the xconsumer program: app.toml, the commands, and the backends. A program
// with works of its own calls Main:
//
//	func main() {
//		app.Main(func(node *xconsumer.Node) { node.Methods(&work.Work{}) })
//	}
//
// Exit codes: 0 ok, 1 failure, 2 usage, 3 conflict, 4 not found, 5 no node answers, 6 outcome unknown, 7 the run of
// run-now --wait has failed, 69 an address is in use or nothing listens there, 70 a worker did not stop, 71 the parent process is
// gone, 73 a data directory cannot be used, 76 the service is not etcd, 78 the configuration is refused, 130 and 143 ended by a
// second signal.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata"

	"google.golang.org/grpc/grpclog"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/cli"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/logging"
	"gitee.com/ken.yang/xconsumer/app/internal/logview"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/etcdserver"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// Register registers the works of a program with its node.
type Register func(node *xconsumer.Node)

// Streams connect a program to its process: In (nil if no person can answer questions), Out, Err, Getenv (such as
// os.Getenv), and SecondSignal, which receives a second signal (nil for never).
type Streams = cli.Streams

// Main runs the program with the process's arguments and ends the process.
//
// The first SIGINT or SIGTERM makes a node leave. The second one ends everything at once. SIGTERMs within sameRequest count
// as one, because service managers send them to every process of a service, and the parent passes its own on.
func Main(register Register) {
	if command.IsShim() { // a node started this process to run a program
		os.Exit(command.Shim())
	}
	keepSecrets()                                                                // a shim has no secrets
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) // gRPC would write to the terminal
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
			case again <- sig: // the command has processes to end first
			case <-time.After(100 * time.Millisecond):
				if sig, ok := sig.(syscall.Signal); ok {
					os.Exit(128 + int(sig))
				}
			}
		}
	}()
	os.Exit(Run(ctx, os.Args[1:], register, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, SecondSignal: again}))
}

// sameRequest is the time after the first signal in which another SIGTERM counts as the same request.
const sameRequest = 500 * time.Millisecond

// Run runs one command and returns the exit code.
func Run(ctx context.Context, args []string, register Register, streams Streams) int {
	root := cli.New(cli.Program{Register: register, Release: release}, streams) //nolint:contextcheck // commands get ctx from ExecuteContext
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if errors.Is(err, coord.ErrUnauthorized) {
		err = fmt.Errorf("%w; check username and password of [zookeeper] or [etcd]", err)
	}
	if err != nil && err.Error() != "" {
		logging.LastLine(streams.Err, err)
	}
	return exitCode(err)
}

// release is the version of a build without version information, such as that of an image. The linker sets it.
var release string

// exitCodes is the table from errors to exit codes. The first match counts.
var exitCodes = []struct {
	err  error
	code int
}{
	{config.ErrUsage, 2},
	{client.ErrConflict, 3},
	{client.ErrNotFound, 4},
	{cluster.ErrNoSlot, 4},
	{cluster.ErrNoTask, 4},
	{logview.ErrNoLog, 4},
	{client.ErrOutcomeUnknown, 6},
	{client.ErrUnreachable, 5},
	{cli.ErrRunFailed, 7},
	{node.ErrUnavailable, 69},
	{xconsumer.ErrStuck, node.ExitStuck},
	{etcdserver.ErrDir, 73},
	{node.ErrNotEtcd, 76},
	{config.ErrConfig, 78},
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
	if code, ok := errors.AsType[node.ChildExit](err); ok {
		return int(code)
	}
	for _, row := range exitCodes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return 1
}
