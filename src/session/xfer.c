#include "session/xfer_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ftp/profile.h"
#include "session/ctrl.h"
#include "session/data.h"
#include "session/mapped.h"
#include "session/owner.h"
#include "session/proc.h"
#include "session/record.h"
#include "session/secure.h"
#include "session/session_priv.h"
#include "session/slice.h"
#include "session/watch.h"
#include "session/xfer_path.h"
#include "tls/tls.h"
#include "zsend.h"

#define EARLY_150_MS  500               /* some clients connect only after the 150 */
#define LOOP_SLICE    (4 * 1024 * 1024) /* bytes sent in one turn of the loop */
#define LOOP_COPY     ((uint64_t)64 * 1024)
#define POOL_SLICE    (16 * 1024 * 1024)
#define LOOP_MS       10                /* for a slice there: UseSendfile 1 B is many calls */
#define DEFLATE_MS    20                /* in the pool, when it is the processor that is busy */
#define POOL_MS       100               /* then others get the thread */
#define RESIDENT_SPAN (4 * 1024 * 1024) /* bytes asked about at a time */
#define READ_AHEAD    (8 * 1024 * 1024)
#define AHEAD_FROM    (128 * 1024) /* what the kernel reads at once anyway */
#define UPLOAD_STEP   1024         /* bytes worth a turn under a rate */
#define SHORT_WAIT_MS 100
#define MEMORY_TRIES  20
#define PLACE_WRITING ((uint64_t)1 << 63)
#define UNSENT_MAX    (512 * 1024) /* bytes kept in the kernel beside those under way */
#define LINGER_TURNS  8            /* reads in one turn of the loop from a client that should be silent */

static const char *const state_name[XFER_STATE_COUNT] = {
	"opening", "securing", "waiting", "moving", "paced", "linger", "finishing"};

static void xfer_step(struct xfer *x);
static void xfer_stop(struct xfer *x);
static void xfer_wait_net(struct xfer *x);
static void xfer_secure(struct xfer *x);
static void xfer_begin(struct xfer *x);
static void xfer_insecure(struct xfer *x, int error);

static void xfer_enter(struct xfer *x, enum xfer_state state)
{
	log_debug(&x->s->log, 10, "transfer: %s -> %s", state_name[x->state], state_name[state]);
	x->state = state;
}

static void xfer_free(struct xfer *x)
{
	watch_free(&x->watch);
	alarm_free(&x->alarm);
	alarm_free(&x->shown_alarm);
	wire_close(&x->wire);
	mapped_close(x);
	session_close_fd(x->s, &x->fd, x->dev);
	session_close_fd(x->s, &x->owned_fd, x->dev);
	if (x->src && x->source_ended)
		x->src->free(x->src);
	else if (x->src)
		session_free_source(x->s, x->src);
	free(x->pending);
	zfilter_free(x->z);
	free(x->display);
	free(x->name);
	free(x->vpath);
	free(x->real);
	free(x);
}

static uint64_t xfer_place(const struct pool_task *t)
{
	const struct xfer *x = t->arg;

	/* Writers wait for dirty pages to be written back. Readers of the same disk do not. */
	return (x->dev ? x->dev : session_place(x->s)) | (x->kind == XFER_UPLOAD ? PLACE_WRITING : 0);
}

static void xfer_in_pool(struct xfer *x, void (*work)(struct pool_task *t), void (*done)(struct pool_task *t))
{
	x->task = (struct pool_task){.work = work, .done = done, .place = xfer_place, .arg = x};
	pool_add(x->s->proc->pool, &x->task);
}

/* --- the end --- */

static void xfer_over(struct xfer *x)
{
	struct session *s = x->s;

	timers_transfer(s);
	if (x->owned_fd >= 0)
		owner_give(s, &x->user_owner, &x->group_owner, x->owned_fd);
	xfer_say_end(x);
	xfer_record(x);
	s->xfer = NULL;
	xfer_free(x);
	session_transfer_done(s);
	session_unref(s);
}

