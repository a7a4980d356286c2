/* Log files of the configuration: opened here, inherited by the children, handed out again after a
 * rotation. */

#include "base/fd.h"
#include "log/log_file.h"
#include "log/log_sink.h"
#include "master/master.h"

static int open_file(const struct ftp_logfile *f, struct err *err)
{
	return log_file_open(f->path, ftp_logfile_flags(f), LOG_FILE_MODE, err);
}

void logfiles_close(struct ftp_config *config)
{
	for (struct ftp_logfile *f = config->logfiles; f != NULL; f = f->next)
		fd_close(&f->fd);
}

int logfiles_open(struct ftp_config *config, struct err *err)
{
	for (struct ftp_logfile *f = config->logfiles; f != NULL; f = f->next) {
		int fd = open_file(f, err);

		if (fd < 0) {
			logfiles_close(config);
			return err_prefix(err, "log file '%s'", f->path);
		}
		f->fd = fd;
	}
	return 0;
}

static const struct ftp_logfile *by_index(const struct ftp_config *config, unsigned index)
{
	const struct ftp_logfile *f = config->logfiles;

	while (f != NULL && f->index != index)
		f = f->next;
	return f;
}

static void send_all(struct master *m, const struct generation *g, const struct ftp_logfile *f)
{
	struct ipc_log_reopen q = {.index = f->index};

	for (struct list *it = m->children.next; it != &m->children; it = it->next) {
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->gen == g)
			(void)child_send(c, IPC_LOG_REOPEN, &q, f->fd); /* a dead child is reaped soon */
	}
}

void logfiles_reopen(struct master *m)
{
	for (struct list *it = m->generations.next; it != &m->generations; it = it->next) {
		struct generation *g = LIST_OBJ(it, struct generation, link);

		for (unsigned i = 0; i < g->config->n_logfiles; i++) {
			const struct ftp_logfile *f = by_index(g->config, i);
			struct err err = ERR_INIT;
			int fd = f != NULL ? open_file(f, &err) : -1;

			if (fd < 0) {
				log_warn(&m->log, "%s, keeping the old log file open", err.text);
				continue;
			}
			if (log_file_replace(f->fd, fd) < 0)
				log_warn(&m->log, "cannot switch to the new log file '%s'", f->path);
			else
				send_all(m, g, f);
		}
	}
}

static struct log_syslog sys = {.fd = -1};

int logsink_syslog_fd(void)
{
	return sys.fd;
}

void logsink_select(const struct master *m, const struct ftp_config *config)
{
	const struct ftp_conf *conf = &config->servers[0]->scope->conf;
	struct log_sink sink = {.kind = LOG_SINK_SYSLOG,
		.fd = -1,
		.sys = &sys,
		.facility = config->syslog_facility,
		.program = "wherryd"};
	int debug = m->opt.debug_level > conf->debug_level ? m->opt.debug_level : conf->debug_level;

	if (conf->system_log != NULL) {
		sink.kind = LOG_SINK_FILE;
		sink.fd = conf->system_log->fd;
	} else if (m->opt.foreground) {
		sink.kind = LOG_SINK_STDERR;
	} else if (sys.fd < 0) {
		(void)log_syslog_open(&sys, LOG_SYSLOG_PATH, "wherryd"); /* tries again at each line */
	}
	log_set_level(m->opt.quiet && sink.kind == LOG_SINK_STDERR ? LOG_ERR : conf->syslog_level);
	log_set_debug(debug > 0 ? debug : 0);
	log_sink_install(&sink);
}
