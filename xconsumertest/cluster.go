// Package xconsumertest lets you test your works against what a cluster does to them: rebalances,
// lost leases, crashes, slow stops. It runs whole clusters in one process, over a coordination
// service in memory and with a fake clock, so that a test of hours takes milliseconds.
//
// # The model
//
//	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
//		c.Task("mail", "send", 2)
//		n1 := c.Start("n1", func(n *xconsumer.Node) { n.Handle("send", send) })
//		n2 := c.Start("n2", func(n *xconsumer.Node) { n.Handle("send", send) }) // one worker moves
//		n2.Cut()                                                                // its worker is told to stop
//		c.Advance(time.Minute)
//		…
//	})
//
// Everything runs in a [testing/synctest] bubble: time.Sleep and timers use the fake clock, which
// goes on when every goroutine waits. So works under test must not wait for anything outside the
// bubble: no real connections, no channels made elsewhere. All goroutines that they start must have
// ended when the test does.
//
// The nodes are real ones. What is modelled is the service: see package coord/mem for what it does
// and does not do to its clients.
package xconsumertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

// SessionTimeout is that of all nodes; a lease that is not renewed ends a little earlier.
const SessionTimeout = 20 * time.Second

// Bounds in fake time.
const (
	patience = 10 * time.Minute // for a cluster to settle
	quiet    = time.Second      // for which nothing must be left to do before it has
	forever  = 2 * time.Hour    // that a test waits without letting time pass itself
)

// Cluster is a cluster under test. Its methods are for the test's own goroutine.
type Cluster struct {
	t     *testing.T
	inner testcluster.Cluster
	nodes []*Node
	waits *time.Timer // fires when the test waits for something that does not come
}

// Run runs a test in a bubble with an empty cluster. At its end the nodes that are still there leave,
// cut ones without a word; a node that does not end well fails the test. A test that waits for what
// does not come, on a channel say, panics after two hours of fake time, since the nodes' own timers never
// let it deadlock.
func Run(t *testing.T, test func(t *testing.T, c *Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: SessionTimeout, TakeoverDelay: 2 * time.Second, Latency: time.Millisecond})
		c := &Cluster{t: t, inner: testcluster.Cluster{Service: service}}
		c.waits = time.AfterFunc(forever, func() { panic("xconsumertest: the test waits for something that does not come") })
		defer c.waits.Stop()
		defer func() {
			for _, n := range c.nodes {
				n.end()
			}
		}()
		test(t, c)
	})
}

// Task declares a task; nodes that are started afterwards publish it.
func (c *Cluster) Task(name, workName string, workers int) {
	c.t.Helper()
	c.Declare(cluster.TaskSpec{Name: name, WorkName: workName, WorkerNum: workers})
}

// Declare declares a task with everything that can be said of one. A task of the same name is
// replaced.
func (c *Cluster) Declare(spec cluster.TaskSpec) {
	c.t.Helper()
	if err := spec.Validate(); err != nil {
		c.t.Fatalf("task %s: %v", spec.Name, err)
	}
	c.inner.Tasks = slices.DeleteFunc(c.inner.Tasks, func(t cluster.TaskSpec) bool { return t.Name == spec.Name })
	c.inner.Tasks = append(c.inner.Tasks, spec)
}

// Start starts a node with the works that register gives it, and waits until the cluster has
// settled: workers may have moved to it.
func (c *Cluster) Start(name string, register func(*xconsumer.Node)) *Node {
	c.t.Helper()
	n := c.Join(name, register)
	c.Settle()
	return n
}

// Join starts a node and does not wait.
func (c *Cluster) Join(name string, register func(*xconsumer.Node)) *Node {
	c.t.Helper()
	inner, err := c.inner.Start(context.Background(), name, register)
	if err != nil {
		c.t.Fatal(err)
	}
	n := &Node{Node: inner.Node, cluster: c, inner: inner}
	c.nodes = append(c.nodes, n)
	return n
}

// Advance lets time pass.
func (c *Cluster) Advance(d time.Duration) {
	c.waits.Reset(d + forever)
	time.Sleep(d)
	synctest.Wait()
	c.waits.Reset(forever)
}

// Settle lets time pass until every worker that has a node which can run it runs, every node that
// is neither cut nor gone is a member, and that has been so for a second. It fails the test, and
// says what is missing, if that takes more than ten minutes.
func (c *Cluster) Settle() {
	c.t.Helper()
	var last string
	since := time.Now()
	for end := since.Add(patience); time.Now().Before(end); c.Advance(50 * time.Millisecond) {
		switch last = c.unsettled(); {
		case last != "":
			since = time.Now()
		case time.Since(since) >= quiet:
			return
		}
	}
	c.t.Fatalf("the cluster does not settle: %s", last)
}

// unsettled says what is not as it should be, "" if all is well.
func (c *Cluster) unsettled() string {
	var up []string
	var observer *Node
	for _, n := range c.nodes {
		if !n.cut && !n.inner.Ended() {
			up = append(up, n.Name())
			observer = n
		}
	}
	if observer == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := observer.State(ctx)
	if err != nil {
		return err.Error()
	}
	var members []string
	for _, n := range s.Nodes {
		members = append(members, n.Name)
	}
	slices.Sort(up)
	if !slices.Equal(up, members) {
		return fmt.Sprintf("nodes %s are members; want %s", strings.Join(members, ", "), strings.Join(up, ", "))
	}
	told := map[string]bool{}
	for _, t := range s.Tasks {
		told[t.Name] = true
		if t.Running < t.WorkerNum && t.Reason == "" {
			return fmt.Sprintf("%d of %d workers of %s run", t.Running, t.WorkerNum, t.Name)
		}
	}
	for _, t := range c.inner.Tasks {
		if !told[t.Name] {
			return fmt.Sprintf("task %s is not published: start a node after declaring it", t.Name)
		}
	}
	for _, w := range s.Workers {
		if w.State == cluster.WorkerStopping {
			return fmt.Sprintf("%s#%d is stopping", w.Task, w.Index)
		}
	}
	return ""
}

// State returns the cluster as a node that is up sees it.
func (c *Cluster) State() cluster.State {
	c.t.Helper()
	for _, n := range slices.Backward(c.nodes) {
		if n.cut || n.inner.Ended() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s, err := n.State(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		return s
	}
	c.t.Fatal("no node is up")
	return cluster.State{}
}

// Where returns the node that a worker is granted to, "" if to none.
func (c *Cluster) Where(task string, index int) string {
	c.t.Helper()
	for _, w := range c.State().Workers {
		if w.Task == task && w.Index == index {
			return w.Node
		}
	}
	return ""
}
