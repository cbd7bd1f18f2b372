#include "codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

struct bcc_jpeg_decoder {
	struct jpeg_decompress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_source_mgr source;
	struct jpeg_progress_mgr progress;
	jmp_buf back;
	long max_memory;
	int max_scans;
	int kind;      // of the failure
	int ran_dry;   // the stream ended before its end marker
	char message[JMSG_LENGTH_MAX];
};

static void fail(bcc_jpeg_decoder *d, int kind, const char *why) {
	d->kind = kind;
	snprintf(d->message, sizeof d->message, "%s", why);
	longjmp(d->back, 1);
}

static void on_error(j_common_ptr info) {
	bcc_jpeg_decoder *d = info->client_data;
	int code = info->err->msg_code;
	info->err->format_message(info, d->message);
	d->kind = code == JERR_OUT_OF_MEMORY ? BCC_JPEG_MEMORY
	        : code == JERR_NO_BACKING_STORE || code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED ||
	          code == JERR_CONVERSION_NOTIMPL || code == JERR_NOT_COMPILED || code == JERR_IMAGE_TOO_BIG
	            ? BCC_JPEG_UNSUPPORTED
	            : BCC_JPEG_CORRUPT;
	longjmp(d->back, 1);
}

// Warnings that mean lost pixels are errors; those about cosmetics are not.
static void on_message(j_common_ptr info, int level) {
	if (level >= 0) return;
	switch (info->err->msg_code) {
	case JWRN_HIT_MARKER:
	case JWRN_HUFF_BAD_CODE:
	case JWRN_ARITH_BAD_CODE:
	case JWRN_MUST_RESYNC:
	case JWRN_BOGUS_PROGRESSION:
		on_error(info);
	}
}

static void on_output(j_common_ptr info) { (void)info; }

// A large image gets fewer scans, so that none takes more than a second or so.
static void on_progress(j_common_ptr info) {
	bcc_jpeg_decoder *d = info->client_data;
	double pixels = (double)d->info.image_width * d->info.image_height;
	if (d->info.input_scan_number > 20 && d->info.input_scan_number * pixels > (double)(1 << 29))
		fail(d, BCC_JPEG_CORRUPT, "more scans of so large an image than it can need");
	if (d->info.input_scan_number > d->max_scans) fail(d, BCC_JPEG_CORRUPT, "more scans than an image can need");
}

static void source_nop(j_decompress_ptr info) { (void)info; }

// At the end of the stream: an end marker, once more and for ever. Entropy data
// that is cut short then makes a warning that on_message turns into an error.
static boolean source_fill(j_decompress_ptr info) {
	static const JOCTET end[2] = {0xff, JPEG_EOI};
	bcc_jpeg_decoder *d = info->client_data;
	d->ran_dry = 1;
	d->source.next_input_byte = end;
	d->source.bytes_in_buffer = sizeof end;
	return TRUE;
}

static void source_skip(j_decompress_ptr info, long n) {
	bcc_jpeg_decoder *d = info->client_data;
	if (n <= 0) return;
	if ((size_t)n > d->source.bytes_in_buffer) {
		source_fill(info);
		return;
	}
	d->source.next_input_byte += n;
	d->source.bytes_in_buffer -= (size_t)n;
}

static void set_source(bcc_jpeg_decoder *d, const unsigned char *src, size_t n) {
	d->ran_dry = 0;
	d->source.next_input_byte = src;
	d->source.bytes_in_buffer = n;
}

int bcc_jpeg_reset(bcc_jpeg_decoder *d) {
	jpeg_destroy_decompress(&d->info);
	if (setjmp(d->back)) return d->kind;
	jpeg_create_decompress(&d->info);
	d->info.client_data = d;
	d->info.src = &d->source;
	d->info.progress = &d->progress;
	d->info.mem->max_memory_to_use = d->max_memory;
	return BCC_JPEG_OK;
}

