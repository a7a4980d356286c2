/* The reader: maps the file read-only and believes nothing it finds there. */
#include "score/score_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define SPIN_TRIES 100 /* copies before waiting: an update takes less than a microsecond */
#define WAITS_MAX  40 /* milliseconds a region may cost in all, for a writer that was preempted in an update */

struct score_reader {
	int fd;
	const char *map; /* header and table */
	struct score_header head;
};

/* What walking through one region needs. */
struct region_view {
	const struct score_proc *entry;
	struct score_proc proc; /* copy of the entry */
	const char *map;
	struct score_tables tables;
	unsigned waits_left;
};

int score_open_fd(int fd, const char *name, struct score_reader **ret_reader, struct err *err)
{
	struct score_reader *r;
	struct stat st;
	void *map;
	int rc;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_sys(err, ENOMEM, "%s", name);
	r->fd = -1;
	if (fstat(fd, &st) < 0) {
		rc = err_sys(err, errno, "%s", name);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || pread(fd, &r->head, sizeof(r->head), 0) != (ssize_t)sizeof(r->head)) {
		rc = err_set(err, WE_SYNTAX, "%s: not a scoreboard: file is corrupted or old", name);
		goto out;
	}
	rc = score_header_check(&r->head, (uint64_t)st.st_size, name, err);
	if (rc < 0)
		goto out;
	r->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	map = r->fd >= 0 ? mmap(NULL, SCORE_REGION_OFF, PROT_READ, MAP_SHARED, r->fd, 0) : MAP_FAILED;
	if (map == MAP_FAILED) {
		rc = err_sys(err, errno, "%s", name);
		goto out;
	}
	r->map = map;
	*ret_reader = r;
	r = NULL;
out:
	score_reader_free(r);
	return rc;
}

int score_open(const char *path, struct score_reader **ret_reader, struct err *err)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	r = score_open_fd(fd, path, ret_reader, err);
	fd_close(&fd);
	return r;
}

void score_reader_free(struct score_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->map != NULL)
		(void)munmap((void *)(uintptr_t)reader->map, SCORE_REGION_OFF); /* of mmap(), cannot fail */
	fd_close(&reader->fd);
	free(reader);
}

void score_read_daemon(const struct score_reader *reader, struct score_daemon *ret_daemon)
{
	const struct score_header *h = &reader->head;

	memset(ret_daemon, 0, sizeof(*ret_daemon));
	ret_daemon->server = h->server == SCORE_INETD ? SCORE_INETD : SCORE_STANDALONE;
	ret_daemon->pid = h->daemon_pid > 0 ? h->daemon_pid : 0;
	ret_daemon->started_ms = h->started_ms;
	ret_daemon->alive = score_same_boot(h) && score_proc_alive(h->daemon_pid, h->daemon_ticks);
	memcpy(ret_daemon->program, h->program, sizeof(ret_daemon->program));
	ret_daemon->program[sizeof(ret_daemon->program) - 1] = '\0';
}

/* Text of a field that may lack its NUL. */
static void take_text(char *dst, size_t size, const char *src, size_t src_size)
{
	size_t n = strnlen(src, src_size);

	n = utf8_cut(src, n, size - 1);
	memcpy(dst, src, n);
	dst[n] = '\0';
}

static void take_addr(struct addr *a, const uint8_t *src, uint16_t port)
{
	static const uint8_t none[16];
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct addr six;

	memset(a, 0, sizeof(*a));
	if (memcmp(src, none, sizeof(none)) == 0)
		return;
	memcpy(&in6.sin6_addr, src, 16);
	if (addr_from_sockaddr((const struct sockaddr *)(const void *)&in6, sizeof(in6), &six) < 0)
		return;
	addr_unmap(&six, a);
	addr_set_port(a, port);
}

static void take_flags(struct score_session *s, const struct score_hot *h)
{
	s->logged_in = h->flags & FLAG_LOGGED_IN;
	s->idle = h->flags & FLAG_IDLE;
	s->tls_control = h->flags & FLAG_TLS_CONTROL;
	s->tls_data = h->flags & FLAG_TLS_DATA;
	s->xfer_active = h->flags & FLAG_XFER;
	s->xfer_current = h->flags & FLAG_CURRENT;
	s->dir = h->dir < SCORE_DIR_COUNT ? (enum score_dir)h->dir : SCORE_NO_TRANSFER;
	s->path = h->path < SCORE_PATH_COUNT ? (enum score_path)h->path : SCORE_PATH_NONE;
}

