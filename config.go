package xconsumer

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
)

// The errors that New and Run return. Compare with errors.Is. Errors of the coordination service match those of package
// coord.
var (
	// ErrStuck: a worker did not stop, although the node was leaving or its lease had ended. The process must end at
	// once, since another node is about to get the slot.
	ErrStuck = follower.ErrStuck
	// ErrLease: the session timeout is so short that it leaves no time to work. The error shows the arithmetic.
	ErrLease = membership.ErrLeaseParams
	// ErrProtocol: the cluster uses a protocol that this version does not support.
	ErrProtocol = membership.ErrProtocol
	// ErrConfig: the configuration or a registered work is invalid.
	ErrConfig = errors.New("configuration refused")
)

// Why a worker's context was cancelled: context.Cause(ctx) matches one of these.
var (
	ErrReleased  = cluster.ErrReleased
	ErrLeaving   = cluster.ErrLeaving
	ErrLeaseLost = cluster.ErrLeaseLost
)

// Config describes a node.
type Config struct {
	// Cluster is the name of the cluster to join.
	Cluster string
	// Name is the node's name, unique among the cluster's live nodes; "" for the host name.
	Name string
	// Address is the address of the node's HTTP API, as host:port; "" if it has none.
	Address string
	// Advertise is the address at which other nodes reach that API, as host:port, with "https://" before it if it speaks TLS.
	// "" means that other nodes do not ask this one.
	Advertise string
	// Version is the version of the program, for people who look at the nodes; "" if it is unknown.
	Version string
	// Labels are matched by the tasks that require or prefer some. The node adds "node" and "host".
	Labels cluster.Labels
	// Weight is the node's share of the work relative to other nodes; 0 for 1.
	Weight int
	// Capacity is the most that the weights of the node's workers may add up to; 0 for no limit.
	Capacity int
	// RestartGrace is for how long the slots of the node wait for it after it has left in order, because a supervisor restarts it:
	// they return to the node of that name, or move when the time is over. 0: they move at once. At most
	// cluster.MaxRestartGrace.
	RestartGrace time.Duration
	// Tasks are declared to the cluster when the node starts. A task that does not exist is created. A declaration that
	// the cluster has not seen before replaces the one in force. A declaration that it has seen before changes nothing.
	Tasks []cluster.TaskSpec
	// LeaderWorkers is the share of the work that the leader takes. "" leaves it to the cluster, whose default is
	// cluster.LeaderLast. It is declared like tasks.
	LeaderWorkers cluster.LeaderPolicy
	// Rebalance is the policy by which slots move. It is declared together with LeaderWorkers; the zero values of both
	// leave them to the cluster.
	Rebalance cluster.Rebalance
	// Source describes where the declarations come from, such as a file name. It is for people.
	Source string
	// Together is how many nodes start together with this one, itself included; 0 if that is unknown. A cluster in which
	// nothing runs yet waits for a moment for more nodes before it begins, but not once it has so many.
	Together int
	// SupervisorReport, if it is not nil, receives the information that a parent process needs to clean up after this one:
	// before the node joins, before a worker starts, on every change, and about once a second otherwise. All calls are made
	// from one goroutine; reports that a newer one has replaced are skipped. Before it joins and before it starts a worker,
	// the node waits for the call to return, at most for one second.
	SupervisorReport func(cluster.SupervisorReport)
	// Trace, if it is not nil, receives the steps of grants that this node takes. All calls are made from one goroutine,
	// in order. Nothing waits for them: while 16,384 steps are waiting, further ones are dropped and counted.
	Trace func(cluster.Span)
	// HardStop, if it is not nil, is called when the lease's hard stop has passed while workers that need the lease still
	// run, and Run has not returned, or has returned ErrStuck. It must end the process at once and without waiting, as
	// os.Exit does, since other nodes are about to get the slots. The goroutine that calls it takes no lock, so that
	// nothing that hangs in this process can prevent the call. With nil, Run only returns ErrStuck.
	HardStop func()
	// LogBytes is how many bytes are kept of each worker's log; 0 for 256 KB. All logs together are limited to 256 MB.
	LogBytes int
	// Log receives the node's log; nil for slog.Default(). The Handle method of its handler is called from one goroutine,
	// and may block: only Run waits for it, at most for one second, before it returns. While 8 MB of records are waiting,
	// further ones are dropped and counted. Enabled, WithAttrs and WithGroup must not block.
	Log *slog.Logger
}

// settings returns the settings that the node declares, nil for none.
func (c *Config) settings() *cluster.Settings {
	spec := cluster.Settings{LeaderWorkers: c.LeaderWorkers, Rebalance: c.Rebalance}
	if spec == (cluster.Settings{}) {
		return nil
	}
	return &spec
}

// validate sets defaults, and returns every mistake, joined. The error matches ErrConfig.
func (c *Config) validate() error {
	var errs []error
	if err := cluster.ValidateName(c.Cluster); err != nil {
		errs = append(errs, fmt.Errorf("cluster: %w", err))
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			errs = append(errs, fmt.Errorf("name: %w", err))
		}
		c.Name = host
	}
	if err := cluster.ValidateName(c.Name); err != nil {
		errs = append(errs, fmt.Errorf("name: %w", err))
	}
	seen := map[string]bool{}
	for i, task := range c.Tasks {
		if err := schedule.Validate(task); err != nil {
			errs = append(errs, fmt.Errorf("task %d (%s): %w", i+1, task.Name, err))
		}
		if seen[task.Name] {
			errs = append(errs, fmt.Errorf("task %s is declared twice", task.Name))
		}
		seen[task.Name] = true
	}
	for _, e := range []error{c.Labels.Validate(), c.Rebalance.Validate()} {
		if e != nil {
			errs = append(errs, e)
		}
	}
	if c.Advertise != "" {
		if _, err := address.Parse(strings.TrimPrefix(c.Advertise, "https://"), 0); err != nil {
			errs = append(errs, fmt.Errorf("advertise: %w", err))
		}
	}
	if c.Weight < 0 || c.Weight > cluster.MaxWeight {
		errs = append(errs, fmt.Errorf("weight: %d is not between 1 and %d", c.Weight, cluster.MaxWeight))
	}
	if c.RestartGrace < 0 || c.RestartGrace > cluster.MaxRestartGrace {
		errs = append(errs, fmt.Errorf("restartGrace: %v is not between 0s and %v", c.RestartGrace, cluster.MaxRestartGrace))
	}
	if c.Capacity < 0 {
		errs = append(errs, fmt.Errorf("capacity: %d is less than 1; leave it out for no limit, or cordon the node", c.Capacity))
	}
	if c.Together < 0 {
		errs = append(errs, fmt.Errorf("together: %d is less than 0; leave it out if it is unknown", c.Together))
	}
	if c.LeaderWorkers != "" {
		if err := c.LeaderWorkers.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("leader workers: %w", err))
		}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}
