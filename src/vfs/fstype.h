/* What kinds of file systems there are, and what may be expected of each. The one table of them.
 *
 * A device's kind is asked of the kernel once, in a thread that may block (on some file systems the question
 * itself waits for another machine), and remembered, so that a loop can know it without asking.
 */
#ifndef VFS_FSTYPE_H
#define VFS_FSTYPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Can the kernel send its files by itself? */
enum vfs_send {
	VFS_SEND,        /* yes */
	VFS_SEND_TRY,    /* yes on current kernels; when it fails, copying does it */
	VFS_SEND_SLICES, /* yes, but each page may have to come from elsewhere: in small requests */
	VFS_SEND_COPY,   /* no: files are made up while they are read, their sizes are not true */
	VFS_SEND_NEVER   /* the same, and the kernel refuses */
};

struct vfs_fstype {
	uint32_t magic;   /* f_type of statfs(2) */
	const char *name; /* "ext4" */
	/* Opening, looking at objects and reading what is in memory never waits for another process or
	 * machine. */
	bool local;
	enum vfs_send send;
};

/* Row of an f_type; one for unknown kinds (magic 0, not local, VFS_SEND_TRY) when it is not in the table. */
const struct vfs_fstype *vfs_fstype_of(uint32_t magic);
/* What is remembered of a device; NULL = nothing. Does not block. */
const struct vfs_fstype *vfs_fstype_known(dev_t dev);
/* Ask by an open descriptor (O_PATH will do) on that device, and remember. May block. */
const struct vfs_fstype *vfs_fstype_learn(int fd, dev_t dev);
/* What is remembered, else learnt. */
const struct vfs_fstype *vfs_fstype_get(int fd, dev_t dev);

#endif
