package server

import (
	"net/http"
	"strings"
)

// sniffLen is how many bytes tell what a file is.
const sniffLen = 8

// sniff names the kind of file by its first bytes, whatever it is called: tiff, png
// or jpeg, else nothing.
func sniff(head []byte) string {
	h := string(head[:min(len(head), sniffLen)])
	switch {
	case strings.HasPrefix(h, "II*\x00"), strings.HasPrefix(h, "MM\x00*"),
		strings.HasPrefix(h, "II+\x00\x08\x00"), strings.HasPrefix(h, "MM\x00+\x00\x08"): // the latter two: BigTIFF
		return "tiff"
	case h == "\x89PNG\r\n\x1a\n":
		return "png"
	case strings.HasPrefix(h, "\xff\xd8\xff"):
		return "jpeg"
	}
	return ""
}

var errFormat = refuse(http.StatusUnsupportedMediaType, "supported: TIF, PNG, JPG", "unsupported image format")
