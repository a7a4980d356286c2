/* TransferMMapFile: maps files for the session processes to inherit, and maps them anew when they change.
 *
 * Each generation has its table; only that of the current one is mapped and watched. Changes are told by
 * inotify(7) (the file itself, and its name in its directory) and by sessions that found a mapping outdated,
 * which also covers file systems where inotify sees nothing. They are acted on a moment later, as files are
 * seldom written at once. Nothing here decides whether a mapping may be used: sessions validate it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "master/master.h"
#include "vfs/preload.h"

#define DEBOUNCE_MS     500  /* after the last change */
#define DEBOUNCE_MAX_MS 5000 /* after the first, however often it changes */

#define FILE_EVENTS (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_CLOSE_WRITE)
#define DIR_EVENTS  (IN_MOVED_TO | IN_CREATE | IN_ONLYDIR)

struct entry {
	int file_wd;       /* of the mapped file, -1 = none */
	int dir_wd[2];     /* of the directories where path and the real file have their names */
	uint64_t first_ms; /* of the changes not yet acted on, 0 = none */
	uint64_t due_ms;   /* map it anew then */
};

struct mapper {
	struct preloads *table;
	struct entry *entries;
	const struct ftp_preload *limits; /* the same files in the configuration */
	int inotify_fd;
	struct loop_watch watch;
};

/* --- watching --- */

/* Nobody needs wd any more, unless another entry has the same directory. */
static void unwatch(struct mapper *w, int wd)
{
	for (unsigned i = 0; i < w->table->n; i++) {
		const struct entry *e = &w->entries[i];

		if (wd < 0 || e->file_wd == wd || e->dir_wd[0] == wd || e->dir_wd[1] == wd)
			return;
	}
	(void)inotify_rm_watch(w->inotify_fd, wd); /* gone with its file: fine */
}

static int watch_dir_of(struct mapper *w, const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	int wd;

	slash[slash == dir] = '\0';
	wd = inotify_add_watch(w->inotify_fd, dir, DIR_EVENTS);
	free(dir);
	return wd;
}

static void entry_changed(struct mapper *w, unsigned i)
{
	struct entry *e = &w->entries[i];
	uint64_t now = clock_ms();

	if ((w->table->list[i].flags & PRELOAD_NO_VALIDATE) != 0)
		return;
	if (e->first_ms == 0)
		e->first_ms = now;
	e->due_ms = min_u64(now + DEBOUNCE_MS, e->first_ms + DEBOUNCE_MAX_MS);
}

static bool still_the_same(const struct preload *p)
{
	struct file_id id;
	struct stat st;

	if (stat(p->path, &st) < 0)
		return false;
	id = file_id_of(&st);
	return file_id_equal(&id, &p->id);
}

/* Without a watch (a limit, a file system that has none) validation is left. */
static void entry_watch(struct mapper *w, unsigned i)
{
	const struct preload *p = &w->table->list[i];
	struct entry *e = &w->entries[i], old = *e;

	if (w->inotify_fd < 0 || (p->flags & PRELOAD_NO_VALIDATE) != 0)
		return;
	e->dir_wd[0] = watch_dir_of(w, p->path);
	e->dir_wd[1] = p->real != NULL ? watch_dir_of(w, p->real) : -1;
	e->file_wd = p->real != NULL ? inotify_add_watch(w->inotify_fd, p->real, FILE_EVENTS) : -1;
	if (e->dir_wd[0] < 0 || (p->real != NULL && e->file_wd < 0))
		log_debug(&master_the->log, 3, "xfer_mmap: cannot watch '%s': %s", p->path, strerror(errno));
	unwatch(w, old.file_wd);
	unwatch(w, old.dir_wd[0]);
	unwatch(w, old.dir_wd[1]);
	if (p->mem != NULL && !still_the_same(p))
		entry_changed(w, i); /* between mapping and watching */
}

