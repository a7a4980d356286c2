/* What master keeps of a grant: who it is for as long as the session lasts, the rest until its process has it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "master/master.h"

/* --- who --- */

static struct grantee *grantee_new(const struct ipc_grant *g)
{
	struct grantee *a = xcalloc(1, sizeof(*a));

	*a = (struct grantee){.refs = 1,
		.anon = g->anon,
		.uid = g->uid,
		.gid = g->gid,
		.user = xstrdup(g->user),
		.sent_user = xstrdup(g->sent_user),
		.group_names = xstrdup(g->group_names)};
	return a;
}

static bool grantee_equal(const struct grantee *a, const struct grantee *b)
{
	return a->anon == b->anon && a->uid == b->uid && a->gid == b->gid && str_eq(a->user, b->user) &&
	       str_eq(a->sent_user, b->sent_user) && str_eq(a->group_names, b->group_names);
}

void grantee_unref(struct grantee **ap)
{
	struct grantee *a = *ap;

	*ap = NULL;
	if (a == NULL || --a->refs > 0)
		return;
	free(a->user);
	free(a->sent_user);
	free(a->group_names);
	free(a);
}

/* *to becomes another reference to a. */
static void grantee_copy(struct grantee **to, struct grantee *a)
{
	a->refs++;
	grantee_unref(to);
	*to = a;
}

/* --- what its process needs to begin --- */

static struct grant_start *start_new(const struct ipc_grant *g)
{
	struct grant_start *st = xcalloc(1, sizeof(*st));

	*st = (struct grant_start){.request = g->request,
		.email = xstrdup(g->email),
		.home = xstrdup(g->home),
		.root = xstrdup(g->root),
		.chdir = xstrdup(g->chdir),
		.groups = xcalloc(g->groups.n + 1, sizeof(*st->groups)),
		.n_groups = g->groups.n};
	if (g->groups.n != 0)
		memcpy(st->groups, g->groups.v, g->groups.n * sizeof(*st->groups));
	return st;
}

static void start_free(struct grant_start **sp)
{
	struct grant_start *st = *sp;

	if (st == NULL)
		return;
	*sp = NULL;
	free(st->email);
	free(st->home);
	free(st->root);
	free(st->chdir);
	free(st->groups);
	free(st);
}

/* --- */

void grant_keep(struct msession *s, const struct ipc_grant *g)
{
	grant_drop(s);
	s->grantee = grantee_new(g);
	s->start = start_new(g);
}

void grant_started(struct msession *s, struct child *process)
{
	start_free(&s->start);
	if (process->grantee != NULL && grantee_equal(process->grantee, s->grantee))
		grantee_copy(&s->grantee, process->grantee);
	else
		grantee_copy(&process->grantee, s->grantee);
}

void grant_drop(struct msession *s)
{
	grantee_unref(&s->grantee);
	start_free(&s->start);
}
