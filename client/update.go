package client

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Update is the difference between two states of a cluster. An absent field has not changed.
type Update struct {
	Leader      *string                `json:"leader,omitempty" doc:"Name of the leader, \"\" for none."`
	Term        *int64                 `json:"term,omitempty" doc:"Number of the leader's term."`
	Nodes       []cluster.NodeInfo     `json:"nodes,omitempty" doc:"Live members that are new or have changed."`
	NodesGone   []string               `json:"nodesGone,omitempty" doc:"Ids of members that are no longer live."`
	Lost        *[]cluster.NodeInfo    `json:"lost,omitempty" doc:"All lost members that are not reaped yet, if the list has changed."`
	Tasks       []cluster.TaskInfo     `json:"tasks,omitempty" doc:"Tasks that are new or have changed."`
	TasksGone   []string               `json:"tasksGone,omitempty" doc:"Names of tasks that no longer exist."`
	Workers     []cluster.WorkerInfo   `json:"workers,omitempty" doc:"Workers that are new or have changed."`
	WorkersGone []cluster.Slot         `json:"workersGone,omitempty" doc:"Slots of workers that no longer exist."`
	Runs        *[]cluster.RunInfo     `json:"runs,omitempty" doc:"All runs under way, if the list has changed."`
	Settings    *cluster.Settings      `json:"settings,omitempty" doc:"Settings of the cluster, if they have changed."`
	Errors      *[]cluster.RecordError `json:"errors,omitempty" doc:"All records that cannot be used, if the list has changed."`
	Deferred    *cluster.Deferral      `json:"deferred,omitempty" doc:"Why and until when moves for balance wait, if that has changed; its code is empty if none waits."`
	Warnings    *[]string              `json:"warnings,omitempty" doc:"All warnings, if the list has changed."`
}

// Apply changes a state by the update.
func (u *Update) Apply(s *cluster.State) {
	if u.Leader != nil {
		s.Leader = *u.Leader
	}
	if u.Term != nil {
		s.Term = *u.Term
	}
	byName := func(a, b *cluster.NodeInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Member, b.Member))
	}
	s.Nodes = merge(s.Nodes, u.Nodes, u.NodesGone, func(n *cluster.NodeInfo) string { return n.Member }, byName)
	s.Tasks = merge(
		s.Tasks,
		u.Tasks,
		u.TasksGone,
		func(t *cluster.TaskInfo) string { return t.Name },
		func(a, b *cluster.TaskInfo) int { return cmp.Compare(a.Name, b.Name) },
	)
	s.Workers = merge(s.Workers, u.Workers, u.WorkersGone, (*cluster.WorkerInfo).Slot, (*cluster.WorkerInfo).Compare)
	if u.Lost != nil {
		s.Lost = *u.Lost
	}
	if u.Runs != nil {
		s.Runs = *u.Runs
	}
	if u.Settings != nil {
		s.Settings = *u.Settings
	}
	if u.Errors != nil {
		s.Errors = *u.Errors
	}
	if u.Deferred != nil {
		s.Deferred = u.Deferred
		if u.Deferred.Code == "" {
			s.Deferred = nil
		}
	}
	if u.Warnings != nil {
		s.Warnings = *u.Warnings
	}
}

func merge[T any, K comparable](list, fresh []T, gone []K, key func(*T) K, order func(a, b *T) int) []T {
	if len(fresh) == 0 && len(gone) == 0 {
		return list
	}
	if len(gone) == 0 && replace(list, fresh, order) {
		return list
	}
	away := make(map[K]bool, len(fresh)+len(gone))
	for _, k := range gone {
		away[k] = true
	}
	for i := range fresh {
		away[key(&fresh[i])] = true
	}
	out := make([]T, 0, len(list)+len(fresh))
	for i := range list {
		if !away[key(&list[i])] {
			out = append(out, list[i])
		}
	}
	out = append(out, fresh...)
	slices.SortFunc(out, func(a, b T) int { return order(&a, &b) })
	return out
}

// replace replaces values by fresh ones with the same key, and reports whether all of them were present. Else it changes
// nothing.
func replace[T any](list, fresh []T, order func(a, b *T) int) bool {
	at := make([]int, len(fresh))
	for i := range fresh {
		var found bool
		at[i], found = slices.BinarySearchFunc(list, fresh[i], func(a, b T) int { return order(&a, &b) })
		if !found {
			return false
		}
	}
	for i := range fresh {
		list[at[i]] = fresh[i]
	}
	return true
}
