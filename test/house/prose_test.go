package house_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documentPhrases are words that documents avoid in addition to phrases: they have a plainer one, or speak to nobody.
var documentPhrases = []phrase{
	{not: "tells|tell", say: `"shows", "reports" or "returns"`, but: "apart|them"},
	{not: "wants", say: `"needs", "requires" or "expects"`},
	{not: "whoever", say: `"anyone who", or the role`},
	{not: "nobody|somebody", say: `"no one", "someone", or the role`},
	{not: "deal|deals|dealt", say: `"assign" or "distribute"`},
	{not: "mend|mends|mended|mending", say: `"fix"`},
	{not: "beside", say: `"next to" or "in addition to"`},
	{not: "for good", say: `"permanently"`},
	{not: "all the same", say: `"still", or leave it out`},
	{not: "has|have it not", say: `"does not have it"`},
	{not: "grace", say: `"stop timeout" or "takeover delay"`, but: "period"},
	{not: "bury|buries|buried", say: `"remove"`},
	{not: "agenda", say: `"runs"`},
	{not: "vitals", say: `"supervisor report"`},
	{not: "afloat", say: `"still running"`},
	{not: "we|our|us|ours", say: `"you", or the name of what acts`},
	{not: "the reader", say: `"you"`},
	{not: "one can|may|must|should", say: `"you can", or an imperative`},
	{not: "will", say: "the present tense"},
	{not: "please", say: "nothing in its place"},
	{not: "simply|easily|obviously", say: "nothing in its place"},
}

// How much a reader takes in at once.
const (
	maxSentence  = 34 // words
	maxRelatives = 2  // relative clauses of a sentence
)

// relatives begin a clause that says more of the noun before it.
var relatives = []string{"which", "who", "whom", "whose"}

// A prose is one stretch of a document that is read at once: a paragraph, an item of a list, a cell of a table, or a
// heading.
type prose struct {
	line    int
	heading int // how deep, 0 for none
	text    string
}

var (
	codeSpan  = regexp.MustCompile("`+[^`]*`+")
	remark    = regexp.MustCompile(`(?s)<!--.*?-->`)
	linkText  = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	newItem   = regexp.MustCompile(`^\s*([-*+]|\d+\.)\s`)
	fullStop  = regexp.MustCompile(`[.!?:;]["')*_]*(\s+|$)`)
	wordLike  = regexp.MustCompile(`[\p{L}\p{N}][\p{L}\p{N}'’.,/#=_-]*`)
	separator = regexp.MustCompile(`^[|\s:-]+$`)
)

// proseOf returns what a document says, without its code. A span of code counts as one word.
func proseOf(text string) (out []prose) {
	text = remark.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) })
	var open *prose
	fenced := false
	add := func(line int, text string) {
		out = append(out, prose{line: line, text: text})
		open = &out[len(out)-1]
	}
	for i, line := range strings.Split(text, "\n") {
		number := i + 1
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			open = nil
			continue
		}
		line = linkText.ReplaceAllString(codeSpan.ReplaceAllString(line, "X"), "$1")
		trimmed := strings.TrimSpace(line)
		switch {
		case fenced || trimmed == "" || separator.MatchString(trimmed):
			open = nil
		case open == nil && strings.HasPrefix(line, "    ") && !newItem.MatchString(line):
		case strings.HasPrefix(line, "#"):
			words := strings.TrimLeft(line, "#")
			out = append(out, prose{line: number, heading: len(line) - len(words), text: strings.TrimSpace(words)})
			open = nil
		case strings.HasPrefix(trimmed, "|"):
			for cell := range strings.SplitSeq(strings.Trim(strings.ReplaceAll(trimmed, `\|`, " "), "|"), "|") {
				add(number, strings.TrimSpace(cell))
			}
			open = nil
		case open == nil || newItem.MatchString(line):
			add(number, newItem.ReplaceAllString(line, ""))
		default:
			open.text += "\n" + trimmed
		}
	}
	return out
}

// sentences returns the sentences of a stretch. A part that ends in a colon or a semicolon counts as one.
func (p prose) sentences() (out []string) {
	rest := p.text
	for rest != "" {
		end := len(rest)
		for _, at := range fullStop.FindAllStringIndex(rest, -1) {
			if !abbreviates(rest[:at[0]+1]) {
				end = at[1]
				break
			}
		}
		out = append(out, strings.TrimSpace(rest[:end]))
		rest = rest[end:]
	}
	return out
}

