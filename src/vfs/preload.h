/* Files that master maps when a configuration is loaded, so that session processes share the mapping by fork.
 *
 * Master fills the table and follows changes of the files; a session process inherits the table as it was at
 * its fork and keeps only what its user may open (preloads_keep_readable()). For each file there is a number
 * in a page that master writes and children only read: it changes when master maps the file anew, and a child
 * whose number differs stops using what it has. Who reads a mapping validates it besides: file_id_equal() with
 * what its own descriptor says.
 *
 * One thread at a time; nothing is logged. Strings are borrowed from the configuration unless said otherwise.
 */
#ifndef VFS_PRELOAD_H
#define VFS_PRELOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"

/* Which file, and which state of it. */
struct file_id {
	dev_t dev;
	ino_t ino;
	uint64_t size;
	struct timespec mtime, ctime;
};
struct file_id file_id_of(const struct stat *st);
bool file_id_equal(const struct file_id *a, const struct file_id *b);

enum {
	PRELOAD_POPULATE = 1, /* read it in at once */
	PRELOAD_LOCK = 2,     /* keep it in memory: mlock2(2) */
	PRELOAD_NO_VALIDATE =
		4,           /* what was mapped counts until the next load, whatever becomes of the file */
	PRELOAD_HUGE = 8,    /* MADV_HUGEPAGE */
	PRELOAD_PRIVATE = 16 /* MAP_PRIVATE */
};

struct preload {
	const char *path; /* host path as configured */
	unsigned flags;
	uint64_t max_size; /* bytes; a larger file is not mapped */
	char *real;        /* where path led when it was mapped; NULL = nothing is mapped */
	const void *mem;   /* id.size bytes */
	int fd;            /* of the mapped file, close-on-exec */
	struct file_id id;
	uint32_t gen;                   /* number of this mapping, from 1 */
	uint64_t locked;                /* bytes */
	int populate_error, lock_error; /* positive errno, 0 = done or not asked for */

	uint64_t hits, stale; /* master: transfers that used it, that found it outdated */
	unsigned users;       /* session process: transfers that read it now */
	bool outdated;        /* session process: not used any more */
};

struct preloads {
	unsigned n;
	struct preload *list;
	_Atomic uint32_t *gens;       /* master's; NULL in children */
	const _Atomic uint32_t *seen; /* the same, for reading; NULL: the system has no such memory */
};

/* A table for n files of which none is mapped. -errno. *ret_t: preloads_free(). */
int preloads_new(unsigned n, struct preloads **ret_t, struct err *err);
void preloads_free(struct preloads *t); /* unmaps; NULL is fine */

/* Map p->path by p->flags. What was mapped before is unmapped after success, and stays on failure; publish
 * with preload_publish().
 *   wait  Populate may block until all is read; else the reading is only begun
 * The path may lead through directories of users: nothing but a regular file is opened for reading, and who uses
 * the mapping must be able to open what is mapped. Errors with a sentence that names the path: -errno, -WE_CONFIG
 * (not a regular file), -ENODATA (empty), -WE_LIMIT (larger than max_size). */
int preload_map(struct preload *p, bool wait, struct err *err);
void preload_unmap(struct preload *p); /* nothing mapped: fine */
/* Master: tell the children that their mapping of p, if any, is not the one that counts. */
void preload_publish(struct preloads *t, struct preload *p);
/* Is the mapping that this process has still the one that counts? */
bool preload_current(const struct preloads *t, const struct preload *p);

/* Would preload_map() work? Leaves nothing behind. *ret_size: bytes. */
int preload_check(const char *path, uint64_t *ret_size, struct err *err);

/* In a child, with the user's ids, before it is confined: let go of every mapping of a file that the user could
 * not open by himself. */
void preloads_keep_readable(struct preloads *t);

/* In a child that has no use for them: unmap everything of the table. */
void preloads_forget(struct preloads *t);

/* The preload of a file: by its real host path, else by the host path under which it was asked for. NULL = none
 * that is mapped. */
struct preload *preload_find(const struct preloads *t, const char *real, const char *asked);

#endif