/* Some file systems ask another process or machine even then. */
static bool closing_may_wait(const struct xfer *x)
{
	return x->fd >= 0 && !x->fs->local;
}

/* The end of the store closes and renames its file: UserOwner and GroupOwner need a descriptor after that. */
static void owned_keep(struct xfer *x)
{
	if (!x->store->regular || !(x->store->user_owner.set || x->store->group_owner.set))
		return;
	x->owned_fd = store_place(x->store);
	if (x->owned_fd < 0)
		log_warn(&x->s->log, "a new file keeps its owner: %s", strerror(-x->owned_fd));
	x->user_owner = x->store->user_owner;
	x->group_owner = x->store->group_owner;
}

/* Any thread. */
static void store_finish(struct xfer *x)
{
	const struct ftp_display *d = &x->s->scope->conf.display_file_transfer;

	if (x->store)
		owned_keep(x);
	if (x->store)
		x->end_error = -store_end(x->store, !x->failed, &x->problem, &x->file_size);
	x->store = NULL;
	if (closing_may_wait(x))
		fd_close(&x->fd);
	if (!x->failed)
		x->display = session_display_text(x->s, d, "/");
}

static void finish_work(struct pool_task *t)
{
	store_finish(t->arg);
}

static void finish_done(struct pool_task *t)
{
	xfer_over(t->arg);
}

/* Close the network side, then let the pool bring the file to its end. */
static void xfer_finish(struct xfer *x)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	watch_free(&x->watch);
	alarm_free(&x->alarm);
	rate_done(&x->rate, clock_us());
	xfer_show_last(x);
	/* Who said ABOR does not want what the kernel still holds. After other failures the client gets
	 * what was sent. */
	if (x->wire.sock >= 0 && x->aborted)
		(void)setsockopt(
			x->wire.sock, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* else it closes softly */
	if (x->wire.cut)
		log_notice(&x->s->log,
			"the upload of '%s' ended without close_notify: it may be cut off (TLSDataShutdown)",
			x->vpath);
	if (x->wire.tls && !x->failed && x->kind == XFER_UPLOAD)
		(void)wire_end(&x->wire); /* the answer to the client's close_notify */
	secure_end(x->s, &x->wire);
	wire_close(&x->wire);
	xfer_enter(x, XFER_FINISHING);
	if (x->ended || (!x->store && !closing_may_wait(x) &&
				(x->failed || !x->s->scope->conf.display_file_transfer.path))) {
		xfer_over(x);
		return;
	}
	xfer_in_pool(x, finish_work, finish_done);
}

static void xfer_fail(struct xfer *x, int error, bool net)
{
	x->failed = true;
	x->error = error;
	x->net_failed = net;
	xfer_finish(x);
}

/* Read away what the client still says; its close ends the transfer. */
static bool linger_over(struct xfer *x)
{
	ssize_t n = 1;

	for (int turn = 0; turn < LINGER_TURNS && n > 0; turn++)
		n = wire_discard(&x->wire);
	return n <= 0 && n != -EAGAIN;
}

/* TCP options only save packets or time: without them it goes on. */
static void tcp_option(struct xfer *x, int option, int value)
{
	if (setsockopt(x->wire.sock, IPPROTO_TCP, option, &value, sizeof value) < 0)
		log_notice(&x->s->log, "cannot set TCP option %d of the data connection: %s", option,
			strerror(errno));
}

/* Everything is in the kernel: end the stream and wait for the client to close, so that 226 means that it
 * has the bytes. */
static void xfer_sent(struct xfer *x)
{
	uint32_t ms = x->s->scope->conf.timeout_linger_ms;
	int r;

	x->sent = true;
	r = wire_end(&x->wire); /* takes a last piece along that the cork has kept back */
	if (r == -EAGAIN) {
		xfer_wait_net(x);
		return;
	}
	xfer_enter(x, XFER_LINGER);
	/* It fails when the client has closed already: it had its reasons, all bytes were on their way. */
	if (r < 0 || !ms) {
		xfer_finish(x);
		return;
	}
	if (linger_over(x)) {
		xfer_finish(x);
		return;
	}
	alarm_set(x->alarm, ms);
	watch_set(x->watch, UV_READABLE);
}