// abbreviates reports whether a text ends in a full stop that ends no sentence.
func abbreviates(text string) bool {
	return strings.HasSuffix(text, "e.g.") || strings.HasSuffix(text, "i.e.") || strings.HasSuffix(text, " vs.")
}

// A finding is what a rule of prose refuses in a document.
type finding struct {
	line int
	text string
}

// findings returns what of a document is refused. Guides have tasks, so their headings begin with verbs.
func findings(text string, guide bool) (out []finding) {
	for _, p := range proseOf(text) {
		if guide && p.heading == 2 && !slices.Contains(headings, strings.ToLower(strings.Fields(p.text + " ")[0])) {
			out = append(out, finding{p.line, "the heading " + p.text + ": begin it with a verb (see headings in prose_test.go)"})
		}
		for _, b := range breaches(p.text, documentPhrases) {
			out = append(out, finding{p.line + b.line - 1, b.text + ": say " + b.say})
		}
		for _, sentence := range p.sentences() {
			words := wordLike.FindAllString(sentence, -1)
			if len(words) > maxSentence {
				out = append(out, finding{p.line, "a sentence that is too long: " + sentence})
			}
			clauses := 0
			for _, word := range words {
				if slices.Contains(relatives, strings.ToLower(strings.TrimRight(word, ".,"))) {
					clauses++
				}
			}
			if clauses > maxRelatives {
				out = append(out, finding{p.line, "a sentence with more than two relative clauses: " + sentence})
			}
		}
	}
	return out
}

// headings are the words with which a heading of a guide may begin: what its reader does, or asks.
var headings = strings.Fields(`
	add back backfill build call change check choose clean configure connect consume create cut debug decide declare delete
	deploy describe design divide drain empty enable export fence find fix follow generate give go handle hold import inspect install join keep kill know let
	limit look make manage measure migrate monitor move open operate pause pick pass place plan prepare preview protect provide publish put
	raise read remove repeat replace restart restore resume retry return roll route run save schedule scale secure see send set show size
	spread start stop switch take test trace trigger troubleshoot try turn undo understand uninstall update upgrade use verify
	wait watch write
	do how what when where which why
	before next`)

// tasks reports whether the sections of a page are tasks. Those of the troubleshooting guide are symptoms.
func tasks(path string) bool {
	return path == "docs/tutorial.md" || strings.HasPrefix(path, "docs/guides/") && path != "docs/guides/troubleshooting.md"
}

// Documents speak to a reader with a task, in short plain sentences. The internals are notes of those who build this.
func TestProse(t *testing.T) {
	atRoot(t)
	dirty := allowance{t: t, left: hasProse}
	for _, path := range append(documents(t), "README.md") {
		if strings.HasPrefix(path, "docs/zh/") || strings.HasPrefix(path, "docs/internals/") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings(string(text), tasks(path)) {
			dirty.found(path, "%s:%d: %s", path, f.line, f.text)
		}
	}
	dirty.end()
}

// hasProse is what still breaks TestProse.
var hasProse = []string{}

func TestProseIsFound(t *testing.T) {
	long := strings.Repeat("word ", maxSentence)
	for text, want := range map[string][]int{
		"# Drain\n\nYou can drain a node.":                            nil,
		"a list tells\nyou all\n\nwhoever":                            {1, 4},
		"```sh\nwhoever\n```\n`whoever` <!-- whoever\n-->\nBeside it": {6},
		"    whoever\n\n1. whoever\n   tells":                         {3, 4},
		"| who | nobody |\n|---|---|\n| [beside](wants.md) | x |":     {1, 3},
		"It\nwill\nstop, and has\nit not.":                            {2, 3},
		"## Limits\n\n## Limit a task\n\n### Limits":                  {1},
		long + "ends.":            {1},
		long + "`a b`.":           {1},
		long + ". It ends: here.": nil,
		"A node, which leads, who runs, whose lease ends.": {1},
	} {
		var lines []int
		for _, f := range findings(text, true) {
			lines = append(lines, f.line)
		}
		slices.Sort(lines)
		if !slices.Equal(lines, want) {
			t.Errorf("%q is refused in lines %v; want %v", text, lines, want)
		}
	}
}
