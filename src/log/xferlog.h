/* The transfer log (TransferLog), a line per finished or broken transfer and per deletion, in the format
 * that wu-ftpd made and every log reader knows. */
#ifndef LOG_XFERLOG_H
#define LOG_XFERLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xferlog_direction { XFERLOG_OUT = 'o', XFERLOG_IN = 'i', XFERLOG_DELETE = 'd' };

struct xferlog {                 /* strings are borrowed */
	int64_t wall_secs;       /* when it ended, since 1970 */
	uint64_t duration_ms;    /* whole seconds of it are written */
	const char *remote_host; /* verified name, else address */
	uint64_t bytes;          /* moved by this transfer; of a deletion the file's size */
	const char *path;        /* host path, any bytes */
	bool ascii;
	enum xferlog_direction direction;
	bool anonymous;
	const char *user;    /* local user; of an anonymous one the e-mail given. NULL or "": UNKNOWN */
	const char *service; /* "ftp", "ftps" */
	const char *ident;   /* RFC 1413 name, NULL = none */
	bool complete;
};

#define XFERLOG_LINE_SIZE 10240 /* fits every line of a path that the kernel can open */

/* The line with its newline and a NUL into buf. Returns its length or -ENOBUFS. Blanks and control bytes
 * in fields become '_', so that the number of fields is always the same. */
int xferlog_format(const struct xferlog *x, char *buf, size_t size);
/* Format and append to fd with one write(). 0 or -errno. fd -1: 0. */
int xferlog_write(int fd, const struct xferlog *x);

#endif
