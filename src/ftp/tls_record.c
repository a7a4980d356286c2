#include "ftp/tls_record.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "log/tlslog.h"

void ftp_tls_log(const struct ftp_conf *conf, const struct log_ctx *ctx, const char *channel,
	const char *text, int64_t duration_ms)
{
	const struct tlslog line = {.wall_ms = (int64_t)clock_wall_ms(),
		.ctx = ctx,
		.channel = channel,
		.text = text,
		.duration_ms = duration_ms};
	int r = conf->tls_log != NULL ? tlslog_write(conf->tls_log->fd, &line) : 0;

	if (r < 0)
		log_debug(ctx, 1, "cannot write TLSLog: %s", err_text(r));
}

const char *ftp_tls_env_value(void *arg, const char *name)
{
	struct ftp_tls_env *e = arg;
	size_t n = strlen(name), len;

	for (const char *p = e->text; p != NULL && *p != '\0'; p += len + (p[len] != '\0')) {
		len = strcspn(p, "\n");
		if (len <= n || strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		len -= n + 1;
		len = len < sizeof(e->value) ? len : sizeof(e->value) - 1;
		memcpy(e->value, p + n + 1, len);
		e->value[len] = '\0';
		return e->value;
	}
	return NULL;
}

const char *ftp_tls_note(void *arg, const char *key)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "note:%s", key); /* a longer one is not known */
	return ftp_tls_env_value(arg, name);
}
