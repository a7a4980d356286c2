#include "master/syscalls.h"

#include <errno.h>
#include <stddef.h>

#include "wherry_config.h"

#ifndef HAVE_SECCOMP

bool syscalls_available(void)
{
	return false;
}

int syscalls_restrict(enum ipc_role role, struct err *err)
{
	return err_set(err, ENOSYS, "built without libseccomp");
}

#else

#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Calls newer than the installed libseccomp; the numbers are the same on all machines. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* Every process: memory, threads, clocks, its descriptors and its event loop. */
static const char *const common_calls[] = {"read", "write", "readv", "writev", "close", "close_range",
	"fstat", "newfstatat", "fstat64", "fstatat64", "statx", "lseek", "_llseek", "mmap", "mmap2", "munmap",
	"mprotect", "mremap", "brk", "madvise", "futex", "futex_time64", "nanosleep", "clock_nanosleep",
	"clock_nanosleep_time64", "clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time",
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid",
	"getresgid", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
	"pipe2", "poll", "ppoll", "ppoll_time64", "select", "pselect6", "recvfrom", "recvmsg", "sendto",
	"sendmsg", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown", "fcntl", "fcntl64",
	"dup", "dup2", "dup3", "ioctl", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending",
	"rt_sigtimedwait", "sigaltstack", "sigreturn", "sched_yield", "sched_getaffinity", "getrandom",
	"exit", "exit_group", "set_robust_list", "rseq", "restart_syscall", "tgkill", "uname", "sysinfo",
	"membarrier", "prlimit64", "getrlimit", "getrusage", "timerfd_create", "timerfd_settime", "umask",
	"getcpu", "set_tid_address"};

static const char *const login_calls[] = {"accept4", "accept"};

/* Files below the root that Landlock leaves, and data connections. */
static const char *const session_calls[] = {"accept4", "bind", "listen", "connect", "openat", "openat2",
	"pread64", "pwrite64", "preadv", "preadv2", "pwritev", "pwritev2", "sendfile", "sendfile64", "splice",
	"tee", "faccessat", "faccessat2", "unlinkat", "mkdirat", "renameat", "renameat2", "linkat",
	"symlinkat", "readlinkat", "fchmod", "fchmodat", "fchown", "fchownat", "utimensat",
	"utimensat_time64", "ftruncate", "ftruncate64", "fallocate", "fadvise64", "fadvise64_64", "readahead",
	"sync_file_range", "fsync", "fdatasync", "getdents64", "statfs", "fstatfs", "statfs64", "fstatfs64",
	"copy_file_range", "mincore", "flock", "getcwd", "recvmmsg", "sendmmsg"};

/* Account files, NSS and hashes; and what libc does to look up names. */
static const char *const auth_calls[] = {"openat", "open", "pread64", "getdents64", "connect", "access",
	"faccessat", "faccessat2", "readlink", "readlinkat", "statfs", "fstatfs", "stat", "lstat",
	"fadvise64", "flock", "bind", "getcwd", "recvmmsg", "sendmmsg", "wait4", "waitid", "kill", "setuid",
	"setresuid", "setreuid", "setgid", "setresgid", "setfsuid", "setfsgid", "setgroups", "unlink",
	"unlinkat", "rename", "renameat", "renameat2", "mkdirat", "fchmod", "fchown", "ftruncate", "fsync",
	"fdatasync", "pwrite64", "alarm", "setitimer", "getpgrp", "getpgid", "setpgid", "setsid", "keyctl",
	"capget", "capset", "utimensat"};

/* Never by us: the process ends. */
static const char *const deadly_calls[] = {"execve", "execveat", "ptrace", "process_vm_readv",
	"process_vm_writev", "process_madvise", "kcmp", "mount", "umount2", "pivot_root", "chroot", "unshare",
	"setns", "open_by_handle_at", "init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
	"io_uring_register", "add_key", "request_key", "move_mount", "open_tree", "fsopen", "fsmount",
	"fsconfig", "mount_setattr", "reboot", "swapon", "swapoff", "acct", "settimeofday", "clock_settime",
	"adjtimex", "iopl", "ioperm", "modify_ldt", "personality", "mknod", "mknodat", "process_mrelease",
	"pidfd_getfd", "quotactl", "nfsservctl", "vhangup", "lookup_dcookie"};

