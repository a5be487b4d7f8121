package reconcile_test

import (
	"fmt"
	"maps"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
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
	b.storeSpecs()
	for _, p := range b.snap.Peers { // as a view finds them, once leaders have written every assignment
		for i := range p.Assignment.Rec.Granted {
			h := &p.Assignment.Rec.Granted[i]
			s := b.snap.StoredSpecs.Present(h.Task)[0]
			h.Ref, h.Spec = s.Ref, &s.Spec
		}
	}
	return b
}

// BenchmarkDecide decides about a change of one node, as a leader does: it has decided about the cluster before that change. In every
// second decision the change is taken back, so "nothing" is a decision after a node has read its own records again.
func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct{ nodes, slots int }{{100, 10_000}, {1000, 100_000}} {
		for _, c := range []struct {
			name   string
			change func(*board)
		}{
			{"nothing", func(b *board) { b.again("m0007") }},
			{"join", func(b *board) { b.live("new", 1, []schema.Granted{}, nil, 1, nil) }},
			{"leave", func(b *board) {
				b.again("m0007").Status.Rec = &schema.Status{Applied: 3, Leaving: true, Holding: b.held("m0007")}
			}},
		} {
			for _, kept := range []bool{false, true} {
				b.Run(fmt.Sprintf("%d×%d/%s/kept=%v", size.nodes, size.slots, c.name, kept), func(b *testing.B) {
					benchmarkChange(b, settledBoard(size.nodes, 50, size.slots), c.change, c.name != "nothing", kept)
				})
			}
		}
	}
}

func (b *board) again(memberID string) *view.Peer {
	p := *b.snap.Peers[memberID]
	b.snap.Peers[memberID] = &p
	return &p
}

func (b *board) held(memberID string) []schema.Claimed {
	return b.snap.Peers[memberID].Status.Rec.Holding
}

func benchmarkChange(b *testing.B, board *board, change func(*board), moves, kept bool) {
	rest := board.snap
	board.snap.Peers = maps.Clone(rest.Peers)
	change(board)
	w := round.World{Self: "L", Now: board.now, TakeoverDelay: grace, Timeout: timeout, MaxAssignments: round.MaxAssignments}
	if kept {
		w.Ledger, w.Space = &ledger.Ledger{}, &planner.Space{}
	}
	memory := round.Memory{Returns: settledNodes()}
	decide := func(s *view.Snapshot) round.Decision {
		w.Snapshot, w.Memory = s, memory
		return reconcile.Decide(w)
	}
	memory = decide(&rest).Memory
	b.ReportAllocs()
	for b.Loop() {
		if d := decide(&board.snap); (len(d.Assignments) > 0) != moves {
			b.Fatalf("%d assignments", len(d.Assignments))
		}
		b.StopTimer()
		decide(&rest)
		b.StartTimer()
	}
}
