package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// wrongType matches the decoder's error about a value of the wrong type.
var wrongType = regexp.MustCompile(`^cannot decode TOML (.+) into struct field .+ of type (.+)$`)

// undecoded returns the mistake behind an error of the decoder. Key is the key of the value at the place, "" for none.
func (ps *places) undecoded(err *toml.DecodeError, at place, key string, lines [][]byte) placedError {
	e := placedError{place: at, key: key, text: strings.TrimPrefix(err.Error(), "toml: ")}
	line := ""
	if at.line <= len(lines) {
		line = strings.TrimRight(string(lines[at.line-1]), "\r\n")
	}
	m := wrongType.FindStringSubmatch(e.text)
	start := place{}
	for where, other := range ps.again {
		if other == key && where.line == at.line {
			start = where
		}
	}
	switch {
	case m != nil:
		e.text, e.fix = wantedType(plainKey(key), m[1], m[2])
	case start != place{} && strings.HasSuffix(e.text, "already defined"):
		e.place, e.text, e.fix = start, fmt.Sprintf("given again, after line %d", ps.keys[key].line), "take one of them out"
	case slices.Contains(ps.headers, at.line) && strings.HasSuffix(e.text, "already exists"):
		name := strings.Trim(strings.TrimSpace(line), "[]")
		e.text, e.fix = fmt.Sprintf("[%s] is given again", name), "put its keys below the first one"
		return e
	default:
		e.text, e.fix = syntax(e.text, line, at.column)
	}
	if key != "" && !slices.Contains(ps.headers, at.line) {
		e.text = lastPart(key) + ": " + e.text
	}
	return e
}

// wantedType returns the error of a value of the wrong type, in the words of the file, and the fix.
func wantedType(key, got, goType string) (text, fix string) {
	want := goType
	switch {
	case goType == "string":
		want = "string"
		switch {
		case isDuration(key):
			fix = `write it in quotes and with its unit, as in "30s"`
		case got == "inline table" && (strings.HasSuffix(key, ".require") || strings.HasSuffix(key, ".prefer")):
			fix = `write it in quotes, as in "disk=ssd"`
		case got == "array":
			fix = "leave the brackets out"
		default:
			fix = "write it in quotes"
		}
	case goType == "int":
		want = "integer"
		if got == "string" {
			fix = "leave the quotes out"
		}
	case goType == "float64":
		want = "number"
		if got == "string" {
			fix = "leave the quotes out"
		}
	case goType == "bool":
		want = "true or false"
		if got == "string" {
			fix = "write it without quotes"
		}
	case goType == "[]string":
		want, fix = "an array of strings", `write it as ["a", "b"]`
	case strings.HasPrefix(goType, "[]"): // of tables
		want, fix = "tables", fmt.Sprintf("write each below a header of its own, [[%s]]", key)
	case strings.HasPrefix(goType, "map["), strings.HasPrefix(goType, "struct"), strings.Contains(goType, "."): // of a package
		want, fix = "a table", fmt.Sprintf("write it as %s = { key = \"value\" }", lastPart(key))
	}
	return fmt.Sprintf("want %s, got %s", want, got), fix
}

// bareValue matches a value without quotes that begins like a word.
var bareValue = regexp.MustCompile(`^(\s*[\w.-]+\s*=\s*)([\w/$][^\s#,]*)`)

// syntax returns the error of a line that is not TOML, and the most likely fix.
func syntax(text, line string, column int) (message, fix string) {
	rest := ""
	if column >= 1 && column <= len(line) {
		rest = line[column-1:]
	}
	bare := bareValue.FindStringSubmatch(line)
	if bare != nil && (column <= len(bare[1]) || column > len(bare[1])+len(bare[2]) || strings.Trim(bare[2], "0123456789._") == "") {
		bare = nil // the mistake is another one
	}
	switch {
	case strings.ContainsAny(line, "“”„‘’"):
		return text, `write straight quotes, "`
	case strings.Contains(text, "U+000D"):
		return text, "save the file with lines that end in LF, or in CR and LF"
	case strings.Contains(text, "cannot have new lines"):
		return "the quotes are not closed in this line", "close them, or escape a quote within them as \\\""
	case strings.Contains(text, "expected '=' after key") && strings.HasPrefix(strings.TrimSpace(rest), ":"):
		return text, `write = for the colon, as in name = "a"`
	case strings.HasPrefix(strings.TrimSpace(line), "{"):
		return text, `write TOML, not JSON: key = "value", one a line`
	case strings.HasPrefix(strings.TrimSpace(line), ";"), strings.HasPrefix(strings.TrimSpace(line), "//"):
		return text, "begin comments with #"
	case bare != nil && slices.Contains([]string{"yes", "on", "True", "TRUE"}, bare[2]):
		return fmt.Sprintf("%s is not a value of TOML", bare[2]), "write true"
	case bare != nil && slices.Contains([]string{"no", "off", "False", "FALSE"}, bare[2]):
		return fmt.Sprintf("%s is not a value of TOML", bare[2]), "write false, or text in quotes"
	case bare != nil:
		return "the value stands without quotes", "write it in quotes" // the error does not repeat the value: it may be a password
	}
	return text, ""
}

// elsewhere returns the table that an unknown key belongs to, "" if there is none or more than one.
func elsewhere(plain string) string {
	_, last, _ := cutLast(plain)
	var above []string
	for key := range keys {
		if table, name, _ := cutLast(key); name == last {
			above = append(above, table)
		}
	}
	switch {
	case len(above) != 1:
		return ""
	case above[0] == "" && strings.Contains(plain, "."):
		return "move it above the first table"
	case above[0] == "":
		return ""
	}
	return "it belongs to " + written(above[0], above[0] == "task" || above[0] == "work")
}
