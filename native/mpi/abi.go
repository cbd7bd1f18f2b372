//go:build cgo

package mpi

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"

	"bcc/fault"
)

// library is an MPI library in this process: its functions, and the handles that
// stand for the constants of mpi.h.
type library struct {
	path, version string

	initThread, finalize, abort      uintptr
	commRank, commSize, setHandler   uintptr
	iallreduce, ibcast, ibarrier     uintptr
	test, errorString, libraryString uintptr

	handles
}

// handles are constants of mpi.h. Each family has its own: Open MPI's are addresses
// of its variables, MPICH's are numbers.
type handles struct {
	world, double, bytes, sum, errorsReturn uintptr
	inPlace, ignoreStatus                   uintptr
}

// mpichHandles are those of mpi.h, the same since MPICH 3.1 for all that descends
// from it (the MPICH ABI Compatibility Initiative, 2013).
var mpichHandles = handles{
	world: 0x44000000, double: 0x4c00080b, bytes: 0x4c00010d, sum: 0x58000003, errorsReturn: 0x54000001,
	inPlace: ^uintptr(0), ignoreStatus: 1,
}

// openMPIMark is a variable that only Open MPI has.
const openMPIMark = "ompi_mpi_comm_world"

// load opens the first of the paths that is an MPI library. The error is
// fault.Unavailable and names every path with what is wrong with it.
func load(paths []string) (*library, error) {
	tried := make([]string, 0, len(paths))
	for _, path := range paths {
		lib, err := open(path)
		if err == nil {
			return lib, nil
		}
		tried = append(tried, fmt.Sprintf("%s: %v", path, err))
	}
	err := fault.New(fault.Unavailable, "load an MPI library: tried %s", strings.Join(tried, "; "))
	return nil, fault.Hint(err, "install the MPI library that belongs to the launcher (Debian: openmpi-bin or mpich), or name it with --mpi-library")
}

// open opens one library. Its symbols are global, because Open MPI's plug-ins look
// for them there.
func open(path string) (*library, error) {
	dl, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, err
	}
	lib := &library{path: path}
	for name, to := range map[string]*uintptr{
		"MPI_Init_thread": &lib.initThread, "MPI_Finalize": &lib.finalize, "MPI_Abort": &lib.abort,
		"MPI_Comm_rank": &lib.commRank, "MPI_Comm_size": &lib.commSize, "MPI_Comm_set_errhandler": &lib.setHandler,
		"MPI_Iallreduce": &lib.iallreduce, "MPI_Ibcast": &lib.ibcast, "MPI_Ibarrier": &lib.ibarrier,
		"MPI_Test": &lib.test, "MPI_Error_string": &lib.errorString, "MPI_Get_library_version": &lib.libraryString,
	} {
		if *to, err = purego.Dlsym(dl, name); err != nil {
			return nil, fmt.Errorf("it has no %s: not MPI 3", name)
		}
	}
	lib.handles = mpichHandles
	if _, err := purego.Dlsym(dl, openMPIMark); err == nil {
		if lib.handles, err = openMPIHandles(dl); err != nil {
			return nil, err
		}
	}
	lib.version = lib.versionText()
	return lib, nil
}

func openMPIHandles(dl uintptr) (handles, error) {
	h := handles{inPlace: 1, ignoreStatus: 0}
	for name, to := range map[string]*uintptr{
		openMPIMark: &h.world, "ompi_mpi_double": &h.double, "ompi_mpi_byte": &h.bytes,
		"ompi_mpi_op_sum": &h.sum, "ompi_mpi_errors_return": &h.errorsReturn,
	} {
		var err error
		if *to, err = purego.Dlsym(dl, name); err != nil {
			return handles{}, err
		}
	}
	return h, nil
}

// call calls a function of the library; its error is the library's own words. The
// callers keep what args point to where it is until the library is done with it.
func (l *library) call(doing string, f uintptr, args ...uintptr) error {
	code, _, _ := purego.SyscallN(f, args...)
	if int32(code) == 0 {
		return nil
	}
	return fault.New(fault.Unavailable, "%s: %s", doing, l.errorText(int32(code)))
}

// maxText is more than MPI_MAX_ERROR_STRING and MPI_MAX_LIBRARY_VERSION_STRING of
// either family.
const maxText = 16 << 10

func (l *library) errorText(code int32) string {
	text := l.text(func(buf, n uintptr) { purego.SyscallN(l.errorString, uintptr(code), buf, n) })
	if text == "" {
		return fmt.Sprintf("MPI error %d", code)
	}
	return text
}

// versionText is the first line of what the library says of itself: "Open MPI
// v4.1.4, …" or "MPICH Version: 4.0.2".
func (l *library) versionText() string {
	text := l.text(func(buf, n uintptr) { purego.SyscallN(l.libraryString, buf, n) })
	line, _, _ := strings.Cut(text, "\n")
	line, _, _ = strings.Cut(line, ",")
	return strings.Join(strings.Fields(line), " ")
}

// text returns what f writes to a buffer, whose length it writes to n.
func (l *library) text(f func(buf, n uintptr)) string {
	p := pinned{}
	defer p.Unpin()
	buf, n := make([]byte, maxText), new(int32)
	f(p.address(unsafe.Pointer(&buf[0])), p.address(unsafe.Pointer(n)))
	return strings.TrimSpace(string(buf[:min(max(int(*n), 0), maxText)]))
}
