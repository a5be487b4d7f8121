// Package console is the web console: static files, embedded as they are written, without a build step.
//
// # The model
//
//	cluster.js     the state, from the node's stream   ─▶  placement.js   what is where, changed in place
//	placement.js                                       ─▶  pages/         the pages; picture.js and heatmap.js draw the fleet
//	pages/         operations.js                       ─▶  act.js         confirms, sends, and shows the outcome
//	route.js       the page and all that is chosen on it, in the address
//	words/         the texts, in each language
//
// The libraries in assets/vendor come from tools/vendor.sh, with their licences and checksums.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// policy lets a page load what this node serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// file is an asset as it is sent, plain and compressed.
type file struct {
	text, zip []byte
	tag, kind string
}

var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
}

// Handler serves the console's files, relative to wherever it is mounted.
func Handler() http.Handler {
	files := read()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := files[name(r.URL.Path)]
		if f == nil {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept-Encoding")
		h.Set("Content-Type", f.kind)
		h.Set("ETag", f.tag)
		text := f.text
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			text = f.zip
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	})
}

// read returns all assets, by name.
func read() map[string]*file {
	files := map[string]*file{}
	err := fs.WalkDir(assets, "assets", func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := assets.ReadFile(at)
		sum := sha256.Sum256(text)
		f := &file{text: text, zip: zip(text), tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, kind: kinds[path.Ext(at)]}
		if f.kind == "" {
			f.kind = "text/plain; charset=utf-8"
		}
		files[strings.TrimPrefix(at, "assets/")] = f
		return err
	})
	if err != nil {
		panic(err) // the assets are embedded, so this is a mistake in the build
	}
	return files
}

func zip(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // a write to a buffer does not fail
	_ = z.Close()
	return b.Bytes()
}

// name returns the name of the asset for the path of a request.
func name(urlPath string) string {
	if name := path.Clean(urlPath)[1:]; name != "" {
		return name
	}
	return "index.html"
}

// Has reports whether the console has a file at a path.
func Has(urlPath string) bool {
	info, err := fs.Stat(assets, path.Join("assets", name(urlPath)))
	return err == nil && !info.IsDir()
}
