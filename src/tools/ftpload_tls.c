#include "tools/ftpload_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>

/* Bytes that one read(2) may bring: several records, so that the load costs less than what it measures. */
#define READ_AHEAD (128u << 10)

static const char *cause(void)
{
	unsigned long e = ERR_get_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return text != NULL ? text : "unknown error";
}

static int new_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **keep = SSL_get_app_data(ssl);

	if (keep == NULL)
		return 0;
	SSL_SESSION_free(*keep);
	*keep = session;
	return 1; /* the reference is ours */
}

SSL_CTX *load_tls_context(const char *version, const char *ciphers, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int number = 0;

	if (ctx == NULL) {
		err_set(err, ENOMEM, "TLS: %s", cause());
		return NULL;
	}
	if (version != NULL)
		number = strcmp(version, "1.2") == 0   ? TLS1_2_VERSION
			 : strcmp(version, "1.3") == 0 ? TLS1_3_VERSION
						       : -1;
	if (number < 0 || (number > 0 && (SSL_CTX_set_min_proto_version(ctx, number) != 1 ||
						 SSL_CTX_set_max_proto_version(ctx, number) != 1))) {
		err_set(err, EINVAL, "TLS version '%s': 1.2 and 1.3 are known", version);
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* A list belongs to one of the versions; the call of the other one refuses it. */
	if (ciphers != NULL &&
		SSL_CTX_set_ciphersuites(ctx, ciphers) + SSL_CTX_set_cipher_list(ctx, ciphers) == 0) {
		err_set(err, EINVAL, "no TLS cipher in '%s'", ciphers);
		SSL_CTX_free(ctx);
		return NULL;
	}
	ERR_clear_error();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	/* Servers that close without close_notify are met; what is missing shows in the number of bytes. */
	(void)SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, new_session);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	return ctx;
}

SSL *load_tls_new(SSL_CTX *ctx, int fd, SSL_SESSION **keep, SSL_SESSION *resume)
{
	SSL *ssl = SSL_new(ctx);
	SSL_SESSION *copy = resume != NULL ? SSL_SESSION_dup(resume) : NULL;

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ssl = NULL;
	} else {
		(void)SSL_set_app_data(ssl, keep);
		if (copy != NULL)
			(void)SSL_set_session(
				ssl, copy); /* refused: a full handshake, which the counts show */
		SSL_set_connect_state(ssl);
	}
	SSL_SESSION_free(copy);
	return ssl;
}

int load_tls_outcome(SSL *ssl, int r, struct err *err)
{
	int saved = errno;

	switch (SSL_get_error(ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return EPOLLIN;
	case SSL_ERROR_WANT_WRITE:
		return EPOLLOUT;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return err_sys(err, saved != 0 ? saved : ECONNRESET, "TLS");
	default:
		return err_set(err, EPROTO, "TLS: %s", cause());
	}
}
