package isolate

import (
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// What a decoder calls: memory, threads, clocks, and reading and writing of what it
// has been handed. Names that a processor's table lacks are left out.
var allowed = []string{
	// reading, writing, waiting
	"read", "readv", "write", "writev", "pread64", "preadv", "lseek", "close", "fstat", "newfstatat", "fcntl",
	"recvmsg", "recvfrom", "sendmsg", "getsockopt",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "poll", "ppoll", "select", "pselect6", "pipe2",
	// memory
	"munmap", "mremap", "madvise", "brk", "mincore", "membarrier",
	// threads and their signals
	"futex", "set_robust_list", "rseq", "set_tid_address", "arch_prctl", "sched_yield", "sched_getaffinity",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "rt_sigtimedwait", "restart_syscall",
	"gettid", "getpid", "getppid", "exit", "exit_group",
	// clocks
	"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
	"timer_create", "timer_settime", "timer_delete", "setitimer",
	// what the process is
	"getrandom", "getrusage", "sysinfo", "uname", "getrlimit", "getcpu",
}

// What only one calls who is no decoder any more: it ends the process. All else that
// is not allowed is refused, and code of libraries goes on as it can.
var deadly = []string{
	"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmmsg",
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd",
	"kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
	"creat", "open_by_handle_at", "openat2", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat",
	"symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "truncate", "chmod", "fchmodat", "chown", "fchownat",
	"mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "bpf", "init_module", "finit_module", "kexec_load",
	"io_uring_setup", "keyctl", "add_key", "perf_event_open", "userfaultfd", "setuid", "setgid", "setresuid", "setresgid",
}

// filter lets this process, all its threads, call only what decoders need.
func filter() error {
	table, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	known := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
			_, ok := table.SyscallNames[n]
			return !ok
		})
	}
	where := func(name string, arg uint32, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{{Argument: arg, Operation: op, Value: value}}}
	}
	only := []seccomp.NameWithConditions{
		where("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD),
		where("tgkill", 0, seccomp.Equal, uint64(unix.Getpid())), // how Go interrupts its own threads
		where("mmap", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		where("mprotect", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
	}
	var opens []seccomp.NameWithConditions
	for name, arg := range map[string]uint32{"open": 1, "openat": 2} {
		if _, ok := table.SyscallNames[name]; ok {
			for _, flag := range []uint64{unix.O_WRONLY, unix.O_RDWR, unix.O_CREAT} {
				opens = append(opens, where(name, arg, seccomp.BitsSet, flag))
			}
		}
	}
	runtime.LockOSThread() // no_new_privs is this thread's, until the filter is all threads'
	defer runtime.UnlockOSThread()
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno, // EPERM
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: known(allowed), NamesWithCondtions: only},
				{Action: seccomp.ActionKillProcess, Names: known(deadly), NamesWithCondtions: opens},
				// Threads are made by clone3 where there is one; its flags cannot be seen here.
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known([]string{"clone3"})},
				{Action: seccomp.ActionKillProcess, Names: known([]string{"clone"})}, // another process
			},
		},
	})
}