/* --- moving --- */

static void xfer_wait(struct xfer *x, enum xfer_state state, uint64_t ms)
{
	xfer_enter(x, state);
	watch_set(x->watch, 0);
	alarm_set(x->alarm, ms);
}

static void xfer_wait_net(struct xfer *x)
{
	xfer_enter(x, XFER_WAITING);
	watch_set(x->watch, wire_events(&x->wire, x->kind != XFER_UPLOAD));
}

/* Bytes that this transfer can still use, as far as that is known. */
static size_t xfer_left(const struct xfer *x)
{
	bool known = x->kind == XFER_DOWNLOAD && x->size_known && !x->deflated;
	uint64_t n = known ? x->end - x->cur : POOL_SLICE;
	int waiting;

	/* The last piece of an upload is rarely a whole one, and its end is worth nothing. But not byte by byte: the
	 * wire may hold more than the socket. */
	if (x->kind == XFER_UPLOAD && rate_limit(&x->rate) && ioctl(x->wire.sock, FIONREAD, &waiting) == 0)
		n = waiting > UPLOAD_STEP ? (uint64_t)waiting : UPLOAD_STEP;
	return n < POOL_SLICE ? (size_t)n : POOL_SLICE;
}

/* How many may move now; 0: the transfer waits for that. */
static size_t xfer_may(struct xfer *x)
{
	uint64_t now_us = clock_us();
	size_t left = xfer_left(x), may;

	xfer_rate_refresh(x, now_us);
	may = rate_allow(&x->rate, now_us, left);
	if (may == 0) {
		xfer_enter(x, XFER_PACED);
		watch_set(x->watch, 0);
		alarm_set_near(x->alarm, rate_wait_ms(&x->rate, now_us, left), rate_grid_ms(&x->rate));
	}
	return may;
}

static bool download_all_sent(const struct xfer *x)
{
	return x->kind == XFER_DOWNLOAD && x->size_known && x->cur >= x->end && !x->deflated;
}

/* RANG promised more. */
static bool upload_short(const struct xfer *x)
{
	return x->size_known && x->store->offset < x->end;
}

static bool is_local_peer(const struct session *s)
{
	return addr_is_loopback(&s->peer) || addr_host_equal(&s->peer, &s->local);
}

/* The source has ended. A download that was promised more is broken off: the file was cut while it was
 * being sent. */
static void slice_ended(struct xfer *x)
{
	if (x->kind == XFER_UPLOAD && !x->ended)
		xfer_fail(x, 0, true); /* too few for its RANG */
	else if (x->kind == XFER_UPLOAD)
		xfer_finish(x);
	else if (x->kind == XFER_DOWNLOAD && x->size_known && x->cur < x->end) {
		log_notice(&x->s->log,
			"'%s' became shorter while it was sent: %llu bytes of %llu were there%s", x->vpath,
			(unsigned long long)(x->cur - x->start), (unsigned long long)(x->end - x->start),
			is_local_peer(x->s) ? " (does the client store it onto itself?)" : "");
		xfer_fail(x, EIO, false);
	} else
		xfer_sent(x);
}

static void slice_short(struct xfer *x)
{
	if (x->slice.error && ++x->memory_tries > MEMORY_TRIES) {
		if (x->path != XFER_SENDFILE) {
			xfer_fail(x, ENOMEM, false);
			return;
		}
		xfer_path_fall_back(x, x->slice.error);
		x->memory_tries = 0;
	}
	xfer_wait(x, XFER_WAITING, SHORT_WAIT_MS);
}

static void slice_account(struct xfer *x)
{
	struct session *s = x->s;
	bool upload = x->kind == XFER_UPLOAD;

	x->done += x->slice.file_bytes;
	x->net += x->slice.net_bytes;
	lowat_take(&x->lowat, x->slice.net_bytes);
	if (upload)
		s->bytes_in += x->slice.file_bytes;
	else
		s->bytes_out += x->slice.file_bytes;
	rate_take(&x->rate, x->deflated ? x->slice.net_bytes : x->slice.file_bytes);
	if (x->slice.net_bytes || x->slice.file_bytes) {
		x->moved_ms = clock_ms();
		x->memory_tries = 0;
	}
	xfer_show_progress(x);
}

