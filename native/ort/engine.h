#ifndef BCC_ORT_ENGINE_H
#define BCC_ORT_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "probe.h"

/* The part of the engine's C interface that the Go wrapper lacks: runs with tensors
   bound by name that can be ended, over values that stay on their device.

   Everything that can fail returns 0, or -1 with a reason. Handles are the engine's
   own, freed with the function beside the one that made them. */

/* Finds the interface in the library, which is loaded already. Call it once. */
int bcc_engine(const char *path, char reason[BCC_REASON]);

/* Where values lie: on the CPU, where gpu < 0, or on that GPU. */
int bcc_place_new(int gpu, void **place, char reason[BCC_REASON]);
void bcc_place_free(void *place);

/* A tensor of n floats over the caller's memory, which must outlive it. */
int bcc_tensor_new(float *data, size_t n, const int64_t *shape, size_t rank, void **value, char reason[BCC_REASON]);

#define BCC_RANK 16

/* The floats of a value on the CPU and its shape: an error where it is something else. */
int bcc_tensor_floats(void *value, const float **data, int64_t shape[BCC_RANK], size_t *rank, char reason[BCC_REASON]);
void bcc_value_free(void *value);

/* The switch that ends a run: safe to turn on from another thread. */
int bcc_switch_new(void **options, char reason[BCC_REASON]);
int bcc_switch_set(void *options, int on, char reason[BCC_REASON]);
void bcc_switch_free(void *options);

/* Has runs with these options give back, at their end, what of the engine's arenas is
   not in use: "cpu:0", "gpu:1", several with semicolons. */
int bcc_switch_shrink(void *options, const char *arenas, char reason[BCC_REASON]);

/* Gives the C heap's free pages but keep bytes back to the system, where it can be
   asked to. Returns whether there were any. */
int bcc_heap_trim(size_t keep);

/* What one run takes and gives. */
typedef struct {
	void *session;
	void *binding;
	size_t ins, outs;
	const char **in_names, **out_names;
	void **in;     /* values */
	void **out;    /* values to write to; NULL: the engine makes one, and it stands here after the run */
	void **places; /* of the outputs that the engine makes */
} bcc_run_args;

/* Makes the binding of a's session. */
int bcc_binding_new(bcc_run_args *a, char reason[BCC_REASON]);
void bcc_binding_free(bcc_run_args *a);

/* Runs the session. Values that the engine made are the caller's to free; after an
   error there are none. Nothing stays bound. */
int bcc_run(bcc_run_args *a, void *options, char reason[BCC_REASON]);

#endif
