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
	// ErrVersion: the key does not have the given version.
	ErrVersion = errors.New("version differs")
	// ErrUnknown: the request may have taken effect, may take effect later, or never.
	ErrUnknown = errors.New("outcome unknown")
	// ErrSessionEnded: the session has ended. The error of a commit that was under way
	// then matches ErrUnknown as well.
	ErrSessionEnded = errors.New("session ended")
	// ErrTooLarge: the commit exceeds a limit. Nothing was sent, since the service would
	// close the connection.
	ErrTooLarge = errors.New("too large")
	// ErrUnauthorized: the credentials do not permit the request.
	ErrUnauthorized = errors.New("not authorized")
	// ErrUnsupported: the service is too old, or configured so that leases would not be
	// safe.
	ErrUnsupported = errors.New("service not supported")
	// ErrRefused: the service has answered that it declines the request, for a reason of its
	// own such as a quota, a full disk or a key that it does not accept. Nothing was
	// written. It declines the same request again until that reason is removed.
	ErrRefused = errors.New("refused by the service")
	// ErrInvalid: the request breaks the contract. The caller has a bug.
	ErrInvalid = errors.New("invalid request")
)

// CheckError is the error of a commit in which an operation failed its check. Nothing
// was written. It unwraps to ErrNotFound, ErrExists, ErrVersion or ErrUnauthorized.
type CheckError struct {
	Index int // into the operations of the commit
	Op    Op
	Err   error
}

func (e *CheckError) Error() string {
	return fmt.Sprintf("commit: %s %s: %v", e.Op.Kind, e.Op.Key, e.Err)
}

func (e *CheckError) Unwrap() error { return e.Err }

// UnansweredError is the error of a request that no server of the service has answered. Its text is for people: it names
// the servers, with a short reason for each. It unwraps to the error that ended the wait.
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

// Reason returns the reason of a failed request, in words for people. If the service does not answer, the text contains
// neither keys nor the texts of libraries.
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

// FailedCheck returns the CheckError in err, if there is one.
func FailedCheck(err error) (*CheckError, bool) { return errors.AsType[*CheckError](err) }
