/* The session machine: states, and what happens when lines arrive. Drawn in ARCHITECTURE.md. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ftp/profile.h"
#include "ftp/reply.h"
#include "score/score.h"
#include "session/claim.h"
#include "session/cmd/cmd.h"
#include "session/ctrl.h"
#include "session/data.h"
#include "session/proc.h"
#include "session/record.h"
#include "session/secure.h"
#include "session/session_priv.h"
#include "session/xfer_priv.h"

#define LINE_CONVERTED_MAX (2u * 1024 * 1024) /* bytes; CommandBufferSize is 512 KiB at most */

static const char *const state_name[SESSION_STATE_COUNT] = {
	[SESSION_STARTING] = "starting",
	[SESSION_READY] = "ready",
	[SESSION_BUSY] = "busy",
	[SESSION_TRANSFER] = "transfer",
	[SESSION_CLOSING] = "closing",
	[SESSION_CLOSED] = "closed",
};

static const char *const end_text[SESSION_END_COUNT] = {
	[SESSION_END_NONE] = "",
	[SESSION_END_QUIT] = "client said QUIT",
	[SESSION_END_REIN] = "client said REIN",
	[SESSION_END_AUTH] = "client said AUTH",
	[SESSION_END_EOF] = "client closed the control connection",
	[SESSION_END_LOST] = "control connection lost",
	[SESSION_END_REFUSED] = "root or start directory not usable",
	[SESSION_END_IDLE] = "TimeoutIdle",
	[SESSION_END_NO_TRANSFER] = "TimeoutNoTransfer",
	[SESSION_END_STALLED] = "TimeoutStalled",
	[SESSION_END_SESSION] = "TimeoutSession",
	[SESSION_END_NOT_READING] = "client does not read its replies",
	[SESSION_END_FOREIGN] = "client speaks another protocol",
	[SESSION_END_KICKED] = "ended by the administrator",
	[SESSION_END_SHUTDOWN] = "server is shutting down or reloading",
};

const char *session_end_text(enum session_end end)
{
	return end_text[end];
}

uv_loop_t *session_loop(const struct session *s)
{
	return &s->proc->loop;
}

void session_ref(struct session *s)
{
	s->refs++;
}

void session_unref(struct session *s)
{
	if (--s->refs == 0)
		session_free(s);
}

void session_enter(struct session *s, enum session_state state)
{
	if (s->state == state)
		return;
	log_debug(&s->log, 9, "session: %s -> %s", state_name[s->state], state_name[state]);
	s->state = state;
	timers_arm(s);
}

/* Say goodbye if there is something to say, and close when it is flushed. */
static void session_close(struct session *s)
{
	if (s->state >= SESSION_CLOSING)
		return;
	if (s->end_text && s->ctrl)
		(void)reply_whole(&s->ctrl->out, s->end_text); /* a full buffer is cut anyway */
	session_enter(s, SESSION_CLOSING);
	data_reset(s->data);
	if (!s->ctrl)
		session_control_lost(s);
	else if (s->end == SESSION_END_NOT_READING)
		session_control_lost(s);
	else if (s->end == SESSION_END_REIN || s->end == SESSION_END_AUTH)
		ctrl_leave(s->ctrl);
	else
		ctrl_close(s->ctrl);
}

void session_give_back(struct session *s)
{
	struct ipc_rein q = {.sid = s->sid,
		.telnet = telnet_pack(&s->ctrl->telnet),
		.auth = s->end == SESSION_END_AUTH,
		.prot_private = s->prot_private};

	q.input.data = line_pending(&s->ctrl->lines, &q.input.len);
	score_release(s->slot); /* before login shows the client */
	s->slot = NULL;
	proc_send_fd(s->proc, IPC_REIN, &q, s->ctrl->fd); /* a copy: ours is closed now */
	/* The number goes with the client, who may be back in this process before the last file of this session is closed. */
	s->sid = 0;
	session_control_lost(s);
}

void session_control_lost(struct session *s)
{
	if (s->state == SESSION_CLOSED)
		return;
	if (!s->end)
		s->end = s->ctrl && s->ctrl->eof ? SESSION_END_EOF : SESSION_END_LOST;
	ctrl_free(&s->ctrl);
	xfer_control_list_drop(s);
	session_enter(s, SESSION_CLOSED); /* first: what is stopped below must not take further commands */
	session_job_cancel(s);
	claim_cancel(s);
	xfer_abort(s, XFER_ABORT_LOST);
	data_reset(s->data);
	session_unref(s); /* the reference of being alive */
}

