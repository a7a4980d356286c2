/* One directory of a listing: collected and sorted, in columns, or streamed; and the way down with -R. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session/list_priv.h"

enum { LINE_WIDTH = 80 }; /* of -C */

bool list_has_keys(const struct listing *l)
{
	return l->opts.sort == LIST_BY_TIME || l->opts.sort == LIST_BY_SIZE;
}

void list_log_budget(struct listing *l)
{
	if (!l->budget_logged)
		log_notice(&l->s->log, "listing holds more names than can be sorted, the rest is unsorted");
	l->budget_logged = true;
}

/* Lines that are names, without anything to be known of the entries, and without a charset that needs paths as a whole, have
 * the same beginning: it is made once. 0 or -ENOMEM. */
static int prefix_init(struct listing *l, struct list_frame *f)
{
	bool nlst = l->opts.kind == LIST_KIND_NLST;

	if (l->opts.layout != LIST_SHORT || l->opts.classify || l->charset || !(nlst || l->show_links))
		return 0;
	f->prefix = malloc(4 * f->shown_len + 1);
	if (!f->prefix)
		return -ENOMEM;
	if (!nlst || l->opts.bare)
		return 0;
	f->prefix_len = list_put_name(f->prefix, f->shown, f->shown_len, l->style.escape);
	if (f->shown_len > 0 && f->shown[f->shown_len - 1] != '/')
		f->prefix[f->prefix_len++] = '/';
	return 0;
}

int list_frame_open(struct listing *l, struct session_access *access, const char *shown, bool header)
{
	struct list_frame *f = calloc(1, sizeof *f);
	int r;

	if (!f) {
		session_access_done(access);
		return -ENOMEM;
	}
	nameset_init(&f->names, &l->budget);
	nameset_init(&f->subdirs, &l->budget);
	f->access = *access;
	hide_init(&f->hide, l->s, f->access.conf);
	f->header = header;
	f->depth = l->frame ? l->frame->depth + 1 : 0;
	f->shown_len = str_copy(f->shown, sizeof f->shown, shown);
	f->up = l->frame;
	l->frame = f;
	r = prefix_init(l, f);
	if (r == 0)
		r = vfs_dir_open(l->root, f->access.real, VFS_NOLINKS, 0, &f->dir);
	if (r < 0)
		list_frame_pop(l);
	else
		l->dirs++;
	return r;
}

int list_frame_push(struct listing *l, const char *vpath, const char *shown, bool header)
{
	struct session_access access;
	int r = session_allowed(l->s, l->verb, vpath, 0, &access);

	return r < 0 ? r : list_frame_open(l, &access, shown, header);
}

void list_frame_pop(struct listing *l)
{
	struct list_frame *f = l->frame;

	l->frame = f->up;
	vfs_dir_close(&f->dir);
	nameset_done(&f->names);
	nameset_done(&f->subdirs);
	session_access_done(&f->access);
	free(f->prefix);
	free(f);
}

/* --- entries --- */

static struct list_spot spot_of(const struct list_frame *f, const char *name)
{
	return (struct list_spot){vfs_dir_fd(f->dir), f->access.real, name};
}

/* May the client see it? Files that a rule hides are as if they were not there. */
static bool entry_shown(struct listing *l, struct list_frame *f, const struct vfs_dirent *ent)
{
	if (ent->name[0] == '.' && l->opts.dots == LIST_NO_DOTS)
		return false;
	if (l->per_entry && !session_entry_allowed(l->s, l->verb, &f->access, ent->name))
		return false;
	if (f->hide.on && hide_entry(&f->hide, vfs_dir_fd(f->dir), ent->name))
		return false;
	if (l->opts.kind == LIST_KIND_NLST && ent->type != DT_REG && ent->type != DT_DIR) {
		struct list_spot spot = spot_of(f, ent->name);

		return list_spot_plain(l, &spot, ent->type);
	}
	return true;
}

