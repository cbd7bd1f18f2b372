//go:build cgo

package pixel

import "bcc/wsi"

// Plain is Resample without vector instructions, as other processors run it.
func Plain(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	resample(dst, src, srcW, srcH, x, y, true)
}
