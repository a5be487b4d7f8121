package help

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// languages are those of the manual: the name of the environment, and the directory in which man looks for its pages.
var languages = []struct{ lang, directory string }{{"C", "man1"}, {"zh_CN.UTF-8", filepath.Join("zh_CN", "man1")}}

// WriteManual writes a page for each command into the directories of the languages below a directory. The function returns
// the program's command with its help in the language of an environment.
func WriteManual(dir string, in func(lang string) *cobra.Command) error {
	for _, l := range languages {
		pages := filepath.Join(dir, l.directory)
		if err := os.MkdirAll(pages, 0o755); err != nil {
			return err
		}
		root := in(l.lang)
		root.DisableAutoGenTag = true
		if err := writeManual(root, pages, isChinese(func(string) string { return l.lang })); err != nil {
			return err
		}
	}
	return nil
}

// chineseSections are the headings of a page, as cobra writes them, in Chinese.
var chineseSections = strings.NewReplacer(
	".SH NAME\n", ".SH 名称\n",
	".SH SYNOPSIS\n", ".SH 概要\n",
	".SH DESCRIPTION\n", ".SH 说明\n",
	".SH OPTIONS\n", ".SH 选项\n",
	".SH OPTIONS INHERITED FROM PARENT COMMANDS\n", ".SH 继承的选项\n",
	".SH EXAMPLE\n", ".SH 示例\n",
	".SH SEE ALSO\n", ".SH 参见\n",
)

// writeManual writes a page for a command and for each one below it.
func writeManual(c *cobra.Command, dir string, chinese bool) error {
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			if err := writeManual(child, dir, chinese); err != nil {
				return err
			}
		}
	}
	day := time.Unix(0, 0) // the same page for the same program
	var text, zip bytes.Buffer
	if err := doc.GenMan(
		c,
		&doc.GenManHeader{Title: "XCONSUMER", Section: "1", Date: &day, Source: "xconsumer", Manual: "xconsumer"},
		&text,
	); err != nil {
		return fmt.Errorf("%s: %w", c.CommandPath(), err)
	}
	w, err := gzip.NewWriterLevel(&zip, gzip.BestCompression)
	if err != nil {
		return err
	}
	// Names of variables are not divided, and Chinese has no spaces to widen. The header of a page resets both.
	page := strings.Replace(text.String(), "\n.SH ", "\n.nh\n.ad l\n.SH ", 1)
	if chinese {
		page = chineseSections.Replace(page)
	}
	if _, err := io.WriteString(w, page); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	name := filepath.Join(dir, pageName(c)+".1.gz")
	return os.WriteFile(name, zip.Bytes(), 0o644) //nolint:gosec // all users of the machine may read a manual
}

// pageName is xconsumer-config-check for "xconsumer config check".
func pageName(c *cobra.Command) string {
	name := c.Name()
	for p := c.Parent(); p != nil; p = p.Parent() {
		name = p.Name() + "-" + name
	}
	return name
}
