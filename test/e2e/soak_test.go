package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/invariant"
	"gitee.com/ken.yang/xconsumer/test/link"
	"gitee.com/ken.yang/xconsumer/test/process"
)

var (
	soakSpan = flag.Duration("soak", 20*time.Second, "how long TestSoak mixes faults")
	soakSeed = flag.Uint64("soakseed", 0, "the order of TestSoak's faults; 0 for another one each time")
)

// All faults in a mix, on both services at the same time, and in the end a report.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("the soak is of `make verify`")
	}
	onBoth(t, testSoak)
}

func testSoak(t *testing.T, b backend) {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-soakseed %d", seed)
	s := newSoak(t, b, rand.New(rand.NewPCG(seed, 0)))
	began := time.Now()
	for next := began.Add(time.Minute); time.Since(began) < *soakSpan; {
		s.round()
		if time.Now().After(next) {
			fmt.Printf("%s: %v of %v, %d faults, healed within %v so far\n", b.name, time.Since(began).Round(time.Minute), *soakSpan, s.total(), s.worst.Round(time.Millisecond))
			next = next.Add(time.Minute)
		}
	}
	s.report(time.Since(began))
}

// soaker is a fleet and what is done to it.
type soaker struct {
	*fleet
	dice    *rand.Rand
	servers servers
	names   []string
	nodes   map[string]*proc
	wires   map[string]*link.Link
	faults  map[string]int
	worst   time.Duration
	when    string // the worst
	bound   time.Duration
	witness int64 // the version of a key of its own, as the service has acknowledged it; -1 before it is there
	lost    []string
}

func newSoak(t *testing.T, b backend, dice *rand.Rand) *soaker {
	t.Helper()
	s := &soaker{dice: dice, servers: b.start(t, 3), nodes: map[string]*proc{}, wires: map[string]*link.Link{}, faults: map[string]int{}, witness: -1}
	s.fleet = newFleet(t, b, s.servers.Hosts(), soakTimeout)
	s.supervised = true
	s.Env = append(s.Env, effectsVariable+"=1")
	s.bound = s.timeout + 500*time.Millisecond + 5*time.Second // ticks and takeover delay are 0.2 s
	if b.name == "etcd" {
		s.bound += s.timeout // the takeover delay
	}
	for i := range 4 {
		name := fmt.Sprint("n", i+1)
		s.names = append(s.names, name)
		s.wires[name] = link.New(t, s.servers.Addrs()...)
		s.boot(name)
	}
	s.healed("the start")
	return s
}

// soakTimeout is the longest session timeout of the nodes: half of them have half of it.
const soakTimeout = 6 * time.Second

func (s *soaker) boot(name string) {
	timeout := soakTimeout
	if slices.Index(s.names, name)%2 == 0 {
		timeout /= 2
	}
	env := s.Env
	defer func() { s.Env = env }()
	s.Env = append(slices.Clone(env), planVariable+"="+s.planFile(name))
	s.nodes[name] = s.startTimed(name, timeout, s.backend.flag, s.wires[name].Hosts())
}

func (s *soaker) total() (n int) {
	for _, count := range s.faults {
		n += count
	}
	return n
}

// upTo returns a time below a limit.
func (s *soaker) upTo(limit time.Duration) time.Duration {
	return time.Duration(s.dice.Int64N(int64(limit)))
}

// round does a fault, or two at the same time, ends them, and waits until all is well.
func (s *soaker) round() {
	var undo []func()
	var names []string
	allowed := s.bound
	victims := s.dice.Perm(len(s.names))
	kinds := slices.Sorted(maps.Keys(soakFaults))
	for i := range 1 + s.dice.IntN(2) {
		kind := kinds[s.dice.IntN(len(kinds))]
		if i > 0 && strings.Contains(kind, "server") && strings.Contains(names[0], "server") {
			continue // one fault of the servers at a time
		}
		names = append(names, kind)
		s.faults[kind]++
		allowed += s.exceptions(kind)
		node := s.names[victims[i]]
		s.Logf("%s (%s)", kind, node)
		switch f := soakFaults[kind](s, node); {
		case f == nil:
		case strings.Contains(kind, "server"): // what else there is to undo may need them
			undo = slices.Insert(undo, 0, f)
		default:
			undo = append(undo, f)
		}
	}
	if len(undo) > 0 {
		time.Sleep(s.upTo(2 * s.timeout))
	}
	for _, f := range undo {
		f()
	}
	if took := s.healed(strings.Join(names, ", ")); took > 2*allowed {
		s.Errorf("healing took %v after %s, more than twice the %v that is documented", took, strings.Join(names, ", "), allowed)
	}
	s.testify(strings.Join(names, ", "))
}

