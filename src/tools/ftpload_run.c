/* The loop, and who does what next. */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "tools/ftpload.h"

#define EVENTS         256
#define MESSAGES_MAX   10 /* of tolerated errors */
#define NOOPS_PER_TURN 64

bool load_watch(struct load *l, struct load_source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	if (s->watched && s->events == events)
		return true;
	if (epoll_ctl(l->epoll_fd, s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &e) < 0)
		return false;
	s->watched = true;
	s->events = events;
	return true;
}

void load_unwatch(struct load *l, struct load_source *s)
{
	if (s->watched)
		(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->watched = false;
	fd_close(&s->fd);
}

static void postpone(struct load_session *s)
{
	s->pending = true;
	s->load->any_pending = true;
}

/* May another operation begin? */
static bool more(const struct load *l)
{
	if (l->phase != LOAD_PHASE_RUN || l->failed || (l->end_us != 0 && clock_us() >= l->end_us))
		return false;
	return l->opt->count == 0 || l->ops_begun < l->opt->count;
}

static void begin(struct load_session *s)
{
	s->op = s->load->ops_begun++;
	s->has_op = true;
	s->load->busy++;
	load_session_begin(s);
}

/* The session is free: it begins something, or waits. */
static void next(struct load_session *s)
{
	struct load *l = s->load;

	if (l->opt->mode != LOAD_IDLE && more(l))
		begin(s);
	else if (l->phase == LOAD_PHASE_RUN && l->busy == 0 && (l->opt->mode != LOAD_IDLE || !more(l)))
		l->over = true;
}

static void start_another(struct load *l)
{
	if (l->started < l->opt->sessions)
		load_session_connect(&l->sessions[l->started++]);
}

void load_logged_in(struct load_session *s)
{
	struct load *l = s->load;

	if (l->phase != LOAD_PHASE_LOGIN) { /* after an error */
		next(s);
		return;
	}
	if (++l->logged_in == l->opt->sessions)
		l->over = true;
	start_another(l);
}

static void op_over(struct load_session *s)
{
	s->has_op = false;
	s->load->busy--;
}

void load_op_done(struct load_session *s)
{
	load_samples_add(&s->load->op_times, clock_us() - s->start_us);
	s->load->ops_done++;
	op_over(s);
	next(s);
}

void load_session_closed(struct load_session *s)
{
	struct load *l = s->load;

	if (l->opt->mode == LOAD_LOGIN && s->has_op) {
		load_samples_add(&l->op_times, clock_us() - s->start_us);
		l->ops_done++;
		op_over(s);
		postpone(s); /* a new connection not in the middle of the old one's events */
		return;
	}
	if (l->phase == LOAD_PHASE_END && --l->started == 0)
		l->over = true;
}

void load_fail(struct load_session *s, const char *fmt, ...)
{
	struct load *l = s->load;
	char text[LOAD_LINE_MAX + 200], shown[2 * sizeof(text)];
	va_list ap;

	if (l->failed || s->state == LOAD_CLOSED)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->errors++;
	if (l->phase != LOAD_PHASE_END && (l->errors <= MESSAGES_MAX || l->errors > l->opt->errors_max))
		(void)fprintf(stderr, "ftpload: %s port %s: session %u: %s\n", l->opt->host, l->opt->port,
			s->number, str_escape(text, shown, sizeof(shown))); /* a server wrote it */
	load_data_close(s);
	load_ctrl_close(s);
	s->state = LOAD_CLOSED;
	if (l->phase == LOAD_PHASE_END) { /* everything is measured: how a session ends is of no interest */
		l->errors--;
		load_session_closed(s);
		return;
	}
	if (s->has_op)
		op_over(s);
	if (l->errors > l->opt->errors_max)
		l->failed = l->over = true;
	else
		postpone(s);
}

static void run_pending(struct load *l)
{
	while (l->any_pending && !l->failed) {
		l->any_pending = false;
		for (unsigned i = 0; i < l->opt->sessions; i++) {
			struct load_session *s = &l->sessions[i];

			if (!s->pending)
				continue;
			s->pending = false;
			if (l->opt->mode == LOAD_LOGIN)
				next(s);
			else if (l->phase == LOAD_PHASE_LOGIN || more(l))
				load_session_connect(s);
			else
				next(s);
		}
	}
}

/* NOOPs that are due. */
static void tick(struct load *l)
{
	uint64_t due = 0;

	if (read(l->timer_fd, &due, sizeof(due)) != (ssize_t)sizeof(due) || !more(l))
		return;
	if (due > NOOPS_PER_TURN) { /* the load itself had no processor */
		l->skipped += due - NOOPS_PER_TURN;
		due = NOOPS_PER_TURN;
	}
	for (; due > 0; due--) {
		unsigned tries = l->opt->sessions;

		while (tries > 0 && l->sessions[l->next_idle].state != LOAD_READY) {
			l->next_idle = (l->next_idle + 1) % l->opt->sessions;
			tries--;
		}
		if (tries == 0) {
			l->skipped += due;
			return;
		}
		begin(&l->sessions[l->next_idle]);
		l->next_idle = (l->next_idle + 1) % l->opt->sessions;
	}
}

static void look_for_silence(struct load *l)
{
	uint64_t now = clock_ms();

	for (unsigned i = 0; i < l->opt->sessions && !l->failed; i++) {
		struct load_session *s = &l->sessions[i];

		if (s->state != LOAD_CLOSED && s->state != LOAD_READY &&
			now - s->alive_ms >= l->opt->timeout_ms)
			load_fail(s, "%s: no sign of life for %u s", s->command, l->opt->timeout_ms / 1000);
	}
}

static int turn_ms(const struct load *l)
{
	uint64_t now = clock_us();

	if (l->phase != LOAD_PHASE_RUN || l->end_us == 0)
		return 500;
	if (now >= l->end_us)
		return l->opt->mode == LOAD_RATE ? 0 : 500;
	return l->end_us - now >= 500000 ? 500 : (int)((l->end_us - now) / 1000) + 1;
}

static void loop(struct load *l)
{
	struct epoll_event events[EVENTS];
	uint64_t looked_ms = clock_ms();

	l->over = false;
	run_pending(l);
	while (!l->over && !l->failed) {
		int n = epoll_wait(l->epoll_fd, events, EVENTS, turn_ms(l));

		for (int i = 0; i < n && !l->failed; i++) {
			struct load_source *s = events[i].data.ptr;

			if (s == NULL)
				tick(l);
			else if (s->fd >= 0) /* not closed by an event before */
				s->ready(s->session, events[i].events);
		}
		run_pending(l);
		if (l->phase == LOAD_PHASE_RUN && l->end_us != 0 && clock_us() >= l->end_us &&
			(l->busy == 0 || l->opt->mode == LOAD_RATE))
			l->over = true;
		if (clock_ms() - looked_ms >= 500) {
			look_for_silence(l);
			run_pending(l);
			looked_ms = clock_ms();
		}
	}
}

/* With --pause: say where we are and wait for a line (or the end of the input). */
static void barrier(struct load *l, const char *word)
{
	char c;

	if (!l->opt->pause || l->failed)
		return;
	(void)printf("%s\n", word);
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		;
	for (unsigned i = 0; i < l->opt->sessions; i++)
		l->sessions[i].alive_ms = clock_ms();
}

static double cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int set_timer(struct load *l)
{
	uint64_t ns = 1000000000u / l->opt->noops;
	struct itimerspec t = {.it_interval = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}};
	struct epoll_event e = {.events = EPOLLIN};

	t.it_value = t.it_interval;
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timer_fd < 0 || timerfd_settime(l->timer_fd, 0, &t, NULL) < 0 ||
		epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &e) < 0)
		return -errno;
	return 0;
}

