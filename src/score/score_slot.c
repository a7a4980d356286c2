/* The writer: one thread of the process that owns the region. */
#include "score/score_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

static const char *const path_names[SCORE_PATH_COUNT] = {[SCORE_PATH_NONE] = "",
	[SCORE_PATH_SENDFILE] = "sendfile",
	[SCORE_PATH_COPY] = "copy",
	[SCORE_PATH_MAPPED] = "mapped",
	[SCORE_PATH_KTLS] = "ktls",
	[SCORE_PATH_TLS] = "tls",
	[SCORE_PATH_DEFLATE] = "deflate",
	[SCORE_PATH_SPLICE] = "splice"};

const char *score_path_name(enum score_path path)
{
	return (unsigned)path < SCORE_PATH_COUNT ? path_names[path] : "";
}

bool score_path_in_kernel(enum score_path path)
{
	return path == SCORE_PATH_SENDFILE || path == SCORE_PATH_KTLS || path == SCORE_PATH_SPLICE;
}

static struct score_region_head *region_head(const struct score_region *r)
{
	return (struct score_region_head *)(void *)r->map;
}

static struct score_hot *slot_hot(const struct score_slot *s)
{
	return &s->region->tables.hot[s->index];
}

static struct score_over *slot_over(const struct score_slot *s)
{
	return &s->region->tables.over[s->index];
}

/* Have the memory of [p, p + n) now, so that a full file system is an answer and not a SIGBUS at a store. */
static bool populate(void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *from = (char *)((uintptr_t)p & ~(uintptr_t)(page - 1));

	return madvise(from, (size_t)((char *)p + n - from), MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
}

static void slot_begin(struct score_hot *h)
{
	uint32_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);

	atomic_store_explicit(&h->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* odd is seen before what follows */
}

static void slot_end(struct score_hot *h)
{
	uint32_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);

	atomic_store_explicit(&h->seq, seq + 1, memory_order_release);
}

/* The bit map keeps records dense, so that readers look at few and little memory is touched. -1: all taken. */
static int bit_find_free(const uint64_t *bits, unsigned n)
{
	unsigned w, i;

	for (w = 0; w < (n + 63) / 64; w++) {
		if (bits[w] == UINT64_MAX)
			continue;
		i = w * 64 + (unsigned)__builtin_ctzll(~bits[w]);
		return i < n ? (int)i : -1;
	}
	return -1;
}

static void bit_set(uint64_t *bits, unsigned i, bool on)
{
	uint64_t bit = UINT64_C(1) << (i % 64);

	bits[i / 64] = on ? bits[i / 64] | bit : bits[i / 64] & ~bit;
}

/* One more than the highest slot in use. */
static uint32_t region_used(const struct score_region *r)
{
	unsigned w = (r->tables.slots + 63) / 64;

	while (w > 0 && r->taken[w - 1] == 0)
		w--;
	return w == 0 ? 0 : w * 64 - (unsigned)__builtin_clzll(r->taken[w - 1]);
}

/* Is the memory of record i there, of a table that is used from its begin? *ready: records of which that is known. */
static bool record_ready(void *record, size_t size, unsigned i, unsigned *ready)
{
	if (i < *ready)
		return true;
	if (!populate(record, size))
		return false;
	*ready = i + 1;
	return true;
}

/* Nothing stays of a record that no slot names any more. A reader that still has its number sees what follows, and
 * with it that the slot has changed. */
static void record_clear(void *record, size_t size)
{
	static const struct score_common zeros; /* the largest */

	atomic_thread_fence(memory_order_release);
	score_copy_in(record, &zeros, size);
}

/* --- what sessions have in common --- */

static const size_t common_from = offsetof(struct score_common, uid); /* all but the references */

static void *common_texts(struct score_common *c)
{
	return (char *)c + common_from;
}

/* The record that is equal to c, else a free one: its number, from 0. There is always one: as many as slots, and one. */
static unsigned common_find(const struct score_region *r, struct score_common *c)
{
	unsigned i, found = r->commons;

	for (i = 0; i < r->commons; i++) {
		struct score_common *have = &r->tables.common[i];

		if (have->refs == 0)
			found = i < found ? i : found;
		else if (memcmp(common_texts(have), common_texts(c), sizeof(*c) - common_from) == 0)
			return i;
	}
	return found;
}

