package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2/yaml"

	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
)

// Formats are the values of Output.Format, the default first.
var Formats = []string{"table", "json", "yaml", "name"}

// Output writes answers in the chosen format.
type Output struct{ Format string }

// ForPrograms reports whether the format is for programs, and not tables for people.
func (o *Output) ForPrograms() bool { return o.Format != "table" }

// Print writes a value: as JSON or YAML, as the given text, or as names.
func (o *Output) Print(out io.Writer, value any, text string, names ...string) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return o.WriteAnswer(out, raw, func(b *bytes.Buffer) { b.WriteString(text) }, names)
}

// WriteAnswer writes an answer of the API: unchanged, as the tables that a function writes, or as names.
func (o *Output) WriteAnswer(out io.Writer, raw []byte, tables func(*bytes.Buffer), names []string) error {
	var b bytes.Buffer
	switch o.Format {
	case "json":
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			return err
		}
		if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
			b.WriteByte('\n')
		}
	case "yaml":
		if err := yaml.Convert(&b, bytes.NewReader(raw)); err != nil {
			return err
		}
	case "name":
		for _, name := range names {
			fmt.Fprintln(&b, terminal.Printable(name))
		}
	default:
		var t bytes.Buffer
		tables(&t)
		b.WriteString(terminal.Printable(t.String()))
	}
	_, err := b.WriteTo(out)
	return err
}

// WriteItem writes one of several values that come one after the other, for programs: a line of JSON, or a document of YAML.
func (o *Output) WriteItem(out io.Writer, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	switch o.Format {
	case "yaml":
		b.WriteString("---\n")
		err = yaml.Convert(&b, bytes.NewReader(raw))
	default:
		b.Write(append(raw, '\n'))
	}
	if err == nil {
		_, err = b.WriteTo(out)
	}
	return err
}

// Separated returns a text that is written repeatedly, with a mark between two of them.
func (o *Output) Separated(text string) string {
	switch o.Format {
	case "table":
		return text + "\n"
	case "yaml":
		return "---\n" + text
	}
	return text
}
