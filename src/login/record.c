#include "login/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "ftp/verb.h"
#include "log/extlog.h"
#include "login/conn.h"

#define REPLY_TEXT_MAX 256 /* bytes of the reply that are recorded */

struct extended {
	struct extended *next;
	const struct ftp_extlog *conf;
	struct logfmt *fmt;
	struct extlog log;
};

struct login_records {
	struct extended *list;
	struct log_syslog syslog;
	bool syslog_open;
};

static bool command_known(const char *name)
{
	return verb_find_limit(name) != NULL;
}

/* The configuration was checked when it was loaded; a format that fails here leaves its log without our
 * lines. */
static void extended_add(
	struct login_records *r, const struct ftp_config *config, const struct ftp_extlog *conf)
{
	struct extended *e = xcalloc(1, sizeof(*e));
	struct err err = ERR_INIT;

	e->conf = conf;
	if (conf->file == NULL) {
		if (!r->syslog_open)
			(void)log_syslog_open(
				&r->syslog, LOG_SYSLOG_PATH, "wherryd"); /* it tries again itself */
		r->syslog_open = true;
		e->log.sys = &r->syslog;
		e->log.priority = config->syslog_facility | conf->syslog_level;
	}
	if (extlog_mask_parse(conf->classes, command_known, &e->log.mask, &err) < 0 ||
		logfmt_compile(conf->format, &e->fmt, &err) < 0) {
		log_warn(NULL, "ExtendedLog gets no lines of the login process: %s", err.text);
		free(e);
		return;
	}
	e->log.fmt = e->fmt;
	e->next = r->list;
	r->list = e;
}

static struct extended *extended_find(const struct login_records *r, const struct ftp_extlog *conf)
{
	struct extended *e = r->list;

	while (e != NULL && e->conf != conf)
		e = e->next;
	return e;
}

struct login_records *login_records_new(const struct ftp_config *config)
{
	struct login_records *r = xcalloc(1, sizeof(*r));

	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_extlog *x = config->servers[i]->scope->conf.extended_logs;

		for (; x != NULL; x = (const struct ftp_extlog *)(const void *)x->item.next)
			if (extended_find(r, x) == NULL)
				extended_add(r, config, x);
	}
	return r;
}

void login_records_free(struct login_records *r)
{
	struct extended *next;

	if (r == NULL)
		return;
	for (struct extended *e = r->list; e != NULL; e = next) {
		next = e->next;
		logfmt_free(&e->fmt);
		free(e);
	}
	if (r->syslog_open)
		log_syslog_close(&r->syslog);
	free(r);
}

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
	char local[ADDR_TEXT_MAX], text[REPLY_TEXT_MAX];

	if (c->env->records == NULL || conf->extended_logs == NULL)
		return;
	rec.wall_us = (int64_t)clock_wall_ms() * 1000;
	rec.client_ip = c->peer_text;
	rec.client_port = addr_port(&c->peer);
	rec.local_ip = addr_text(&c->local, local);
	rec.local_port = addr_port(&c->local);
	rec.server_name = conf->server_name;
	rec.fqdn = c->server->fqdn;
	rec.protocol = "ftp";
	rec.sent_user = c->user;
	rec.class_name = c->class != NULL ? c->class->name : NULL;
	rec.command = line;
	rec.verb = verb;
	rec.args = args;
	rec.response_ms = (int64_t)(now_ms - start_ms);
	reply_read(reply, reply_len, &rec, text);
	for (const struct ftp_extlog *x = conf->extended_logs; x != NULL;
		x = (const struct ftp_extlog *)(const void *)x->item.next) {
		struct extended *e = extended_find(c->env->records, x);
		int r;

		if (e == NULL)
			continue;
		e->log.fd = x->file != NULL ? x->file->fd : -1;
		r = extlog_write(&e->log, classes, verb, &rec);
		if (r < 0)
			log_debug(&c->log, 1, "cannot write ExtendedLog: %s", err_text(r));
	}
}
