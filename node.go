package xconsumer

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/admin"
	"gitee.com/ken.yang/xconsumer/internal/asynclog"
	"gitee.com/ken.yang/xconsumer/internal/emit"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/nodesession"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Node is one process of a cluster. Handle, HandleStop and Methods register its works; they must be called before Run, and
// from one goroutine. All other methods may be called from any goroutine.
type Node struct {
	works   *works
	runner  *nodesession.Runner
	admin   *admin.Admin
	running atomic.Bool
}

// New returns a node that joins a cluster over the store once Run is called. It does no I/O except to look up the host
// name. The error matches ErrConfig, and lists every mistake in the configuration.
func New(store coord.Store, cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	written := asynclog.Wrap(cfg.Log.Handler())
	log := slog.New(written).With("node", cfg.Name)
	count, spans, keys := meter.New(), emit.NewSpans(cfg.Trace), schema.NewKeys(cfg.Cluster)
	emitter := emit.New(cfg.Name, log, count, spans)
	observer, logs := &view.Observer{}, worker.NewLogs(cfg.LogBytes)
	presence := nodesession.NewPresence(observer.WakeReaders)
	w := newWorks()
	sessions := nodesession.Config{
		Store: store, Cluster: cfg.Cluster, Keys: keys,
		Member: cluster.Member{
			Node: cfg.Name, Address: cfg.Address, Advertise: cfg.Advertise, Version: cfg.Version,
			Labels: cfg.Labels, Weight: cfg.Weight, Capacity: cfg.Capacity, RestartGrace: cluster.Duration(cfg.RestartGrace),
		},
		Works: w.funcs, Stops: w.stops, Tasks: cfg.Tasks, Settings: cfg.settings(), Source: cfg.Source,
		Together: cfg.Together, HardStop: cfg.HardStop,
		Presence: presence, Observer: observer, Emitter: emitter, Spans: spans, Meter: count, Logs: logs, Log: log,
		Flush: func(limit time.Duration) {
			end := time.Now().Add(limit)
			written.Flush(limit)
			spans.Flush(time.Until(end))
		},
	}
	if cfg.SupervisorReport != nil {
		sessions.Supervisor = outbox.NewLatest(cfg.SupervisorReport)
	}
	return &Node{works: w, runner: nodesession.New(sessions), admin: &admin.Admin{
		Cluster: cfg.Cluster, Node: cfg.Name, Keys: keys, Presence: presence, Observer: observer, Logs: logs, Emitter: emitter,
		Meter: count, Spans: spans, Written: written, Registered: w.names,
	}}, nil
}

// Name returns the node's name.
func (n *Node) Name() string { return n.admin.Name() }

// Ready returns the reasons why the node is not at work; nothing if it is.
func (n *Node) Ready() (reasons []string) { return n.admin.Ready() }

// Events returns a channel of the events that this node sees: when it joins and leaves, its grants, its workers and its
// lease; and, while it leads, when other nodes join and leave. The channel begins with the first event after the call, and
// is closed when ctx ends. Events never block the node: a listener that lags behind by more than 1,024 events loses the
// oldest ones.
func (n *Node) Events(ctx context.Context) <-chan cluster.Event { return n.admin.Events(ctx) }

// State returns the cluster as this node sees it. For one minute after each call the node keeps its picture up to date and
// answers from it; otherwise it reads the store. While the node is not connected, State returns the last state that the
// node has read, or an error if it has read none.
func (n *Node) State(ctx context.Context) (cluster.State, error) { return n.admin.State(ctx) }

// Admin returns the management of the cluster through this node. It may be called at any time, even before Run.
func (n *Node) Admin() Admin { return n.admin }

// Run makes the node a member of the cluster, and runs what it is granted until ctx ends. It then stops the workers, leaves
// the cluster and returns nil. When the session is lost, Run stops the workers, and joins again once they have stopped. It
// returns only when every goroutine that it started has ended, except with ErrStuck. It may be called once.
//
// The error matches ErrConfig, ErrLease, ErrProtocol, ErrStuck, coord.ErrUnauthorized or coord.ErrUnsupported. Run does not
// return for any other reason.
func (n *Node) Run(ctx context.Context) error {
	if n.running.Swap(true) {
		return fmt.Errorf("%w: Run was called twice", ErrConfig)
	}
	if err := n.works.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return n.runner.Run(ctx)
}
