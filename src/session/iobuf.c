#include "session/iobuf.h"

#include <pthread.h>
#include <stdlib.h>

/* Unused buffers are chained through their first bytes. */
struct spare {
	struct spare *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct spare *spares;

char *iobuf_get(void)
{
	struct spare *b;

	(void)pthread_mutex_lock(&lock); /* a plain mutex that we hold once cannot fail */
	b = spares;
	if (b)
		spares = b->next;
	(void)pthread_mutex_unlock(&lock);
	return b ? (char *)b : malloc(IOBUF_SIZE);
}

void iobuf_put(char *buf)
{
	struct spare *b = (struct spare *)(void *)buf;

	if (!b)
		return;
	(void)pthread_mutex_lock(&lock);
	b->next = spares;
	spares = b;
	(void)pthread_mutex_unlock(&lock);
}

void iobuf_trim(void)
{
	struct spare *b, *next;

	(void)pthread_mutex_lock(&lock);
	b = spares;
	spares = NULL;
	(void)pthread_mutex_unlock(&lock);
	for (; b; b = next) {
		next = b->next;
		free(b);
	}
}
