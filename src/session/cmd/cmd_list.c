/* LIST and NLST (RFC 959 4.1.3), MLSD and MLST (RFC 3659 7). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/reply.h"
#include "session/cmd/cmd.h"
#include "session/list.h"
#include "session/list_opts.h"
#include "session/mlsx.h"
#include "session/session_priv.h"

#define TRANSFER_CANCELLED "Transfer aborted. Data connection closed"

struct list_work {
	struct listing *l;
	struct mlsd *mlsd;
	int r;
};

/* --- LIST, NLST --- */

static void list_work(void *arg, const atomic_bool *cancel)
{
	struct list_work *w = arg;

	w->r = listing_open(w->l, cancel);
}

static void list_refuse(struct session *s, const struct listing *l, bool names, int r)
{
	const char *path = *listing_path(l) ? listing_path(l) : ".";

	if (r == -ECANCELED) /* ABOR came before the data connection was asked for */
		session_reply(s, 426, TRANSFER_CANCELLED);
	else if (r == -EPERM)
		session_reply_errno(s, 550, path, r);
	else if (names && r == -ENOENT && listing_is_pattern(l))
		session_reply(s, 450, "No files found");
	else if (names && r == -EINVAL)
		session_reply(s, 450, "%s: Not a regular file", path);
	else
		session_reply_errno(s, 450, path, r);
}

static enum ftp_result list_done(struct session *s, void *arg)
{
	struct list_work *w = arg;
	enum ftp_result result = FTP_DONE;
	bool names = strcmp(s->cmd->verb, "NLST") == 0;

	if (w->r < 0) {
		list_refuse(s, w->l, names, w->r);
		listing_free(w->l);
	} else if (session_job_cancelled(s)) {
		list_refuse(s, w->l, names, -ECANCELED);
		session_free_source(s, listing_source(w->l));
	} else {
		result = xfer_start_listing(s, "file list", listing_source(w->l));
	}
	free(w);
	return result;
}

static enum ftp_result no_memory(struct session *s)
{
	session_reply(s, 451, "Cannot allocate memory");
	return FTP_DONE;
}

void list_note_path(struct session *s, const char *arg)
{
	char vpath[VFS_PATH_SIZE];
	struct list_opts opts; /* not applied */
	bool lone;

	if (session_path(s, list_opts_arg(&opts, arg, true, &lone), vpath) == 0)
		session_note_path(s, vpath);
}

static enum ftp_result list_start(struct session *s, const char *arg, enum list_kind kind)
{
	struct list_work *w = calloc(1, sizeof *w);

	if (w)
		w->l = listing_new(s, kind, arg);
	if (!w || !w->l) {
		free(w);
		return no_memory(s);
	}
	list_note_path(s, arg);
	return session_job(s, list_work, list_done, w);
}

static enum ftp_result list_run(struct session *s, const char *arg)
{
	return list_start(s, arg, LIST_KIND_LIST);
}

static enum ftp_result nlst_run(struct session *s, const char *arg)
{
	return list_start(s, arg, LIST_KIND_NLST);
}

/* --- MLSD --- */

static void mlsd_work(void *arg, const atomic_bool *cancel)
{
	struct list_work *w = arg;

	w->r = mlsd_open(w->mlsd);
}

static enum ftp_result mlsd_done(struct session *s, void *arg)
{
	struct list_work *w = arg;
	enum ftp_result result = FTP_DONE;
	const char *path = *mlsd_path(w->mlsd) ? mlsd_path(w->mlsd) : ".";

	if (w->r == 0 && session_job_cancelled(s)) {
		session_reply(s, 426, TRANSFER_CANCELLED);
		session_free_source(s, mlsd_source(w->mlsd));
	} else if (w->r == 0)
		result = xfer_start_listing(s, "MLSD", mlsd_source(w->mlsd));
	else if (w->r == -ENOTDIR)
		session_reply(s, 550, "'%s' is not a directory", path);
	else
		session_reply_errno(s, 550, path, w->r);
	if (w->r < 0)
		mlsd_free(w->mlsd);
	free(w);
	return result;
}

static enum ftp_result mlsd_run(struct session *s, const char *arg)
{
	struct list_work *w = calloc(1, sizeof *w);
	char vpath[VFS_PATH_SIZE];

	if (w)
		w->mlsd = mlsd_new(s, arg);
	if (!w || !w->mlsd) {
		free(w);
		return no_memory(s);
	}
	if (session_path(s, arg, vpath) == 0)
		session_note_path(s, vpath);
	return session_job(s, mlsd_work, mlsd_done, w);
}

/* --- MLST --- */

struct mlst_job {
	struct mlst m;
	int r;
};

static void mlst_work(void *arg, const atomic_bool *cancel)
{
	struct mlst_job *j = arg;

	j->r = mlst_run(&j->m);
}

static enum ftp_result mlst_finish(struct session *s, void *arg)
{
	struct mlst_job *j = arg;

	if (j->r < 0) {
		session_reply(s, 550, "'%s' cannot be listed", j->m.path);
	} else {
		session_reply_first(s, 250, "Start of list for %s", j->m.path);
		/* facts and a path may be longer than other lines */
		session_replied(s, 0, reply_line(session_out(s), "%s", j->m.line.data));
		session_reply(s, 250, "End of list");
	}
	mlst_done(&j->m);
	free(j);
	return FTP_DONE;
}

static enum ftp_result mlst_start(struct session *s, const char *arg)
{
	struct mlst_job *j = calloc(1, sizeof *j);
	char vpath[VFS_PATH_SIZE];

	if (!j)
		return no_memory(s);
	if (mlst_init(&j->m, s, arg) < 0) {
		mlst_done(&j->m);
		free(j);
		return no_memory(s);
	}
	if (session_path(s, arg, vpath) == 0)
		session_note_path(s, vpath);
	return session_job(s, mlst_work, mlst_finish, j);
}

const struct session_cmd session_cmd_list = {.verb = "LIST", .run = list_run};
const struct session_cmd session_cmd_nlst = {.verb = "NLST", .run = nlst_run};
const struct session_cmd session_cmd_mlsd = {.verb = "MLSD", .run = mlsd_run};
const struct session_cmd session_cmd_mlst = {.verb = "MLST", .run = mlst_start};
