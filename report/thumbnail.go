package report

import "bcc/wsi"

// MaxThumbnails is how many lesions the page shows a picture of, and ThumbnailPx
// the side it shows them at.
const (
	MaxThumbnails = 8
	ThumbnailPx   = 224
)

// thumbnailUM is the side of a thumbnail's field: at 224 pixels 2 µm a pixel, the
// view of a 5× objective, in which nests and their palisades can be told.
const thumbnailUM = 450

// ThumbnailRect returns the level-0 rectangle to show of a lesion: a field of
// 450 µm around its peak, moved so that it lies inside the slide.
func ThumbnailRect(peak wsi.Rect, slide wsi.Size, mpp wsi.MPP) wsi.Rect {
	fit := func(at, extent, slide int, mpp float64) (from, side int) {
		side = min(max(int(thumbnailUM/mpp), 1), slide)
		return min(max(at+extent/2-side/2, 0), slide-side), side
	}
	x, w := fit(peak.X, peak.W, slide.W, mpp.X)
	y, h := fit(peak.Y, peak.H, slide.H, mpp.Y)
	return wsi.Rect{X: x, Y: y, W: w, H: h}
}
