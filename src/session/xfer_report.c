/* What a transfer tells: replies to the client, the scoreboard, records, STAT. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "score/score.h"
#include "session/record.h"
#include "session/session_priv.h"
#include "session/watch.h"
#include "session/xfer_priv.h"

/* Progress is recorded when so much time has passed and a hundredth of the bytes has moved, and at the latest after a
 * longer time, whether a slice ran or not. It costs a system call: the acknowledged bytes. */
#define SHOW_MS        250
#define SHOW_LATEST_MS 1900

unsigned xfer_command_bit(const char *verb)
{
	return strcmp(verb, "RETR") == 0   ? FTP_XFER_RETR
	       : strcmp(verb, "STOR") == 0 ? FTP_XFER_STOR
	       : strcmp(verb, "APPE") == 0 ? FTP_XFER_APPE
	       : strcmp(verb, "STOU") == 0 ? FTP_XFER_STOU
					   : 0;
}

/* Clients parse the number of bytes. */
void xfer_say_150(struct xfer *x)
{
	const char *type = x->s->ascii || x->kind == XFER_LISTING ? "ASCII" : "BINARY";
	uint64_t n = x->size_known ? x->end - x->start : 0;

	if (x->said_150)
		return;
	x->said_150 = true;
	if (strcmp(x->verb, "STOU") == 0)
		session_reply(x->s, 150, "FILE: %s", x->name);
	else if (x->kind == XFER_LISTING || n == 0)
		session_reply(x->s, 150, "Opening %s mode data connection for %s", type, x->name);
	else
		session_reply(x->s, 150, "Opening %s mode data connection for %s (%llu %s)", type, x->name,
			(unsigned long long)n, n == 1 ? "byte" : "bytes");
}

/* What the client is told of a transfer that failed. */
static void reply_failed(struct session *s, int error)
{
	switch (error) {
	case ENXIO:
		session_reply(s, 451, "Transfer aborted. Unexpected streams hangup");
		break;
	case EAGAIN:
	case ENOMEM:
		session_reply(s, 451, "Transfer aborted. Insufficient memory or file locked");
		break;
	case ETXTBSY:
	case EBUSY:
	case EIO:
	case EFAULT:
	case ESPIPE:
	case EDEADLK:
	case ETIME:
	case EPROTO:
	case ECOMM:
	case EACCES:
	case ENOENT:
		session_reply(s, 451, "Transfer aborted. %s", err_text(error));
		break;
	case ERANGE: /* of store_write() */
		session_reply(s, 550, "Transfer aborted. More bytes than the range has");
		break;
	case ENOSPC:
		session_reply(s, 452, "Transfer aborted. %s", err_text(error));
		break;
	case EDQUOT:
	case EFBIG:
		session_reply(s, 552, "Transfer aborted. %s", err_text(error));
		break;
	case ETIMEDOUT:
	case ESTALE:
	case ENOLCK:
	case ENOLINK:
	case ENETRESET:
		session_reply(s, 450, "Transfer aborted. Link to file server lost");
		break;
	default:
		session_reply(s, 426, "Transfer aborted. Data connection closed");
	}
}

/* All bytes came, but the file could not be brought to its end. */
static void reply_end_error(struct xfer *x)
{
	if (x->problem == STORE_RENAME)
		session_reply(
			x->s, 550, "%s: Rename of hidden file failed: %s", x->name, err_text(x->end_error));
	else if (x->end_error == EDQUOT || x->end_error == EFBIG)
		session_reply_errno(x->s, 552, x->name, -x->end_error);
	else
		session_reply_errno(x->s, 550, x->name, -x->end_error);
}

void xfer_say_end(struct xfer *x)
{
	struct session *s = x->s;

	if (x->refused && !x->aborted)
		session_reply(s, 425, "Unable to build data connection: %s", err_text(x->error));
	else if (x->failed)
		reply_failed(s, x->aborted || x->net_failed ? 0 : x->error);
	else if (x->end_error)
		reply_end_error(x);
	else {
		session_reply_display(s, 226, x->display);
		session_reply(s, 226, "Transfer complete");
	}
}

static enum score_path path_of(const struct xfer *x)
{
	if (x->s->prot_private && !x->deflated)
		return x->path == XFER_SENDFILE ? SCORE_PATH_KTLS : SCORE_PATH_TLS;
	return x->deflated                            ? SCORE_PATH_DEFLATE
	       : x->path == XFER_SENDFILE             ? SCORE_PATH_SENDFILE
	       : x->path == XFER_SPLICE && x->spliced ? SCORE_PATH_SPLICE
	       : x->map && !x->unmapped               ? SCORE_PATH_MAPPED
						      : SCORE_PATH_COPY;
}

/* What the client has acknowledged of x->done, which is counted at the file: where a filter makes other bytes of them,
 * in proportion. */
static uint64_t acked_bytes(const struct xfer *x)
{
	uint64_t left = 0, all = x->net + x->shown_held;
	int queued;

	if (x->kind == XFER_UPLOAD || x->wire.sock < 0 || all == 0)
		return 0;
	if (ioctl(x->wire.sock, SIOCOUTQ, &queued) < 0) /* not TCP */
		return 0;
	if (queued > 0) /* the end of the stream counts as a byte */
		left = (uint64_t)queued - (x->state == XFER_LINGER);
	left = left < x->net ? left : x->net;
	if (all == x->done)
		return x->net - left;
	return (uint64_t)((double)x->done * ((double)(x->net - left) / (double)all));
}

/* Any state, also while a slice runs. */
static void show_now(struct xfer *x, uint64_t now)
{
	struct score_progress p = {.done_bytes = x->done,
		.acked_bytes = acked_bytes(x),
		.elapsed_ms = now - x->begun_ms,
		.path = x->shown_path};

	x->shown_ms = now;
	x->shown_done = x->done;
	x->shown_acked = p.acked_bytes;
	score_xfer_progress(x->s->slot, &p);
}

