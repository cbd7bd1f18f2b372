// The kernel for processors with AVX2.

#include "kernel.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

// down takes two rows and 32 bytes at a time: bytes of both rows are
// interleaved, widened, and multiplied and added in pairs.
AVX2 static void down(uint8_t *row, const uint8_t *src, int n, const int16_t *w, int taps)
{
	const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(HALF);
	if (n < 32 || taps == 1) {
		bcc_down(row, src, n, w, taps);
		return;
	}
	for (int b = 0; b < n; b += 32) {
		if (b > n - 32)
			b = n - 32; // the last block overlaps the one before
		__m256i s0 = half, s1 = half, s2 = half, s3 = half;
		const uint8_t *p = src + b;
		for (int k = 0; k < taps; k += 2, p += 2 * (size_t)n) {
			const __m256i weights = _mm256_set1_epi32((int)bcc_pair(w, k, taps));
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

static size_t table_bytes(int out_w, int taps)
{
	return ((size_t)out_w / 2 + 1) * ((taps + 1) / 2) * 32;
}

// prepare writes, for each two pixels and each two taps, 32 bytes: one half a
// pixel, its pair of weights four times.
static int prepare(uint8_t *table, const int32_t *first, const int16_t *weight, int out_w, int taps)
{
	(void)first;
	for (int i = 0; i + 1 < out_w; i += 2)
		for (int k = 0; k < taps; k += 2)
			for (int j = 0; j < 2; j++) {
				const uint32_t w = bcc_pair(weight + (size_t)(i + j) * taps, k, taps);
				for (int c = 0; c < 4; c++, table += 4)
					memcpy(table, &w, 4);
			}
	return 1;
}

// across makes eight pixels at a time and returns how many it made. Each
// half of a register holds one pixel: red, green and blue of two taps in pairs.
AVX2 static inline __attribute__((always_inline)) int
across_n(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *table, int taps)
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
			for (int k = 0; k < steps; k++, a += 6, b += 6, table += 32) {
				const __m256i two = _mm256_inserti128_si256(
					_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
					_mm_loadu_si128((const __m128i *)b), 1);
				sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(two, pairs),
					_mm256_loadu_si256((const __m256i *)table)));
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

AVX2 static int across(uint8_t *dst, const uint8_t *row, int out_w, const int32_t *first, const uint8_t *table, int taps)
{
	switch ((taps + 1) / 2) {
	case 1: return across_n(dst, row, out_w, first, table, 2);
	case 2: return across_n(dst, row, out_w, first, table, 4);
	default: return across_n(dst, row, out_w, first, table, taps);
	}
}

const struct kernel bcc_kernel_avx2 = {table_bytes, prepare, down, across};
