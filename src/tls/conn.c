/* Connections: making them, the handshake, the end. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "tls/tls_priv.h"

#ifndef SOL_TLS
#define SOL_TLS 282 /* linux/socket.h */
#endif
#ifndef TLS_TX_ZEROCOPY_RO
#define TLS_TX_ZEROCOPY_RO 3 /* linux/tls.h, Linux 5.19 */
#endif

int tls_conn_new(struct tls_context *ctx, int fd, const struct tls_conn_options *opt, struct tls_conn **ret_c,
	struct err *err)
{
	struct tls_conn *c = xcalloc(1, sizeof(*c));

	c->fd = fd;
	c->read_end = 1;
	c->ctx = tls_context_ref(ctx);
	if (opt != NULL)
		c->opt = *opt;
	c->ssl = SSL_new(ctx->ctx);
	if (c->ssl == NULL || !SSL_set_fd(c->ssl, fd) || !SSL_set_ex_data(c->ssl, tls_conn_index, c)) {
		(void)tls_fail(err, ENOMEM, "cannot begin TLS");
		tls_conn_free(&c);
		return -ENOMEM;
	}
	tls_context_apply(ctx, c->ssl);
#ifdef SSL_OP_ENABLE_KTLS
	if (c->opt.key_records == 0)
		c->opt.key_records = TLS_KEY_RECORDS;
	if (c->opt.records > c->opt.key_records)
		c->opt.no_kernel = true;
	if (c->opt.no_kernel)
		(void)SSL_clear_options(c->ssl, SSL_OP_ENABLE_KTLS);
#endif
	(void)SSL_set_num_tickets(c->ssl, c->opt.tickets);
	if (ctx->role == TLS_DATA_CLIENT)
		SSL_set_connect_state(c->ssl);
	else
		SSL_set_accept_state(c->ssl);
	*ret_c = c;
	return 0;
}

void tls_conn_free(struct tls_conn **cp)
{
	struct tls_conn *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	if (c->ssl != NULL) /* else its session could not be resumed any more */
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	tls_out_done(&c->out);
	SSL_SESSION_free(c->from_cache);
	tls_context_unref(&c->ctx);
	free(c);
}

