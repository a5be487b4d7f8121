// Package xconsumertest lets you test your works against the events of a cluster: rebalances, lost leases, crashes, slow
// stops. It runs whole clusters in one process, over a coordination service in memory and with a fake clock, so that a test
// of hours takes milliseconds.
//
// # The model
//
//	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
//		c.Task("mail", "send", 2)
//		n1 := c.Start("n1", func(n *xconsumer.Node) { n.Handle("send", send) })
//		n2 := c.Start("n2", func(n *xconsumer.Node) { n.Handle("send", send) }) // one worker moves
//		n2.Cut()                                                                // its worker is asked to stop
//		c.Advance(time.Minute)
//		…
//	})
//
// Everything runs in a [testing/synctest] bubble. time.Sleep and timers use a fake clock, which
// advances when every goroutine waits. So works under test must not wait for anything outside the
// bubble, such as a real connection or a channel that was made elsewhere. All goroutines that they
// start must have ended when the test ends.
//
// The nodes are real. The service is a model: package coord/mem describes which behavior it models.
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

// SessionTimeout is the session timeout of all nodes. A lease that is not renewed ends slightly earlier.
const SessionTimeout = 20 * time.Second

// Bounds in fake time.
const (
	settleTimeout = 10 * time.Minute // the longest time for a cluster to settle
	settledFor    = time.Second      // how long nothing must be left to do before it counts as settled
	testTimeout   = 2 * time.Hour    // the longest time that a test waits by itself
)

// Cluster is a cluster under test. Its methods must be called from the goroutine of the test.
type Cluster struct {
	t     *testing.T
	inner testcluster.Cluster
	nodes []*Node
	waits *time.Timer // fires when the test waits for something that does not happen
}

// Run runs a test in a bubble, with an empty cluster. When the test ends, the nodes leave the cluster, except those that are
// cut off, which stop. A node whose Run returns an error fails the test. A test that waits for two hours of fake time, for
// example on a channel, panics: the timers of the nodes keep synctest from detecting the deadlock.
func Run(t *testing.T, test func(t *testing.T, c *Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: SessionTimeout, TakeoverDelay: 2 * time.Second, Latency: time.Millisecond})
		c := &Cluster{t: t, inner: testcluster.Cluster{Service: service}}
		c.waits = time.AfterFunc(testTimeout, func() { panic("xconsumertest: the test has waited for 2h of fake time") })
		defer c.waits.Stop()
		defer func() {
			for _, n := range c.nodes {
				n.end()
			}
		}()
		test(t, c)
	})
}

// Task declares a task. The nodes that are started afterwards publish it.
func (c *Cluster) Task(name, workName string, workers int) {
	c.t.Helper()
	c.Declare(cluster.TaskSpec{Name: name, WorkName: workName, WorkerNum: workers})
}

// Declare declares a task by its whole specification, in place of an earlier one of the same name. The nodes that are
// started afterwards publish it. An invalid specification fails the test.
func (c *Cluster) Declare(spec cluster.TaskSpec) {
	c.t.Helper()
	if err := spec.Validate(); err != nil {
		c.t.Fatalf("task %s: %v", spec.Name, err)
	}
	c.inner.Tasks = slices.DeleteFunc(c.inner.Tasks, func(t cluster.TaskSpec) bool { return t.Name == spec.Name })
	c.inner.Tasks = append(c.inner.Tasks, spec)
}

// Start starts a node with the works that register registers, and waits until the cluster has
// settled; see Settle. Workers may move to the node meanwhile.
func (c *Cluster) Start(name string, register func(*xconsumer.Node)) *Node {
	c.t.Helper()
	n := c.Join(name, register)
	c.Settle()
	return n
}

// Join starts a node like Start, and does not wait.
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

// Advance lets fake time pass, and waits until every goroutine waits.
func (c *Cluster) Advance(d time.Duration) {
	c.waits.Reset(d + testTimeout)
	time.Sleep(d)
	synctest.Wait()
	c.waits.Reset(testTimeout)
}

// Settle lets fake time pass until the cluster has settled: for one second, every worker that some node can run has been
// running, no worker has been stopping, and exactly the nodes that are neither cut off nor ended have been members. If that
// takes more than ten minutes, it fails the test with an error that names what is missing.
func (c *Cluster) Settle() {
	c.t.Helper()
	var last string
	since := time.Now()
	for end := since.Add(settleTimeout); time.Now().Before(end); c.Advance(50 * time.Millisecond) {
		last = c.unsettled()
		switch {
		case last != "":
			since = time.Now()
		case time.Since(since) >= settledFor:
			return
		}
	}
	c.t.Fatalf("the cluster does not settle: %s", last)
}

// unsettled returns what keeps the cluster from being settled; "" for nothing.
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
	published := map[string]bool{}
	for _, t := range s.Tasks {
		published[t.Name] = true
		// A delay and a resize end by themselves, and the workers run then. The other reasons stay.
		if t.Running < t.WorkerNum && (t.Reason == "" || t.ReasonCode == cluster.WhyDelayed || t.ReasonCode == cluster.WhyResizing) {
			return strings.TrimSuffix(fmt.Sprintf("%d of %d workers of %s run: %s", t.Running, t.WorkerNum, t.Name, t.Reason), ": ")
		}
	}
	for _, t := range c.inner.Tasks {
		if !published[t.Name] {
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

// State returns the cluster as seen by the node that was started last, of those that run and are not cut off. It fails the
// test if there is none.
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

// Where returns the name of the node that a worker is granted to; "" for none.
func (c *Cluster) Where(task string, index int) string {
	c.t.Helper()
	for _, w := range c.State().Workers {
		if w.Task == task && w.Index == index {
			return w.Node
		}
	}
	return ""
}
