// Package pixel scales pixels in C, with the vector instructions that Go's
// compiler does not use. It gives the bytes of bcc/patch.Resample, whose comment
// specifies the arithmetic, and allocates nothing that has to be freed.
package pixel