void session_terminate(struct session *s, enum session_end end, const char *text)
{
	/* One that is to end after its running command can still be ended at once. */
	if ((s->end && s->end != SESSION_END_SHUTDOWN) || s->state >= SESSION_CLOSING)
		return;
	session_ref(s); /* each step below may be its last */
	s->end = end;
	free(s->end_text);
	s->end_text = text ? strdup(text) : NULL;
	session_job_cancel(s);
	claim_cancel(s);
	if (s->listing) /* waits for a client that does not read: nothing more will get through */
		session_control_lost(s);
	else {
		xfer_abort(s, end == SESSION_END_STALLED ? XFER_ABORT_STALLED : XFER_ABORT_KICKED);
		session_pump(s);
	}
	session_unref(s);
}

void session_retire(struct session *s, const char *text)
{
	if (s->end || s->state >= SESSION_CLOSING)
		return;
	s->end = SESSION_END_SHUTDOWN;
	s->end_text = strdup(text);
	session_pump(s);
}

void session_offence(struct session *s, enum ftp_ban_event event)
{
	struct ipc_offence q = {.sid = s->sid, .event = event, .user = ""};

	if (ftp_ban_counts(&s->scope->conf, event))
		proc_send(s->proc, IPC_OFFENCE, &q);
}

/* --- commands --- */

static void command_result(struct session *s, enum ftp_result result)
{
	switch (result) {
	case FTP_WAIT_JOB:
	case FTP_WAIT_IPC:
		if (s->state < SESSION_CLOSING)
			session_enter(s, SESSION_BUSY);
		return;
	case FTP_WAIT_DATA:
		if (s->state < SESSION_CLOSING)
			session_enter(s, SESSION_TRANSFER);
		return;
	case FTP_CLOSE:
		if (!s->end)
			s->end = SESSION_END_QUIT;
		break;
	case FTP_DONE:
		break;
	}
	command_end(s);
	if (s->state < SESSION_CLOSING)
		session_enter(s, SESSION_READY);
}

/* Find the command of a line, or reply why there is none. */
static const struct ftp_verb *verb_of_line(struct session *s, const struct line_cmd *line)
{
	const struct ftp_verb *v = verb_find(line->verb);
	const char *protocol;

	if (v && verb_offered(v, &s->scope->conf))
		return v;
	protocol = verb_foreign_protocol(line->verb);
	if (protocol) {
		log_notice(&s->log, "client speaks %s, closing", protocol);
		s->end = SESSION_END_FOREIGN;
		return NULL;
	}
	session_replied(s, 500, reply_unknown(session_out(s), line));
	session_offence(s, FTP_BAN_UNHANDLED_COMMAND);
	return NULL;
}

static bool takes_path(const struct ftp_verb *v)
{
	return v->arg == VERB_ARG_PATH || v->arg == VERB_ARG_OPT_PATH || v->arg == VERB_ARG_SUB ||
	       v->flags & VERB_MULTI_WORD_PATH;
}

/* Verbs without a path are limited by what holds in the current directory; those with one ask for their
 * object themselves, SITE and OPTS for their subcommand. */
static bool limit_ok(struct session *s, const struct ftp_verb *v)
{
	bool data = strcmp(v->name, "PORT") == 0 || strcmp(v->name, "EPRT") == 0 ||
		    strcmp(v->name, "PASV") == 0 || strcmp(v->name, "EPSV") == 0;

	if (takes_path(v) || session_verb_allowed(s, v->name))
		return true;
	if (v->flags & VERB_TLS) {
		session_reply(s, 534, "Unwilling to accept security parameters");
		return false;
	}
	session_reply(s,
		data                           ? 501
		: strcmp(v->name, "RANG") == 0 ? 552
					       : 550,
		"%s: Operation not permitted", v->name);
	return false;
}

/* The path without the quotes around the whole of it (fresh), or NULL: there are none. */
static char *path_bare(const struct ftp_verb *v, const struct line_cmd *line)
{
	size_t n = line->arg_len;

	if ((v->arg != VERB_ARG_PATH && v->arg != VERB_ARG_OPT_PATH) || v->flags & VERB_MULTI_WORD_PATH ||
		n < 3 || line->arg[0] != '"' || line->arg[n - 1] != '"')
		return NULL;
	return strndup(line->arg + 1, n - 2);
}

static enum ftp_result command_run(struct session *s, const struct ftp_verb *v, const struct line_cmd *line)
{
	const struct session_cmd *c = session_cmd_find(v->name);
	const char *arg = line->arg;
	enum ftp_result result;
	char *bare = NULL;