/* The socket of an upload is empty: from how many bytes on is it worth going on? Under a rate the pieces are
 * small anyway. */
static void upload_wait(struct xfer *x)
{
	int before = x->lowat.mark, mark;

	if (rate_limit(&x->rate) || x->wire.tls) /* TLS needs the rest of a record, however small */
		lowat_init(&x->lowat, clock_ms());
	mark = lowat_choose(&x->lowat, clock_ms());
	if (mark != before)
		wire_lowat(&x->wire, mark);
	xfer_wait_net(x);
	if (mark > LOWAT_NONE)
		alarm_set(x->alarm, LOWAT_ALARM_MS);
	else
		alarm_stop(x->alarm);
}

/* The client pauses with less in the socket than the mark. */
static void upload_late(struct xfer *x)
{
	if (x->kind != XFER_UPLOAD || x->lowat.mark == LOWAT_NONE)
		return;
	lowat_init(&x->lowat, clock_ms());
	wire_lowat(&x->wire, x->lowat.mark);
}

static void slice_failed(struct xfer *x, bool net)
{
	log_notice(&x->s->log, "%s of '%s' is broken off after %llu bytes, the %s failed: %s", x->verb,
		x->vpath ? x->vpath : x->name, (unsigned long long)x->done, net ? "connection" : "file",
		err_text(x->slice.error));
	xfer_fail(x, x->slice.error, net);
}

/* What a slice says about going on. */
static void slice_next(struct xfer *x)
{
	slice_account(x);
	if (x->aborted && !x->ended) {
		xfer_fail(x, 0, false);
		return;
	}
	switch (x->slice.end) {
	case SLICE_MORE:
		if (download_all_sent(x))
			xfer_sent(x);
		else if (x->state == XFER_MOVING)
			xfer_step(x);
		else if (xfer_may(x))
			xfer_wait_net(x); /* the next turn of the loop goes on; others have theirs before */
		break;
	case SLICE_WAIT_NET:
		if (x->kind == XFER_UPLOAD)
			upload_wait(x);
		else
			xfer_wait_net(x);
		break;
	case SLICE_WAIT_SHORT:
		slice_short(x);
		break;
	case SLICE_EOF:
		slice_ended(x);
		break;
	case SLICE_NET:
	case SLICE_FILE:
		slice_failed(x, x->slice.end == SLICE_NET);
		break;
	}
}

static void pool_work(struct pool_task *t)
{
	struct xfer *x = t->arg;

	if (x->kind == XFER_DOWNLOAD && x->seekable)
		(void)posix_fadvise(x->fd, (off_t)x->cur, READ_AHEAD, POSIX_FADV_WILLNEED); /* a hint */
	slice_run(x);
	/* Saves small files a way through the loop. */
	if (x->slice.end == SLICE_EOF && x->kind == XFER_UPLOAD && !atomic_load(&x->cancel) &&
		!upload_short(x)) {
		store_finish(x);
		x->ended = true;
	}
}

static void pool_done(struct pool_task *t)
{
	struct xfer *x = t->arg;
	struct session *s = x->s;

	session_ref(s);
	if (x->path == XFER_SENDFILE)
		x->resident_until = x->cur;
	slice_next(x);
	if (s->ctrl)
		ctrl_flush(s->ctrl);
	session_unref(s);
}

static void slice_in_pool(struct xfer *x)
{
	xfer_enter(x, XFER_MOVING);
	watch_set(x->watch, 0);
	xfer_in_pool(x, pool_work, pool_done);
}

