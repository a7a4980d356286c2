#include "tools/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/str.h"
#include "tools/cells.h"
#include "tools/format.h"
#include "tools/who.h"

#define SAMPLE_MIN_MS 200 /* between two records, for a rate that is not mere noise */
#define BAR_CELLS     22  /* "[################] 42%" with its blank */
#define REGULAR_MIN   110 /* width from which the regular view has rate and bar */
#define RATES_MIN     104
#define SOURCE_CELLS  9                            /* "sendfile" with its blank */
#define REGULAR_WIDE  (REGULAR_MIN + SOURCE_CELLS) /* ... and how the bytes travel */
#define RATES_WIDE    88

const char *const top_sort_name[TOP_SORT_COUNT] = {"pid", "user", "rate", "done", "time"};
static const char state_letter[TOP_STATE_COUNT] = {'A', 'I', 'D', 'U', 'L', 'C'};

/* What is kept of a session until the next poll. */
struct top_sample {
	pid_t pid;
	uint32_t id;
	uint64_t since_ms, done, elapsed_ms;
	double rate;
};

static int sample_cmp(const void *a, const void *b)
{
	const struct top_sample *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static enum top_state state_of(const struct score_session *s)
{
	if (!s->logged_in)
		return TOP_AUTH;
	if (s->idle)
		return TOP_IDLE;
	switch (format_kind(s->cmd)) {
	case FORMAT_DOWNLOAD:
		return TOP_DOWNLOAD;
	case FORMAT_UPLOAD:
		return TOP_UPLOAD;
	case FORMAT_LISTING:
		return TOP_LISTING;
	default:
		return TOP_COMMAND;
	}
}

/* Bytes per second between two records of progress that were seen; the average when there is only one. Records have
 * times of their own, so that it does not matter how much older than the poll they are. */
static void rate_fill(struct top_row *row, const struct top *t, const struct score_session *s)
{
	struct top_sample key = {.pid = s->pid, .id = s->id}, *old = NULL;
	struct format_transfer x = format_transfer(s);
	uint64_t span;

	row->rate = format_rate(s, t->now_ms);
	row->from_done = x.done;
	row->from_elapsed_ms = x.elapsed_ms;
	if (t->samples > 0)
		old = bsearch(&key, t->sample, t->samples, sizeof(key), sample_cmp);
	if (!s->xfer_active || !x.begun || format_stalled(s, t->now_ms) || old == NULL || old->rate < 0 ||
		old->since_ms != s->since_ms || old->done > x.done || old->elapsed_ms > x.elapsed_ms)
		return;
	span = x.elapsed_ms - old->elapsed_ms;
	if (span >= SAMPLE_MIN_MS) {
		row->rate = (double)(x.done - old->done) * 1000.0 / (double)span;
		return;
	}
	row->rate = old->rate; /* too near to the other record: wait for a better one */
	row->from_done = old->done;
	row->from_elapsed_ms = old->elapsed_ms;
}

static void row_fill(struct top_row *row, const struct top *t, const struct score_session *s)
{
	struct format_transfer x = format_transfer(s);
	char text[SCORE_CMD_MAX + SCORE_ARG_MAX + 1], addr[ADDR_TEXT_MAX + 10];

	memset(row, 0, sizeof(*row));
	row->pid = s->pid;
	row->id = s->id;
	row->state = state_of(s);
	row->path = x.begun ? s->path : SCORE_PATH_NONE;
	row->begin_ms = s->begin_ms;
	row->since_ms = s->since_ms;
	row->done = x.done;
	row->size = x.size;
	rate_fill(row, t, s);
	format_clean(row->user, sizeof(row->user), s->user);
	if (s->client_name[0] != '\0')
		format_clean(row->client, sizeof(row->client), s->client_name);
	else if (s->client.sa.sa_family != 0)
		(void)addr_text(&s->client, row->client);
	format_clean(row->server, sizeof(row->server),
		s->label[0] != '\0' ? s->label : format_addr_port(addr, &s->server));
	if (row->state == TOP_AUTH)
		(void)str_copy(text, sizeof(text), "(authenticating)"); /* fits */
	else
		(void)snprintf(text, sizeof(text), "%s%s%s", s->cmd, s->arg[0] != '\0' ? " " : "", s->arg);
	format_clean(row->command, sizeof(row->command), text);
}

static int take(void *arg, const struct score_session *s)
{
	struct top *t = arg;

	if (!who_wanted(s, t->server))
		return 0;
	if (t->total == t->room) {
		t->room = t->room != 0 ? t->room * 2 : 64;
		t->row = xrealloc(t->row, t->room * sizeof(*t->row));
	}
	row_fill(&t->row[t->total], t, s);
	t->states[t->row[t->total].state]++;
	t->total++;
	return 0;
}

/* Keep what the next poll computes rates from: of all sessions, also those not shown. */
static void remember(struct top *t)
{
	size_t i;

	t->sample = xrealloc(t->sample, (t->total + 1) * sizeof(*t->sample));
	for (i = 0; i < t->total; i++) {
		const struct top_row *r = &t->row[i];

		t->sample[i] = (struct top_sample){.pid = r->pid,
			.id = r->id,
			.since_ms = r->since_ms,
			.done = r->from_done,
			.elapsed_ms = r->from_elapsed_ms,
			.rate = r->rate};
	}
	t->samples = t->total;
	qsort(t->sample, t->samples, sizeof(*t->sample), sample_cmp);
}

static bool shown(const struct top *t, const struct top_row *r)
{
	if (t->view == TOP_RATES && r->state != TOP_DOWNLOAD && r->state != TOP_UPLOAD)
		return false;
	return (t->hide & 1u << r->state) == 0;
}

/* Numbers from high to low, texts and pids upwards, the oldest session first. */
static int row_cmp(const void *a, const void *b, void *arg)
{
	const struct top_row *x = a, *y = b;
	const struct top *t = arg;
	int r = 0;

	switch (t->sort) {
	case TOP_BY_USER:
		r = strcmp(x->user, y->user);
		break;
	case TOP_BY_RATE:
		r = (x->rate < y->rate) - (x->rate > y->rate);
		break;
	case TOP_BY_DONE:
		r = format_percent(y->done, y->size) - format_percent(x->done, x->size);
		if (r == 0)
			r = (x->done < y->done) - (x->done > y->done);
		break;
	case TOP_BY_TIME:
		r = (x->begin_ms > y->begin_ms) - (x->begin_ms < y->begin_ms);
		break;
	default:
		break;
	}
	if (r == 0)
		r = (x->pid > y->pid) - (x->pid < y->pid);
	return r != 0 ? r : (x->id > y->id) - (x->id < y->id);
}

void top_arrange(struct top *t)
{
	size_t i, kept = 0;

	for (i = 0; i < t->total; i++) {
		struct top_row swap = t->row[i];

		if (!shown(t, &swap))
			continue;
		t->row[i] = t->row[kept];
		t->row[kept++] = swap;
	}
	t->count = kept;
	if (kept > 0)
		qsort_r(t->row, kept, sizeof(*t->row), row_cmp, t);
}

int top_poll(struct top *t, struct score_reader *reader, uint64_t now_ms)
{
	int r;

	t->now_ms = now_ms;
	t->count = t->total = 0;
	memset(t->states, 0, sizeof(t->states));
	score_read_daemon(reader, &t->daemon);
	r = score_read_all(reader, take, t, NULL);
	if (r < 0)
		return r;
	remember(t);
	top_arrange(t);
	return 0;
}

void top_done(struct top *t)
{
	free(t->row);
	free(t->sample);
	t->row = NULL;
	t->sample = NULL;
	t->count = t->total = t->room = t->samples = 0;
}

int top_head(struct buf *out, const struct top *t, int line, const char *version, int width)
{
	char text[256], up[FORMAT_TIME_MAX], now[32];
	time_t secs = (time_t)(t->now_ms / 1000);

	if (line == 0) {
		if (ctime_r(&secs, now) == NULL)
			now[0] = '\0';
		now[strcspn(now, "\n")] = '\0';
		(void)snprintf(text, sizeof(text), "ftptop/%s: %s, up for %s", version, now,
			format_uptime(up, t->daemon.started_ms, t->now_ms)); /* cut below anyway */
	} else {
		(void)snprintf(text, sizeof(text),
			"%zu Total FTP Sessions: %u downloading, %u uploading, %u idle", t->total,
			t->states[TOP_DOWNLOAD], t->states[TOP_UPLOAD], t->states[TOP_IDLE]);
	}
	return cells_put(out, text, width, false);
}

bool top_has_bar(enum top_view view, int width)
{
	return width >= (view == TOP_REGULAR ? REGULAR_MIN : RATES_MIN);
}

int top_titles(struct buf *out, const struct top *t, int width)
{
	bool bar = top_has_bar(t->view, width);
	char text[256];

	if (t->view == TOP_REGULAR)
		(void)snprintf(text, sizeof(text), "%5s %-2s%-8s %-20s %-15s %-6s %s%s%s", "PID", "S", "USER",
			"CLIENT", "SERVER", "TIME", bar ? "KB/s       PROGRESS              " : "",
			width >= REGULAR_WIDE ? "SOURCE   " : "", "COMMAND"); /* fits */
	else
		(void)snprintf(text, sizeof(text), "%5s %-2s%-8s %-44s %-10s %6s%s%s", "PID", "S", "USER",
			"CLIENT", "KB/s", "%DONE", width >= RATES_WIDE ? " SOURCE  " : "",
			bar ? " PROGRESS" : ""); /* fits */
	return cells_put(out, text, width, true);
}

static void rate_text(char *buf, size_t size, double rate)
{
	if (rate < 0)
		(void)snprintf(buf, size, "-"); /* fits */
	else
		(void)snprintf(buf, size, "%.2f", rate / 1024.0); /* cut to its column by the caller */
}

/* "[########--------]  42%", empty for what is no transfer or has no size. */
static void bar_text(char *buf, const struct top_row *row)
{
	int percent = format_percent(row->done, row->size), full, i;

	buf[0] = '\0';
	if ((row->state != TOP_DOWNLOAD && row->state != TOP_UPLOAD) || percent < 0 || row->size == 0)
		return;
	full = percent * 14 / 100;
	buf[0] = '[';
	for (i = 0; i < 14; i++)
		buf[1 + i] = i < full ? '#' : '-';
	(void)sprintf(buf + 15, "] %3d%%", percent); /* the caller's 32 bytes have room */
}

static int put_column(struct buf *out, const char *text, int width)
{
	int r = cells_put(out, text, width, true);

	return r < 0 ? r : buf_putc(out, ' ');
}

static int regular_line(struct buf *out, const struct top *t, const struct top_row *row, int width)
{
	bool bar = top_has_bar(t->view, width);
	char text[64], time[FORMAT_TIME_MAX];
	int r;

	r = put_column(out, row->client, 20);
	if (r == 0)
		r = put_column(out, row->server, 15);
	if (r == 0)
		r = put_column(out, format_duration(time, row->begin_ms, t->now_ms), 6);
	if (r == 0 && bar) {
		rate_text(text, sizeof(text), row->rate);
		r = put_column(out, text, 10);
		bar_text(text, row);
		if (r == 0)
			r = put_column(out, text, BAR_CELLS - 1);
	}
	if (r == 0 && width >= REGULAR_WIDE)
		r = put_column(out, score_path_name(row->path), SOURCE_CELLS - 1);
	return r < 0 ? r : buf_puts(out, row->command);
}

static int rates_line(struct buf *out, const struct top_row *row, int width)
{
	bool bar = top_has_bar(TOP_RATES, width);
	char rate[64], done[FORMAT_PERCENT_MAX], text[64];
	int r;

	r = put_column(out, row->client, 44);
	rate_text(rate, sizeof(rate), row->rate);
	if (r == 0)
		r = put_column(out, rate, 10);
	if (r == 0)
		r = buf_printf(out, "%6s",
			row->state == TOP_UPLOAD && row->size == 0
				? "(n/a)"
				: format_percent_text(done, row->done, row->size));
	if (r == 0 && width >= RATES_WIDE)
		r = bar ? buf_printf(out, " %-8s", score_path_name(row->path))
			: buf_printf(out, " %s", score_path_name(row->path));
	bar_text(text, row);
	return r == 0 && bar && text[0] != '\0' ? buf_printf(out, " %s", text) : r;
}

int top_line(struct buf *out, const struct top *t, const struct top_row *row, int width)
{
	struct buf line;
	int r;

	buf_init(&line, 4096);
	r = buf_printf(&line, "%5d %c%c", (int)row->pid, state_letter[row->state],
		t->view == TOP_RATES && score_path_in_kernel(row->path) ? '*' : ' ');
	if (r == 0)
		r = put_column(&line, row->user, 8);
	if (r == 0)
		r = t->view == TOP_REGULAR ? regular_line(&line, t, row, width)
					   : rates_line(&line, row, width);
	if (r == 0)
		r = cells_put(out, line.data, width, false);
	buf_done(&line);
	return r;
}
