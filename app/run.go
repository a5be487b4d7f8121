package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/cli"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/supervise"
)

func runCommand(register Register, streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Runs a node: joins the cluster and runs the workers that it is granted",
		Args:  cli.NoArgs,
		Example: `  xconsumer run --config app.toml
  xconsumer run --name n2 --http 127.0.0.1:8802`,
	}
	flags := configFlags(c)
	joinFlag(c, flags, "joins that cluster")
	c.Flags().StringVar(&flags.advertise, "advertise", "", "host:port where other nodes reach this one")
	c.Flags().StringVar(&flags.secretFile, "secret-file", "", "file with the secret that nodes sign requests to each other with")
	uncordon := c.Flags().Bool("uncordon", false, "takes back a cordon or drain of this node's name when it joins, as where it was drained before it left")
	alone := c.Flags().Bool("no-supervise", false, "no parent process: after a crash the node is not started again, and its work waits for the session timeout")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		s, err := loadSettings(*flags, streams.Env)
		if err != nil {
			return err
		}
		log, level, err := newLogger(streams)
		if err != nil {
			return err
		}
		defer func() { lastWords(log, err) }()
		s.level = level
		outliveReaders()
		ctx, child := c.Context(), supervise.NewChild()
		if child != nil {
			var cancel context.CancelFunc
			ctx, cancel = leaveWithParent(ctx, child, log)
			defer cancel()
		}
		if child == nil && s.service.joined != "" {
			if s, err = s.join(ctx, log); err != nil {
				return err
			}
		}
		if (child == nil || !child.IsNode()) && !*alone && supervise.Supported {
			return runParent(ctx, s, streams, log)
		}
		s.uncordon = *uncordon
		return runNode(ctx, s, register, child, streams.Again, log)
	}
	return c
}

// runNode runs a node and its HTTP API until ctx ends.
func runNode(ctx context.Context, s settings, register Register, child *supervise.Child, again <-chan os.Signal, log *slog.Logger) (err error) {
	keeper := command.NewKeeper()
	tell := func(v cluster.Vitals) { keeper.Tell(v.StopBy) }
	var listener net.Listener
	if child != nil && child.IsNode() {
		obeyParent(again, log)
		tell = func(v cluster.Vitals) {
			keeper.Tell(v.StopBy)
			child.Tell(v)
		}
		listener, err = child.Listener()
	} else {
		listener, err = listen(ctx, s, log)
	}
	if err != nil {
		return err
	}
	address := ""
	if listener != nil {
		defer func() { _ = listener.Close() }()
		address = listener.Addr().String()
	}
	if s.name == "" {
		s.name = nodeName(address)
	}
	reached := s.reached(ctx, address)
	if s.advertise = reached.advertise; s.advertise != "" {
		s.access.answerTo(s.advertise)
	}
	store, err := s.service.open(log)
	if err != nil {
		return err
	}
	traces, err := newTracing(ctx, s, os.Getenv)
	if err != nil {
		return err
	}
	defer func() {
		if !errors.Is(err, xconsumer.ErrStuck) { // nothing may delay the end of the process
			traces.close(ctx, log)
		}
	}()
	var told func(cluster.Span)
	if traces != nil {
		told = traces.tell
	}
	node, err := xconsumer.New(store, xconsumer.Config{
		Cluster: s.cluster, Name: s.name, Address: address, Advertise: s.advertised(), Tasks: s.tasks, LeaderWorkers: s.leader, Source: s.file,
		Moving: s.moving, Labels: s.labels, Weight: s.weight, Capacity: s.capacity,
		LogBytes: s.logBytes, Vitals: tell, Trace: told, Log: log,
		HardStop: func() { os.Exit(exitCode(xconsumer.ErrStuck)) },
	})
	if err != nil {
		return err
	}
	register(node)
	registerCommands(node, s, keeper)
	s.warn(log, address)
	s.warnUnreached(log, reached)
	log.Info("starting", "node", s.name, "cluster", s.cluster, "service", s.service.String(), "http", address)
	defer beside(ctx, func(ctx context.Context) {
		s.warnExposed(ctx, log)
		s.warnOpenStore(ctx, log)
	})(&err)
	if s.uncordon {
		defer uncordon(ctx, node, log)(&err)
	}
	if listener == nil {
		return node.Run(ctx)
	}
	return serve(ctx, s, node, keeper, listener, log)
}

