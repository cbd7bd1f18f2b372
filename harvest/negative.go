package harvest

import (
	"fmt"
	"strings"

	"bcc/fault"
	"bcc/wsi"
)

// Negative is a slide without a lesion, or a rectangle of one.
type Negative struct {
	Path string
	Rect wsi.Rect // level-0 pixels; empty: the whole slide. Patches stay wholly inside
}

// ParseNegative reads FILE or FILE@x,y,width,height.
func ParseNegative(text string) (Negative, error) {
	path, at, found := cutLast(text, "@")
	if !found || !looksLikeRect(at) {
		return Negative{Path: text}, nil
	}
	n := Negative{Path: path}
	r := &n.Rect
	if _, err := fmt.Sscanf(at, "%d,%d,%d,%d", &r.X, &r.Y, &r.W, &r.H); err != nil || n.String() != text || r.Empty() || r.X < 0 || r.Y < 0 || path == "" {
		return Negative{}, fault.Hint(fault.New(fault.Invalid, "negative slide %q: %q is no rectangle", text, at),
			"write it as FILE@x,y,width,height in pixels of level 0")
	}
	return n, nil
}

// String returns what ParseNegative reads.
func (n Negative) String() string {
	if n.Rect == (wsi.Rect{}) {
		return n.Path
	}
	return fmt.Sprintf("%s@%d,%d,%d,%d", n.Path, n.Rect.X, n.Rect.Y, n.Rect.W, n.Rect.H)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// looksLikeRect tells a rectangle from the rest of a file's name that holds an @.
func looksLikeRect(s string) bool {
	return s != "" && strings.Trim(s, "0123456789,-+ ") == ""
}

// inside refuses a rectangle that is not wholly on the slide: its patches would not
// be where a person thinks they are.
func inside(r wsi.Rect, level0 wsi.Size) error {
	if !r.Empty() && r.Intersect(wsi.Rect{W: level0.W, H: level0.H}) != r {
		return fault.New(fault.Invalid, "the rectangle %v is not on the slide of %v", r, level0)
	}
	return nil
}
