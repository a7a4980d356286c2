#include "vfs/fstype.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/vfs.h>

#include "base/alloc.h"

#define KNOWN_MAX 64 /* devices; the oldest makes room */

/* f_type numbers: statfs(2), linux/magic.h, and the sources of those that are in neither. */
static const struct vfs_fstype table[] = {
	{0xef53, "ext4", true, VFS_SEND}, /* and ext2, ext3 */
	{0x58465342, "xfs", true, VFS_SEND},
	{0x9123683e, "btrfs", true, VFS_SEND},
	{0x2fc12fc1, "zfs", true, VFS_SEND},
	{0xca451a4e, "bcachefs", true, VFS_SEND},
	{0xf2f52010, "f2fs", true, VFS_SEND},
	{0x00011954, "ufs", true, VFS_SEND},
	{0x52654973, "reiserfs", true, VFS_SEND},
	{0x3153464a, "jfs", true, VFS_SEND},
	{0x3434, "nilfs", true, VFS_SEND},
	{0xe0f5e1e2, "erofs", true, VFS_SEND},
	{0x73717368, "squashfs", true, VFS_SEND},
	{0x9660, "iso9660", true, VFS_SEND},
	{0x15013346, "udf", true, VFS_SEND},
	{0x4d44, "vfat", true, VFS_SEND},
	{0x2011bab0, "exfat", true, VFS_SEND},
	{0x4244, "hfs", true, VFS_SEND},
	{0x482b, "hfsplus", true, VFS_SEND},
	/* Refused or sent wrong data at some time, or under something else. */
	{0x01021994, "tmpfs", true, VFS_SEND_TRY},
	{0x858458f6, "ramfs", true, VFS_SEND_TRY},
	{0x794c7630, "overlayfs", true, VFS_SEND_TRY},
	{0x61756673, "aufs", true, VFS_SEND_TRY},
	{0xf15f, "ecryptfs", true, VFS_SEND_TRY},
	{0x5346544e, "ntfs", true, VFS_SEND_TRY},
	{0x7366746e, "ntfs3", true, VFS_SEND_TRY},
	{0xa501fcf5, "vxfs", true, VFS_SEND_TRY}, /* Veritas */
	{0x01161970, "gfs2", false, VFS_SEND_TRY},
	{0x7461636f, "ocfs2", false, VFS_SEND_TRY},
	{0x786f4256, "vboxsf", false, VFS_SEND_TRY}, /* shared folders of virtual machines */
	{0xbacbacbc, "vmhgfs", false, VFS_SEND_TRY},
	/* Every page may come from another machine or process. */
	{0x6969, "nfs", false, VFS_SEND_SLICES},
	{0xff534d42, "cifs", false, VFS_SEND_SLICES},
	{0xfe534d42, "smb2", false, VFS_SEND_SLICES},
	{0x517b, "smbfs", false, VFS_SEND_SLICES},
	{0x01021997, "9p", false, VFS_SEND_SLICES},
	{0x00c36400, "ceph", false, VFS_SEND_SLICES},
	{0x65735546, "fuse", false, VFS_SEND_SLICES},
	{0x5346414f, "afs", false, VFS_SEND_SLICES},
	{0x6b414653, "kafs", false, VFS_SEND_SLICES},
	{0x73757245, "coda", false, VFS_SEND_SLICES},
	{0x0bd00bd0, "lustre", false, VFS_SEND_SLICES},
	{0x47504653, "gpfs", false, VFS_SEND_SLICES},
	/* Made up by the kernel while it is read. */
	{0x9fa0, "proc", false, VFS_SEND_NEVER},
	{0x62656572, "sysfs", false, VFS_SEND_COPY},
};
static const struct vfs_fstype unknown = {0, "unknown", false, VFS_SEND_TRY};

static struct {
	dev_t dev;
	const struct vfs_fstype *type;
} known[KNOWN_MAX];
static unsigned n_known, next_known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const struct vfs_fstype *vfs_fstype_of(uint32_t magic)
{
	for (unsigned i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].magic == magic)
			return &table[i];
	return &unknown;
}

/* Under the lock. */
static int known_find(dev_t dev)
{
	for (unsigned i = 0; i < n_known; i++)
		if (known[i].dev == dev)
			return (int)i;
	return -1;
}

const struct vfs_fstype *vfs_fstype_known(dev_t dev)
{
	const struct vfs_fstype *type = NULL;
	int i;

	(void)pthread_mutex_lock(&lock); /* a plain mutex that we hold once cannot fail */
	i = known_find(dev);
	if (i >= 0)
		type = known[i].type;
	(void)pthread_mutex_unlock(&lock);
	return type;
}

const struct vfs_fstype *vfs_fstype_learn(int fd, dev_t dev)
{
	const struct vfs_fstype *type;
	struct statfs fs;
	int i;

	if (fstatfs(fd, &fs) < 0)
		return &unknown; /* and ask again the next time */
	type = vfs_fstype_of((uint32_t)fs.f_type);
	(void)pthread_mutex_lock(&lock);
	i = known_find(dev); /* numbers of devices are used again */
	if (i < 0) {
		i = (int)next_known;
		next_known = (next_known + 1) % KNOWN_MAX;
		n_known = n_known < KNOWN_MAX ? n_known + 1 : KNOWN_MAX;
	}
	known[i].dev = dev;
	known[i].type = type;
	(void)pthread_mutex_unlock(&lock);
	return type;
}

const struct vfs_fstype *vfs_fstype_get(int fd, dev_t dev)
{
	const struct vfs_fstype *type = vfs_fstype_known(dev);

	return type ? type : vfs_fstype_learn(fd, dev);
}
