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

static ssize_t records_read(struct tls_conn *c, char *p, size_t n)
{
	size_t got = 0;

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

ssize_t tls_read(struct tls_conn *c, void *buf, size_t n)
{
	ssize_t r;

	if (c->read_end <= 0)
		return c->read_end;
	c->drained = false;
	r = records_read(c, buf, n < INT_MAX ? n : INT_MAX);
	if (c->out.len > 0)
		(void)tls_out_send(
			&c->out, c->fd); /* alerts; what does not go now goes before what is written */
	return r;
}

size_t tls_pending(const struct tls_conn *c)
{
	int n = SSL_pending(c->ssl);

	if (n > 0)
		return (size_t)n;
	return c->read_end <= 0 || (!c->drained && SSL_has_pending(c->ssl)) ? 1 : 0;
}

/* --- writing --- */

/* 0 when the socket has all that OpenSSL has written, or as tls_write(). */
static int flush(struct tls_conn *c)
{
	int r = c->out.len > 0 ? tls_out_send(&c->out, c->fd) : 0;

	if (r == -EAGAIN)
		c->wants = POLLOUT;
	else if (r < 0) {
		c->failed = true;
		return err_sys(&c->err, -r, "writing to a TLS connection");
	}
	return r;
}

/* The kernel encrypts: no record waits in OpenSSL, which would also keep a pointer to the caller's bytes. */
static ssize_t kernel_write(struct tls_conn *c, const char *p, size_t n)
{
	size_t done = 0;

	c->wants = POLLOUT;
	while (done < n) {
		size_t size = n - done;
		ssize_t r;

		if (c->written < WARM_BYTES && size > RECORD_SMALL)
			size = RECORD_SMALL; /* each call is a record at least */
		r = send(c->fd, p + done, size, MSG_NOSIGNAL);
		if (r < 0 && errno != EAGAIN && errno != EINTR && errno != ENOMEM) {
			c->failed = true;
			(void)err_sys(&c->err, errno, "writing to a TLS connection");
		}
		if (r <= 0)
			break;
		done += (size_t)r;
		c->written += (size_t)r;
	}
	return done > 0 ? (ssize_t)done : c->failed ? c->err.code : -EAGAIN; /* an error comes again */
}

/* One record at most, into c->out. Bytes (> 0), or as tls_write(). */
static ssize_t record_write(struct tls_conn *c, const char *p, size_t n)
{
	size_t max = c->written < WARM_BYTES ? RECORD_SMALL : TLS_RECORD_MAX;
	int r;

	if (c->records >= c->opt.key_records && SSL_version(c->ssl) == TLS1_3_VERSION) {
		(void)SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED); /* else again with the next one */
		c->records = 0;
	}
	n = n < max ? n : max;
	c->records++;
	ERR_clear_error();
	errno = 0;
	r = SSL_write(c->ssl, p, (int)n);
	if (r <= 0)
		return tls_conn_fault(c, r, errno, "writing to a TLS connection");
	c->written += (size_t)r;
	tls_out_record(&c->out, (size_t)r);
	return r;
}

/* What was encrypted in an earlier call is not looked at again; what is encrypted, but not sent, is not reported. */
static ssize_t records_write(struct tls_conn *c, const char *p, size_t n)
{
	char one[TLS_OUT_RECORD];
	int e = flush(c), kept;
	size_t done = tls_out_report(&c->out, n), at = done;
	ssize_t r;

	if (e < 0 || done == n)
		return done > 0 ? (ssize_t)done : e; /* an error comes again */
	tls_out_begin(&c->out, c->lent ? c->lent : one, c->lent ? c->lent_size : sizeof(one));
	while (e == 0 && at < n) {
		r = record_write(c, p + at, n - at);
		if (r <= 0) {
			e = r == 0 ? -WE_CLOSED : (int)r;
			break;
		}
		at += (size_t)r;
		if (at == n || !tls_out_more(&c->out))
			e = flush(c);
	}
	done += tls_out_report(&c->out, n - done);
	kept = tls_out_end(&c->out);
	if (kept < 0) {
		c->failed = true;
		e = err_sys(&c->err, -kept, "writing to a TLS connection");
	}
	c->wants = POLLOUT;
	return done > 0 ? (ssize_t)done : e;
}

ssize_t tls_write(struct tls_conn *c, const void *buf, size_t n)
{
	if (c->failed || c->closing)
		return c->failed ? c->err.code : -WE_CLOSED;
	return c->ktls_tx ? kernel_write(c, buf, n) : records_write(c, buf, n);
}

void tls_lend(struct tls_conn *c, void *memory, size_t size)
{
	c->lent = size >= TLS_OUT_RECORD ? memory : NULL;
	c->lent_size = size;
}

ssize_t tls_sendfile(struct tls_conn *c, int file, uint64_t *off, size_t n)
{
	ossl_ssize_t r;
	int e;

	if (!c->ktls_tx)
		return -ENOTSUP;
	if (c->failed || c->closing)
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
	if (!c->closing) {
		ERR_clear_error();
		errno = 0;
		r = SSL_shutdown(c->ssl);
		if (r < 0) {
			e = tls_conn_fault(c, r, errno, "ending a TLS connection");
			return e == 0 ? -WE_CLOSED : e;
		}
		c->closing = true;
	}
	e = flush(c);
	if (e == 0)
		c->said_close = true;
	return e;
}
