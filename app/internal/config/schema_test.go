package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
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

// documented are the keys that docs/reference/configuration.md describes: "`a.b`, `.c`" are a.b and a.c, and what follows [[task]]
// is of that.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
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
			found[name] = strings.TrimSpace(m[5])
		}
	}
	return found
}

// docs/reference/app.schema.json is what the program reads, with what the documentation says of it; and the documentation knows
// every key. UPDATE=1 writes the schema.
func TestSchema(t *testing.T) {
	root, keys := schemaOf()
	told := documented(t)
	for name, s := range keys {
		text, known := told[name]
		if !known {
			t.Errorf("docs/reference/configuration.md does not know %s", name)
		}
		s.Description = plain(text)
	}
	for name := range told {
		if keys[name] == nil {
			t.Errorf("docs/reference/configuration.md knows %s, which there is not; there are %v", name, slices.Sorted(maps.Keys(keys)))
		}
	}
	text, err := json.MarshalIndent(root, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	const file = "../../../docs/reference/app.schema.json"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, text) {
		t.Errorf("%s is not what the program reads (%v): UPDATE=1 go test ./app/internal/config -run Schema", file, err)
	}
}
