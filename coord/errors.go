package coord

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// The errors of the contract. Backends wrap them with operation and key; compare
// with errors.Is.
var (
	// ErrNotFound: the key does not exist.
	ErrNotFound = errors.New("key not found")
	// ErrExists: the key to create exists.
	ErrExists = errors.New("key exists")
	// ErrVersion: the key has another version than the one named.
	ErrVersion = errors.New("version differs")
	// ErrUnknown: the request may or may not have taken effect, or may do so later.
	ErrUnknown = errors.New("outcome unknown")
	// ErrSessionEnded: the session is over. A commit that was under way when it ended
	// matches ErrUnknown too.
	ErrSessionEnded = errors.New("session ended")
	// ErrTooLarge: refused before it was sent, since the service would cut the
	// connection.
	ErrTooLarge = errors.New("too large")
	// ErrUnauthorized: the service does not let these credentials do that.
	ErrUnauthorized = errors.New("not authorized")
	// ErrUnsupported: the service is too old, or set up so that leases would not hold.
	ErrUnsupported = errors.New("service not supported")
	// ErrRefused: the service has answered that it will not do that, for a reason of its own, such as a quota, a full
	// disk or a key that it does not take. Nothing was written. The same request is refused again until
	// somebody has changed something.
	ErrRefused = errors.New("refused by the service")
	// ErrInvalid: the request breaks the contract; a bug of the caller.
	ErrInvalid = errors.New("invalid request")
)

// CheckError tells which operation of a commit failed its check. Nothing was
// written. It unwraps to ErrNotFound, ErrExists, ErrVersion or ErrUnauthorized.
type CheckError struct {
	Index int // into the operations of the commit
	Op    Op
	Err   error
}

func (e *CheckError) Error() string {
	return fmt.Sprintf("commit: %s %s: %v", e.Op.Kind, e.Op.Key, e.Err)
}

func (e *CheckError) Unwrap() error { return e.Err }

// UnansweredError says that no server of the service has answered. Its text is for people: it names the servers, and why
// each did not answer, in a few words. It unwraps to what ended the wait.
type UnansweredError struct {
	Service string   // "ZooKeeper" or "etcd"
	Reasons []string // as "h1:2181: connection refused"
	Err     error
}

func (e *UnansweredError) Error() string {
	const most = 3
	reasons := strings.Join(e.Reasons[:min(len(e.Reasons), most)], "; ")
	if more := len(e.Reasons) - most; more > 0 {
		reasons += fmt.Sprintf("; and %d more", more)
	}
	return e.Service + " does not answer: " + reasons
}

func (e *UnansweredError) Unwrap() error { return e.Err }

// Reason says for people why a request failed: of a service that does not answer neither keys nor what libraries say of it.
func Reason(err error) string {
	unanswered, ok := errors.AsType[*UnansweredError](err)
	switch {
	case ok:
		return unanswered.Error()
	case errors.Is(err, ErrSessionEnded):
		return "its session with the coordination service has ended"
	case errors.Is(err, ErrUnknown) || errors.Is(err, context.DeadlineExceeded):
		return "the coordination service did not answer in time"
	}
	return err.Error()
}

// FailedCheck returns the operation that made a commit fail, if one did.
func FailedCheck(err error) (*CheckError, bool) { return errors.AsType[*CheckError](err) }
