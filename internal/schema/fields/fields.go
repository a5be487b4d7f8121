// Package fields writes and reads JSON objects that keep the fields which their types do not have.
//
// Builds of several versions write the same records. A rewrite by an earlier version must keep what a later one has added, at any
// depth. A record keeps the fields that its type does not have, and so does each value that moves between lists and records: an
// element of a list, a task's declaration. The unknown fields of an object in between are kept by the next enclosing value that
// has a place for them.
package fields

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Encode writes a struct: its fields in their order, then those that the type does not have, sorted by name.
func Encode(v reflect.Value) []byte {
	var b bytes.Buffer
	encodeStruct(&b, v, "")
	return b.Bytes()
}

// EncodeField writes a value, objects with what their types do not have.
func EncodeField(v reflect.Value) []byte { return encodeField(v, "") }

// Decode fills a struct, and the unknown fields of it and its parts.
func Decode(text []byte, r any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(r) == nil && len(bytes.TrimSpace(text[d.InputOffset():])) == 0 {
		return nil // the usual case: there is nothing to keep
	}
	if err := json.Unmarshal(text, r); err != nil {
		return err
	}
	keep(reflect.ValueOf(r).Elem(), text)
	return nil
}

// keep stores the fields of an object that the type of v does not have. It returns those without a place in v or below.
func keep(v reflect.Value, text []byte) cluster.Unknown {
	unknown := cluster.Unknown(text).Fields()
	var known []string
	eachField(v, func(name string, _ bool, field reflect.Value) {
		known = append(known, name)
		was := unknown[name]
		delete(unknown, name)
		if left := keepField(field, was); left != "" {
			unknown[name] = json.RawMessage(left)
		}
	})
	for name := range unknown { // names that JSON matched to a field despite another case
		if !slices.Contains(known, name) && slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			delete(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	left := cluster.Unknown(Marshal(unknown))
	eachUnknown(v, func(place reflect.Value) {
		if left != "" {
			place.SetString(string(left))
			left = ""
		}
	})
	return left
}

func keepField(field reflect.Value, text []byte) cluster.Unknown {
	if field.Kind() == reflect.Pointer && field.Elem().Kind() == reflect.Struct {
		field = field.Elem()
	}
	switch t := field.Type(); {
	case len(text) == 0 || t.Implements(marshaler): // it keeps them itself
	case isObject(t):
		return keep(field, text)
	case t.Kind() == reflect.Slice && isObject(t.Elem()):
		var list []json.RawMessage
		_ = json.Unmarshal(text, &list) // it was decoded before
		for i := range min(len(list), field.Len()) {
			keep(field.Index(i), list[i])
		}
	}
	return ""
}

// eachUnknown calls f for every place that v has for unknown fields, including those of embedded structs.
func eachUnknown(v reflect.Value, f func(reflect.Value)) {
	t := v.Type()
	for i := range t.NumField() {
		switch sf := t.Field(i); {
		case sf.Type == reflect.TypeFor[cluster.Unknown]():
			f(v.Field(i))
		case sf.Anonymous:
			eachUnknown(v.Field(i), f)
		}
	}
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// isObject reports whether values of a type are JSON objects whose fields are those of the type.
func isObject(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !t.Implements(marshaler) &&
		!t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// keeper returns a function that reports whether a value of a type keeps any unknown field, nil if none can.
func keeper(t reflect.Type) func(reflect.Value) bool {
	switch {
	case t == reflect.TypeFor[cluster.Unknown]():
		return func(v reflect.Value) bool { return v.Len() > 0 }
	case t.Kind() == reflect.Pointer:
		if inner := keeper(t.Elem()); inner != nil {
			return func(v reflect.Value) bool { return !v.IsNil() && inner(v.Elem()) }
		}
	case t.Kind() == reflect.Slice:
		if inner := keeper(t.Elem()); inner != nil {
			return func(v reflect.Value) bool {
				for i := range v.Len() {
					if inner(v.Index(i)) {
						return true
					}
				}
				return false
			}
		}
	case isObject(t):
		return fieldKeeper(t)
	}
	return nil
}

func fieldKeeper(t reflect.Type) func(reflect.Value) bool {
	inner := map[int]func(reflect.Value) bool{}
	for i := range t.NumField() {
		if keeps := keeper(t.Field(i).Type); keeps != nil && (t.Field(i).IsExported() || t.Field(i).Anonymous) {
			inner[i] = keeps
		}
	}
	if len(inner) == 0 {
		return nil
	}
	return func(v reflect.Value) bool {
		for i, keeps := range inner {
			if keeps(v.Field(i)) {
				return true
			}
		}
		return false
	}
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
		b.Write(Marshal(name))
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
	case t.Implements(marshaler):
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
	return Marshal(field.Interface())
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

// Marshal writes JSON without escaping what only matters in HTML. The record types have
// nothing that cannot be marshalled.
func Marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("fields: %T cannot be marshalled: %v", v, err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
