/* Files seen through memory mappings, without the two dangers of that: SIGBUS, which ends a process that touches
 * a page behind the end of a file that was cut, and the rest of the last page, which reads as NUL bytes.
 *
 * The one idea: nobody but map.c touches mapped memory. map_read() copies out of it under a guard that makes
 * SIGBUS a return value (vfs_map_guard_install()), and looks at the file's length *after* the copy, so that what
 * it returns was in the file. map_span() gives addresses only to be named in send(2) or write(2), where the
 * kernel says EFAULT instead of sending a signal; a sender asks map_intact() afterwards. No lock is taken and
 * no library is called under the guard.
 *
 * A map is one reader's: it may move between threads, but is used by one at a time. Files are mapped in windows
 * of VFS_MAP_WINDOW bytes, at most two at a time, so a file of any size needs 128 MiB of addresses; what
 * lies behind a window is given back with it. Errors are -errno; reading may wait for a disk.
 */
#ifndef VFS_MAP_H
#define VFS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VFS_MAP_WINDOW   ((size_t)64 << 20)
#define VFS_MAP_COPY_MAX ((size_t)64 << 10) /* bytes of one map_read() */
#define VFS_MAP_AHEAD    ((size_t)4 << 20)  /* bytes that the kernel is asked to have ready */

enum {
	VFS_MAP_PRIVATE = 1, /* MAP_PRIVATE: no snapshot, pages follow the file until somebody writes here */
	VFS_MAP_HUGE = 2     /* MADV_HUGEPAGE, a hint */
};

struct map;

/* Catch SIGBUS in this process. Other SIGBUS than ours end the process as if nobody caught them. Again: fine.
 * 0 or -errno. Every process that reads maps calls it first. */
int vfs_map_guard_install(void);

/* See the first size bytes of fd, a regular file open for reading, at first around offset off < size.
 *   fd  borrowed until map_close(): asked for the length of the file
 * *ret_map: map_close(). -ENOMEM: no addresses (RLIMIT_AS, vm.max_map_count); -ENODEV: a file system without
 * mappings; -EINVAL: an empty file or off outside; others of mmap(2). */
int map_open(int fd, uint64_t size, uint64_t off, unsigned flags, struct map **ret_map);

/* The same over memory that maps the first size bytes of fd already; both borrowed until map_close(). */
int map_over(const void *mem, uint64_t size, int fd, struct map **ret_map);

void map_close(struct map **map); /* NULL inside is fine; sets NULL */

uint64_t map_size(const struct map *m); /* bytes, as given when it was made */

/* As pread(2), of at most VFS_MAP_COPY_MAX bytes: returns the bytes, 0 when the file ends at or before off now,
 * -EIO when the disk failed, or an error of map_open() for the next window. */
ssize_t map_read(struct map *m, uint64_t off, void *buf, size_t n);

/* Addresses of the bytes at off, as many as are in one piece (1..n), for send(2) and write(2) only. 0: the file
 * ends at or before off now. After a call that took k bytes or failed with EFAULT ask map_intact(m, off + k):
 * if that is false, what was sent may hold NUL bytes that were never in the file. */
ssize_t map_span(struct map *m, uint64_t off, size_t n, const void **ret_p);

/* Has the file still at least end bytes? A file that cannot be asked has not. */
bool map_intact(const struct map *m, uint64_t end);

#endif
