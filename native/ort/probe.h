#ifndef BCC_ORT_PROBE_H
#define BCC_ORT_PROBE_H

#include <stdint.h>

#define BCC_REASON 512

/* Opens a shared library and asks it for ONNX Runtime's version, which it writes
   to version ("" when it is some other library). Returns 0, or -1 with the loader's
   reason. The library stays open. */
int bcc_probe_ort(const char *path, char version[64], char reason[BCC_REASON]);

/* Asks NVIDIA's driver for device n: 0 and its memory in bytes, or -1 with a reason. */
int bcc_probe_cuda(int n, uint64_t *bytes, char reason[BCC_REASON]);

#endif
