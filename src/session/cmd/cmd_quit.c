/* QUIT, with the lines of DisplayQuit, and NOOP. */
#include <stdlib.h>

#include "base/alloc.h"
#include "session/cmd/cmd.h"

struct quit {
	struct session *s;
	char *cwd, *text;
};

static void quit_work(void *arg, const atomic_bool *cancel)
{
	struct quit *q = arg;

	q->text = session_display_text(q->s, &q->s->scope->conf.display_quit, q->cwd);
}

static enum ftp_result quit_done(struct session *s, void *arg)
{
	struct quit *q = arg;

	session_reply_display(s, 221, q->text);
	session_reply(s, 221, "Goodbye.");
	free(q->cwd);
	free(q->text);
	free(q);
	return FTP_CLOSE;
}

static enum ftp_result quit_run(struct session *s, const char *arg)
{
	const struct ftp_display *d = &s->scope->conf.display_quit;
	struct quit *q;

	if (!d->path || s->quiet) {
		session_reply(s, 221, "Goodbye.");
		return FTP_CLOSE;
	}
	q = xcalloc(1, sizeof *q);
	q->s = s;
	q->cwd = xstrdup(s->cwd);
	return session_job(s, quit_work, quit_done, q);
}

const struct session_cmd session_cmd_quit = {.verb = "QUIT", .run = quit_run};

static enum ftp_result noop_run(struct session *s, const char *arg)
{
	session_reply(s, 200, "NOOP command successful");
	return FTP_DONE;
}

const struct session_cmd session_cmd_noop = {.verb = "NOOP", .run = noop_run};
