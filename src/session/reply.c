/* Replies of a session: ftp/reply.h with the session's output, remembering the last code for the records. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "ftp/profile.h"
#include "ftp/reply.h"
#include "ftp/tls_record.h"
#include "log/display.h"
#include "session/ctrl.h"
#include "session/proc.h"
#include "session/secure.h"
#include "session/session_priv.h"

#define DISPLAY_MAX (64 * 1024) /* bytes of a display file that are read */
#define TEXT_MAX    (VFS_PATH_SIZE + 512)

/* Replies to nobody: a session whose client is gone. Emptied with each use. */
static struct buf nowhere = {.max = CTRL_OUT_MAX};

struct buf *session_out(struct session *s)
{
	if (s->ctrl && !s->ctrl->closing)
		return &s->ctrl->out;
	buf_done(&nowhere);
	buf_init(&nowhere, CTRL_OUT_MAX);
	return &nowhere;
}

void session_replied(struct session *s, int code, int r)
{
	struct charset *charset = session_charset(s);

	if (code && s->cmd)
		s->cmd->reply_code = code;
	if (charset && r >= 0 && s->ctrl && !s->ctrl->closing)
		r = charset_lines(charset, &s->ctrl->out, s->ctrl->converted);
	session_replied_converted(s, r);
}

void session_replied_converted(struct session *s, int r)
{
	if (s->ctrl)
		s->ctrl->converted = s->ctrl->out.len;
	if (r < 0 && s->ctrl && !s->ctrl->closing) {
		log_notice(&s->log, "client does not read its replies, closing");
		if (!s->end)
			s->end = SESSION_END_NOT_READING; /* acted on when the command is over */
	}
}

static void reply_remember(struct session *s, int code, const char *text)
{
	if (!s->cmd)
		return;
	s->cmd->reply_code = code;
	free(s->cmd->reply_text);
	s->cmd->reply_text = strdup(text); /* only for records: without memory they show '-' */
}

void session_reply(struct session *s, int code, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_debug(&s->log, 7, "reply %d %s", code, text);
	reply_remember(s, code, text);
	session_replied(s, code, reply(session_out(s), (unsigned)code, "%s", text));
}

void session_reply_first(struct session *s, int code, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	session_replied(s, code, reply_first(session_out(s), (unsigned)code, "%s", text));
}

void session_reply_more(struct session *s, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	session_replied(s, 0, reply_line(session_out(s), "%s", text));
}

void session_reply_errno(struct session *s, int code, const char *arg, int error)
{
	session_reply(s, code, "%s: %s", arg, err_text(error));
}

void session_reply_display(struct session *s, int code, const char *text)
{
	const struct ftp_conf *conf = &s->scope->conf;
	char local[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX];
	struct display_values v = {
		.cwd = s->cwd,
		.admin = conf->server_admin,
		.files_in = s->files_in,
		.files_out = s->files_out,
		.bytes_in = s->bytes_in,
		.bytes_out = s->bytes_out,
		.local_host = addr_text(&s->local, local),
		.remote_host = s->who.client_name ? s->who.client_name : addr_text(&s->peer, peer),
		.user = s->account->user,
		.server_name = conf->server_name,
		.max_clients = conf->max_clients.max,
		.class_name = s->who.class_name,
		.wall_secs = (int64_t)(clock_wall_ms() / 1000),
		.free_bytes = atomic_load(&s->proc->free_bytes),
	};
	struct ftp_tls_env env;
	struct buf expanded;

	if (!text || !*text || s->quirks & FTP_QUIRK_ONE_LINE)
		return;
	env.text = secure_env(s);
	v.env = ftp_tls_env_value;
	v.env_arg = &env;
	buf_init(&expanded, DISPLAY_MAX * 2);
	(void)display_expand(&expanded, text, &v); /* what fitted is shown */
	if (expanded.len > 0)
		session_replied(
			s, 0, reply_text(session_out(s), (unsigned)code, expanded.data, expanded.len));
	buf_done(&expanded);
}

static char *display_read(struct session *s, const struct ftp_display *d, const char *dir)
{
	char vpath[VFS_PATH_SIZE], *text = NULL;
	struct stat st;
	size_t len;
	int fd;

	if (!d->path)
		return NULL;
	if (d->text)
		return strdup(d->text);
	if (d->path[0] == '/' || vfs_path_resolve(dir, d->path, vpath) < 0)
		return NULL;
	fd = vfs_open(s->root, vpath, O_RDONLY | O_NONBLOCK, 0, 0);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)fd_read_all(fd, DISPLAY_MAX, &text, &len); /* an unreadable file is as good as none */
	fd_close(&fd);
	return text;
}

/* The room that a text tells of is asked for here, and kept for session_reply_display(): where the root is on another
 * machine, the question waits for it. */
char *session_display_text(struct session *s, const struct ftp_display *d, const char *dir)
{
	char *text = display_read(s, d, dir);
	struct statvfs fs;

	if (text && (strstr(text, "%f") || strstr(text, "%F")) && fstatvfs(s->root->fd, &fs) == 0)
		atomic_store(&s->proc->free_bytes, (uint64_t)fs.f_bavail * fs.f_frsize);
	return text;
}
