// Package page is the web page of bcc serve: plain files inside the program, shown
// as they lie here, without a build step. The page asks the API for all it shows;
// this package knows nothing of slides.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// assets/thirdparty is filled by scripts/setup.sh; without it the page builds, and
// says what it lacks.
//
//go:embed index.html all:assets
var files embed.FS

// FS holds index.html, and what it asks for under assets/.
var FS fs.FS = files

// Policy is the Content-Security-Policy that the page works under: nothing inline,
// nothing from elsewhere. Pictures come as blobs, since they are fetched with a key.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves index.html at / and the files below /assets/, to anybody: they
// hold nothing but the program. All else is 404.
func Handler() http.Handler {
	tags := map[string]string{}
	fs.WalkDir(FS, ".", func(name string, d fs.DirEntry, err error) error { // embedded: it cannot fail
		if err == nil && !d.IsDir() {
			b, _ := fs.ReadFile(FS, name)
			sum := sha256.Sum256(b)
			tags[name] = `"` + hex.EncodeToString(sum[:12]) + `"`
		}
		return nil
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		tag, ok := tags[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache") // asked for each time, sent when changed: a new program shows its new page
		h.Set("Content-Type", kind(name))
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		http.ServeFileFS(w, r, FS, name)
	})
}

// kind is the media type of a file here; the machine's own tables may say otherwise.
func kind(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/plain; charset=utf-8"
	}
}
