#include "session/hide.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "session/session_priv.h"

void hide_init(struct hide *h, const struct session *s, const struct ftp_conf *conf)
{
	h->on = policy_hide_init(&h->rules, conf, &s->who);
	h->server = s->server->index;
	h->owner.known = h->group.known = false;
}

static bool needs_stat(const struct hide *h)
{
	return h->rules.n_users > 0 || h->rules.n_groups > 0 || h->rules.no_access;
}

/* A link itself has no access rights, and what it leads to may lie outside of the root: it is shown. */
static bool no_access(int dir_fd, const char *name, const struct statx *st)
{
	int need = S_ISDIR(st->stx_mode) ? X_OK : S_ISREG(st->stx_mode) ? R_OK : F_OK;

	return need != F_OK && faccessat(dir_fd, name, need, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == EACCES;
}

bool hide_entry(struct hide *h, int dir_fd, const char *name)
{
	struct statx st;

	if (!h->on)
		return false;
	if (policy_hides_name(&h->rules, name))
		return true;
	if (!needs_stat(h) || statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				      STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID, &st) < 0)
		return false;
	if (h->rules.n_users > 0 &&
		policy_hides_user(&h->rules, names_user_last(&h->owner, h->server, st.stx_uid),
			st.stx_uid == geteuid()))
		return true;
	if (h->rules.n_groups > 0 &&
		policy_hides_group(&h->rules, names_group_last(&h->group, h->server, st.stx_gid),
			st.stx_gid == getegid()))
		return true;
	return h->rules.no_access && no_access(dir_fd, name, &st);
}

int hide_path(const struct session *s, const struct ftp_conf *conf, const char *real, unsigned flags)
{
	char parent[VFS_PATH_SIZE];
	struct hide h;
	int dir, r;

	hide_init(&h, s, conf);
	if (!h.on || !real[1])
		return 0;
	if (policy_hides_name(&h.rules, vfs_path_base(real)))
		return 1;
	if (!needs_stat(&h))
		return 0;
	if (flags & VFS_CACHED)
		return -EAGAIN;
	vfs_path_parent(real, parent);
	dir = vfs_open(s->root, parent, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS);
	if (dir < 0)
		return 0; /* what cannot be found is told by the command itself */
	r = hide_entry(&h, dir, vfs_path_base(real));
	fd_close(&dir);
	return r;
}
