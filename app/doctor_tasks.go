package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// tasks looks at whether somebody has the works of the tasks, and they have workers.
func (d *doctor) tasks(ctx context.Context, session coord.Session, s settings, members []coord.Entry) {
	for _, r := range s.remarks {
		d.tell("task", warning, r.text, r.fix)
	}
	works, whole := d.works(ctx, session, s, members)
	for _, t := range s.tasks {
		if whole && !slices.Contains(works, cluster.WorkName(t.WorkName)) {
			d.tell("task", warning, unregistered(t.Name, t.WorkName, works), "correct workName, add a [[work]], or start a node of the program that has it")
		}
	}
}

// works returns the works of this program, of its configuration and of the live members, sorted, and reports whether that is all
// of them.
func (d *doctor) works(ctx context.Context, session coord.Session, s settings, members []coord.Entry) (list []string, whole bool) {
	node, err := xconsumer.New(nil, xconsumer.Config{Cluster: s.cluster, Name: "doctor", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, false
	}
	if d.register != nil {
		d.register(node)
	}
	list = node.Admin().Works()
	for _, w := range s.works {
		list = append(list, w.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	keys := schema.NewKeys(s.cluster)
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

// unregistered says that nobody has the work of a task, which works there are, and which one is meant.
func unregistered(task, work string, works []string) string {
	text := fmt.Sprintf("task %s: no node has registered work %q", task, work)
	if len(works) > 0 {
		text += "; there are: " + strings.Join(works, ", ")
	}
	if near := spelling.Nearest(work, works); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return text
}
