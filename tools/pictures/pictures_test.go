package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The pictures that the documents show are those that this program draws.
func TestPicturesAreDrawn(t *testing.T) {
	const shown = "../../docs/images"
	dir := t.TempDir()
	if err := draw(dir); err != nil {
		t.Fatal(err)
	}
	for name := range pictures {
		for _, file := range []string{name, filepath.Join("zh", name)} {
			want, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(shown, file)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is another one (%v): run make pictures", file, err)
			}
		}
	}
}
