#include "ftp/live.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/directives.h"

#define SLOTS 1024

struct ftp_live {
	_Atomic uint32_t v4; /* network order; 0: the address of the load */
};

static void pool_end(void *obj)
{
	(void)munmap(obj, SLOTS * sizeof(struct ftp_live));
}

struct ftp_live *ftp_live_slot(struct ftp_loader *l, const char *name, struct err *err)
{
	struct ftp_live_name *n;
	void *pool;

	for (n = l->live; n != NULL; n = n->next)
		if (str_eq_nocase(n->name, name))
			return n->slot;
	if (l->live_pool == NULL) {
		pool = mmap(NULL, SLOTS * sizeof(struct ftp_live), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (pool == MAP_FAILED)
			goto no_memory;
		if (!arena_defer(l->arena, pool_end, pool)) {
			pool_end(pool);
			goto no_memory;
		}
		l->live_pool = pool;
	}
	if (l->n_live == SLOTS) {
		(void)err_set(err, WE_CONFIG, "there are more than %d names to look up", SLOTS);
		return NULL;
	}
	n = arena_alloc(l->arena, sizeof(*n));
	if (n == NULL)
		goto no_memory;
	*n = (struct ftp_live_name){l->live, name, l->opt->family, &l->live_pool[l->n_live++]};
	l->live = n;
	return n->slot;
no_memory:
	(void)err_set(err, ENOMEM, "out of memory");
	return NULL;
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

static void name_refresh(const struct ftp_live_name *n, const struct log_ctx *log)
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
	if (atomic_exchange(&n->slot->v4, v4) != v4)
		log_info(log, "MasqueradeAddress '%s' is %s", n->name, addr_text(a, text));
}

void ftp_live_refresh(const struct ftp_config *config, const struct log_ctx *log)
{
	for (const struct ftp_live_name *n = config->live_names; n != NULL; n = n->next)
		name_refresh(n, log);
}

void ftp_live_child(const struct ftp_config *config)
{
	if (config->live_pool != NULL)
		(void)mprotect(config->live_pool, SLOTS * sizeof(struct ftp_live), PROT_READ);
}
