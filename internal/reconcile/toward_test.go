package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// changePlaces is a cluster of two nodes with little room, which is best off if a worker of weight 5 and one of weight 6 change places. So
// many workers may be in motion at a time.
func changePlaces(atOnce int) *board {
	weighing := func(name string, workers, weight int) cluster.TaskSpec {
		s := spec(name, workers)
		s.WorkName, s.Weight = "a", weight
		return s
	}
	b := newBoard(weighing("a5", 1, 5), weighing("b6", 1, 6), weighing("c4", 2, 4))
	b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: atOnce}}}}
	small, large := schematest.Granted("a5 0 @5"), schematest.Granted("b6 0 @6", "c4 0-1 @7")
	b.live("L", 3, small, schematest.Releasing(), 3, schematest.ClaimAll(small)).Member.Rec.Capacity = 7
	b.live("M", 3, large, schematest.Releasing(), 3, schematest.ClaimAll(large)).Member.Rec.Capacity = 14
	return b
}

// Two workers that change places do so once, also where only one may be in motion at a time: the plan that is made while one has gone and
// the other has not does not send the first one back. Nor does one that is made when a node has come, by whose name the others have other
// numbers.
func TestWorkersChangePlacesOnce(t *testing.T) {
	for atOnce := range 3 {
		for comes := range 4 { // before which decision
			b, moved := changePlaces(atOnce), map[cluster.Slot]int{}
			memory, rests := round.Memory{Returns: settledNodes()}, false
			for n := range 50 {
				if n == comes {
					b.live("A", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed()).Member.Rec.Works = nil
				}
				b.now += 60e9
				d := b.decide(func(w *round.World) { w.Memory = memory })
				memory = d.Memory
				b.carryOut(d, moved)
				rests = len(d.Assignments) == 0
				if rests {
					break
				}
			}
			places := b.places()
			if !rests || len(moved) != 2 || moved[cluster.Slot{Task: "a5"}] != 1 || moved[cluster.Slot{Task: "b6"}] != 1 ||
				places[cluster.Slot{Task: "b6"}] != "L" {
				t.Errorf("%d in motion at a time, a node comes before decision %d: it rests: %v, moves %v, and then they are at %v",
					atOnce, comes, rests, moved, places)
			}
			if memory.Toward.Shares != nil {
				t.Errorf("a plan that is carried out is remembered: %v", memory.Toward)
			}
		}
	}
}

// full makes a cluster whose nodes have hardly any room left, and of whose workers some have no place yet.
func full(r *rand.Rand) *board {
	nodes, specs := 2+r.IntN(4), make([]cluster.TaskSpec, 2+r.IntN(4))
	one := func(of int) bool { return r.IntN(of) == 0 }
	for t := range specs {
		specs[t] = spec(fmt.Sprintf("t%d", t), 0)
		specs[t].WorkName, specs[t].Weight = "a", 1+r.IntN(7)
		if one(6) {
			specs[t].MaxPerNode = 1 + r.IntN(3)
		}
		if one(6) {
			specs[t].Prefer = "gpu=true"
		}
		if one(6) {
			specs[t].Spread = "zone"
		}
		if one(6) {
			specs[t].MaxUnavailable = 1 + r.IntN(2)
		}
	}
	token, lists, members := int64(0), make([][]schema.Granted, nodes), make([]schema.Member, nodes)
	for n := range nodes {
		members[n] = schema.Member{Member: cluster.Member{Capacity: 4 + r.IntN(20), Labels: cluster.Labels{"zone": fmt.Sprint(r.IntN(3))}, Weight: 1 + r.IntN(2)*r.IntN(3)}}
		if one(2) {
			members[n].Labels["gpu"] = "true"
		}
		for left, tries := members[n].Capacity-r.IntN(2)*r.IntN(2), 0; left > 0 && tries < 50; tries++ {
			s := &specs[r.IntN(len(specs))]
			if s.Cost() > left {
				continue
			}
			if !one(20) {
				token++
				lists[n] = append(lists[n], schema.Granted{SlotRange: schema.SlotRange{Task: s.Name, Slots: cluster.Indexes{s.WorkerNum}, Token: token}})
			}
			left -= s.Cost()
			s.WorkerNum++
		}
	}
	for t := range specs {
		specs[t].Paused = len(specs) > 1 && one(12)
	}
	b := newBoard(specs...)
	b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: r.IntN(4)}}}}
	b.snap.Epoch.Rec.NextToken = token + 1
	for n, m := range members {
		p := b.live([]string{"L", "M", "N", "O", "P"}[n], 3, lists[n], schematest.Releasing(), 3, schematest.ClaimAll(lists[n]))
		p.Member.Rec.Capacity, p.Member.Rec.Labels, p.Member.Rec.Weight = m.Capacity, m.Labels, m.Weight
		if n > 0 && one(10) {
			b.mark([]string{"L", "M", "N", "O", "P"}[n], schema.Mark{Cordoned: one(2), Drain: &schema.Drain{}})
		}
	}
	return b
}

// comesToRest carries decisions out until none changes an assignment, though members answer late now and then. A leader that is elected in
// between knows nothing of the plan of the one before. It returns how often the slot that moved most was granted.
func comesToRest(b *board, r *rand.Rand) (most int, rests bool) {
	memory, idle, granted := round.Memory{}, 0, map[cluster.Slot]int{}
	elected := r.IntN(20)
	for n := 0; idle < 5; n++ { // who has not answered yet may do so
		if n > 1000 {
			return 0, false
		}
		if n == elected {
			memory = round.Memory{}
		}
		b.now += 60e9
		d := b.decide(func(w *round.World) { w.Memory = memory })
		idle++
		if len(d.Assignments) > 0 {
			idle = 0
		}
		memory = d.Memory
		late := map[string]*schema.Status{}
		for _, memberID := range slices.Sorted(maps.Keys(b.snap.Peers)) {
			if d.Assignments[memberID] != nil && r.IntN(3) == 0 {
				late[memberID] = b.snap.Peers[memberID].Status.Rec
			}
		}
		b.carryOut(d, granted)
		for memberID, p := range b.snap.Peers {
			p.Status.Rec = late[memberID]
			if late[memberID] == nil {
				p.Status.Rec = &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(p.Assignment.Rec.Granted)}
			}
		}
	}
	for _, n := range granted {
		most = max(most, n)
	}
	return most, true
}

// A cluster in which nothing happens comes to rest, whatever its nodes and tasks are like, however few workers may be in motion at a time,
// and in whatever order members answer. REST_WORLDS=20000 tries as many.
func TestFullClustersComeToRest(t *testing.T) {
	worlds, most := 1000, 0
	if n, err := strconv.Atoi(os.Getenv("REST_WORLDS")); err == nil {
		worlds = n
	}
	restless := 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(41, seed))
		n, rests := comesToRest(full(r), r)
		most = max(most, n)
		if rests {
			continue
		}
		restless++
		if restless <= 3 {
			t.Errorf("cluster %d does not come to rest", seed)
		}
	}
	t.Logf("%d of %d do not come to rest; a worker is granted %d times at most", restless, worlds, most)
}
