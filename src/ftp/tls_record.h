/* What is recorded of the TLS of clients: lines of TLSLog, and values for LogFormat and Display texts. */
#ifndef FTP_TLS_RECORD_H
#define FTP_TLS_RECORD_H

#include "base/log.h"
#include "ftp/conf.h"

/* A line of conf's TLSLog, if it has one. channel: "control" or "data"; duration_ms of the handshake, or -1. A failure to
 * write is said in ctx's debug log. */
void ftp_tls_log(const struct ftp_conf *conf, const struct log_ctx *ctx, const char *channel,
	const char *text, int64_t duration_ms);

#define FTP_TLS_ENV_MAX 8192 /* as ipc/message.h: bytes of the whole text */

/* The environment of a session: TLSOptions StdEnvVars and ExportCertData, and notes as "note:KEY". */
struct ftp_tls_env {
	const char *text; /* "NAME=value" lines, each ended by LF; NULL = none */
	char value[FTP_TLS_ENV_MAX];
};
/* For struct log_record and struct display_values; arg is a struct ftp_tls_env. The value is in it until the next call;
 * NULL: there is no such name. */
const char *ftp_tls_env_value(void *arg, const char *name);
const char *ftp_tls_note(void *arg, const char *key);

#endif
