package console_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/console"
)

// What comes from elsewhere is what tools/vendor.sh has fetched, with its licence.
func TestVendored(t *testing.T) {
	const dir = "assets/vendor"
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		known[filepath.Base(name)] = sum
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.*s"))
	if err != nil || len(files) != len(known) || len(files) == 0 {
		t.Fatalf("%d files, %d sums, %v", len(files), len(known), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != known[filepath.Base(file)] {
			t.Errorf("%s is not what was fetched", file)
		}
		if _, err := os.Stat(strings.TrimSuffix(file, filepath.Ext(file)) + ".mjs.LICENSE"); err != nil {
			t.Error(err)
		}
	}
}

// A page asks for all its modules at once, not for one after the other as they name each other.
func TestPreloaded(t *testing.T) {
	page, err := os.ReadFile("assets/index.html")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("assets", func(path string, _ fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, "assets/")
		if ext := filepath.Ext(path); err == nil && (ext == ".js" || ext == ".mjs") && name != "main.js" && !strings.Contains(string(page), `rel="modulepreload" href="`+name+`"`) {
			t.Errorf("index.html does not preload %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "modulepreload"); n == 0 {
		t.Error("nothing is preloaded")
	}
	for line := range strings.Lines(string(page)) {
		if _, rest, ok := strings.Cut(line, `modulepreload" href="`); ok {
			name, _, _ := strings.Cut(rest, `"`)
			if _, err := os.Stat(filepath.Join("assets", name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// All of it together is small.
func TestSize(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	err := filepath.WalkDir("assets", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".LICENSE") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = z.Write(text)
		return err
	})
	if cerr := z.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	const most = 150 << 10
	if t.Logf("%d bytes gzipped", b.Len()); b.Len() > most {
		t.Errorf("%d bytes are more than %d", b.Len(), most)
	}
}

func TestHandler(t *testing.T) {
	handler := console.Handler()
	get := func(path, tag string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", tag)
		handler.ServeHTTP(w, r)
		return w
	}
	for path, kind := range map[string]string{"/": "text/html", "/main.js": "text/javascript", "/style.css": "text/css", "/vendor/preact.mjs": "text/javascript"} {
		w := get(path, "")
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if again := get(path, w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", path, again.Code)
		}
		if !console.Has(path) {
			t.Errorf("%s is not there", path)
		}
	}
	for _, path := range []string{"/vendor", "/vendor/", "/../console.go", "/x", "/api/v1/state"} {
		if console.Has(path) {
			t.Errorf("%s is there", path)
		}
	}
}
