package coord

import (
	"context"
	"time"
)

// Store is a client of one coordination service. Any goroutine may use it.
type Store interface {
	// Open opens a new session. It blocks until the service has granted one, or ctx ends: the error then names the
	// servers that were tried, with the reason of each failure. If trying again is useless, the error matches
	// [ErrUnauthorized] or [ErrUnsupported].
	Open(ctx context.Context) (Session, error)
}

// Session is one session with the service. All methods may be called from any
// goroutine. Within one session reads never go back in time, and they see every
// commit of the same session that was answered.
type Session interface {
	// Get reads a key. The error matches [ErrNotFound] if the key does not exist.
	Get(ctx context.Context, key string) (Record, error)
	// List returns the names of the keys directly below key, sorted by name.
	// A key that does not exist has no children.
	List(ctx context.Context, key string) ([]Entry, error)
	// Commit applies all of ops atomically, or none of them. It returns one result
	// for each operation, in order. Operations that exceed [MaxValue], [MaxCommit]
	// or [MaxOps] are refused with [ErrTooLarge] before anything is sent.
	Commit(ctx context.Context, ops ...Op) ([]Result, error)
	// Watch asks for hints about key. After a change that the last read did not
	// show, hint is called at least once. A Get arms the watch for changes of the
	// key's value or existence, a List for changes of the set of its children. One
	// hint disarms the watch until the key is read again. Hint may be called
	// without cause and from any goroutine; it must not block. Stop ends the watch;
	// a hint that is under way may still arrive.
	Watch(key string, hint func()) (stop func())
	// Renew commits op, a Set of a key that is bound to this session, as proof that
	// the session is alive. It moves Info().Base as far as the proof allows. A Renew
	// that is sent less than Info().Spacing after the answer to another one may move
	// nothing.
	Renew(ctx context.Context, op Op) error
	// Info describes the session as seen by this client. It does no I/O.
	Info() Info
	// Now reads the lease clock, which is that of Info().Base.
	Now() time.Duration
	// Done is closed when the client learns that the session has ended.
	Done() <-chan struct{}
	// Close ends the session at the service, as far as it can be reached, and
	// releases what the client holds. The session's keys vanish with it. It waits at
	// most a few seconds.
	Close() error
}

// Record is a key as read.
type Record struct {
	Value   []byte // owned by the caller
	Version int64
	// Session is the ID of the session that the key is bound to, "" if to none.
	Session string
}

// Entry is a child of a listed key.
type Entry struct {
	Name string // the last path element
	// Sequence is the order in which sequenced siblings were created; 0 for other
	// keys. It can be compared only among the children of one parent.
	Sequence int64
}

// Result is the outcome of one operation of a commit.
type Result struct {
	Key     string // the key; for CreateSequenced, the full name of the key that was created
	Version int64  // the key's version after the commit; for deletes and checks, the given one
}

// Info describes a session.
type Info struct {
	ID            string        // unique among the sessions of the service
	Timeout       time.Duration // as granted by the service, which may differ from what was asked
	Spacing       time.Duration // renewals that are closer together count as one
	TakeoverDelay time.Duration // see TakeoverDelayAfter; OwnTimeout if it differs from member to member
	Base          time.Duration // the session lasts at least until Base + Timeout; see Session.Now
	// Connected reports whether a server answers at present. Server is then its name; otherwise Err is why none
	// answers.
	Connected bool
	// Unanswered reports that no server is connected, while one accepts connections and requests and answers nothing.
	// Such a server may hear this client, and keep its session alive for ever.
	Unanswered bool
	Server     string
	Err        error
}

// OwnTimeout as an Info.TakeoverDelay stands for the session timeout of the member that is gone.
const OwnTimeout time.Duration = -1

// TakeoverDelayAfter returns how long a leader must still wait before it gives away the slots of a member that is gone.
// The timeout is that of the member's session, not that of the leader's own: they may differ.
func (i Info) TakeoverDelayAfter(timeout time.Duration) time.Duration {
	if i.TakeoverDelay == OwnTimeout {
		return timeout
	}
	return i.TakeoverDelay
}

// Limits that every backend refuses to exceed, before sending. ZooKeeper cuts the
// connection of a client whose packet is larger than 1 MB, again and again.
const (
	MaxValue  = 256 << 10 // bytes of one value
	MaxCommit = 512 << 10 // bytes of all keys and values of a commit
	MaxOps    = 100       // operations of a commit
)
