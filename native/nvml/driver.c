//go:build cgo

#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of nvml.h (NVML API Reference, 2026) that is used here. */
enum { driver_not_loaded = 9, temperature_gpu = 0 };
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned gpu, memory; } utilization;
typedef void *device;

struct bcc_driver {
	void *library;
	int (*init)(void);
	int (*shutdown)(void);
	const char *(*words)(int);
	int (*count)(unsigned *);
	int (*handle)(unsigned, device *);
	int (*name)(device, char *, unsigned);
	int (*uuid)(device, char *, unsigned);
	int (*memory)(device, memory *);
	int (*use)(device, utilization *);
	int (*temperature)(device, int, unsigned *);
};

/* The names of the functions, in the order of the fields above. */
static const char *const names[] = {
	"nvmlInit_v2", "nvmlShutdown", "nvmlErrorString", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName",
	"nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTemperature",
};
enum { functions = sizeof names / sizeof *names };
_Static_assert(sizeof(bcc_driver) == (1 + functions) * sizeof(void *), "a name for each field");

static bcc_driver *give_up(bcc_driver *d) {
	if (d->library)
		dlclose(d->library);
	free(d);
	return NULL;
}

bcc_driver *bcc_driver_open(const char *path, char reason[BCC_REASON]) {
	bcc_driver *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!d->library) {
		snprintf(reason, BCC_REASON, "the driver's library libnvidia-ml.so.1 is not installed, or cannot be loaded");
		return give_up(d);
	}
	for (int i = 0; i < functions; i++) {
		void *f = dlsym(d->library, names[i]);
		if (!f) {
			snprintf(reason, BCC_REASON, "libnvidia-ml.so.1 is too old, or something else: it has no %s", names[i]);
			return give_up(d);
		}
		memcpy((char *)d + (1 + i) * sizeof(void *), &f, sizeof f);
	}
	int rc = d->init();
	if (rc == driver_not_loaded)
		snprintf(reason, BCC_REASON, "libnvidia-ml.so.1 is there, but no driver is loaded");
	else if (rc)
		snprintf(reason, BCC_REASON, "libnvidia-ml.so.1 does not start: %s", d->words(rc));
	return rc ? give_up(d) : d;
}

void bcc_driver_close(bcc_driver *d) {
	d->shutdown();
	give_up(d);
}

int bcc_driver_count(bcc_driver *d, char reason[BCC_REASON]) {
	unsigned n = 0;
	int rc = d->count(&n);
	if (rc) {
		snprintf(reason, BCC_REASON, "the driver does not count its GPUs: %s", d->words(rc));
		return -1;
	}
	return (int)n;
}

int bcc_driver_read(bcc_driver *d, unsigned i, bcc_gpu *gpu, char reason[BCC_REASON]) {
	device at = NULL;
	int rc = d->handle(i, &at);
	if (rc) {
		snprintf(reason, BCC_REASON, "GPU %u cannot be had: %s", i, d->words(rc));
		return -1;
	}
	memory m = {0};
	utilization u = {0};
	memset(gpu, 0, sizeof *gpu);
	d->name(at, gpu->name, sizeof gpu->name);
	d->uuid(at, gpu->uuid, sizeof gpu->uuid);
	if (!d->memory(at, &m))
		gpu->memory_total = m.total, gpu->memory_used = m.used;
	if (!d->use(at, &u))
		gpu->use_percent = u.gpu;
	if (d->temperature(at, temperature_gpu, &gpu->temperature_c))
		gpu->temperature_c = 0;
	return 0;
}