static bool concerns(const struct mapper *w, unsigned i, const struct inotify_event *ev)
{
	const struct preload *p = &w->table->list[i];
	const struct entry *e = &w->entries[i];
	const char *name = ev->len > 0 ? ev->name : "";

	if ((ev->mask & IN_Q_OVERFLOW) != 0 || ev->wd == e->file_wd)
		return true;
	return (ev->wd == e->dir_wd[0] && str_eq(name, strrchr(p->path, '/') + 1)) ||
	       (ev->wd == e->dir_wd[1] && p->real != NULL && str_eq(name, strrchr(p->real, '/') + 1));
}

static void on_inotify(void *arg, uint32_t events)
{
	struct mapper *w = arg;
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n = read(w->inotify_fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *ev = (const struct inotify_event *)(void *)(buf + at);

		for (unsigned i = 0; i < w->table->n; i++) {
			if (concerns(w, i, ev))
				entry_changed(w, i);
		}
		at += (ssize_t)(sizeof(*ev) + ev->len);
	}
}

/* --- mapping --- */

static void log_mapped(const struct master *m, const struct preload *p, uint64_t ms)
{
	log_info(&m->log, "xfer_mmap: preloaded '%s', %llu bytes in %llu ms%s%s%s%s", p->path,
		(unsigned long long)p->id.size, (unsigned long long)ms,
		(p->flags & PRELOAD_POPULATE) == 0 ? ""
		: p->populate_error != 0           ? ", not populated: "
						   : ", populated",
		p->populate_error != 0 ? strerror(p->populate_error) : "",
		(p->flags & PRELOAD_LOCK) == 0 ? ""
		: p->lock_error != 0           ? ", not locked: "
					       : ", locked",
		p->lock_error != 0 ? strerror(p->lock_error) : "");
	if (p->lock_error != 0)
		log_warn(&m->log, "cannot lock the mapping of '%s': %s; it can be swapped out", p->path,
			strerror(p->lock_error));
}

/* Bytes that entry i may have now: a file can grow after the configuration was checked. */
static uint64_t size_allowed(const struct mapper *w, unsigned i)
{
	uint64_t others = 0, most = w->limits[i].max_total;

	for (unsigned k = 0; k < w->table->n; k++)
		others += k != i && w->table->list[k].mem != NULL ? w->table->list[k].id.size : 0;
	if (most == 0)
		return w->limits[i].max_file;
	return min_u64(w->limits[i].max_file, others < most ? most - others : 1);
}

static void entry_show(const struct master *m, const struct mapper *w, unsigned i)
{
	const struct preload *p = &w->table->list[i];
	struct score_preload s = {.size = p->mem != NULL ? p->id.size : 0,
		.locked = p->locked,
		.hits = p->hits,
		.stale = p->stale,
		.generation = p->gen};

	(void)str_copy(s.path, sizeof(s.path), p->path); /* cut when too long */
	score_set_preload(m->board, i, &s);
}

static int entry_map(struct master *m, struct mapper *w, unsigned i, bool wait, struct err *err)
{
	struct preload *p = &w->table->list[i];
	uint64_t began = clock_ms();
	int r;

	p->max_size = size_allowed(w, i);
	r = preload_map(p, wait, err);
	if (r < 0)
		return r;
	preload_publish(w->table, p);
	log_mapped(m, p, clock_ms() - began);
	return 0;
}

/* The file was changed or replaced. What is gone for the moment is not served from memory; its directory is watched
 * until it comes back. */
static void entry_remap(struct master *m, struct mapper *w, unsigned i)
{
	struct preload *p = &w->table->list[i];
	struct err err = ERR_INIT;

	w->entries[i].first_ms = 0;
	if (entry_map(m, w, i, false, &err) < 0) {
		if (p->mem != NULL)
			log_notice(&m->log, "%s, no longer mapped", err.text);
		preload_unmap(p);
		p->gen++;
		preload_publish(w->table, p);
	}
	entry_watch(w, i);
	entry_show(m, w, i);
}

uint64_t mapper_tick(struct master *m, uint64_t now)
{
	struct mapper *w = m->gen->mapper;
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; w != NULL && i < w->table->n; i++) {
		struct entry *e = &w->entries[i];

		if (e->first_ms != 0 && e->due_ms <= now)
			entry_remap(m, w, i);
		if (e->first_ms != 0)
			next = min_u64(next, e->due_ms);
	}
	return next;
}

