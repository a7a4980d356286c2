/* The rates of a transfer: which lines of the configuration hold for it, and what is in force for them now. */
#include <sys/socket.h>

#include "base/clock.h"
#include "ftp/policy.h"
#include "ftp/rates.h"
#include "session/proc.h"
#include "session/session_priv.h"
#include "session/xfer_priv.h"

/* Of an upload, what the kernel takes in before we do: bytes worth this time, so that the sender sees the rate
 * and not a buffer being filled; enough for half a second's round trip. */
#define RCVBUF_MS  500
#define RCVBUF_MIN ((uint64_t)64 * 1024)
#define RCVBUF_MAX ((uint64_t)4 * 1024 * 1024) /* above, the kernel's own choice does no harm */

/* Each piece wakes a thread of the pool, and the buffer hides how large it is. */
#define UPLOAD_PIECE_MS 200

static uint64_t number_now(const struct xfer *x, const struct xfer_line *line)
{
	const struct proc_start *start = x->s->proc->start;

	return start->rates ? rate_table_number(start->rates, start->config->generation, line->key, line->bps)
			    : line->bps;
}

void xfer_rate_choose(struct xfer *x, const struct ftp_conf *conf)
{
	const struct session *s = x->s;
	unsigned command = xfer_command_bit(x->verb);
	const struct ftp_rate *rate = policy_rate(conf, command, &s->who);
	const struct ftp_rate_total *totals[RATE_SHARES_MAX];
	struct xfer_limits *l = &x->limits;

	if (rate) {
		l->own = (struct xfer_line){ftp_rate_key(s->server, rate->key), rate->bytes_per_sec};
		l->free_bytes = rate->free_bytes;
	}
	l->n_totals = s->proc->start->rates
			      ? policy_rate_totals(conf, command, &s->who, totals, RATE_SHARES_MAX)
			      : 0;
	for (unsigned i = 0; i < l->n_totals; i++) {
		l->total[i] =
			(struct xfer_line){ftp_rate_key(s->server, totals[i]->key), totals[i]->bytes_per_sec};
		l->bucket[i] = ftp_rate_bucket(s->server, totals[i], &s->who);
	}
}

bool xfer_rate_limited(const struct xfer *x)
{
	bool limited = number_now(x, &x->limits.own) > 0;

	for (unsigned i = 0; i < x->limits.n_totals; i++)
		limited = limited || number_now(x, &x->limits.total[i]) > 0;
	return limited;
}

static void receive_buffer_set(const struct xfer *x)
{
	uint64_t bps = rate_limit(&x->rate), n = bps * RCVBUF_MS / 1000;
	int size = (int)(n < RCVBUF_MIN ? RCVBUF_MIN : n);

	if (x->kind == XFER_UPLOAD && bps && n <= RCVBUF_MAX) /* the kernel doubles it for its own needs */
		(void)setsockopt(x->wire.sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* a refinement */
}

static void shares_set(struct xfer *x)
{
	const struct xfer_limits *l = &x->limits;

	x->rate.n_shares = 0;
	for (unsigned i = 0; i < l->n_totals; i++)
		rate_add_share(&x->rate, x->s->proc->start->rates, l->bucket[i], number_now(x, &l->total[i]));
}

void xfer_rate_begin(struct xfer *x)
{
	struct rate_table *t = x->s->proc->start->rates;

	x->limits.serial = t ? rate_table_serial(t) : 0;
	rate_init(&x->rate, number_now(x, &x->limits.own), x->limits.free_bytes, clock_us());
	if (x->kind == XFER_UPLOAD)
		x->rate.piece_ms = UPLOAD_PIECE_MS;
	shares_set(x);
	receive_buffer_set(x);
}

/* A look at one word of shared memory a piece. */
void xfer_rate_refresh(struct xfer *x, uint64_t now_us)
{
	struct rate_table *t = x->s->proc->start->rates;
	uint32_t serial = t ? rate_table_serial(t) : 0;

	if (serial == x->limits.serial)
		return;
	x->limits.serial = serial;
	rate_done(&x->rate, now_us); /* what was taken ahead was worth something else */
	rate_set(&x->rate, number_now(x, &x->limits.own), now_us);
	shares_set(x);
	receive_buffer_set(x);
	xfer_show_limit(x);
}
