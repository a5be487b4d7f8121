// Package coord is the contract between xconsumer and a coordination service
// (ZooKeeper, etcd, or the in-memory one).
//
// # The model
//
// A [Store] opens sessions. A [Session] is one client's life in the eyes of the
// service: keys created with [CreateBound] and [CreateSequenced] vanish when it
// ends, and the service ends it when it has not heard of the client for
// [Info].Timeout; the backend makes itself heard while it can. One session is one
// connection: it never turns silently into another session. When it ends,
// [Session.Done] is closed, everything fails with [ErrSessionEnded], and the caller
// opens a new one.
//
// Keys are slash-separated paths ("/a/b/c"). Their parents need not be created.
// A key holds bytes and a version, which counts the sets since its creation: 0 when
// created, one more after each [Set].
//
// [Session.Commit] applies all its operations atomically or none of them. Every
// write names the version that it replaces; there is no unconditional write.
//
//   - A failed check is reported as a [*CheckError] that says which operation
//     failed; nothing was written.
//   - [ErrRefused] is an answer, too: the service will not do that, and nothing was written.
//   - [ErrUnknown] means that the outcome is not known: the commit may have been
//     applied, may be applied later, or never. Read again before deciding.
//   - A version cannot prove absence or identity: a key that was deleted and
//     created again starts at version 0 as before. Check only keys whose names are
//     never used twice, and use a create where absence must be proven.
//
// Watches are hints. They say that reading again is worth while, never what
// changed. A watch is armed by reading; see [Session.Watch].
//
// # The lease
//
// [Session.Renew] proves that the session is alive and moves [Info].Base: until
// Base + Timeout on the clock [Session.Now] the service cannot have ended the
// session. What a backend must do to keep this promise differs (ZooKeeper needs two
// committed writes, since a server that was cut off from its leader still answers
// pings and reads); callers only see the base move.
//
// What the contract does not promise: that Done is closed in time. A client that is
// cut off learns of its session's end only when it reaches the service again. Fence
// by the lease, not by Done.
package coord
