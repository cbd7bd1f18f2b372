#ifndef BCC_RESAMPLE_H
#define BCC_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

// Returns how many kernels this processor runs, each faster than the one before;
// the first is plain C. They give the same bytes.
int bcc_resample_kernels(void);

// Bytes of scratch that bcc_resample needs with any kernel.
size_t bcc_resample_scratch(int src_w, int out_w, int x_taps);

// Scales src, rows of src_w RGB pixels, to out_w × out_h pixels in dst. Output
// pixel i of a direction is made of taps input pixels from first[i] on, with
// weights weight[i*taps...] that sum to 1 << 14. The caller has checked that all
// of them lie inside src, and that the kernel is one of those there are.
void bcc_resample(uint8_t *dst, const uint8_t *src, int src_w,
		  const int32_t *x_first, const int16_t *x_weight, int x_taps,
		  const int32_t *y_first, const int16_t *y_weight, int y_taps,
		  int out_w, int out_h, uint8_t *scratch, int kernel);

#endif
