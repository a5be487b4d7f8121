// Package coord is the contract between xconsumer and a coordination service
// (ZooKeeper, etcd, or the in-memory one).
//
// # The model
//
// A [Store] opens sessions. A [Session] is the service's record of one client. Keys
// that were created with [CreateBound] and [CreateSequenced] are deleted when it
// ends. The service ends it when it has not heard from the client for
// [Info].Timeout; the backend sends keep-alives as long as it can. A session never
// turns silently into another one. When it ends, [Session.Done] is closed, every
// request fails with [ErrSessionEnded], and the caller opens a new session.
//
// Keys are slash-separated paths ("/a/b/c"). Their parents need not be created. A
// key holds bytes and a version. The version is 0 when the key is created, and rises
// by one with each [Set].
//
// [Session.Commit] applies all its operations atomically, or none of them. Every
// write names the version that it replaces: there are no unconditional writes.
//
//   - A failed check is reported as a [*CheckError], which names the operation that
//     failed. Nothing was written.
//   - [ErrRefused] is an answer as well: the service declines the request. Nothing
//     was written.
//   - [ErrUnknown] means that the outcome is not known. The commit may have been
//     applied, may be applied later, or never. Read again before you decide.
//   - A version proves neither absence nor identity: a key that was deleted and
//     created again starts at version 0 as before. Check only keys whose names are
//     never used twice, and use a create where absence must be proven.
//
// Watches are hints. A hint means only that the key is worth reading again. It never contains the
// change. Reading arms a watch; see [Session.Watch].
//
// # The lease
//
// [Session.Renew] proves that the session is alive and moves [Info].Base: until Base + Timeout on
// the clock [Session.Now] the service cannot have ended the session. Backends keep this promise
// in different ways. ZooKeeper, for example, needs two committed writes, since a server that was
// cut off from its leader still answers pings and reads. Callers see only that the base moves.
//
// A service that may end a session early, while its lease still holds, shows when a key that is gone was written last: see
// [LastWrite]. However the session ended, its base is not later than the last commit of a renewal, or than the creation of the
// renewed key where there was none. So Timeout after that nothing can count on the lease.
//
// The contract does not promise that Done is closed in time. A client that is cut off
// learns of the end of its session only when it reaches the service again. Fence by
// the lease, not by Done.
package coord
