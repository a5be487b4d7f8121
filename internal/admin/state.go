package admin

import (
	"context"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/nodesession"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Leading is that of xconsumer.Admin.
func (a *Admin) Leading() (cluster.State, bool) {
	snap := a.Observer.Leading()
	if snap == nil || !a.Lease().Valid {
		return cluster.State{}, false
	}
	return a.stateOf(snap), true
}

// State is that of xconsumer.Node.
func (a *Admin) State(ctx context.Context) (cluster.State, error) {
	snap, err := a.Observer.Snapshot(ctx)
	if err != nil {
		return cluster.State{}, fmt.Errorf("state: %w", err)
	}
	return a.stateOf(snap), nil
}

// heard returns the snapshot, with every member marked as silent that is known to have no lease, this node included.
func (a *Admin) heard(snap *view.Snapshot) *view.Snapshot {
	_, without := a.Presence.Condition()
	return a.Observer.Heard(snap, without)
}

// stateOf renders a snapshot, with the reasons for unplaced slots and the warnings.
func (a *Admin) stateOf(snap *view.Snapshot) cluster.State {
	c, without := a.Presence.Condition()
	state := report.State(a.Observer.Heard(snap, without), a.Keys)
	report.ExplainUnplaced(&state, snap)
	state.Warnings = a.warnings(c, &state)
	return state
}

// warnings returns the obstacles to leading the cluster, and the reasons why this node's view of it may be out
// of date.
func (a *Admin) warnings(c nodesession.Condition, state *cluster.State) (list []string) {
	switch {
	case c.Leased && c.Away:
		list = append(
			list,
			a.Node+" does not reach the coordination service; its own workers run on while its lease lasts, "+
				"and its view of other nodes is out of date",
		)
	case c.Leased:
	case c.Unheard > 0:
		list = append(
			list,
			fmt.Sprintf(
				"%s has not heard from the coordination service for %v; its own workers are stopped, and its view of other nodes is out of date",
				a.Node,
				c.Unheard,
			),
		)
	default:
		list = append(list, a.Node+" has no lease; its own workers are stopped, and its view of other nodes is out of date")
	}
	if c.Trouble != "" {
		list = append(list, a.Node+": "+c.Trouble)
	}
	if state.Leader == "" && !c.Away && c.Unheard == 0 { // a node that is cut off does not know
		list = append(list, "no node leads: workers keep running, and nothing is granted")
	}
	return list
}

// Tasks is that of xconsumer.Admin.
func (a *Admin) Tasks(ctx context.Context) ([]cluster.TaskDetail, error) {
	snap, err := a.Observer.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("tasks: %w", err)
	}
	state := a.stateOf(snap)
	return report.Tasks(snap, &state), nil
}
