#include "session/pipes.h"

#include <errno.h>
#include <pthread.h>

#define SPARE_MAX 8 /* as many as slices usually run at a time */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct zs_pipe spares[SPARE_MAX];
static unsigned n_spares;

int pipes_get(struct zs_pipe *ret_pipe)
{
	bool found;

	(void)pthread_mutex_lock(&lock); /* a plain mutex that we hold once cannot fail */
	found = n_spares > 0;
	if (found)
		*ret_pipe = spares[--n_spares];
	(void)pthread_mutex_unlock(&lock);
	return found || zs_pipe_open(ret_pipe, PIPES_SIZE) == 0 ? 0 : -errno;
}

void pipes_put(struct zs_pipe *pipe, bool empty)
{
	(void)pthread_mutex_lock(&lock);
	if (empty && n_spares < SPARE_MAX) {
		spares[n_spares++] = *pipe;
		pipe->rd = pipe->wr = -1;
	}
	(void)pthread_mutex_unlock(&lock);
	zs_pipe_close(pipe); /* if it was not kept */
}

void pipes_trim(void)
{
	(void)pthread_mutex_lock(&lock);
	while (n_spares > 0)
		zs_pipe_close(&spares[--n_spares]);
	(void)pthread_mutex_unlock(&lock);
}
