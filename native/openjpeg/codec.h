// What Go calls of OpenJPEG. No pointer to Go memory is kept after the call.
#ifndef BCC_OPENJPEG_CODEC_H
#define BCC_OPENJPEG_CODEC_H
#include <stddef.h>

enum { BCC_J2K_MESSAGE = 256 };

// Decodes a bare codestream, whose header has been checked, into w*h*3 bytes at
// dst. Returns 0, or -1 and a text in message.
int bcc_j2k_decode(unsigned char *dst, int w, int h, const unsigned char *src, size_t n,
                   int ycc, int reduce, char *message);
#endif
