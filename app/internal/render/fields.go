package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2/yaml"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Fields writes all fields of a value under a heading.
func Fields(b *bytes.Buffer, heading string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		return // values of the API can always be encoded
	}
	var lines bytes.Buffer
	if yaml.Convert(&lines, bytes.NewReader(text)) != nil {
		return
	}
	fmt.Fprintln(b, heading)
	for line := range strings.Lines(lines.String()) {
		b.WriteString("  " + line)
	}
}

func labelText(labels cluster.Labels) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, key+"="+labels[key])
	}
	return strings.Join(parts, ",")
}
