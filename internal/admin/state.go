package admin

import (
	"context"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/nodesession"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Leading returns the cluster as the leader sees it, if that is this node and its lease is valid. It reads nothing.
func (a *Admin) Leading() (cluster.State, bool) {
	snap := a.Observer.Leading()
	if snap == nil || !a.Lease().Valid {
		return cluster.State{}, false
	}
	return a.stateOf(snap), true
}

// State returns the cluster as this node sees it. It reads the store only when nobody has asked
// for a while; otherwise it answers from what is kept up to date. While the node is not
// connected it tells the last it knew, and fails if it knew nothing.
func (a *Admin) State(ctx context.Context) (cluster.State, error) {
	snap, err := a.Observer.Snapshot(ctx)
	if err != nil {
		return cluster.State{}, fmt.Errorf("state: %w", err)
	}
	return a.stateOf(snap), nil
}

// heard returns what was read, with what else is known of the members.
func (a *Admin) heard(snap *view.Snapshot) *view.Snapshot {
	_, without := a.Presence.Condition()
	return a.Observer.Heard(snap, without)
}

// stateOf renders what was read.
func (a *Admin) stateOf(snap *view.Snapshot) cluster.State {
	c, without := a.Presence.Condition()
	state := report.State(a.Observer.Heard(snap, without), a.Keys)
	report.ExplainUnplaced(&state, snap)
	state.Warnings = a.warnings(c, &state)
	return state
}

// warnings returns what keeps the cluster from being led as it should, or what is told of it from being true.
func (a *Admin) warnings(c nodesession.Condition, state *cluster.State) (list []string) {
	switch {
	case c.Leased && c.Away:
		list = append(
			list,
			a.Node+" does not reach the coordination service; its own workers run on while its lease lasts, and what it tells of others is old",
		)
	case c.Leased:
	case c.Unheard > 0:
		list = append(
			list,
			fmt.Sprintf(
				"%s has not heard from the coordination service for %v; its own workers are stopped, and what it tells of others is old",
				a.Node,
				c.Unheard,
			),
		)
	default:
		list = append(list, a.Node+" has no lease; its own workers are stopped, and what it tells of others is old")
	}
	if c.Trouble != "" {
		list = append(list, a.Node+": "+c.Trouble)
	}
	if state.Leader == "" {
		list = append(list, "nobody leads: what runs goes on, and nothing is granted")
	}
	return list
}

// Tasks returns the tasks with what they declare, by name.
func (a *Admin) Tasks(ctx context.Context) ([]cluster.TaskDetail, error) {
	snap, err := a.Observer.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("tasks: %w", err)
	}
	state := a.stateOf(snap)
	return report.Tasks(snap, &state), nil
}
