#ifndef BCC_ORT_PIXELS_H
#define BCC_ORT_PIXELS_H

#include <stddef.h>
#include <stdint.h>

/* One multiplication and one addition a channel. */
typedef struct {
	float scale[3], bias[3];
} bcc_affine;

/* Turns n RGB pixels into three planes of n floats each. */
void bcc_rgb_to_planes(const uint8_t *rgb, float *planes, size_t n, bcc_affine m);

/* Turns n RGB pixels into n triples of floats. */
void bcc_rgb_to_triples(const uint8_t *rgb, float *triples, size_t n, bcc_affine m);

/* Memory at a cache line's start; NULL when there is none. free() it. */
void *bcc_alloc(size_t bytes);

#endif
