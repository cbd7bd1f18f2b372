/* A driver's library with two GPUs, one of which tells little. BCC_FAKE_INIT is what
   starting it answers. */
#include <stdio.h>
#include <string.h>

typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned gpu, memory; } use;

int nvmlInit_v2(void) { return BCC_FAKE_INIT; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int r) { return r == 9 ? "Driver Not Loaded" : "Unknown Error"; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)(size_t)(i + 1); return 0; }
int nvmlDeviceGetName(void *d, char *name, unsigned n) { snprintf(name, n, "Fake %zu", (size_t)d); return 0; }
int nvmlDeviceGetUUID(void *d, char *id, unsigned n) { snprintf(id, n, "GPU-%zu", (size_t)d); return 0; }
int nvmlDeviceGetMemoryInfo(void *d, memory *m) { m->total = 16ull << 30; m->free = 15ull << 30; m->used = 1ull << 30; return 0; }
int nvmlDeviceGetUtilizationRates(void *d, use *u) { u->gpu = 37; return d == (void *)1 ? 0 : 3; }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *t) { *t = 54; return d == (void *)1 ? 0 : 3; }
