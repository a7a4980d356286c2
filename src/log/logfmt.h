/* LogFormat: a format text compiled once, rendered for every record.
 *
 * Values come from clients: control bytes, bytes that are not UTF-8, quotes and backslashes in them are
 * written as \xHH, so that a line is one line and "%r" ends where it seems to. What is not known is written
 * "-".
 */
#ifndef LOG_LOGFMT_H
#define LOG_LOGFMT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define LOGFMT_TEXT_MAX 4096  /* of a format */
#define LOGFMT_LINE_MAX 16384 /* of a rendered line; longer ones are cut */

/* LogFormat "default". */
#define LOGFMT_DEFAULT "%h %l %u %t \"%r\" %s %b"

/* One command, or the end of a session. All strings are borrowed; NULL (and "") is "not known". Numbers
 * that may be unknown are -1 then: start from LOG_RECORD_INIT. A client's password is never in here:
 * command and args hold "(hidden)" in its place. */
struct log_record {
	int64_t wall_us; /* now, microseconds since 1970 */

	/* who */
	const char *client_ip;     /* %a */
	const char *client_host;   /* %h; unknown: client_ip */
	int64_t client_port;       /* %{remote-port} */
	const char *local_ip;      /* %L */
	const char *vhost_ip;      /* %H; unknown: local_ip */
	int64_t local_port;        /* %p */
	const char *server_name;   /* %v */
	const char *fqdn;          /* %V */
	const char *version;       /* %{version} */
	const char *protocol;      /* %{protocol} "ftp", "ftps" */
	const char *anon_password; /* %A, the e-mail an anonymous user gave; unknown: "UNKNOWN" */
	const char *ident;         /* %l; unknown: "UNKNOWN" */
	const char *user;          /* %u, authenticated */
	const char *sent_user;     /* %U, as sent by USER */
	const char *group;         /* %g, primary */
	int64_t uid, gid;          /* %{uid} %{gid} */
	const char *class_name;    /* %c */

	/* the command */
	const char *command;     /* %r, the whole line as sent, secrets hidden */
	const char *verb;        /* %m; SITE commands "SITE CHMOD" */
	const char *args;        /* %J, secrets hidden */
	const char *dir;         /* %D, directory commands: virtual path; %d is its last component */
	const char *file_host;   /* %f, host path; %{basename} is its last component */
	const char *file;        /* %F, as the client sees it */
	const char *rename_from; /* %w, path of the RNFR before */
	int64_t reply_code;      /* %s */
	const char *reply_text;  /* %S */
	int64_t response_ms;     /* %R */

	/* its transfer */
	int64_t bytes;                /* %b, of this command */
	bool file_modified;           /* %{file-modified} */
	int64_t file_size;            /* %{file-size}, afterwards */
	int64_t file_offset;          /* %{file-offset}, where it began */
	int64_t transfer_ms;          /* %T %{transfer-millisecs} %{transfer-speed} */
	const char *transfer_failure; /* %{transfer-failure} */
	int64_t transfer_port;        /* %{transfer-port} */
	const char *transfer_status;  /* %{transfer-status}: "success", "failed", "cancelled", "timeout" */
	const char *transfer_type;    /* %{transfer-type}: "binary", "ASCII" */

	/* the session */
	int64_t raw_in, raw_out; /* %I %O, network bytes */
	const char *end_reason;  /* %E */

	/* %{note:K}: value (borrowed until the next call) or NULL. May be NULL. */
	const char *(*note)(void *arg, const char *key);
	void *note_arg;
	/* %{K}e: the same of the session's environment; what it does not know is asked of the process's. May be NULL. */
	const char *(*env)(void *arg, const char *name);
	void *env_arg;
};

#define LOG_RECORD_INIT                                                                                      \
	{                                                                                                    \
		.client_port = -1, .local_port = -1, .uid = -1, .gid = -1, .reply_code = -1,                 \
		.response_ms = -1, .bytes = -1, .file_size = -1, .file_offset = -1, .transfer_ms = -1,       \
		.transfer_port = -1, .raw_in = -1, .raw_out = -1                                             \
	}

struct logfmt;

/* text is copied. The result is immutable and returned (logfmt_free()). -WE_CONFIG with *err naming the
 * variable that does not exist. */
int logfmt_compile(const char *text, struct logfmt **ret_fmt, struct err *err);
void logfmt_free(struct logfmt **fmt); /* NULL inside is fine; sets NULL */
/* Append the line without newline to out; what does not fit out's maximum is cut. 0 or -ENOMEM. */
int logfmt_render(const struct logfmt *fmt, const struct log_record *rec, struct buf *out);

#endif
