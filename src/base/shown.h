/* Memory that one process writes and those forked from it can only read. */
#ifndef BASE_SHOWN_H
#define BASE_SHOWN_H

#include <stddef.h>

/* Two mappings of the same len zero bytes: *ret_rw, which children do not inherit, and *ret_ro, which they do, and which
 * nobody can make writable. name: for /proc. 0 or -errno; -EINVAL: the kernel cannot do that (before Linux 5.1). Both go by
 * munmap(2). */
int shown_new(const char *name, size_t len, void **ret_rw, const void **ret_ro);

#endif
