/* What `wherryd share` shows while it runs. What has happened (a login, the end of a transfer or session) is
 * a line that stays, told by the processes that carry it; what is going on is one line per session and
 * transfer with progress and rate, from the scoreboard as any other reader. On a terminal those are redrawn
 * in place, elsewhere printed every few seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "master/master.h"

#define REFRESH_MS  500
#define PLAIN_EVERY 4 /* on no terminal: a running transfer's line every that many refreshes */
#define SHOWN_MAX   1024
#define BAR_CELLS   24
#define SPAN_MIN_MS 200 /* between two records, for a rate that is not mere noise */

struct shown { /* what was last seen of a session, for its rate */
	uint32_t id;
	bool seen;
	uint64_t done, elapsed_ms; /* the record of progress that the rate was taken at */
	uint64_t rate;             /* bytes per second */
	uint64_t began;            /* since_ms of its command */
	unsigned age;              /* refreshes of this transfer */
};

struct live {
	struct score_reader *reader;
	bool terminal;
	unsigned drawn; /* lines to go back over */
	uint64_t next_ms;
	size_t n, n_sessions;
	struct shown shown[SHOWN_MAX];
	struct score_session sessions[SHOWN_MAX]; /* of the refresh */
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

/* Take the running lines off the screen. */
static void undraw(struct live *l)
{
	if (l->drawn != 0)
		printf("\033[%uA\033[J", l->drawn);
	l->drawn = 0;
}

static void print_running_line(struct live *l, const char *line)
{
	printf("%s\n", line);
	if (l->terminal)
		l->drawn++;
}

static const char *verb(const struct score_session *s)
{
	return s->dir == SCORE_UPLOAD ? "up  " : s->dir == SCORE_LISTING ? "list" : "down";
}

/* "=====>  42% ..." : the percentage in the middle of what is done and what is not. */
static const char *progress_bar(uint64_t done, uint64_t size, char bar[BAR_CELLS + 1])
{
	unsigned percent = done >= size ? 100 : (unsigned)((double)done * 100 / (double)size);
	unsigned full = percent * BAR_CELLS / 100;
	char text[8];
	int n = snprintf(text, sizeof(text), " %u%% ", percent);

	memset(bar, ' ', BAR_CELLS);
	memset(bar, '=', full);
	memcpy(bar + (BAR_CELLS - (size_t)n) / 2, text, (size_t)n);
	bar[BAR_CELLS] = '\0';
	return bar;
}

/* Rates are taken between records of progress, at their own times: they come less often than we look when little
 * moves. */
static void rate_take_record(struct shown *old, const struct score_session *s)
{
	uint64_t span;

	if (s->xfer_elapsed_ms < old->elapsed_ms || s->xfer_done < old->done) /* another transfer */
		old->done = old->elapsed_ms = old->rate = 0;
	span = s->xfer_elapsed_ms - old->elapsed_ms;
	if (span < SPAN_MIN_MS)
		return;
	old->rate = (s->xfer_done - old->done) * 1000 / span;
	old->done = s->xfer_done;
	old->elapsed_ms = s->xfer_elapsed_ms;
}

static void transfer_line(const struct score_session *s, const struct shown *old, char *dst, size_t size)
{
	char name[128], done[32], total[32], rate[32], bar[BAR_CELLS + 1];

	amount(s->xfer_done, done, sizeof(done));
	amount(old->rate, rate, sizeof(rate));
	amount(s->xfer_size, total, sizeof(total));
	(void)str_escape(s->arg, name, sizeof(name));
	if (s->xfer_size != 0)
		(void)snprintf(dst, size, "  #%u %s [%s] %s of %s, %s/s  %s  (%s)", s->id, verb(s),
			progress_bar(s->xfer_done, s->xfer_size, bar), done, total, rate, name,
			score_path_name(s->path));
	else
		(void)snprintf(dst, size, "  #%u %s %s, %s/s  %s  (%s)", s->id, verb(s), done, rate, name,
			score_path_name(s->path));
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

static int collect(void *arg, const struct score_session *s)
{
	struct live *l = arg;

	if (l->n_sessions < SHOWN_MAX)
		l->sessions[l->n_sessions++] = *s;
	return 0;
}

static void print_running(struct live *l, const struct score_session *s, struct shown *old)
{
	bool transferring = s->xfer_active && s->xfer_current && s->dir != SCORE_NO_TRANSFER;
	char line[1024];

	old->seen = true;
	if (s->since_ms != old->began) {
		old->began = s->since_ms;
		old->done = old->elapsed_ms = old->rate = old->age = 0;
	}
	if (transferring) {
		rate_take_record(old, s);
		transfer_line(s, old, line, sizeof(line));
	} else {
		session_line(s, line, sizeof(line));
	}
	if (l->terminal || (transferring && old->age % PLAIN_EVERY == PLAIN_EVERY - 1))
		print_running_line(l, line);
	old->age++;
}

static void forget_gone(struct live *l)
{
	size_t i = 0;

	while (i < l->n) {
		if (l->shown[i].seen)
			l->shown[i++].seen = false;
		else
			l->shown[i] = l->shown[--l->n];
	}
}

/* --- what has happened --- */

static void happened(struct live *l, const struct msession *s, const char *text)
{
	char from[ADDR_TEXT_MAX], user[128];

	undraw(l);
	(void)str_escape(
		s->grantee->anon != 0 ? s->grantee->sent_user : s->grantee->user, user, sizeof(user));
	printf("#%u %s@%s %s\n", s->sid, user, addr_text(&s->peer, from), text);
	(void)fflush(stdout); /* a closed standard output is no reason to stop serving */
	l->next_ms = 0;       /* draw what is going on again */
}

void live_login(struct master *m, const struct msession *s)
{
	if (m->live != NULL)
		happened(m->live, s, "logged in");
}

void live_left(struct master *m, const struct msession *s)
{
	if (m->live != NULL)
		happened(m->live, s, "has left");
}

void live_transfer(struct master *m, const struct msession *s, const struct ipc_xfer_report *x)
{
	char bytes[32], rate[32], path[512], text[700];

	if (m->live == NULL)
		return;
	amount(x->bytes, bytes, sizeof(bytes));
	amount(x->duration_ms != 0 ? x->bytes * 1000 / x->duration_ms : x->bytes, rate, sizeof(rate));
	(void)snprintf(text, sizeof(text), "%s %s%s, %s, %s/s", x->upload ? "uploaded" : "downloaded",
		str_escape(x->path, path, sizeof(path)), x->complete ? "" : " (broken off)", bytes, rate);
	happened(m->live, s, text);
}

/* --- in the loop --- */

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

	if (l == NULL)
		return UINT64_MAX;
	if (now < l->next_ms)
		return l->next_ms;
	undraw(l);
	if (m->n_sessions == 0) {
		l->next_ms = UINT64_MAX; /* a login sets it */
		return l->next_ms;
	}
	l->next_ms = now + REFRESH_MS;
	l->n_sessions = 0;
	(void)score_read_all(l->reader, collect, l, NULL); /* an unreadable board shows nothing */
	for (size_t i = 0; i < l->n_sessions; i++) {
		struct shown *old = shown_of(l, l->sessions[i].id);

		if (old != NULL)
			print_running(l, &l->sessions[i], old);
	}
	forget_gone(l);
	(void)fflush(stdout); /* a closed standard output is no reason to stop serving */
	return l->next_ms;
}

void live_stop(struct master *m)
{
	if (m->live != NULL) {
		undraw(m->live);
		score_reader_free(m->live->reader);
	}
	free(m->live);
	m->live = NULL;
}
