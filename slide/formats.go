package slide

import (
	"io"

	"bcc/slide/tiff"
)

// format is a kind of file. match looks at the input, open gives a Slide its
// levels and its scale.
type format struct {
	name  string
	match func(*input) bool
	open  func(*Slide, *input) error
}

// formats is asked from top to bottom: what knows most comes first.
var formats = []format{
	{"aperio-svs", isAperio, openAperio},
	{"generic-tiff", isTIFF, openGenericTIFF},
	{"png", isPNG, openPNG},
	{"jpeg", isJPEG, openJPEG},
}

// input is a file whose format is not known yet.
type input struct {
	r    io.ReaderAt
	size int64
	head []byte // up to 32 bytes

	tiff *tiff.File // after a call of container
	err  error      // why the container could not be read
}

// container parses the file as a TIFF, once. It returns nil where it is none, or
// a broken one: then err says why.
func (f *input) container() *tiff.File {
	if f.tiff == nil && f.err == nil && tiff.IsTIFF(f.head) {
		f.tiff, f.err = tiff.Parse(f.r, f.size)
	}
	return f.tiff
}
