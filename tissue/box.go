package tissue

import "bcc/wsi"

// rule says how many ones a window of area pixels must hold for its centre to be one.
type rule func(area int) int

var (
	majority rule = func(area int) int { return area/2 + 1 } // the median of zeros and ones
	dilate   rule = func(area int) int { return 1 }
	erode    rule = func(area int) int { return area }
)

// box applies the rule to the window of rx pixels left and right and ry above
// and below each pixel, in constant time whatever the window. Windows end at the
// edge of the picture, so that tissue that is cut there is not eaten from there.
func box(dst, src []byte, size wsi.Size, rx, ry int, keep rule) {
	w, h := size.W, size.H
	column := make([]int32, w) // ones in the rows of the window
	need := make([]int32, w)
	add := func(y int, sign int32) {
		for x, b := range src[y*w : (y+1)*w] {
			column[x] += sign * int32(b)
		}
	}
	for y := range min(ry, h) {
		add(y, 1)
	}
	high := -1 // rows of the window that need was made for
	for y := range h {
		if y+ry < h {
			add(y+ry, 1)
		}
		if y-ry-1 >= 0 {
			add(y-ry-1, -1)
		}
		if n := min(y+ry, h-1) - max(y-ry, 0) + 1; n != high {
			high = n
			for x := range need {
				need[x] = int32(keep(n * (min(x+rx, w-1) - max(x-rx, 0) + 1)))
			}
		}
		slide(dst[y*w:(y+1)*w], column, need, rx)
	}
}

// slide sums 2r+1 neighbours of column and compares with need.
func slide(dst []byte, column, need []int32, r int) {
	w := len(dst)
	column, need = column[:w], need[:w]
	var sum int32
	for _, c := range column[:min(r, w)] {
		sum += c
	}
	for x := range dst {
		if x+r < w {
			sum += column[x+r]
		}
		if x-r-1 >= 0 {
			sum -= column[x-r-1]
		}
		dst[x] = 0
		if sum >= need[x] {
			dst[x] = 1
		}
	}
}
