package patch

import "bcc/wsi"

// ResampleFunc scales the srcW×srcH RGB picture src to len(x.First)×len(y.First)
// pixels in dst. It may be called by several goroutines at once. Every
// implementation gives the bytes that Resample gives.
type ResampleFunc func(dst, src []byte, srcW, srcH int, x, y wsi.Taps)

// Resample is the reference implementation of ResampleFunc: that of wsi.
func Resample(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	wsi.Resample(dst, src, srcW, srcH, x, y)
}
