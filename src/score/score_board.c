/* The master's side: making the file, regions, reaping. Layout: score_priv.h. */
#include "score/score_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define NFS_MAGIC 0x6969 /* statfs(2) NFS_SUPER_MAGIC */

struct score_board {
	char *path; /* NULL: anonymous */
	int fd;
	struct score_header *head; /* header and table, one mapping of SCORE_REGION_OFF bytes */
	struct score_proc *procs;
	struct score_region *regions; /* made, not yet forked */
};

bool score_no_punch;

static int board_map(struct score_board *b, struct err *err)
{
	void *p = mmap(NULL, SCORE_REGION_OFF, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);

	if (p == MAP_FAILED)
		return err_sys(
			err, errno, "cannot map scoreboard '%s'", b->path != NULL ? b->path : "(memory)");
	b->head = p;
	b->procs = (struct score_proc *)(void *)((char *)p + SCORE_TABLE_OFF);
	return 0;
}

static struct score_board *board_alloc(const char *path)
{
	struct score_board *b = xcalloc(1, sizeof(*b));

	b->fd = -1;
	b->path = path != NULL ? xstrdup(path) : NULL;
	return b;
}

/* Take the file apart from this process. */
static void board_free(struct score_board *b)
{
	while (b->regions != NULL) {
		struct score_region *r = b->regions;

		b->regions = r->next;
		(void)munmap(r->map, r->map_bytes); /* of mmap(), cannot fail */
		free(r);
	}
	if (b->head != NULL)
		(void)munmap(b->head, SCORE_REGION_OFF); /* of mmap(), cannot fail */
	fd_close(&b->fd);
	free(b->path);
	free(b);
}

/* Descriptors 0 to 2 are for other things, in whatever state the process was started. */
static int above_stdio(int fd)
{
	int moved;

	if (fd < 0 || fd > 2)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	fd_close(&fd);
	return moved;
}

/* Refuse places where others could put a file in our way, or where shared mappings are not shared. */
static int place_check(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct statfs fs;
	struct stat st;
	char *dir;
	int r = 0;

	if (path[0] != '/' || slash[1] == '\0')
		return err_set(err, EINVAL, "scoreboard '%s': not an absolute path of a file", path);
	dir = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (stat(dir, &st) < 0 || statfs(dir, &fs) < 0)
		r = err_sys(err, errno, "scoreboard '%s': cannot use folder '%s'", path, dir);
	else if (!S_ISDIR(st.st_mode))
		r = err_sys(err, ENOTDIR, "scoreboard '%s': cannot use '%s'", path, dir);
	else if (st.st_mode & S_IWOTH)
		r = err_set(err, WE_DENIED, "scoreboard '%s': folder '%s' is world-writable", path, dir);
	else if (fs.f_type == NFS_MAGIC)
		r = err_set(err, WE_DENIED, "scoreboard '%s': folder '%s' is on NFS", path, dir);
	else if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		r = err_set(err, WE_DENIED, "scoreboard '%s' is %s", path,
			S_ISLNK(st.st_mode) ? "a symbolic link" : "not a regular file");
	free(dir);
	return r;
}

static void header_fill(struct score_header *h, const struct score_info *info)
{
	uint64_t ticks = 0;

	(void)score_proc_ticks(getpid(), &ticks); /* 0 = unknown */
	h->version = SCORE_VERSION;
	h->proc_bytes = sizeof(struct score_proc);
	h->slot_bytes = sizeof(struct score_hot);
	h->common_bytes = sizeof(struct score_common);
	h->work_bytes = sizeof(struct score_work);
	h->over_bytes = sizeof(struct score_over);
	h->proc_max = SCORE_PROCS_MAX;
	h->server = info->server;
	h->daemon_pid = info->server == SCORE_INETD ? 0 : getpid();
	h->daemon_ticks = ticks;
	h->started_ms = clock_wall_ms();
	score_boot_id(h->boot_id, sizeof(h->boot_id));
	(void)str_copy(h->program, sizeof(h->program), info->program); /* cut when too long */
	memcpy(h->magic, SCORE_MAGIC, sizeof(h->magic));
}

