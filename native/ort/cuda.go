//go:build cgo

package ort

/*
#include "probe.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strconv"

	engine "github.com/yalue/onnxruntime_go"
)

// CUDAAvailable reports whether GPU 0 can be used: there is a driver with a GPU,
// and the library comes with its CUDA provider. If not, it says why in one line.
func CUDAAvailable() (bool, string) {
	if err := loaded(); err != nil {
		return false, err.Error()
	}
	options, err := engine.NewSessionOptions()
	if err != nil {
		return false, err.Error()
	}
	defer options.Destroy()
	if err := useCUDA(options, 0, defaultGPUMemory); err != nil {
		return false, err.Error()
	}
	return true, ""
}

// useCUDA puts GPU n before the CPU, with the given fraction of its memory.
func useCUDA(options *engine.SessionOptions, n int, fraction float64) error {
	total, err := gpuMemory(n)
	if err != nil {
		return err
	}
	cuda, err := engine.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("CUDA provider: %w", err)
	}
	defer cuda.Destroy()
	err = cuda.Update(map[string]string{
		"device_id":             strconv.Itoa(n),
		"gpu_mem_limit":         strconv.FormatUint(uint64(float64(total)*fraction), 10),
		"arena_extend_strategy": "kSameAsRequested", // doubling would take the limit long before it is needed
		"use_tf32":              "0",                // ten bits of mantissa would show in the probabilities
	})
	if err != nil {
		return fmt.Errorf("CUDA provider options: %w", err)
	}
	if err := options.AppendExecutionProviderCUDA(cuda); err != nil {
		return fmt.Errorf("CUDA provider: %w", err)
	}
	return nil
}

// gpuMemory returns the bytes of GPU n's memory, or why there is no such GPU.
func gpuMemory(n int) (uint64, error) {
	var total C.uint64_t
	var reason [C.BCC_REASON]C.char
	if C.bcc_probe_cuda(C.int(n), &total, &reason[0]) != 0 {
		return 0, errors.New(C.GoString(&reason[0]))
	}
	return uint64(total), nil
}
