/* The syslog daemon: one datagram a line over a socket that is opened before the sandbox is and inherited.
 * Never blocks: when the daemon does not keep up, lines are lost. */
#ifndef LOG_LOG_SYSLOG_H
#define LOG_LOG_SYSLOG_H

#include <stddef.h>

#define LOG_SYSLOG_PATH "/dev/log"

struct log_syslog {
	int fd;         /* -1: not open, writing does nothing */
	char path[108]; /* to connect again when the daemon was restarted */
	char ident[32]; /* before "[pid]" */
};

/* path: LOG_SYSLOG_PATH but in tests. 0 or -errno; then *s is usable and tries again at each line. */
int log_syslog_open(struct log_syslog *s, const char *path, const char *ident);
/* priority: facility | level. line without newline. */
void log_syslog_write(struct log_syslog *s, int priority, const char *line);
void log_syslog_close(struct log_syslog *s);

/* "notice" -> LOG_NOTICE and back; also "error", "warning" as synonyms. -EINVAL when unknown. */
int log_level_parse(const char *name, int *ret_level);
const char *log_level_name(int level);

#endif
