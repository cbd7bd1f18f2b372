package cli

import (
	"os"

	"bcc/fault"
	"bcc/slide"
	"bcc/wsi"
)

// slideSize returns the size of level 0 of the slide at path. It reads the slide's
// head only, a millisecond; a file that was cut short is found by it too.
func slideSize(path string) (wsi.Size, error) {
	f, err := os.Open(path)
	if err != nil {
		return wsi.Size{}, fault.New(fault.NotFound, "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return wsi.Size{}, fault.New(fault.Unavailable, "%w", err)
	}
	s, err := slide.Open(f, info.Size(), slide.Config{Codecs: codecs()})
	if err != nil {
		return wsi.Size{}, err
	}
	defer s.Close()
	return s.Levels()[0].Size, nil
}
