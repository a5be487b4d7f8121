package main

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/IBM/sarama"
	rendezvous "github.com/dgryski/go-rendezvous"
	"github.com/serialx/hashring"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// contender is a planner.
type contender struct {
	name        string
	constraints bool // knows weights, zones and labels
	most        int  // slots up to which it takes part, or the run would take too long
	pairs       int  // the same for slots × nodes; 0: any
	// prepare makes the planner's input; run is what is measured; finish reads the plan.
	prepare func(w *world) (run func() (finish func() [][]int32, err error))
}

const unbounded = 1 << 30

var contenders = []contender{
	{"xconsumer", true, unbounded, 0, prepareOwn},
	{"round-robin", false, unbounded, 0, prepareRoundRobin},
	{"franz-sticky", false, unbounded, 0, func(w *world) func() (func() [][]int32, error) { return prepareFranz(w, kgo.StickyBalancer(), 1) }},
	{"franz-coop", false, unbounded, 0, func(w *world) func() (func() [][]int32, error) {
		return prepareFranz(w, kgo.CooperativeStickyBalancer(), 2)
	}},
	{"sarama-sticky", false, 1_000, 0, prepareSarama},
	{"rendezvous", false, unbounded, 1_000_000, prepareRendezvous},
	{"hashring", false, 10_000, 0, prepareRing},
}

func prepareOwn(w *world) func() (func() [][]int32, error) {
	index := slices.Repeat([]int32{planner.Nobody}, len(w.nodes))
	in := planner.Input{Leader: cluster.LeaderEqual}
	for i, id := range w.live {
		n := w.nodes[id]
		index[id] = int32(i)
		labels := cluster.Labels{"zone": n.zone}
		if n.gpu {
			labels["gpu"] = "true"
		}
		in.Nodes = append(in.Nodes, planner.Node{Name: n.name, Works: []string{"work"}, Weight: n.weight, Labels: labels})
	}
	for t, owner := range w.owner {
		spec := cluster.TaskSpec{Name: w.names[t], WorkName: "work", WorkerNum: len(owner)}
		if w.variant == "zones" {
			spec.Spread = "zone"
		}
		if w.needsGPU(t) {
			spec.Require = "gpu=true"
		}
		now := make([]int32, len(owner))
		for i, id := range owner {
			now[i] = planner.Nobody
			if id >= 0 {
				now[i] = index[id]
			}
		}
		in.Tasks = append(in.Tasks, planner.Task{Spec: spec, Current: now})
	}
	return func() (func() [][]int32, error) {
		plan := planner.Make(in)
		return func() [][]int32 {
			result := make([][]int32, len(plan.Target))
			for t, target := range plan.Target {
				result[t] = make([]int32, len(target))
				for i, n := range target {
					result[t][i] = -1
					if n >= 0 {
						result[t][i] = w.live[n]
					}
				}
			}
			return result
		}, nil
	}
}

// slotNames names every slot, by task.
func slotNames(w *world) [][]string {
	list := make([][]string, len(w.owner))
	for t, owner := range w.owner {
		for i := range owner {
			list[t] = append(list[t], fmt.Sprintf("%s#%d", w.names[t], i))
		}
	}
	return list
}

func liveNames(w *world) []string {
	var list []string
	for _, id := range w.live {
		list = append(list, w.nodes[id].name)
	}
	return list
}

// ids maps names back to what the world calls them.
func ids(w *world) map[string]int32 {
	byName := make(map[string]int32, len(w.live))
	for _, id := range w.live {
		byName[w.nodes[id].name] = id
	}
	return byName
}

// prepareRoundRobin is the original's way: all slots from scratch, in turn.
func prepareRoundRobin(w *world) func() (func() [][]int32, error) {
	slots, nodes := slices.Concat(slotNames(w)...), liveNames(w)
	return func() (func() [][]int32, error) {
		plan := make(map[string][]string)
		for i, slot := range slots {
			node := nodes[i%len(nodes)]
			plan[node] = append(plan[node], slot)
		}
		return func() [][]int32 {
			where := make(map[string]int32, len(slots))
			byName := ids(w)
			for node, list := range plan {
				for _, slot := range list {
					where[slot] = byName[node]
				}
			}
			return fromNames(w, func(slot string) int32 { return where[slot] })
		}, nil
	}
}

func fromNames(w *world, where func(slot string) int32) [][]int32 {
	result := make([][]int32, len(w.owner))
	for t, list := range slotNames(w) {
		for _, slot := range list {
			result[t] = append(result[t], where(slot))
		}
	}
	return result
}

// owned returns what each node has, as partitions of topics.
func owned(w *world) map[int32]map[string][]int32 {
	has := make(map[int32]map[string][]int32, len(w.live))
	for _, id := range w.live {
		has[id] = map[string][]int32{}
	}
	for t, owner := range w.owner {
		for i, id := range owner {
			if topics := has[id]; topics != nil {
				topics[w.names[t]] = append(topics[w.names[t]], int32(i))
			}
		}
	}
	return has
}

