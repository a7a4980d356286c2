#include "session/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/message.h"

static const char *text_put(char **p, const char *text)
{
	const char *begin = *p;

	*p = stpcpy(*p, text) + 1;
	return begin;
}

/* One block: the record, the pointers to the names of groups, the texts. */
static struct session_account *account_new(const struct ipc_grant *g)
{
	unsigned n_groups = ipc_group_names_most(g->group_names);
	size_t size = strlen(g->user) + 1 + strlen(g->sent_user) + 1 + strlen(g->email) + 1 +
		      strlen(g->home) + 1 + 2 * (strlen(g->group_names) + 1);
	struct session_account *a = xcalloc(1, sizeof *a + n_groups * sizeof(char *) + size);
	const char **groups = (const char **)(void *)(a + 1);
	char *p = (char *)(groups + n_groups);

	a->refs = 1;
	a->uid = g->uid;
	a->gid = g->gid;
	a->user = text_put(&p, g->user);
	a->sent_user = text_put(&p, g->sent_user);
	a->email = text_put(&p, g->email);
	a->home = text_put(&p, g->home);
	a->group_names = text_put(&p, g->group_names);
	a->n_groups = ipc_group_names(strcpy(p, g->group_names), groups);
	a->groups = groups;
	return a;
}

static bool account_is(const struct session_account *a, const struct ipc_grant *g)
{
	return a->uid == g->uid && a->gid == g->gid && str_eq(a->user, g->user) &&
	       str_eq(a->sent_user, g->sent_user) && str_eq(a->email, g->email) && str_eq(a->home, g->home) &&
	       str_eq(a->group_names, g->group_names);
}

struct session_account *account_ref(struct list *accounts, const struct ipc_grant *g)
{
	struct session_account *a;

	LIST_EACH(it, tmp, accounts)
	{
		a = LIST_OBJ(it, struct session_account, link);
		if (account_is(a, g)) {
			a->refs++;
			return a;
		}
	}
	a = account_new(g);
	list_add(accounts, &a->link);
	return a;
}

void account_unref(struct session_account **ap)
{
	struct session_account *a = *ap;

	*ap = NULL;
	if (!a || --a->refs > 0)
		return;
	list_del(&a->link);
	free(a);
}
