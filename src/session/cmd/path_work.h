/* The shape of most commands on one path: look (checks and work, where blocking is no matter) and answer (the
 * reply).
 *
 *     struct size_work { struct path_work w; uint64_t bytes; };
 *
 *     w = path_work_new(s, arg, sizeof *w, size_look, size_answer);
 *     return w ? path_work_run(&w->w, PATH_TRY_CACHED) : FTP_DONE;
 *
 * look() runs on the loop first if asked for, with VFS_CACHED in flags: when it returns -EAGAIN, it runs
 * again in a pool thread without. What it returns is in w->r when answer() replies on the loop; then
 * everything is freed. The path is also noted for the records (session_note_path()).
 */
#ifndef SESSION_CMD_PATH_WORK_H
#define SESSION_CMD_PATH_WORK_H

#include "session/session.h"

struct path_work;
typedef int path_look_fn(struct path_work *w, unsigned flags);
typedef enum ftp_result path_answer_fn(struct session *s, struct path_work *w);

struct path_work {
	struct session *s; /* in look(): only root, log, server and functions for any thread */
	const struct vfs_root *root;
	char *arg; /* as sent */
	char vpath[VFS_PATH_SIZE];
	int r;
	const atomic_bool *cancel; /* in the pool; NULL on the loop */
	path_look_fn *look;
	path_answer_fn *answer;
	void (*done)(struct path_work *w); /* frees what the command added; NULL = nothing */
};

enum path_try { PATH_POOL, PATH_TRY_CACHED };

/* size: of the command's struct, whose first member is the struct path_work; the rest is zeroed. arg: the
 * path, copied; what it is relative to is s->cwd. NULL: the reply was given (path too long). */
void *path_work_new(
	struct session *s, const char *arg, size_t size, path_look_fn *look, path_answer_fn *answer);
enum ftp_result path_work_run(struct path_work *w, enum path_try how); /* w: given */
void path_work_free(struct path_work *w);                              /* only when it was not run */

/* The usual failure: "550 <arg>: <text of w->r>". Returns FTP_DONE. */
enum ftp_result path_work_failed(struct session *s, const struct path_work *w);
/* The usual answer of commands that change something: 250 or 200 with that text, or the usual failure. */
enum ftp_result path_work_done(struct session *s, const struct path_work *w, int code, const char *text);

/* May there be a link with that text at the vpath link? A link to where the rules forbid it would lead nowhere new, since
 * they are asked about what a path leads to; but it would be a lasting one, and other services may follow it. A target
 * that does not exist (yet) is no matter. 0 or -EPERM; any thread, may block. */
int path_link_allowed(struct session *s, const char *link, const char *text);

/* Flags of the VFS that both session_allowed() and the work on its result take. */
static inline unsigned path_cached(unsigned flags)
{
	return flags & VFS_CACHED;
}

#endif
