#ifndef BCC_KERNEL_H
#define BCC_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define BITS 14 // of a weight
#define HALF (1 << (BITS - 1))
#define PAD 64 // bytes behind the row that wide loads may read

// A kernel is one way to take both steps.
struct kernel {
	// Bytes that prepare writes for out_w pixels of taps each.
	size_t (*table_bytes)(int out_w, int taps);
	// Lays the taps across out as across reads them. 0: it cannot use these.
	int (*prepare)(uint8_t *table, const int32_t *first, const int16_t *weight, int out_w, int taps);
	// Makes n bytes of one row from taps rows of n bytes.
	void (*down)(uint8_t *row, const uint8_t *src, int n, const int16_t *weight, int taps);
	// Makes output pixels from one row and returns how many: the rest is left to plain C.
	int (*across)(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *table, int taps);
};

extern const struct kernel bcc_kernel_avx2, bcc_kernel_avx512; // amd64 only

// Makes one row in plain C, as kernel.down.
void bcc_down(uint8_t *row, const uint8_t *src, int n, const int16_t *weight, int taps);

// Returns two weights as the two halves of a word, the second 0 where there is none.
static inline uint32_t bcc_pair(const int16_t *w, int k, int taps)
{
	return (uint16_t)w[k] | (k + 1 < taps ? (uint32_t)(uint16_t)w[k + 1] << 16 : 0);
}

#endif
