//go:build cgo

// What the machine has, asked before the engine is, so that a missing or old
// library and a missing GPU give a reason instead of a crash.

#include "probe.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

static void say(char reason[BCC_REASON], const char *what) {
	snprintf(reason, BCC_REASON, "%s", what ? what : "unknown reason");
}

// The beginning of OrtApiBase, which is the same in every version.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version_string)(void);
} api_base;

int bcc_probe_ort(const char *path, char version[64], char reason[BCC_REASON]) {
	version[0] = 0;
	void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!lib) {
		say(reason, dlerror());
		return -1;
	}
	const api_base *(*get_base)(void);
	*(void **)&get_base = dlsym(lib, "OrtGetApiBase");
	const api_base *base = get_base ? get_base() : NULL;
	if (!base || !base->get_version_string) {
		dlclose(lib);
		say(reason, "it has no OrtGetApiBase");
		return -1;
	}
	snprintf(version, 64, "%s", base->get_version_string());
	return 0;
}

int bcc_probe_cuda(int n, uint64_t *bytes, char reason[BCC_REASON]) {
	// Left open for good: the engine opens it too, and it does not unload well.
	void *lib = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
	if (!lib) {
		say(reason, "no NVIDIA driver (libcuda.so.1)");
		return -1;
	}
	int (*init)(unsigned), (*count)(int *), (*get)(int *, int), (*memory)(size_t *, int);
	*(void **)&init = dlsym(lib, "cuInit");
	*(void **)&count = dlsym(lib, "cuDeviceGetCount");
	*(void **)&get = dlsym(lib, "cuDeviceGet");
	*(void **)&memory = dlsym(lib, "cuDeviceTotalMem_v2");
	if (!init || !count || !get || !memory) {
		say(reason, "libcuda.so.1 is not NVIDIA's driver");
		return -1;
	}
	int devices = 0, device = 0, rc;
	size_t total = 0;
	if ((rc = init(0)) || (rc = count(&devices)) || devices == 0) {
		snprintf(reason, BCC_REASON, "no NVIDIA GPU (driver error %d)", rc);
		return -1;
	}
	if (n < 0 || n >= devices) {
		snprintf(reason, BCC_REASON, "no GPU %d, the driver knows %d", n, devices);
		return -1;
	}
	if ((rc = get(&device, n)) || (rc = memory(&total, device))) {
		snprintf(reason, BCC_REASON, "GPU %d does not answer (driver error %d)", n, rc);
		return -1;
	}
	*bytes = total;
	return 0;
}
