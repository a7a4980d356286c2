#include "ftp/live.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/shown.h"
#include "base/str.h"
#include "ftp/directives.h"

#define SLOTS 1024

struct ftp_live {
	_Atomic uint32_t v4; /* network order; 0: the address of the load */
};

struct ftp_live_pool {
	struct ftp_live *rw; /* to write; only where it was inherited on purpose */
	const struct ftp_live *ro;
};

static void pool_end(void *obj)
{
	struct ftp_live_pool *pool = obj;

	(void)munmap(pool->rw, SLOTS * sizeof(struct ftp_live));
	(void)munmap((void *)(uintptr_t)pool->ro, SLOTS * sizeof(struct ftp_live));
}

static struct ftp_live_pool *pool_new(struct arena *a, struct err *err)
{
	struct ftp_live_pool *pool = arena_alloc(a, sizeof(*pool));
	const void *ro;
	void *rw;
	int r = pool != NULL ? shown_new("wherry-addresses", SLOTS * sizeof(struct ftp_live), &rw, &ro)
			     : -ENOMEM;

	if (r < 0) {
		(void)err_set(err, -r, "no memory that others cannot change: %s", err_text(r));
		return NULL;
	}
	*pool = (struct ftp_live_pool){rw, ro};
	if (arena_defer(a, pool_end, pool))
		return pool;
	pool_end(pool);
	(void)err_set(err, ENOMEM, "out of memory");
	return NULL;
}

const struct ftp_live *ftp_live_slot(struct ftp_loader *l, const char *name, struct err *err)
{
	struct ftp_live_name *n;

	for (n = l->live; n != NULL; n = n->next)
		if (str_eq_nocase(n->name, name))
			return &l->live_pool->ro[n->slot];
	if (l->live_pool == NULL)
		l->live_pool = pool_new(l->arena, err);
	if (l->live_pool == NULL)
		return NULL;
	if (l->n_live == SLOTS) {
		(void)err_set(err, WE_CONFIG, "there are more than %d names to look up", SLOTS);
		return NULL;
	}
	n = arena_alloc(l->arena, sizeof(*n));
	if (n == NULL) {
		(void)err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	*n = (struct ftp_live_name){l->live, name, l->opt->family, l->n_live++};
	l->live = n;
	return &l->live_pool->ro[n->slot];
}

struct addr ftp_live_addr(const struct ftp_live *slot, const struct addr *fallback)
{
	uint32_t v4 = slot != NULL ? atomic_load(&slot->v4) : 0;
	struct addr a = *fallback;

	if (v4 == 0)
		return a;
	a = (struct addr){0};
	a.in4.sin_family = AF_INET;
	a.in4.sin_addr.s_addr = v4;
	return a;
}

static const struct addr *first_v4(const struct addr *list, int n)
{
	for (int i = 0; i < n; i++)
		if (list[i].sa.sa_family == AF_INET)
			return &list[i];
	return NULL;
}

static void name_refresh(
	const struct ftp_live_name *n, const struct ftp_live_pool *pool, const struct log_ctx *log)
{
	struct addr found[16];
	const struct addr *a;
	char text[ADDR_TEXT_MAX];
	uint32_t v4;
	int r = ftp_resolve_name(n->name, n->family, found, ARRAY_LEN(found));

	a = first_v4(found, r);
	if (a == NULL) {
		log_notice(log, "MasqueradeAddress '%s' cannot be looked up, keeping the address it had",
			n->name);
		return;
	}
	v4 = a->in4.sin_addr.s_addr;
	if (atomic_exchange(&pool->rw[n->slot].v4, v4) != v4)
		log_info(log, "MasqueradeAddress '%s' is %s", n->name, addr_text(a, text));
}

void ftp_live_refresh(const struct ftp_config *config, const struct log_ctx *log)
{
	for (const struct ftp_live_name *n = config->live_names; n != NULL; n = n->next)
		name_refresh(n, config->live_pool, log);
}

int ftp_live_inherit(const struct ftp_config *config, bool writable)
{
	const struct ftp_live_pool *pool = config->live_pool;

	if (pool == NULL)
		return 0;
	return madvise(pool->rw, SLOTS * sizeof(struct ftp_live), writable ? MADV_DOFORK : MADV_DONTFORK) < 0
		       ? -errno
		       : 0;
}