static void measured_part(struct load *l)
{
	double cpu = cpu_seconds();

	l->phase = LOAD_PHASE_RUN;
	l->start_us = clock_us();
	if (l->opt->seconds > 0)
		l->end_us = l->start_us + (uint64_t)l->opt->seconds * 1000000;
	if (l->opt->mode == LOAD_IDLE) {
		int r = set_timer(l);

		if (r < 0) {
			(void)fprintf(stderr, "ftpload: timer: %s\n", err_text(r));
			l->failed = true;
		}
	} else {
		for (unsigned i = 0; i < l->opt->sessions && !l->failed; i++)
			next(&l->sessions[i]);
	}
	loop(l);
	l->end_us = clock_us();
	l->client_cpu = cpu_seconds() - cpu;
}

static void say_goodbye(struct load *l)
{
	l->phase = LOAD_PHASE_END;
	fd_close(&l->timer_fd);
	l->started = 0;
	for (unsigned i = 0; i < l->opt->sessions; i++)
		l->started += l->sessions[i].state != LOAD_CLOSED;
	if (l->started == 0)
		return;
	for (unsigned i = 0; i < l->opt->sessions; i++) {
		struct load_session *s = &l->sessions[i];

		if (s->state == LOAD_READY) {
			load_session_quit(s);
		} else if (s->state != LOAD_CLOSED) { /* in the middle of a download with a rate */
			load_data_close(s);
			load_ctrl_close(s);
			s->state = LOAD_CLOSED;
			load_session_closed(s);
		}
	}
	if (l->started > 0)
		loop(l);
}

