package console

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The Chinese console has the words of the glossary for what people do to nodes, and for what becomes of slots.
func TestChineseWords(t *testing.T) {
	words := glossary(t)
	about := regexp.MustCompile(`^(?:node-|slot-|un)?(cordon|drain|evict|quarantine|grant|release|token|lease)(?:e?d)?$`)
	text, err := assets.ReadFile("assets/words/zh.js")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	for _, entry := range regexp.MustCompile(`[{\s]"?([\w-]+)"?: "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		key, value := entry[1], entry[2]
		term := about.FindStringSubmatch(key)
		if term == nil || key == "slot-granted" || key == "slot-released" { // what the node did about it
			continue
		}
		checked[term[1]] = true
		if want := words[term[1]]; want == "" || !strings.Contains(value, want) {
			t.Errorf("%s: %s; the glossary says %s", key, value, want)
		}
	}
	for _, term := range []string{"cordon", "drain", "evict", "quarantine", "grant", "release", "token", "lease"} {
		if !checked[term] {
			t.Errorf("no word for %s", term)
		}
	}
}

// glossary returns the Chinese words of the documents by their English ones.
func glossary(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/zh/concepts.md")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|（]+)（([^|）]+)） \|`).FindAllStringSubmatch(string(text), -1) {
		chinese, english := strings.Split(row[1], "、"), strings.Split(row[2], "、")
		if len(chinese) != len(english) {
			t.Fatalf("%s: %d words for %d", row[0], len(chinese), len(english))
		}
		for i := range english {
			words[english[i]] = chinese[i]
		}
	}
	return words
}
