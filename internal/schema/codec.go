package schema

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema/fields"
)

// Errors of decoding.
var (
	// ErrCorrupt: the record cannot be read by this program, or is not valid.
	ErrCorrupt = errors.New("record is not usable")
	// ErrForeign: the record's own version differs from its key's, so it was edited manually.
	ErrForeign = errors.New("record was edited manually")
)

// header is the start of every record.
type header struct {
	V       int             `json:"v"`
	Unknown cluster.Unknown `json:"-"`
	raw     []byte          // as it was decoded or encoded last
}

func (h *header) base() *header { return h }

// versioned adds the record's own version.
type versioned struct {
	header
	Version int64 `json:"version"`
}

func (v *versioned) setVersion(n int64) { v.Version = n }
func (v *versioned) ownVersion() int64  { return v.Version }

// Record is a pointer to one of the record types.
type Record interface{ base() *header }

type versionedRecord interface {
	Record
	setVersion(int64)
	ownVersion() int64
}

const format = 1 // of every record, so far

// Encode writes a record. For a record that carries its version, next is the version that
// its key has after the write: 0 for a create, one more than was read for a set.
func Encode(r Record, next int64) []byte {
	r.base().V = max(r.base().V, format)
	if v, ok := r.(versionedRecord); ok {
		v.setVersion(next)
	}
	text := fields.Encode(reflect.ValueOf(r).Elem())
	r.base().raw = text
	return text
}

// Same reports whether a record was decoded from these very bytes, or encoded to them. A version alone does not
// show that: it begins again at 0 when a key is deleted and made again.
func Same(r Record, value []byte) bool { return bytes.Equal(r.base().raw, value) }

// Decode reads a record. It returns an error that matches ErrCorrupt or ErrForeign and
// names the key.
func Decode(key string, from coord.Record, r Record) error {
	r.base().Unknown = ""
	if err := fields.Decode(from.Value, r); err != nil {
		return fmt.Errorf("%s: %w: %w", key, ErrCorrupt, err)
	}
	if r.base().V < 1 {
		return fmt.Errorf("%s: %w: field v is missing", key, ErrCorrupt)
	}
	r.base().raw = bytes.Clone(from.Value)
	if v, ok := r.(versionedRecord); ok && v.ownVersion() != from.Version {
		return fmt.Errorf("%s: %w: its version is %d, that of its key %d", key, ErrForeign, v.ownVersion(), from.Version)
	}
	if v, ok := r.(interface{ validate() error }); ok {
		if err := v.validate(); err != nil {
			return fmt.Errorf("%s: %w: %s", key, ErrCorrupt, err.Error()) // its fields are the record's, and not those of a request
		}
	}
	return nil
}

// Reason returns the part of an error of Decode after the key and the statement that its record is not usable, for output that
// shows both next to it.
func Reason(key string, err error) string {
	text := strings.TrimPrefix(err.Error(), key+": ")
	return strings.TrimPrefix(text, ErrCorrupt.Error()+": ")
}