static void common_drop(struct score_region *r, unsigned number)
{
	struct score_common *c;

	if (number == 0)
		return;
	c = &r->tables.common[number - 1];
	if (--c->refs == 0)
		record_clear(common_texts(c), sizeof(*c) - common_from);
	while (r->commons > 0 && r->tables.common[r->commons - 1].refs == 0)
		r->commons--;
}

/* What the slot has in common with others: a copy to change. */
static struct score_common common_get(const struct score_slot *s)
{
	unsigned number = slot_hot(s)->common;

	return number > 0 ? s->region->tables.common[number - 1] : (struct score_common){0};
}

/* False: there is no memory for it, and what the slot had before stays. */
static bool common_set(struct score_slot *s, struct score_common *c)
{
	struct score_region *r = s->region;
	struct score_hot *h = slot_hot(s);
	unsigned old = h->common, i = common_find(r, c);
	struct score_common *to = &r->tables.common[i];

	if (!record_ready(to, sizeof(*to), i, &r->commons_ready))
		return false;
	if (to->refs++ == 0) {
		score_copy_in(common_texts(to), common_texts(c), sizeof(*c) - common_from);
		r->commons = i < r->commons ? r->commons : i + 1;
	}
	slot_begin(h);
	score_put(h->common, (uint16_t)(i + 1));
	slot_end(h);
	common_drop(r, old);
	return true;
}

/* --- the command that runs --- */

/* The slot's record, made if it has none. NULL: there is no memory. Before the update begins. */
static struct score_work *work_get(struct score_slot *s, unsigned *ret_number)
{
	struct score_region *r = s->region;
	unsigned number = slot_hot(s)->work;
	int i = number > 0 ? (int)number - 1 : bit_find_free(r->busy, r->tables.slots); /* as many as slots */
	struct score_work *w = &r->tables.work[i];

	if (!record_ready(w, sizeof(*w), (unsigned)i, &r->works_ready))
		return NULL;
	bit_set(r->busy, (unsigned)i, true);
	*ret_number = (unsigned)i + 1;
	return w;
}

static void work_drop(struct score_region *r, unsigned number)
{
	if (number == 0)
		return;
	record_clear(&r->tables.work[number - 1], sizeof(struct score_work));
	bit_set(r->busy, number - 1, false);
}

/* --- slots --- */

struct score_slot *score_claim(struct score_region *region, uint32_t session_id)
{
	struct score_hot *h;
	struct score_slot *s;
	uint64_t now;
	int i;

	if (region == NULL)
		return NULL;
	i = bit_find_free(region->taken, region->tables.slots);
	s = i >= 0 ? calloc(1, sizeof(*s)) : NULL;
	if (s == NULL)
		return NULL;
	s->region = region;
	s->index = (unsigned)i;
	h = slot_hot(s);
	if (!populate(h, sizeof(*h))) {
		free(s);
		return NULL;
	}
	bit_set(region->taken, s->index, true);
	slot_begin(h);
	now = clock_wall_ms();
	score_put(h->state, SLOT_USED);
	score_put(h->id, session_id);
	score_put(h->flags, FLAG_IDLE);
	score_put(h->begin_ms, now);
	score_put(h->since_ms, now);
	slot_end(h);
	atomic_store_explicit(&region_head(region)->used, region_used(region), memory_order_release);
	return s;
}

void score_release(struct score_slot *slot)
{
	static const struct score_hot empty;
	const size_t from = offsetof(struct score_hot, state); /* all but the counter */
	struct score_region *r;
	struct score_hot *h;
	unsigned common, work;

	if (slot == NULL)
		return;
	r = slot->region;
	h = slot_hot(slot);
	common = h->common;
	work = h->work;
	slot_begin(h);
	score_copy_in((char *)h + from, (const char *)&empty + from, sizeof(empty) - from);
	slot_end(h);
	common_drop(r, common);
	work_drop(r, work);
	bit_set(r->taken, slot->index, false);
	atomic_store_explicit(&region_head(r)->used, region_used(r), memory_order_release);
	free(slot);
}

/* A text of any length: may its rest go to the overflow area? Asked before the update begins, because it may
 * make a system call. */
