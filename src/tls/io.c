/* Bytes in and out. */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include "tls/tls_priv.h"

#define RECORD_SMALL 4096u /* while the peer's window is small, so that it can decrypt what has come */
#define WARM_BYTES   (32u * 1024)

/* --- reading --- */

ssize_t tls_read(struct tls_conn *c, void *buf, size_t n)
{
	char *p = buf;
	size_t got = 0;

	if (c->read_end <= 0)
		return c->read_end;
	n = n < INT_MAX ? n : INT_MAX;
	c->drained = false;
	do {
		int r, e;

		ERR_clear_error();
		errno = 0;
		r = SSL_read(c->ssl, p + got, (int)(n - got));
		if (r > 0) {
			got += (size_t)r;
			c->wants = POLLIN;
			continue;
		}
		e = tls_conn_fault(c, r, errno, "reading from a TLS connection");
		c->drained = e == -EAGAIN;
		if (e != -EAGAIN)
			c->read_end = e; /* after what came before it */
		return got > 0 ? (ssize_t)got : e;
	} while (got < n && SSL_has_pending(c->ssl));
	return (ssize_t)got;
}

size_t tls_pending(const struct tls_conn *c)
{
	int n = SSL_pending(c->ssl);

	if (n > 0)
		return (size_t)n;
	return c->read_end <= 0 || (!c->drained && SSL_has_pending(c->ssl)) ? 1 : 0;
}

/* --- writing --- */

/* Get the rest of an encrypted record out. The text behind it is not looked at again, only its length must be the
 * same. 0, or as tls_write(). */
static int flush(struct tls_conn *c)
{
	static const char any[TLS_RECORD_MAX];
	int r;

	if (c->pending == 0)
		return 0;
	ERR_clear_error();
	errno = 0;
	r = SSL_write(c->ssl, any, (int)c->pending);
	if (r <= 0)
		return tls_conn_fault(c, r, errno, "writing to a TLS connection");
	c->ahead += c->pending;
	c->written += c->pending;
	c->pending = 0;
	return 0;
}

/* New keys, asked for by the peer or by record_write(), go out by themselves: a call of SSL_write() that stops in the
 * middle of that has taken nothing of its text, which flush() could not know. 0, or as tls_write(). */
static int settle(struct tls_conn *c)
{
	int r;

	if (!SSL_in_init(c->ssl) && SSL_get_key_update_type(c->ssl) == SSL_KEY_UPDATE_NONE)
		return 0;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(c->ssl);
	return r == 1 ? 0 : tls_conn_fault(c, r, errno, "changing keys of a TLS connection");
}

/* What is out already is only counted. */
static size_t take_ahead(struct tls_conn *c, size_t n)
{
	size_t taken = n < c->ahead ? n : c->ahead;

	c->ahead -= taken;
	return taken;
}

/* The kernel encrypts: no record waits in OpenSSL, which would also keep a pointer to the caller's bytes. */
static ssize_t kernel_write(struct tls_conn *c, const void *buf, size_t n)
{
	ssize_t r;

	if (c->written < WARM_BYTES && n > RECORD_SMALL)
		n = RECORD_SMALL; /* each call is a record at least */
	r = send(c->fd, buf, n, MSG_NOSIGNAL);
	if (r > 0) {
		c->written += (size_t)r;
		return r;
	}
	if (r == 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOMEM) {
		c->wants = POLLOUT;
		return -EAGAIN;
	}
	c->failed = true;
	return err_sys(&c->err, errno, "writing to a TLS connection");
}

/* One record at most. Bytes (> 0), or as tls_write(). */
static ssize_t record_write(struct tls_conn *c, const char *p, size_t n)
{
	size_t max = c->written < WARM_BYTES ? RECORD_SMALL : TLS_RECORD_MAX;
	int r, e;

	if (c->records >= c->opt.key_records && SSL_version(c->ssl) == TLS1_3_VERSION) {
		(void)SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED); /* else again with the next one */
		c->records = 0;
	}
	r = settle(c);
	if (r < 0)
		return r;
	n = n < max ? n : max;
	c->records++;
	ERR_clear_error();
	errno = 0;
	r = SSL_write(c->ssl, p, (int)n);
	if (r > 0) {
		c->written += (size_t)r;
		return r;
	}
	e = tls_conn_fault(c, r, errno, "writing to a TLS connection");
	if (e == -EAGAIN && c->wants == POLLOUT)
		c->pending = n;
	return e;
}

ssize_t tls_write(struct tls_conn *c, const void *buf, size_t n)
{
	const char *p = buf;
	size_t done;
	ssize_t r;

	if (c->failed || c->said_close)
		return c->failed ? c->err.code : -WE_CLOSED;
	r = flush(c);
	if (r < 0)
		return r;
	done = take_ahead(c, n);
	while (done < n) {
		r = c->ktls_tx ? kernel_write(c, p + done, n - done) : record_write(c, p + done, n - done);
		if (r <= 0)
			break;
		done += (size_t)r;
		c->wants = POLLOUT;
	}
	if (done > 0)
		return (ssize_t)done; /* an error comes again */
	return r == 0 ? -WE_CLOSED : r;
}

ssize_t tls_sendfile(struct tls_conn *c, int file, uint64_t *off, size_t n)
{
	ossl_ssize_t r;
	int e;

	if (!c->ktls_tx)
		return -ENOTSUP;
	if (c->failed || c->said_close)
		return c->failed ? c->err.code : -WE_CLOSED;
	ERR_clear_error();
	errno = 0;
	r = SSL_sendfile(c->ssl, file, (off_t)*off, n, 0);
	e = errno;
	ERR_clear_error();
	c->wants = POLLOUT;
	if (r >= 0) {
		c->written += (size_t)r;
		*off += (uint64_t)r;
		return r;
	}
	if (e == EAGAIN || e == EINTR || e == EBUSY)
		return -EAGAIN;
	if (e == EINVAL || e == ENOSYS || e == EOPNOTSUPP)
		return -EINVAL;
	return err_sys(&c->err, e != 0 ? e : EIO, "sending a file over a TLS connection");
}

/* --- the end --- */

int tls_shutdown(struct tls_conn *c)
{
	int r, e;

	if (c->said_close)
		return 0;
	if (c->failed)
		return c->err.code;
	e = flush(c);
	if (e < 0)
		return e;
	ERR_clear_error();
	errno = 0;
	r = SSL_shutdown(c->ssl);
	if (r < 0) {
		e = tls_conn_fault(c, r, errno, "ending a TLS connection");
		return e == 0 ? -WE_CLOSED : e;
	}
	c->said_close = true;
	return 0;
}