bcc_jpeg_decoder *bcc_jpeg_decoder_new(long max_memory, int max_scans) {
	bcc_jpeg_decoder *d = calloc(1, sizeof *d);
	if (!d) return NULL;
	d->max_memory = max_memory;
	d->max_scans = max_scans;
	d->info.err = jpeg_std_error(&d->errors);
	d->errors.error_exit = on_error;
	d->errors.emit_message = on_message;
	d->errors.output_message = on_output;
	d->info.client_data = d;
	d->source.init_source = source_nop;
	d->source.fill_input_buffer = source_fill;
	d->source.skip_input_data = source_skip;
	d->source.resync_to_restart = jpeg_resync_to_restart;
	d->source.term_source = source_nop;
	d->progress.progress_monitor = on_progress;
	if (bcc_jpeg_reset(d) == BCC_JPEG_OK) return d;
	bcc_jpeg_decoder_free(d);
	return NULL;
}

void bcc_jpeg_decoder_free(bcc_jpeg_decoder *d) {
	if (!d) return;
	jpeg_destroy_decompress(&d->info);
	free(d);
}

const char *bcc_jpeg_decoder_message(bcc_jpeg_decoder *d) { return d->message; }

int bcc_jpeg_prime(bcc_jpeg_decoder *d, const unsigned char *tables, size_t n) {
	if (setjmp(d->back)) {
		jpeg_abort_decompress(&d->info);
		set_source(d, NULL, 0);
		return d->kind;
	}
	set_source(d, tables, n);
	int got = jpeg_read_header(&d->info, FALSE);
	jpeg_abort_decompress(&d->info); // keeps the tables
	if (got != JPEG_HEADER_TABLES_ONLY) fail(d, BCC_JPEG_CORRUPT, "the tables hold an image");
	set_source(d, NULL, 0);
	return BCC_JPEG_OK;
}

int bcc_jpeg_decode(bcc_jpeg_decoder *d, unsigned char *dst, int w, int h,
                    const unsigned char *src, size_t n, int rgb, int reduce, int *many_scans) {
	struct jpeg_decompress_struct *info = &d->info;
	*many_scans = 1;
	if (setjmp(d->back)) {
		jpeg_abort_decompress(info);
		set_source(d, NULL, 0);
		return d->kind;
	}
	set_source(d, src, n);
	jpeg_read_header(info, TRUE);

	if (info->num_components == 3) {
		if (rgb) info->jpeg_color_space = JCS_RGB;
	} else if (info->num_components != 1) {
		fail(d, BCC_JPEG_UNSUPPORTED, "neither one nor three components");
	}
	info->out_color_space = JCS_RGB;
	info->dct_method = JDCT_ISLOW;
	info->do_fancy_upsampling = TRUE;
	info->scale_num = 1;
	info->scale_denom = 1u << reduce;
	jpeg_calc_output_dimensions(info);
	// Rows beyond h are left: some writers pad the last strip.
	if (info->output_width != (JDIMENSION)w || info->output_height < (JDIMENSION)h) {
		char why[80];
		snprintf(why, sizeof why, "the stream holds %ux%u, not %dx%d",
		         info->output_width, info->output_height, w, h);
		fail(d, BCC_JPEG_CORRUPT, why);
	}

	jpeg_start_decompress(info);
	size_t stride = (size_t)w * 3;
	while (info->output_scanline < (JDIMENSION)h) {
		JSAMPROW rows[16];
		int wanted = h - (int)info->output_scanline;
		if (wanted > 16) wanted = 16;
		for (int i = 0; i < wanted; i++) rows[i] = dst + stride * (info->output_scanline + (size_t)i);
		if (jpeg_read_scanlines(info, rows, (JDIMENSION)wanted) == 0) fail(d, BCC_JPEG_CORRUPT, "no more rows");
	}
	*many_scans = jpeg_has_multiple_scans(info);
	if (*many_scans && d->ran_dry) fail(d, BCC_JPEG_CORRUPT, "premature end of file");
	jpeg_abort_decompress(info);
	set_source(d, NULL, 0);
	return BCC_JPEG_OK;
}
