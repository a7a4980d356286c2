#include "session/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ftp/extlogs.h"
#include "ftp/tls_record.h"
#include "ftp/verb.h"
#include "log/extlog.h"
#include "log/xferlog.h"
#include "session/ctrl.h"
#include "session/proc.h"
#include "session/secure.h"
#include "session/session_priv.h"

void record_add_raw(struct session *s, uint64_t in, uint64_t out)
{
	s->raw_in += in;
	s->raw_out += out;
}

/* What a record borrows. */
struct record_texts {
	char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
};

static void record_who(const struct session *s, struct log_record *rec, struct record_texts *texts)
{
	const struct ftp_conf *conf = &s->scope->conf;
	uint64_t now_ms = clock_wall_ms();

	rec->wall_us = (int64_t)now_ms * 1000;
	rec->client_ip = addr_text(&s->peer, texts->peer);
	rec->client_host = s->who.client_name;
	rec->client_port = addr_port(&s->peer);
	rec->local_ip = addr_text(&s->local, texts->local);
	rec->local_port = addr_port(&s->local);
	rec->server_name = conf->server_name;
	rec->fqdn = s->server->fqdn;
	rec->protocol = s->secure ? "ftps" : "ftp";
	rec->anon_password = s->anonymous ? s->account->email : NULL;
	rec->user = s->account->user;
	rec->sent_user = s->account->sent_user;
	rec->group = s->who.n_groups ? s->who.groups[0] : NULL;
	rec->uid = s->account->uid;
	rec->gid = s->account->gid;
	rec->class_name = s->who.class_name;
	rec->raw_in = (int64_t)s->raw_in;
	rec->raw_out = (int64_t)s->raw_out;
}

static void record_what(const struct session *s, struct log_record *rec, char *host, size_t host_size)
{
	const struct session_command *c = s->cmd;
	const char *blank = c->line ? strchr(c->line, ' ') : NULL;

	rec->command = c->line;
	rec->verb = c->verb;
	rec->args = blank ? blank + 1 : NULL;
	rec->rename_from = c->rename_from;
	rec->reply_code = c->reply_code ? c->reply_code : -1;
	rec->reply_text = c->reply_text;
	rec->response_ms = (int64_t)(clock_ms() - c->started_ms);
	if (c->vpath) {
		rec->file = c->vpath;
		rec->file_host = vfs_host_text(s->root, c->vpath, host, host_size);
		rec->dir = c->log_classes & VERB_LOG_DIRS ? c->vpath : NULL;
	}
	if (!c->transferred)
		return;
	rec->bytes = (int64_t)c->bytes;
	rec->file_modified = c->modified;
	rec->file_size = c->file_size;
	rec->file_offset = (int64_t)c->offset;
	rec->transfer_ms = (int64_t)c->transfer_ms;
	rec->transfer_failure = c->failure;
	rec->transfer_port = c->transfer_port ? c->transfer_port : -1;
	rec->transfer_status = c->status;
	rec->transfer_type = s->ascii ? "ASCII" : "binary";
}

static void record_write(struct session *s, unsigned classes, const char *command, struct log_record *rec)
{
	struct ftp_tls_env env;

	env.text = secure_env(s);
	rec->env = ftp_tls_env_value;
	rec->note = ftp_tls_note;
	rec->env_arg = rec->note_arg = &env;
	extlogs_write(s->proc->extlogs, s->scope->conf.extended_logs, classes, command, rec, &s->log);
}

void record_command(struct session *s)
{
	struct log_record rec = LOG_RECORD_INIT;
	struct record_texts texts;
	char host[VFS_PATH_SIZE * 2], name[VERB_LOG_NAME_SIZE];

	if (!s->scope->conf.extended_logs || !s->cmd)
		return;
	record_who(s, &rec, &texts);
	record_what(s, &rec, host, sizeof host);
	record_write(s, s->cmd->log_classes, verb_log_name(s->cmd->verb, rec.args, name), &rec);
}

void record_end(struct session *s)
{
	struct log_record rec = LOG_RECORD_INIT;
	struct record_texts texts;

	if (!s->scope->conf.extended_logs)
		return;
	record_who(s, &rec, &texts);
	rec.end_reason = session_end_text((enum session_end)s->end);
	record_write(s, EXTLOG_EXIT, NULL, &rec);
}

static void report_to_master(struct session *s, const struct record_xfer *x)
{
	struct ipc_xfer_report q = {.sid = s->sid,
		.path = x->vpath,
		.bytes = x->bytes,
		.duration_ms = x->duration_ms,
		.upload = x->upload,
		.complete = x->complete};

	if (s->proc->start->report_transfers && !x->deletion)
		proc_send(s->proc, IPC_XFER_REPORT, &q);
}

void record_xfer(struct session *s, const struct record_xfer *x)
{
	const struct ftp_logfile *file = s->scope->conf.transfer_log;
	char host[VFS_PATH_SIZE * 2], peer[ADDR_TEXT_MAX];
	struct xferlog line = {
		.wall_secs = (int64_t)(clock_wall_ms() / 1000),
		.duration_ms = x->duration_ms,
		.remote_host = s->who.client_name ? s->who.client_name : addr_text(&s->peer, peer),
		.bytes = x->bytes,
		.ascii = x->ascii,
		.direction = x->deletion ? XFERLOG_DELETE
			     : x->upload ? XFERLOG_IN
					 : XFERLOG_OUT,
		.anonymous = s->anonymous,
		.user = s->anonymous ? s->account->email : s->account->user,
		.service = s->secure ? "ftps" : "ftp",
		.complete = x->complete,
	};
	int r;

	report_to_master(s, x);
	if (!file)
		return;
	line.path = vfs_host_text(s->root, x->vpath, host, sizeof host);
	r = xferlog_write(file->fd, &line);
	if (r < 0)
		log_debug(&s->log, 1, "cannot write TransferLog: %s", err_text(r));
}

void session_log_delete(struct session *s, const char *vpath, uint64_t size_bytes)
{
	struct record_xfer x = {
		.vpath = vpath, .bytes = size_bytes, .deletion = true, .complete = true, .ascii = s->ascii};

	record_xfer(s, &x);
}
