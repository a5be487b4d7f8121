package doctor

import (
	"context"
	"log/slog"
	"slices"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// tasks checks whether this program or a live member has the work of each task, and reports the remarks on the tasks.
func (d *doctor) tasks(ctx context.Context, session coord.Session, s config.Settings, members []coord.Entry) {
	for _, r := range s.Remarks {
		d.report("task", warning, r.Text, r.Fix)
	}
	works, whole := d.works(ctx, session, s, members)
	for _, t := range s.Tasks {
		if whole && !slices.Contains(works, cluster.WorkName(t.WorkName)) {
			d.report(
				"task",
				warning,
				node.Unregistered(t.Name, t.WorkName, works),
				"correct workName, add a [[work]], or start a node of the program that has it",
			)
		}
	}
}

// works returns the sorted works of this program, of its configuration and of the live members. It reports whether the list is
// complete.
func (d *doctor) works(ctx context.Context, session coord.Session, s config.Settings, members []coord.Entry) (list []string, whole bool) {
	node, err := xconsumer.New(nil, xconsumer.Config{Cluster: s.Cluster, Name: "doctor", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, false
	}
	if d.Register != nil {
		d.Register(node)
	}
	list = node.Admin().Works()
	for _, w := range s.Works {
		list = append(list, w.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	keys := schema.NewKeys(s.Cluster)
	for _, m := range members {
		var rec schema.Member
		if r, err := session.Get(ctx, keys.Member(m.Name)); err != nil || schema.Decode(keys.Member(m.Name), r, &rec) != nil {
			return nil, false
		}
		list = append(list, rec.Works...)
	}
	slices.Sort(list)
	return slices.Compact(list), true
}
