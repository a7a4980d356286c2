/* The data connection. A download is thrown away as cheaply as can be, because on loopback the receiver's work is done
 * in the server's time: the kernel is asked to wake us for many bytes only (SO_RCVLOWAT), and to drop them without
 * copying (MSG_TRUNC, tcp(7)). An upload comes from memory, by sendfile(2). */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tools/ftpload.h"
#include "tools/ftpload_tls.h"

#define DISCARD_BYTES  (1u << 20)
#define RECORDS_BYTES  (256u << 10)
#define CALLS_PER_TURN 16

static unsigned char scratch[DISCARD_BYTES];

static bool uploads(const struct load_session *s)
{
	return s->load->opt->mode == LOAD_PUT;
}

static void wait_for(struct load_session *s, uint32_t events)
{
	if (!load_watch(s->load, &s->data.source, events))
		load_fail(s, "epoll: %s", strerror(errno));
}

/* File bytes that have moved. */
static void account(struct load_session *s, uint64_t n)
{
	struct load *l = s->load;
	uint64_t now;

	s->data.file_bytes += n;
	s->bytes += n;
	l->bytes += n;
	if (l->opt->mode != LOAD_RATE || n == 0)
		return;
	now = clock_us();
	if (s->first_us == 0)
		s->first_us = now;
	if (now >= l->start_us && s->bins != NULL) {
		size_t bin = (size_t)((now - l->start_us) / (LOAD_BIN_MS * 1000));

		if (bin < l->bins)
			s->bins[bin] += (uint32_t)n;
	}
}

/* A piece in MODE Z. False: the session has failed. */
static bool unpack(struct load_session *s, const unsigned char *data, size_t n)
{
	static unsigned char out[256u << 10];
	z_stream *z = s->data.inflate;

	z->next_in = (Bytef *)data; /* zlib does not write there */
	z->avail_in = (uInt)n;
	do {
		int r;

		z->next_out = out;
		z->avail_out = sizeof(out);
		r = inflate(z, Z_NO_FLUSH);
		account(s, sizeof(out) - z->avail_out);
		if (r == Z_STREAM_END) {
			s->data.inflated = true;
			break;
		}
		if (r != Z_OK && r != Z_BUF_ERROR) {
			load_fail(s, "MODE Z: %s", z->msg != NULL ? z->msg : "bad data");
			return false;
		}
	} while (z->avail_in > 0 || z->avail_out == 0);
	return true;
}

/* The connection is of no use any more. The server's reply says why, or, being good, makes this an error. */
static void broken(struct load_session *s, const char *what, const char *why)
{
	(void)snprintf(s->data.problem, sizeof(s->data.problem), "data connection: %s%s", what, why);
	load_data_close(s);
	load_session_data_end(s);
}

static void finish(struct load_session *s)
{
	struct load_data *d = &s->data;

	/* No byte at all is what some servers make of an empty file. */
	if (s->load->opt->mode_z && d->wire_bytes > 0 && !d->inflated) {
		broken(s, "", "the compressed stream has no end");
		return;
	}
	d->open = false;
	load_session_data_end(s);
}

/* One receive: bytes, 0 = end, -EAGAIN (waits), or -1: broken. */
static ssize_t receive(struct load_session *s)
{
	struct load_data *d = &s->data;
	struct err err = ERR_INIT;
	ssize_t n;
	int want;

	if (d->ssl == NULL) {
		n = recv(d->source.fd, scratch, sizeof(scratch), s->load->opt->mode_z ? 0 : MSG_TRUNC);
		if (n >= 0 || errno == EAGAIN)
			return n >= 0 ? n : -EAGAIN;
		broken(s, "", strerror(errno));
		return -1;
	}
	n = SSL_read(d->ssl, scratch, sizeof(scratch));
	if (n > 0)
		return n;
	want = load_tls_outcome(d->ssl, (int)n, &err);
	if (want == 0)
		return 0;
	if (want < 0) {
		broken(s, "", err.text);
		return -1;
	}
	wait_for(s, (uint32_t)want);
	return -EAGAIN;
}

static void download(struct load_session *s)
{
	struct load_data *d = &s->data;

	/* TLS goes on until it has nothing left: what it holds does not make the socket readable. */
	for (int i = 0; i < CALLS_PER_TURN || d->ssl != NULL; i++) {
		ssize_t n = receive(s);

		if (n == 0)
			finish(s);
		if (n <= 0)
			return;
		d->wire_bytes += (uint64_t)n;
		s->load->wire_bytes += (uint64_t)n;
		if (!s->load->opt->mode_z)
			account(s, (uint64_t)n);
		else if (!unpack(s, scratch, (size_t)n))
			return;
	}
}

