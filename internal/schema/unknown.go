package schema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Builds of several versions write the same records. A rewrite by an earlier version must keep what a later one has added, at any
// depth. A record keeps the fields that its type does not have, and so does each value that moves between lists and records: an
// element of a list, a task's declaration. The unknown fields of an object in between are kept by the next enclosing value that
// has a place for them.

// unmarshal fills a record, and the unknown fields of the record and its parts.
func unmarshal(text []byte, r Record) error {
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
	left := cluster.Unknown(marshal(unknown))
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
	case len(text) == 0:
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

// isObject reports whether values of a type are JSON objects whose fields are those of the type.
func isObject(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !t.Implements(reflect.TypeFor[json.Marshaler]()) &&
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
