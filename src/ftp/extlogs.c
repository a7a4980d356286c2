#include "ftp/extlogs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "ftp/variant.h"
#include "log/extlog.h"

struct ready { /* one row of the configuration */
	struct ready *next;
	const struct ftp_extlog *row;
	struct logfmt *fmt; /* NULL: it gets no lines, which was logged */
	struct extlog log;
};

struct extlogs {
	const struct ftp_config *config;
	struct ready *list;
	struct log_syslog syslog;
	bool syslog_open;
};

struct extlogs *extlogs_new(const struct ftp_config *config)
{
	struct extlogs *l = xcalloc(1, sizeof(*l));

	l->config = config;
	return l;
}

void extlogs_free(struct extlogs **lp)
{
	struct extlogs *l = *lp;
	struct ready *next;

	*lp = NULL;
	for (struct ready *e = l != NULL ? l->list : NULL; e != NULL; e = next) {
		next = e->next;
		logfmt_free(&e->fmt);
		free(e);
	}
	if (l != NULL && l->syslog_open)
		log_syslog_close(&l->syslog);
	free(l);
}

static const struct ftp_extlog *row_next(const struct ftp_extlog *row)
{
	return (const struct ftp_extlog *)(const void *)row->item.next;
}

static void use_syslog(struct extlogs *l, struct extlog *log, int level)
{
	if (!l->syslog_open)
		(void)log_syslog_open(&l->syslog, LOG_SYSLOG_PATH, "wherryd"); /* it tries again itself */
	l->syslog_open = true;
	log->sys = &l->syslog;
	log->priority = l->config->syslog_facility | level;
}

static struct ready *make_ready(struct extlogs *l, const struct ftp_extlog *row)
{
	struct ready *e = xcalloc(1, sizeof(*e));
	struct err err = ERR_INIT;

	e->row = row;
	e->next = l->list;
	l->list = e;
	if (row->file == NULL)
		use_syslog(l, &e->log, row->syslog_level);
	/* Both were checked when the configuration was loaded. */
	if (extlog_mask_parse(row->classes, NULL, &e->log.mask, &err) < 0 ||
		logfmt_compile(row->format, &e->fmt, &err) < 0)
		log_warn(NULL, "ExtendedLog is not written: %s", err.text);
	e->log.fmt = e->fmt;
	return e;
}

static struct ready *ready_for(struct extlogs *l, const struct ftp_extlog *row)
{
	struct ready *e = l->list;

	while (e != NULL && e->row != row)
		e = e->next;
	return e != NULL ? e : make_ready(l, row);
}

void extlogs_prepare(struct extlogs *l)
{
	for (unsigned i = 0; i < l->config->n_servers; i++) {
		const struct ftp_extlog *row =
			ftp_server_full(l->config->servers[i])->scope->conf.extended_logs;

		for (; row != NULL; row = row_next(row))
			(void)ready_for(l, row);
	}
}

void extlogs_write(struct extlogs *l, const struct ftp_extlog *rows, unsigned classes, const char *command,
	const struct log_record *rec, const struct log_ctx *ctx)
{
	for (const struct ftp_extlog *row = rows; row != NULL; row = row_next(row)) {
		struct ready *e = ready_for(l, row);
		int r;

		if (e->fmt == NULL)
			continue;
		e->log.fd = row->file != NULL ? row->file->fd : -1;
		r = extlog_write(&e->log, classes, command, rec);
		if (r < 0)
			log_debug(ctx, 1, "cannot write ExtendedLog: %s", err_text(r));
	}
}
