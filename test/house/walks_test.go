package house_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each stop of the walks in CONTRIBUTING.md is a function that is in the file that the stop names.
func TestWalks(t *testing.T) {
	atRoot(t)
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walks, found := strings.Cut(string(text), "\n## Three walks\n")
	walks, _, _ = strings.Cut(walks, "\n## ")
	stops := regexp.MustCompile("(?m)^\\d+\\. `([^`]+)` `(\\w+)`").FindAllStringSubmatch(walks, -1)
	if lines := len(regexp.MustCompile(`(?m)^\d+\. `).FindAllString(walks, -1)); !found || len(stops) != lines || lines == 0 {
		t.Fatalf("%d of %d stops name a file and a function", len(stops), lines)
	}
	for _, stop := range stops {
		file, name := stop[1], stop[2]
		source, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", stop[0], err)
			continue
		}
		declared := `(?m)^func (\([^)]*\) )?` + name + `[\[(]`
		if strings.HasSuffix(file, ".js") {
			declared = `(?m)^export const ` + name + ` = `
		}
		if !regexp.MustCompile(declared).Match(source) {
			t.Errorf("%s: %s declares no such function", stop[0], file)
		}
	}
}