static bool entry_is_dir(const struct list_frame *f, const struct vfs_dirent *ent)
{
	struct statx st;

	if (ent->type != DT_UNKNOWN)
		return ent->type == DT_DIR;
	return statx(vfs_dir_fd(f->dir), ent->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) ==
		       0 &&
	       S_ISDIR(st.stx_mode);
}

/* Remember a subdirectory for -R. What does not fit in the budget is not gone into. */
static void note_subdir(struct listing *l, struct list_frame *f, const struct vfs_dirent *ent, int64_t key)
{
	if (!entry_is_dir(f, ent))
		return;
	if (nameset_add(&f->subdirs, ent->name, key) < 0)
		list_log_budget(l);
}

/* With -r the keys are turned round, so that equal ones stay in the order of their names. */
int64_t list_sort_key(struct listing *l, const struct list_spot *spot)
{
	char target[VFS_PATH_SIZE];
	struct statx st;
	int64_t key;

	if (!list_has_keys(l))
		return 0;
	if (list_spot_stat(l, spot, &st, target) < 0)
		return INT64_MIN;
	key = l->opts.sort == LIST_BY_TIME ? list_time_of(&st, l->opts.time)
	      : st.stx_size > INT64_MAX    ? INT64_MAX
					   : (int64_t)st.stx_size;
	return l->opts.reverse ? ~key : key;
}

/* As NLST names it: with the directory that was asked for. */
static int put_path(struct listing *l, struct list_frame *f, const char *name)
{
	struct list_spot spot = spot_of(f, name);
	char shown[VFS_PATH_SIZE];

	if (list_join(f->shown, name, shown) < 0)
		return LIST_MORE; /* longer than any path that could be asked for */
	return list_put_entry(l, &spot, f->access.conf, shown);
}

/* A line that is just a name. NLST of a large directory is little more than this and what the kernel does to read it. */
static int put_name_line(struct listing *l, struct list_frame *f, const char *name, size_t len)
{
	char *p, *begin;
	int failure;

	if (f->shown_len + 1 + len >= VFS_PATH_SIZE)
		return LIST_MORE;
	begin = p = list_line_begin(l, f->prefix_len + 4 * len + 2, &failure);
	if (!p)
		return failure;
	p = mempcpy(p, f->prefix, f->prefix_len);
	p += list_put_name(p, name, len, l->style.escape);
	*p++ = '\r';
	*p++ = '\n';
	list_line_end(l, (size_t)(p - begin));
	return LIST_MORE;
}

static int put_entry(struct listing *l, struct list_frame *f, const char *name, size_t len)
{
	int r;

	if (f->prefix) {
		r = put_name_line(l, f, name, len);
	} else if (l->opts.kind == LIST_KIND_NLST && !l->opts.bare) {
		r = put_path(l, f, name);
	} else {
		struct list_spot spot = spot_of(f, name);

		r = list_put_entry(l, &spot, f->access.conf, name);
	}
	if (r == LIST_MORE)
		l->files++;
	return r;
}

/* --- collected --- */

/* Columns need the width of the longest name; how many bytes a character has does not matter to the eye. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct listing *l, const struct list_frame *f)
{
	size_t width = 0;

	for (size_t i = 0; i < f->names.count; i++) {
		size_t w = text_width(nameset_name(&f->names, i));

		if (w > width)
			width = w;
	}
	return width + (l->opts.classify ? 1 : 0) + 2;
}

static void columns_init(struct listing *l, struct list_frame *f)
{
	size_t cols;

	f->width = column_width(l, f);
	cols = f->width < LINE_WIDTH ? LINE_WIDTH / f->width : 1;
	f->rows = (f->names.count + cols - 1) / cols;
}

/* Names are read until the directory or the budget ends; f->ent is then the first one that was not kept,
 * or NULL. 0, -ENOMEM, -ECANCELED. */
