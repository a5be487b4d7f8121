package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

const clusterName = "sim"

var declared = []cluster.TaskSpec{
	{Name: "a", WorkName: "a", WorkerNum: 5},
	{Name: "b", WorkName: "b", WorkerNum: 3, Resize: cluster.ResizeLive},
}

// world is one simulated cluster.
type world struct {
	history
	tally
	hands
	o        Options
	weather  weather
	check    *invariant.Checker
	store    *invariant.Store
	machines []*machine
	quiet    atomic.Bool  // the faults are over
	quietAt  atomic.Int64 // since when
	doing    group        // faults that last, and late repairs
	spoilers sync.Map     // by key: the hand, an int64, that last spoilt a record that was usable

	mu        sync.Mutex
	declared  []cluster.TaskSpec
	rebalance cluster.Rebalance
	grace     time.Duration     // that the nodes ask for when they leave
	sudden    bool              // the service ends sessions that go on, as etcd's may; the takeover delay is the lost node's timeout then
	mixed     bool              // some nodes have shorter session timeouts than others
	tampered  map[string]bool   // members whose keys were touched by hand
	done      map[string]string // by member: what was done to it that must not come together with others
	want      map[string]int    // workers by task, as the operator last set them
}

func newWorld(t *testing.T, o Options) *world {
	w := &world{
		history: history{start: time.Now()},
		tally:   tally{faults: map[string]int{}},
		hands:   hands{t: t, dice: dice(o.Seed), keys: schema.NewKeys(clusterName)},
		o:       o,
		check: &invariant.Checker{
			Wake:    350 * time.Millisecond,
			Careful: func(token int64) bool { return token%2 == 0 },
		},
		tampered: map[string]bool{},
		done:     map[string]string{},
		want:     map[string]int{},
	}
	w.weather = weather{tally: &w.tally, dice: w.dice}
	w.store = invariant.NewStore(w.keys)
	w.sudden = o.Seed%4 == 3
	w.choosePolicy()
	grace := tick
	if w.sudden {
		grace = coord.OwnTimeout
	}
	w.mixed = o.Mode != Calm && w.dice.chance(0.5, "mixed timeouts") // the faults of Calm are short for long leases
	w.service = mem.New(mem.Config{
		Timeout: timeout, Tick: tick, TakeoverDelay: grace, Latency: 2 * time.Millisecond, Servers: 3,
		Faults:  mem.Faults{Request: w.weather.outcome, Lag: w.weather.lag, Touch: w.weather.touch, Hint: w.weather.hint},
		Applied: w.applied,
	})
	w.operator = w.service.Client()
	w.byHand = w.operator.ID()
	w.weather.byHand = w.byHand
	for _, spec := range w.declared {
		if !spec.Runs() {
			w.want[spec.Name] = spec.WorkerNum
		}
	}
	for i := range 5 {
		w.machines = append(w.machines, &machine{world: w, name: fmt.Sprintf("n%d", i+1), id: int64(i)})
	}
	return w
}

// choosePolicy draws how slots move in this history, if not all at once.
func (w *world) choosePolicy() {
	w.declared = slices.Clone(declared)
	w.chooseRuns()
	if w.dice.chance(0.3, "budget") {
		w.rebalance.MaxInFlight = 1 + w.dice.pick(3, "maxMoving") // an older name: the question is part of a history, and seeds are pinned
	}
	if w.dice.chance(0.3, "task budget") {
		w.declared[0].MaxUnavailable = 1 + w.dice.pick(2, "maxUnavailable")
	}
	if w.dice.chance(0.2, "delay") {
		w.rebalance.LeaveDelay = cluster.Duration(w.dice.upTo(30*time.Second, "leaveDelay").Round(time.Second))
	}
	w.rebalance.Quiet = cluster.Duration(2 * time.Second)
	if w.dice.chance(0.3, "quiet") {
		w.rebalance.Quiet = cluster.Duration(time.Second + w.dice.upTo(15*time.Second, "quiet of the nodes").Round(time.Second))
	}
	if w.dice.chance(0.2, "restart grace") {
		w.grace = w.dice.upTo(20*time.Second, "restart grace of the nodes").Round(time.Second)
	}
	if w.dice.chance(0.2, "freeze") {
		w.rebalance.FreezeAbove, w.rebalance.FreezeFor = 0.3, cluster.Duration(20*time.Second)
	}
}

