// Package deepzoom cuts slides and heat maps into the tiles that viewers ask for:
// pyramids in Microsoft's Deep Zoom form, made tile by tile out of what is there.
//
// In: a slide's levels, or one value a cell of its grid. Out: the description
// (.dzi) and any tile, a JPEG of the slide or a PNG of the heat map. Both have the
// same geometry, so that a viewer lays one over the other to the pixel. It keeps
// no tiles and caches nothing but the overview of a slide without small levels.
//
//	geometry.go   levels, tiles, the description
//	pyramid.go    a tile of the slide out of its nearest finer level
//	overview.go   what serves the small levels of a slide that has none
//	heat.go       a tile of the heat map; interpolate.go: its values
package deepzoom
