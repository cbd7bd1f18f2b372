#include "codec.h"

#include <stdio.h>
#include <string.h>

#include <openjpeg.h>

struct memory {
	const unsigned char *p;
	size_t n, at;
};

static OPJ_SIZE_T on_read(void *to, OPJ_SIZE_T n, void *user) {
	struct memory *m = user;
	size_t left = m->n - m->at;
	if (left == 0) return (OPJ_SIZE_T)-1;
	if (n > left) n = left;
	memcpy(to, m->p + m->at, n);
	m->at += n;
	return n;
}

static OPJ_OFF_T on_skip(OPJ_OFF_T n, void *user) {
	struct memory *m = user;
	if (n < 0) return -1;
	size_t left = m->n - m->at;
	if ((size_t)n > left) n = (OPJ_OFF_T)left;
	m->at += (size_t)n;
	return n;
}

static OPJ_BOOL on_seek(OPJ_OFF_T to, void *user) {
	struct memory *m = user;
	if (to < 0 || (size_t)to > m->n) return OPJ_FALSE;
	m->at = (size_t)to;
	return OPJ_TRUE;
}

// The first message tells the cause, later ones its consequences.
static void on_error(const char *text, void *user) {
	char *message = user;
	if (message[0]) return;
	snprintf(message, BCC_J2K_MESSAGE, "%s", text);
	message[strcspn(message, "\r\n")] = 0;
}

static void on_warning(const char *text, void *user) { (void)text, (void)user; }

static int clamp(int v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

// mean of the samples of a component that an output pixel covers: extra halvings
// beyond those the stream has resolutions for.
static int sample(const opj_image_comp_t *c, int x, int y, int sub_x, int sub_y, int extra) {
	int side = 1 << extra, sum = 0, count = 0;
	for (int v = y * side; v < (y + 1) * side; v++) {
		for (int u = x * side; u < (x + 1) * side; u++) {
			int cx = u / sub_x, cy = v / sub_y;
			if (cx >= (int)c->w) cx = (int)c->w - 1;
			if (cy >= (int)c->h) cy = (int)c->h - 1;
			sum += c->data[(size_t)cy * c->w + (size_t)cx];
			count++;
		}
	}
	return clamp((sum + count / 2) / count);
}

// ITU-R BT.601 in 16 bits of fraction, as JFIF uses it.
static void from_ycc(unsigned char *p) {
	int y = p[0] << 16, cb = p[1] - 128, cr = p[2] - 128, half = 1 << 15;
	p[0] = (unsigned char)clamp((y + 91881 * cr + half) >> 16);
	p[1] = (unsigned char)clamp((y - 22554 * cb - 46802 * cr + half) >> 16);
	p[2] = (unsigned char)clamp((y + 116130 * cb + half) >> 16);
}

static int convert(unsigned char *dst, int w, int h, const opj_image_t *m, const int *sub, int ycc, int extra) {
	for (OPJ_UINT32 k = 0; k < m->numcomps; k++)
		if (!m->comps[k].data || m->comps[k].w == 0 || m->comps[k].h == 0) return -1;
	int colours = m->numcomps >= 3 ? 3 : 1;
	for (int y = 0; y < h; y++) {
		for (int x = 0; x < w; x++, dst += 3) {
			for (int k = 0; k < colours; k++)
				dst[k] = (unsigned char)sample(&m->comps[k], x, y, sub[2 * k], sub[2 * k + 1], extra);
			if (colours == 1) dst[1] = dst[2] = dst[0];
			else if (ycc) from_ycc(dst);
		}
	}
	return 0;
}

int bcc_j2k_decode(unsigned char *dst, int w, int h, const unsigned char *src, size_t n,
                   int ycc, int reduce, char *message) {
	struct memory in = {src, n, 0};
	opj_dparameters_t parameters;
	opj_image_t *image = NULL;
	int rc = -1;
	message[0] = 0;

	opj_stream_t *stream = opj_stream_create(1 << 16, OPJ_TRUE);
	opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_J2K);
	if (!stream || !codec) {
		on_error("no memory", message);
		goto out;
	}
	opj_stream_set_user_data(stream, &in, NULL);
	opj_stream_set_user_data_length(stream, n);
	opj_stream_set_read_function(stream, on_read);
	opj_stream_set_skip_function(stream, on_skip);
	opj_stream_set_seek_function(stream, on_seek);
	opj_set_error_handler(codec, on_error, message);
	opj_set_warning_handler(codec, on_warning, NULL);
	opj_set_info_handler(codec, on_warning, NULL);
	opj_set_default_decoder_parameters(&parameters);
	if (!opj_setup_decoder(codec, &parameters) || !opj_decoder_set_strict_mode(codec, OPJ_TRUE) ||
	    !opj_read_header(stream, codec, &image))
		goto out;

	int sub[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	for (OPJ_UINT32 k = 0; k < image->numcomps && k < 4; k++) {
		sub[2 * k] = (int)image->comps[k].dx;
		sub[2 * k + 1] = (int)image->comps[k].dy;
	}
	// A stream can only be halved as often as it has resolutions.
	opj_codestream_info_v2_t *info = opj_get_cstr_info(codec);
	if (!info) goto out;
	int halvings = reduce;
	for (OPJ_UINT32 k = 0; k < info->nbcomps; k++) {
		int most = (int)info->m_default_tile_info.tccp_info[k].numresolutions - 1;
		if (halvings > most) halvings = most < 0 ? 0 : most;
	}
	opj_destroy_cstr_info(&info);
	if (halvings > 0 && !opj_set_decoded_resolution_factor(codec, (OPJ_UINT32)halvings)) goto out;

	if (!opj_decode(codec, stream, image) || !opj_end_decompress(codec, stream)) goto out;
	rc = convert(dst, w, h, image, sub, ycc, reduce - halvings);
out:
	if (rc != 0) on_error("the image cannot be decoded", message);
	opj_image_destroy(image);
	opj_destroy_codec(codec);
	opj_stream_destroy(stream);
	return rc;
}
