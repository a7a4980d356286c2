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

/* MaxCommandRate. */
struct command_rate {
	struct alarm *alarm; /* a command waits for it; NULL until one had to */
	uint64_t begin_ms;   /* of the interval */
	unsigned count;
	bool told; /* BanOnEvent, in this interval */
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
	const struct session_timers *t = &s->timers;
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

	s->timers.alarm_at_ms = 0;
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
	struct session_timers *t = &s->timers;
	struct deadline list[5];
	uint64_t now = clock_ms(), next = UINT64_MAX;
	unsigned n;

	if (!t->alarm || s->state >= SESSION_CLOSING || (s->end && s->end != SESSION_END_SHUTDOWN))
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
	s->timers.command_ms = clock_ms();
	if (s->timers.rate)
		s->timers.rate->count++;
}

void timers_transfer(struct session *s)
{
	s->timers.transfer_ms = clock_ms();
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
	uint64_t interval = (uint64_t)(conf->max_command_rate_secs ? conf->max_command_rate_secs : 1) * 1000;
	uint64_t now = clock_ms();
	struct command_rate *rate;

	if (!conf->max_command_rate)
		return true;
	if (!s->timers.rate)
		s->timers.rate = xcalloc(1, sizeof *rate);
	rate = s->timers.rate;
	if (now - rate->begin_ms >= interval) {
		rate->begin_ms = now;
		rate->count = 0;
		rate->told = false;
	}
	if (rate->count < conf->max_command_rate)
		return true;
	if (!rate->alarm)
		rate->alarm = alarm_new(session_loop(s), rate_fired, s);
	if (!rate->told)
		session_offence(s, FTP_BAN_MAX_COMMAND_RATE);
	rate->told = true;
	alarm_set(rate->alarm, rate->begin_ms + interval - now);
	return false;
}

void timers_begin(struct session *s)
{
	struct session_timers *t = &s->timers;

	t->alarm = alarm_new(session_loop(s), timers_fired, s);
	t->command_ms = t->transfer_ms = t->login_ms = clock_ms();
}

void timers_end(struct session *s)
{
	struct session_timers *t = &s->timers;

	alarm_free(&t->alarm);
	if (t->rate)
		alarm_free(&t->rate->alarm);
	free(t->rate);
	t->rate = NULL;
}
