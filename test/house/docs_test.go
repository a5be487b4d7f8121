package house_test

import (
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
	translated, err := filepath.Glob("docs/zh/*.md")
	if err != nil || len(translated) == 0 {
		t.Fatal(translated, err)
	}
	for _, zh := range translated {
		pairs[filepath.Join("docs", filepath.Base(zh))] = zh
	}
	return pairs
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
	files := []string{"README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
	for _, pattern := range []string{"docs/*.md", "docs/zh/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
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
	if !slices.Contains(files, "docs/zh/works.md") {
		t.Error("the Chinese pages were not found")
	}
}

// What the guide shows of params is compiled: each line of it stands in the example.
func TestGuideShowsTheExampleOfParams(t *testing.T) {
	atRoot(t)
	guide, err := os.ReadFile("docs/works.md")
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