/* Bytes from cur on that the kernel can send without waiting for a disk; 0: none, or nobody knows. */
static uint64_t resident_bytes(struct xfer *x)
{
	uint64_t span = x->end - x->cur < RESIDENT_SPAN ? x->end - x->cur : RESIDENT_SPAN;
	int64_t n;

	if (!x->fs->local)
		return 0; /* asking may wait already */
	if (x->cur < x->resident_until)
		return x->resident_until - x->cur;
	n = zs_resident(x->fd, x->cur, (size_t)span);
	if (n <= 0)
		return 0;
	x->resident_until = x->cur + (uint64_t)n;
	return (uint64_t)n;
}

/* Is all that is left so little that a way through the pool costs more than reading and encrypting it? */
static bool is_small_copy(const struct xfer *x)
{
	return x->path == XFER_COPY && !x->map && x->size_known && x->end - x->cur <= LOOP_COPY;
}

/* The data socket is ready, or was never tried: move the next slice. */
static void xfer_step(struct xfer *x)
{
	uint64_t resident;
	size_t may;

	if (x->sent || download_all_sent(x)) {
		xfer_sent(x);
		return;
	}
	may = xfer_may(x);
	if (may == 0)
		return;
	x->slice.max = may;
	x->slice.max_ms = x->deflated ? DEFLATE_MS : POOL_MS;
	resident = x->path == XFER_SENDFILE || is_small_copy(x) ? resident_bytes(x) : 0;
	if (resident == 0) {
		slice_in_pool(x);
		return;
	}
	x->slice.max = may < LOOP_SLICE ? may : LOOP_SLICE;
	x->slice.max = resident < x->slice.max ? (size_t)resident : x->slice.max;
	x->slice.max_ms = LOOP_MS;
	xfer_enter(
		x, XFER_WAITING); /* more is for the next turn of the loop, also after a slice in the pool */
	slice_run(x);
	slice_next(x);
}

static void net_event(void *arg, int events)
{
	struct xfer *x = arg;
	struct session *s = x->s;

	session_ref(s);
	if (x->state == XFER_LINGER) {
		if (linger_over(x))
			xfer_finish(x);
	} else if (x->state == XFER_SECURING)
		xfer_secure(x);
	else if (x->state == XFER_WAITING)
		xfer_step(x);
	if (s->ctrl)
		ctrl_flush(s->ctrl);
	session_unref(s);
}

static void alarm_event(void *arg)
{
	struct xfer *x = arg;
	struct session *s = x->s;

	session_ref(s);
	switch (x->state) {
	case XFER_OPENING:
		if (x->opening)
			xfer_say_150(x);
		else
			xfer_begin(x);
		break;
	case XFER_WAITING:
		upload_late(x);
		xfer_step(x);
		break;
	case XFER_PACED:
		xfer_step(x);
		break;
	case XFER_SECURING:
		secure_failed(s, "it took too long");
		xfer_insecure(x, ETIMEDOUT);
		break;
	case XFER_LINGER:
		xfer_finish(x);
		break;
	default:
		break;
	}
	if (s->ctrl)
		ctrl_flush(s->ctrl);
	session_unref(s);
}

/* --- the start --- */

/* The end of a piece under a rate must not wait for the next one. A small file should go in one packet with the end of the
 * stream. What is large is cheaper without either: measured on loopback, TCP_CORK costs a tenth of the processor time
 * more than the algorithm of Nagle, TCP_NODELAY half of that. */
static void packets_choose(struct xfer *x)
{
	if (rate_limit(&x->rate))
		tcp_option(x, TCP_NODELAY, 1);
	else if (is_small_copy(x) || (x->path == XFER_SENDFILE && x->end - x->cur <= LOOP_COPY))
		tcp_option(x, TCP_CORK, 1);
	else if (x->path == XFER_SENDFILE && x->s->scope->conf.nodelay_data)
		tcp_option(x, TCP_NODELAY, 0);
}

/* The socket takes more only when little of what it has is still unsent: docs/performance.md. */
static void queue_choose(struct xfer *x)
{
	if (x->kind == XFER_DOWNLOAD && (!x->size_known || x->end - x->cur > UNSENT_MAX))
		tcp_option(x, TCP_NOTSENT_LOWAT, UNSENT_MAX);
}

