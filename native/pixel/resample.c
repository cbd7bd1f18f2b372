// The arithmetic is that of patch.Resample: each row first down, rounded to
// bytes, then across. Both steps exist twice: in plain C, which the compiler
// vectorises as far as it can, and for AVX2, chosen when the processor has it.

#include "resample.h"

#include <stddef.h>
#include <string.h>

#define BITS 14
#define HALF (1 << (BITS - 1))
#define PAD 64 // bytes that wide loads may read past the end of the row

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

static void down(uint8_t *row, const uint8_t *src, int n, const int16_t *w, int taps)
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

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

// pair returns two weights as one lane for _mm256_madd_epi16, the second 0 where
// there is none.
static inline uint32_t pair(const int16_t *w, int k, int taps)
{
	return (uint16_t)w[k] | (k + 1 < taps ? (uint32_t)(uint16_t)w[k + 1] << 16 : 0);
}

// down_avx2 takes two rows and 32 bytes at a time: bytes of both rows are
// interleaved, widened, and multiplied and added in pairs.
AVX2 static void down_avx2(uint8_t *row, const uint8_t *src, int n, const int16_t *w, int taps)
{
	const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(HALF);
	if (n < 32 || taps == 1) {
		down(row, src, n, w, taps);
		return;
	}
	for (int b = 0; b < n; b += 32) {
		if (b > n - 32)
			b = n - 32; // the last block overlaps the one before
		__m256i s0 = half, s1 = half, s2 = half, s3 = half;
		const uint8_t *p = src + b;
		for (int k = 0; k < taps; k += 2, p += 2 * (size_t)n) {
			const __m256i weights = _mm256_set1_epi32((int)pair(w, k, taps));
			const __m256i r0 = _mm256_loadu_si256((const __m256i *)p);
			const __m256i r1 = k + 1 < taps ? _mm256_loadu_si256((const __m256i *)(p + n)) : zero;
			const __m256i lo = _mm256_unpacklo_epi8(r0, r1), hi = _mm256_unpackhi_epi8(r0, r1);
			s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(_mm256_unpacklo_epi8(lo, zero), weights));
			s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(_mm256_unpackhi_epi8(lo, zero), weights));
			s2 = _mm256_add_epi32(s2, _mm256_madd_epi16(_mm256_unpacklo_epi8(hi, zero), weights));
			s3 = _mm256_add_epi32(s3, _mm256_madd_epi16(_mm256_unpackhi_epi8(hi, zero), weights));
		}
		const __m256i low = _mm256_packs_epi32(_mm256_srai_epi32(s0, BITS), _mm256_srai_epi32(s1, BITS));
		const __m256i high = _mm256_packs_epi32(_mm256_srai_epi32(s2, BITS), _mm256_srai_epi32(s3, BITS));
		_mm256_storeu_si256((__m256i *)(row + b), _mm256_packus_epi16(low, high));
	}
}

// spread lays the weights out as across_avx2 reads them: for each two pixels and
// each two taps 32 bytes, one half a pixel, its pair of weights four times.
static void spread(uint32_t *out, const int16_t *weight, int out_w, int taps)
{
	for (int i = 0; i + 1 < out_w; i += 2)
		for (int k = 0; k < taps; k += 2)
			for (int j = 0; j < 2; j++)
				for (int c = 0; c < 4; c++)
					*out++ = pair(weight + (size_t)(i + j) * taps, k, taps);
}

// across_avx2 makes eight pixels at a time and returns how many it made. Each
// half of a register holds one pixel: red, green and blue of two taps in pairs.
AVX2 static inline __attribute__((always_inline)) int
across_avx2_n(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *spread, int taps)
{
	const __m256i half = _mm256_set1_epi32(HALF);
	const __m256i pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8( // two pixels' channels side by side, widened
		0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
	const __m256i squeeze = _mm256_broadcastsi128_si256(_mm_setr_epi8( // four pixels from 16 to 12 bytes
		0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	const int steps = (taps + 1) / 2;
	int i = 0;
	for (; i + 8 <= out_w; i += 8, dst += 24) {
		__m256i s[4];
		for (int j = 0; j < 4; j++) {
			const uint8_t *a = row + 3 * (size_t)first[i + 2 * j];
			const uint8_t *b = row + 3 * (size_t)first[i + 2 * j + 1];
			__m256i sum = half;
			for (int k = 0; k < steps; k++, a += 6, b += 6, spread += 32) {
				const __m256i two = _mm256_inserti128_si256(
					_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
					_mm_loadu_si128((const __m128i *)b), 1);
				sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(two, pairs),
					_mm256_loadu_si256((const __m256i *)spread)));
			}
			s[j] = _mm256_srai_epi32(sum, BITS);
		}
		__m256i out = _mm256_packus_epi16(_mm256_packs_epi32(s[0], s[1]), _mm256_packs_epi32(s[2], s[3]));
		out = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(out, order), squeeze);
		const __m128i high = _mm256_extracti128_si256(out, 1);
		const int last = _mm_extract_epi32(high, 2);
		_mm_storeu_si128((__m128i *)dst, _mm256_castsi256_si128(out));
		_mm_storel_epi64((__m128i *)(dst + 12), high); // not 16 bytes: dst may end here
		memcpy(dst + 20, &last, 4);
	}
	return i;
}

AVX2 static int across_avx2(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *spread, int taps)
{
	switch ((taps + 1) / 2) {
	case 1: return across_avx2_n(dst, row, out_w, first, spread, 2);
	case 2: return across_avx2_n(dst, row, out_w, first, spread, 4);
	default: return across_avx2_n(dst, row, out_w, first, spread, taps);
	}
}
#endif

static size_t row_bytes(int src_w)
{
	return ((size_t)src_w * 3 + PAD + 31) / 32 * 32;
}

size_t bcc_resample_scratch(int src_w, int out_w, int x_taps)
{
	return row_bytes(src_w) + ((size_t)out_w / 2 + 1) * ((x_taps + 1) / 2) * 32;
}

void bcc_resample(uint8_t *dst, const uint8_t *src, int src_w,
		  const int32_t *x_first, const int16_t *x_weight, int x_taps,
		  const int32_t *y_first, const int16_t *y_weight, int y_taps,
		  int out_w, int out_h, uint8_t *scratch, int plain)
{
	const int n = 3 * src_w;
	uint8_t *row = scratch;
	(void)plain;
#if defined(__x86_64__)
	const int wide = !plain && __builtin_cpu_supports("avx2");
	uint8_t *weights = scratch + row_bytes(src_w);
	if (wide)
		spread((uint32_t *)(void *)weights, x_weight, out_w, x_taps);
#endif
	for (int j = 0; j < out_h; j++, dst += 3 * (size_t)out_w) {
		const uint8_t *from = src + (size_t)y_first[j] * n;
		const int16_t *w = y_weight + (size_t)j * y_taps;
		int done = 0;
#if defined(__x86_64__)
		if (wide) {
			down_avx2(row, from, n, w, y_taps);
			done = across_avx2(dst, row, out_w, x_first, weights, x_taps);
		} else
#endif
			down(row, from, n, w, y_taps);
		across(dst, row, done, out_w, x_first, x_weight, x_taps);
	}
}