int tls_conn_fault(struct tls_conn *c, int result, int saved_errno, const char *doing)
{
	int e = SSL_get_error(c->ssl, result);

	c->wants = POLLIN;
	switch (e) {
	case SSL_ERROR_WANT_WRITE:
		c->wants = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		c->failed = true;
		ERR_clear_error();
		if (saved_errno != 0)
			return err_sys(&c->err, saved_errno, "%s", doing);
		break;
	default:
		c->failed = true;
		if (ERR_GET_REASON(ERR_peek_last_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return tls_fail(&c->err, EPROTO, "%s", doing);
		ERR_clear_error();
	}
	return err_set(&c->err, WE_CLOSED, "%s: the connection was closed without close_notify", doing);
}

/* OpenSSL answers a request for new keys, sooner or later, and goes on with keys that the kernel does not have: nothing
 * that is sent behind that answer can be understood. What the peer sends with new keys, a kernel before Linux 6.14 cannot read. */
static void message_seen(int sent, int version, int type, const void *data, size_t n, SSL *ssl, void *arg)
{
	struct tls_conn *c = arg;
	const uint8_t *p = data;

	if (type != SSL3_RT_HANDSHAKE || n == 0 || p[0] != SSL3_MT_KEY_UPDATE)
		return;
	if (sent && c->ktls_tx) {
		c->failed = c->rekeyed = true;
		(void)err_set(&c->err, EPROTO, "the peer wants new keys, which the kernel cannot take");
	} else if (!sent && c->ktls_rx) {
		c->rekeyed = true;
	}
}

void tls_conn_watch_keys(struct tls_conn *c)
{
	if (!c->ktls_tx && !c->ktls_rx)
		return;
	SSL_set_msg_callback(c->ssl, message_seen);
	SSL_set_msg_callback_arg(c->ssl, c);
}

bool tls_rekey_asked(const struct tls_conn *c)
{
	return c->rekeyed || (c->ktls_tx && SSL_get_key_update_type(c->ssl) != SSL_KEY_UPDATE_NONE);
}

/* The option of OpenSSL for it came with 3.2. What the kernel does not know, it does without. */
static bool zerocopy_set(int fd)
{
	const int on = 1;

	return setsockopt(fd, SOL_TLS, TLS_TX_ZEROCOPY_RO, &on, sizeof(on)) == 0;
}

/* 0 or -errno. */
static int handshake_over(struct tls_conn *c)
{
	c->done = true;
#ifndef OPENSSL_NO_KTLS
	c->ktls_tx = BIO_get_ktls_send(SSL_get_wbio(c->ssl));
	c->ktls_rx = BIO_get_ktls_recv(SSL_get_rbio(c->ssl));
#endif
	c->ktls_zerocopy = c->ktls_tx && c->ctx->zerocopy && zerocopy_set(c->fd);
	tls_conn_watch_keys(c);
	if (c->from_cache != NULL && SSL_session_reused(c->ssl) && c->opt.sessions != NULL)
		tls_sessions_add(c->opt.sessions, c->from_cache, true);
	SSL_SESSION_free(c->from_cache);
	c->from_cache = NULL;
	return c->ktls_tx ? 0 : tls_out_open(c);
}

int tls_accept(struct tls_conn *c)
{
	int r, e;

	if (c->done)
		return 0;
	if (c->failed)
		return -EPROTO;
	ERR_clear_error();
	(void)tls_remote_error(); /* of another connection */
	errno = 0;
	r = SSL_do_handshake(c->ssl);
	if (r == 1)
		return handshake_over(c);
	e = tls_conn_fault(c, r, errno, "TLS handshake");
	r = tls_remote_error();
	if (r == -EAGAIN) /* would be taken for "wait" */
		r = -EIO;
	if (r < 0 && e != -EAGAIN)
		return err_set(
			&c->err, -r, "TLS handshake: no signature from the auth process: %s", err_text(r));
	return e == 0 ? err_set(&c->err, WE_CLOSED, "TLS handshake: the peer has closed") : e;
}

short tls_wants(const struct tls_conn *c)
{
	return c->wants != 0 ? c->wants : POLLIN;
}

const char *tls_error(const struct tls_conn *c)
{
	return c->err.text[0] != '\0' ? c->err.text : "no error";
}

const char *tls_failure(const struct tls_conn *c)
{
	bool tls = c->err.code == -EPROTO || c->err.code == -WE_CLOSED;

	return c->done && c->failed && tls ? c->err.text : NULL;
}

bool tls_said_close(const struct tls_conn *c)
{
	return c->said_close;
}

bool tls_heard_close(const struct tls_conn *c)
{
	return (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool tls_resumed(const struct tls_conn *c)
{
	return c->done && SSL_session_reused(c->ssl) == 1;
}

bool tls_ktls_tx(const struct tls_conn *c)
{
	return c->ktls_tx;
}

const char *tls_ktls_reason(const struct tls_conn *c)
{
#ifdef SSL_OP_ENABLE_KTLS
	const char *name = SSL_get_cipher_name(c->ssl);

	if (c->ktls_tx)
		return NULL;
	if (c->opt.no_kernel)
		return c->opt.records > c->opt.key_records ? "more bytes than one key may encrypt"
							   : "not wanted for this connection";
	if ((SSL_get_options(c->ssl) & SSL_OP_ENABLE_KTLS) == 0)
		return "TLSKernelOffload off";
	if (!strstr(name, "GCM") && !strstr(name, "CCM") && !strstr(name, "CHACHA20"))
		return "it has not this cipher";
	return "no kernel TLS: module tls, version of the kernel";
#else
	return "OpenSSL without kernel TLS";
#endif
}
