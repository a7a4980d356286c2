/* Allocation for start-up and for small objects whose absence leaves nothing sensible to do: these end the
 * process with one line on stderr when memory is out. What depends on a stranger's input has a stated maximum
 * and uses malloc() or an arena, whose failure it answers.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* Overwrite n bytes so that the compiler cannot leave it out, for secrets. */
void wipe(void *p, size_t n);

#define ARRAY_LEN(a)               (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, fld) ((type *)(void *)((char *)(p)-offsetof(type, fld)))

#endif
