#include "log/tlslog.h"

#include <inttypes.h>
#include <stdbool.h>

#include "log/log_file.h"
#include "base/addr.h"
#include "log/log_priv.h"

static void add(struct log_line *l, const char *name, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	log_line_add(l, " %s=", name);
	log_line_add_field(l, value);
}

size_t tlslog_format(const struct tlslog *t, char *buf, size_t size)
{
	const struct addr *client = NULL;
	const char *user = NULL;
	char text[ADDR_TEXT_MAX];
	struct log_line l;
	unsigned sid = 0;
	size_t begin;

	for (const struct log_ctx *c = t->ctx; c != NULL; c = c->parent) { /* the innermost counts */
		client = client != NULL ? client : c->client;
		user = user != NULL ? user : c->user;
		sid = sid != 0 ? sid : c->sid;
	}
	log_line_init(&l, buf, size - 1); /* one for the newline */
	log_line_add_iso(&l, t->wall_ms);
	log_line_add(&l, " %s", t->channel);
	if (sid != 0)
		log_line_add(&l, " sid=%u", sid);
	add(&l, "client", client != NULL ? addr_text(client, text) : NULL);
	add(&l, "user", user);
	begin = l.at;
	log_line_add(&l, ": %s", t->text);
	if (t->duration_ms >= 0)
		log_line_add(&l, ", %" PRId64 " ms", t->duration_ms);
	for (size_t i = begin; i < l.at; i++) {
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = '_';
	}
	buf[l.at++] = '\n';
	buf[l.at] = '\0';
	return l.at;
}

int tlslog_write(int fd, const struct tlslog *t)
{
	char buf[TLSLOG_LINE_SIZE];
	size_t n;

	if (fd < 0)
		return 0;
	n = tlslog_format(t, buf, sizeof(buf));
	return log_file_write(fd, buf, n);
}