// chooseRuns adds a task that runs to its end, in a part of the histories.
func (w *world) chooseRuns() {
	if w.o.Mode == Calm || w.o.Seed%5 != 2 {
		return
	}
	spec := cluster.TaskSpec{Name: "c", WorkName: "c", WorkerNum: 1 + w.dice.pick(4, "run workers"), MaxAttempts: 5}
	if w.dice.chance(0.8, "every") {
		spec.Every = cluster.Duration(time.Duration(5+w.dice.pick(20, "every")) * time.Second)
		spec.Overlap = []cluster.Overlap{cluster.OverlapSkip, cluster.OverlapQueue, cluster.OverlapAllow}[w.dice.pick(3, "overlap")]
		spec.Misfire = []cluster.Misfire{cluster.MisfireSkip, cluster.MisfireOnce, cluster.MisfireAll}[w.dice.pick(3, "misfire")]
		spec.KeepRuns = 1 + w.dice.pick(4, "keep")
	} else {
		spec.Mode = cluster.ModeOnce
	}
	w.declared = append(w.declared, spec)
}

// live lets the cluster live through its faults, and through what the mode wants after them.
func (w *world) live() (healed time.Duration) {
	time.Sleep(w.dice.upTo(time.Second, "begin"))
	for _, m := range w.machines {
		m.boot()
		time.Sleep(w.dice.upTo(2*time.Second, "boot", m.id))
	}
	time.Sleep(5 * time.Second)
	began := w.now()
	if w.o.Mode == Calm {
		w.unsettle(began)
		w.doing.Wait()
		w.still(began)
		return 0
	}
	w.haunt()
	if w.o.Mode == Safety {
		return 0
	}
	w.heal()
	healed = w.settle()
	// Nodes that lost their place join again, and get their share; and what was ordered before the
	// faults ended may have gone to a node that nobody knew was dead.
	time.Sleep(2 * (Bound + w.patience()))
	since := w.now()
	time.Sleep(time.Minute)
	w.still(since)
	return healed
}

// heal ends all faults.
func (w *world) heal() {
	w.add("all faults end")
	w.quiet.Store(true)
	w.weather.calm()
	for i := range 3 {
		w.service.Rejoin(i)
	}
	for _, m := range w.machines {
		m.heal()
	}
	w.doing.Wait() // their repairs find nothing more to do
	w.raise(schema.Protocol)
	for _, m := range w.machines {
		w.do(cluster.Uncordon(m.name))
		m.boot()
	}
	w.quietAt.Store(int64(w.now()))
	w.add("all is healed")
}

// patience is by how much D is longer in this history.
func (w *world) patience() (d time.Duration) {
	if w.sudden {
		d = timeout - tick // of the takeover delay
	}
	if w.rebalance.FreezeAbove > 0 {
		d += w.rebalance.Freeze()
	}
	return d + time.Duration(w.rebalance.LeaveDelay) + w.grace + time.Duration(w.rebalance.Quiet)
}

