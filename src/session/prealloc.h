/* Room on the disk for an upload whose size the client has announced (ALLO), so that the file lies in few
 * pieces and a full disk or quota is known before the bytes come. Blocks are reserved behind the end of the file
 * (fallocate(2) with FALLOC_FL_KEEP_SIZE), never much further than the bytes that have come: a client that
 * announces and then sends nothing must not hold the disk. What is left over is given back at the end.
 *
 * All functions may block; one thread at a time. A file system that cannot reserve is no error.
 */
#ifndef SESSION_PREALLOC_H
#define SESSION_PREALLOC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

#define PREALLOC_AHEAD ((uint64_t)256 * 1024 * 1024) /* bytes reserved ahead of what has come, at most */
#define PREALLOC_MIN   ((uint64_t)1024 * 1024)       /* smaller announcements are not worth the calls */

struct prealloc {
	uint64_t size;  /* bytes of the file as announced; 0: nothing (more) is reserved */
	uint64_t until; /* reserved up to here, 0 = nothing was */
};

/* Can a file system with these figures take bytes more? True when it does not tell its size. */
bool prealloc_fits(const struct statvfs *fs, uint64_t bytes);
/* Is there room for size bytes (0 = nobody knows) on the file system of fd, where freed bytes become free as well?
 * 0 or -ENOSPC; 0 when the file system does not tell. */
int prealloc_check(int fd, uint64_t size, uint64_t freed);
/* The upload of a new file begins. fd: the empty file, borrowed; size: bytes as announced, 0 = not.
 * Returns 0, or -ENOSPC or -EDQUOT: there is not even room for the beginning. */
int prealloc_begin(struct prealloc *p, int fd, uint64_t size);
/* The next byte comes to offset: reserve further, if it is time. Failing is not told: writing will. */
void prealloc_go_on(struct prealloc *p, int fd, uint64_t offset);
/* Nothing more comes: give back what is reserved behind the end of the file. */
void prealloc_end(struct prealloc *p, int fd);

#endif
