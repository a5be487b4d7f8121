package coord

import (
	"context"
	"time"
)

// Store is a client of one coordination service.
type Store interface {
	// Open opens a new session. It blocks until the service has granted one or ctx
	// ends; the error then says which servers were tried and why they failed.
	// A refusal that retrying cannot mend matches [ErrUnauthorized] or
	// [ErrUnsupported].
	Open(ctx context.Context) (Session, error)
}

// Session is one session with the service. All methods may be called from any
// goroutine. Within one session reads never go back in time, and they see every
// commit of the same session that was answered.
type Session interface {
	// Get reads a key. It returns [ErrNotFound] when there is none.
	Get(ctx context.Context, key string) (Record, error)
	// List returns the names of the keys directly below key, sorted by name.
	// A key that does not exist has no children.
	List(ctx context.Context, key string) ([]Entry, error)
	// Commit applies ops atomically, or none of them. It returns one result an
	// operation, in order. It refuses what exceeds [MaxValue], [MaxCommit] or
	// [MaxOps] with [ErrTooLarge] before anything is sent.
	Commit(ctx context.Context, ops ...Op) ([]Result, error)
	// Watch asks for hints about key. Hint is called at least once after a change
	// that the last read did not show: of the key's value or existence after a Get,
	// of the set of its children after a List. Reading arms the watch, and one hint
	// disarms it until the key is read again. Hint may be called without cause and
	// from any goroutine; it must not block. Stop ends the watch; a hint that is
	// under way may still arrive.
	Watch(key string, hint func()) (stop func())
	// Renew commits op, a Set of a key that is bound to this session, as proof that
	// the session is alive, and moves Info().Base as far as that proof allows.
	// One that is sent less than Info().Spacing after the answer to another may move nothing.
	Renew(ctx context.Context, op Op) error
	// Info describes the session as this client knows it. It does no I/O.
	Info() Info
	// Now reads the lease clock, on which Info().Base is told.
	Now() time.Duration
	// Done is closed when the session has ended, as far as the client can know.
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
	// Sequence tells the order in which sequenced siblings were created; 0 for
	// other keys. It is comparable below one parent only.
	Sequence int64
}

// Result is the outcome of one operation of a commit.
type Result struct {
	Key     string // the key; for CreateSequenced the one that was made
	Version int64  // the key's version after the commit; for deletes and checks the one given
}

// Info describes a session.
type Info struct {
	ID      string        // unique among the sessions of the service
	Timeout time.Duration // as granted by the service, which may differ from what was asked
	Spacing time.Duration // renewals closer together than this count as one
	Grace   time.Duration // see TakeoverDelay
	Base    time.Duration // the session lasts at least until Base + Timeout; see Session.Now
	// Connected tells whether a server answers at present; Server names it, and Err
	// says why none does.
	Connected bool
	// Unanswered tells that a server takes connections and what is sent over them, and answers nothing, while none
	// is connected. It may hear this client, and keep its session alive, without end.
	Unanswered bool
	Server     string
	Err        error
}

// OwnTimeout as a Grace says that the takeover delay of a member is that member's own session timeout.
const OwnTimeout time.Duration = -1

// TakeoverDelay returns how long a leader still waits, after a member is gone whose session had a timeout,
// before it takes over. The timeout of the leader's own session has no part in it: timeouts may differ.
func (i Info) TakeoverDelay(timeout time.Duration) time.Duration {
	if i.Grace == OwnTimeout {
		return timeout
	}
	return i.Grace
}

// Limits that every backend refuses to exceed, before sending. ZooKeeper cuts the
// connection of a client whose packet is larger than 1 MB, again and again.
const (
	MaxValue  = 256 << 10 // bytes of one value
	MaxCommit = 512 << 10 // bytes of all keys and values of a commit
	MaxOps    = 100       // operations of a commit
)