/* The connection is there and, with PROT P, protected: bytes may move. */
static void xfer_ready(struct xfer *x)
{
	xfer_path_secured(x);
	xfer_show_progress(x); /* the path may be another now */
	lowat_init(&x->lowat, x->begun_ms);
	packets_choose(x);
	queue_choose(x);
	/* A new socket takes bytes; and what TLS has read already does not make it readable. */
	xfer_enter(x, XFER_WAITING);
	if (x->kind != XFER_UPLOAD || x->wire.tls)
		xfer_step(x);
	else
		xfer_wait_net(x);
}

static void xfer_insecure(struct xfer *x, int error)
{
	x->refused = true;
	xfer_fail(x, error, true);
}

static void xfer_secure(struct xfer *x)
{
	int r = secure_step(x->s, &x->wire);

	if (r == -EAGAIN)
		watch_set(x->watch, wire_events(&x->wire, false));
	else if (r < 0)
		xfer_insecure(x, -r);
	else {
		alarm_stop(x->alarm);
		x->moved_ms = clock_ms();
		xfer_ready(x);
	}
}

/* How many records of TLS a download will be, if the kernel sends it; 0 where nobody knows. */
static uint64_t records_to_send(const struct xfer *x)
{
	uint64_t record = TLS_RECORD_MAX, piece = rate_limit(&x->rate) * RATE_PIECE_MS / 1000;

	if (x->kind != XFER_DOWNLOAD || !x->size_known || x->cur >= x->end)
		return 0;
	if (x->chunk && x->chunk < record)
		record = x->chunk;
	if (piece && piece < record)
		record = piece;
	return (x->end - x->cur) / record;
}

/* After the 150: clients begin the handshake when they have read it (RFC 4217 10.2). */
static void xfer_protect(struct xfer *x)
{
	uint32_t ms = x->s->server->scope->conf.tls.handshake_ms;
	struct err err = ERR_INIT;

	xfer_enter(x, XFER_SECURING);
	if (secure_begin(x->s, &x->wire, x->kind == XFER_UPLOAD, records_to_send(x), &err) < 0) {
		log_err(&x->s->log, "no TLS for the data connection: %s", err.text);
		xfer_insecure(x, EPROTO);
		return;
	}
	if (ms)
		alarm_set(x->alarm, ms);
	xfer_secure(x);
}

static void xfer_opened(void *arg, int fd, int error)
{
	struct xfer *x = arg;
	struct session *s = x->s;

	session_ref(s);
	alarm_stop(x->alarm);
	x->wire.sock = fd;
	if (fd < 0) {
		x->refused = true;
		xfer_fail(x, error, true);
	} else {
		x->watch = watch_new(session_loop(s), fd, net_event, x);
		x->port = data_peer_port(s->data);
		x->begun_ms = x->moved_ms = clock_ms();
		timers_transfer(s);
		xfer_rate_begin(x);
		xfer_show_start(x); /* who has read the 150 sees it there */
		xfer_say_150(x);
		if (s->ctrl)
			ctrl_flush(s->ctrl);
		if (s->xfer != x || x->state != XFER_OPENING) {
			session_unref(s); /* the control connection was lost, and with it the transfer */
			return;
		}
		if (s->prot_private)
			xfer_protect(x);
		else
			xfer_ready(x);
	}
	timers_arm(s);
	session_unref(s);
}

static void xfer_begin(struct xfer *x)
{
	struct session *s = x->s;

	x->opening = true;
	if (x->aborted || !s->ctrl || s->ctrl->eof) {
		x->aborted = x->aborted ? x->aborted : XFER_ABORT_LOST;
		xfer_fail(x, 0, false);
	} else {
		alarm_set(x->alarm, EARLY_150_MS);
		data_open(s, xfer_opened, x);
	}
}

static struct xfer *xfer_new(struct session *s, enum xfer_kind kind, const char *verb, const char *name)
{
	struct xfer *x = xcalloc(1, sizeof *x);