bool syscalls_available(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

/* A call outside the list: log it once, let it fail with EPERM. The trap is synchronous (we are inside
 * that call's wrapper), so the log front may be used, but not recursively. */
static void trapped(int signo, siginfo_t *si, void *context)
{
	static _Atomic unsigned char seen[1024];
	static _Thread_local bool busy;
	ucontext_t *uc = context;
	int nr = si->si_syscall;
	char *name;

	if (!busy && nr >= 0 && nr < 1024 && atomic_exchange(&seen[nr], 1) == 0) {
		busy = true;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		log_warn(NULL, "system call %d (%s) is not in this process's list: refused with EPERM", nr,
			name != NULL ? name : "unknown");
		free(name);
		busy = false;
	}
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	uc->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#elif defined(__i386__)
	uc->uc_mcontext.gregs[REG_EAX] = -EPERM;
#else
	(void)uc; /* the call returns an undefined error number; it was not made */
#endif
}

/* Names the installed libseccomp does not know belong to another machine or a newer kernel. */
static int add_names(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]), r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(ctx, action, nr, 0);
		if (r < 0 && r != -EDOM && r != -EEXIST)
			return r;
	}
	return 0;
}

static int add_threads(scmp_filter_ctx ctx, enum ipc_role role)
{
	int r;

	/* clone3 hides its flags from the filter: libc falls back to clone. */
	r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r < 0)
		return r;
	if (role == IPC_AUTH || SANITIZED) /* a helper process for each PAM conversation */
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0);
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD));
}

static int add_sockets(scmp_filter_ctx ctx, enum ipc_role role)
{
	int r;

	if (role == IPC_LOGIN) /* the way to a session whose control connection has TLS */
		return seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (role == IPC_AUTH)
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 0);
	r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET));
	if (r == 0)
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	if (r == 0) /* syslog reconnects */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	return r;
}

static int add_role(scmp_filter_ctx ctx, enum ipc_role role)
{
	int r = add_names(ctx, SCMP_ACT_ALLOW, common_calls, ARRAY_LEN(common_calls));

	if (r == 0 && role == IPC_LOGIN)
		r = add_names(ctx, SCMP_ACT_ALLOW, login_calls, ARRAY_LEN(login_calls));
	if (r == 0 && role == IPC_SESSION) {
		r = add_names(ctx, SCMP_ACT_ALLOW, session_calls, ARRAY_LEN(session_calls));
		if (r == 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_cachestat, 0);
		if (r == 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_fchmodat2, 0);
	}
	if (r == 0 && role == IPC_AUTH)
		r = add_names(ctx, SCMP_ACT_ALLOW, auth_calls, ARRAY_LEN(auth_calls));
	if (r == 0)
		r = add_threads(ctx, role);
	if (r == 0)
		r = add_sockets(ctx, role);
	if (r == 0 && role == IPC_AUTH) /* name services use it */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0);
	else if (r == 0) /* names of threads; nothing else */
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	if (r == 0 && !SANITIZED)
		r = add_names(ctx, SCMP_ACT_KILL_PROCESS, deadly_calls, ARRAY_LEN(deadly_calls));
	return r;
}

int syscalls_restrict(enum ipc_role role, struct err *err)
{
	struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
	scmp_filter_ctx ctx;
	int r;

	if (sigaction(SIGSYS, &sa, NULL) < 0)
		return err_sys(err, errno, "cannot catch SIGSYS");
	/* Sanitizer runtimes make calls of their own (also at exit): refuse nothing there, so that they
	 * can report. */
	ctx = seccomp_init(SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
	if (ctx == NULL)
		return err_set(err, ENOMEM, "cannot make a system call filter");
	r = SANITIZED ? seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execve), 0)
		      : add_role(ctx, role);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? err_sys(err, -r, "cannot load the system call filter") : 0;
}

#endif
