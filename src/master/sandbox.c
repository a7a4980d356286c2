#include "master/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "master/syscalls.h"

/* Rights that newer kernels than the build's headers know. Values are ABI. */
#define FS_REFER     (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE  (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND     (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT  (1ULL << 1)  /* ABI 4 */
#define SCOPE_ALL    3ULL         /* abstract UNIX sockets, signals; ABI 6 */
#define FS_BASE      ((1ULL << 13) - 1)

/* Nobody's below a root. */
#define NEVER                                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |         \
		FS_IOCTL_DEV)

struct ruleset_attr { /* struct landlock_ruleset_attr as of ABI 6 */
	uint64_t fs, net, scoped;
};

int sandbox_switch(const struct sandbox_identity *id, struct err *err)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (geteuid() == 0) {
		if (setgroups(id->n_groups, id->groups) < 0)
			return err_sys(err, errno, "cannot set %zu supplementary groups", id->n_groups);
		if (setresgid(id->gid, id->gid, id->gid) < 0)
			return err_sys(err, errno, "cannot become group %u", (unsigned)id->gid);
		if (setresuid(id->uid, id->uid, id->uid) < 0)
			return err_sys(err, errno, "cannot become user %u", (unsigned)id->uid);
	}
	(void)getresuid(&r, &e, &s);
	(void)getresgid(&rg, &eg, &sg); /* neither can fail with valid pointers */
	if (r != id->uid || e != id->uid || s != id->uid ||
		(getuid() == 0 && (rg != id->gid || eg != id->gid || sg != id->gid)))
		return err_set(err, EPERM, "cannot become user %u, group %u without root", (unsigned)id->uid,
			(unsigned)id->gid);
	if (id->uid != 0 && setuid(0) == 0)
		return err_set(
			err, EPERM, "could become root again after switching to user %u", (unsigned)id->uid);
	return 0;
}

void sandbox_drop_bounding(uint64_t keep)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if ((keep >> cap & 1) == 0)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0,
				0); /* without CAP_SETPCAP there is none to gain */
	}
}

int sandbox_drop_caps(uint64_t keep, struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	int cap;

	sandbox_drop_bounding(keep);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* since Linux 4.3 */
	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(err, errno, "cannot read capabilities");
	for (cap = 0; cap < 2; cap++) {
		uint32_t mask = (uint32_t)(keep >> (32 * cap));

		data[cap].permitted &= mask;
		data[cap].effective = data[cap].permitted;
		data[cap].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(err, errno, "cannot drop capabilities");
	return 0;
}

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* What is forbidden unless a rule allows it. */
static struct ruleset_attr ruleset_for(enum ipc_role role, int abi)
{
	struct ruleset_attr attr = {.fs = FS_BASE};

	if (abi >= 2)
		attr.fs |= FS_REFER;
	if (abi >= 3)
		attr.fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= FS_IOCTL_DEV;
	if (abi >= 4 && role == IPC_LOGIN)
		attr.net = NET_BIND | NET_CONNECT; /* it only accepts */
	if (abi >= 6)
		attr.scoped = SCOPE_ALL;
	return attr;
}

/* root_fd: what lies below it can be used but for the rights in without. */
static int landlock_apply(enum ipc_role role, int root_fd, uint64_t without, int abi, struct err *err)
{
	struct ruleset_attr attr = ruleset_for(role, abi);
	size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;
	auto_fd int ruleset = -1;

	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return err_sys(err, errno, "cannot make a Landlock ruleset");
	if (root_fd >= 0) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = attr.fs & ~without, .parent_fd = root_fd};

		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			return err_sys(err, errno, "cannot allow the session's root in Landlock");
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(err, errno, "cannot enforce Landlock");
	return 0;
}

bool sandbox_has_seccomp(void)
{
	return syscalls_available();
}

int sandbox_confine(enum ipc_role role, int root_fd, struct err *err)
{
	int levels = 0, abi = sandbox_landlock_abi(), r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "cannot set no_new_privs");
	if (role != IPC_AUTH && abi > 0) { /* auth reads account files anywhere */
		r = landlock_apply(role, root_fd, NEVER, abi, err);
		if (r < 0)
			return r;
		levels |= SANDBOX_LANDLOCK;
	}
	if (sandbox_has_seccomp()) {
		r = syscalls_restrict(role, err);
		if (r < 0)
			return r;
		levels |= SANDBOX_SECCOMP;
	}
	return levels;
}

int sandbox_confine_asker(struct err *err)
{
	int abi = sandbox_landlock_abi(), r = 0;
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, errno, "cannot open /");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "cannot set no_new_privs");
	if (abi > 0)
		r = landlock_apply(IPC_AUTH, root,
			~(uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR), abi, err);
	if (r == 0 && sandbox_has_seccomp())
		r = syscalls_restrict(IPC_AUTH, err);
	return r;
}
