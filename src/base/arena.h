/* Arenas: many small objects with one end. Nothing is freed singly; reset keeps one chunk for reuse. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* chunk_bytes: size of one chunk, > 0; max_bytes: all chunks together, 0 = no maximum. Never NULL (dies). */
struct arena *arena_new(size_t chunk_bytes, size_t max_bytes);
void arena_free(struct arena *a); /* NULL is fine */
void arena_reset(struct arena *a);

/* Zeroed, aligned for any type. NULL when max_bytes would be exceeded or memory is out. */
void *arena_alloc(struct arena *a, size_t size);
/* Call end(obj) when the arena is reset or freed: for what an object in it owns elsewhere; the latest first. false: out of
 * memory, end() will not be called. */
bool arena_defer(struct arena *a, void (*end)(void *obj), void *obj);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
