package house_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pages are the documents that there are in two languages.
func pages(t *testing.T) map[string]string {
	t.Helper()
	pairs := map[string]string{"README.md": "README.zh-CN.md"}
	for _, page := range documents(t) {
		if name, translated := strings.CutPrefix(page, "docs/zh/"); translated {
			pairs["docs/"+name] = page
		}
	}
	if len(pairs) < 5 {
		t.Fatalf("only %v were found in two languages", pairs)
	}
	return pairs
}

// documents are the pages below docs, of both languages.
func documents(t *testing.T) (pages []string) {
	t.Helper()
	err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	return pages
}

var (
	heading = regexp.MustCompile(`^#+ `)
	link    = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)
	key     = regexp.MustCompile("^\\| `[^`]+` \\|") // the first cell of a row, if it is a name
	comment = regexp.MustCompile(`xconsumer [a-z][a-z-]*(?: [a-zA-Z0-9#./=_-]+)*`)
)

// outline is what two languages of a page have in common: how deep its headings are, what is to be typed or copied, and
// how long its tables are.
func outline(t *testing.T, file string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code := false
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			out = append(out, line)
		case code, strings.HasPrefix(line, "    "):
			line, _, _ = strings.Cut(line, " # ") // the comment of a command
			out = append(out, line)
		case heading.MatchString(line):
			out = append(out, heading.FindString(line))
		case strings.HasPrefix(line, "|"):
			out = append(out, "| "+key.FindString(line)+strings.Join(comment.FindAllString(line, -1), ", "))
		}
	}
	return out
}

// Both languages of a page have the same headings, the same commands and the same tables.
func TestBothLanguages(t *testing.T) {
	atRoot(t)
	for en, zh := range pages(t) {
		if diff := cmp.Diff(outline(t, en), outline(t, zh)); diff != "" {
			t.Errorf("%s and %s are different:\n%s", en, zh, diff)
		}
	}
}

// Links lead to what is there, and to headings that pages have.
func TestLinks(t *testing.T) {
	atRoot(t)
	files := append(documents(t), "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s leads to %s: %v", file, m[1], err)
				continue
			}
			if m[2] == "" || filepath.Ext(target) != ".md" {
				continue
			}
			page, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			anchor, err := url.PathUnescape(m[2])
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(anchors(string(page)), anchor) {
				t.Errorf("%s leads to %s#%s: the page has no such heading", file, m[1], anchor)
			}
		}
	}
}

// A Chinese page leads to the Chinese one of two pages, except to its own page in English.
func TestChinesePagesLeadToChinesePages(t *testing.T) {
	atRoot(t)
	inChinese := pages(t)
	for en, zh := range inChinese {
		text, err := os.ReadFile(zh)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			target := filepath.Join(filepath.Dir(zh), m[1])
			if better := inChinese[target]; better != "" && target != en {
				t.Errorf("%s leads to %s; want %s", zh, target, better)
			}
		}
	}
}

// What one language of a page quotes, such as a message or a key, is in the other one, too.
func TestBothLanguagesQuoteTheSame(t *testing.T) {
	atRoot(t)
	for en, zh := range pages(t) {
		for page, other := range map[string]string{en: zh, zh: en} {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			there, err := os.ReadFile(other)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(strings.Fields(string(there)), " ")
			for _, span := range codeSpan.FindAllString(withoutCode(string(text)), -1) {
				if quoted := strings.Join(strings.Fields(strings.Trim(span, "`")), " "); !strings.Contains(all, quoted) {
					t.Errorf("%s quotes %q, which %s does not have", page, quoted, other)
				}
			}
		}
	}
}

// withoutCode returns a page without its blocks of code, and with no link in a span of code.
func withoutCode(text string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		} else if !fenced {
			out.WriteString(codeSpan.ReplaceAllStringFunc(line, func(s string) string { return strings.ReplaceAll(s, "](", "] (") }))
		}
	}
	return out.String()
}

// anchors returns where links may lead within a page, as the forges and the site (tools/site) form it from the headings.
func anchors(text string) (out []string) {
	count := map[string]int{}
	for line := range strings.Lines(withoutCode(text)) {
		marks := heading.FindString(line)
		if marks == "" {
			continue
		}
		anchor := strings.ToLower(strings.TrimSpace(linkText.ReplaceAllString(line[len(marks):], "$1")))
		anchor = strings.ReplaceAll(notInAnchor.ReplaceAllString(anchor, ""), " ", "-")
		if n := count[anchor]; n > 0 {
			out = append(out, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			out = append(out, anchor)
		}
		count[anchor]++
	}
	return out
}

// notInAnchor is what an anchor leaves out of its heading.
var notInAnchor = regexp.MustCompile(`[^\p{L}\p{M}\p{N}\p{Pc}\- ]`)

func TestAnchors(t *testing.T) {
	got := anchors("# A node's `run --join`\n```sh\n# no heading\n```\n## Exit codes (76)\n## [Exit](x.md) codes 76\n### 槽位：迁移\n")
	want := []string{"a-nodes-run---join", "exit-codes-76", "exit-codes-76-1", "槽位迁移"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the guide shows of params is compiled: each line of it stands in the example.
func TestGuideShowsTheExampleOfParams(t *testing.T) {
	atRoot(t)
	guide, err := os.ReadFile("docs/guides/library.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(guide), "```go\ntype params struct")
	shown, _, ends := strings.Cut(shown, "```")
	if !found || !ends {
		t.Fatal("the guide shows no params")
	}
	for line := range strings.Lines(strings.ReplaceAll(shown, "func runMail(", "runMail := func(")) {
		line = strings.TrimSpace(line)
		if !strings.Contains(string(example), line) {
			t.Errorf("%q is not in the example", line)
		}
	}
}
