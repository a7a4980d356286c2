/* Inside of listings: list.c (what is listed), list_frame.c (one directory), list_entry.c (one line). */
#ifndef SESSION_LIST_PRIV_H
#define SESSION_LIST_PRIV_H

#include "session/hide.h"
#include "session/list.h"
#include "session/list_format.h"
#include "session/names.h"
#include "session/nameset.h"
#include "vfs/dir.h"
#include "vfs/glob.h"

/* What one step of a generator says. Below zero: -errno, the listing ends. */
enum list_step {
	LIST_MORE, /* go on with the next step */
	LIST_FULL, /* no room for the next line: the same step again with the next buffer */
	LIST_END   /* this part is at its end */
};

enum list_frame_state { FRAME_NEW, FRAME_NAMES, FRAME_STREAM, FRAME_SUBDIRS };

/* A directory being listed; with -R a stack of them. Only the innermost one is open. */
struct list_frame {
	struct list_frame *up;
	unsigned depth;
	enum list_frame_state state;
	bool header;                  /* "<shown>:" comes first */
	struct session_access access; /* real: its vpath */
	struct hide hide;
	struct vfs_dir *dir;
	const struct vfs_dirent *ent; /* read, but not yet written */
	unsigned dots;                /* unsorted: how many of "." and ".." are written */
	struct nameset names;
	size_t next, rows, width; /* rows: of columns, 0 = not in columns; width: of a column */
	struct nameset subdirs;
	size_t next_subdir;
	char shown
		[VFS_PATH_SIZE]; /* how a line names this directory; "" = the one that everything is relative to */
	size_t shown_len;
	char *prefix; /* where lines are just names: what comes before each; NULL: they are not */
	size_t prefix_len;
};

enum list_target { TARGET_NONE, TARGET_FILE, TARGET_DIR, TARGET_MATCHES };

struct listing {
	struct xfer_source source;
	struct session *s;
	const struct vfs_root *root;
	char cwd[VFS_PATH_SIZE];
	char *arg;
	const char *path;          /* in arg */
	const char *shown;         /* the same as lines name it: vpath after "~", "" for "." */
	char vpath[VFS_PATH_SIZE]; /* of path, when that is no pattern */
	const char *verb;
	const struct ftp_conf *top; /* of the session's scope */
	struct list_opts opts;
	struct list_style style;
	struct charset *charset;             /* of the client, NULL = names are shown as they are */
	struct buf charset_name, charset_to; /* a name and where its link leads to, converted */
	bool show_links, adjust_links, per_entry, absent_ok;
	unsigned max_files, max_dirs, max_depth; /* 0 = no limit */
	unsigned files, dirs;
	struct nameset_budget budget;
	bool budget_logged;
	struct names_last owner, group;
	const atomic_bool *cancel; /* of the current call */

	/* what is listed */
	enum list_target target;
	struct nameset match_files, match_dirs;
	size_t next_file, next_dir;
	bool written;                 /* a line was written: the next header is preceded by an empty one */
	struct list_frame *frame;     /* innermost directory, NULL = none */
	struct session_access parent; /* of files and matches: the directory asked about last */
	struct hide parent_hide;
	char parent_path[VFS_PATH_SIZE];
	bool has_parent;

	/* output */
	char *buf;
	size_t size, len;
	char *spill; /* a line longer than a whole buffer */
	size_t spill_len, spill_off;
};

/* --- list_entry.c --- */

/* A name as it is written, for the line that is being made. */
const char *list_shown_name(struct listing *l, const char *name);

/* Where an entry is: name in an open directory. */
struct list_spot {
	int dir_fd;
	const char *dir_vpath; /* real vpath of the directory */
	const char *name;      /* "." and ".." are allowed */
};

/* For a line that does not fit: as list_line_begin() and list_line_end(). */
char *list_spill_begin(struct listing *l, size_t need, int *ret_failure);
void list_spill_end(struct listing *l, size_t n);

/* Room for a line of need bytes (without STAT's blank), NULL: LIST_FULL, or -ENOMEM when *ret_failure says
 * so. Inline, as are all that a name of NLST goes through. */
static inline char *list_line_begin(struct listing *l, size_t need, int *ret_failure)
{
	bool blank = l->opts.kind == LIST_KIND_STAT;
	char *p = l->buf + l->len;

	if (l->size - l->len < need + blank && !(p = list_spill_begin(l, need + blank, ret_failure)))
		return NULL;
	if (blank)
		*p++ = ' ';
	return p;
}

/* n bytes of it were written. */
static inline void list_line_end(struct listing *l, size_t n)
{
	n += l->opts.kind == LIST_KIND_STAT;
	l->written = true;
	if (l->spill)
		list_spill_end(l, n);
	else
		l->len += n;
}

/* Give what is left of a long line to the buffer. */
void list_spill(struct listing *l);

/* Attributes as they are shown: of the target for links that are not shown as such. ret_target: text of a
 * link that is shown ("" else). -ENOENT for what is to be left out. */
int list_spot_stat(struct listing *l, const struct list_spot *spot, struct statx *ret_st,
	char ret_target[VFS_PATH_SIZE]);
/* Write the line of an entry under the name shown. An entry that is gone or not to be shown writes
 * nothing. conf: of the directory (DirFake*). */
int list_put_entry(
	struct listing *l, const struct list_spot *spot, const struct ftp_conf *conf, const char *shown);
/* Is it a regular file or a directory, links resolved? */
bool list_spot_plain(struct listing *l, const struct list_spot *spot, unsigned char dtype);
/* DirFakeMode, DirFakeUser and DirFakeGroup. own: what "~" stands for, may be NULL. */
unsigned list_shown_mode(const struct ftp_conf *conf, unsigned mode);
const char *list_fake_name(const char *name, const char *own);
/* AdjustedSymlinks: an absolute target inside of the root as the client would have to write it. */
void list_adjust_target(const struct vfs_root *root, char target[VFS_PATH_SIZE]);

/* Join directory and name as shown to the client; the result is cut off never: -ENAMETOOLONG. */
int list_join(const char *dir, const char *name, char out[VFS_PATH_SIZE]);

/* --- list_frame.c --- */

/* Begin the directory access->real. access: given. 0, or -errno. */
int list_frame_open(struct listing *l, struct session_access *access, const char *shown, bool header);
/* Begin the directory vpath. 0, or -errno with nothing changed: denied, gone, unreadable. */
int list_frame_push(struct listing *l, const char *vpath, const char *shown, bool header);
void list_frame_pop(struct listing *l);
/* Go on with the innermost directory: LIST_MORE, LIST_FULL, LIST_END when no directory is left, -errno. */
int list_frame_step(struct listing *l);

/* Is it sorted by time or size? */
bool list_has_keys(const struct listing *l);
/* What an entry is sorted by before its name, for nameset_add(). */
int64_t list_sort_key(struct listing *l, const struct list_spot *spot);
/* The i-th name of a sorted set, as -r wants it. */
const char *list_nth(const struct listing *l, const struct nameset *set, size_t i);
/* Was a maximum of ListOptions reached? */
static inline bool list_is_full(const struct listing *l)
{
	return l->max_files && l->files >= l->max_files;
}
void list_log_budget(struct listing *l);

#endif
