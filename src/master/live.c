/* What `wherryd share` shows while it runs: one line per session and transfer with progress and rate, from the scoreboard as any
 * other reader. On a terminal the running lines are redrawn in place; elsewhere a line is printed when something begins
 * or ends, and every few seconds in between. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "master/master.h"

#define REFRESH_MS  500
#define PLAIN_EVERY 4 /* on no terminal: a running transfer's line every that many refreshes */
#define SHOWN_MAX   1024

struct shown { /* what was last printed of a session */
	uint32_t id;
	bool seen, transferring, logged_in;
	uint64_t done, at_ms, began; /* bytes then; clock then; since_ms of its transfer */
	unsigned age;
	char user[SCORE_USER_MAX], arg[96];
};

struct live {
	struct score_reader *reader;
	bool terminal;
	unsigned drawn; /* lines to go back over */
	uint64_t next_ms;
	size_t n;
	struct shown shown[SHOWN_MAX];
};

static void amount(uint64_t bytes, char *dst, size_t size)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < ARRAY_LEN(unit)) {
		v /= 1024;
		u++;
	}
	(void)snprintf(dst, size, u == 0 ? "%.0f %s" : "%.1f %s", v, unit[u]);
}

static struct shown *shown_of(struct live *l, uint32_t id)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->shown[i].id == id)
			return &l->shown[i];
	}
	if (l->n == SHOWN_MAX)
		return NULL;
	memset(&l->shown[l->n], 0, sizeof(l->shown[0]));
	l->shown[l->n].id = id;
	return &l->shown[l->n++];
}

static void print_line(struct live *l, bool running, const char *line)
{
	printf("%s%s\n", l->terminal ? "\033[K" : "", line);
	if (running && l->terminal)
		l->drawn++;
}

static const char *verb(const struct score_session *s)
{
	return s->dir == SCORE_UPLOAD ? "up  " : s->dir == SCORE_LISTING ? "list" : "down";
}

static void transfer_line(
	const struct score_session *s, const struct shown *old, uint64_t now, char *dst, size_t size)
{
	char name[128], done[32], total[32], rate[32];
	uint64_t span = now - old->at_ms, moved = s->xfer_done >= old->done ? s->xfer_done - old->done : 0;

	if (old->at_ms == 0 || span == 0) {
		moved = s->xfer_done;
		span = s->xfer_elapsed_ms != 0 ? s->xfer_elapsed_ms : 1;
	}
	amount(s->xfer_done, done, sizeof(done));
	amount(moved * 1000 / span, rate, sizeof(rate));
	amount(s->xfer_size, total, sizeof(total));
	(void)str_escape(s->arg, name, sizeof(name));
	if (s->xfer_size != 0)
		(void)snprintf(dst, size, "  #%u %s %3u%% %s of %s, %s/s  %s  (%s, %s)", s->id, verb(s),
			(unsigned)(s->xfer_done >= s->xfer_size ? 100 : s->xfer_done * 100 / s->xfer_size),
			done, total, rate, name, s->user, score_path_name(s->path));
	else
		(void)snprintf(dst, size, "  #%u %s %s, %s/s  %s  (%s, %s)", s->id, verb(s), done, rate, name,
			s->user, score_path_name(s->path));
}

static void session_line(const struct score_session *s, char *dst, size_t size)
{
	char from[ADDR_TEXT_MAX], cwd[128], cmd[160];

	(void)addr_text(&s->client, from);
	(void)str_escape(s->cwd, cwd, sizeof(cwd));
	(void)str_escape(s->arg, cmd, sizeof(cmd));
	if (!s->logged_in)
		(void)snprintf(dst, size, "  #%u %s logging in", s->id, from);
	else if (s->idle)
		(void)snprintf(dst, size, "  #%u %s@%s idle in %s", s->id, s->user, from, cwd);
	else
		(void)snprintf(dst, size, "  #%u %s@%s %s %s", s->id, s->user, from, s->cmd, cmd);
}

static void transfer_ended(struct live *l, const struct shown *old, uint64_t done)
{
	char line[512], bytes[32];

	amount(done, bytes, sizeof(bytes));
	(void)snprintf(line, sizeof(line), "#%u finished %s, %s", old->id, old->arg, bytes);
	print_line(l, false, line);
}

