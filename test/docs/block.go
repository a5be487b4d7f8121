// Package docs reads the documents of the repository: their pages, and the code that these show.
//
// A block of code is written between two fences, ```sh for example. The line above a block may be a comment of HTML, which
// readers do not see, and which says what a test does with the block:
//
//	<!-- test: run -->            the shell runs it, after the blocks of the page that it ran before
//	<!-- test: terminal UNTIL --> the shell runs it beside the rest of the page, a program that stays; the rest goes on when
//	                              the command UNTIL succeeds
//	<!-- test: file NAME -->      it is the text of a file; those of a page are in one directory
//	<!-- test: prelude            Go: declarations that the block needs and does not show, up to the end
//	...                           of the comment
//	-->
//	<!-- test: skip WHY -->       nothing is done with it
//
// Several such comments may stand above one block.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Page is a document.
type Page struct {
	Name   string // its path below the root of the repository
	Text   string
	Blocks []Block
}

// A Block is code that a page shows.
type Block struct {
	Page     string
	Line     int    // of its first fence
	Language string // "go", "sh"; empty if the fence has none
	Text     string
	File     string // the file whose text it is, if it is one
	Run      bool   // the shell runs it
	Until    string // the shell runs it beside the rest, which goes on when this command succeeds
	Prelude  string // Go declarations that it needs
	Skip     string // why nothing is done with it
	Unknown  string // a directive that means nothing
}

// Pages reads all documents of the repository at root: those at its top, and all below docs, examples and tests.
func Pages(root string) ([]Page, error) {
	names, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{"docs", "examples", "deploy", "clients"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if filepath.Ext(path) == ".md" {
				names = append(names, path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	var pages []Page
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		name, err = filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		name = filepath.ToSlash(name)
		pages = append(pages, Page{Name: name, Text: string(text), Blocks: Blocks(name, string(text))})
	}
	return pages, nil
}

// Blocks returns the blocks of a page.
func Blocks(page, text string) (blocks []Block) {
	lines := strings.Split(text, "\n")
	next := Block{}
	for i := 0; i < len(lines); i++ { // a block or a comment takes more than one line
		line := strings.TrimLeft(lines[i], " ")
		indent := lines[i][:len(lines[i])-len(line)]
		switch {
		case strings.HasPrefix(line, "<!-- test:"):
			directive := []string{strings.TrimPrefix(line, "<!-- test:")}
			for !strings.Contains(lines[i], "-->") && i+1 < len(lines) {
				i++
				directive = append(directive, lines[i])
			}
			next.directive(strings.TrimSuffix(strings.TrimSpace(strings.Join(directive, "\n")), "-->"))
		case strings.HasPrefix(line, "```"):
			next.Page, next.Line = page, i+1
			next.Language, _, _ = strings.Cut(strings.TrimPrefix(line, "```"), " ")
			var code strings.Builder
			i++
			for ; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
				code.WriteString(strings.TrimPrefix(lines[i], indent) + "\n")
			}
			next.Text = code.String()
			blocks = append(blocks, next)
			next = Block{}
		}
	}
	return blocks
}

// directive takes down what a comment says of the block below it.
func (b *Block) directive(text string) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	verb, argument, _ := strings.Cut(strings.TrimSpace(verb), " ")
	switch verb {
	case "run":
		b.Run = true
	case "terminal":
		b.Until = argument
	case "file":
		b.File = argument
	case "skip":
		b.Skip = argument
	case "prelude":
		b.Prelude = rest
	default:
		b.Unknown = verb
	}
	if (verb == "skip" || verb == "file" || verb == "terminal") && argument == "" {
		b.Unknown = verb + " of nothing"
	}
}
