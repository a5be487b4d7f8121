package cli

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manualCommand writes what packages bring beside the program.
func manualCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "manual DIR", Short: "Write manual pages and completions, for packages", Hidden: true,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			man, completions := filepath.Join(args[0], "man"), filepath.Join(args[0], "completions")
			for _, dir := range []string{man, completions} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			root.DisableAutoGenTag = true
			if err := writeManual(root, man); err != nil {
				return err
			}
			for name, write := range map[string]func(string) error{
				"xconsumer.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
				"_xconsumer":     root.GenZshCompletionFile,
				"xconsumer.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
			} {
				if err := write(filepath.Join(completions, name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// writeManual writes a page for a command and for each one below it.
func writeManual(c *cobra.Command, dir string) error {
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			if err := writeManual(child, dir); err != nil {
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
	if _, err := w.Write(text.Bytes()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	name := filepath.Join(dir, pageName(c)+".1.gz")
	return os.WriteFile(name, zip.Bytes(), 0o644) //nolint:gosec // everybody may read a manual
}

// pageName is xconsumer-config-check for "xconsumer config check".
func pageName(c *cobra.Command) string {
	name := c.Name()
	for p := c.Parent(); p != nil; p = p.Parent() {
		name = p.Name() + "-" + name
	}
	return name
}
