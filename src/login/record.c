#include "login/record.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ftp/extlogs.h"
#include "ftp/tls_record.h"
#include "ftp/verb.h"
#include "login/conn.h"

#define REPLY_TEXT_MAX 256 /* bytes of the reply that are recorded */

/* Code and text of the last line of a reply: "211 End\r\n". */
static void reply_read(const char *reply, size_t len, struct log_record *rec, char text[REPLY_TEXT_MAX])
{
	const char *end = reply + len, *line;
	int code;

	while (end > reply && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	line = end;
	while (line > reply && line[-1] != '\n')
		line--;
	if (end - line < 5)
		return;
	code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	rec->reply_code = code;
	(void)snprintf(text, REPLY_TEXT_MAX, "%.*s", (int)(end - line - 4), line + 4);
	rec->reply_text = text;
}

void login_record(const struct login_conn *c, const char *verb, const char *line, const char *args,
	const char *reply, size_t reply_len, uint64_t start_ms, uint64_t now_ms)
{
	const struct ftp_conf *conf = &c->server->scope->conf;
	const struct ftp_verb *v = verb_find(verb);
	unsigned classes = v != NULL ? v->log_classes : VERB_LOG_MISC;
	struct log_record rec = LOG_RECORD_INIT;
	char local[ADDR_TEXT_MAX], text[REPLY_TEXT_MAX], name[VERB_LOG_NAME_SIZE];
	struct ftp_tls_env env;

	if (c->env->extlogs == NULL || conf->extended_logs == NULL)
		return;
	rec.wall_us = (int64_t)clock_wall_ms() * 1000;
	rec.client_ip = c->peer_text;
	rec.client_port = addr_port(&c->peer);
	rec.local_ip = addr_text(&c->local, local);
	rec.local_port = addr_port(&c->local);
	rec.server_name = conf->server_name;
	rec.fqdn = c->server->fqdn;
	rec.protocol = c->secure ? "ftps" : "ftp";
	rec.sent_user = c->user;
	rec.class_name = c->class != NULL ? c->class->name : NULL;
	rec.command = line;
	rec.verb = verb;
	rec.args = args;
	rec.response_ms = (int64_t)(now_ms - start_ms);
	env.text = c->tls_env;
	rec.env = ftp_tls_env_value;
	rec.note = ftp_tls_note;
	rec.env_arg = rec.note_arg = &env;
	reply_read(reply, reply_len, &rec, text);
	extlogs_write(c->env->extlogs, conf->extended_logs, classes, verb_log_name(verb, args, name), &rec,
		&c->log);
}
