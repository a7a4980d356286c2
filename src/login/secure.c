#include "login/secure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "ftp/tls_record.h"
#include "ftp/tls_servers.h"
#include "login/conn.h"

#define CONTROL_TICKETS 4 /* clients use a ticket once */

static struct tls_context *on_sni(void *arg, const char *name)
{
	struct login_conn *c = arg;
	const struct ftp_server *server = login_conn_sni(c, name, clock_ms());

	struct tls_context *ctx;
	struct err err = ERR_INIT;

	if (server == NULL)
		return NULL;
	if (ftp_tls_context(c->env->config, server->index, TLS_CONTROL, &ctx, &err) == 0)
		return ctx;
	log_err(&c->log, "no TLS for server '%s': %s", server->scope->conf.server_name, err.text);
	return NULL;
}

int login_secure_new(struct login_conn *c, int fd, struct secure **ret_s, struct err *err)
{
	struct tls_context *ctx;
	struct tls_conn_options opt = {
		.cache = c->env->tls_cache, .tickets = CONTROL_TICKETS, .sni = on_sni, .sni_arg = c};
	struct secure *s;
	int r = ftp_tls_context(c->env->config, c->server->index, TLS_CONTROL, &ctx, err);

	if (r < 0)
		return r;
	s = xcalloc(1, sizeof(*s));
	s->sessions = opt.sessions = tls_sessions_new();
	r = tls_conn_new(ctx, fd, &opt, &s->tls, err);
	if (r < 0) {
		login_secure_free(&s);
		return r;
	}
	*ret_s = s;
	return 0;
}

void login_secure_free(struct secure **sp)
{
	struct secure *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	tls_conn_free(&s->tls); /* it refers to the sessions */
	tls_sessions_free(&s->sessions);
	free(s);
}

/* Is the certificate the client's own, by the names that TLSOptions want to see in it? */
static const char *peer_refused(const struct secure *s, const struct login_conn *c)
{
	unsigned options = c->server->scope->conf.tls.options;

	if (!tls_peer_has_cert(s->tls))
		return NULL; /* where one is needed, the handshake has failed */
	if ((options & TLS_OPT_IP_ADDRESS_REQUIRED) != 0 && !tls_peer_has_address(s->tls, &c->peer))
		return "the client's certificate does not name its address (iPAddressRequired)";
	if (!c->env->config->use_reverse_dns)
		return NULL; /* there is no name to compare with */
	if ((options & TLS_OPT_DNS_NAME_REQUIRED) != 0 &&
		(c->client_name == NULL || !tls_peer_has_dns_name(s->tls, c->client_name)))
		return "the client's certificate does not name its host (dNSNameRequired)";
	if ((options & TLS_OPT_COMMON_NAME_REQUIRED) != 0 &&
		(c->client_name == NULL || !tls_peer_has_common_name(s->tls, c->client_name)))
		return "the client's certificate is not issued to its host (CommonNameRequired)";
	return NULL;
}

int login_secure_step(struct secure *s, const struct login_conn *c, const char **ret_why)
{
	int r = tls_accept(s->tls);

	if (r < 0) {
		*ret_why = tls_error(s->tls);
		return r;
	}
	*ret_why = peer_refused(s, c);
	return *ret_why != NULL ? -EPROTO : 0;
}

static void env_add(void *arg, const char *name, const char *value)
{
	struct buf *b = arg;
	size_t before = b->len;

	if (strchr(name, '\n') != NULL || buf_printf(b, "%s=%s", name, value) < 0)
		return;                          /* what does not fit is left out */
	for (size_t i = before; i < b->len; i++) /* certificates have lines: they are joined */
		if (b->data[i] == '\n')
			b->data[i] = ' ';
	if (buf_putc(b, '\n') < 0)
		b->len = before;
}

char *login_secure_env_text(const struct secure *s, const struct ftp_conf *conf)
{
	struct buf b;
	struct tls_info info;
	char *text;

	buf_init(&b, FTP_TLS_ENV_MAX);
	tls_describe(s->tls, &info);
	if (info.sni != NULL)
		env_add(&b, "note:mod_tls.sni", info.sni);
	if ((conf->tls.options & TLS_OPT_STD_ENV_VARS) != 0)
		tls_env(s->tls, false, env_add, &b);
	if ((conf->tls.options & TLS_OPT_EXPORT_CERT_DATA) != 0)
		tls_env(s->tls, true, env_add, &b);
	text = b.len > 0 ? xstrndup(b.data, b.len) : NULL;
	buf_done(&b);
	return text;
}

void login_secure_keep(struct secure *s, const struct login_conn *c)
{
	s->conf = &c->server->scope->conf;
	s->client = c->peer;
	s->log =
		(struct log_ctx){.parent = c->env->log, .client = &s->client, .sid = c->sid, .fd = c->log.fd};
}

void login_secure_failed(const struct secure *s)
{
	const char *why = tls_failure(s->tls);

	if (why != NULL && s->conf != NULL)
		ftp_tls_log(s->conf, &s->log, "control", why, -1);
}

ssize_t login_secure_recv(struct secure *s, int fd, void *p, size_t n)
{
	ssize_t k;

	if (s != NULL) {
		k = tls_read(s->tls, p, n);
		return k == -WE_CLOSED ? 0 : k;
	}
	k = recv(fd, p, n, MSG_DONTWAIT);
	return k < 0 ? -errno : k;
}

ssize_t login_secure_send(struct secure *s, int fd, const void *p, size_t n, short *ret_waits)
{
	ssize_t k;

	*ret_waits = 0;
	if (s != NULL) {
		k = tls_write(s->tls, p, n);
		if (k == -EAGAIN)
			*ret_waits = tls_wants(s->tls);
		return k;
	}
	k = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return k < 0 ? -errno : k;
}
