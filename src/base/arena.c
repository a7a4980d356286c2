#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define ALIGN alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) unsigned char data[];
};

struct deferred { /* in the arena itself */
	struct deferred *next;
	void (*end)(void *obj);
	void *obj;
};

struct arena {
	struct chunk *head; /* the chunk in use; older ones behind it */
	struct deferred *deferred;
	size_t chunk_bytes, max_bytes, total_bytes;
};

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c = malloc(sizeof(*c) + size);

	if (c != NULL) {
		c->next = NULL;
		c->size = size;
		c->used = 0;
	}
	return c;
}

struct arena *arena_new(size_t chunk_bytes, size_t max_bytes)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->chunk_bytes = chunk_bytes;
	a->max_bytes = max_bytes;
	return a;
}

static void chunks_free(struct chunk *c)
{
	while (c != NULL) {
		struct chunk *next = c->next;

		free(c);
		c = next;
	}
}

static void deferred_run(struct arena *a)
{
	for (struct deferred *d = a->deferred; d != NULL; d = d->next)
		d->end(d->obj);
	a->deferred = NULL;
}

bool arena_defer(struct arena *a, void (*end)(void *obj), void *obj)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	if (d == NULL)
		return false;
	*d = (struct deferred){a->deferred, end, obj};
	a->deferred = d;
	return true;
}

void arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	deferred_run(a);
	chunks_free(a->head);
	free(a);
}

void arena_reset(struct arena *a)
{
	deferred_run(a);
	if (a->head == NULL)
		return;
	chunks_free(a->head->next);
	a->head->next = NULL;
	if (a->head->size > a->chunk_bytes) { /* a single large object: do not keep it */
		chunks_free(a->head);
		a->head = NULL;
		a->total_bytes = 0;
		return;
	}
	a->head->used = 0;
	a->total_bytes = a->head->size;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->head;
	size_t need;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	need = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (need == 0)
		need = ALIGN;
	if (c == NULL || c->size - c->used < need) {
		size_t chunk = need > a->chunk_bytes ? need : a->chunk_bytes;

		if (a->max_bytes != 0 && (chunk > a->max_bytes || a->total_bytes > a->max_bytes - chunk))
			return NULL;
		c = chunk_new(chunk);
		if (c == NULL)
			return NULL;
		c->next = a->head;
		a->head = c;
		a->total_bytes += chunk;
	}
	p = c->data + c->used;
	c->used += need;
	memset(p, 0, need);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(a, len + 1);

	if (p != NULL)
		memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
	if (p != NULL)
		(void)vsnprintf(p, (size_t)len + 1, fmt, again); /* length was just measured */
	va_end(again);
	return p;
}
