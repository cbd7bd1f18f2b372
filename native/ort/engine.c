//go:build cgo

#include "engine.h"

#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>

typedef void *status; // an error to be freed, NULL where there is none

// The interface is a table of functions to which each version of the library only
// appends. These are the places of those we call, in version 24; a test compares
// them with the header that comes with the wrapper.
enum {
	get_error_message = 2,
	create_run_options = 39,
	run_options_set_terminate = 46,
	run_options_unset_terminate = 47,
	create_tensor_with_data = 49,
	get_tensor_mutable_data = 51,
	get_tensor_element_type = 60,
	get_dimensions_count = 61,
	get_dimensions = 62,
	get_tensor_type_and_shape = 65,
	create_memory_info = 68,
	create_cpu_memory_info = 69,
	allocator_free = 76,
	get_allocator = 78,
	release_status = 93,
	release_memory_info = 94,
	release_value = 96,
	release_run_options = 97,
	release_type_and_shape = 99,
	run_with_binding = 133,
	create_binding = 134,
	release_binding = 135,
	bind_input = 136,
	bind_output = 137,
	bind_output_to_device = 138,
	get_bound_output_values = 140,
	clear_bound_inputs = 141,
	clear_bound_outputs = 142,
	add_run_config_entry = 165,
};

enum { interface_version = 24 };

// Values of the interface's own enumerations.
enum { element_float = 1, allocator_device = 0, allocator_arena = 1, memory_default = 0 };

static const void *const *api;
static void *cpu_place;

#define CALL(f, type, ...) (*(status(*) type)api[f])(__VA_ARGS__)
#define RELEASE(f, handle) (*(void (*)(void *))api[f])(handle)

static int ok(status s, char reason[BCC_REASON]) {
	if (!s)
		return 0;
	const char *text = (*(const char *(*)(status))api[get_error_message])(s);
	snprintf(reason, BCC_REASON, "%s", text ? text : "unknown reason");
	RELEASE(release_status, s);
	return -1;
}

int bcc_engine(const char *path, char reason[BCC_REASON]) {
	void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL); // one more count: it stays for good
	typedef struct {
		const void *(*get_api)(uint32_t version);
	} api_base;
	const api_base *(*get_base)(void) = NULL;
	if (lib)
		*(void **)&get_base = dlsym(lib, "OrtGetApiBase");
	if (get_base)
		api = get_base()->get_api(interface_version);
	if (!api) {
		snprintf(reason, BCC_REASON, "the library has no interface of version %d", interface_version);
		return -1;
	}
	return bcc_place_new(-1, &cpu_place, reason);
}

int bcc_place_new(int gpu, void **place, char reason[BCC_REASON]) {
	if (gpu < 0)
		return ok(CALL(create_cpu_memory_info, (int, int, void **), allocator_arena, memory_default, place), reason);
	return ok(CALL(create_memory_info, (const char *, int, int, int, void **), "Cuda", allocator_device, gpu, memory_default, place), reason);
}

void bcc_place_free(void *place) {
	if (place)
		RELEASE(release_memory_info, place);
}

int bcc_tensor_new(float *data, size_t n, const int64_t *shape, size_t rank, void **value, char reason[BCC_REASON]) {
	return ok(CALL(create_tensor_with_data, (void *, void *, size_t, const int64_t *, size_t, int, void **),
		cpu_place, data, n * sizeof *data, shape, rank, element_float, value), reason);
}

int bcc_tensor_floats(void *value, const float **data, int64_t shape[BCC_RANK], size_t *rank, char reason[BCC_REASON]) {
	void *info = NULL;
	if (ok(CALL(get_tensor_type_and_shape, (void *, void **), value, &info), reason))
		return -1;
	int type = 0;
	int rc = ok(CALL(get_tensor_element_type, (void *, int *), info, &type), reason);
	if (!rc)
		rc = ok(CALL(get_dimensions_count, (void *, size_t *), info, rank), reason);
	if (!rc && (type != element_float || *rank > BCC_RANK)) {
		snprintf(reason, BCC_REASON, "its element type is %d with %zu dimensions, want float32", type, *rank);
		rc = -1;
	}
	if (!rc)
		rc = ok(CALL(get_dimensions, (void *, int64_t *, size_t), info, shape, *rank), reason);
	RELEASE(release_type_and_shape, info);
	if (!rc)
		rc = ok(CALL(get_tensor_mutable_data, (void *, const float **), value, data), reason);
	return rc;
}

void bcc_value_free(void *value) {
	if (value)
		RELEASE(release_value, value);
}

int bcc_switch_new(void **options, char reason[BCC_REASON]) {
	return ok(CALL(create_run_options, (void **), options), reason);
}

int bcc_switch_set(void *options, int on, char reason[BCC_REASON]) {
	if (on)
		return ok(CALL(run_options_set_terminate, (void *), options), reason);
	return ok(CALL(run_options_unset_terminate, (void *), options), reason);
}

int bcc_switch_shrink(void *options, const char *arenas, char reason[BCC_REASON]) {
	return ok(CALL(add_run_config_entry, (void *, const char *, const char *), options, "memory.enable_memory_arena_shrinkage", arenas), reason);
}

int bcc_heap_trim(size_t keep) {
#ifdef __GLIBC__
	return malloc_trim(keep);
#else
	(void)keep;
	return 0;
#endif
}

void bcc_switch_free(void *options) {
	if (options)
		RELEASE(release_run_options, options);
}

int bcc_binding_new(bcc_run_args *a, char reason[BCC_REASON]) {
	return ok(CALL(create_binding, (void *, void **), a->session, &a->binding), reason);
}

void bcc_binding_free(bcc_run_args *a) {
	if (a->binding)
		RELEASE(release_binding, a->binding);
	a->binding = NULL;
}

static int bind(bcc_run_args *a, char reason[BCC_REASON]) {
	// Each time anew: an input on the host is copied to a GPU when it is bound.
	for (size_t i = 0; i < a->ins; i++)
		if (ok(CALL(bind_input, (void *, const char *, void *), a->binding, a->in_names[i], a->in[i]), reason))
			return -1;
	for (size_t i = 0; i < a->outs; i++) {
		status s = a->out[i]
			? CALL(bind_output, (void *, const char *, void *), a->binding, a->out_names[i], a->out[i])
			: CALL(bind_output_to_device, (void *, const char *, void *), a->binding, a->out_names[i], a->places[i]);
		if (ok(s, reason))
			return -1;
	}
	return 0;
}

// take puts the values that the engine made into a->out. They come in the order in
// which they were bound.
static int take(bcc_run_args *a, char reason[BCC_REASON]) {
	void *allocator = NULL, **values = NULL;
	size_t n = 0;
	if (ok(CALL(get_allocator, (void **), &allocator), reason) ||
	    ok(CALL(get_bound_output_values, (void *, void *, void ***, size_t *), a->binding, allocator, &values, &n), reason))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (i < a->outs && !a->out[i])
			a->out[i] = values[i];
		else
			RELEASE(release_value, values[i]);
	}
	return ok(CALL(allocator_free, (void *, void *), allocator, values), reason);
}

int bcc_run(bcc_run_args *a, void *options, char reason[BCC_REASON]) {
	int rc = bind(a, reason);
	if (!rc)
		rc = ok(CALL(run_with_binding, (void *, void *, void *), a->session, options, a->binding), reason);
	if (!rc)
		rc = take(a, reason);
	RELEASE(clear_bound_inputs, a->binding);
	RELEASE(clear_bound_outputs, a->binding);
	return rc;
}
