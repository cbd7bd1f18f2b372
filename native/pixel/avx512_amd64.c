// The kernel for processors with AVX-512 BW and VBMI (Ice Lake, Zen 4 and later):
// one permutation of bytes gathers the channels of four pixels.

#include "kernel.h"

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))

// down works as that for AVX2, on 64 bytes at a time.
AVX512 static void down(uint8_t *row, const uint8_t *src, int n, const int16_t *w, int taps)
{
	const __m512i zero = _mm512_setzero_si512(), half = _mm512_set1_epi32(HALF);
	if (n < 64 || taps == 1) {
		bcc_kernel_avx2.down(row, src, n, w, taps);
		return;
	}
	for (int b = 0; b < n; b += 64) {
		if (b > n - 64)
			b = n - 64; // the last block overlaps the one before
		__m512i s0 = half, s1 = half, s2 = half, s3 = half;
		const uint8_t *p = src + b;
		for (int k = 0; k < taps; k += 2, p += 2 * (size_t)n) {
			const __m512i weights = _mm512_set1_epi32((int)bcc_pair(w, k, taps));
			const __m512i r0 = _mm512_loadu_si512(p);
			const __m512i r1 = k + 1 < taps ? _mm512_loadu_si512(p + n) : zero;
			const __m512i lo = _mm512_unpacklo_epi8(r0, r1), hi = _mm512_unpackhi_epi8(r0, r1);
			s0 = _mm512_add_epi32(s0, _mm512_madd_epi16(_mm512_unpacklo_epi8(lo, zero), weights));
			s1 = _mm512_add_epi32(s1, _mm512_madd_epi16(_mm512_unpackhi_epi8(lo, zero), weights));
			s2 = _mm512_add_epi32(s2, _mm512_madd_epi16(_mm512_unpacklo_epi8(hi, zero), weights));
			s3 = _mm512_add_epi32(s3, _mm512_madd_epi16(_mm512_unpackhi_epi8(hi, zero), weights));
		}
		const __m512i low = _mm512_packs_epi32(_mm512_srai_epi32(s0, BITS), _mm512_srai_epi32(s1, BITS));
		const __m512i high = _mm512_packs_epi32(_mm512_srai_epi32(s2, BITS), _mm512_srai_epi32(s3, BITS));
		_mm512_storeu_si512(row + b, _mm512_packus_epi16(low, high));
	}
}

static size_t table_bytes(int out_w, int taps)
{
	return ((size_t)out_w / 4) * ((taps + 1) / 2 + 1) * 64;
}

// prepare writes, for each four pixels, 64 bytes that say where the channels of
// two taps lie behind the first of them, and for each two taps 64 bytes of
// weights. It gives up where four pixels do not lie within 64 bytes, that is
// where the picture shrinks more than six times.
static int prepare(uint8_t *table, const int32_t *first, const int16_t *weight, int out_w, int taps)
{
	static const int8_t channels[16] = {0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5}; // red, green, blue of both taps; odd bytes are masked
	for (int i = 0; i + 4 <= out_w; i += 4) {
		for (int j = 0; j < 4; j++) {
			const int32_t at = 3 * (first[i + j] - first[i]);
			if (at < 0 || at + 5 > 63)
				return 0;
			for (int c = 0; c < 16; c++)
				*table++ = (uint8_t)(at + channels[c]);
		}
		for (int k = 0; k < taps; k += 2)
			for (int j = 0; j < 4; j++) {
				const uint32_t w = bcc_pair(weight + (size_t)(i + j) * taps, k, taps);
				for (int c = 0; c < 4; c++, table += 4)
					memcpy(table, &w, 4);
			}
	}
	return 1;
}

// across_n makes sixteen pixels at a time; each quarter of a register holds one
// pixel of four.
AVX512 static inline __attribute__((always_inline)) int
across_n(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *table, int taps)
{
	const __m512i half = _mm512_set1_epi32(HALF);
	uint8_t pack[64] = {0}; // from rgb0 of pixels 0, 4, 8, 12, 1, 5, ... to rgb of pixels 0, 1, 2, ...
	for (int o = 0; o < 48; o++)
		pack[o] = (uint8_t)(16 * (o / 3 % 4) + 4 * (o / 12) + o % 3);
	const __m512i order = _mm512_loadu_si512(pack);
	const int steps = (taps + 1) / 2;
	int i = 0;
	for (; i + 16 <= out_w; i += 16, dst += 48) {
		__m512i s[4];
		for (int j = 0; j < 4; j++) {
			const uint8_t *p = row + 3 * (size_t)first[i + 4 * j];
			const __m512i where = _mm512_loadu_si512(table);
			__m512i sum = half;
			table += 64;
			for (int k = 0; k < steps; k++, p += 6, table += 64) {
				const __m512i two = _mm512_maskz_permutexvar_epi8(0x0555055505550555, where, _mm512_loadu_si512(p));
				sum = _mm512_add_epi32(sum, _mm512_madd_epi16(two, _mm512_loadu_si512(table)));
			}
			s[j] = _mm512_srai_epi32(sum, BITS);
		}
		const __m512i out = _mm512_packus_epi16(_mm512_packs_epi32(s[0], s[1]), _mm512_packs_epi32(s[2], s[3]));
		_mm512_mask_storeu_epi8(dst, 0xFFFFFFFFFFFF, _mm512_permutexvar_epi8(order, out));
	}
	return i;
}

AVX512 static int across(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *table, int taps)
{
	switch ((taps + 1) / 2) {
	case 1: return across_n(dst, row, out_w, first, table, 2);
	case 2: return across_n(dst, row, out_w, first, table, 4);
	default: return across_n(dst, row, out_w, first, table, taps);
	}
}

const struct kernel bcc_kernel_avx512 = {table_bytes, prepare, down, across};
