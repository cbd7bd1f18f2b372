#ifndef BCC_NVML_DRIVER_H
#define BCC_NVML_DRIVER_H

#include <stdint.h>

#define BCC_REASON 256

typedef struct {
	char name[96], uuid[96];
	uint64_t memory_total, memory_used; /* bytes */
	unsigned use_percent, temperature_c;
} bcc_gpu;

/* The driver's library, loaded and started. NULL, with a reason, where that fails. */
typedef struct bcc_driver bcc_driver;
bcc_driver *bcc_driver_open(const char *path, char reason[BCC_REASON]);
void bcc_driver_close(bcc_driver *d);

/* How many GPUs there are; -1 with a reason. */
int bcc_driver_count(bcc_driver *d, char reason[BCC_REASON]);

/* Reads GPU i; -1 with a reason. What it does not tell stays zero. */
int bcc_driver_read(bcc_driver *d, unsigned i, bcc_gpu *gpu, char reason[BCC_REASON]);

#endif
