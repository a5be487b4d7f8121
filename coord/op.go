package coord

import (
	"fmt"
	"strings"
)

// Kind is the kind of an operation.
type Kind int

// The operations of a commit.
const (
	KindCreate          Kind = iota + 1 // create a key; fails if it exists
	KindCreateBound                     // the same, bound to the session
	KindCreateSequenced                 // bound to the session, the service adds an order to the name
	KindSet                             // replace the value at a version
	KindDelete                          // delete at a version
	KindCheck                           // fail the commit unless the key has this version
)

func (k Kind) String() string {
	switch k {
	case KindCreate:
		return "create"
	case KindCreateBound:
		return "create bound"
	case KindCreateSequenced:
		return "create sequenced"
	case KindSet:
		return "set"
	case KindDelete:
		return "delete"
	case KindCheck:
		return "check"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Op is one operation of a commit. Make it with the functions below; the value is
// not copied and must not be changed until the commit has returned.
type Op struct {
	Kind    Kind
	Key     string
	Value   []byte
	Version int64
}

// Create creates a key that outlives the session. It fails with ErrExists if the key
// exists: this is the only proof of absence.
func Create(key string, value []byte) Op { return Op{Kind: KindCreate, Key: key, Value: value} }

// CreateBound creates a key that is deleted when the session ends.
func CreateBound(key string, value []byte) Op {
	return Op{Kind: KindCreateBound, Key: key, Value: value}
}

// CreateSequenced creates a key that is deleted when the session ends. Its name
// begins with key; the service adds the rest. The result has the full name, and
// [Entry].Sequence the order.
func CreateSequenced(key string, value []byte) Op {
	return Op{Kind: KindCreateSequenced, Key: key, Value: value}
}

// Set replaces the value of a key that has the given version.
func Set(key string, value []byte, version int64) Op {
	return Op{Kind: KindSet, Key: key, Value: value, Version: version}
}

// Delete deletes a key that has the given version.
func Delete(key string, version int64) Op {
	return Op{Kind: KindDelete, Key: key, Version: version}
}

// Check fails the commit unless the key exists and has the given version.
func Check(key string, version int64) Op {
	return Op{Kind: KindCheck, Key: key, Version: version}
}

// Validate refuses a commit that no backend may send. It is empty or too large, has an invalid
// key or a version below zero (an unconditional write), writes one key twice, or creates two
// sequenced keys below one parent, which some services cannot distinguish.
func Validate(ops []Op) error {
	if len(ops) == 0 {
		return fmt.Errorf("%w: no operation", ErrInvalid)
	}
	if len(ops) > MaxOps {
		return fmt.Errorf("%w: %d operations, at most %d", ErrTooLarge, len(ops), MaxOps)
	}
	total := 0
	written := make(map[string]bool, len(ops))
	for _, op := range ops {
		if len(op.Key) < 2 || op.Key[0] != '/' || op.Key[len(op.Key)-1] == '/' {
			return fmt.Errorf("%w: key %q", ErrInvalid, op.Key)
		}
		if op.Kind < KindCreate || op.Kind > KindCheck {
			return fmt.Errorf("%w: %s of %s", ErrInvalid, op.Kind, op.Key)
		}
		if op.Version < 0 {
			return fmt.Errorf("%w: %s of %s at version %d", ErrInvalid, op.Kind, op.Key, op.Version)
		}
		if len(op.Value) > MaxValue {
			return fmt.Errorf("%w: value of %s has %d bytes, at most %d", ErrTooLarge, op.Key, len(op.Value), MaxValue)
		}
		if op.Kind != KindCheck {
			target := op.Key
			if op.Kind == KindCreateSequenced {
				target = op.Key[:strings.LastIndexByte(op.Key, '/')+1] // which no key ends with
			}
			if written[target] {
				return fmt.Errorf("%w: %s is written twice", ErrInvalid, target)
			}
			written[target] = true
		}
		total += len(op.Key) + len(op.Value)
	}
	if total > MaxCommit {
		return fmt.Errorf("%w: commit of %d bytes, at most %d", ErrTooLarge, total, MaxCommit)
	}
	return nil
}
