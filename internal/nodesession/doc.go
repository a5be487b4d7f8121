// Package nodesession runs a node: one session with the coordination service after another, for the life of the node.
//
// # The model
//
//	Runner.Run ─▶ open ─▶ join ─▶ nodeSession.run ─▶ leave, or lose the session ─▶ open …
//	                                │
//	                                ├─ heartbeats            membership.Maintain
//	                                ├─ election and leader   election.Run, leader.Leader
//	                                ├─ follower              follower.Follower ─▶ worker.Pool
//	                                ├─ watchdog of the lease follower.LeaseWatchdog, follower.ExitTimer
//	                                └─ declarations, connection, clocks, former members, loops
//
// One session is one member. When the session ends, the workers of the member are stopped before the node joins again. The
// exception is workers that continue detached, as their task declares; they are stopped once there is contact again.
//
// This package connects the parts; each part decides in its own package. [Presence] gives the rest of the process a view of the
// present session. A supervisor receives a report of each member before that member can exist.
package nodesession
