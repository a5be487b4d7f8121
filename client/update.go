package client

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Update is what is different in a cluster. What is not in it has not changed.
type Update struct {
	Leader      *string                `json:"leader,omitempty" doc:"The leader's node, \"\" for none."`
	Term        *int64                 `json:"term,omitempty"`
	Nodes       []cluster.NodeInfo     `json:"nodes,omitempty" doc:"Live members that are new or different."`
	NodesGone   []string               `json:"nodesGone,omitempty" doc:"Members that live no more."`
	Lost        *[]cluster.NodeInfo    `json:"lost,omitempty" doc:"All that are gone and not reaped, if that is different."`
	Tasks       []cluster.TaskInfo     `json:"tasks,omitempty"`
	TasksGone   []string               `json:"tasksGone,omitempty"`
	Workers     []cluster.WorkerInfo   `json:"workers,omitempty"`
	WorkersGone []cluster.Slot         `json:"workersGone,omitempty"`
	Runs        *[]cluster.RunInfo     `json:"runs,omitempty" doc:"All that are under way, if that is different."`
	Errors      *[]cluster.RecordError `json:"errors,omitempty" doc:"All records that cannot be used, if that is different."`
	Warnings    *[]string              `json:"warnings,omitempty" doc:"All warnings, if that is different."`
}

// Apply brings a state up to date.
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
	if u.Errors != nil {
		s.Errors = *u.Errors
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

// replace puts values in the place of those that they follow, and reports whether all of them had one.
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
