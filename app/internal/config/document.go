package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// document is what the decoder fills in: fileConfig, the policy and the tasks. In the file they have the fields of a
// cluster.Rebalance and of a cluster.TaskSpec under their JSON names, so that a new field needs no change here.
var document = reflect.StructOf(append(
	reflect.VisibleFields(reflect.TypeFor[fileConfig]()),
	reflect.StructField{Name: "Rebalance", Type: policyType, Tag: `toml:"rebalance"`},
	reflect.StructField{Name: "Tasks", Type: tasksType, Tag: `toml:"task"`},
))

var (
	policyType = asWritten(reflect.TypeFor[cluster.Rebalance]())
	tasksType  = reflect.SliceOf(asWritten(reflect.TypeFor[cluster.TaskSpec]()))
)

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[cluster.Duration]()
	phaseType    = reflect.TypeFor[cluster.Phase]()
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
	case t.Kind() == reflect.Int, t.Kind() == reflect.Float64, t.Kind() == reflect.Bool: // the decoder refuses a number that does not fit
		return t
	case t.Kind() != reflect.Struct:
		panic(fmt.Sprintf("config: a declaration has a field of type %v, which no file can have", t)) // found by any test
	}
	var fields []reflect.StructField
	for _, field := range reflect.VisibleFields(t) {
		if name, listed := jsonName(field); listed {
			fields = append(fields, reflect.StructField{Name: field.Name, Type: asWritten(field.Type), Tag: tags(name, field)})
		}
	}
	return reflect.StructOf(fields)
}

// tags returns the tags that a field of a declaration has in document: its name there, its zero tag, and whether its text is a duration.
func tags(name string, field reflect.StructField) reflect.StructTag {
	tags := fmt.Sprintf("toml:%q", name)
	if zero, ok := field.Tag.Lookup("zero"); ok {
		tags += fmt.Sprintf(" zero:%q", zero)
	}
	if field.Type == durationType || field.Type == phaseType {
		tags += ` text:"duration"`
	}
	return reflect.StructTag(tags)
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

// keys are all keys of app.toml, with the fields of document that they are read into. Keys are case-sensitive,
// although the decoder ignores case.
var keys = keysBelow("", document)

func keysBelow(prefix string, t reflect.Type) map[string]reflect.StructField {
	below := map[string]reflect.StructField{}
	for field := range t.Fields() {
		name, inner := prefix+field.Tag.Get("toml"), field.Type
		below[name] = field
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			maps.Copy(below, keysBelow(name+".", inner))
		}
	}
	return below
}

// isDuration reports whether the value of a key is a duration, or the phase of one.
func isDuration(plain string) bool {
	field := keys[plain]
	_, refusesZero := field.Tag.Lookup("zero")
	return field.Type != nil && field.Type.Kind() == reflect.String && (refusesZero || field.Tag.Get("text") == "duration")
}

// zeroOf returns what 0 would mean for a key, and what to write instead, as the zero tag of its field says. It reports
// whether the key has one; all others take 0.
func zeroOf(plain string) (means, fix string, refused bool) {
	return strings.Cut(keys[plain].Tag.Get("zero"), "|")
}

// isKey reports whether a key exists.
func isKey(plain string) bool {
	_, known := keys[plain]
	return known
}

// isTable reports whether a key has keys below it.
func isTable(plain string) bool {
	for known := range keys {
		if strings.HasPrefix(known, plain+".") {
			return true
		}
	}
	return false
}

// anyBelow reports whether a key is in a table with free names: labels, params or variables.
func anyBelow(plain string) bool {
	for known, field := range keys {
		if field.Type.Kind() == reflect.Map && strings.HasPrefix(plain, known+".") {
			return true
		}
	}
	return false
}
