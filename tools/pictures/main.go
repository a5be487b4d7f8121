// Command pictures draws the diagrams of the documents, in both languages, into a directory. The same source gives the
// same bytes.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// A language picks one of two texts.
type language int

const (
	english language = iota
	chinese
)

// of returns the text of the language.
func (l language) of(en, zh string) string {
	if l == chinese {
		return zh
	}
	return en
}

// pictures are what is drawn, by file name.
var pictures = map[string]func(language) *canvas{
	"failover.svg":     failover,
	"components.svg":   components,
	"slot-life.svg":    slotLife,
	"what-happens.svg": whatHappens,
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pictures DIRECTORY")
		os.Exit(2)
	}
	if err := draw(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// draw writes all pictures below a directory: the English ones into it, the Chinese ones into zh.
func draw(dir string) error {
	for lang, sub := range map[language]string{english: "", chinese: "zh"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
		for name, picture := range pictures {
			if err := os.WriteFile(filepath.Join(dir, sub, name), []byte(picture(lang).String()), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
