/* The writer: one thread of the process that owns the region. */
#include "score/score_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older kernels answer EINVAL */
#endif

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

/* The bit map keeps slots dense, so that readers look at few and little memory is touched. -1: all taken. */
static int region_find_free(const struct score_region *r)
{
	unsigned w, i;

	for (w = 0; w < (r->slots + 63) / 64; w++) {
		if (r->taken[w] == UINT64_MAX)
			continue;
		i = w * 64 + (unsigned)__builtin_ctzll(~r->taken[w]);
		return i < r->slots ? (int)i : -1;
	}
	return -1;
}

/* One more than the highest slot in use. */
static uint32_t region_used(const struct score_region *r)
{
	unsigned w = (r->slots + 63) / 64;

	while (w > 0 && r->taken[w - 1] == 0)
		w--;
	return w == 0 ? 0 : w * 64 - (unsigned)__builtin_clzll(r->taken[w - 1]);
}

struct score_slot *score_claim(struct score_region *region, uint32_t session_id)
{
	struct score_slot *s;
	uint64_t now;
	int i;

	if (region == NULL)
		return NULL;
	i = region_find_free(region);
	s = i >= 0 ? calloc(1, sizeof(*s)) : NULL;
	if (s == NULL)
		return NULL;
	s->region = region;
	s->index = (unsigned)i;
	s->hot = (struct score_hot *)(void *)(region->map + SCORE_ALIGN) + i;
	s->over = (struct score_over *)(void *)(region->map + score_over_off(region->slots)) + i;
	if (!populate(s->hot, sizeof(*s->hot))) {
		free(s);
		return NULL;
	}
	region->taken[i / 64] |= UINT64_C(1) << (i % 64);
	slot_begin(s->hot);
	now = clock_wall_ms();
	score_put(s->hot->state, SLOT_USED);
	score_put(s->hot->id, session_id);
	score_put(s->hot->flags, FLAG_IDLE);
	score_put(s->hot->begin_ms, now);
	score_put(s->hot->since_ms, now);
	slot_end(s->hot);
	atomic_store_explicit(&region_head(region)->used, region_used(region), memory_order_release);
	return s;
}

void score_release(struct score_slot *slot)
{
	static const struct score_hot empty;
	const size_t from = offsetof(struct score_hot, state); /* all but the counter */
	struct score_region *r;

	if (slot == NULL)
		return;
	r = slot->region;
	slot_begin(slot->hot);
	score_copy_in((char *)slot->hot + from, (const char *)&empty + from, sizeof(empty) - from);
	slot_end(slot->hot);
	r->taken[slot->index / 64] &= ~(UINT64_C(1) << (slot->index % 64));
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
		s->over_usable = populate(s->over, sizeof(*s->over));
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

/* As IPv6; the port of an unset address is 0. */
static void put_addr(uint8_t *dst, uint16_t *port, const struct addr *a)
{
	_Alignas(4) uint8_t six[16] = {0};
	int family = a != NULL ? a->sa.sa_family : 0;

	if (family == AF_INET) {
		six[10] = six[11] = 0xff;
		memcpy(six + 12, &a->in4.sin_addr, 4);
	} else if (family == AF_INET6) {
		memcpy(six, &a->in6.sin6_addr, 16);
	}
	score_copy_in(dst, six, sizeof(six));
	score_put(*port, family == AF_INET || family == AF_INET6 ? addr_port(a) : 0);
}

void score_set_begin(struct score_slot *slot, uint64_t begin_ms)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	score_put(slot->hot->begin_ms, begin_ms);
	slot_end(slot->hot);
}

void score_set_client(struct score_slot *slot, const struct addr *client, const char *name)
{
	struct score_hot *h;
	bool over;

	if (slot == NULL)
		return;
	h = slot->hot;
	over = over_ready(slot, name, sizeof(h->name));
	slot_begin(h);
	put_addr(h->client, &h->client_port, client);
	put_long(h, OVER_NAME, h->name, sizeof(h->name), slot->over->name, sizeof(slot->over->name), over,
		name);
	slot_end(h);
}