static bool over_ready(struct score_slot *s, const char *text, size_t inline_size)
{
	if (text == NULL || strlen(text) < inline_size)
		return false;
	if (!s->over_usable && !s->over_failed) {
		s->over_usable = populate(slot_over(s), sizeof(struct score_over));
		s->over_failed = !s->over_usable;
	}
	return s->over_usable;
}

/* size: of the field, a multiple of 4 */
static void put_text(char *dst, size_t size, const char *text)
{
	_Alignas(4) char cut[SCORE_ARG_MAX];
	size_t n;

	(void)str_copy(cut, size, text != NULL ? text : ""); /* cut when too long */
	n = strlen(cut) + 1;
	while (n % 4 != 0)
		cut[n++] = '\0';
	score_copy_in(dst, cut, n);
}

/* inside an update */
static void put_long(struct score_hot *h, uint8_t bit, char *dst, size_t size, char *over, size_t over_size,
	bool use_over, const char *text)
{
	put_text(dst, size, text);
	if (use_over)
		put_text(over, over_size, text);
	score_put(h->over, (uint8_t)(use_over ? h->over | bit : h->over & ~bit));
}

static void put_flag(struct score_hot *h, uint8_t flag, bool on)
{
	score_put(h->flags, (uint8_t)(on ? h->flags | flag : h->flags & ~flag));
}

/* The address as IPv6; returns its port. Zeros and 0 when it is not set. */
static uint16_t six_of(uint8_t six[16], const struct addr *a)
{
	int family = a != NULL ? a->sa.sa_family : 0;

	memset(six, 0, 16);
	if (family == AF_INET) {
		six[10] = six[11] = 0xff;
		memcpy(six + 12, &a->in4.sin_addr, 4);
	} else if (family == AF_INET6) {
		memcpy(six, &a->in6.sin6_addr, 16);
	}
	return family == AF_INET || family == AF_INET6 ? addr_port(a) : 0;
}

/* A text of score_common: filled up with zeros, as equal records are to have equal bytes. */
static void text_fill(char *dst, size_t size, const char *text)
{
	memset(dst, 0, size);
	(void)str_copy(dst, size, text != NULL ? text : ""); /* cut when too long */
}

void score_set_begin(struct score_slot *slot, uint64_t begin_ms)
{
	struct score_hot *h;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	slot_begin(h);
	score_put(h->begin_ms, begin_ms);
	slot_end(h);
}

void score_set_client(struct score_slot *slot, const struct addr *client, const char *name)
{
	_Alignas(4) uint8_t six[16];
	struct score_over *o;
	struct score_hot *h;
	uint16_t port;
	bool over;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	o = slot_over(slot);
	over = over_ready(slot, name, sizeof(h->name));
	port = six_of(six, client);
	slot_begin(h);
	score_copy_in(h->client, six, sizeof(six));
	score_put(h->client_port, port);
	put_long(h, OVER_NAME, h->name, sizeof(h->name), o->name, sizeof(o->name), over, name);
	slot_end(h);
}

void score_set_server(struct score_slot *slot, const struct addr *server, const char *label)
{
	struct score_common c;

	if (slot == NULL)
		return;
	c = common_get(slot);
	c.server_port = six_of(c.server, server);
	text_fill(c.label, sizeof(c.label), label);
	(void)common_set(slot, &c); /* not shown then */
}

void score_set_class(struct score_slot *slot, const char *class_name)
{
	struct score_common c;

	if (slot == NULL)
		return;
	c = common_get(slot);
	text_fill(c.class_name, sizeof(c.class_name), class_name);
	(void)common_set(slot, &c); /* not shown then */
}

void score_set_protocol(struct score_slot *slot, const char *protocol)
{
	struct score_common c;

	if (slot == NULL)
		return;
	c = common_get(slot);
	text_fill(c.protocol, sizeof(c.protocol), protocol);
	(void)common_set(slot, &c); /* not shown then */
}

void score_set_tls(struct score_slot *slot, bool control, bool data)
{
	struct score_hot *h;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	slot_begin(h);
	put_flag(h, FLAG_TLS_CONTROL, control);
	put_flag(h, FLAG_TLS_DATA, data);
	slot_end(h);
}

