package console_test

import (
	"fmt"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// types.d.ts has the types of the API's description, and those of streams that it does not name. UPDATE=1 writes it.
func TestTypes(t *testing.T) {
	registry := httpapi.New(nil, httpapi.Options{}).OpenAPI().Components.Schemas
	registry.Schema(reflect.TypeFor[cluster.LogLine](), true, "")
	schemas := registry.Map()
	var text strings.Builder
	text.WriteString("// The types of the node's API, for the type check of the console. They are generated from the API's description:\n" +
		"// UPDATE=1 go test ./httpapi/internal/console -run TestTypes\n")
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		fmt.Fprintf(&text, "\nexport type %s = %s;\n", name, typeOf(t, schemas[name], ""))
	}
	const file = "types.d.ts"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || string(old) != text.String() {
		t.Errorf("%s does not have the types of the API (%v); UPDATE=1 go test ./httpapi/internal/console -run TestTypes writes it\n%s", file, err, cmp.Diff(string(old), text.String()))
	}
}

// typeOf returns a schema as a type of TypeScript. The description lets every list be null, which the lists of answers never
// are: see TestNothingIsAList of httpapi.
func typeOf(t *testing.T, s *huma.Schema, indent string) string {
	t.Helper()
	switch more, isSchema := s.AdditionalProperties.(*huma.Schema); {
	case s.Ref != "":
		return path.Base(s.Ref)
	case len(s.Enum) > 0:
		var values []string
		for _, value := range s.Enum {
			values = append(values, strconv.Quote(fmt.Sprint(value)))
		}
		return strings.Join(values, " | ")
	case s.Type == huma.TypeArray:
		inner := typeOf(t, s.Items, indent)
		if strings.Contains(inner, " | ") {
			inner = "(" + inner + ")"
		}
		return inner + "[]"
	case len(s.Properties) > 0:
		var text strings.Builder
		text.WriteString("{\n")
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			mark := "?"
			if slices.Contains(s.Required, name) {
				mark = ""
			}
			fmt.Fprintf(&text, "%s\t%s%s: %s;\n", indent, name, mark, typeOf(t, s.Properties[name], indent+"\t"))
		}
		return text.String() + indent + "}"
	case s.Type == huma.TypeObject && isSchema && more.Type != "":
		return "Record<string, " + typeOf(t, more, indent) + ">"
	case s.Type == huma.TypeObject:
		return "Record<string, unknown>"
	case s.Type == huma.TypeInteger, s.Type == huma.TypeNumber:
		return nullable(s, "number")
	case s.Type == huma.TypeString, s.Type == huma.TypeBoolean:
		return nullable(s, s.Type)
	case s.Type == "":
		return "unknown"
	}
	t.Fatalf("a schema of type %q", s.Type)
	return ""
}

func nullable(s *huma.Schema, name string) string {
	if s.Nullable {
		return name + " | null"
	}
	return name
}