static int resolve(struct load *l)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	int r = getaddrinfo(l->opt->host, l->opt->port, &hints, &found);

	if (r != 0) {
		(void)fprintf(
			stderr, "ftpload: %s port %s: %s\n", l->opt->host, l->opt->port, gai_strerror(r));
		return -1;
	}
	r = addr_from_sockaddr(found->ai_addr, found->ai_addrlen, &l->addr);
	freeaddrinfo(found);
	return r;
}

/* The file that uploads send again and again: noise, so that nothing on the way can make it smaller. */
static int make_pattern(void)
{
	int fd = memfd_create("ftpload", MFD_CLOEXEC);
	uint64_t *words, x = 88172645463325252u;
	int r;

	if (fd < 0)
		return -1;
	words = xmalloc(LOAD_PATTERN_BYTES);
	for (size_t i = 0; i < LOAD_PATTERN_BYTES / sizeof(*words); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
	r = fd_write_all(fd, words, LOAD_PATTERN_BYTES);
	free(words);
	if (r < 0)
		fd_close(&fd);
	return fd;
}

static int prepare(struct load *l)
{
	const struct load_options *o = l->opt;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (resolve(l) < 0)
		return -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (o->mode == LOAD_PUT)
		l->pattern_fd = make_pattern();
	if (l->epoll_fd < 0 || (o->mode == LOAD_PUT && l->pattern_fd < 0)) {
		(void)fprintf(stderr, "ftpload: %s\n", strerror(errno));
		return -1;
	}
	l->bins = o->mode == LOAD_RATE ? (size_t)o->seconds * 1000 / LOAD_BIN_MS : 0;
	l->sessions = xcalloc(o->sessions, sizeof(*l->sessions));
	for (unsigned i = 0; i < o->sessions; i++) {
		struct load_session *s = &l->sessions[i];

		s->load = l;
		s->number = i;
		s->ctrl.fd = s->data.source.fd = -1;
		if (l->bins > 0)
			s->bins = xcalloc(l->bins, sizeof(*s->bins));
	}
	return 0;
}

static void clean(struct load *l)
{
	if (l->sessions != NULL)
		for (unsigned i = 0; i < l->opt->sessions; i++)
			load_session_done(&l->sessions[i]);
	free(l->sessions);
	load_samples_done(&l->op_times);
	load_samples_done(&l->login_times);
	load_samples_done(&l->first_times);
	SSL_CTX_free(l->ctx);
	fd_close(&l->epoll_fd);
	fd_close(&l->timer_fd);
	fd_close(&l->pattern_fd);
}

int load_run(struct load *l)
{
	l->epoll_fd = l->timer_fd = l->pattern_fd = -1;
	l->failed = prepare(l) < 0;
	if (!l->failed && l->opt->mode != LOAD_LOGIN) {
		l->phase = LOAD_PHASE_LOGIN;
		for (unsigned i = 0; i < l->opt->parallel && !l->failed; i++)
			start_another(l);
		loop(l);
	}
	barrier(l, "ready");
	if (!l->failed)
		measured_part(l);
	barrier(l, "done");
	if (!l->failed)
		say_goodbye(l);
	if (!l->failed)
		load_report(l);
	clean(l);
	return l->failed ? 1 : 0;
}
