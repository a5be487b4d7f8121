package console_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Every class, id and variable that the style sheet names is one that a page uses; a rule for another one is dead.
func TestStyleNamesWhatThereIs(t *testing.T) {
	sheet, err := os.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	css := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(sheet), "")
	var pages strings.Builder
	err = filepath.WalkDir("assets", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".js") && !strings.HasSuffix(path, ".html") {
			return err
		}
		text, err := os.ReadFile(path)
		pages.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile(`[A-Za-z_][\w-]*`)
	used := map[string]bool{}
	for _, w := range word.FindAllString(pages.String(), -1) {
		used[w] = true
	}
	for _, made := range []string{"from-" + string(cluster.FromStderr), string(cluster.RunQueued)} { // of what the API says
		used[made] = true
	}
	rule := regexp.MustCompile(`([^{}]+)\{`)
	name := regexp.MustCompile(`[.#]([A-Za-z][\w-]*)`)
	for _, r := range rule.FindAllStringSubmatch(css, -1) {
		for _, n := range name.FindAllStringSubmatch(r[1], -1) {
			if !used[n[1]] {
				t.Errorf("nothing is called %q: %s", n[1], strings.TrimSpace(r[1]))
			}
		}
	}
	for _, v := range regexp.MustCompile(`(--[\w-]+)\s*:`).FindAllStringSubmatch(css, -1) {
		if !strings.Contains(css, "var("+v[1]) && !strings.Contains(pages.String(), v[1]) {
			t.Errorf("nothing uses %s", v[1])
		}
	}
}