func fromTopics(w *world, plan map[string]map[string][]int32) [][]int32 {
	result, byTask, byName := make([][]int32, len(w.owner)), map[string]int{}, ids(w)
	for t, owner := range w.owner {
		result[t] = slices.Repeat([]int32{-1}, len(owner))
		byTask[w.names[t]] = t
	}
	for node, topics := range plan {
		for topic, partitions := range topics {
			for _, p := range partitions {
				result[byTask[topic]][p] = byName[node]
			}
		}
	}
	return result
}

// prepareFranz is franz-go's; the cooperative one needs a second round, for which the members say
// what they have kept.
func prepareFranz(w *world, balancer kgo.GroupBalancer, rounds int) func() (func() [][]int32, error) {
	topics := make(map[string]int32, len(w.owner))
	for t, owner := range w.owner {
		topics[w.names[t]] = int32(len(owner))
	}
	interests := slices.Clone(w.names)
	nodes := liveNames(w)
	join := func(node string, has map[string][]int32, generation int32) kmsg.JoinGroupResponseMember {
		m := kmsg.NewJoinGroupResponseMember()
		m.MemberID = node
		m.ProtocolMetadata = balancer.JoinGroupMetadata(interests, has, generation)
		return m
	}
	has := owned(w)
	var members []kmsg.JoinGroupResponseMember
	for i, id := range w.live {
		members = append(members, join(nodes[i], has[id], 1))
	}
	return func() (func() [][]int32, error) {
		var plan map[string]map[string][]int32
		for round := range rounds {
			if round > 0 {
				members = members[:0]
				for _, node := range nodes {
					members = append(members, join(node, plan[node], int32(round)+1))
				}
			}
			b, _, err := balancer.MemberBalancer(members)
			if err != nil {
				return nil, err
			}
			orError, ok := b.(kgo.GroupMemberBalancerOrError)
			if !ok {
				return nil, fmt.Errorf("balancer is a %T", b)
			}
			into, err := orError.BalanceOrError(topics)
			if err != nil {
				return nil, err
			}
			balanced, ok := into.(*kgo.BalancePlan)
			if !ok {
				return nil, fmt.Errorf("plan is a %T", into)
			}
			plan = balanced.AsMemberIDMap()
		}
		return func() [][]int32 { return fromTopics(w, plan) }, nil
	}
}

func prepareSarama(w *world) func() (func() [][]int32, error) {
	strategy := sarama.NewBalanceStrategySticky()
	topics := make(map[string][]int32, len(w.owner))
	for t, owner := range w.owner {
		for i := range owner {
			topics[w.names[t]] = append(topics[w.names[t]], int32(i))
		}
	}
	members := map[string]sarama.ConsumerGroupMemberMetadata{}
	has := owned(w)
	var failed error
	for _, id := range w.live {
		m := sarama.ConsumerGroupMemberMetadata{Topics: slices.Clone(w.names)}
		if len(has[id]) > 0 {
			m.UserData, failed = strategy.AssignmentData(w.nodes[id].name, has[id], 1)
		}
		members[w.nodes[id].name] = m
	}
	return func() (func() [][]int32, error) {
		if failed != nil {
			return nil, failed
		}
		plan, err := strategy.Plan(members, topics)
		return func() [][]int32 { return fromTopics(w, maps.Collect(maps.All(plan))) }, err
	}
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

func prepareRendezvous(w *world) func() (func() [][]int32, error) {
	return prepareLookup(w, func(nodes []string) func(string) string {
		return rendezvous.New(nodes, hash).Lookup
	})
}

func prepareRing(w *world) func() (func() [][]int32, error) {
	return prepareLookup(w, func(nodes []string) func(string) string {
		ring := hashring.New(nodes)
		return func(slot string) string { node, _ := ring.GetNode(slot); return node }
	})
}

// prepareLookup is for planners that keep no plan: every slot is looked up.
func prepareLookup(w *world, open func(nodes []string) func(slot string) string) func() (func() [][]int32, error) {
	slots, nodes := slotNames(w), liveNames(w)
	return func() (func() [][]int32, error) {
		lookup := open(nodes)
		plan := make([][]string, len(slots))
		for t, list := range slots {
			plan[t] = make([]string, len(list))
			for i, slot := range list {
				plan[t][i] = lookup(slot)
			}
		}
		return func() [][]int32 {
			byName := ids(w)
			result := make([][]int32, len(plan))
			for t, list := range plan {
				for _, node := range list {
					result[t] = append(result[t], byName[strings.Clone(node)])
				}
			}
			return result
		}, nil
	}
}
