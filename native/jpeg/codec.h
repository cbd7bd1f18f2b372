// What Go calls of libjpeg. No function returns through exit() or keeps a
// pointer to Go memory after it has returned.
#ifndef BCC_JPEG_CODEC_H
#define BCC_JPEG_CODEC_H
#include <stddef.h>

enum { BCC_JPEG_OK = 0, BCC_JPEG_CORRUPT = 1, BCC_JPEG_UNSUPPORTED = 2, BCC_JPEG_MEMORY = 3 };

typedef struct bcc_jpeg_decoder bcc_jpeg_decoder;

bcc_jpeg_decoder *bcc_jpeg_decoder_new(long max_memory, int max_scans); // NULL: no memory
void bcc_jpeg_decoder_free(bcc_jpeg_decoder *d);
const char *bcc_jpeg_decoder_message(bcc_jpeg_decoder *d); // of the last call that failed
int bcc_jpeg_reset(bcc_jpeg_decoder *d);                   // forgets all tables
int bcc_jpeg_prime(bcc_jpeg_decoder *d, const unsigned char *tables, size_t n);
// Decodes into w*h*3 bytes at dst. many_scans tells whether the stream held more than one.
int bcc_jpeg_decode(bcc_jpeg_decoder *d, unsigned char *dst, int w, int h,
                    const unsigned char *src, size_t n, int rgb, int reduce, int *many_scans);

typedef struct bcc_jpeg_encoder bcc_jpeg_encoder;

bcc_jpeg_encoder *bcc_jpeg_encoder_new(int quality, int chroma420);
void bcc_jpeg_encoder_free(bcc_jpeg_encoder *e);
const char *bcc_jpeg_encoder_message(bcc_jpeg_encoder *e);
// Both leave their stream in *out, which belongs to the encoder until its next call.
int bcc_jpeg_encode(bcc_jpeg_encoder *e, const unsigned char *rgb, int w, int h, int as_rgb,
                    int with_tables, const unsigned char **out, size_t *n);
int bcc_jpeg_tables(bcc_jpeg_encoder *e, const unsigned char **out, size_t *n);
#endif
