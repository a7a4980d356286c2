#include "tools/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "tools/format.h"

/* Texts of a session fit for a terminal; static room, one session at a time. */
struct shown {
	char user[SCORE_USER_MAX], cmd[SCORE_CMD_MAX], arg[SCORE_ARG_MAX], name[SCORE_NAME_MAX],
		ip[ADDR_TEXT_MAX];
	char server[ADDR_TEXT_MAX + 10], label[SCORE_LABEL_MAX], protocol[SCORE_PROTOCOL_MAX];
	char cwd[SCORE_CWD_MAX], class_name[SCORE_CLASS_MAX];
};

static void shown_fill(struct shown *w, const struct score_session *s)
{
	w->ip[0] = '\0';
	if (s->client.sa.sa_family != 0)
		(void)addr_text(&s->client, w->ip);
	format_clean(w->user, sizeof(w->user), s->user);
	format_clean(w->cmd, sizeof(w->cmd), s->cmd);
	format_clean(w->arg, sizeof(w->arg), s->arg);
	format_clean(w->name, sizeof(w->name), s->client_name[0] != '\0' ? s->client_name : w->ip);
	format_addr_port(w->server, &s->server);
	format_clean(w->label, sizeof(w->label), s->label);
	format_clean(w->protocol, sizeof(w->protocol), s->protocol);
	format_clean(w->cwd, sizeof(w->cwd), s->cwd);
	format_clean(w->class_name, sizeof(w->class_name), s->class_name);
}

void who_class_add(struct who_classes *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		if (str_eq(c->row[i].name, name)) {
			c->row[i].count++;
			return;
		}
	}
	if (c->count == c->room) {
		c->room = c->room != 0 ? c->room * 2 : 8;
		c->row = xrealloc(c->row, c->room * sizeof(*c->row));
	}
	(void)str_copy(c->row[c->count].name, sizeof(c->row[0].name), name); /* same size as its source */
	c->row[c->count++].count = 1;
}

void who_classes_done(struct who_classes *c)
{
	free(c->row);
	memset(c, 0, sizeof(*c));
}

bool who_wanted(const struct score_session *s, const char *server)
{
	char cut[SCORE_LABEL_MAX];

	if (server == NULL)
		return true;
	(void)str_copy(cut, sizeof(cut), server); /* as it was cut when stored */
	return str_eq(s->label, cut);
}

static int server_line(struct buf *out, const char *server)
{
	return server != NULL ? buf_printf(out, "Wherry Server '%s'\n", server) : 0;
}

int who_head(struct buf *out, const struct score_daemon *d, const struct who_style *style)
{
	char up[FORMAT_TIME_MAX];
	int r;

	if (d->server == SCORE_INETD)
		r = buf_puts(out, "inetd FTP daemon:\n");
	else
		r = buf_printf(out, "standalone FTP daemon [%d], up for %s\n", (int)d->pid,
			format_uptime(up, d->started_ms, style->now_ms));
	return r < 0 ? r : server_line(out, style->server);
}

int who_count_head(struct buf *out, const struct score_daemon *d, const char *server)
{
	char program[sizeof(d->program)];
	int r;

	if (d->server == SCORE_INETD)
		r = buf_puts(out, "inetd FTP connections:\n");
	else
		r = buf_printf(out, "Master %s process %d:\n",
			format_clean(program, sizeof(program), d->program), (int)d->pid);
	return r < 0 ? r : server_line(out, server);
}

int who_tail(struct buf *out, const struct who_classes *c, const char *nobody)
{
	char name[SCORE_CLASS_MAX];
	int r = 0;
	size_t i;

	if (c->count == 0)
		return buf_printf(out, "%s\n", nobody);
	for (i = 0; i < c->count && r == 0; i++)
		r = buf_printf(out, "Service class %-20s - %3u user%s\n",
			format_clean(name, sizeof(name), c->row[i].name), c->row[i].count,
			c->row[i].count == 1 ? "" : "s");
	return r;
}

/* "RETR file"; no blank at the end of a command without argument. */
static int put_command(struct buf *out, const struct shown *w)
{
	return buf_printf(out, "%s%s%s", w->cmd, w->arg[0] != '\0' ? " " : "", w->arg);
}

static int classic_line(
	struct buf *out, const struct score_session *s, const struct shown *w, uint64_t now_ms)
{
	char time[FORMAT_TIME_MAX], buf[FORMAT_PERCENT_MAX];
	const char *percent = format_percent_shown(buf, s);
	int r;

	r = buf_printf(
		out, "%5d %-8s [%6s] ", (int)s->pid, w->user, format_duration(time, s->begin_ms, now_ms));
	if (r < 0)
		return r;
	if (!s->logged_in)
		return buf_puts(out, "(authenticating)");
	if (s->idle)
		return buf_printf(out, "%6s idle", format_duration(time, s->since_ms, now_ms));
	if (percent != NULL)
		r = buf_printf(out, "(%3s%%) ", percent);
	else
		r = buf_puts(out, "(n/a) ");
	return r < 0 ? r : put_command(out, w);
}

