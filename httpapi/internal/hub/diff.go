package hub

import (
	"cmp"
	"reflect"
	"slices"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/events"
)

// Diff returns the difference between two states of one cluster.
func Diff(before, after *cluster.State) (u client.Update) {
	if before.Leader != after.Leader {
		u.Leader = &after.Leader
	}
	if before.Term != after.Term {
		u.Term = &after.Term
	}
	u.Nodes, u.NodesGone = differ(
		before.Nodes,
		after.Nodes,
		func(n *cluster.NodeInfo) string { return n.Member },
		cmp.Compare[string],
		sameDeep[cluster.NodeInfo],
	)
	u.Tasks, u.TasksGone = differ(
		before.Tasks,
		after.Tasks,
		func(t *cluster.TaskInfo) string { return t.Name },
		cmp.Compare[string],
		sameShallow[cluster.TaskInfo],
	)
	u.Workers, u.WorkersGone = differSorted(
		before.Workers,
		after.Workers,
		(*cluster.WorkerInfo).Slot,
		(*cluster.WorkerInfo).Compare,
		sameShallow[cluster.WorkerInfo],
	)
	if !reflect.DeepEqual(before.Lost, after.Lost) {
		u.Lost = all(after.Lost)
	}
	if !slices.Equal(before.Runs, after.Runs) {
		u.Runs = all(after.Runs)
	}
	if before.Settings != after.Settings {
		u.Settings = &after.Settings
	}
	if !slices.Equal(before.Errors, after.Errors) {
		u.Errors = all(after.Errors)
	}
	if !reflect.DeepEqual(before.Deferred, after.Deferred) {
		u.Deferred = cmp.Or(after.Deferred, &cluster.Deferral{})
	}
	if !slices.Equal(before.Warnings, after.Warnings) {
		u.Warnings = all(after.Warnings)
	}
	return u
}

// all returns a list for an update that may be empty but not null, because null means no change.
func all[T any](list []T) *[]T {
	whole := append(make([]T, 0, len(list)), list...)
	return &whole
}

func sameDeep[T any](a, b *T) bool { return reflect.DeepEqual(a, b) }

func sameShallow[T comparable](a, b *T) bool { return *a == *b }

// differ returns the values that are new or have changed, and the keys of those that are gone.
func differ[T any, K comparable](before, after []T, key func(*T) K, order func(a, b K) int, same func(a, b *T) bool) (fresh []T, gone []K) {
	known := make(map[K]*T, len(before))
	for i := range before {
		known[key(&before[i])] = &before[i]
	}
	for i := range after {
		old := known[key(&after[i])]
		if old == nil || !same(old, &after[i]) {
			fresh = append(fresh, after[i])
		}
		delete(known, key(&after[i]))
	}
	for k := range known {
		gone = append(gone, k)
	}
	slices.SortFunc(gone, order)
	return fresh, gone
}

// differSorted is differ for lists that are sorted in the same order. It needs no map, so it suits long lists.
func differSorted[T any, K any](before, after []T, key func(*T) K, order func(a, b *T) int, same func(a, b *T) bool) (fresh []T, gone []K) {
	events.Pairs(before, after, order, func(was, is *T) {
		switch {
		case is == nil:
			gone = append(gone, key(was))
		case was == nil || !same(was, is):
			fresh = append(fresh, *is)
		}
	})
	return fresh, gone
}

// isEmpty reports whether nothing is different.
func isEmpty(u *client.Update) bool { return reflect.ValueOf(*u).IsZero() }
