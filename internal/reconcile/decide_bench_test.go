package reconcile_test

import (
	"fmt"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

// settledBoard is a cluster at rest: its slots lie evenly, task by task, and every node says that it holds its own.
func settledBoard(nodes, tasks, slots int) *board {
	var specs []cluster.TaskSpec
	for t := range tasks {
		s := spec(fmt.Sprintf("t%03d", t), slots/tasks)
		s.WorkName = "a"
		specs = append(specs, s)
	}
	b := newBoard(specs...)
	lists := make([][]schema.Granted, nodes)
	next := 0
	for t := range specs {
		for i := range specs[t].WorkerNum {
			list := lists[next%nodes]
			if last := len(list) - 1; last >= 0 && list[last].Task == specs[t].Name {
				list[last].Slots = append(list[last].Slots, i)
			} else {
				list = append(list, schema.Granted{SlotRange: schema.SlotRange{Task: specs[t].Name, Slots: cluster.Indexes{i}, Token: int64(next + 1)}})
			}
			lists[next%nodes] = list
			next++
		}
	}
	for n, list := range lists {
		b.live(fmt.Sprintf("m%04d", n), 3, list, nil, 3, schematest.ClaimAll(list))
	}
	return b
}

func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct{ nodes, slots int }{{100, 10_000}, {1000, 100_000}} {
		for _, c := range []struct {
			name   string
			change func(*board)
		}{
			{"nothing", func(*board) {}},
			{"join", func(b *board) { b.live("new", 1, nil, nil, 1, nil) }},
			{"leave", func(b *board) { b.snap.Peers["m0007"].Status.Rec.Leaving = true }},
			{"back", func(b *board) { b.live("new", 1, nil, nil, 1, nil) }}, // and waits for the nodes to be quiet
		} {
			b.Run(fmt.Sprintf("%d×%d/%s", size.nodes, size.slots, c.name), func(b *testing.B) {
				board := settledBoard(size.nodes, 50, size.slots)
				c.change(board)
				b.ReportAllocs()
				back := func(w *round.World) {
					if c.name == "back" {
						w.Memory.Returns.Names["node-new"] = true
					}
				}
				for b.Loop() {
					if d := board.decide(back); (len(d.Assignments) > 0) != (c.name == "join" || c.name == "leave") {
						b.Fatalf("%d assignments", len(d.Assignments))
					}
				}
			})
		}
	}
}
