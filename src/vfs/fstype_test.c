/* The table of file systems, and what is remembered of devices. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "vfs/fstype.h"

/* By the numbers that statfs(2) has for them. */
static void each_kind_has_its_policy(void **state)
{
	static const struct {
		uint32_t magic;
		const char *name;
		bool local;
		enum vfs_send send;
	} rows[] = {
		{0xef53, "ext4", true, VFS_SEND},
		{0x58465342, "xfs", true, VFS_SEND},
		{0x9123683e, "btrfs", true, VFS_SEND},
		{0x2fc12fc1, "zfs", true, VFS_SEND},
		{0x11954, "ufs", true, VFS_SEND},
		{0x01021994, "tmpfs", true, VFS_SEND_TRY},
		{0x794c7630, "overlayfs", true, VFS_SEND_TRY},
		{0x5346544e, "ntfs", true, VFS_SEND_TRY},
		{0xa501fcf5, "vxfs", true, VFS_SEND_TRY},
		{0xbacbacbc, "vmhgfs", false, VFS_SEND_TRY},
		{0x786f4256, "vboxsf", false, VFS_SEND_TRY},
		{0x6969, "nfs", false, VFS_SEND_SLICES},
		{0xff534d42, "cifs", false, VFS_SEND_SLICES},
		{0xfe534d42, "smb2", false, VFS_SEND_SLICES},
		{0x01021997, "9p", false, VFS_SEND_SLICES},
		{0x00c36400, "ceph", false, VFS_SEND_SLICES},
		{0x65735546, "fuse", false, VFS_SEND_SLICES},
		{0x9fa0, "proc", false, VFS_SEND_NEVER},
		{0x62656572, "sysfs", false, VFS_SEND_COPY},
		{0x12345678, "unknown", false, VFS_SEND_TRY},
		{0, "unknown", false, VFS_SEND_TRY},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct vfs_fstype *t = vfs_fstype_of(rows[i].magic);

		assert_string_equal(t->name, rows[i].name);
		assert_int_equal(t->local, rows[i].local);
		assert_int_equal(t->send, rows[i].send);
	}
}

static void a_device_is_known_after_it_was_learnt(void **state)
{
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_null(vfs_fstype_known(st.st_dev));
	assert_string_equal(vfs_fstype_get(fd, st.st_dev)->name, "proc");
	assert_string_equal(vfs_fstype_known(st.st_dev)->name, "proc");
	assert_string_equal(vfs_fstype_get(-1, st.st_dev)->name, "proc"); /* not asked again */
	fd_close(&fd);
}

static void a_device_whose_number_is_used_again_is_learnt_anew(void **state)
{
	int proc = open("/proc", O_PATH | O_CLOEXEC), sys = open("/sys", O_PATH | O_CLOEXEC);
	struct statfs fs;

	if (sys < 0 || fstatfs(sys, &fs) < 0 || fs.f_type != 0x62656572)
		skip();
	(void)vfs_fstype_learn(proc, 4711);
	(void)vfs_fstype_learn(sys, 4711);
	assert_string_equal(vfs_fstype_known(4711)->name, "sysfs");
	fd_close(&proc);
	fd_close(&sys);
}

static void the_oldest_of_many_devices_is_forgotten(void **state)
{
	int fd = open("/proc", O_PATH | O_CLOEXEC);

	for (dev_t dev = 1000; dev < 1100; dev++)
		(void)vfs_fstype_learn(fd, dev);
	assert_null(vfs_fstype_known(1000));
	assert_non_null(vfs_fstype_known(1099));
	assert_non_null(vfs_fstype_known(1050));
	fd_close(&fd);
}

static void what_cannot_be_asked_is_unknown_and_not_remembered(void **state)
{
	assert_string_equal(vfs_fstype_get(-1, 999)->name, "unknown");
	assert_null(vfs_fstype_known(999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_policy),
		cmocka_unit_test(a_device_is_known_after_it_was_learnt),
		cmocka_unit_test(a_device_whose_number_is_used_again_is_learnt_anew),
		cmocka_unit_test(the_oldest_of_many_devices_is_forgotten),
		cmocka_unit_test(what_cannot_be_asked_is_unknown_and_not_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