/* Size the open file, get its memory, write the header. */
static int board_init(struct score_board *b, const struct score_info *info, struct err *err)
{
	const char *name = b->path != NULL ? b->path : "(memory)";
	int r;

	if (ftruncate(b->fd, SCORE_REGION_OFF) < 0)
		return err_sys(err, errno, "cannot size scoreboard '%s'", name);
	/* a full file system must fail here, not with a signal at a store */
	if (fallocate(b->fd, 0, 0, SCORE_REGION_OFF) < 0 && errno != EOPNOTSUPP)
		return err_sys(err, errno, "cannot allocate scoreboard '%s'", name);
	r = board_map(b, err);
	if (r == 0)
		header_fill(b->head, info);
	return r;
}

static int create_file(struct score_board *b, const struct score_info *info, struct err *err)
{
	char *tmp = xasprintf("%s.new", b->path);
	int r;

	r = place_check(b->path, err);
	if (r < 0)
		goto out;
	if (unlink(tmp) < 0 && errno != ENOENT) {
		r = err_sys(err, errno, "cannot remove '%s'", tmp);
		goto out;
	}
	b->fd = above_stdio(open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
	if (b->fd < 0) {
		r = err_sys(err, errno, "cannot create scoreboard '%s'", tmp);
		goto out;
	}
	if (fchmod(b->fd, 0644) < 0)
		r = err_sys(err, errno, "cannot set the mode of '%s'", tmp);
	else
		r = board_init(b, info, err);
	if (r == 0 && rename(tmp, b->path) < 0)
		r = err_sys(err, errno, "cannot put scoreboard '%s' in place", b->path);
	if (r < 0)
		(void)unlink(tmp); /* best effort: the next start removes it */
out:
	free(tmp);
	return r;
}

int score_create(
	const char *path, const struct score_info *info, struct score_board **ret_board, struct err *err)
{
	struct score_board *b = board_alloc(path);
	int r;

	if (path != NULL) {
		r = create_file(b, info, err);
	} else {
		b->fd = above_stdio(memfd_create("scoreboard", MFD_CLOEXEC));
		r = b->fd >= 0 ? board_init(b, info, err)
			       : err_sys(err, errno, "cannot create a scoreboard in memory");
	}
	if (r < 0) {
		board_free(b);
		return r;
	}
	*ret_board = b;
	return 0;
}

void score_set_preload(struct score_board *board, unsigned i, const struct score_preload *p)
{
	struct score_mapped fresh = {.used = p != NULL}, *m;
	uint32_t seq;

	if (board == NULL || i >= SCORE_PRELOADS_MAX)
		return;
	if (p != NULL)
		fresh.p = *p;
	m = (struct score_mapped *)(void *)((char *)board->head + SCORE_MAPPED_OFF) + i;
	seq = atomic_load_explicit(&m->seq, memory_order_relaxed);
	atomic_store_explicit(&m->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* odd is seen before what follows */
	score_copy_in(&m->used, &fresh.used, sizeof(fresh) - offsetof(struct score_mapped, used));
	atomic_store_explicit(&m->seq, seq + 2, memory_order_release);
}

int score_attach(const char *path, struct score_board **ret_board, struct err *err)
{
	struct score_board *b = board_alloc(path);
	struct score_header h;
	struct stat st;
	int r;

	b->fd = above_stdio(open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
	if (b->fd < 0 || fstat(b->fd, &st) < 0)
		r = err_sys(err, errno, "%s", path);
	else if (!S_ISREG(st.st_mode) || pread(b->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		r = err_set(err, WE_SYNTAX, "%s: not a scoreboard: file is corrupted or old", path);
	else
		r = score_header_check(&h, (uint64_t)st.st_size, path, err);
	if (r == 0)
		r = board_map(b, err);
	if (r < 0) {
		board_free(b);
		return r;
	}
	*ret_board = b;
	return 0;
}

int score_open_board(const struct score_board *board, struct score_reader **ret_reader, struct err *err)
{
	return score_open_fd(board->fd, board->path != NULL ? board->path : "(memory)", ret_reader, err);
}

int score_board_fd(const struct score_board *board)
{
	return board->fd;
}

/* Not when another daemon has put its own there meanwhile. */
static void board_remove(const struct score_board *b)
{
	struct stat st;

	if (fstat(b->fd, &st) == 0)
		fd_unlink_same(b->path, &st); /* a stale file is no problem */
}

void score_close(struct score_board *board, bool remove_file)
{
	if (board == NULL)
		return;
	while (board->regions != NULL)
		score_region_drop(board->regions);
	if (remove_file && board->path != NULL)
		board_remove(board);
	board_free(board);
}

void score_forget(struct score_board *board)
{
	if (board != NULL)
		board_free(board);
}

/* ---- entries of the table: whoever moves seq from even to odd may change the entry --------------------- */

static bool proc_take(struct score_proc *p)
{
	uint32_t seq = atomic_load_explicit(&p->seq, memory_order_relaxed);

	if (seq & 1 || !atomic_compare_exchange_strong(&p->seq, &seq, seq + 1))
		return false; /* ftpscrub is at it */
	atomic_thread_fence(memory_order_release);
	return true;
}

static void proc_give(struct score_proc *p)
{
	atomic_fetch_add_explicit(&p->seq, 1, memory_order_release);
}

static void proc_set(struct score_proc *p, uint32_t state, pid_t pid, uint64_t ticks)
{
	score_put(p->pid, pid);
	score_put(p->ticks, ticks);
	atomic_store_explicit(&p->state, state, memory_order_relaxed);
}

/* Zero the slots and what they name through a mapping. What the dead process wrote is not asked: all slots. */
static void region_wipe(struct score_board *b, unsigned index, unsigned slots)
{
	size_t n = score_offsets(slots).over;
	struct stat st;
	void *p;

	if (fstat(b->fd, &st) < 0 || (uint64_t)st.st_size < score_region_off(index) + n)
		return;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, (off_t)score_region_off(index));
	if (p == MAP_FAILED)
		return;
	memset(p, 0, n);
	(void)munmap(p, n); /* of mmap(), cannot fail */
}

static void region_zero(struct score_board *b, unsigned index, unsigned slots)
{
	if (slots > SCORE_SLOTS_MAX)
		slots = SCORE_SLOTS_MAX;
	if (score_no_punch || fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      (off_t)score_region_off(index), (off_t)SCORE_STRIDE) < 0)
		region_wipe(b, index, slots);
}

/* A free entry, taken. NULL when there is none. */
static struct score_proc *proc_find_free(struct score_board *b)
{
	unsigned i;

	for (i = 0; i < SCORE_PROCS_MAX; i++) {
		struct score_proc *p = &b->procs[i];

		if (atomic_load_explicit(&p->state, memory_order_relaxed) != PROC_FREE || !proc_take(p))
			continue;
		if (atomic_load_explicit(&p->state, memory_order_relaxed) == PROC_FREE)
			break;
		proc_give(p); /* another inetd server was first */
	}
	if (i == SCORE_PROCS_MAX)
		return NULL;
	if (i >= atomic_load(&b->head->proc_used))
		atomic_store(&b->head->proc_used, i + 1);
	return &b->procs[i];
}

static int region_map(struct score_board *b, struct score_region *r, struct err *err)
{
	off_t off = (off_t)score_region_off(r->index);
	void *p;

	/* Extend the file by writing its last byte: unlike ftruncate() this never shrinks it under another
	 * server's mapping. The first byte gets the head its memory. */
	if (pwrite(b->fd, "", 1, off + (off_t)r->map_bytes - 1) != 1 || pwrite(b->fd, "", 1, off) != 1)
		return err_sys(err, errno, "cannot extend the scoreboard");
	p = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, off);
	if (p == MAP_FAILED)
		return err_sys(err, errno, "cannot map a region of the scoreboard");
	r->map = p;
	return 0;
}

int score_region_new(struct score_board *board, enum score_role role, unsigned slots,
	struct score_region **ret_region, struct err *err)
{
	struct score_region *r;
	struct score_proc *p;
	int rc;

	if (slots == 0 || slots > SCORE_SLOTS_MAX)
		return err_set(err, EINVAL, "a scoreboard region has 1 to %d slots", SCORE_SLOTS_MAX);
	p = proc_find_free(board);
	if (p == NULL)
		return err_set(err, WE_LIMIT, "the scoreboard is full (%d processes)", SCORE_PROCS_MAX);
	r = xcalloc(1, sizeof(*r));
	r->board = board;
	r->index = (unsigned)(p - board->procs);
	r->map_bytes = score_offsets(slots).end;
	rc = region_map(board, r, err);
	if (rc == 0) {
		r->tables = score_tables(r->map, slots);
		score_put(p->role, role);
		score_put(p->slots, slots);
		proc_set(p, PROC_RESERVED, 0, 0);
		r->next = board->regions;
		board->regions = r;
		*ret_region = r;
	} else {
		free(r);
	}
	proc_give(p);
	return rc;
}

static void region_unlink(struct score_region *region)
{
	struct score_region **at = &region->board->regions;

	while (*at != region)
		at = &(*at)->next;
	*at = region->next;
	(void)munmap(region->map, region->map_bytes); /* of mmap(), cannot fail */
	free(region);
}

void score_region_set_pid(struct score_region *region, pid_t pid)
{
	struct score_proc *p;
	uint64_t ticks = 0;

	if (region == NULL)
		return;
	p = &region->board->procs[region->index];
	(void)score_proc_ticks(pid, &ticks); /* 0 = unknown */
	if (proc_take(p)) {
		proc_set(p, PROC_LIVE, pid, ticks);
		proc_give(p);
	}
	region_unlink(region);
}

void score_region_child(struct score_region *region)
{
	struct score_board *b;
	struct score_region **at;

	if (region == NULL || region->board == NULL)
		return;
	b = region->board;
	at = &b->regions;
	while (*at != region)
		at = &(*at)->next;
	*at = region->next;
	region->next = NULL;
	region->board = NULL;
	board_free(b);
}

/* Entry p becomes free. The caller has taken it. */
static void proc_clear(struct score_board *b, struct score_proc *p)
{
	region_zero(b, (unsigned)(p - b->procs), p->slots);
	score_put(p->slots, 0);
	score_put(p->role, 0);
	proc_set(p, PROC_FREE, 0, 0);
}

void score_region_drop(struct score_region *region)
{
	struct score_board *b;
	struct score_proc *p;

	if (region == NULL)
		return;
	b = region->board;
	p = &b->procs[region->index];
	region_unlink(region);
	if (proc_take(p)) {
		proc_clear(b, p);
		proc_give(p);
	}
}

void score_region_reap(struct score_board *board, pid_t pid)
{
	unsigned i, n;

	if (board == NULL)
		return;
	n = atomic_load(&board->head->proc_used);
	for (i = 0; i < n && i < SCORE_PROCS_MAX; i++) {
		struct score_proc *p = &board->procs[i];

		if (score_get(p->pid) != pid || atomic_load(&p->state) != PROC_LIVE || !proc_take(p))
			continue;
		proc_clear(board, p);
		proc_give(p);
		return;
	}
}

/* Sessions that a region says it has; only for the report. */
static unsigned region_sessions(struct score_board *b, unsigned index, unsigned slots)
{
	struct score_hot h;
	unsigned i, n = 0;

	for (i = 0; i < slots && i < SCORE_SLOTS_MAX; i++) {
		off_t off = (off_t)(score_region_off(index) + SCORE_ALIGN + i * sizeof(h));

		if (pread(b->fd, &h, sizeof(h), off) != (ssize_t)sizeof(h))
			break;
		n += h.state == SLOT_USED;
	}
	return n;
}

/* Is this entry of a process that is gone? */
static bool proc_gone(struct score_board *b, const struct score_proc *p, bool same_boot)
{
	switch (atomic_load(&p->state)) {
	case PROC_FREE:
		return false;
	case PROC_RESERVED: /* the daemon is between mapping and fork() */
		return !same_boot || (b->head->daemon_pid != 0 &&
					     !score_proc_alive(b->head->daemon_pid, b->head->daemon_ticks));
	default:
		return !same_boot || !score_proc_alive(p->pid, p->ticks);
	}
}

unsigned score_scrub(struct score_board *board, score_cleared_fn *cleared, void *arg)
{
	unsigned i, n, count = 0;
	bool same_boot;

	if (board == NULL)
		return 0;
	same_boot = score_same_boot(board->head);
	n = atomic_load(&board->head->proc_used);
	for (i = 0; i < n && i < SCORE_PROCS_MAX; i++) {
		struct score_proc *p = &board->procs[i];

		if (!proc_gone(board, p, same_boot) || !proc_take(p))
			continue;
		if (proc_gone(board, p, same_boot)) { /* still, now that nobody else changes it */
			if (cleared != NULL)
				cleared(arg, p->pid, region_sessions(board, i, p->slots));
			proc_clear(board, p);
			count++;
		}
		proc_give(p);
	}
	return count;
}
