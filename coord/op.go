package coord

import (
	"fmt"
	"strings"
)

// Kind is what an operation does.
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

// Create makes a key that outlives the session. It fails with ErrExists: the only
// proof of absence there is.
func Create(key string, value []byte) Op { return Op{Kind: KindCreate, Key: key, Value: value} }

// CreateBound makes a key that vanishes when the session ends.
func CreateBound(key string, value []byte) Op {
	return Op{Kind: KindCreateBound, Key: key, Value: value}
}

// CreateSequenced makes a key bound to the session whose name begins with key. Its
// full name is in the result, its order in [Entry].Sequence.
func CreateSequenced(key string, value []byte) Op {
	return Op{Kind: KindCreateSequenced, Key: key, Value: value}
}

// Set replaces a value at the version it was read at.
func Set(key string, value []byte, version int64) Op {
	return Op{Kind: KindSet, Key: key, Value: value, Version: version}
}

// Delete removes a key at the version it was read at.
func Delete(key string, version int64) Op {
	return Op{Kind: KindDelete, Key: key, Version: version}
}

// Check fails the commit unless the key exists at the version.
func Check(key string, version int64) Op {
	return Op{Kind: KindCheck, Key: key, Version: version}
}

// Validate refuses a commit that no backend may send: empty, too large, without a
// proper key, with a version below zero (an unconditional write), or with two writes of one
// key or two sequenced keys below one parent, which not every service can tell apart.
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
