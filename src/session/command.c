/* What every command has: the record of itself, the rules for its argument, and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "ftp/rewrite.h"
#include "score/score.h"
#include "session/claim.h"
#include "session/data.h"
#include "session/record.h"
#include "session/session_priv.h"

void command_begin(struct session *s, const struct ftp_verb *v, const struct line_cmd *line)
{
	bool secret = v->flags & VERB_SECRET && line->has_arg;
	char shown[256];

	command_free(&s->cmd);
	s->cmd = xcalloc(1, sizeof *s->cmd);
	s->cmd->verb = v->name;
	s->cmd->log_classes = v->log_classes;
	s->cmd->started_ms = clock_ms();
	if (secret) {
		(void)snprintf(shown, sizeof shown, "%s (hidden)", v->name);
		s->cmd->line = strdup(shown);
	} else
		s->cmd->line = strndup(line->raw, line->raw_len);
	log_debug(
		&s->log, 5, "command: %s", str_escape(s->cmd->line ? s->cmd->line : "", shown, sizeof shown));
}

void command_show(struct session *s, const struct ftp_verb *v, const struct line_cmd *line)
{
	score_set_cmd(s->slot, v->name, v->flags & VERB_SECRET && line->has_arg ? "(hidden)" : line->arg);
}

void command_free(struct session_command **cp)
{
	struct session_command *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	free(c->line);
	free(c->reply_text);
	free(c->vpath);
	free(c->rename_from);
	free(c);
}

void command_end(struct session *s)
{
	const struct ftp_verb *v;

	if (!s->cmd)
		return;
	v = verb_find(s->cmd->verb);
	if (v && v->flags & VERB_TRANSFER) {
		data_reset(s->data);
		claim_release(s);
	}
	record_command(s);
	s->who.arg = NULL;
	command_free(&s->cmd);
	score_set_idle(s->slot);
}

int command_rewrite(struct session *s, const struct ftp_verb *v, const struct line_cmd *line,
	struct buf *text, struct line_cmd *ret_line)
{
	char vpath[VFS_PATH_SIZE], host[VFS_PATH_SIZE * 2];
	struct rewrite_query q = {.who = &s->who,
		.sent_user = s->account->sent_user,
		.server_name = s->scope->conf.server_name,
		.port = addr_port(&s->local)};

	buf_init(text, 1);
	if (!s->scope->conf.rewrite_engine || line->arg_len == 0)
		return 0;
	q.conf = session_cwd_conf(s);
	q.rules = q.conf->rewrite_rules;
	if (q.rules && (v->arg == VERB_ARG_PATH || v->arg == VERB_ARG_OPT_PATH) &&
		session_path(s, line->arg, vpath) == 0) {
		(void)vfs_host_text(s->root, vpath, host, sizeof host);
		q.path = host;
	}
	return ftp_rewrite_command(&q, line, (v->flags & VERB_SECRET) != 0, &s->log, text, ret_line);
}

/* Commands whose wrong argument is answered like an unknown line. */
static bool answers_500(const char *verb)
{
	static const char *const verbs[] = {
		"RETR", "STOR", "APPE", "STOU", "RANG", "REST", "TYPE", "MODE", "ABOR"};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i], verb) == 0)
			return true;
	}
	return false;
}

bool command_argument_ok(struct session *s, const struct ftp_verb *v, const struct line_cmd *line)
{
	bool need = v->arg == VERB_ARG_TEXT || v->arg == VERB_ARG_PATH;
	bool ok = v->arg == VERB_ARG_NONE ? line->arg_len == 0 : !need || line->arg_len > 0;

	if (ok)
		return true;
	if (answers_500(v->name))
		session_not_understood(s);
	else
		session_reply(s, 501, "Invalid number of parameters");
	return false;
}

void session_not_understood(struct session *s)
{
	session_reply(s, 500, "'%s' not understood", s->cmd->line ? s->cmd->line : s->cmd->verb);
}

void session_note_path(struct session *s, const char *vpath)
{
	free(s->cmd->vpath);
	s->cmd->vpath = strdup(vpath); /* only for records */
}
