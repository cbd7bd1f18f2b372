//go:build !cgo

package pixel

import "bcc/wsi"

// Available reports whether Resample is there: not in a build without cgo.
func Available() bool { return false }

// Resample panics in a build without cgo; ask Available first.
func Resample(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	check(dst, src, srcW, srcH, x, y)
	panic("pixel: built without cgo")
}
