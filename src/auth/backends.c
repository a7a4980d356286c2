/* To add a source of accounts: see backend.h. */
#include "auth/backend.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wherry_config.h"

static const struct auth_backend *const backends[] = {
	&auth_backend_file,
#ifdef HAVE_PAM
	&auth_backend_pam,
#endif
	&auth_backend_unix,
};

static bool switched_off(const struct auth_backend *b, const struct ftp_conf *conf)
{
#ifdef HAVE_PAM
	return b == &auth_backend_pam && !conf->auth_pam;
#else
	return false;
#endif
}

static void order_add(struct auth_order *o, const struct ftp_conf *conf, const char *name, size_t len)
{
	bool authoritative = len > 0 && name[len - 1] == '*';

	if (authoritative)
		len--;
	for (size_t i = 0; i < ARRAY_LEN(backends) && o->n < AUTH_ORDER_MAX; i++) {
		if (strlen(backends[i]->module) == len && strncasecmp(backends[i]->module, name, len) == 0) {
			if (switched_off(backends[i], conf))
				return;
			o->v[o->n].backend = backends[i];
			o->v[o->n++].authoritative = authoritative;
		}
	}
}

void auth_order_read(const struct ftp_conf *conf, struct auth_order *ret_order)
{
	const char *p = conf->auth_order;

	ret_order->n = 0;
	if (p == NULL) /* PAM only where AuthOrder names it: its service may not be set up */
		p = "mod_auth_file.c mod_auth_unix.c";
	while (*p != '\0') {
		size_t len = strcspn(p, " \t");

		if (len != 0)
			order_add(ret_order, conf, p, len);
		p += len + (p[len] != '\0');
	}
}

static void free_secret(char **s)
{
	if (*s != NULL)
		wipe(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void auth_account_done(struct auth_account *a)
{
	free_secret(&a->hash);
	free(a->name);
	free(a->home);
	free(a->shell);
	memset(a, 0, sizeof(*a));
}

void auth_groups_add(struct auth_groups *g, gid_t gid)
{
	for (size_t i = 0; i < g->n; i++) {
		if (g->gids[i] == gid)
			return;
	}
	if (g->n < AUTH_GROUPS_MAX)
		g->gids[g->n++] = gid;
}
