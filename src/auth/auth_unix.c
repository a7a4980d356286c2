/* The system's accounts: getpwnam(3) and friends through NSS, hashes from shadow(5). */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "auth/backend.h"
#include "base/alloc.h"
#include "base/str.h"

#define NSS_BUF_MAX (1024 * 1024) /* large groups */

/* Call an NSS function with a growing buffer: expr uses buf and size, and is its error number. */
#define WITH_BUFFER(expr, buf, size, ret)                                                                    \
	do {                                                                                                 \
		(size) = (size) == 0 ? 1024 : (size)*4;                                                      \
		(buf) = xrealloc((buf), (size));                                                             \
		(ret) = (expr);                                                                              \
	} while ((ret) == ERANGE && (size) < NSS_BUF_MAX)

/* The hash as the system keeps it, and whether the account has run out. NULL: not readable for us. */
static char *shadow_hash(const struct passwd *pw, bool *ret_expired)
{
	struct spwd sp, *found = NULL;
	char *buf = NULL, *hash = NULL;
	long today = (long)(time(NULL) / 86400);
	size_t size = 0;
	int r;

	*ret_expired = false;
	if (!str_eq(pw->pw_passwd, "x"))
		return xstrdup(pw->pw_passwd);
	WITH_BUFFER(getspnam_r(pw->pw_name, &sp, buf, size, &found), buf, size, r);
	if (r == 0 && found != NULL) {
		hash = xstrdup(sp.sp_pwdp);
		*ret_expired = (sp.sp_expire > 0 && today >= sp.sp_expire) || sp.sp_lstchg == 0 ||
			       (sp.sp_max >= 0 && sp.sp_inact >= 0 && sp.sp_lstchg > 0 &&
				       today > sp.sp_lstchg + sp.sp_max + sp.sp_inact);
	}
	if (buf != NULL)
		wipe(buf, size);
	free(buf);
	return hash;
}

/* "#1000": a uid without account, as `wherryd share` names it in a container. It has no password of its own, so only
 * UserPassword or <Anonymous> lets it in. */
static bool numbered(const char *name, struct auth_account *ret_a)
{
	uint64_t uid;

	if (name[0] != '#' || str_to_u64(name + 1, &uid) < 0 || uid >= UINT32_MAX)
		return false;
	*ret_a = (struct auth_account){.name = xstrdup(name),
		.home = xstrdup("/"),
		.shell = xstrdup(""),
		.uid = (uid_t)uid,
		.gid = uid == geteuid() ? getegid() : (gid_t)uid};
	return true;
}

static int unix_find(const struct ftp_conf *conf, const char *name, struct auth_account *ret_a)
{
	struct passwd pw, *found = NULL;
	char *buf = NULL;
	size_t size = 0;
	int r;

	WITH_BUFFER(getpwnam_r(name, &pw, buf, size, &found), buf, size, r);
	if (r == 0 && found != NULL) {
		*ret_a = (struct auth_account){.name = xstrdup(pw.pw_name),
			.home = xstrdup(pw.pw_dir),
			.shell = xstrdup(pw.pw_shell),
			.uid = pw.pw_uid,
			.gid = pw.pw_gid};
		ret_a->hash = shadow_hash(&pw, &ret_a->expired);
	}
	free(buf);
	if (r == ENOENT || r == ESRCH) /* some name services say "no such user" so: getpwnam(3) */
		r = 0;
	if (r == 0 && found == NULL && numbered(name, ret_a))
		return 1;
	return r != 0 ? -r : found != NULL;
}

static void unix_groups(const struct ftp_conf *conf, const struct auth_account *a, struct auth_groups *groups)
{
	gid_t gids[AUTH_GROUPS_MAX];
	int n = AUTH_GROUPS_MAX;

	if (getgrouplist(a->name, a->gid, gids, &n) < 0)
		n = AUTH_GROUPS_MAX; /* member of even more: these count */
	for (int i = 0; i < n; i++)
		auth_groups_add(groups, gids[i]);
}

static enum auth_verdict unix_check(const struct ftp_conf *conf, const struct auth_account *a,
	const char *password, const struct addr *client)
{
	enum auth_verdict v = auth_hash_check(a->hash, password, conf->allow_empty_passwords);

	return v == AUTH_OK && a->expired ? AUTH_EXPIRED : v;
}

static bool unix_name_of(
	const struct ftp_conf *conf, enum auth_id_kind kind, unsigned id, char *out, size_t out_size)
{
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	char *buf = NULL;
	size_t size = 0;
	int r;

	if (kind == AUTH_USER_ID)
		WITH_BUFFER(getpwuid_r(id, &pw, buf, size, &user), buf, size, r);
	else
		WITH_BUFFER(getgrgid_r(id, &gr, buf, size, &group), buf, size, r);
	if (r == 0 && user != NULL)
		str_copy(out, out_size, pw.pw_name);
	if (r == 0 && group != NULL)
		str_copy(out, out_size, gr.gr_name);
	free(buf);
	return r == 0 && (user != NULL || group != NULL);
}

static bool unix_id_of(
	const struct ftp_conf *conf, enum auth_id_kind kind, const char *name, unsigned *ret_id)
{
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	char *buf = NULL;
	size_t size = 0;
	int r;

	if (kind == AUTH_USER_ID)
		WITH_BUFFER(getpwnam_r(name, &pw, buf, size, &user), buf, size, r);
	else
		WITH_BUFFER(getgrnam_r(name, &gr, buf, size, &group), buf, size, r);
	if (r == 0 && user != NULL)
		*ret_id = pw.pw_uid;
	if (r == 0 && group != NULL)
		*ret_id = gr.gr_gid;
	free(buf);
	return r == 0 && (user != NULL || group != NULL);
}

const struct auth_backend auth_backend_unix = {
	.module = "mod_auth_unix.c",
	.find = unix_find,
	.groups = unix_groups,
	.check = unix_check,
	.name_of = unix_name_of,
	.id_of = unix_id_of,
};
