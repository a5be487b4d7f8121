package house_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
	link    = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
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
			out = append(out, line)
		case heading.MatchString(line):
			out = append(out, heading.FindString(line))
		case strings.HasPrefix(line, "|"):
			out = append(out, "| "+strings.Join(comment.FindAllString(line, -1), ", "))
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

// Links lead to what is there.
func TestLinks(t *testing.T) {
	atRoot(t)
	files := append(documents(t), "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s leads to %s: %v", file, m[1], err)
			}
		}
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