// testify asks whether the service has kept what it acknowledged. If it loses commits, nothing that is built
// on it can keep its promise: the report names it. ZooKeeper 3.8.0 does when all of its servers are killed soon
// after some have come back. The other invariants are held all the same.
func (s *soaker) testify(after string) {
	const key = "/witness"
	patience := time.Now().Add(10 * time.Second) // a server may lag behind the one that answered last
	for {
		r, err := s.look(s.Context()).Get(s.Context(), key)
		missing := errors.Is(err, coord.ErrNotFound)
		op := coord.Set(key, nil, r.Version)
		switch {
		case missing:
			op, r.Version = coord.Create(key, nil), -1
		case err != nil:
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if r.Version < s.witness {
			if time.Now().Before(patience) {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			lost := fmt.Sprintf("after %s: a key is at version %d, and was at %d", after, r.Version, s.witness)
			s.Log("the service has lost commits that it had acknowledged, " + lost)
			s.lost = append(s.lost, lost)
			s.witness = r.Version
		}
		if _, err := s.session.Commit(s.Context(), op); err == nil {
			s.witness = r.Version + 1
			return
		}
	}
}

// soakFaults begin a fault and return what ends it, if it lasts.
var soakFaults = merged(outerFaults, handFaults, leaderFaults)

func merged(parts ...soakKinds) soakKinds {
	all := soakKinds{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

type soakKinds map[string]func(s *soaker, node string) (undo func())

// outerFaults happen to processes, links and servers, or are asked for.
var outerFaults = soakKinds{
	"node killed": func(s *soaker, node string) func() {
		s.signalChild(node, syscall.SIGKILL)
		return nil
	},
	"machine lost": func(s *soaker, node string) func() {
		p := s.nodes[node]
		p.Signal(syscall.SIGSTOP) // so that the parent does nothing from now on
		s.signalChild(node, syscall.SIGKILL)
		p.Signal(syscall.SIGKILL)
		p.exit()
		return func() { s.boot(node) }
	},
	"node leaves": func(s *soaker, node string) func() {
		s.nodes[node].Signal(syscall.SIGTERM)
		s.nodes[node].exit()
		return func() { s.boot(node) }
	},
	"node paused": func(s *soaker, node string) func() {
		p := s.nodes[node]
		p.note(invariant.Paused)
		pid := s.signalChild(node, syscall.SIGSTOP)
		return func() {
			p.note(invariant.Resumed)
			if pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGCONT) // its parent may have killed it
			}
		}
	},
	"node and parent paused": func(s *soaker, node string) func() {
		p := s.nodes[node]
		p.note(invariant.Paused)
		p.Signal(syscall.SIGSTOP)
		pid := s.signalChild(node, syscall.SIGSTOP)
		return func() {
			p.note(invariant.Resumed)
			if pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGCONT)
			}
			p.Signal(syscall.SIGCONT)
		}
	},
	"node cut off":  func(s *soaker, node string) func() { return s.wire(node, (*link.Link).Cut) },
	"requests lost": func(s *soaker, node string) func() { return s.wire(node, (*link.Link).LoseRequests) },
	"replies lost":  func(s *soaker, node string) func() { return s.wire(node, (*link.Link).LoseReplies) },
	"lease ended while cut off": func(s *soaker, node string) func() {
		undo := s.wire(node, (*link.Link).Cut)
		if state := s.nodes[node].State(); state != nil && s.backend.name == "etcd" { // ZooKeeper lets nobody else end a session
			s.revoke(s.servers.Hosts(), memberOf(*state, node))
		}
		return undo
	},
	"connections dropped": func(s *soaker, node string) func() { s.wires[node].Drop(); return nil },
	"packets late": func(s *soaker, node string) func() {
		d := s.upTo(s.timeout)
		return s.wire(node, func(l *link.Link) { l.Delay(d) })
	},
	"server killed":        func(s *soaker, _ string) func() { return s.killServers(s.dice.IntN(3)) },
	"server leader killed": func(s *soaker, _ string) func() { return s.killServers(s.servers.Leader()) },
	"all servers killed":   func(s *soaker, _ string) func() { return s.killServers(0, 1, 2) },
	"server hangs":         func(s *soaker, _ string) func() { return s.pauseServer(s.dice.IntN(3)) },
	"server leader hangs":  func(s *soaker, _ string) func() { return s.pauseServer(s.servers.Leader()) },
	"node drained": func(s *soaker, node string) func() {
		s.ask("nodes/"+node+"/drain", "")
		return func() { s.ask("nodes/"+node+"/uncordon", "") }
	},
	"work restarted": func(s *soaker, node string) func() { s.ask("nodes/"+node+"/restart", ""); return nil },
	"task resized": func(s *soaker, _ string) func() {
		s.ask("tasks/test01/scale", fmt.Sprintf(`{"workers": %d}`, 1+s.dice.IntN(5)))
		return nil
	},
	"leader steps down": func(s *soaker, _ string) func() { s.ask("leader/step-down", ""); return nil },
}

// ask asks the nodes for an operation, one after the other, until one accepts it. A mark that nobody can
// take back now is taken back until somebody does.
func (s *soaker) ask(path, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, name := range s.names {
			resp, err := client.Post("http://"+s.nodes[name].Addr+"/api/v1/"+path, "application/json", strings.NewReader(body))
			if err != nil {
				continue
			}
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusNotFound {
				return
			}
		}
		if !strings.HasSuffix(path, "uncordon") {
			return
		}
	}
}

