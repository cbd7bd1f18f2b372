#include "codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

struct bcc_jpeg_encoder {
	struct jpeg_compress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_destination_mgr dest;
	jmp_buf back;
	int quality, chroma420;
	unsigned char *buffer; // malloc'd, grows, never shrinks
	size_t size;
	char message[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr info) {
	bcc_jpeg_encoder *e = info->client_data;
	info->err->format_message(info, e->message);
	longjmp(e->back, 1);
}

static void on_message(j_common_ptr info, int level) { (void)info, (void)level; }
static void on_output(j_common_ptr info) { (void)info; }

static void dest_init(j_compress_ptr info) {
	bcc_jpeg_encoder *e = info->client_data;
	e->dest.next_output_byte = e->buffer;
	e->dest.free_in_buffer = e->size;
}

static boolean dest_full(j_compress_ptr info) {
	bcc_jpeg_encoder *e = info->client_data;
	unsigned char *bigger = realloc(e->buffer, e->size * 2);
	if (!bigger) ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
	e->dest.next_output_byte = bigger + e->size; // the library calls this with the whole buffer used
	e->dest.free_in_buffer = e->size;
	e->buffer = bigger;
	e->size *= 2;
	return TRUE;
}

static void dest_term(j_compress_ptr info) { (void)info; }

static int create(bcc_jpeg_encoder *e) {
	if (setjmp(e->back)) return BCC_JPEG_CORRUPT;
	jpeg_create_compress(&e->info);
	e->info.client_data = e;
	e->info.dest = &e->dest;
	return BCC_JPEG_OK;
}

bcc_jpeg_encoder *bcc_jpeg_encoder_new(int quality, int chroma420) {
	bcc_jpeg_encoder *e = calloc(1, sizeof *e);
	if (!e) return NULL;
	e->quality = quality;
	e->chroma420 = chroma420;
	e->size = 1 << 16;
	e->buffer = malloc(e->size);
	e->info.err = jpeg_std_error(&e->errors);
	e->errors.error_exit = on_error;
	e->errors.emit_message = on_message;
	e->errors.output_message = on_output;
	e->info.client_data = e;
	e->dest.init_destination = dest_init;
	e->dest.empty_output_buffer = dest_full;
	e->dest.term_destination = dest_term;
	if (e->buffer && create(e) == BCC_JPEG_OK) return e;
	bcc_jpeg_encoder_free(e);
	return NULL;
}

void bcc_jpeg_encoder_free(bcc_jpeg_encoder *e) {
	if (!e) return;
	jpeg_destroy_compress(&e->info);
	free(e->buffer);
	free(e);
}

const char *bcc_jpeg_encoder_message(bcc_jpeg_encoder *e) { return e->message; }

static void settle(bcc_jpeg_encoder *e, int as_rgb) {
	struct jpeg_compress_struct *info = &e->info;
	info->input_components = 3;
	info->in_color_space = JCS_RGB;
	jpeg_set_defaults(info);
	jpeg_set_colorspace(info, as_rgb ? JCS_RGB : JCS_YCbCr);
	info->write_Adobe_marker = FALSE; // Aperio has none, and the directory tells the colours
	info->write_JFIF_header = FALSE;
	jpeg_set_quality(info, e->quality, TRUE);
	info->dct_method = JDCT_ISLOW;
	int side = e->chroma420 && !as_rgb ? 2 : 1;
	info->comp_info[0].h_samp_factor = side;
	info->comp_info[0].v_samp_factor = side;
}

int bcc_jpeg_encode(bcc_jpeg_encoder *e, const unsigned char *rgb, int w, int h, int as_rgb,
                    int with_tables, const unsigned char **out, size_t *n) {
	struct jpeg_compress_struct *info = &e->info;
	if (setjmp(e->back)) {
		jpeg_abort_compress(info);
		return BCC_JPEG_CORRUPT;
	}
	info->image_width = (JDIMENSION)w;
	info->image_height = (JDIMENSION)h;
	settle(e, as_rgb);
	if (!with_tables) jpeg_suppress_tables(info, TRUE);
	jpeg_start_compress(info, with_tables ? TRUE : FALSE);
	size_t stride = (size_t)w * 3;
	while (info->next_scanline < info->image_height) {
		JSAMPROW rows[16];
		int left = (int)(info->image_height - info->next_scanline);
		if (left > 16) left = 16;
		for (int i = 0; i < left; i++)
			rows[i] = (JSAMPROW)(rgb + stride * (info->next_scanline + (size_t)i)); // only read
		jpeg_write_scanlines(info, rows, (JDIMENSION)left);
	}
	jpeg_finish_compress(info);
	*out = e->buffer;
	*n = e->size - e->dest.free_in_buffer;
	return BCC_JPEG_OK;
}

int bcc_jpeg_tables(bcc_jpeg_encoder *e, const unsigned char **out, size_t *n) {
	if (setjmp(e->back)) {
		jpeg_abort_compress(&e->info);
		return BCC_JPEG_CORRUPT;
	}
	settle(e, 0);
	jpeg_suppress_tables(&e->info, FALSE);
	jpeg_write_tables(&e->info);
	*out = e->buffer;
	*n = e->size - e->dest.free_in_buffer;
	return BCC_JPEG_OK;
}