static int collect(struct listing *l, struct list_frame *f)
{
	static const struct vfs_dirent dots[2] = {
		{.name = ".", .type = DT_DIR}, {.name = "..", .type = DT_DIR}};
	int r = 1;

	for (unsigned i = 0; i < 2 && l->opts.dots == LIST_ALL; i++) {
		struct list_spot spot = spot_of(f, dots[i].name);

		(void)nameset_add(
			&f->names, dots[i].name, list_sort_key(l, &spot)); /* a full budget shows below */
	}
	while (r > 0 && (r = vfs_dir_next(f->dir, &f->ent)) > 0) {
		struct list_spot spot = spot_of(f, f->ent->name);
		int64_t key;

		if (atomic_load(l->cancel))
			return -ECANCELED;
		if (!entry_shown(l, f, f->ent))
			continue;
		key = list_sort_key(l, &spot);
		r = nameset_add(&f->names, f->ent->name, key);
		if (r == 0) {
			if (l->opts.recursive)
				note_subdir(l, f, f->ent, key);
			r = 1;
		}
	}
	if (r == -ENOBUFS) {
		list_log_budget(l);
		r = 0;
	} else {
		f->ent = NULL;
	}
	if (l->opts.sort != LIST_UNSORTED) {
		nameset_sort(&f->names);
		nameset_sort(&f->subdirs);
	}
	if (l->opts.layout == LIST_COLUMNS)
		columns_init(l, f);
	return r < 0 && r != -ENOMEM ? 0 : r;
}

const char *list_nth(const struct listing *l, const struct nameset *set, size_t i)
{
	return nameset_name(set, l->opts.reverse && !list_has_keys(l) ? set->count - 1 - i : i);
}

/* One name of a row with its suffix at p, filled up to the column's width unless it is the last one.
 * Returns where it ends. */
static char *put_cell(struct listing *l, struct list_frame *f, size_t i, char *p)
{
	const char *name = list_nth(l, &f->names, i);
	struct list_spot spot = spot_of(f, name);
	char target[VFS_PATH_SIZE];
	struct statx st;
	size_t used = text_width(name);
	char suffix = 0;

	name = list_shown_name(l, name);
	p += list_put_name(p, name, strlen(name), l->style.escape);
	if (l->style.classify && list_spot_stat(l, &spot, &st, target) == 0)
		suffix = list_suffix(list_shown_mode(f->access.conf, st.stx_mode));
	if (suffix) {
		*p++ = suffix;
		used++;
	}
	if (i + f->rows < f->names.count)
		for (; used < f->width; used++)
			*p++ = ' ';
	return p;
}

/* A row of -C: every rows-th name. */
static int put_row(struct listing *l, struct list_frame *f)
{
	size_t row = f->next, need = 2;
	char *begin, *p;
	int failure;

	for (size_t i = row; i < f->names.count; i += f->rows)
		need += 4 * strlen(list_shown_name(l, list_nth(l, &f->names, i))) + 1 + f->width;
	begin = p = list_line_begin(l, need, &failure);
	if (!p)
		return failure;
	for (size_t i = row; i < f->names.count; i += f->rows, l->files++)
		p = put_cell(l, f, i, p);
	*p++ = '\r';
	*p++ = '\n';
	list_line_end(l, (size_t)(p - begin));
	f->next++;
	return LIST_MORE;
}

static int names_step(struct listing *l, struct list_frame *f)
{
	int r;

	if (f->rows) {
		if (f->next < f->rows)
			return put_row(l, f);
	} else if (f->next < f->names.count) {
		const char *name = list_nth(l, &f->names, f->next);

		nameset_prefetch(&f->names, f->next);
		r = put_entry(l, f, name, strlen(name));
		if (r == LIST_MORE)
			f->next++;
		return r;
	}
	nameset_done(&f->names);
	f->dots = 2; /* were among them */
	f->state = f->ent ? FRAME_STREAM : FRAME_SUBDIRS;
	return LIST_MORE;
}

/* --- streamed --- */