static ssize_t send_piece(struct load_session *s, uint64_t left)
{
	struct load_data *d = &s->data;
	struct err err = ERR_INIT;
	off_t off = (off_t)(d->file_bytes % LOAD_PATTERN_BYTES);
	uint64_t room = LOAD_PATTERN_BYTES - (uint64_t)off, n = left < room ? left : room;
	int r, want;

	if (d->ssl == NULL) {
		ssize_t sent = sendfile(d->source.fd, s->load->pattern_fd, &off, n);

		if (sent >= 0 || errno == EAGAIN)
			return sent >= 0 ? sent : -EAGAIN;
		broken(s, "", strerror(errno));
		return -1;
	}
	n = left < RECORDS_BYTES ? left : RECORDS_BYTES;
	r = SSL_write(d->ssl, scratch, (int)n);
	if (r > 0)
		return r;
	want = load_tls_outcome(d->ssl, r, &err);
	if (want > 0) {
		wait_for(s, (uint32_t)want);
		return -EAGAIN;
	}
	broken(s, "", want == 0 ? "closed by the server" : err.text);
	return -1;
}

static void upload(struct load_session *s)
{
	struct load_data *d = &s->data;

	while (d->file_bytes < s->load->opt->size_bytes) {
		ssize_t n = send_piece(s, s->load->opt->size_bytes - d->file_bytes);

		if (n < 0)
			return;
		d->wire_bytes += (uint64_t)n;
		s->load->wire_bytes += (uint64_t)n;
		account(s, (uint64_t)n);
	}
	if (d->ssl != NULL)
		(void)SSL_shutdown(d->ssl);
	(void)shutdown(d->source.fd, SHUT_WR); /* an answer of the server may still come, so no close() yet */
	wait_for(s, 0);
	finish(s);
}

void load_data_go(struct load_session *s)
{
	struct load_data *d = &s->data;

	if (!d->connected || !d->open || (s->load->opt->tls && !d->secured))
		return;
	if (!uploads(s)) {
		wait_for(s, EPOLLIN);
		if (d->ssl != NULL && SSL_has_pending(d->ssl))
			download(s);
	} else if (s->began) {
		wait_for(s, EPOLLOUT);
	} else {
		wait_for(s, 0);
	}
}

static void shake(struct load_session *s)
{
	struct load_data *d = &s->data;
	struct err err = ERR_INIT;
	int r = SSL_connect(d->ssl);

	if (r == 1) {
		d->secured = true;
		if (SSL_session_reused(d->ssl))
			s->load->data_resumed++;
		else
			s->load->data_full++;
		load_data_go(s);
		return;
	}
	r = load_tls_outcome(d->ssl, r, &err);
	if (r > 0)
		wait_for(s, (uint32_t)r);
	else
		load_fail(s, "TLS handshake of the data connection: %s",
			r == 0 ? "connection closed" : err.text);
}

static void ready(struct load_session *s, uint32_t events)
{
	struct load_data *d = &s->data;
	int error = 0;
	socklen_t len = sizeof(error);

	s->alive_ms = clock_ms();
	if (!d->open) {
		wait_for(s, 0);
		if (events & (EPOLLHUP | EPOLLERR)) /* would be reported for ever */
			load_unwatch(s->load, &d->source);
		return;
	}
	if (!d->connected) {
		if (getsockopt(d->source.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
			load_fail(s, "data connection: cannot connect: %s", strerror(error));
			return;
		}
		d->connected = true;
		if (d->ssl == NULL) {
			load_data_go(s);
			return;
		}
	}
	if (d->ssl != NULL && !d->secured)
		shake(s);
	else if (!uploads(s))
		download(s);
	else if (s->began)
		upload(s);
	else
		broken(s, "", "closed by the server before the upload began");
}

static int prepare_inflate(struct load_data *d)
{
	if (d->inflate != NULL)
		return inflateReset(d->inflate) == Z_OK ? 0 : -EINVAL;
	d->inflate = xcalloc(1, sizeof(*d->inflate));
	if (inflateInit(d->inflate) == Z_OK)
		return 0;
	free(d->inflate);
	d->inflate = NULL;
	return -ENOMEM;
}

int load_data_open(struct load_session *s, uint16_t port)
{
	struct load *l = s->load;
	struct load_data *d = &s->data;
	struct addr to = l->addr;
	int one = 1, lowat = (int)l->opt->lowat_bytes, fd;

	addr_set_port(&to, port);
	fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* Not with TLS: a handshake, and the end that a server waits to have answered, are small. */
	if (lowat > 1 && !uploads(s) && !l->opt->tls)
		(void)setsockopt(
			fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)); /* the kernel may take less */
	d->source = (struct load_source){.fd = fd, .ready = ready, .session = s};
	d->connected = d->secured = d->inflated = false;
	d->problem[0] = '\0';
	d->open = true;
	d->wire_bytes = d->file_bytes = 0;
	if (l->opt->mode_z && prepare_inflate(d) < 0)
		return -ENOMEM;
	if (connect(fd, &to.sa, addr_len(&to)) < 0 && errno != EINPROGRESS)
		return -errno;
	if (l->opt->tls) {
		d->ssl = load_tls_new(l->ctx, fd, NULL, l->opt->no_resume ? NULL : s->tls_session);
		if (d->ssl == NULL)
			return -ENOMEM;
	}
	return load_watch(l, &d->source, EPOLLOUT) ? 0 : -errno;
}

void load_data_close(struct load_session *s)
{
	struct load_data *d = &s->data;

	if (d->ssl != NULL && d->secured && d->source.fd >= 0)
		(void)SSL_shutdown(d->ssl);
	SSL_free(d->ssl);
	d->ssl = NULL;
	d->open = false;
	load_unwatch(s->load, &d->source);
}