	if (!command_argument_ok(s, v, line))
		return FTP_DONE;
	if (v->flags & VERB_NOT_IMPLEMENTED) {
		session_reply(s, 502, "%s command not implemented", v->name);
		return FTP_DONE;
	}
	if (!c) {
		session_reply(s, 503, "Bad sequence of commands"); /* legal only before login */
		return FTP_DONE;
	}
	if (!limit_ok(s, v))
		return FTP_DONE;
	if (s->cmd->bad_charset && takes_path(v)) {
		session_reply(s, 550, "%s: Illegal character sequence in filename", line->arg);
		return FTP_DONE;
	}
	if (line->arg_len && !session_arg_allowed(s, line->arg)) {
		session_reply(s, 550, "%s: Forbidden command argument", line->arg);
		return FTP_DONE;
	}
	if (v->flags & VERB_TRANSFER && v->arg != VERB_ARG_PATH && !secure_data_allowed(s, &s->scope->conf))
		return FTP_DONE;
	if (v->flags & VERB_ENDS_RENAME)
		session_forget_source(s);
	if (v->flags & VERB_TRANSFER && (s->odd_stru || s->odd_mode)) {
		session_reply(s, 550, "No transfer is possible with STRU R or MODE B");
		return FTP_DONE;
	}
	s->cmd->input = line;
	if (s->quirks & FTP_QUIRK_QUOTES && (bare = path_bare(v, line)))
		arg = bare;
	result = c->check && !c->check(s, arg) ? FTP_DONE : c->run(s, arg);
	free(bare);
	s->cmd->input = NULL;
	return result;
}

/* The line in the charset of the files: everything behind this point knows no other. What cannot be converted stays
 * as it is. buf holds the strings of the new line. false: the line is not valid in the client's charset, or has
 * no counterpart. */
static bool line_convert(const struct session *s, struct line_cmd *line, struct buf *buf)
{
	struct charset *charset = session_charset(s);
	const char *blank;

	if (!charset)
		return s->scope->conf.encoding == FTP_ENCODING_OFF || utf8_valid(line->arg, line->arg_len);
	if (charset_convert(charset, CHARSET_TO_LOCAL, line->raw, line->raw_len, buf) < 0)
		return false;
	blank = line->has_arg ? memchr(buf->data, ' ', buf->len) : NULL;
	if (blank) {
		line->arg = blank + 1;
		line->arg_len = buf->len - (size_t)(line->arg - buf->data);
	}
	line->raw = buf->data;
	line->raw_len = buf->len;
	return true;
}

static void line_dispatch(struct session *s, enum line_result what, struct line_cmd *line)
{
	struct line_cmd rewritten;
	const struct ftp_verb *v;
	struct buf buf, changed;
	const char *arg;
	bool good;
	int r;

	timers_command(s);
	if (what != LINE_COMMAND) {
		session_replied(s, 0, reply_bad_line(session_out(s), what));
		return;
	}
	buf_init(&buf, LINE_CONVERTED_MAX);
	good = line_convert(s, line, &buf);
	v = verb_of_line(s, line);
	if (!v) {
		buf_done(&buf);
		return;
	}
	r = command_rewrite(s, v, line, &changed, &rewritten);
	line = r > 0 ? &rewritten : line;
	command_begin(s, v, line);
	s->cmd->bad_charset =
		!good && s->scope->conf.lang_engine && s->scope->conf.lang_options & FTP_LANG_REQUIRE_VALID;
	command_show(s, v, line);
	arg = s->cmd->line ? strchr(s->cmd->line, ' ') : NULL;
	s->who.arg =
		arg ? arg + 1 : NULL; /* lives until command_end(); rules are also asked in pool threads */
	if (r < 0)
		session_reply(s, 550, "%s: Forbidden command argument", line->arg);
	command_result(s, r < 0 ? FTP_DONE : command_run(s, v, line));
	buf_done(&changed);
	buf_done(&buf);
}

static bool may_take_line(struct session *s)
{
	return s->state == SESSION_READY && !s->end && s->ctrl && s->ctrl->out.len < CTRL_BACKLOG &&
	       line_waiting(&s->ctrl->lines) && timers_command_allowed(s);
}

/* An ABOR anywhere in the input stops what runs now; its own reply comes in its turn, so that replies keep
 * the order of the commands: 426 for the transfer, then 226. */
static bool abort_waits(const struct session *s)
{
	return ctrl_waits(s->ctrl, "ABOR");
}