struct turn {
	struct live *l;
	uint64_t now;
	size_t n;
	struct score_session *sessions; /* copies, so that finished lines can be printed first */
};

static int collect(void *arg, const struct score_session *s)
{
	struct turn *t = arg;

	if (t->n < SHOWN_MAX)
		t->sessions[t->n++] = *s;
	return 0;
}

/* What began or ended since the last look: these lines stay. */
static void print_events(struct live *l, const struct score_session *s, struct shown *old)
{
	char from[ADDR_TEXT_MAX], line[512];
	bool transferring = s->xfer_active && s->dir != SCORE_NO_TRANSFER;

	old->seen = true;
	if (s->logged_in && !old->logged_in) {
		old->logged_in = true;
		str_copy(old->user, sizeof(old->user), s->user);
		(void)snprintf(line, sizeof(line), "#%u %s logged in from %s", s->id, s->user,
			addr_text(&s->client, from));
		print_line(l, false, line);
	}
	if (old->transferring && (!transferring || s->since_ms != old->began))
		transfer_ended(l, old, transferring ? old->done : s->xfer_done);
	if (transferring && (!old->transferring || s->since_ms != old->began)) {
		(void)str_escape(s->arg, old->arg, sizeof(old->arg));
		old->began = s->since_ms;
		old->done = old->at_ms = old->age = 0;
	}
	old->transferring = transferring;
}

static void print_running(struct live *l, const struct score_session *s, struct shown *old, uint64_t now)
{
	char line[1024];

	if (old->transferring)
		transfer_line(s, old, now, line, sizeof(line));
	else
		session_line(s, line, sizeof(line));
	if (l->terminal || (old->transferring && old->age % PLAIN_EVERY == 0))
		print_line(l, true, line);
	old->age++;
	old->done = s->xfer_done;
	old->at_ms = now;
}

static void forget_gone(struct live *l)
{
	char line[256];
	size_t i = 0;

	while (i < l->n) {
		struct shown *o = &l->shown[i];

		if (o->seen) {
			o->seen = false;
			i++;
			continue;
		}
		if (o->transferring)
			transfer_ended(l, o, o->done);
		if (o->logged_in) {
			(void)snprintf(line, sizeof(line), "#%u %s has left", o->id, o->user);
			print_line(l, false, line);
		}
		*o = l->shown[--l->n];
	}
}

void live_start(struct master *m)
{
	struct err err = ERR_INIT;
	struct live *l = xcalloc(1, sizeof(*l));

	if (m->board == NULL || score_open_board(m->board, &l->reader, &err) < 0) {
		log_warn(&m->log, "no live lines: %s", err.text);
		free(l);
		return;
	}
	l->terminal = isatty(STDOUT_FILENO) == 1;
	m->live = l;
}

uint64_t live_tick(struct master *m, uint64_t now)
{
	struct live *l = m->live;
	struct turn t = {.l = l, .now = now};

	if (l == NULL)
		return UINT64_MAX;
	if (now < l->next_ms)
		return l->next_ms;
	l->next_ms = now + REFRESH_MS;
	if (m->n_sessions == 0 && l->n == 0 && l->drawn == 0)
		return l->next_ms;
	t.sessions = calloc(SHOWN_MAX, sizeof(*t.sessions));
	if (t.sessions == NULL)
		return l->next_ms;
	(void)score_read_all(l->reader, collect, &t, NULL); /* an unreadable board shows nothing */
	if (l->drawn != 0)
		printf("\033[%uA\033[J", l->drawn);
	l->drawn = 0;
	for (size_t i = 0; i < t.n; i++) {
		struct shown *old = shown_of(l, t.sessions[i].id);

		if (old != NULL)
			print_events(l, &t.sessions[i], old);
	}
	forget_gone(l);
	for (size_t i = 0; i < t.n; i++) {
		struct shown *old = shown_of(l, t.sessions[i].id);

		if (old != NULL) {
			print_running(l, &t.sessions[i], old, now);
		}
	}
	free(t.sessions);
	(void)fflush(stdout); /* a closed standard output is no reason to stop serving */
	return l->next_ms;
}

void live_stop(struct master *m)
{
	if (m->live != NULL)
		score_reader_free(m->live->reader);
	free(m->live);
	m->live = NULL;
}