static int compat_line(struct buf *out, const struct score_session *s, const struct shown *w, uint64_t now_ms)
{
	char time[FORMAT_TIME_MAX], percent[FORMAT_PERCENT_MAX];
	struct format_transfer t = format_transfer(s);
	enum format_kind kind = format_kind(s->cmd);
	int r;

	r = buf_printf(out, "%5d %-6s ", (int)s->pid, format_duration(time, s->since_ms, now_ms));
	if (r < 0)
		return r;
	if (!s->logged_in)
		return buf_puts(out, "(authenticating)");
	if (s->idle)
		return buf_puts(out, "idle");
	if ((kind == FORMAT_DOWNLOAD || kind == FORMAT_UPLOAD) && t.size > 0)
		r = buf_printf(out, "(%s%%) ", format_percent_text(percent, t.done, t.size));
	else if (kind == FORMAT_UPLOAD)
		r = buf_puts(out, "(n/a) ");
	return r < 0 ? r : put_command(out, w);
}

/* One item of the details: on a line of its own after the indent, or after one blank. */
static int item_start(struct buf *out, const struct who_style *style, const char *indent)
{
	if (style->oneline)
		return buf_putc(out, ' ');
	return buf_printf(out, "\n%s", indent);
}

/* "<before><value><after>", unless value is empty. */
static int item(struct buf *out, const struct who_style *style, const char *indent, const char *before,
	const char *value, const char *after)
{
	int r;

	if (value[0] == '\0')
		return 0;
	r = item_start(out, style, indent);
	return r < 0 ? r : buf_printf(out, "%s%s%s", before, value, after);
}

static int classic_details(
	struct buf *out, const struct score_session *s, const struct shown *w, const struct who_style *style)
{
	char text[SCORE_NAME_MAX + ADDR_TEXT_MAX + 8], id[16];
	double rate = format_rate(s, style->now_ms);
	int r = 0;

	if (s->logged_in && !s->idle) {
		(void)snprintf(text, sizeof(text), "%.2f", rate < 0 ? 0.0 : rate / 1024.0); /* fits */
		r = item(out, style, "\t", "KB/s: ", text, "");
	}
	(void)snprintf(text, sizeof(text), "%s [%s]", w->name, w->ip); /* fits */
	if (r == 0 && w->ip[0] != '\0')
		r = item(out, style, "\t", "client: ", text, "");
	(void)snprintf(
		text, sizeof(text), w->label[0] != '\0' ? "%s (%s)" : "%s", w->server, w->label); /* fits */
	if (r == 0 && w->server[0] != '\0')
		r = item(out, style, "\t", "server: ", text, "");
	if (r == 0)
		r = item(out, style, "\t", "protocol: ", w->protocol, "");
	if (r == 0 && s->logged_in)
		r = item(out, style, "\t", "location: ", w->cwd, "");
	if (r == 0)
		r = item(out, style, "\t", "class: ", w->class_name, "");
	(void)snprintf(id, sizeof(id), "%u", s->id); /* fits */
	if (r == 0)
		r = item(out, style, "\t", "session: ", id, "");
	return r < 0 || !format_transfer(s).begun
		       ? r
		       : item(out, style, "\t", "source: ", score_path_name(s->path), "");
}

static int compat_details(
	struct buf *out, const struct score_session *s, const struct shown *w, const struct who_style *style)
{
	char text[SCORE_NAME_MAX + ADDR_TEXT_MAX + 8], id[16];
	const char *first = "             ", *indent = "              ";
	int r = 0;

	(void)snprintf(text, sizeof(text), "%s [%s]", w->name, w->ip); /* fits */
	if (w->ip[0] != '\0')
		r = item(out, style, first, "(host: ", text, ")");
	if (r == 0)
		r = item(out, style, indent, "(protocol: ", w->protocol, ")");
	if (r == 0 && s->logged_in)
		r = item(out, style, indent, "(cwd: ", w->cwd, ")");
	if (r == 0)
		r = item(out, style, indent, "(class: ", w->class_name, ")");
	(void)snprintf(id, sizeof(id), "%u", s->id); /* fits */
	return r < 0 ? r : item(out, style, indent, "(session: ", id, ")");
}

int who_session(struct buf *out, const struct score_session *s, const struct who_style *style)
{
	static struct shown w;
	int r;

	shown_fill(&w, s);
	if (style->compat)
		r = compat_line(out, s, &w, style->now_ms);
	else
		r = classic_line(out, s, &w, style->now_ms);
	if (r == 0 && style->verbose && style->compat)
		r = compat_details(out, s, &w, style);
	else if (r == 0 && style->verbose)
		r = classic_details(out, s, &w, style);
	return r < 0 ? r : buf_putc(out, '\n');
}
