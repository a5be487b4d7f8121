// Package nodesession runs a node: one session with the coordination service after the other, for as long as the node
// lives.
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
// One session is one member. When the session ends, the workers of the member are stopped before the node joins again,
// except those that run on detached because their task says so; they are stopped once there is contact again.
//
// The parts are wired here; what they decide is decided in their own packages. [Presence] is what the rest of the
// process may know of the present session, and a supervisor hears of each member before it can exist.
package nodesession