static bool goes_on(const struct listing *l)
{
	return !l->spill && !list_is_full(l) && !atomic_load(l->cancel);
}

/* The next entry that is shown into f->ent. False: there is none. A directory that cannot be read further ends there. */
static bool stream_next(struct listing *l, struct list_frame *f)
{
	while (!atomic_load(l->cancel) && vfs_dir_next(f->dir, &f->ent) > 0) {
		if (!entry_shown(l, f, f->ent))
			continue;
		if (l->opts.recursive)
			note_subdir(l, f, f->ent, 0);
		return true;
	}
	f->ent = NULL;
	return false;
}

static int stream_step(struct listing *l, struct list_frame *f)
{
	int r;

	if (l->opts.dots == LIST_ALL && f->dots < 2) {
		r = f->dots ? put_entry(l, f, "..", 2) : put_entry(l, f, ".", 1);
		if (r == LIST_MORE)
			f->dots++;
		return r;
	}
	do {
		if (!f->ent && !stream_next(l, f)) {
			f->state = FRAME_SUBDIRS;
			return LIST_MORE;
		}
		r = put_entry(l, f, f->ent->name, f->ent->len);
		if (r == LIST_MORE)
			f->ent = NULL;
	} while (r == LIST_MORE && goes_on(l));
	return r;
}

/* --- the way down --- */

static int subdirs_step(struct listing *l, struct list_frame *f)
{
	char shown[VFS_PATH_SIZE], vpath[VFS_PATH_SIZE];
	const char *name;
	int r;

	vfs_dir_close(&f->dir);
	if (f->next_subdir >= f->subdirs.count || (l->max_dirs && l->dirs >= l->max_dirs)) {
		list_frame_pop(l);
		return LIST_MORE;
	}
	name = list_nth(l, &f->subdirs, f->next_subdir++);
	if (f->depth + 1 >= VFS_TREE_DEPTH || (l->max_depth && f->depth + 1 > l->max_depth))
		return LIST_MORE;
	if (list_join(f->shown, name, shown) < 0 || list_join(f->access.real, name, vpath) < 0)
		return LIST_MORE;
	r = list_frame_push(l, vpath, shown, l->opts.kind != LIST_KIND_NLST);
	return r == -ENOMEM ? r : LIST_MORE; /* one that may not be read is left out */
}

/* "\r\n<shown>:\r\n" in front of a directory that is not the only one. */
static int header_step(struct listing *l, struct list_frame *f)
{
	const char *shown = list_shown_name(l, f->shown);
	char *p, *end;
	int failure;

	p = list_line_begin(l, list_line_room(shown, NULL) + 8, &failure);
	if (!p)
		return failure;
	end = p;
	if (l->written) {
		end = mempcpy(end, "\r\n", 2);
		if (l->opts.kind == LIST_KIND_STAT)
			*end++ = ' ';
	}
	if (!*shown)
		shown = ".";
	end += list_put_name(end, shown, strlen(shown), l->style.escape);
	end = mempcpy(end, ":\r\n", 3);
	list_line_end(l, (size_t)(end - p));
	f->header = false;
	return LIST_MORE;
}

int list_frame_step(struct listing *l)
{
	struct list_frame *f = l->frame;
	int r;

	if (!f)
		return LIST_END;
	if (list_is_full(l)) {
		list_frame_pop(l);
		return LIST_MORE;
	}
	if (f->header)
		return header_step(l, f);
	switch (f->state) {
	case FRAME_NEW:
		f->state = l->opts.sort == LIST_UNSORTED && l->opts.layout != LIST_COLUMNS ? FRAME_STREAM
											   : FRAME_NAMES;
		r = f->state == FRAME_NAMES ? collect(l, f) : 0;
		return r < 0 ? r : LIST_MORE;
	case FRAME_NAMES:
		return names_step(l, f);
	case FRAME_STREAM:
		return stream_step(l, f);
	default:
		return subdirs_step(l, f);
	}
}
