#include "log/log_syslog.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "log/log_priv.h"

#define SYSLOG_LINE_SIZE 8192 /* what daemons take in one datagram */

static int reconnect(const struct log_syslog *s)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	memcpy(to.sun_path, s->path, sizeof(s->path)); /* both 108, NUL-terminated */
	return connect(s->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

int log_syslog_open(struct log_syslog *s, const char *path, const char *ident)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (strlen(path) >= sizeof(s->path))
		return -ENAMETOOLONG;
	strcpy(s->path, path);
	(void)str_copy(s->ident, sizeof(s->ident), ident);
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return s->fd < 0 ? -errno : reconnect(s);
}

void log_syslog_close(struct log_syslog *s)
{
	fd_close(&s->fd);
}

static int send_line(const struct log_syslog *s, const struct log_line *l)
{
	return send(s->fd, l->buf, l->at, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void log_syslog_write(struct log_syslog *s, int priority, const char *line)
{
	char buf[SYSLOG_LINE_SIZE];
	struct log_line l;
	struct tm tm;

	if (s->fd < 0)
		return;
	log_local_time((int64_t)(clock_wall_ms() / 1000), &tm);
	log_line_init(&l, buf, sizeof(buf));
	log_line_add(&l, "<%d>%s %2d %02d:%02d:%02d %s[%d]: %s", priority, clock_month_name[tm.tm_mon],
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, s->ident, (int)getpid(), line);
	switch (send_line(s, &l)) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENOTCONN:
	case -EDESTADDRREQ: /* the daemon was restarted */
		if (reconnect(s) == 0)
			(void)send_line(s, &l); /* there is nobody to tell */
		break;
	default:
		break; /* sent, or the daemon does not keep up: the line is lost */
	}
}

/* By value; synonyms follow. */
static const struct {
	const char *name;
	int value;
} level_name[] = {
	{"emerg", LOG_EMERG},
	{"alert", LOG_ALERT},
	{"crit", LOG_CRIT},
	{"err", LOG_ERR},
	{"warning", LOG_WARNING},
	{"notice", LOG_NOTICE},
	{"info", LOG_INFO},
	{"debug", LOG_DEBUG},
	{"error", LOG_ERR},
	{"warn", LOG_WARNING},
	{"panic", LOG_EMERG},
};

int log_level_parse(const char *name, int *ret_level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_name); i++) {
		if (str_eq_nocase(level_name[i].name, name)) {
			*ret_level = level_name[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(int level)
{
	return level >= 0 && level <= LOG_DEBUG ? level_name[level].name : "unknown";
}