void score_set_user(struct score_slot *slot, const char *user, uid_t uid, gid_t gid)
{
	struct score_common c;
	struct score_hot *h;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	c = common_get(slot);
	c.uid = uid;
	c.gid = gid;
	text_fill(c.user, sizeof(c.user), user);
	if (!common_set(slot, &c)) /* nobody is shown rather than uid 0 without a name */
		return;
	slot_begin(h);
	put_flag(h, FLAG_LOGGED_IN, true);
	slot_end(h);
}

void score_set_cwd(struct score_slot *slot, const char *cwd)
{
	struct score_over *o;
	struct score_hot *h;
	bool over;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	o = slot_over(slot);
	over = over_ready(slot, cwd, sizeof(h->cwd));
	slot_begin(h);
	put_long(h, OVER_CWD, h->cwd, sizeof(h->cwd), o->cwd, sizeof(o->cwd), over, cwd);
	slot_end(h);
}

void score_set_cmd(struct score_slot *slot, const char *cmd, const char *arg)
{
	struct score_work *w;
	struct score_over *o;
	struct score_hot *h;
	unsigned number;
	uint64_t now;
	bool over;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	o = slot_over(slot);
	now = clock_wall_ms();
	w = work_get(slot, &number);
	over = w != NULL && over_ready(slot, arg, sizeof(w->arg));
	slot_begin(h);
	if (w != NULL) {
		put_text(w->cmd, sizeof(w->cmd), cmd);
		put_long(h, OVER_ARG, w->arg, sizeof(w->arg), o->arg, sizeof(o->arg), over, arg);
		score_put(h->work, (uint16_t)number);
	}
	put_flag(h, FLAG_IDLE | FLAG_CURRENT, false);
	score_put(h->since_ms, now);
	slot_end(h);
}

void score_set_idle(struct score_slot *slot)
{
	struct score_hot *h;
	unsigned work;
	uint64_t now;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	now = clock_wall_ms();
	work = h->work;
	slot_begin(h);
	score_put(h->work, 0);
	score_put(h->over, (uint8_t)(h->over & ~OVER_ARG));
	put_flag(h, FLAG_IDLE, true);
	score_put(h->since_ms, now);
	slot_end(h);
	work_drop(slot->region, work);
}

void score_set_rate_limit(struct score_slot *slot, uint64_t bps)
{
	if (slot == NULL)
		return;
	slot_begin(slot_hot(slot));
	score_put(slot_hot(slot)->rate_limit_bps, bps);
	slot_end(slot_hot(slot));
}

void score_xfer_start(struct score_slot *slot, enum score_dir dir, uint64_t size_bytes, enum score_path path)
{
	struct score_hot *h;
	uint64_t now;

	if (slot == NULL)
		return;
	h = slot_hot(slot);
	now = clock_wall_ms();
	slot_begin(h);
	score_put(h->dir, (uint8_t)dir);
	score_put(h->path, (uint8_t)path);
	score_put(h->xfer_size, size_bytes);
	score_put(h->xfer_done, 0);
	score_put(h->xfer_acked, 0);
	score_put(h->xfer_elapsed_ms, 0);
	score_put(h->xfer_updated_ms, now);
	put_flag(h, FLAG_XFER | FLAG_CURRENT, true);
	slot_end(h);
}

/* inside an update */
static void put_progress(struct score_hot *h, const struct score_progress *p, uint64_t now)
{
	score_put(h->xfer_done, p->done_bytes);
	score_put(h->xfer_acked, p->acked_bytes);
	score_put(h->xfer_elapsed_ms, p->elapsed_ms);
	score_put(h->xfer_updated_ms, now);
	score_put(h->path, (uint8_t)p->path);
}

void score_xfer_progress(struct score_slot *slot, const struct score_progress *p)
{
	uint64_t now;

	if (slot == NULL)
		return;
	now = clock_wall_ms();
	slot_begin(slot_hot(slot));
	put_progress(slot_hot(slot), p, now);
	slot_end(slot_hot(slot));
}

void score_xfer_end(struct score_slot *slot, const struct score_progress *p)
{
	uint64_t now;

	if (slot == NULL)
		return;
	now = clock_wall_ms();
	slot_begin(slot_hot(slot));
	put_progress(slot_hot(slot), p, now);
	put_flag(slot_hot(slot), FLAG_XFER, false);
	slot_end(slot_hot(slot));
}