/* A text of which the whole is elsewhere when over is set. */
static void take_long(char *dst, size_t size, const char *src, size_t src_size, bool over, const char *whole,
	size_t whole_size)
{
	take_text(dst, size, over ? whole : src, over ? whole_size : src_size);
}

static void decode(struct score_session *s, const struct score_proc *p, const struct score_copy *copy)
{
	const struct score_hot *h = &copy->hot;
	const struct score_common *c = &copy->common;
	const struct score_work *w = &copy->work;
	const struct score_over *o = &copy->over;

	memset(s, 0, offsetof(struct score_session, user));
	s->pid = p->pid;
	s->role = (enum score_role)p->role;
	s->id = h->id;
	s->uid = c->uid;
	s->gid = c->gid;
	take_flags(s, h);
	take_addr(&s->client, h->client, h->client_port);
	take_addr(&s->server, c->server, c->server_port);
	s->begin_ms = h->begin_ms;
	s->since_ms = h->since_ms;
	s->xfer_size = h->xfer_size;
	s->xfer_done = h->xfer_done;
	s->xfer_acked = h->xfer_acked;
	s->xfer_elapsed_ms = h->xfer_elapsed_ms;
	s->xfer_updated_ms = h->xfer_updated_ms;
	s->rate_limit_bps = h->rate_limit_bps;
	if (s->logged_in)
		take_text(s->user, sizeof(s->user), c->user, sizeof(c->user));
	else
		take_text(s->user, sizeof(s->user), "(none)", 6);
	take_text(s->class_name, sizeof(s->class_name), c->class_name, sizeof(c->class_name));
	take_text(s->label, sizeof(s->label), c->label, sizeof(c->label));
	take_text(s->protocol, sizeof(s->protocol), c->protocol, sizeof(c->protocol));
	if (s->idle)
		take_text(s->cmd, sizeof(s->cmd), "idle", 4);
	else
		take_text(s->cmd, sizeof(s->cmd), w->cmd, sizeof(w->cmd));
	take_long(s->client_name, sizeof(s->client_name), h->name, sizeof(h->name), h->over & OVER_NAME,
		o->name, sizeof(o->name));
	take_long(s->cwd, sizeof(s->cwd), h->cwd, sizeof(h->cwd), h->over & OVER_CWD, o->cwd, sizeof(o->cwd));
	take_long(s->arg, sizeof(s->arg), w->arg, sizeof(w->arg), h->over & OVER_ARG, o->arg, sizeof(o->arg));
}

static void copy_over(struct score_over *dst, const struct score_over *src, uint8_t which)
{
	if (which & OVER_NAME)
		score_copy_out(dst->name, src->name, sizeof(dst->name));
	if (which & OVER_CWD)
		score_copy_out(dst->cwd, src->cwd, sizeof(dst->cwd));
	if (which & OVER_ARG)
		score_copy_out(dst->arg, src->arg, sizeof(dst->arg));
}

/* Is the entry still that of the process we began with? */
static bool entry_same(const struct region_view *v)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&v->entry->seq, memory_order_relaxed) == v->proc.seq;
}

/* What the slot names; a number that is out of range is of a writer that cannot be trusted. */
static void copy_named(const struct score_tables *t, struct score_copy *c)
{
	if (c->hot.common > 0 && c->hot.common <= t->slots + 1)
		score_copy_out(&c->common, &t->common[c->hot.common - 1], sizeof(c->common));
	else
		memset(&c->common, 0, sizeof(c->common));
	if (c->hot.work > 0 && c->hot.work <= t->slots)
		score_copy_out(&c->work, &t->work[c->hot.work - 1], sizeof(c->work));
	else
		memset(&c->work, 0, sizeof(c->work));
}

bool score_slot_try(const struct score_tables *t, unsigned i, struct score_copy *ret)
{
	const struct score_hot *h = &t->hot[i];
	uint32_t seq = atomic_load_explicit(&h->seq, memory_order_acquire);

	if (seq & 1)
		return false;
	score_copy_out(&ret->hot, h, sizeof(ret->hot));
	copy_named(t, ret);
	copy_over(&ret->over, &t->over[i], ret->hot.over);
	atomic_thread_fence(memory_order_acquire); /* the copy is done before the counter is read again */
	return atomic_load_explicit(&h->seq, memory_order_relaxed) == seq;
}

static bool slot_copy(struct region_view *v, unsigned i, struct score_copy *ret)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (;;) {
		int tries;

		for (tries = 0; tries < SPIN_TRIES; tries++) {
			if (score_slot_try(&v->tables, i, ret))
				return true;
		}
		if (v->waits_left == 0)
			return false;
		v->waits_left--;
		(void)nanosleep(&ms, NULL); /* shorter is no harm */
	}
}

