// Package deepzoom cuts slides and heat maps into the tiles that viewers ask for.
package deepzoom