// warn says what of the configuration lets others in.
func (s settings) warn(log *slog.Logger, address string) {
	switch known := demo(&s); {
	case !s.access.insecure || loopback(s.listen) || s.listen == "off":
	case !s.access.closed():
		log.Warn("insecure: whoever reaches the HTTP API may do everything; give it tokens", "address", address)
	case known != "":
		log.Warn("insecure: a token or the secret is the demo's, which everybody knows; make your own", "which", known, "address", address)
	}
	if s.service.joined == "" && len(s.service.ignored) > 0 {
		log.Info("ignored: a flag or a variable names another service", "file", s.file, "keys", strings.Join(s.service.ignored, ", "))
	}
	for _, text := range s.warnings {
		log.Warn("a secret can be read by others", "where", text)
	}
}

// beside calls a function beside the node. Stop ends it, and waits for that, unless the node ended with workers that do
// not stop: nothing may delay the end of the process then.
func beside(ctx context.Context, do func(context.Context)) (stop func(*error)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	return func(err *error) {
		cancel()
		if !errors.Is(*err, xconsumer.ErrStuck) {
			<-done
		}
	}
}

// uncordon takes back a cordon or drain of a node once it is a member. Until that is done it is tried again.
func uncordon(ctx context.Context, node *xconsumer.Node, log *slog.Logger) (stop func(*error)) {
	return beside(ctx, func(ctx context.Context) {
		for {
			if len(node.Ready()) == 0 {
				_, err := node.Admin().Do(ctx, cluster.Operation{Kind: cluster.OpUncordon, Node: node.Name(), Caller: cluster.Caller{By: node.Name()}})
				if err == nil || ctx.Err() != nil {
					return
				}
				log.Debug("not uncordoned yet", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

// How far listen goes to find a port, and how long it waits for one that was asked for.
const (
	portsToTry   = 100
	portPatience = 10 * time.Second
)

// listen opens the HTTP listener, nil for none. A port that was asked for is waited for: the
// process that had it may just be leaving.
func listen(ctx context.Context, s settings, log *slog.Logger) (net.Listener, error) {
	if s.listen == "off" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(s.listen)
	if err != nil {
		return nil, fmt.Errorf("%w: http.listen: %w", errConfig, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.listen)
	if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
		return l, wrapListen(s.listen, err)
	}
	if s.explicit {
		log.Warn("the HTTP address is taken; waiting for it", "address", s.listen, "at most", portPatience)
		for end := time.Now().Add(portPatience); time.Now().Before(end); {
			select {
			case <-ctx.Done():
				return nil, wrapListen(s.listen, err)
			case <-time.After(200 * time.Millisecond):
			}
			if l, err = lc.Listen(ctx, "tcp", s.listen); err == nil {
				return l, nil
			}
		}
		return nil, wrapListen(s.listen, err)
	}
	first, _ := strconv.Atoi(port)
	for next := first + 1; next <= min(first+portsToTry, math.MaxUint16); next++ {
		addr := net.JoinHostPort(host, strconv.Itoa(next))
		if l, err = lc.Listen(ctx, "tcp", addr); err == nil {
			log.Info("the default HTTP port is taken; using the next free one", "address", addr)
			return l, nil
		}
	}
	return nil, wrapListen(s.listen, err)
}

func wrapListen(addr string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: http: cannot listen on %s: %w; choose another address with --http", errUnavailable, addr, err)
}
