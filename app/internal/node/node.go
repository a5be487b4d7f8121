// Package node is xconsumer run: it creates a node from the settings, serves its API, and runs it under a supervisor.
package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/logging"
	"gitee.com/ken.yang/xconsumer/app/internal/peers"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/supervise"
)

// Config configures a process of a node.
type Config struct {
	config.Settings
	Register func(node *xconsumer.Node) // of the program's works
	Build    client.Build
	Uncordon bool // whether the node ends its own cordon or drain when it joins
	Alone    bool // whether it runs without a parent process

	Env   func(string) string
	Err   io.Writer        // of the log
	Again <-chan os.Signal // receives a second signal
}

// Run runs a node until ctx ends. Unless this process is the child or Alone is set, the node runs in a child process that
// this one supervises.
func Run(ctx context.Context, cfg Config) (err error) {
	log, level, err := logging.New(cfg.Err, cfg.Env)
	if err != nil {
		return err
	}
	defer func() { logging.LastWords(log, err) }()
	logging.OutliveReaders()
	child := supervise.NewChild()
	if child != nil {
		var cancel context.CancelFunc
		ctx, cancel = leaveWithParent(ctx, child, log)
		defer cancel()
	}
	if child == nil && cfg.Service.Joined != "" {
		cfg.Settings, err = Join(ctx, cfg.Settings, log)
		if err != nil {
			return err
		}
	}
	if (child == nil || !child.IsNode()) && !cfg.Alone && supervise.Supported {
		return runParent(ctx, cfg.Settings, cfg.Again, log)
	}
	return (&process{cfg, log, level}).run(ctx, child)
}

// process is the process in which the node itself runs.
type process struct {
	Config
	log   *slog.Logger
	level *slog.LevelVar
}

// run runs the node and its HTTP API until ctx ends.
func (p *process) run(ctx context.Context, child *supervise.Child) (err error) {
	s, log := p.Settings, p.log
	keeper := command.NewKeeper()
	report := func(v cluster.SupervisorReport) { keeper.SetStopBy(v.StopBy) }
	var listener net.Listener
	if child != nil && child.IsNode() {
		obeyParent(p.Again, log)
		report = func(v cluster.SupervisorReport) {
			keeper.SetStopBy(v.StopBy)
			child.Report(v)
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
	if s.Name == "" {
		s.Name = config.NodeName(address)
	}
	reached := peers.Reached(ctx, s, address)
	s.Advertise = reached.Advertise
	if s.Advertise != "" {
		s.Access.AnswerTo(s.Advertise)
	}
	store, err := s.Service.Open(log)
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
	var send func(cluster.Span)
	if traces != nil {
		send = traces.send
	}
	node, err := xconsumer.New(store, xconsumer.Config{
		Cluster: s.Cluster, Name: s.Name, Address: address, Advertise: advertised(s), Tasks: s.Tasks, LeaderWorkers: s.Leader, Source: s.File,
		Version: p.Build.Version, Rebalance: s.Rebalance, Labels: s.Labels, Weight: s.Weight, Capacity: s.Capacity,
		RestartGrace: s.RestartGrace, Together: s.Together,
		LogBytes: s.LogBytes, SupervisorReport: report, Trace: send, Log: log,
		HardStop: func() { os.Exit(ExitStuck) },
	})
	if err != nil {
		return err
	}
	p.Register(node)
	registerCommands(node, s, keeper)
	warn(s, address, log)
	peers.WarnUnreached(s, reached, log)
	log.Info("starting", "node", s.Name, "cluster", s.Cluster, "service", s.Service.String(), "address", address)
	defer alongside(ctx, func(ctx context.Context) {
		peers.WarnExposed(ctx, s, log)
		peers.WarnOpenStore(ctx, s, log)
	})(&err)
	if p.Uncordon {
		defer uncordon(ctx, node, log)(&err)
	}
	if listener == nil {
		return node.Run(ctx)
	}
	return p.serve(ctx, s, node, keeper, listener)
}

// warn logs the parts of the configuration that let others in.
func warn(s config.Settings, address string, log *slog.Logger) {
	switch known := config.Demo(&s); {
	case !s.Access.Insecure || config.Loopback(s.Listen) || s.Listen == "off":
	case !s.Access.Closed():
		log.Warn("insecure: any client that reaches the HTTP API has full access; add tokens", "address", address)
	case known != "":
		log.Warn("insecure: a token or the secret is the demo's, which is public; create your own", "secret", known, "address", address)
	}
	if s.Service.Joined == "" && len(s.Service.Ignored) > 0 {
		log.Info("ignored: a flag or a variable names another service", "file", s.File, "keys", strings.Join(s.Service.Ignored, ", "))
	}
	for _, text := range s.Warnings {
		log.Warn("a secret can be read by others", "file", text)
	}
}

// alongside runs a function while the node runs. Stop cancels it and waits for it, unless the node ended with workers that
// do not stop: then nothing may delay the end of the process.
func alongside(ctx context.Context, do func(context.Context)) (stop func(*error)) {
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

// uncordon ends a cordon or drain of the node once the node is a member. It retries until that succeeds.
func uncordon(ctx context.Context, node *xconsumer.Node, log *slog.Logger) (stop func(*error)) {
	return alongside(ctx, func(ctx context.Context) {
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