// settle waits until all work runs: I3.
func (w *world) settle() time.Duration {
	began := w.now()
	for {
		missing := w.missing()
		took := w.now() - began - w.patience()
		if len(missing) == 0 {
			return took
		}
		if took > Bound {
			w.fail("I3: %v after the last fault: %v", took, missing)
			return took
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// still wants nothing to have started since a time, and all to run: I7.
func (w *world) still(since time.Duration) {
	for _, late := range w.store.Late(time.Now().Add(-2*(Bound+w.patience()) - 30*time.Second)) {
		w.fail("I9: in the end %s", late)
	}
	for _, n := range w.check.Since(since) {
		if strings.Contains(n.Slot, "@") {
			continue // runs begin by themselves
		}
		w.fail("I7: %s was started on %s with token %d at %v, for no reason", n.Slot, n.Node, n.Token, n.At)
	}
	for _, missing := range w.missing() {
		w.fail("I3: in the end %s", missing)
	}
}

// missing says what does not run as it should. What is of a run comes and goes.
func (w *world) missing() []string {
	return slices.DeleteFunc(w.check.Missing(w.wanted()), func(text string) bool { return strings.Contains(text, "@") })
}

// wanted returns the slots that should run.
func (w *world) wanted() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	want := map[string]bool{}
	for task, n := range w.want {
		for i := range n {
			want[cluster.Slot{Task: task, Index: i}.String()] = true
		}
	}
	return want
}

// end lets all nodes leave, and looks for what they leave behind.
func (w *world) end() {
	w.quiet.Store(true)
	w.weather.calm()
	if w.o.Mode == Safety {
		for _, m := range w.machines {
			m.crash("the end")
			time.Sleep(w.dice.upTo(time.Millisecond, "the end", m.id))
		}
		w.doing.Wait()
	}
	for _, m := range w.machines {
		m.leave()
		time.Sleep(time.Second)
	}
	if w.grace > 0 && w.o.Mode != Safety {
		w.endWaits()
	}
	for _, m := range w.machines {
		m.await()
	}
	if w.o.Mode == Safety {
		return
	}
	for _, key := range invariant.Litter(w.keys, slices.Sorted(maps.Keys(w.service.Records()))) {
		w.fail("I6: %s is left", key)
	}
}

// endWaits ends the waits for the nodes that have left last and asked for a grace: only a leader can. A node leads until they are over,
// and leaves without a grace of its own.
func (w *world) endWaits() {
	over := Bound + w.patience()
	w.grace = 0
	w.machines[0].boot()
	time.Sleep(over)
	w.machines[0].leave()
}

// group waits for goroutines, as sync.WaitGroup does; but one more may begin at any time, also when the
// others have just ended.
type group struct {
	mu   sync.Mutex
	n    int
	idle chan struct{}
}

func (g *group) Go(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	if g.n == 1 {
		g.idle = make(chan struct{})
	}
	go func() {
		defer func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.n--
			if g.n == 0 {
				close(g.idle)
			}
		}()
		f()
	}()
}

// Wait waits until none is left.
func (g *group) Wait() {
	for {
		g.mu.Lock()
		n, idle := g.n, g.idle
		g.mu.Unlock()
		if n == 0 {
			return
		}
		<-idle
	}
}

func (w *world) note(what, node, slot string, token int64, count int) {
	w.check.Note(invariant.Note{At: w.now(), What: what, Node: node, Slot: slot, Token: token, Count: count})
	if what != invariant.Effect {
		w.add("%s %s %s token %d of %d", node, what, slot, token, count)
	}
}

// applied sees every commit.
func (w *world) applied(c mem.Commit) {
	by := ""
	if c.Client == w.byHand && !c.Expired {
		by = "operator"
	}
	changes := make([]invariant.Change, 0, len(c.Changes))
	var what strings.Builder
	for _, change := range c.Changes {
		if schema.Dir(change.Key) == schema.Dir(w.keys.Heartbeat("")) && len(c.Changes) == 1 {
			return
		}
		changes = append(changes, invariant.Change(change))
		if most := schema.KeyBound(w.keys, change.Key); len(change.Value) > most {
			w.fail("%s has %d bytes, at most %d", change.Key, len(change.Value), most)
		}
		fmt.Fprintf(&what, " %s@%d", change.Key[len(w.keys.Root()):], change.Version)
		if change.Deleted {
			what.WriteString("†")
		}
	}
	w.store.Apply(c.At, by, changes)
	verb := "commits"
	if c.Expired {
		verb = "ends:"
	}
	w.add("session %s (client %d) %s%s", c.Session, c.Client, verb, what.String())
}
