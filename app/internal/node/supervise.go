package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/supervise"
)

// ChildExit is the exit code of a child that ended and is not restarted. The child has logged the reason itself.
type ChildExit int

func (e ChildExit) Error() string { return "" }

// runParent runs the node in a child process and supervises it.
func runParent(ctx context.Context, s config.Settings, again <-chan os.Signal, log *slog.Logger) error {
	service := newManager()
	defer service.leaving(ctx)()
	env := withoutManager(os.Environ())
	if s.Service.Joined != "" { // a later child must not need to look it up, because etcd may not answer then
		env = append(env, config.ClusterVariable+"="+s.Cluster)
	}
	listener, err := listen(ctx, s, log)
	if err != nil {
		return err
	}
	cfg := supervise.Config{
		Args: os.Args, Env: env, Again: again, Clock: coord.LeaseClock(),
		Out: os.Stdout, Err: os.Stderr, Log: log, Alive: service.alive,
		Close: func(ctx context.Context, v cluster.SupervisorReport, d supervise.Death) error {
			err := closeDeadMember(ctx, s.Service, v, d, log)
			if err != nil {
				log.Debug("the dead node's member is not closed", "error", err)
				return errors.New(coord.Reason(err))
			}
			return nil
		},
	}
	if l, ok := listener.(*net.TCPListener); ok {
		defer func() { _ = l.Close() }()
		cfg.Listener, err = l.File()
		if err != nil {
			return fmt.Errorf("http: %w", err)
		}
		defer func() { _ = cfg.Listener.Close() }()
	}
	code, err := supervise.Run(ctx, cfg)
	if err != nil || code == 0 {
		return err
	}
	return ChildExit(code)
}

// closeDeadMember closes the member of a dead child, over its own session.
func closeDeadMember(
	ctx context.Context,
	service config.Service,
	v cluster.SupervisorReport,
	d supervise.Death,
	log *slog.Logger,
) (err error) {
	store, err := service.Open(log)
	if err != nil {
		return err
	}
	session, err := store.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }() // closing the member has succeeded or failed already
	return membership.CloseDead(ctx, session, schema.NewKeys(v.Cluster), membership.FormerMember{
		Member: v.Member, Node: v.Node, Session: v.Session,
		By: fmt.Sprintf("parent of %s, pid %d", v.Node, os.Getpid()), Cause: d.Cause, Blame: d.Blame,
	})
}

// orphanLimit is how long a child whose parent has died may take to leave.
const orphanLimit = 15 * time.Second

// obeyParent ignores second signals, because only the parent ends this process at once. Another sender, such as a service
// manager, only requests it to leave.
func obeyParent(again <-chan os.Signal, log *slog.Logger) {
	go func() { // until the process ends
		for range again {
			log.Info("already shutting down; to stop immediately, signal the parent process", "pid", os.Getppid())
		}
	}()
}

// leaveWithParent returns a context that also ends when the parent process does.
func leaveWithParent(ctx context.Context, child *supervise.Child, log *slog.Logger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // until the process ends
		child.Orphaned()
		cancel(errors.New("the parent process is gone"))
		log.Error("the parent process is gone; leaving")
		time.Sleep(orphanLimit)
		os.Exit(exitOrphan)
	}()
	return ctx, func() { cancel(nil) }
}

// The exit codes of a process of a node that ends at once.
const (
	ExitStuck  = 70
	exitOrphan = 71
)
