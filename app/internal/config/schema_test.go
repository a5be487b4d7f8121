package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// schemaOf returns the JSON Schema of app.toml, and its keys as the documentation names them, with their schemas.
func schemaOf() (*jsonschema.Schema, map[string]*jsonschema.Schema) {
	reflector := jsonschema.Reflector{FieldNameTag: "toml", Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true}
	root := reflector.ReflectFromType(document)
	root.Title, root.Description = "app.toml of xconsumer", "What a node reads when it starts. Every key may be left out."
	keys := map[string]*jsonschema.Schema{}
	var walk func(prefix string, s *jsonschema.Schema)
	walk = func(prefix string, s *jsonschema.Schema) {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			name, child := prefix+p.Key, p.Value
			switch {
			case child.Properties != nil && child.Properties.Len() > 0:
				walk(name+".", child)
			case child.Items != nil && child.Items.Properties != nil && child.Items.Properties.Len() > 0:
				walk("[["+p.Key+"]] ", child.Items)
			default:
				keys[name] = child
			}
		}
	}
	walk("", root)
	return root, keys
}

var (
	row  = regexp.MustCompile("^\\| (`[^|]+) \\|([^|]*(?:\\\\\\|[^|]*)*)\\|([^|]*)\\|([^|]*)\\|(.*)\\|$")
	cell = regexp.MustCompile("`([^`]+)`")
	link = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// plain returns a description as editors show it: without links, which lead nowhere from there, and without emphasis.
func plain(text string) string {
	return strings.ReplaceAll(link.ReplaceAllString(text, "$1"), "**", "")
}

// documentation is what docs/reference/configuration.md says of a key: its default, its description, and the heading that it
// stands below, with the number of its line.
type documentation struct {
	usual, text, group string
	line               int
}

// documented are the keys that docs/reference/configuration.md describes: "`a.b`, `.c`" are a.b and a.c, and what follows [[task]]
// is of that.
func documented(t *testing.T) map[string]documentation {
	t.Helper()
	text, err := os.ReadFile("../../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	found, group := map[string]documentation{}, ""
	for n, line := range strings.Split(string(text), "\n") {
		if heading, is := strings.CutPrefix(line, "### "); is {
			group = heading
		}
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		table, above := "", ""
		for _, c := range cell.FindAllStringSubmatch(m[1], -1) {
			name := c[1]
			if rest, is := strings.CutPrefix(name, "[["); is {
				var key string
				table, key, _ = strings.Cut(rest, "]] ")
				name = key
			}
			if strings.HasPrefix(name, ".") {
				name = above + name
			} else if at := strings.LastIndexByte(name, '.'); at >= 0 {
				above = name[:at]
			}
			if table != "" {
				name = "[[" + table + "]] " + name
			}
			found[name] = documentation{strings.TrimSpace(m[4]), strings.TrimSpace(m[5]), group, n}
		}
	}
	return found
}

// describe completes the schema of a key by what the documentation says of it. A default that is a value becomes one, any
// other a sentence.
func describe(t *testing.T, name string, s *jsonschema.Schema, said documentation) {
	t.Helper()
	s.Description = plain(said.text)
	value, isValue := strings.CutPrefix(said.usual, "`")
	value, whole := strings.CutSuffix(value, "`")
	switch {
	case said.usual == "":
	case !isValue || !whole || strings.ContainsAny(value, "`<"):
		s.Description += " Default: " + plain(said.usual) + "."
	case s.Type == "string":
		s.Default = value
	default:
		if err := json.Unmarshal([]byte(value), &s.Default); err != nil {
			t.Errorf("the default of %s: %v", name, err)
		}
	}
}

// choices returns the fields of a task that take one of several values, by their keys, and those values.
func choices(prefix string, of reflect.Type) map[string][]any {
	found := map[string][]any{}
	for field := range of.Fields() {
		name, listed := jsonName(field)
		values := reflect.Zero(field.Type).MethodByName("Values")
		switch {
		case !listed:
		case values.IsValid():
			for _, value := range values.Call(nil)[0].Seq2() {
				found[prefix+name] = append(found[prefix+name], value.String())
			}
		case asWritten(field.Type).Kind() == reflect.Struct:
			maps.Copy(found, choices(prefix+name+".", field.Type))
		}
	}
	return found
}

// docs/reference/app.schema.json is what the program reads, with what the documentation says of it; and the documentation
// knows every key. The console's form is made of the part of it that describes a task, assets/taskschema.js. UPDATE=1 writes
// both.
func TestSchema(t *testing.T) {
	root, keys := schemaOf()
	said := documented(t)
	for name, s := range keys {
		if _, known := said[name]; !known {
			t.Errorf("docs/reference/configuration.md does not know %s", name)
		}
		describe(t, name, s, said[name])
	}
	for name := range said {
		if keys[name] == nil {
			t.Errorf("docs/reference/configuration.md knows %s, which there is not; there are %v", name, slices.Sorted(maps.Keys(keys)))
		}
	}
	for name, values := range choices("[[task]] ", reflect.TypeFor[cluster.TaskSpec]()) {
		keys[name].Enum = values
	}
	keeps(t, "../../../docs/reference/app.schema.json", "", root)
	task, known := root.Properties.Get("task")
	if !known {
		t.Fatal("there are no tasks")
	}
	group(t, "[[task]] ", task.Items, said)
	keeps(t, "../../../httpapi/internal/console/assets/taskschema.js",
		"// What a task may have: order, groups, types, defaults and descriptions of the fields of the form. It is generated: see TestSchema\n"+
			"// of app/internal/config.\nexport const taskSchema = ", task.Items)
}

// group says in the schema of a task below which heading the documentation has each field, for the form. The documentation
// has the fields in the order of the type.
func group(t *testing.T, prefix string, task *jsonschema.Schema, said map[string]documentation) {
	t.Helper()
	last := documentation{}
	var walk func(prefix string, s *jsonschema.Schema)
	walk = func(prefix string, s *jsonschema.Schema) {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			name := prefix + p.Key
			if p.Value.Properties != nil {
				walk(name+".", p.Value)
				continue
			}
			p.Value.Extras = map[string]any{"x-group": said[name].group}
			switch here, known := said[name]; {
			case !known: // which has been reported
			case here.line < last.line:
				t.Errorf("docs/reference/configuration.md has %s above %q; in cluster.TaskSpec it comes after it", name, last.text)
			default:
				last = here
			}
		}
	}
	walk(prefix, task)
}

// keeps compares a file with a text and a schema.
func keeps(t *testing.T, file, before string, schema *jsonschema.Schema) {
	t.Helper()
	text, err := json.MarshalIndent(schema, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append([]byte(before), append(text, '\n')...)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, text) {
		t.Errorf("%s is not what the program reads (%v): UPDATE=1 go test ./app/internal/config -run Schema", file, err)
	}
}