/* Is what has moved since the last record worth another one? */
static bool show_worth(const struct xfer *x)
{
	return x->done > x->shown_done && x->done - x->shown_done >= x->planned / 100;
}

/* Wake up for a record when no slice comes by. */
static void show_arm(struct xfer *x, uint64_t now, uint64_t at)
{
	x->shown_next_ms = at;
	alarm_set(x->shown_alarm, at > now ? at - now : 1);
}

/* Nothing moves, or slowly: the time passes all the same, and the client takes what the kernel holds for it. */
static void show_event(void *arg)
{
	struct xfer *x = arg;
	uint64_t now = clock_ms(), age = now - x->shown_ms;

	if (age >= SHOW_LATEST_MS || (age >= SHOW_MS && show_worth(x)))
		show_now(x, now);
	show_arm(x, now, x->shown_ms + SHOW_LATEST_MS);
}

void xfer_show_limit(struct xfer *x)
{
	score_set_rate_limit(x->s->slot, rate_limit(&x->rate));
}

void xfer_show_start(struct xfer *x)
{
	static const enum score_dir dir[] = {[XFER_DOWNLOAD] = SCORE_DOWNLOAD,
		[XFER_UPLOAD] = SCORE_UPLOAD,
		[XFER_LISTING] = SCORE_LISTING};

	x->shown_path = path_of(x);
	x->shown_ms = x->begun_ms;
	xfer_show_limit(x);
	score_xfer_start(x->s->slot, dir[x->kind], x->planned, x->shown_path);
	x->shown_alarm = alarm_new(session_loop(x->s), show_event, x);
	show_arm(x, x->shown_ms, x->shown_ms + SHOW_LATEST_MS);
}

void xfer_show_progress(struct xfer *x)
{
	uint64_t now = clock_ms(), soon = x->shown_ms + SHOW_MS;
	enum score_path path = path_of(x);
	bool worth = show_worth(x);

	x->shown_held = x->pending_len - x->pending_at;
	if (path != x->shown_path || now - x->shown_ms >= SHOW_LATEST_MS || (now >= soon && worth)) {
		x->shown_path = path;
		show_now(x, now);
	} else if (worth && x->shown_next_ms > soon) {
		show_arm(x, now, soon); /* this may be the last slice for long */
	}
}

void xfer_show_last(struct xfer *x)
{
	alarm_free(&x->shown_alarm);
	if (x->begun_ms)
		show_now(x, clock_ms());
}

static const char *status_of(const struct xfer *x)
{
	if (!x->failed && !x->end_error)
		return "success";
	return x->aborted == XFER_ABORT_STALLED ? "timeout" : x->aborted ? "cancelled" : "failed";
}

static const char *failure_of(const struct xfer *x)
{
	if (!x->failed && !x->end_error)
		return NULL;
	return x->aborted || x->net_failed ? "Data connection closed"
					   : err_text(x->failed ? x->error : x->end_error);
}

/* As DeflateLog of other servers. */
static void log_deflated(const struct xfer *x)
{
	double saved = x->done ? 100.0 * (1.0 - (double)x->net / (double)x->done) : 0;
	bool up = x->kind == XFER_UPLOAD;

	log_debug(&x->s->log, 5, "%s: %s %llu bytes to %llu bytes (%.2f%% compression)", x->verb,
		up ? "inflated" : "deflated", (unsigned long long)(up ? x->net : x->done),
		(unsigned long long)(up ? x->done : x->net), saved);
}

void xfer_record(struct xfer *x)
{
	struct session *s = x->s;
	bool ok = !x->failed && !x->end_error;
	uint64_t ms = x->begun_ms ? clock_ms() - x->begun_ms : 0;
	struct record_xfer rec = {.vpath = x->vpath,
		.bytes = x->done,
		.duration_ms = ms,
		.upload = x->kind == XFER_UPLOAD,
		.ascii = x->ascii,
		.complete = ok};
	char shown[512];

	if (x->begun_ms)
		score_xfer_end(s->slot, &(struct score_progress){x->done, x->shown_acked, ms, x->shown_path});
	record_add_raw(s, x->kind == XFER_UPLOAD ? x->net : 0, x->kind == XFER_UPLOAD ? 0 : x->net);
	s->cmd->transferred = true;
	s->cmd->bytes = x->done;
	s->cmd->offset = x->start;
	s->cmd->file_size = x->file_size;
	s->cmd->transfer_ms = ms;
	s->cmd->transfer_port = x->port;
	s->cmd->status = status_of(x);
	s->cmd->failure = failure_of(x);
	if (x->deflated)
		log_deflated(x);
	if (x->kind == XFER_LISTING)
		return;
	record_xfer(s, &rec);
	if (ok && x->kind == XFER_UPLOAD)
		s->files_in++;
	else if (ok)
		s->files_out++;
	log_info(&s->log, "%s '%s' %s: %llu bytes in %llu ms", x->verb,
		str_escape(x->vpath, shown, sizeof shown), ok ? "complete" : status_of(x),
		(unsigned long long)x->done, (unsigned long long)ms);
}

void xfer_describe(const struct session *s, char *buf, size_t size)
{
	const struct xfer *x = s->xfer;

	if (!x || !x->begun_ms)
		(void)snprintf(buf, size, "No data connection");
	else if (x->size_known)
		(void)snprintf(buf, size, "%s %s (%llu/%llu)", x->verb, x->name,
			(unsigned long long)(x->end - x->start), (unsigned long long)x->done);
	else
		(void)snprintf(buf, size, "%s %s (%llu)", x->verb, x->name, (unsigned long long)x->done);
}
