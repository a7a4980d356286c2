#include "session/rate.h"

#include <string.h>

#define MS          UINT64_C(1000000)
#define FIRST_PIECE ((uint64_t)1024)
#define CROWDED_MS  200 /* waiting in a shared bucket: from here on pieces become smaller */
#define GRID_MAX_MS 25
#define BYTES_MAX   ((uint64_t)1 << 33) /* for rate_cost_ns() */

void rate_init(struct rate *r, uint64_t bps, uint64_t free_bytes, uint64_t now_us)
{
	memset(r, 0, sizeof *r);
	r->bps = bps;
	r->free_bytes = free_bytes;
	r->due_ns = now_us * 1000;
	r->piece_ms = RATE_PIECE_MS;
}

void rate_set(struct rate *r, uint64_t bps, uint64_t now_us)
{
	if (bps != r->bps) /* neither saved nor owed at another rate */
		r->due_ns = now_us * 1000;
	r->bps = bps;
}

void rate_add_share(struct rate *r, struct rate_table *table, uint64_t key, uint64_t bps)
{
	for (unsigned i = 0; i < r->n_shares; i++) {
		if (r->share[i].key == key) {
			if (bps && (!r->share[i].bps || bps < r->share[i].bps))
				r->share[i].bps = bps;
			return;
		}
	}
	if (r->n_shares == RATE_SHARES_MAX)
		return;
	r->table = table;
	r->share[r->n_shares++] = (struct rate_share){key, bps};
}

/* Bytes that are moved at a time: worth piece_ms, but at low rates up to 1 KiB. */
static uint64_t piece_of(const struct rate *r, uint64_t bps)
{
	uint64_t n = bps * r->piece_ms / 1000, crumb = bps * RATE_CRUMB_MS / 1000;

	if (n < FIRST_PIECE)
		n = crumb < FIRST_PIECE ? crumb : FIRST_PIECE;
	return n < 1 ? 1 : n > RATE_PIECE_MAX ? RATE_PIECE_MAX : n;
}

/* The first pieces are smaller, each as large as all before it, so that a small file takes the time that it is
 * worth and not that of a piece. */
static uint64_t own_piece(const struct rate *r)
{
	uint64_t n = piece_of(r, r->bps), grown = r->moved < FIRST_PIECE ? FIRST_PIECE : r->moved;

	return n < grown ? n : grown;
}

/* What may be saved up, in nanoseconds. */
static uint64_t own_burst(const struct rate *r)
{
	uint64_t pieces = rate_cost_ns(2 * piece_of(r, r->bps), r->bps);

	return pieces > RATE_BURST_MS * MS ? pieces : RATE_BURST_MS * MS;
}

static size_t own_allow(struct rate *r, uint64_t now, size_t want)
{
	uint64_t piece, may;

	if (!r->bps)
		return want;
	if (r->free_bytes)
		return want < r->free_bytes ? want : (size_t)r->free_bytes;
	if (r->due_ns + own_burst(r) < now) /* the client stood still: forget what is older than the burst */
		r->due_ns = now - own_burst(r);
	if (r->due_ns >= now)
		return 0;
	/* Floating point: exact enough below 2^53 bytes. */
	may = (uint64_t)((double)(now - r->due_ns) * (double)r->bps / 1e9);
	piece = own_piece(r);
	if (may < piece - piece / 2 && may < want) /* crumbs would cost a system call each */
		return 0;
	may = may > 2 * piece ? 2 * piece : may; /* one that was woken late makes up for it */
	return want < may ? want : (size_t)may;
}

/* --- shares --- */

/* The larger the crowd, the smaller the piece, so that a turn comes within a second also among a hundred. */
static uint64_t share_piece(const struct rate *r, const struct rate_share *s, uint64_t now)
{
	uint64_t n = piece_of(r, s->bps), ahead = rate_table_ahead(r->table, s->key, now) / MS;

	if (ahead > CROWDED_MS)
		n = n * CROWDED_MS / ahead;
	return n < 1 ? 1 : n;
}

/* Stand in the line of each share with the same piece. */
static void shares_take(struct rate *r, uint64_t now, uint64_t want)
{
	uint64_t n = want < BYTES_MAX ? want : BYTES_MAX, piece, at;

	for (unsigned i = 0; i < r->n_shares; i++) {
		piece = r->share[i].bps ? share_piece(r, &r->share[i], now) : n;
		n = piece < n ? piece : n;
	}
	r->granted = n;
	r->granted_ns = 0;
	for (unsigned i = 0; i < r->n_shares; i++) {
		if (!r->share[i].bps)
			continue;
		at = rate_table_take(r->table, r->share[i].key, rate_cost_ns(n, r->share[i].bps), now);
		r->granted_ns = at > r->granted_ns ? at : r->granted_ns;
	}
}

size_t rate_allow(struct rate *r, uint64_t now_us, size_t want)
{
	uint64_t now = now_us * 1000;
	size_t n = own_allow(r, now, want);

	if (n == 0 || r->n_shares == 0)
		return n;
	if (r->granted == 0)
		shares_take(r, now, n);
	if (r->granted_ns > now + rate_grid_ms(r) * MS)
		return 0;
	return n < r->granted ? n : (size_t)r->granted;
}

void rate_take(struct rate *r, uint64_t bytes)
{
	uint64_t n = bytes < BYTES_MAX ? bytes : BYTES_MAX, paced = n > r->free_bytes ? n - r->free_bytes : 0;

	r->moved += n;
	r->granted -= n < r->granted ? n : r->granted;
	r->free_bytes -= n - paced;
	if (r->bps)
		r->due_ns += rate_cost_ns(paced, r->bps);
}

uint64_t rate_wait_ms(struct rate *r, uint64_t now_us, size_t want)
{
	uint64_t now = now_us * 1000, at = 0, piece;

	if (r->bps && !r->free_bytes) {
		piece = own_piece(r);
		at = r->due_ns + rate_cost_ns(want < piece ? want : piece, r->bps);
	}
	if (r->granted && r->granted_ns > at)
		at = r->granted_ns;
	return at > now ? (at - now + MS - 1) / MS : 1;
}

uint64_t rate_grid_ms(const struct rate *r)
{
	uint64_t ms = 0, bps = rate_limit(r);

	if (bps)
		ms = (rate_cost_ns(piece_of(r, bps), bps) / MS + 1) / 2;
	return ms < GRID_MAX_MS ? ms : GRID_MAX_MS;
}

void rate_done(struct rate *r, uint64_t now_us)
{
	for (unsigned i = 0; i < r->n_shares && r->granted; i++) {
		if (r->share[i].bps)
			rate_table_return(r->table, r->share[i].key,
				rate_cost_ns(r->granted, r->share[i].bps), now_us * 1000);
	}
	r->granted = 0;
}

uint64_t rate_limit(const struct rate *r)
{
	uint64_t low = r->bps;

	for (unsigned i = 0; i < r->n_shares; i++) {
		if (r->share[i].bps && (!low || r->share[i].bps < low))
			low = r->share[i].bps;
	}
	return low;
}
