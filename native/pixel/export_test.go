//go:build cgo

package pixel

import "bcc/wsi"

// Kernels returns every kernel this processor runs, by name.
func Kernels() map[string]func(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	all := make(map[string]func(dst, src []byte, srcW, srcH int, x, y wsi.Taps))
	for k, name := range []string{"plain", "avx2", "avx512"}[:best+1] {
		all[name] = func(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
			resample(dst, src, srcW, srcH, x, y, k)
		}
	}
	return all
}
