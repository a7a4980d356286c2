/* Where the diagnostic lines of base/log.h go: standard error, a file (SystemLog) or syslog, as text or as
 * JSON.
 *
 * Text in a file:
 *   2026-11-22 04:42:16,123 host wherryd[71] host (192.0.2.7[192.0.2.7]): message [process=session user=alice sid=7]
 * (the client part only where a client is known: login filters look for it), one write() a line. On standard
 * error the host is left out, in syslog what syslog adds itself. As JSON, one object a line:
 *   {"time": "2026-11-22T03:42:16.123Z", "level": "notice", "pid": 71, "process": "session", "client": "192.0.2.7",
 *    "user": "alice", "sid": 7, "message": "..."}
 */
#ifndef LOG_LOG_SINK_H
#define LOG_LOG_SINK_H

#include <stdbool.h>

#include "log/log_syslog.h"

enum log_sink_kind { LOG_SINK_STDERR, LOG_SINK_FILE, LOG_SINK_SYSLOG };

struct log_sink {
	enum log_sink_kind kind;
	int fd;                 /* LOG_SINK_FILE: see log_file.h; kept */
	struct log_syslog *sys; /* LOG_SINK_SYSLOG: kept */
	int facility;           /* LOG_SINK_SYSLOG */
	const char *program;    /* "wherryd"; kept */
	bool json;
};

/* Send everything that base/log.h lets through to sink, which is copied. Call it again to change. Also
 * reads the time zone, so call it before the sandbox closes /etc. */
void log_sink_install(const struct log_sink *sink);

#endif
