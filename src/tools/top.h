/* ftptop without its terminal: sessions sampled over time, sorted and worded as lines. */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "score/score.h"

enum top_view { TOP_REGULAR, TOP_RATES };
enum top_sort { TOP_BY_PID, TOP_BY_USER, TOP_BY_RATE, TOP_BY_DONE, TOP_BY_TIME, TOP_SORT_COUNT };
extern const char *const top_sort_name[TOP_SORT_COUNT];

/* Kinds of sessions; also the status letter. C: another command. */
enum top_state { TOP_AUTH, TOP_IDLE, TOP_DOWNLOAD, TOP_UPLOAD, TOP_LISTING, TOP_COMMAND, TOP_STATE_COUNT };

struct top_row {
	pid_t pid;
	uint32_t id;
	enum top_state state;
	enum score_path path; /* SCORE_PATH_NONE: no transfer */
	uint64_t begin_ms, since_ms;
	uint64_t done, size;                 /* bytes of the transfer */
	uint64_t from_done, from_elapsed_ms; /* the record from which the next poll computes the rate */
	double rate;                         /* bytes per second, negative = not known */
	char user[SCORE_USER_MAX];
	char client[128], server[128], command[256]; /* fit for a terminal */
};

struct top {
	/* set by the caller, zero is fine */
	unsigned hide;      /* bits 1 << enum top_state */
	const char *server; /* ServerName, NULL = all */
	enum top_view view;
	enum top_sort sort;

	/* results of top_poll() */
	struct score_daemon daemon;
	struct top_row *row;
	size_t count;                     /* rows to show: the first ones of row */
	size_t total;                     /* all sessions, shown or not */
	unsigned states[TOP_STATE_COUNT]; /* of all sessions */
	size_t room;
	uint64_t now_ms;

	struct top_sample *sample; /* of the poll before, by pid and id */
	size_t samples;
};

/* Take the sessions at now_ms (wall clock). Rates are those since the poll before, where the transfer is
 * still the same one, else the average of the transfer. 0 or -errno. */
int top_poll(struct top *t, struct score_reader *reader, uint64_t now_ms);
/* Choose and sort the rows again, after view, sort or hide has changed. */
void top_arrange(struct top *t);
void top_done(struct top *t);

/* Append one line without newline, at most width cells wide. version: of the program. */
int top_head(
	struct buf *out, const struct top *t, int line, const char *version, int width); /* line 0 or 1 */
int top_titles(struct buf *out, const struct top *t, int width);
int top_line(struct buf *out, const struct top *t, const struct top_row *row, int width);

/* Is there room for the column with the progress bar? */
bool top_has_bar(enum top_view view, int width);

#endif