int mapper_load(struct master *m, struct generation *g, bool strict, struct err *err)
{
	const struct ftp_config *c = g->config;
	struct mapper *w;
	int r;

	if (c->n_preloads == 0)
		return 0;
	w = xcalloc(1, sizeof(*w));
	w->inotify_fd = w->watch.fd = -1;
	g->mapper = w;
	r = preloads_new(c->n_preloads, &w->table, err);
	if (r < 0 && !strict) {
		log_err(&m->log, "%s, no file is mapped", err->text);
		mapper_free(m, g);
		return 0;
	}
	if (r < 0)
		return r;
	w->limits = c->preloads;
	w->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->entries = xcalloc(c->n_preloads, sizeof(*w->entries));
	for (unsigned i = 0; i < c->n_preloads; i++) {
		w->table->list[i].path = c->preloads[i].path;
		w->table->list[i].flags = c->preloads[i].flags;
		w->entries[i] = (struct entry){.file_wd = -1, .dir_wd = {-1, -1}};
		r = entry_map(m, w, i, strict, err);
		if (r < 0 && strict)
			return err_prefix(err, "TransferMMapFile on line %u of '%s'", c->preloads[i].line,
				c->preloads[i].file);
		if (r < 0)
			log_err(&m->log, "%s, it is not mapped", err->text);
		entry_watch(w, i);
	}
	return 0;
}

void mapper_watch(struct master *m, struct generation *g)
{
	struct mapper *w = g->mapper;

	for (unsigned i = 0; i < SCORE_PRELOADS_MAX; i++)
		score_set_preload(m->board, i, NULL); /* of the generation before */
	if (w == NULL)
		return;
	if (w->inotify_fd < 0 || loop_add(&m->loop, &w->watch, w->inotify_fd, EPOLLIN, on_inotify, w) < 0) {
		log_notice(&m->log, "cannot watch files of TransferMMapFile: %s, sessions look by themselves",
			strerror(errno));
		fd_close(&w->inotify_fd);
	}
	for (unsigned i = 0; i < w->table->n; i++)
		entry_show(m, w, i);
}

static void unmap_all(struct mapper *w)
{
	for (unsigned i = 0; w->table != NULL && i < w->table->n; i++)
		preload_unmap(&w->table->list[i]);
}

void mapper_retire(struct master *m, struct generation *g)
{
	struct mapper *w = g->mapper;

	if (w == NULL)
		return;
	loop_del(&m->loop, &w->watch);
	fd_close(&w->inotify_fd);
	unmap_all(w);
}

struct preloads *mapper_newborn(struct master *m, const struct child *c)
{
	struct preloads *kept = NULL;

	for (struct list *it = m->generations.next; it != &m->generations; it = it->next) {
		struct generation *g = LIST_OBJ(it, struct generation, link);

		if (g->mapper == NULL)
			continue;
		if (g == c->gen && c->role == IPC_SESSION)
			kept = g->mapper->table;
		else if (g->mapper->table != NULL)
			preloads_forget(g->mapper->table);
	}
	return kept;
}

void mapper_free(struct master *m, struct generation *g)
{
	struct mapper *w = g->mapper;

	if (w == NULL)
		return;
	mapper_retire(m, g);
	preloads_free(w->table);
	free(w->entries);
	free(w);
	g->mapper = NULL;
}

struct preloads *mapper_table(const struct generation *g)
{
	return g->mapper != NULL ? g->mapper->table : NULL;
}

int mapper_used(struct master *m, struct generation *g, const struct ipc_map_used *q)
{
	struct mapper *w = g->mapper;

	if (w == NULL || q->index >= w->table->n)
		return -WE_PERMIT;
	if (q->stale)
		w->table->list[q->index].stale++;
	else
		w->table->list[q->index].hits++;
	if (g != m->gen)
		return 0;
	if (q->stale)
		entry_changed(w, q->index);
	entry_show(m, w, q->index);
	return 0;
}
