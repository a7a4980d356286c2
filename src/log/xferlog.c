#include "log/xferlog.h"

#include <errno.h>
#include <inttypes.h>

#include "log/log_file.h"
#include "log/log_priv.h"

static void add(struct log_line *l, const char *s, const char *unknown)
{
	log_line_add(l, " ");
	log_line_add_field(l, s != NULL && *s != '\0' ? s : unknown);
}

int xferlog_format(const struct xferlog *x, char *buf, size_t size)
{
	struct log_line l;

	if (size == 0)
		return -ENOBUFS;
	log_line_init(&l, buf, size);
	log_line_add_ctime(&l, x->wall_secs);
	log_line_add(&l, " %" PRIu64, x->duration_ms / 1000);
	add(&l, x->remote_host, "-");
	log_line_add(&l, " %" PRIu64, x->bytes);
	add(&l, x->path, "-");
	log_line_add(&l, " %c _ %c %c", x->ascii ? 'a' : 'b', (char)x->direction, x->anonymous ? 'a' : 'r');
	add(&l, x->user, "UNKNOWN");
	add(&l, x->service, "ftp");
	log_line_add(&l, x->ident != NULL ? " 1" : " 0");
	add(&l, x->ident, "*");
	log_line_add(&l, " %c\n", x->complete ? 'c' : 'i');
	return l.cut ? -ENOBUFS : (int)l.at;
}

int xferlog_write(int fd, const struct xferlog *x)
{
	char buf[XFERLOG_LINE_SIZE];
	int n;

	if (fd < 0)
		return 0;
	n = xferlog_format(x, buf, sizeof(buf));
	return n < 0 ? n : log_file_write(fd, buf, (size_t)n);
}
