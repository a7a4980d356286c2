/* STAT (RFC 959 4.1.3): of the session, or a listing over the control connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/cmd/cmd.h"
#include "session/list.h"

static enum ftp_result stat_session(struct session *s)
{
	char line[VFS_PATH_SIZE + 128], peer[ADDR_TEXT_MAX];
	const char *ip = addr_text(&s->peer, peer), *client = s->who.client_name ? s->who.client_name : ip;

	session_reply_first(s, 211, "Status of '%s'", s->scope->conf.server_name);
	session_reply_more(s, "Connected from %s (%s)", client, ip);
	session_reply_more(s, "Logged in as %s", s->account->user);
	session_reply_more(s, "TYPE: %s, STRUcture: File, Mode: %s", s->ascii ? "ASCII" : "BINARY",
		s->mode_z ? "Deflate" : "Stream");
	session_reply_more(s, "Total bytes transferred for session: %llu",
		(unsigned long long)(s->bytes_in + s->bytes_out));
	if (s->long_job)
		(void)snprintf(line, sizeof line, "%s %s (%llu/%llu)", s->long_job->verb, s->long_job->name,
			(unsigned long long)s->long_job->total, (unsigned long long)s->long_job->done);
	else
		xfer_describe(s, line, sizeof line);
	session_reply_more(s, "%s", line + strspn(line, " "));
	session_reply(s, 211, "End of status");
	return FTP_DONE;
}

struct stat_work {
	struct listing *l;
	int r;
};

static void stat_work(void *arg, const atomic_bool *cancel)
{
	struct stat_work *w = arg;

	w->r = listing_open(w->l, cancel);
}

static enum ftp_result stat_done(struct session *s, void *arg)
{
	struct stat_work *w = arg;
	enum ftp_result result = FTP_DONE;
	const char *path = *listing_path(w->l) ? listing_path(w->l) : ".";
	int code;

	if (w->r < 0) {
		session_reply_errno(s, w->r == -EPERM ? 550 : 450, path, w->r);
		listing_free(w->l);
	} else {
		code = listing_is_dir(w->l) ? 212 : 213;
		session_reply_first(s, code, "Status of %s:", path);
		result = xfer_list_on_control(s, code, "End of status", listing_source(w->l));
	}
	free(w);
	return result;
}

static bool stat_check(struct session *s, const char *arg)
{
	if (*arg && s->xfer) {
		/* The replies of the transfer would stand in the middle of the listing. */
		session_reply(s, 450, "%s: Transfer in progress", arg);
		return false;
	}
	if (*arg || session_verb_allowed(s, "STAT"))
		return true;
	session_reply_errno(s, 550, "STAT", -EPERM);
	return false;
}

static enum ftp_result stat_run(struct session *s, const char *arg)
{
	struct stat_work *w;

	if (!*arg)
		return stat_session(s);
	w = calloc(1, sizeof *w);
	if (w)
		w->l = listing_new(s, LIST_KIND_STAT, arg);
	if (!w || !w->l) {
		free(w);
		session_reply(s, 451, "Cannot allocate memory");
		return FTP_DONE;
	}
	list_note_path(s, arg);
	return session_job(s, stat_work, stat_done, w);
}

const struct session_cmd session_cmd_stat = {.verb = "STAT", .check = stat_check, .run = stat_run};