/* Stop what runs: a question to the pool, to master, or a transfer. */
static void running_stop(struct session *s)
{
	session_job_cancel(s);
	if (s->xfer)
		xfer_abort(s, XFER_ABORT_CLIENT);
	else
		claim_cancel(s); /* may begin the next command, which is not meant */
}

void session_finish(struct session *s, enum ftp_result result)
{
	command_result(s, result);
	if (result == FTP_DONE || result == FTP_CLOSE)
		session_pump(s);
	else if (s->ctrl && abort_waits(s)) /* it came while a step ran that has no use for it */
		running_stop(s);
	else if (s->ctrl)
		ctrl_flush(s->ctrl);
}

void session_transfer_done(struct session *s)
{
	session_finish(s, FTP_DONE);
}

static void lines_take(struct session *s)
{
	struct line_cmd line;
	enum line_result what;

	while (may_take_line(s)) {
		what = line_next(&s->ctrl->lines, &line);
		if (what != LINE_NONE)
			line_dispatch(s, what, &line);
	}
	if (s->ctrl && !line_waiting(&s->ctrl->lines))
		line_rest(&s->ctrl->lines);
}

void session_pump(struct session *s)
{
	session_ref(s);
	do {
		lines_take(s);
		if (s->state == SESSION_READY && s->ctrl && s->ctrl->eof && !s->end &&
			!line_waiting(&s->ctrl->lines))
			s->end = SESSION_END_EOF;
		if (s->end && s->state == SESSION_READY)
			session_close(s);
		if (s->ctrl)
			ctrl_flush(s->ctrl);
	} while (may_take_line(s)); /* flushing may have made room for more replies */
	/* An ABOR may have come in one packet with the command it is to stop. */
	if ((s->state == SESSION_BUSY || s->state == SESSION_TRANSFER) && s->ctrl && abort_waits(s))
		running_stop(s);
	session_unref(s);
}

/* --- lines while a command runs --- */

/* Answer a NOOP or STAT that is the next line while a transfer runs. It must not touch what the transfer
 * remembers. */
static bool line_run_aside(struct session *s)
{
	struct session_command *saved = s->cmd;
	struct line_cmd line, rewritten;
	const struct ftp_verb *v;
	struct buf changed;
	const char *text;
	size_t len;
	int r;

	text = ctrl_peek(s->ctrl, &len);
	if (!text || s->ctrl->out.len >= CTRL_BACKLOG ||
		!(ctrl_line_is(text, len, "NOOP") || ctrl_line_is(text, len, "STAT")) ||
		!timers_command_allowed(s))
		return false;
	if (line_next(&s->ctrl->lines, &line) != LINE_COMMAND)
		return true; /* its verb was checked above; an empty line was skipped */
	timers_command(s);
	v = verb_find(line.verb);
	s->cmd = NULL;
	r = command_rewrite(s, v, &line, &changed, &rewritten);
	line = r > 0 ? rewritten : line;
	command_begin(s, v, &line);
	if (r < 0)
		session_reply(s, 550, "%s: Forbidden command argument", line.arg);
	else
		(void)command_run(s, v, &line); /* both answer at once */
	buf_done(&changed);
	record_command(s);
	command_free(&s->cmd);
	s->cmd = saved;
	return true;
}

static void input_while_running(struct session *s)
{
	bool aside = s->state == SESSION_TRANSFER || s->long_job;
	const char *line;
	size_t len;

	if (aside) {
		while (line_run_aside(s))
			;
	}
	line = ctrl_peek(s->ctrl, &len);
	if (abort_waits(s) || (aside && line && ctrl_line_is(line, len, "QUIT")))
		running_stop(s);
	if (s->ctrl && s->ctrl->eof && s->long_job)
		session_job_cancel(s);
	if (s->ctrl && s->ctrl->eof)
		xfer_abort(s, XFER_ABORT_LOST);
	if (s->ctrl)
		ctrl_flush(s->ctrl);
}

void session_input(struct session *s)
{
	if (s->state == SESSION_BUSY || s->state == SESSION_TRANSFER)
		input_while_running(s);
	else
		session_pump(s);
}

void session_output_moved(struct session *s)
{
	ctrl_flush(s->ctrl);
	if (s->state == SESSION_READY)
		session_pump(s);
	else if (s->ctrl && (s->state == SESSION_TRANSFER || s->state == SESSION_BUSY))
		xfer_output_moved(s);
}

int session_path(const struct session *s, const char *arg, char out[VFS_PATH_SIZE])
{
	return vfs_path_resolve(s->cwd, arg, out);
}
