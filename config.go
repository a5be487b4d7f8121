package xconsumer

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// The errors that Run may return; compare with errors.Is. Errors of the coordination service
// match those of package coord.
var (
	// ErrStuck: a worker did not stop although the node was leaving or its lease was over.
	// The process must end at once: others are about to be granted its slot.
	ErrStuck = follower.ErrStuck
	// ErrLease: the session timeout leaves no time to work; the error shows the arithmetic.
	ErrLease = membership.ErrTerms
	// ErrProtocol: the cluster speaks a protocol that this version does not.
	ErrProtocol = membership.ErrProtocol
	// ErrConfig: the configuration or a registered work is not usable.
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
	// Address is where the node's HTTP API can be reached, host:port; "" if it has none.
	Address string
	// Advertise is where other nodes reach that API, host:port, after "https://" if it speaks TLS; "" if they are not to ask
	// this one.
	Advertise string
	// Labels describe the node to tasks that require or prefer some; "node" and "host" are added.
	Labels cluster.Labels
	// Weight is the node's share of the work against that of others; 0 for 1.
	Weight int
	// Capacity is the most that the weights of the node's workers may add up to; 0 for no limit.
	Capacity int
	// Tasks are declared to the cluster when the node starts. New ones are created; a
	// declaration that the cluster has not seen before replaces the one in force; others
	// change nothing.
	Tasks []cluster.TaskSpec
	// LeaderWorkers says what share of the work the leader takes; "" leaves it to the cluster,
	// whose default is cluster.LeaderLast. It is declared like tasks.
	LeaderWorkers cluster.LeaderPolicy
	// Rebalance is the policy by which slots move. It is declared with LeaderWorkers; the zero value
	// of both leaves them to the cluster.
	Rebalance cluster.Rebalance
	// Source says where the declarations come from, for people: a file name.
	Source string
	// SupervisorReport, if set, is called with what a parent process has to know to clean up after this
	// one: before the node joins, before a worker starts, whenever they change, and about once
	// a second while nothing does. It is called from a goroutine of its own, never twice at
	// the same time, with the newest only. The node waits for it before it joins and before it
	// starts a worker, for a second at most; one that takes longer holds nothing up.
	SupervisorReport func(cluster.SupervisorReport)
	// Trace, if set, is told of the steps by which slots come to nodes, as this one takes them. It is called from a
	// goroutine of its own, in order. Nothing waits for it: when 16,384 steps wait for it, more are dropped and counted.
	Trace func(cluster.Span)
	// HardStop, if set, is called when the lease's hard stop is past, workers that need the lease still run, and Run
	// has not returned, or has with ErrStuck. It must end the process, at once and without waiting for anything, as
	// os.Exit does: other nodes are about to be granted the slots. It is called from a goroutine that waits for no lock,
	// so that nothing that hangs in this process can keep it from being called. nil: Run returns ErrStuck, and nothing
	// else sees to it.
	HardStop func()
	// LogBytes is how much is kept of what each worker writes to its own log; 0 for 256 KB. All of
	// them together keep 256 MB at most.
	LogBytes int
	// Log receives what the node has to say; nil for slog.Default(). Its handler's Handle is called from a goroutine of
	// its own and may block for as long as it likes: nothing waits for it, except Run before it returns, for a second
	// at most. When 8 MB of records wait, more are dropped and counted. Enabled, WithAttrs and WithGroup must not wait.
	Log *slog.Logger
}

// settings returns the settings that the node declares, nil for none.
func (c *Config) settings() *schema.SettingsSpec {
	spec := schema.SettingsSpec{LeaderWorkers: c.LeaderWorkers, Rebalance: c.Rebalance}
	if spec == (schema.SettingsSpec{}) {
		return nil
	}
	return &spec
}

// validate fills in defaults and returns every mistake, joined.
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
	if c.Capacity < 0 {
		errs = append(errs, fmt.Errorf("capacity: %d is less than 1; leave it out for no limit, or cordon the node", c.Capacity))
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
