package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// document is the type that the decoder fills: fileConfig and the tasks. A task in the file has the fields of a
// cluster.TaskSpec under their JSON names, so that a new field needs no change here.
var document = reflect.StructOf(append(reflect.VisibleFields(reflect.TypeFor[fileConfig]()), reflect.StructField{
	Name: "Tasks", Type: reflect.SliceOf(asWritten(reflect.TypeFor[cluster.TaskSpec]())), Tag: `toml:"task"`,
}))

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[cluster.Duration]()
	paramsType   = reflect.TypeFor[cluster.Params]()
)

// asWritten returns the type of a value in the file. A type that is parsed from text is a string there, so that a mistake in
// it is reported with its place. The fields of a struct have their JSON names in the file.
func asWritten(t reflect.Type) reflect.Type {
	switch {
	case t == paramsType:
		return reflect.TypeFor[map[string]any]()
	case reflect.PointerTo(t).Implements(textType), t.Kind() == reflect.String:
		return reflect.TypeFor[string]()
	case t.Kind() == reflect.Int, t.Kind() == reflect.Bool: // the decoder refuses a number that does not fit
		return t
	case t.Kind() != reflect.Struct:
		panic(fmt.Sprintf("config: a task has a field of type %v, which no file can have", t)) // found by any test
	}
	var fields []reflect.StructField
	for _, field := range reflect.VisibleFields(t) {
		if name, listed := jsonName(field); listed {
			fields = append(
				fields,
				reflect.StructField{Name: field.Name, Type: asWritten(field.Type), Tag: reflect.StructTag(fmt.Sprintf("toml:%q", name))},
			)
		}
	}
	return reflect.StructOf(fields)
}

// jsonName returns the name of a field in JSON, and whether JSON has the field. It panics for a field without a name in its
// tag, because such a field would be missing in app.toml without an error.
func jsonName(field reflect.StructField) (name string, listed bool) {
	name, _, _ = strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		panic(fmt.Sprintf("config: field %s has no name in JSON", field.Name)) // found by any test
	}
	return name, name != "-"
}

// fill sets a value to that of a key in the file, and records mistakes.
func (pr *problems) fill(key string, from, to reflect.Value) {
	switch t := to.Type(); {
	case t == paramsType:
		params, err := cluster.NewParams(from.Interface())
		if err != nil {
			pr.fail(placedError{place: pr.at(key), key: key, text: err.Error()})
		}
		to.Set(reflect.ValueOf(params))
	case t == durationType:
		to.SetInt(int64(pr.duration(key, from.String())))
	case reflect.PointerTo(t).Implements(textType):
		if text, ok := reflect.TypeAssert[encoding.TextUnmarshaler](to.Addr()); ok && pr.has(key) && !pr.wrongType(key) {
			pr.check(key, text.UnmarshalText([]byte(from.String())))
		}
	case t.Kind() == reflect.Struct:
		for i := range from.NumField() {
			field := from.Type().Field(i)
			pr.fill(key+"."+field.Tag.Get("toml"), from.Field(i), to.FieldByName(field.Name))
		}
	default:
		to.Set(from.Convert(t))
	}
}

// keyTypes are all keys of app.toml, with their types there. Keys are case-sensitive, although the decoder ignores case.
var keyTypes = typesBelow("", document)

func typesBelow(prefix string, t reflect.Type) map[string]reflect.Type {
	keys := map[string]reflect.Type{}
	for field := range t.Fields() {
		name, inner := prefix+field.Tag.Get("toml"), field.Type
		keys[name] = inner
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			maps.Copy(keys, typesBelow(name+".", inner))
		}
	}
	return keys
}

// isDuration reports whether the value of a key is a duration, or the phase of one.
func isDuration(plain string) bool {
	_, known := zeroDurations[plain]
	return known || taskDurations[plain]
}

// taskDurations are the keys of a task's durations.
var taskDurations = durationsBelow("task.", reflect.TypeFor[cluster.TaskSpec]())

func durationsBelow(prefix string, t reflect.Type) map[string]bool {
	keys := map[string]bool{}
	for _, field := range reflect.VisibleFields(t) {
		name, listed := jsonName(field)
		switch {
		case !listed:
		case field.Type == durationType, field.Type == reflect.TypeFor[cluster.Phase]():
			keys[prefix+name] = true
		case field.Type.Kind() == reflect.Struct:
			for key := range durationsBelow(prefix+name+".", field.Type) {
				keys[key] = true
			}
		}
	}
	return keys
}

// isKey reports whether a key exists.
func isKey(plain string) bool {
	_, known := keyTypes[plain]
	return known
}

// isTable reports whether a key has keys below it.
func isTable(plain string) bool {
	for known := range keyTypes {
		if strings.HasPrefix(known, plain+".") {
			return true
		}
	}
	return false
}

// anyBelow reports whether a key is in a table with free names: labels, params or variables.
func anyBelow(plain string) bool {
	for known, t := range keyTypes {
		if t.Kind() == reflect.Map && strings.HasPrefix(plain, known+".") {
			return true
		}
	}
	return false
}
