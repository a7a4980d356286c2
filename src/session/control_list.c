/* A generator's lines as part of a reply on the control connection (STAT <path>): filled in the pool, one
 * piece at a time, the next one when the client has taken most of what waits.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "session/ctrl.h"
#include "session/session_priv.h"
#include "session/xfer_priv.h"

#define PIECE (16 * 1024)

struct control_list {
	struct xfer_source *src;
	int code;
	char *last;
	ssize_t n; /* of the last fill() */
	char piece[PIECE];
};

static enum ftp_result list_filled(struct session *s, void *arg);

static void list_fill(void *arg, const atomic_bool *cancel)
{
	struct control_list *l = arg;

	l->n = l->src->fill(l->src, l->piece, sizeof l->piece, cancel);
}

static void list_free_all(struct session *s, struct control_list *l)
{
	if (l->n == 0)
		l->src->free(l->src);
	else
		session_free_source(s, l->src);
	free(l->last);
	free(l);
}

static enum ftp_result list_filled(struct session *s, void *arg)
{
	struct control_list *l = arg;

	if (l->n > 0 && !session_job_cancelled(s) && !s->end) {
		session_replied_converted(s, buf_append(session_out(s), l->piece, (size_t)l->n));
		if (!s->ctrl || s->ctrl->out.len < CTRL_BACKLOG)
			return session_job(s, list_fill, list_filled, l);
		s->listing = l; /* goes on when the client reads */
		return FTP_WAIT_IPC;
	}
	if (l->n < 0 && l->n != -ECANCELED)
		log_info(&s->log, "listing cut short: %s", err_text((int)l->n));
	session_reply(s, l->code, "%s", l->last);
	list_free_all(s, l);
	return FTP_DONE;
}

enum ftp_result xfer_list_on_control(struct session *s, int code, const char *last, struct xfer_source *src)
{
	struct control_list *l = xcalloc(1, sizeof *l);

	l->src = src;
	l->code = code;
	l->last = xstrdup(last);
	return session_job(s, list_fill, list_filled, l);
}

void xfer_output_moved(struct session *s)
{
	struct control_list *l = s->listing;

	if (!l || (s->ctrl && s->ctrl->out.len >= CTRL_BACKLOG / 2))
		return;
	s->listing = NULL;
	(void)session_job(s, list_fill, list_filled, l);
}

void xfer_control_list_drop(struct session *s)
{
	if (!s->listing)
		return;
	list_free_all(s, s->listing);
	s->listing = NULL;
}
