#ifndef BCC_RESAMPLE_H
#define BCC_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

// Bytes of scratch that bcc_resample needs.
size_t bcc_resample_scratch(int src_w, int out_w, int x_taps);

// Scales src, rows of src_w RGB pixels, to out_w × out_h pixels in dst. Output
// pixel i of a direction is made of taps input pixels from first[i] on, with
// weights weight[i*taps...] that sum to 1 << 14. The caller has checked that all
// of them lie inside src. plain leaves the processor's wide registers unused.
void bcc_resample(uint8_t *dst, const uint8_t *src, int src_w,
		  const int32_t *x_first, const int16_t *x_weight, int x_taps,
		  const int32_t *y_first, const int16_t *y_weight, int y_taps,
		  int out_w, int out_h, uint8_t *scratch, int plain);

#endif