	x->s = s;
	x->kind = kind;
	x->verb = verb;
	x->name = xstrdup(name);
	x->fd = x->wire.sock = x->owned_fd = -1;
	x->file_size = -1;
	x->deflated = s->mode_z;
	x->z_level = s->z_level;
	atomic_init(&x->cancel, false);
	x->state = XFER_OPENING;
	return x;
}

/* From the next turn of the loop on, so that the command has returned when the first reply or the end
 * comes. */
static enum ftp_result xfer_start(struct xfer *x)
{
	session_ref(x->s);
	x->s->xfer = x;
	x->alarm = alarm_new(session_loop(x->s), alarm_event, x);
	alarm_set(x->alarm, 0);
	return FTP_WAIT_DATA;
}

/* Are line ends converted? */
static bool converts(const struct session *s)
{
	return s->ascii && !(s->scope->conf.transfer_options & FTP_TRANSFER_IGNORE_ASCII) &&
	       !(s->quirks & FTP_QUIRK_IGNORE_ASCII);
}

enum ftp_result xfer_start_download(struct session *s, const struct xfer_download *d)
{
	struct xfer *x = xfer_new(s, XFER_DOWNLOAD, d->verb, d->name);

	x->vpath = xstrdup(d->vpath);
	x->real = xstrdup(d->real);
	x->id = file_id_of(d->st);
	x->fd = d->fd;
	x->dev = d->st->st_dev;
	x->fs = d->fs;
	x->ascii = converts(s);
	x->seekable = S_ISREG(d->st->st_mode);
	x->size_known = x->seekable && !d->endless;
	x->start = x->cur = d->start;
	x->end = x->size_known ? (uint64_t)d->st->st_size : 0;
	if (x->size_known && d->length && d->length < x->end - x->start)
		x->end = x->start + d->length;
	x->planned = x->size_known ? x->end - x->start : 0;
	x->file_size = x->size_known ? (int64_t)d->st->st_size : -1;
	if (x->seekable && x->file_size > AHEAD_FROM)
		(void)posix_fadvise(x->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
	xfer_rate_choose(x, d->conf);
	xfer_path_choose(x, d->conf);
	return xfer_start(x);
}

enum ftp_result xfer_start_upload(struct session *s, const struct xfer_upload *u)
{
	struct xfer *x = xfer_new(s, XFER_UPLOAD, u->verb, u->name);

	x->vpath = xstrdup(u->vpath);
	x->store = u->store;
	x->dev = u->store->dev;
	x->ascii = converts(s);
	x->start = u->store->start;
	x->end = u->store->end;
	x->size_known = x->end != UINT64_MAX;
	x->planned = x->size_known ? x->end - x->start : u->store->announced;
	xfer_rate_choose(x, u->conf);
	xfer_path_choose(x, u->conf);
	return xfer_start(x);
}

enum ftp_result xfer_start_listing(struct session *s, const char *name, struct xfer_source *src)
{
	struct xfer *x = xfer_new(s, XFER_LISTING, s->cmd ? s->cmd->verb : "LIST", name);

	x->src = src;
	xfer_path_choose(x, &s->scope->conf);
	return xfer_start(x);
}

void xfer_abort(struct session *s, enum xfer_abort why)
{
	struct xfer *x = s->xfer;

	if (!x || x->aborted || x->state == XFER_FINISHING)
		return;
	x->aborted = why;
	log_debug(&s->log, 4, "transfer is aborted");
	xfer_stop(x);
}

static void xfer_stop(struct xfer *x)
{
	/* The slice ends soon; slice_next() sees the rest. The socket is left alone: an end of stream that the client
	 * sees before the reset would make a part look like the whole. */
	if (x->state == XFER_MOVING) {
		atomic_store(&x->cancel, true);
		return;
	}
	if (x->state == XFER_OPENING)
		data_reset(x->s->data);
	xfer_fail(x, 0, false);
}

uint64_t xfer_moved_ms(const struct session *s)
{
	const struct xfer *x = s->xfer;

	if (!x || !x->begun_ms || x->state == XFER_LINGER || x->state == XFER_FINISHING)
		return 0;
	return x->state == XFER_PACED ? clock_ms() : x->moved_ms; /* who is held up has not stalled */
}
