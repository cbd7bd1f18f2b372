//go:build cgo

package nccl

/*
#cgo CFLAGS: -std=c11 -O2 -Wall -Wextra -Werror=implicit-function-declaration
#include "init.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"

	"bcc/fault"
)

// Library is NCCL and CUDA's runtime in this process. It may be shared.
type Library struct {
	version string

	getVersion, getID, initRank         uintptr
	allReduce, broadcast                uintptr
	asyncError, abort, destroy, ncclErr uintptr

	deviceCount, setDevice                uintptr
	malloc, free, copyAsync               uintptr
	newStream, queryStream, destroyStream uintptr
	cudaErr                               uintptr
}

// Codes and constants of nccl.h and driver_types.h.
const (
	ncclInProgress = 7
	ncclUint8      = 1
	ncclFloat64    = 8
	ncclSum        = 0

	cudaNotReady = 600
	hostToDevice = 1
	deviceToHost = 2
)

// Load opens both libraries. The error is fault.Unavailable and names every path
// with what is wrong with it.
func Load(paths Paths) (*Library, error) {
	lib := &Library{}
	err := open("CUDA's runtime", paths.CUDA, cudaNames, map[string]*uintptr{
		"cudaGetDeviceCount": &lib.deviceCount, "cudaSetDevice": &lib.setDevice, "cudaMalloc": &lib.malloc, "cudaFree": &lib.free,
		"cudaMemcpyAsync": &lib.copyAsync, "cudaStreamCreate": &lib.newStream, "cudaStreamQuery": &lib.queryStream,
		"cudaStreamDestroy": &lib.destroyStream, "cudaGetErrorString": &lib.cudaErr,
	})
	if err != nil {
		return nil, err
	}
	err = open("NCCL", paths.NCCL, ncclNames, map[string]*uintptr{
		"ncclGetVersion": &lib.getVersion, "ncclGetUniqueId": &lib.getID, "ncclCommInitRank": &lib.initRank, "ncclAllReduce": &lib.allReduce,
		"ncclBroadcast": &lib.broadcast, "ncclCommGetAsyncError": &lib.asyncError, "ncclCommAbort": &lib.abort,
		"ncclCommDestroy": &lib.destroy, "ncclGetErrorString": &lib.ncclErr,
	})
	if err != nil {
		return nil, err
	}
	var p runtime.Pinner
	defer p.Unpin()
	version := new(int32)
	p.Pin(version)
	if err := lib.nccl("ask NCCL for its version", lib.getVersion, address(unsafe.Pointer(version))); err != nil {
		return nil, err
	}
	// Since 2.9 a version is 10000 times the first number and 100 times the second.
	lib.version = fmt.Sprintf("NCCL %d.%d.%d", *version/10000, *version/100%100, *version%100)
	return lib, nil
}

// open opens the first of the paths that is the library, and finds its functions.
func open(what string, paths, names []string, functions map[string]*uintptr) error {
	if len(paths) == 0 {
		paths = names
	}
	tried := make([]string, 0, len(paths))
	for _, path := range paths {
		dl, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		for name, to := range functions {
			if err != nil {
				break
			}
			if *to, err = purego.Dlsym(dl, name); err != nil {
				err = fmt.Errorf("it has no %s", name)
			}
		}
		if err == nil {
			return nil
		}
		tried = append(tried, fmt.Sprintf("%s: %v", path, err))
	}
	err := fault.New(fault.Unavailable, "load %s: tried %s", what, strings.Join(tried, "; "))
	return fault.Hint(err, "ranks with GPUs need NVIDIA's libnccl.so.2 and libcudart.so; name them with --nccl-library and --cudart-library, or train on CPUs with mpirun")
}

// Version names the library.
func (l *Library) Version() string { return l.version }

// Devices is the number of GPUs of this machine; the error says why it is none.
func (l *Library) Devices() (int, error) {
	var p runtime.Pinner
	defer p.Unpin()
	n := new(int32)
	p.Pin(n)
	if err := l.cuda("count GPUs", l.deviceCount, address(unsafe.Pointer(n))); err != nil {
		return 0, err
	}
	if *n == 0 {
		return 0, fault.New(fault.Unavailable, "count GPUs: there is none")
	}
	return int(*n), nil
}

// NewID makes the id of a new world. Rank 0 gives it to the others.
func (l *Library) NewID() ([]byte, error) {
	var p runtime.Pinner
	defer p.Unpin()
	id := make([]byte, IDBytes)
	p.Pin(&id[0])
	return id, l.nccl("make the id of a world", l.getID, address(unsafe.Pointer(&id[0])))
}

// cuda calls a function of CUDA's runtime. Callers pin what args point to.
func (l *Library) cuda(doing string, f uintptr, args ...uintptr) error {
	code, _, _ := purego.SyscallN(f, args...)
	return l.failure(doing, "CUDA", l.cudaErr, int32(code))
}

// nccl calls a function of NCCL.
func (l *Library) nccl(doing string, f uintptr, args ...uintptr) error {
	code, _, _ := purego.SyscallN(f, args...)
	return l.failure(doing, "NCCL", l.ncclErr, int32(code))
}

// failure is nil for code 0, else the library's words for it.
func (l *Library) failure(doing, who string, words uintptr, code int32) error {
	if code == 0 {
		return nil
	}
	text, _, _ := purego.SyscallN(words, uintptr(code))
	return fault.New(fault.Unavailable, "%s: %s: %s (%d)", doing, who, goString(text), code)
}

// enter joins a world; comm is where its handle goes.
func (l *Library) enter(comm *uintptr, cfg Config) error {
	var p runtime.Pinner
	defer p.Unpin()
	p.Pin(comm)
	p.Pin(&cfg.ID[0])
	code := C.bcc_nccl_init_rank(C.uintptr_t(l.initRank), C.uintptr_t(address(unsafe.Pointer(comm))), C.int(cfg.Size), unsafe.Pointer(&cfg.ID[0]), C.int(cfg.Rank))
	return l.failure("join a world", "NCCL", l.ncclErr, int32(code))
}

// address is that of pinned memory, as a call of C takes it.
func address(p unsafe.Pointer) uintptr { return uintptr(p) }

// goString copies a text that the library keeps.
func goString(text uintptr) string {
	if text == 0 {
		return "no words for it"
	}
	return C.GoString(*(**C.char)(unsafe.Pointer(&text)))
}
