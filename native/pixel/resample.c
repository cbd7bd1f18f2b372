// The arithmetic is that of patch.Resample: each row first down, rounded to
// bytes, then across. Here are both steps in plain C, which the compiler
// vectorises as far as it can, and the choice between it and the kernels that are
// written for wide registers.

#include "resample.h"

#include "kernel.h"

static inline uint8_t clamp(int32_t v)
{
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

// down_n makes n bytes of one row from taps rows of src. With taps a constant
// the inner loop unrolls and the outer one vectorises.
static inline __attribute__((always_inline)) void
down_n(uint8_t *restrict row, const uint8_t *restrict src, int n, const int16_t *w, int taps)
{
	for (int b = 0; b < n; b++) {
		int32_t sum = HALF;
		for (int k = 0; k < taps; k++)
			sum += w[k] * src[(size_t)k * n + b];
		row[b] = clamp(sum >> BITS);
	}
}

void bcc_down(uint8_t *row, const uint8_t *src, int n, const int16_t *w, int taps)
{
	switch (taps) {
	case 2: down_n(row, src, n, w, 2); break;
	case 3: down_n(row, src, n, w, 3); break;
	case 4: down_n(row, src, n, w, 4); break;
	default: down_n(row, src, n, w, taps);
	}
}

// across makes pixels from to out_w of one output row.
static inline __attribute__((always_inline)) void
across_n(uint8_t *restrict dst, const uint8_t *restrict row, int from, int out_w,
	 const int32_t *first, const int16_t *weight, int taps)
{
	for (int i = from; i < out_w; i++) {
		const uint8_t *p = row + 3 * (size_t)first[i];
		const int16_t *w = weight + (size_t)i * taps;
		int32_t r = HALF, g = HALF, b = HALF;
		for (int k = 0; k < taps; k++) {
			r += w[k] * p[3 * k];
			g += w[k] * p[3 * k + 1];
			b += w[k] * p[3 * k + 2];
		}
		dst[3 * i] = clamp(r >> BITS);
		dst[3 * i + 1] = clamp(g >> BITS);
		dst[3 * i + 2] = clamp(b >> BITS);
	}
}

static void across(uint8_t *dst, const uint8_t *row, int from, int out_w,
		   const int32_t *first, const int16_t *weight, int taps)
{
	switch (taps) {
	case 2: across_n(dst, row, from, out_w, first, weight, 2); break;
	case 4: across_n(dst, row, from, out_w, first, weight, 4); break;
	default: across_n(dst, row, from, out_w, first, weight, taps);
	}
}

static size_t table_bytes(int out_w, int taps)
{
	(void)out_w, (void)taps;
	return 0;
}

static int prepare(uint8_t *table, const int32_t *first, const int16_t *weight, int out_w, int taps)
{
	(void)table, (void)first, (void)weight, (void)out_w, (void)taps;
	return 1;
}

static int across_none(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *table, int taps)
{
	(void)dst, (void)row, (void)out_w, (void)first, (void)table, (void)taps;
	return 0;
}

static const struct kernel plain = {table_bytes, prepare, bcc_down, across_none};

static const struct kernel *const kernels[] = {
	&plain,
#if defined(__x86_64__)
	&bcc_kernel_avx2,
	&bcc_kernel_avx512,
#endif
};

int bcc_resample_kernels(void)
{
#if defined(__x86_64__)
	if (!__builtin_cpu_supports("avx2"))
		return 1;
	if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vbmi"))
		return 2;
#endif
	return sizeof kernels / sizeof kernels[0];
}

static size_t row_bytes(int src_w)
{
	return ((size_t)src_w * 3 + PAD + 63) / 64 * 64;
}

size_t bcc_resample_scratch(int src_w, int out_w, int x_taps)
{
	size_t most = 0;
	for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
		const size_t n = kernels[k]->table_bytes(out_w, x_taps);
		most = n > most ? n : most;
	}
	return row_bytes(src_w) + most;
}

void bcc_resample(uint8_t *dst, const uint8_t *src, int src_w,
		  const int32_t *x_first, const int16_t *x_weight, int x_taps,
		  const int32_t *y_first, const int16_t *y_weight, int y_taps,
		  int out_w, int out_h, uint8_t *scratch, int kernel)
{
	const int n = 3 * src_w;
	uint8_t *row = scratch, *table = scratch + row_bytes(src_w);
	while (!kernels[kernel]->prepare(table, x_first, x_weight, out_w, x_taps))
		kernel--; // plain C takes all
	const struct kernel *k = kernels[kernel];
	for (int j = 0; j < out_h; j++, dst += 3 * (size_t)out_w) {
		k->down(row, src + (size_t)y_first[j] * n, n, y_weight + (size_t)j * y_taps, y_taps);
		const int done = k->across(dst, row, out_w, x_first, table, x_taps);
		across(dst, row, done, out_w, x_first, x_weight, x_taps);
	}
}
