/* ALLO: how large the next file will be (RFC 959 4.1.3). Whether there is room is told at once to those who see the
 * whole file system; others learn it from the STOR. The answer is 200, never 202: there are cameras that ask again
 * and again after a 202. Nothing is reserved before the upload (store.h): whoever can log in could else take the
 * disk without sending a byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ftp/line.h"
#include "session/cmd/cmd.h"
#include "session/prealloc.h"

struct allo {
	struct session *s;
	uint64_t bytes;
	char *dir, *arg;
	int result;
	struct statvfs fs;
};

static void allo_work(void *arg, const atomic_bool *cancel)
{
	struct allo *a = arg;

	a->result = vfs_statvfs(a->s->root, a->dir, &a->fs);
}

static void allo_take(struct session *s, uint64_t bytes)
{
	s->allo = bytes;
	session_reply(s, 200, "ALLO command successful");
}

static enum ftp_result allo_done(struct session *s, void *arg)
{
	struct allo *a = arg;

	if (a->result == 0 && !prealloc_fits(&a->fs, a->bytes))
		session_reply_errno(s, 552, a->arg, -ENOSPC);
	else
		allo_take(s, a->bytes);
	free(a->dir);
	free(a->arg);
	free(a);
	return FTP_DONE;
}

static enum ftp_result allo_run(struct session *s, const char *arg)
{
	struct line_word w[3];
	unsigned n = line_words(arg, w, 3);
	uint64_t bytes = 0, record;
	struct allo *a;
	bool ok;

	s->allo = 0;
	ok = (n == 1 || n == 3) && line_word_number(&w[0], UINT64_MAX, &bytes);
	if (n == 3)
		ok = ok && line_word_is(&w[1], "R") && line_word_number(&w[2], UINT64_MAX, &record);
	if (!ok) {
		session_reply(s, 504, "%s: Invalid ALLO argument", arg);
		return FTP_DONE;
	}
	if (strcmp(s->root->path, "/") != 0) {
		allo_take(s, bytes);
		return FTP_DONE;
	}
	a = xcalloc(1, sizeof *a);
	a->s = s;
	a->bytes = bytes;
	a->dir = xstrdup(s->cwd);
	a->arg = xstrdup(arg);
	return session_job(s, allo_work, allo_done, a);
}

const struct session_cmd session_cmd_allo = {.verb = "ALLO", .run = allo_run};
