/* One line of a listing: what it shows, and where it is written to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session/list_priv.h"

enum { MASK = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_SIZE | STATX_MTIME };

/* --- the buffer --- */

char *list_spill_begin(struct listing *l, size_t need, int *ret_failure)
{
	*ret_failure = LIST_FULL;
	if (l->len > 0)
		return NULL;
	l->spill = malloc(need);
	if (!l->spill)
		*ret_failure = -ENOMEM;
	return l->spill;
}

void list_spill_end(struct listing *l, size_t n)
{
	l->spill_len = n;
	l->spill_off = 0;
	list_spill(l);
}

void list_spill(struct listing *l)
{
	size_t n = l->spill_len - l->spill_off;

	if (!l->spill)
		return;
	if (n > l->size - l->len)
		n = l->size - l->len;
	memcpy(l->buf + l->len, l->spill + l->spill_off, n);
	l->len += n;
	l->spill_off += n;
	if (l->spill_off == l->spill_len) {
		free(l->spill);
		l->spill = NULL;
	}
}

/* --- what an entry is --- */

int list_join(const char *dir, const char *name, char out[VFS_PATH_SIZE])
{
	size_t n = strlen(dir), len = strlen(name);
	bool slash = n > 0 && dir[n - 1] != '/';

	if (n + slash + len >= VFS_PATH_SIZE)
		return -ENAMETOOLONG;
	memcpy(out, dir, n);
	if (slash)
		out[n++] = '/';
	memcpy(out + n, name, len + 1);
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* What a link leads to, in the root. */
static int target_stat(struct listing *l, const struct list_spot *spot, unsigned mask, struct statx *ret_st)
{
	char vpath[VFS_PATH_SIZE];
	int r = list_join(spot->dir_vpath, spot->name, vpath);

	return r < 0 ? r : vfs_stat(l->root, vpath, 0, mask, ret_st);
}

void list_adjust_target(const struct vfs_root *root, char target[VFS_PATH_SIZE])
{
	size_t n = strlen(root->path);

	if (n <= 1 || strncmp(target, root->path, n) != 0 || (target[n] && target[n] != '/'))
		return;
	if (target[n])
		memmove(target, target + n, strlen(target + n) + 1);
	else
		strcpy(target, "/");
}

/* "." and ".." by their vpath: ".." of the directory itself could lie outside of the root. */
static int dots_stat(struct listing *l, const struct list_spot *spot, unsigned mask, struct statx *ret_st)
{
	char parent[VFS_PATH_SIZE];

	if (!spot->name[1])
		return vfs_stat(l->root, spot->dir_vpath, 0, mask, ret_st);
	vfs_path_parent(spot->dir_vpath, parent);
	return vfs_stat(l->root, parent, 0, mask, ret_st);
}

int list_spot_stat(
	struct listing *l, const struct list_spot *spot, struct statx *ret_st, char ret_target[VFS_PATH_SIZE])
{
	unsigned mask = MASK;
	int r;

	if (l->opts.time == LIST_CTIME)
		mask |= STATX_CTIME;
	if (l->opts.time == LIST_ATIME)
		mask |= STATX_ATIME;
	ret_target[0] = '\0';
	if (is_dots(spot->name))
		return dots_stat(l, spot, mask, ret_st);
	if (statx(spot->dir_fd, spot->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, mask, ret_st) < 0)
		return -errno;
	if (!S_ISLNK(ret_st->stx_mode))
		return 0;
	r = vfs_readlink_at(spot->dir_fd, spot->name, ret_target, VFS_PATH_SIZE);
	if (r < 0)
		return r;
	if (l->show_links) {
		if (l->adjust_links)
			list_adjust_target(l->root, ret_target);
		return 0;
	}
	r = is_dots(ret_target) ? -ENOENT : target_stat(l, spot, mask, ret_st);
	ret_target[0] = '\0';
	return r;
}

bool list_spot_plain(struct listing *l, const struct list_spot *spot, unsigned char dtype)
{
	struct statx st;

	if (dtype == DT_UNKNOWN) {
		if (statx(spot->dir_fd, spot->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) <
			0)
			return false;
		dtype = (unsigned char)IFTODT(st.stx_mode);
	}
	if (dtype == DT_LNK) {
		if (target_stat(l, spot, STATX_TYPE, &st) < 0)
			return false;
		dtype = (unsigned char)IFTODT(st.stx_mode);
	}
	return dtype == DT_REG || dtype == DT_DIR;
}

/* --- how it is shown --- */

unsigned list_shown_mode(const struct ftp_conf *conf, unsigned mode)
{
	unsigned fake = conf->dirfake_mode & 0777;

	if (!conf->dirfake_mode_on)
		return mode;
	if (S_ISDIR(mode))
		fake |= (fake & 0444) >> 2; /* a directory that may be read may be entered */
	return (mode & S_IFMT) | fake;
}

/* Who is shown as owner: a faked name, digits, or the real one. own: what "~" stands for. */
static const char *owner_text(
	struct listing *l, bool fake, const char *name, const char *own, uint32_t id, bool group)
{
	struct names_last *last = group ? &l->group : &l->owner;

	if (fake)
		return list_fake_name(name, own);
	if (l->opts.numeric) {
		(void)snprintf(last->text, sizeof last->text, "%u", id);
		return last->text;
	}
	return group ? names_group_last(last, l->s->server->index, id)
		     : names_user_last(last, l->s->server->index, id);
}

const char *list_fake_name(const char *name, const char *own)
{
	if (!name)
		return "ftp";
	return str_eq(name, "~") && own ? own : name;
}

const char *list_shown_name(struct listing *l, const char *name)
{
	return charset_name(l->charset, name, &l->charset_name);
}

static int put_long(
	struct listing *l, const struct list_spot *spot, const struct ftp_conf *conf, const char *shown)
{
	char target[VFS_PATH_SIZE];
	struct statx st;
	struct list_line line = {.st = &st};
	const struct session *s = l->s;
	int failure;
	char *p;

	if (list_spot_stat(l, spot, &st, target) < 0)
		return LIST_MORE;
	line.name = list_shown_name(l, shown);
	line.target = target[0] ? charset_name(l->charset, target, &l->charset_to) : NULL;
	p = list_line_begin(l, list_line_room(line.name, line.target), &failure);
	if (!p)
		return failure;
	line.mode = list_shown_mode(conf, st.stx_mode);
	line.owner =
		owner_text(l, conf->dirfake_user_on, conf->dirfake_user, s->account->user, st.stx_uid, false);
	line.group = owner_text(l, conf->dirfake_group_on, conf->dirfake_group,
		s->who.n_groups ? s->who.groups[0] : NULL, st.stx_gid, true);
	list_line_end(l, list_format_long(&l->style, &line, p));
	return LIST_MORE;
}

int list_put_entry(
	struct listing *l, const struct list_spot *spot, const struct ftp_conf *conf, const char *shown)
{
	char target[VFS_PATH_SIZE];
	struct statx st;
	unsigned mode = 0;
	int failure;
	char *p;

	if (l->opts.layout == LIST_LONG)
		return put_long(l, spot, conf, shown);
	/* Names are written without looking at the files where nothing depends on it. */
	if (l->opts.classify || (!l->show_links && l->opts.kind != LIST_KIND_NLST)) {
		if (list_spot_stat(l, spot, &st, target) < 0)
			return LIST_MORE;
		mode = list_shown_mode(conf, st.stx_mode);
	}
	shown = list_shown_name(l, shown);
	p = list_line_begin(l, list_line_room(shown, NULL), &failure);
	if (!p)
		return failure;
	list_line_end(l, list_format_name(&l->style, shown, mode, p));
	return LIST_MORE;
}
