// Package xconsumer keeps N workers of every task running across a fleet of machines.
//
// # The model
//
// A [Node] joins a named cluster over a coordination service, ZooKeeper or etcd. The cluster
// elects a leader (first in, first out), which assigns the workers of all tasks to the nodes,
// itself included, and does so again whenever a node comes or goes or a task changes. A node
// runs what it is granted: a task's workers execute a work, which is a function that was
// registered under a name.
//
//	store, err := zk.New(zk.Config{Servers: []string{"127.0.0.1:2181"}})
//	…
//	node, err := xconsumer.New(store, xconsumer.Config{
//		Cluster: "demo",
//		Name:    "n1",
//		Tasks:   []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 4}},
//	})
//	…
//	node.Handle("mail", func(ctx context.Context, w *xconsumer.Worker) error { … })
//	err = node.Run(ctx)
//
// [Node.Run] joins the cluster, and joins again whenever the session is lost, until its context ends. Meanwhile
// [Node.Admin] manages the cluster through this node: it answers where everything runs and why, and it scales, pauses and
// drains. Package httpapi serves it over HTTP.
//
// # The promise
//
// Each worker slot is granted to at most one node at a time. A node runs a slot only while its
// lease, proven by a write that the coordination service committed less than a session timeout
// ago, still holds; it stops the slot itself before the service can give it away. This covers
// crashes, partitions, outages and restarts of the service, leader changes and slow workers. If
// a process or a whole machine is paused, its workers may run on for a moment after it wakes;
// every worker holds a fencing token ([Worker.Token]), and a store that compares tokens refuses
// such late effects. Exactly one worker runs whenever a node that reaches the service has room,
// within a stated bound after the last fault, unless a delay or freeze that you set holds it.
//
// A worker is asked to stop by its context. A worker that ignores it cannot be stopped within the process. [Node.Run] then
// returns [ErrStuck], and the process must end at once to keep the promise.
package xconsumer
