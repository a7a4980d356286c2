/* Sources of accounts. One file each: auth_file.c, auth_unix.c, auth_pam.c. All functions are called from
 * pool threads, several at a time, and may block.
 *
 * To add one:
 *   1. src/auth/auth_x.c with its struct auth_backend,
 *   2. a line in backends.c, and in meson.build (with a feature option when it needs a library),
 *   3. auth_x_test.c beside it,
 *   4. its directives in src/ftp/directives_auth.c.
 */
#ifndef AUTH_BACKEND_H
#define AUTH_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"
#include "ftp/conf.h"

#define AUTH_GROUPS_MAX 1024 /* as IPC_IDS_MAX */

struct auth_account { /* strings owned: auth_account_done() */
	char *name, *home, *shell;
	char *hash; /* NULL: this source does not show it */
	uid_t uid;
	gid_t gid;
	bool expired;
};

struct auth_groups {
	gid_t gids[AUTH_GROUPS_MAX]; /* the primary group first */
	size_t n;
};

enum auth_verdict {
	AUTH_UNKNOWN, /* no way to check here: ask the next source */
	AUTH_OK,
	AUTH_BAD,     /* wrong password */
	AUTH_EXPIRED, /* right password, but the account may not log in */
	AUTH_FAILED   /* could not be asked; logged */
};

/* Numbers and names of the system or of a file. */
enum auth_id_kind { AUTH_USER_ID, AUTH_GROUP_ID };

struct auth_backend {
	const char *module; /* its name in AuthOrder: "mod_auth_file.c" */
	/* Account of that name. 1: filled, 0: none, -errno. NULL: this source has no accounts (PAM), and
	 * checks those of the others. */
	int (*find)(const struct ftp_conf *conf, const char *name, struct auth_account *ret_a);
	/* Add the groups that a->name is a member of; the caller has put the primary one. NULL: none. */
	void (*groups)(const struct ftp_conf *conf, const struct auth_account *a, struct auth_groups *groups);
	/* Is that the password of an account that this source has found, or, without find, any source? */
	enum auth_verdict (*check)(const struct ftp_conf *conf, const struct auth_account *a,
		const char *password, const struct addr *client);
	/* Name of an id into buf. false: not here. NULL: knows none. */
	bool (*name_of)(
		const struct ftp_conf *conf, enum auth_id_kind kind, unsigned id, char *buf, size_t size);
	bool (*id_of)(
		const struct ftp_conf *conf, enum auth_id_kind kind, const char *name, unsigned *ret_id);
};

extern const struct auth_backend auth_backend_file, auth_backend_unix, auth_backend_pam;

#define AUTH_ORDER_MAX 8
struct auth_order {
	struct {
		const struct auth_backend *backend;
		bool authoritative; /* its "no" is final, that it does not know the user as well */
	} v[AUTH_ORDER_MAX];
	size_t n;
};

/* AuthOrder of a scope. Sources that are not built in are left out, and PAM when AuthPAM is off. */
void auth_order_read(const struct ftp_conf *conf, struct auth_order *ret_order);

void auth_account_done(struct auth_account *a);         /* wipes and frees; may be zero */
void auth_groups_add(struct auth_groups *g, gid_t gid); /* once each; a full list drops it */

/* --- verify.c --- */
/* Does the password belong to the hash (crypt(5); '!' and '*' lock; "" only for an empty password when
 * allowed)? Constant-time comparison, and every refusal costs one hash. NULL: AUTH_UNKNOWN at once. */
enum auth_verdict auth_hash_check(const char *hash, const char *password, bool allow_empty);
/* Spend what a check of a hash like that one costs; NULL, and what crypt(3) does not take: the system's
 * usual kind. */
void auth_hash_waste(const char *like, const char *password);

/* --- auth_file.c --- */
/* Hash of any entry of the AuthUserFile, for auth_hash_waste(); returned (free()), or NULL. */
char *auth_file_sample_hash(const struct ftp_conf *conf);
void auth_file_forget(void); /* frees the cached files, at the end of the process */

/* --- pam_helper.c --- */
/* Start the process in which PAM modules run (they may block, fork and leak), before threads exist and
 * before the process is confined. unneeded_fd: closed in it, so that it holds no channel of ours. 0 or
 * -errno. Without it PAM answers AUTH_FAILED. */
int pam_helper_start(int unneeded_fd);
void pam_helper_stop(void);

#endif