void score_set_server(struct score_slot *slot, const struct addr *server, const char *label)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	put_addr(slot->hot->server, &slot->hot->server_port, server);
	put_text(slot->hot->label, sizeof(slot->hot->label), label);
	slot_end(slot->hot);
}

void score_set_class(struct score_slot *slot, const char *class_name)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	put_text(slot->hot->class_name, sizeof(slot->hot->class_name), class_name);
	slot_end(slot->hot);
}

void score_set_protocol(struct score_slot *slot, const char *protocol)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	put_text(slot->hot->protocol, sizeof(slot->hot->protocol), protocol);
	slot_end(slot->hot);
}

void score_set_tls(struct score_slot *slot, bool control, bool data)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	put_flag(slot->hot, FLAG_TLS_CONTROL, control);
	put_flag(slot->hot, FLAG_TLS_DATA, data);
	slot_end(slot->hot);
}

void score_set_user(struct score_slot *slot, const char *user, uid_t uid, gid_t gid)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	put_text(slot->hot->user, sizeof(slot->hot->user), user);
	score_put(slot->hot->uid, uid);
	score_put(slot->hot->gid, gid);
	put_flag(slot->hot, FLAG_LOGGED_IN, true);
	slot_end(slot->hot);
}

void score_set_cwd(struct score_slot *slot, const char *cwd)
{
	struct score_hot *h;
	bool over;

	if (slot == NULL)
		return;
	h = slot->hot;
	over = over_ready(slot, cwd, sizeof(h->cwd));
	slot_begin(h);
	put_long(h, OVER_CWD, h->cwd, sizeof(h->cwd), slot->over->cwd, sizeof(slot->over->cwd), over, cwd);
	slot_end(h);
}

void score_set_cmd(struct score_slot *slot, const char *cmd, const char *arg)
{
	struct score_hot *h;
	uint64_t now;
	bool over;

	if (slot == NULL)
		return;
	h = slot->hot;
	now = clock_wall_ms();
	over = over_ready(slot, arg, sizeof(h->arg));
	slot_begin(h);
	put_text(h->cmd, sizeof(h->cmd), cmd);
	put_long(h, OVER_ARG, h->arg, sizeof(h->arg), slot->over->arg, sizeof(slot->over->arg), over, arg);
	put_flag(h, FLAG_IDLE | FLAG_CURRENT, false);
	score_put(h->since_ms, now);
	slot_end(h);
}

void score_set_idle(struct score_slot *slot)
{
	struct score_hot *h;
	uint64_t now;

	if (slot == NULL)
		return;
	h = slot->hot;
	now = clock_wall_ms();
	slot_begin(h);
	put_text(h->cmd, sizeof(h->cmd), NULL);
	put_text(h->arg, sizeof(h->arg), NULL);
	score_put(h->over, (uint8_t)(h->over & ~OVER_ARG));
	put_flag(h, FLAG_IDLE, true);
	score_put(h->since_ms, now);
	slot_end(h);
}

void score_set_rate_limit(struct score_slot *slot, uint64_t bps)
{
	if (slot == NULL)
		return;
	slot_begin(slot->hot);
	score_put(slot->hot->rate_limit_bps, bps);
	slot_end(slot->hot);
}

void score_xfer_start(struct score_slot *slot, enum score_dir dir, uint64_t size_bytes, enum score_path path)
{
	struct score_hot *h;
	uint64_t now;

	if (slot == NULL)
		return;
	h = slot->hot;
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
	slot_begin(slot->hot);
	put_progress(slot->hot, p, now);
	slot_end(slot->hot);
}

void score_xfer_end(struct score_slot *slot, const struct score_progress *p)
{
	uint64_t now;

	if (slot == NULL)
		return;
	now = clock_wall_ms();
	slot_begin(slot->hot);
	put_progress(slot->hot, p, now);
	put_flag(slot->hot, FLAG_XFER, false);
	slot_end(slot->hot);
}
