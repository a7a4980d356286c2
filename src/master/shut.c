/* The shutdown message file of ftpshut(8): from its "deny" time on nobody logs in, from its "disconnect"
 * time on sessions are ended. Taking the file away brings the server back. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/shutmsg.h"
#include "master/master.h"

#define LOOK_MS  1000  /* before an admission: at most this often */
#define CHECK_MS 60000 /* without connections */
#define FILE_MAX 4096

struct shut {
	uint64_t looked_ms;
	bool active, ended; /* ended: sessions were told */
	struct shutmsg msg;
};

static const char *shut_path(void)
{
	const char *path = getenv("WHERRY_SHUTMSG"); /* for tests; the daemon's own environment */

	return path != NULL ? path : SHUTMSG_PATH;
}

static void look(struct master *m, uint64_t now)
{
	struct shut *s = m->shut;
	auto_fd int fd = -1;
	struct stat st;
	char *text;

	if (s == NULL)
		s = m->shut = xcalloc(1, sizeof(*s));
	if (s->looked_ms != 0 && now - s->looked_ms < LOOK_MS)
		return;
	s->looked_ms = now;
	s->active = false;
	fd = open(shut_path(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		fd_read_all(fd, FILE_MAX, &text, NULL) == 0) {
		s->active = shutmsg_parse(text, &s->msg) == 0;
		if (!s->active)
			log_warn(&m->log, "shutdown message file '%s' cannot be read, ignoring it",
				shut_path());
		free(text);
	}
	if (!s->active)
		s->ended = false;
}

static void put_time(char *dst, size_t size, time_t t)
{
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(dst, size, "%a %b %e %H:%M:%S %Y", &tm) == 0)
		(void)snprintf(dst, size, "-");
}

/* The message with its cookies that mean the same for everyone; others are left out. */
static void expand(const struct master *m, const struct shutmsg *msg, char *dst, size_t size)
{
	size_t n = 0;

	for (const char *p = msg->text; *p != '\0' && n + 64 < size; p++) {
		char word[256] = "";

		if (*p != '%') {
			dst[n++] = *p;
			continue;
		}
		switch (*++p) {
		case 's':
			put_time(word, sizeof(word), msg->when);
			break;
		case 'r':
			put_time(word, sizeof(word), msg->deny);
			break;
		case 'd':
			put_time(word, sizeof(word), msg->disconnect);
			break;
		case 'T':
			put_time(word, sizeof(word), time(NULL));
			break;
		case 'V':
			(void)snprintf(word, sizeof(word), "%s",
				m->gen->config->servers[0]->scope->conf.server_name);
			break;
		case 'E':
			(void)snprintf(word, sizeof(word), "%s",
				m->gen->config->servers[0]->scope->conf.server_admin);
			break;
		case 'L':
			(void)snprintf(word, sizeof(word), "%s", m->gen->config->servers[0]->fqdn);
			break;
		case 'N':
			(void)snprintf(word, sizeof(word), "%u", m->n_sessions);
			break;
		case 'M':
			(void)snprintf(word, sizeof(word), "%u", m->gen->config->max_instances);
			break;
		case '%':
			(void)snprintf(word, sizeof(word), "%%");
			break;
		case '\0':
			p--;
			break;
		default:
			break;
		}
		n += (size_t)snprintf(dst + n, size - n, "%s", word);
		if (n >= size)
			n = size - 1;
	}
	dst[n] = '\0';
}

bool shut_denies(struct master *m, char *text, size_t size)
{
	char msg[512];

	look(m, clock_ms());
	if (!m->shut->active || time(NULL) < m->shut->msg.deny)
		return false;
	expand(m, &m->shut->msg, msg, sizeof(msg));
	(void)snprintf(text, size, "500 FTP server shut down (%s) -- please try again later", msg);
	return true;
}

static void end_sessions(struct master *m)
{
	char msg[512], text[700];
	struct ipc_kick k = {.sid = 0, .text = text};

	expand(m, &m->shut->msg, msg, sizeof(msg));
	(void)snprintf(text, sizeof(text), "421 FTP server shutting down - %s", msg);
	for (struct list *it = m->children.next; it != &m->children; it = it->next) {
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->role == IPC_SESSION)
			(void)child_send(c, IPC_KICK, &k, -1); /* a dead child is reaped soon */
	}
	log_notice(&m->log, "sessions were ended by the shutdown message file");
}

uint64_t shut_tick(struct master *m, uint64_t now)
{
	uint64_t next;

	if (m->shut != NULL && now - m->shut->looked_ms < CHECK_MS && !(m->shut->active && !m->shut->ended))
		return m->shut->looked_ms + CHECK_MS;
	look(m, now);
	if (m->shut->active && !m->shut->ended && time(NULL) >= m->shut->msg.disconnect) {
		end_sessions(m);
		m->shut->ended = true;
	}
	next = m->shut->looked_ms + (m->shut->active && !m->shut->ended ? LOOK_MS : CHECK_MS);
	return next > now ? next : now + LOOK_MS;
}
