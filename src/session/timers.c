/* All timeouts of a session on one timer. What happens only notes the time; the timer is
 * set to the nearest deadline, looks when it fires whether that still holds, and sets itself again. So a
 * transfer costs no timer work.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ftp/profile.h"
#include "session/ctrl.h"
#include "session/data.h"
#include "session/session_priv.h"
#include "session/watch.h"
#include "session/xfer_priv.h"

#define NOT_READING_MS 600000 /* with TimeoutIdle 0 */

struct session_timers {
	struct session *s;
	struct alarm *alarm;  /* deadlines */
	uint64_t alarm_at_ms; /* when it fires, 0 = it is not set */
	struct alarm *rate;   /* MaxCommandRate, NULL until a command had to wait */
	uint64_t command_ms;  /* last command */
	uint64_t transfer_ms; /* last opening or closing of a data connection, else login */
	uint64_t login_ms;
	uint64_t rate_begin_ms; /* of the interval of MaxCommandRate */
	unsigned rate_count;
	bool rate_told; /* BanOnEvent, in this interval */
};

struct deadline {
	enum session_end end;
	uint64_t at_ms;
	uint32_t limit_ms;
	const char *text; /* %u: seconds */
};

static void deadline_add(struct deadline *list, unsigned *n, enum session_end end, uint64_t since,
	uint32_t limit_ms, const char *text)
{
	if (limit_ms)
		list[(*n)++] = (struct deadline){end, since + limit_ms, limit_ms, text};
}

static unsigned deadlines(const struct session *s, uint64_t now, struct deadline *list)
{
	const struct session_timers *t = s->timers;
	const struct ftp_conf *conf = &s->scope->conf;
	uint64_t moved = xfer_moved_ms(s); /* last byte of a running data phase, 0 = none runs */
	uint64_t active = s->state == SESSION_BUSY ? now : moved > t->command_ms ? moved : t->command_ms;
	unsigned n = 0;

	deadline_add(list, &n, SESSION_END_SESSION, t->login_ms, conf->timeout_session_ms,
		"421 Session Timeout (%u seconds): closing control connection");
	if (s->ctrl && s->ctrl->stuck_since_ms)
		deadline_add(list, &n, SESSION_END_NOT_READING, s->ctrl->stuck_since_ms,
			s->idle_ms ? s->idle_ms : NOT_READING_MS, NULL);
	if (s->state == SESSION_TRANSFER) {
		if (moved)
			deadline_add(list, &n, SESSION_END_STALLED, moved, conf->timeout_stalled_ms,
				"421 Data transfer stall timeout (%u seconds): closing control connection");
	} else
		deadline_add(list, &n, SESSION_END_NO_TRANSFER, t->transfer_ms,
			ftp_quirk_wait(s->quirks, conf->timeout_no_transfer_ms),
			"421 No transfer timeout (%u seconds): closing control connection");
	if (s->state != SESSION_TRANSFER || moved) /* setting up has its own, shorter limit */
		deadline_add(list, &n, SESSION_END_IDLE, active, s->idle_ms,
			"421 Idle timeout (%u seconds): closing control connection");
	return n;
}

static void deadline_hit(struct session *s, const struct deadline *d)
{
	char text[128];

	if (d->end == SESSION_END_NO_TRANSFER && data_is_passive(s->data))
		log_notice(&s->log, "no transfer timeout while waiting for a data connection: a firewall or "
				    "NAT between may "
				    "block the passive ports, see PassivePorts and MasqueradeAddress");
	if (d->text)
		(void)snprintf(text, sizeof text, d->text, (unsigned)(d->limit_ms / 1000));
	log_info(&s->log, "%s after %u seconds", session_end_text(d->end), (unsigned)(d->limit_ms / 1000));
	if (d->end == SESSION_END_IDLE)
		session_offence(s, FTP_BAN_TIMEOUT_IDLE);
	else if (d->end == SESSION_END_NO_TRANSFER)
		session_offence(s, FTP_BAN_TIMEOUT_NO_TRANSFER);
	session_terminate(s, d->end, d->text ? text : NULL);
}

static void timers_fired(void *arg)
{
	struct session *s = arg;
	struct deadline list[5];
	uint64_t now = clock_ms();
	unsigned n;

	s->timers->alarm_at_ms = 0;
	if (s->state >= SESSION_CLOSING)
		return;
	session_ref(s);
	n = deadlines(s, now, list);
	for (unsigned i = 0; i < n; i++) {
		if (now >= list[i].at_ms) {
			deadline_hit(s, &list[i]);
			break;
		}
	}
	timers_arm(s);
	session_unref(s);
}

void timers_arm(struct session *s)
{
	struct session_timers *t = s->timers;
	struct deadline list[5];
	uint64_t now = clock_ms(), next = UINT64_MAX;
	unsigned n;

	if (!t || s->state >= SESSION_CLOSING || (s->end && s->end != SESSION_END_SHUTDOWN))
		return;
	n = deadlines(s, now, list);
	for (unsigned i = 0; i < n; i++)
		next = list[i].at_ms < next ? list[i].at_ms : next;
	if (next == UINT64_MAX || (t->alarm_at_ms && t->alarm_at_ms <= next))
		return;
	t->alarm_at_ms = next;
	alarm_set(t->alarm, next > now ? next - now : 1);
}

void session_set_idle(struct session *s, uint32_t ms)
{
	s->idle_ms = ms;
	timers_arm(s);
}

void timers_command(struct session *s)
{
	s->timers->command_ms = clock_ms();
	s->timers->rate_count++;
}

void timers_transfer(struct session *s)
{
	s->timers->transfer_ms = clock_ms();
}

static void rate_fired(void *arg)
{
	struct session *s = arg;

	session_ref(s);
	if (s->ctrl)
		session_input(s);
	session_unref(s);
}

bool timers_command_allowed(struct session *s)
{
	const struct ftp_conf *conf = &s->scope->conf;
	struct session_timers *t = s->timers;
	uint64_t interval = (uint64_t)(conf->max_command_rate_secs ? conf->max_command_rate_secs : 1) * 1000;
	uint64_t now = clock_ms();

	if (!conf->max_command_rate)
		return true;
	if (now - t->rate_begin_ms >= interval) {
		t->rate_begin_ms = now;
		t->rate_count = 0;
		t->rate_told = false;
	}
	if (t->rate_count < conf->max_command_rate)
		return true;
	if (!t->rate)
		t->rate = alarm_new(session_loop(s), rate_fired, s);
	if (!t->rate_told)
		session_offence(s, FTP_BAN_MAX_COMMAND_RATE);
	t->rate_told = true;
	alarm_set(t->rate, t->rate_begin_ms + interval - now);
	return false;
}

struct session_timers *timers_new(struct session *s)
{
	struct session_timers *t = xcalloc(1, sizeof *t);

	t->s = s;
	t->alarm = alarm_new(session_loop(s), timers_fired, s);
	t->command_ms = t->transfer_ms = t->login_ms = clock_ms();
	return t;
}

void timers_free(struct session_timers **t)
{
	if (!*t)
		return;
	alarm_free(&(*t)->alarm);
	alarm_free(&(*t)->rate);
	free(*t);
	*t = NULL;
}