static int region_walk(struct region_view *v, score_session_fn *fn, void *arg, struct score_stats *st)
{
	const struct score_region_head *head = (const struct score_region_head *)(const void *)v->map;
	uint32_t i, used = atomic_load_explicit(&head->used, memory_order_acquire);
	struct score_session s;
	struct score_copy copy;
	int r = 0;

	if (used > v->proc.slots)
		used = v->proc.slots;
	for (i = 0; i < used && r == 0; i++) {
		if (!slot_copy(v, i, &copy)) {
			st->busy++;
			continue;
		}
		if (copy.hot.state != SLOT_USED)
			continue;
		if (!entry_same(v))
			break; /* reaped meanwhile: the slot may be another's */
		decode(&s, &v->proc, &copy);
		st->sessions++;
		r = fn(arg, &s);
	}
	return r;
}

/* A consistent copy of a table entry that is in use. */
static bool entry_copy(const struct score_proc *e, struct score_proc *p)
{
	int tries;

	for (tries = 0; tries < SPIN_TRIES; tries++) {
		uint32_t seq = atomic_load_explicit(&e->seq, memory_order_acquire);

		if (seq & 1)
			continue;
		score_copy_out(p, e, sizeof(*p));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&e->seq, memory_order_relaxed) == seq && p->seq == seq)
			return p->state == PROC_LIVE && p->slots > 0 && p->slots <= SCORE_SLOTS_MAX;
	}
	return false; /* being cleared */
}

static int region_read(struct score_reader *reader, unsigned index, struct region_view *v,
	score_session_fn *fn, void *arg, struct score_stats *st)
{
	size_t bytes = score_offsets(v->proc.slots).end;
	uint64_t off = score_region_off(index);
	struct stat file;
	void *map;
	int r;

	if (fstat(reader->fd, &file) < 0)
		return -errno;
	if ((uint64_t)file.st_size < off + bytes)
		return 0; /* a corrupt table: the region is not there */
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, reader->fd, (off_t)off);
	if (map == MAP_FAILED)
		return -errno;
	v->map = map;
	v->tables = score_tables(map, v->proc.slots);
	v->waits_left = WAITS_MAX;
	r = region_walk(v, fn, arg, st);
	(void)munmap(map, bytes); /* of mmap(), cannot fail */
	return r;
}

int score_read_all(
	struct score_reader *reader, score_session_fn *fn, void *arg, struct score_stats *ret_stats)
{
	const struct score_header *h = (const struct score_header *)(const void *)reader->map;
	uint32_t i, used = atomic_load_explicit(&h->proc_used, memory_order_acquire);
	bool same_boot = score_same_boot(&reader->head);
	struct score_stats st = {0};
	int r = 0;

	if (used > SCORE_PROCS_MAX)
		used = SCORE_PROCS_MAX;
	for (i = 0; i < used && r == 0; i++) {
		struct region_view v = {
			.entry =
				(const struct score_proc *)(const void *)(reader->map + SCORE_TABLE_OFF) + i};

		if (!entry_copy(v.entry, &v.proc))
			continue;
		if (!same_boot || !score_proc_alive(v.proc.pid, v.proc.ticks)) {
			st.dead++;
			continue;
		}
		st.processes++;
		r = region_read(reader, i, &v, fn, arg, &st);
	}
	if (ret_stats != NULL)
		*ret_stats = st;
	return r;
}

bool score_read_preload(const struct score_reader *reader, unsigned i, struct score_preload *ret_preload)
{
	const struct score_mapped *m;
	struct score_mapped copy;

	if (i >= SCORE_PRELOADS_MAX)
		return false;
	m = (const struct score_mapped *)(const void *)(reader->map + SCORE_MAPPED_OFF) + i;
	for (int tries = 0; tries < SPIN_TRIES; tries++) {
		uint32_t seq = atomic_load_explicit(&m->seq, memory_order_acquire);

		score_copy_out(&copy.used, &m->used, sizeof(copy) - offsetof(struct score_mapped, used));
		atomic_thread_fence(
			memory_order_acquire); /* the copy is done before the counter is read again */
		if ((seq & 1) != 0 || atomic_load_explicit(&m->seq, memory_order_relaxed) != seq)
			continue;
		if (copy.used == 0)
			return false;
		*ret_preload = copy.p;
		take_text(ret_preload->path, sizeof(ret_preload->path), copy.p.path, sizeof(copy.p.path));
		return true;
	}
	return false;
}