func (s *soaker) wire(node string, break_ func(*link.Link)) func() {
	break_(s.wires[node])
	return s.wires[node].Heal
}

func (s *soaker) killServers(which ...int) func() {
	for _, i := range which {
		s.servers.Kill(i)
	}
	return func() {
		for _, i := range which {
			s.servers.Launch(i)
		}
		for _, i := range which {
			s.servers.Revive(i)
		}
	}
}

func (s *soaker) pauseServer(i int) func() {
	s.servers.Pause(i)
	return func() {
		s.servers.Resume(i)
		s.servers.Leader()
	}
}

// signalChild signals a node's process, below its parent; 0 if it has none at this moment.
func (s *soaker) signalChild(node string, sig syscall.Signal) int {
	children := process.ChildrenOf(s.nodes[node].PID())
	if len(children) == 0 {
		return 0
	}
	_ = syscall.Kill(children[0], sig)
	return children[0]
}

// look returns a session that lives: outages end it now and then.
func (s *soaker) look(ctx context.Context) coord.Session {
	select {
	case <-s.session.Done():
		session, err := s.backend.store(s.T, s.servers.Hosts()).Open(ctx)
		if err != nil {
			return s.session // ended: it refuses whatever it is asked
		}
		s.Cleanup(func() { _ = session.Close() })
		s.session = session
	default:
	}
	return s.session
}

// healed waits until every slot runs, as a node sees it and as the worker has noted, and returns how long that took.
func (s *soaker) healed(after string) (took time.Duration) {
	began := time.Now()
	var seen *cluster.State
	explained := false
	s.Await("all workers run after: "+after, func() bool {
		if time.Since(began) > s.bound && !explained {
			explained = true
			s.explain(after)
		}
		for _, name := range s.names {
			seen = s.nodes[name].State()
			if seen != nil {
				break
			}
		}
		if seen == nil {
			return false
		}
		counts, wanted := map[string]int{}, 0
		for _, t := range seen.Tasks {
			counts[t.Name] = t.WorkerNum
			wanted += t.WorkerNum
		}
		for _, w := range seen.Workers {
			if w.State != cluster.WorkerRunning || w.Count != counts[w.Task] {
				return false
			}
		}
		if len(seen.Workers) != wanted || len(counts) != 2 {
			return false
		}
		return s.started(seen)
	})
	took = time.Since(began)
	if took > s.worst && after != "the start" {
		s.worst, s.when = took, after
	}
	return took
}

// explain says what every node sees while healing takes longer than it should.
func (s *soaker) explain(after string) {
	for _, name := range s.names {
		state := s.nodes[name].State()
		if state == nil {
			s.Logf("after %s: %s does not answer", after, name)
			continue
		}
		text, _ := json.Marshal(state)
		s.Logf("after %s: %s sees %s", after, name, text)
	}
}

func (s *soaker) report(took time.Duration) {
	check := invariant.Checker{Kernel: true, Wake: 5 * time.Second}
	granted := map[string]bool{}
	for _, n := range s.journal() {
		check.Note(n)
		if n.What == invariant.Start {
			granted[fmt.Sprint(n.Slot, n.Token)] = true
		}
	}
	c := check.Counts()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d faults in %v\n", s.backend.name, s.total(), took.Round(time.Second))
	for _, kind := range slices.Sorted(maps.Keys(s.faults)) {
		fmt.Fprintf(&b, "  %5d × %s\n", s.faults[kind], kind)
	}
	fmt.Fprintf(&b, "%d slots granted, %d workers started, overlaps %d\n", len(granted), c.Starts, c.Overlaps)
	fmt.Fprintf(&b, "%d effects, %d stale ones refused, %d starts while a paused process still had the slot\n", c.Effects, c.Refused, c.Sleepers)
	for _, lost := range s.lost {
		fmt.Fprintf(&b, "the service lost commits that it had acknowledged, %s\n", lost)
	}
	fmt.Fprintf(&b, "healed within %v at worst (%s); D is %v\n", s.worst.Round(time.Millisecond), s.when, s.bound)
	fmt.Print(b.String())
	for _, name := range s.names { // one that has just begun would not know what a signal means
		s.Await(name+" answers", func() bool { return s.nodes[name].State() != nil })
		s.nodes[name].Signal(syscall.SIGTERM)
	}
	for _, name := range s.names {
		if code := s.nodes[name].exit(); code != 0 {
			s.Errorf("%s ends with exit code %d", name, code)
		}
	}
	// A node that had just lost its session could not close it: the service ends it, and its servers may lag.
	s.Await("no member is left", func() bool {
		left, err := s.look(s.Context()).List(s.Context(), s.keys.Members())
		return len(left) == 0 && (err == nil || errors.Is(err, coord.ErrNotFound))
	})
}
