package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
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
	var b bytes.Buffer
	encodeStruct(&b, reflect.ValueOf(r).Elem(), "")
	r.base().raw = b.Bytes()
	return b.Bytes()
}

// Same reports whether a record was decoded from these very bytes, or encoded to them. A version alone does not
// show that: it begins again at 0 when a key is deleted and made again.
func Same(r Record, value []byte) bool { return bytes.Equal(r.base().raw, value) }

// Decode reads a record. It returns an error that matches ErrCorrupt or ErrForeign and
// names the key.
func Decode(key string, from coord.Record, r Record) error {
	r.base().Unknown = ""
	if err := unmarshal(from.Value, r); err != nil {
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

// encodeStruct writes v's fields in their order, then those that the type does not know, sorted by name: what v keeps
// of them, and what is given.
func encodeStruct(b *bytes.Buffer, v reflect.Value, given cluster.Unknown) {
	unknown := given.Fields()
	eachUnknown(v, func(kept reflect.Value) {
		maps.Copy(unknown, cluster.Unknown(kept.String()).Fields())
	})
	first := true
	member := func(name string, value []byte) {
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(marshal(name))
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('{')
	eachField(v, func(name string, omit bool, field reflect.Value) {
		inner := cluster.Unknown(unknown[name])
		delete(unknown, name)
		if !omit || inner != "" && isObject(field.Type()) {
			member(name, encodeField(field, inner))
		}
	})
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		member(name, unknown[name])
	}
	b.WriteByte('}')
}

// encodeField writes the value of a field, objects with what their types do not know.
func encodeField(field reflect.Value, unknown cluster.Unknown) []byte {
	if field.Kind() == reflect.Pointer && field.Elem().Kind() == reflect.Struct {
		field = field.Elem()
	}
	var b bytes.Buffer
	switch t := field.Type(); {
	case isObject(t):
		encodeStruct(&b, field, unknown)
		return b.Bytes()
	case t.Kind() == reflect.Slice && isObject(t.Elem()):
		if keeps := keeper(t); keeps == nil || !keeps(field) {
			break // as nearly always: much faster
		}
		b.WriteByte('[')
		for i := range field.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			encodeStruct(&b, field.Index(i), "")
		}
		b.WriteByte(']')
		return b.Bytes()
	}
	return marshal(field.Interface())
}

// eachField calls f for every JSON field, those of embedded structs included.
func eachField(v reflect.Value, f func(name string, omit bool, field reflect.Value)) {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Anonymous {
			eachField(v.Field(i), f)
			continue
		}
		tag, ok := sf.Tag.Lookup("json")
		if !ok || tag == "-" || !sf.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		field := v.Field(i)
		empty := field.IsZero() || (field.Kind() == reflect.Slice || field.Kind() == reflect.Map) && field.Len() == 0
		f(name, empty && strings.Contains(options, "omit"), field)
	}
}

// marshal writes JSON without escaping what only matters in HTML. The record types have
// nothing that cannot be marshalled.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("schema: %T cannot be marshalled: %v", v, err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
