/* The file side of an upload: how it is opened, and what becomes of it at the end.
 *
 * An existing file is touched only when the data connection is there: a failed connection leaves it as it
 * was. All functions may block and belong into pool threads; one thread at a time.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include "ftp/conf.h"
#include "session/prealloc.h"
#include "vfs/vfs.h"

enum store_mode { STORE_REPLACE, STORE_RESTART, STORE_APPEND, STORE_UNIQUE };

struct store {
	struct vfs_root *root;      /* kept */
	char path[VFS_PATH_SIZE];   /* where it is to be at the end; without links */
	char hidden[VFS_PATH_SIZE]; /* HiddenStores: where it is until then, "" = none */
	int fd;
	dev_t dev;    /* where it is */
	bool regular; /* no FIFO, no device */
	enum store_mode mode;
	bool existed; /* the file that is written to was there before */
	bool started; /* store_begin() was called: bytes may be in it */
	bool replace; /* a file that has come to path meanwhile may be replaced */
	bool delete_aborted;
	uint64_t offset;      /* of the next byte */
	uint64_t start;       /* of the first byte */
	uint64_t size_before; /* bytes, when existed */
	uint64_t announced;   /* ALLO: bytes of the whole new file, 0 = not */
	struct prealloc room; /* made for it */
	uint64_t end;         /* RANG: offset behind its last byte; UINT64_MAX = no range */
	uint64_t limit;       /* MaxStoreFileSize: the file does not grow beyond; UINT64_MAX = none */
	struct ftp_owner user_owner, group_owner; /* the caller's to give it to, after store_end() */
};

struct store_options {
	enum store_mode mode;
	const struct ftp_conf *conf; /* of the object */
	mode_t create_mode;          /* without umask */
	bool may_exist;              /* false: a file of that name is not touched */
	uint64_t restart;            /* STORE_RESTART: bytes */
	uint64_t length;             /* STORE_RESTART: of the range, 0 = no range */
	uint64_t limit;
	uint64_t announced; /* ALLO: bytes, 0 = not. Only a whole new file can be meant */
};

/* What went wrong, for the reply. */
enum store_problem {
	STORE_OK,
	STORE_ERRNO,         /* opening: -errno returned */
	STORE_NOT_REGULAR,   /* neither file, FIFO, /dev/null nor /dev/full */
	STORE_EXISTS,        /* there is a file, and may_exist is false */
	STORE_HIDDEN_EXISTS, /* the temporary file is there; its name in hidden */
	STORE_BEYOND_END,    /* REST behind the end of the file */
	STORE_NO_ROOM,       /* for what was announced: -ENOSPC, or -EFBIG for the limit */
	STORE_NO_NAME,       /* STOU found no free name */
	STORE_RENAME         /* store_end(): the hidden file could not be renamed; -errno returned */
};

/* Open real (a vpath without links; STORE_UNIQUE: the directory). On success 0 and *ret_store is returned;
 * its end is store_end(). */
int store_open(struct vfs_root *root, const char *real, const struct store_options *opt,
	struct store **ret_store, enum store_problem *ret_problem, char *ret_hidden);
/* The first byte is about to come: make room (truncate, reserve what was announced). 0 or -errno. */
int store_begin(struct store *st);
/* How many bytes from offset on can be written before the limit or the end of the range. */
uint64_t store_room(const struct store *st);
/* Write n bytes at the current place. 0; -errno: -EFBIG (limit) or -ERANGE (range) when they are more than store_room()
 * (what fits is written). */
int store_write(struct store *st, const char *p, size_t n);
/* The same for n bytes (at most store_room()) that from_pipe holds, in the kernel; not for STORE_APPEND. 0, or -errno:
 * how much is written says offset, the rest stays in the pipe. -EINVAL, -ENOSYS and others of splice(2) when it cannot
 * be done here. */
int store_splice(struct store *st, int from_pipe, size_t n);
/* An O_PATH descriptor of the file that is written, which the caller closes; or -errno, -ESTALE when it has not its name
 * any more. */
int store_place(const struct store *st);
/* Finish and free: complete makes it final, otherwise it is kept, cut back or removed as configured.
 * Returns 0 or -errno with *ret_problem; *ret_size is the size of the file afterwards, -1 = not known. */
int store_end(struct store *st, bool complete, enum store_problem *ret_problem, int64_t *ret_size);
/* Hidden name of a file name, as HiddenStores says. 0 or -ENAMETOOLONG. */
int store_hidden_name(const struct ftp_hidden *h, const char *path, char out[VFS_PATH_SIZE]);

#endif
