package asynclog

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
)

// freeze returns an attribute that stays as it is now, even if the data that its value refers to
// change.
func freeze(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindGroup:
		group := slices.Clone(a.Value.Group())
		for i := range group {
			group[i] = freeze(group[i])
		}
		a.Value = slog.GroupValue(group...)
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case nil, error, *slog.Source: // an error does not change
		case []byte:
			a.Value = slog.AnyValue(bytes.Clone(v))
		default:
			if !constant(reflect.TypeOf(v)) {
				a.Value = slog.AnyValue(render(v))
			}
		}
	}
	return a
}

// weigh returns how many bytes a frozen value takes.
func weigh(v slog.Value) int {
	switch v.Kind() {
	case slog.KindString:
		return len(v.String())
	case slog.KindGroup:
		sum := 0
		for _, a := range v.Group() {
			sum += len(a.Key) + weigh(a.Value)
		}
		return sum
	case slog.KindAny:
		if r, ok := v.Any().(rendered); ok {
			return len(r.text) + len(r.json)
		}
	}
	return 0
}

// constant reports whether values of a type cannot be changed by other code that holds them.
func constant(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return constant(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if !constant(f.Type) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.UnsafePointer:
		return false
	}
	return true
}

// rendered is a value in the form for text handlers, and in that for JSON handlers.
type rendered struct {
	text string
	json []byte
}

func render(v any) (r rendered) {
	defer func() {
		if p := recover(); p != nil {
			r = rendered{text: fmt.Sprintf("!PANIC: %v", p)}
			r.json, _ = json.Marshal(r.text)
		}
	}()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		b.Reset()
		_ = enc.Encode("!ERROR:" + err.Error())
	}
	r.json = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if v, ok := v.(encoding.TextMarshaler); ok {
		if text, err := v.MarshalText(); err == nil {
			r.text = string(text)
			return r
		}
	}
	r.text = fmt.Sprintf("%+v", v)
	return r
}

// MarshalText is for handlers that write text.
func (r rendered) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// MarshalJSON is for handlers that write JSON.
func (r rendered) MarshalJSON() ([]byte, error) { return r.json, nil }

// String is for people.
func (r rendered) String() string { return r.text }
