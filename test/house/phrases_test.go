package house_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A phrase is one that no sentence of ours has: words that follow one another, each with its alternatives.
type phrase struct {
	not   string
	say   string
	after string // words that make the phrase plain English where one comes before it,
	but   string // or next
	apart bool   // whether tests, tools, and the documents about the inside may have it
}

// phrases are the worst of what a native engineer stumbles over. They are refused in code, comments, documents and the
// console's texts alike.
var phrases = []phrase{
	{not: "tell|tells whether", say: `"reports whether"`},
	{not: "anew", say: `"again", or what is done again`},
	{not: "any more", say: `"any longer", or "no longer" before the verb`, but: "than"},
	{not: "nor is", say: `"and ... is not", or two sentences`},
	{not: "is|are no", say: `"is not a", an adjective ("invalid duration"), or "there is no"`, after: "there", but: "longer|less|more|later|earlier|doubt|other"},
	{not: "deal|deals|dealt out", say: `"assign" or "distribute"`},
	{not: "deal|deals|dealt them out", say: `"assign" or "distribute"`},
	{not: "waited for all the same", say: `"still awaited"`},
	{not: "wish|wishes", say: `"operation", or "request"`},
	{not: "deal|deals|dealt|dealing", say: `"assign", or "handle"`, apart: true},
	{not: "tells|told", say: `"reports", "emits", "notifies", or what is done`, apart: true},
	{not: "whoever", say: "the one who is meant: a caller, a member, a reader", apart: true},
	{not: "somebody", say: "the one who is meant: a caller, another member, an operator", apart: true},
	{not: "mend|mends|mended", say: `"fix", or "repair"`, apart: true},
}

// A word of a text, in small letters. It follows the one before where only blanks, the end of a line and the marks of a
// comment are between them.
type word struct {
	text    string
	line    int // from 1
	follows bool
}

// wordsOf returns the words of a text.
func wordsOf(text string) (out []word) {
	line, follows := 1, true
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && ('a' <= text[i]|0x20 && text[i]|0x20 <= 'z' || text[i] == '_' || text[i] >= 0x80) {
			i++
		}
		if i > start {
			out = append(out, word{text: strings.ToLower(text[start:i]), line: line, follows: follows})
			follows = true
			continue
		}
		switch text[i] {
		case '\n':
			line++
		case ' ', '\t', '/', '#', '*':
		default:
			follows = false
		}
		i++
	}
	return out
}

// begins reports whether a phrase is how words begin, in one sentence.
func begins(in []word, phrase []string) bool {
	if len(in) < len(phrase) {
		return false
	}
	for i, one := range phrase {
		if i > 0 && !in[i].follows || !oneOf(in[i].text, one) {
			return false
		}
	}
	return true
}

// oneOf reports whether a word is among alternatives.
func oneOf(text, alternatives string) bool {
	for one := range strings.SplitSeq(alternatives, "|") {
		if one == text {
			return true
		}
	}
	return false
}

// A breach is a place in a text where it has a refused phrase.
type breach struct {
	line      int
	text, say string
}

// breaches returns what of a text a table refuses.
func breaches(text string, table []phrase) (out []breach) {
	in := wordsOf(text)
	for i := range in {
		for _, p := range table {
			if first, _, _ := strings.Cut(p.not, " "); !oneOf(in[i].text, first) {
				continue
			}
			not := strings.Fields(p.not)
			if i > 0 && in[i].follows && oneOf(in[i-1].text, p.after) {
				continue
			}
			if !begins(in[i:], not) || p.but != "" && begins(in[i:], append(not, p.but)) {
				continue
			}
			out = append(out, breach{line: in[i].line, text: p.not, say: p.say})
		}
	}
	return out
}

// refusedIn returns the phrases that a file must not have.
func refusedIn(path string) []phrase {
	apart := strings.HasSuffix(path, "_test.go")
	for _, folder := range []string{"test/", "bench/", "tools/", "docs/internals/", "deploy/check/"} {
		apart = apart || strings.HasPrefix(path, folder)
	}
	if !apart {
		return phrases
	}
	return slices.DeleteFunc(slices.Clone(phrases), func(p phrase) bool { return p.apart })
}

// phraseFiles are the kinds of files whose sentences are read.
var phraseFiles = []string{".go", ".md", ".js", ".mjs", ".ts", ".py", ".sh", ".yml", ".yaml", ".toml", ".txtar"}

// No sentence has a phrase of the table.
func TestPhrases(t *testing.T) {
	atRoot(t)
	dirty := allowance{t: t, left: hasPhrases}
	files := textFiles(t, phraseFiles...)
	scripts, err := filepath.Glob("test/cli/testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, path := range append(files, scripts...) {
		if path == "test/house/phrases_test.go" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range breaches(string(text), refusedIn(path)) {
			dirty.found(path, "%s:%d: %q: say %s", path, b.line, b.text, b.say)
		}
	}
	dirty.end()
}

func TestPhrasesAreFound(t *testing.T) {
	for text, want := range map[string][]int{
		"// f tell whether it runs.\nfunc f()":             {1},
		"a\n\t// It is not asked any\n\t// more.\n":        {2},
		"not any more than one":                            nil,
		"It is no longer a leader, and is no\nmember":      {1},
		"renewal, the canewater":                           nil,
		"Nor is it D, dealt out Anew":                      {1, 1, 1, 1},
		"# it is\n# no subreaper":                          {1},
		"fmt.Errorf(\"%q is no duration\")":                {1},
		"the address is. No one answers":                   nil,
		"there are no other nodes, and is no doubt":        nil,
		"There is no lease here, so is no node":            {1},
		"text: the rest is none of ours, are not known ":   nil,
		"| a | is no more than b | is no\tmember | anew |": {1, 1},
	} {
		var lines []int
		for _, b := range breaches(text, phrases) {
			lines = append(lines, b.line)
		}
		slices.Sort(lines)
		if !slices.Equal(lines, want) {
			t.Errorf("%q is refused in lines %v; want %v", text, lines, want)
		}
	}
}

// hasPhrases is what still breaks TestPhrases.
var hasPhrases = []string{}
