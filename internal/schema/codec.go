package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Errors of decoding.
var (
	// ErrCorrupt: the record is not what this program writes.
	ErrCorrupt = errors.New("record is not usable")
	// ErrForeign: the record's own version is not its key's, so somebody else wrote it.
	ErrForeign = errors.New("record was written by hand")
)

// header is the start of every record. It also keeps what the record was decoded from.
type header struct {
	V   int `json:"v"`
	raw []byte
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
	encodeStruct(&b, reflect.ValueOf(r).Elem(), r.base().raw)
	return b.Bytes()
}

// Decode reads a record. It returns an error that matches ErrCorrupt or ErrForeign and
// names the key.
func Decode(key string, from coord.Record, r Record) error {
	if err := json.Unmarshal(from.Value, r); err != nil {
		return fmt.Errorf("%s: %w: %w", key, ErrCorrupt, err)
	}
	if r.base().V < 1 {
		return fmt.Errorf("%s: %w: field v is missing", key, ErrCorrupt)
	}
	r.base().raw = bytes.Clone(from.Value)
	if v, ok := r.(versionedRecord); ok && v.ownVersion() != from.Version {
		return fmt.Errorf("%s: %w: it says version %d, its key has %d", key, ErrForeign, v.ownVersion(), from.Version)
	}
	if v, ok := r.(interface{ validate() error }); ok {
		if err := v.validate(); err != nil {
			return fmt.Errorf("%s: %w: %w", key, ErrCorrupt, err)
		}
	}
	return nil
}

// encodeStruct writes v's fields in their order, then those fields of the original that the
// type does not know, sorted by name.
func encodeStruct(b *bytes.Buffer, v reflect.Value, original []byte) {
	var unknown map[string]json.RawMessage
	if len(original) > 0 {
		_ = json.Unmarshal(original, &unknown) // what is no object has nothing to keep
	}
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
		was := unknown[name]
		delete(unknown, name)
		if omit {
			return
		}
		if field.Kind() == reflect.Pointer && field.Elem().Kind() == reflect.Struct {
			field = field.Elem()
		}
		if _, own := reflect.TypeAssert[json.Marshaler](field); field.Kind() == reflect.Struct && !own {
			var nested bytes.Buffer
			encodeStruct(&nested, field, was)
			member(name, nested.Bytes())
			return
		}
		member(name, marshal(field.Interface()))
	})
	names := make([]string, 0, len(unknown))
	for name := range unknown {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		member(name, unknown[name])
	}
	b.WriteByte('}')
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
		if !ok || !sf.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		field := v.Field(i)
		empty := field.IsZero() || (field.Kind() == reflect.Slice || field.Kind() == reflect.Map) && field.Len() == 0
		f(name, empty && strings.Contains(options, "omit"), field)
	}
}

// marshal writes JSON without escaping what only matters in HTML. The record types hold
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
