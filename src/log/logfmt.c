#include "log/logfmt.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "log/log_priv.h"

struct item;
typedef int render_fn(const struct item *it, const struct log_record *rec, struct buf *out);

/* A variable: how it is written in a format, and where its value is. */
struct var {
	char letter;      /* "%b", or 0 */
	const char *name; /* "%{file-size}", or NULL */
	enum { VAR_TEXT, VAR_NUMBER, VAR_CALL } kind;
	size_t offset;      /* of the field in struct log_record */
	const char *unset;  /* VAR_TEXT: for NULL and "" */
	render_fn *render;  /* VAR_CALL */
	const char *prefix; /* "note:": the rest of the name is the item's argument */
};

struct item {
	const struct var *var; /* NULL: text as it is */
	const char *text;      /* that text, or the argument of var with a NUL */
	size_t len;
};

struct logfmt {
	char *text; /* the items point into it */
	unsigned n;
	struct item item[];
};

/* --- values --- */

/* Append; at the maximum of out what fits. 0 or -ENOMEM. */
static int put(struct buf *out, const char *s, size_t n)
{
	int r = buf_append(out, s, n);

	return r == -ENOBUFS ? buf_append(out, s, utf8_cut(s, n, out->max - out->len)) : r;
}

static bool is_plain(const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

static int put_escaped(struct buf *out, const char *s)
{
	size_t n = strlen(s);
	char *safe;
	int r;

	if (is_plain(s))
		return put(out, s, n);
	if (n > LOGFMT_LINE_MAX)
		n = LOGFMT_LINE_MAX; /* more is cut anyway */
	safe = malloc(4 * n + 5);
	if (safe == NULL)
		return -ENOMEM;
	(void)str_escape(s, safe, 4 * n + 5);
	r = put(out, safe, strlen(safe));
	free(safe);
	return r;
}

static int put_text(struct buf *out, const char *s, const char *unset)
{
	return s != NULL && *s != '\0' ? put_escaped(out, s) : put(out, unset, strlen(unset));
}

static int put_line(struct buf *out, const struct log_line *l)
{
	return put(out, l->buf, l->at);
}

static int put_number(struct buf *out, int64_t v)
{
	char text[24];
	struct log_line l;

	if (v < 0)
		return put(out, "-", 1);
	log_line_init(&l, text, sizeof(text));
	log_line_add(&l, "%" PRId64, v);
	return put_line(out, &l);
}

static const char *base_name(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static int render_client_host(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_text(out, rec->client_host != NULL ? rec->client_host : rec->client_ip, "-");
}

static int render_vhost_ip(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_text(out, rec->vhost_ip != NULL ? rec->vhost_ip : rec->local_ip, "-");
}

static int render_dir_name(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_text(out, base_name(rec->dir), "-");
}

static int render_basename(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_text(out, base_name(rec->file_host != NULL ? rec->file_host : rec->file), "-");
}

static int render_file_modified(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_text(out, rec->file_modified ? "true" : "false", "");
}

static int render_pid(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_number(out, getpid());
}

static int render_epoch(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_number(out, rec->wall_us / 1000000);
}

static int render_fraction(const struct log_record *rec, int digits, struct buf *out)
{
	char text[24];
	struct log_line l;

	log_line_init(&l, text, sizeof(text));
	log_line_add(&l, "%0*d", digits, (int)(rec->wall_us % 1000000) / (digits == 3 ? 1000 : 1));
	return put_line(out, &l);
}

static int render_millisecs(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return render_fraction(rec, 3, out);
}

static int render_microsecs(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return render_fraction(rec, 6, out);
}

static int render_iso8601(const struct item *it, const struct log_record *rec, struct buf *out)
{
	char text[64];
	struct log_line l;

	log_line_init(&l, text, sizeof(text));
	log_line_add_iso(&l, rec->wall_us / 1000);
	return put_line(out, &l);
}

static int render_strftime(const struct log_record *rec, const char *format, struct buf *out)
{
	char text[512];
	struct tm tm;

	log_local_time(rec->wall_us / 1000000, &tm);
	text[0] = '\0';
	if (strftime(text, sizeof(text), format, &tm) == 0)
		text[0] = '\0'; /* too long: strftime(3) says nothing about the content */
	return put_text(out, text, "-");
}

static int render_time(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return render_strftime(rec, "[%d/%b/%Y:%H:%M:%S %z]", out);
}

static int render_time_format(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return render_strftime(rec, it->text, out);
}

static int render_env(const struct item *it, const struct log_record *rec, struct buf *out)
{
	const char *own = rec->env != NULL ? rec->env(rec->env_arg, it->text) : NULL;

	return put_text(out, own != NULL ? own : getenv(it->text), "-");
}

static int render_note(const struct item *it, const struct log_record *rec, struct buf *out)
{
	return put_text(out, rec->note != NULL ? rec->note(rec->note_arg, it->text) : NULL, "-");
}

static int render_transfer_secs(const struct item *it, const struct log_record *rec, struct buf *out)
{
	char text[40];
	struct log_line l;

	if (rec->transfer_ms < 0)
		return put(out, "-", 1);
	log_line_init(&l, text, sizeof(text));
	log_line_add(&l, "%" PRId64 ".%03d", rec->transfer_ms / 1000, (int)(rec->transfer_ms % 1000));
	return put_line(out, &l);
}

static int render_speed(const struct item *it, const struct log_record *rec, struct buf *out)
{
	char text[64];
	struct log_line l;

	if (rec->transfer_ms < 0 || rec->bytes < 0)
		return put(out, "-", 1);
	log_line_init(&l, text, sizeof(text));
	log_line_add(&l, "%.2f",
		(double)rec->bytes / 1024.0 * 1000.0 /
			(rec->transfer_ms > 0 ? (double)rec->transfer_ms : 1.0));
	return put_line(out, &l);
}

/* --- the variables --- */

#define TEXT(l, n, fld)                                                                                      \
	{                                                                                                    \
		.letter = l, .name = n, .kind = VAR_TEXT, .offset = offsetof(struct log_record, fld),        \
		.unset = "-"                                                                                 \
	}
#define TEXT_OR(l, n, fld, none)                                                                             \
	{                                                                                                    \
		.letter = l, .name = n, .kind = VAR_TEXT, .offset = offsetof(struct log_record, fld),        \
		.unset = none                                                                                \
	}
#define NUMBER(l, n, fld)                                                                                    \
	{                                                                                                    \
		.letter = l, .name = n, .kind = VAR_NUMBER, .offset = offsetof(struct log_record, fld)       \
	}
#define CALL(l, n, fn)                                                                                       \
	{                                                                                                    \
		.letter = l, .name = n, .kind = VAR_CALL, .render = fn                                       \
	}

static const struct var vars[] = {
	TEXT('a', NULL, client_ip),
	TEXT_OR('A', NULL, anon_password, "UNKNOWN"),
	NUMBER('b', NULL, bytes),
	TEXT('c', NULL, class_name),
	CALL('d', NULL, render_dir_name),
	TEXT('D', NULL, dir),
	TEXT('E', NULL, end_reason),
	TEXT('f', NULL, file_host),
	TEXT('F', NULL, file),
	TEXT('g', NULL, group),
	CALL('h', NULL, render_client_host),
	CALL('H', NULL, render_vhost_ip),
	NUMBER('I', NULL, raw_in),
	TEXT('J', NULL, args),
	TEXT_OR('l', NULL, ident, "UNKNOWN"),
	TEXT('L', NULL, local_ip),
	TEXT('m', NULL, verb),
	NUMBER('O', NULL, raw_out),
	NUMBER('p', NULL, local_port),
	CALL('P', NULL, render_pid),
	TEXT('r', NULL, command),
	NUMBER('R', NULL, response_ms),
	NUMBER('s', NULL, reply_code),
	TEXT('S', NULL, reply_text),
	CALL('t', NULL, render_time),
	CALL('T', NULL, render_transfer_secs),
	TEXT('u', NULL, user),
	TEXT('U', NULL, sent_user),
	TEXT('v', NULL, server_name),
	TEXT('V', NULL, fqdn),
	TEXT('w', NULL, rename_from),
	CALL(0, "basename", render_basename),
	CALL(0, "epoch", render_epoch),
	CALL(0, "file-modified", render_file_modified),
	NUMBER(0, "file-offset", file_offset),
	NUMBER(0, "file-size", file_size),
	NUMBER(0, "gid", gid),
	CALL(0, "iso8601", render_iso8601),
	CALL(0, "microsecs", render_microsecs),
	CALL(0, "millisecs", render_millisecs),
	TEXT(0, "protocol", protocol),
	NUMBER(0, "remote-port", client_port),
	TEXT(0, "transfer-failure", transfer_failure),
	NUMBER(0, "transfer-millisecs", transfer_ms),
	NUMBER(0, "transfer-port", transfer_port),
	CALL(0, "transfer-speed", render_speed),
	TEXT(0, "transfer-status", transfer_status),
	TEXT(0, "transfer-type", transfer_type),
	NUMBER(0, "uid", uid),
	TEXT(0, "version", version),
	{.kind = VAR_CALL, .render = render_note, .prefix = "note:"},
};
/* "%{NAME}e" and "%{fmt}t": what is before the letter is free text. */
static const struct var env_var = CALL('e', NULL, render_env);
static const struct var time_var = CALL('t', NULL, render_time_format);

static const struct var *find_letter(char c)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(vars); i++) {
		if (c != '\0' && vars[i].letter == c)
			return &vars[i];
	}
	return NULL;
}

/* name has a NUL. *ret_arg: what follows a prefix. */
static const struct var *find_name(const char *name, const char **ret_arg)
{
	size_t i;

	*ret_arg = name;
	for (i = 0; i < ARRAY_LEN(vars); i++) {
		if (vars[i].name != NULL && str_eq(vars[i].name, name))
			return &vars[i];
		if (vars[i].prefix != NULL && str_starts(name, vars[i].prefix)) {
			*ret_arg = name + strlen(vars[i].prefix);
			return **ret_arg != '\0' ? &vars[i] : NULL;
		}
	}
	return NULL;
}

/* --- compiling --- */

/* *s is behind "%{"; left behind the variable. A NUL takes the place of '}'. */
static int compile_braced(char **s, struct item *it, struct err *err)
{
	char *end = strchr(*s, '}'), safe[128];

	if (end == NULL)
		return err_set(
			err, WE_CONFIG, "'%%{%s' has no closing brace", str_escape(*s, safe, sizeof(safe)));
	*end = '\0';
	it->var = find_name(*s, &it->text);
	if (it->var == NULL && **s != '\0' && (end[1] == 'e' || end[1] == 't')) {
		it->var = end[1] == 'e' ? &env_var : &time_var;
		end++;
	}
	if (it->var == NULL)
		return err_set(err, WE_CONFIG, "unknown variable '%%{%s}' in log format",
			str_escape(*s, safe, sizeof(safe)));
	*s = end + 1;
	return 0;
}

/* *s is behind '%'; left behind the variable. */
static int compile_var(char **s, struct item *it, struct err *err)
{
	char safe[8], c[2] = {**s, '\0'};

	if (**s == '\0')
		return err_set(err, WE_CONFIG, "log format ends in a single '%%'");
	(*s)++;
	if (c[0] == '{')
		return compile_braced(s, it, err);
	if (c[0] == '%') {
		it->text = "%";
		it->len = 1;
		return 0;
	}
	it->var = find_letter(c[0]);
	if (it->var == NULL)
		return err_set(err, WE_CONFIG, "unknown variable '%%%s' in log format",
			str_escape(c, safe, sizeof(safe)));
	return 0;
}

static unsigned count_percent(const char *s)
{
	unsigned n = 0;

	for (; *s != '\0'; s++)
		n += *s == '%';
	return n;
}

int logfmt_compile(const char *text, struct logfmt **ret_fmt, struct err *err)
{
	struct logfmt *fmt;
	char *s;
	int r = 0;

	if (strlen(text) > LOGFMT_TEXT_MAX)
		return err_set(err, WE_CONFIG, "log format is longer than %d bytes", LOGFMT_TEXT_MAX);
	fmt = xcalloc(1, sizeof(*fmt) + (2 * (size_t)count_percent(text) + 1) * sizeof(fmt->item[0]));
	fmt->text = s = xstrdup(text);
	while (r == 0 && *s != '\0') {
		struct item *it = &fmt->item[fmt->n++];

		if (*s == '%') {
			s++;
			r = compile_var(&s, it, err);
		} else {
			it->text = s;
			it->len = strcspn(s, "%");
			s += it->len;
		}
	}
	if (r < 0) {
		logfmt_free(&fmt);
		return r;
	}
	*ret_fmt = fmt;
	return 0;
}

void logfmt_free(struct logfmt **fmt)
{
	if (*fmt == NULL)
		return;
	free((*fmt)->text);
	free(*fmt);
	*fmt = NULL;
}

static int render_item(const struct item *it, const struct log_record *rec, struct buf *out)
{
	const struct var *var = it->var;
	const char *field;

	if (var == NULL)
		return put(out, it->text, it->len);
	if (var->kind == VAR_CALL)
		return var->render(it, rec, out);
	field = (const char *)rec + var->offset;
	if (var->kind == VAR_NUMBER)
		return put_number(out, *(const int64_t *)(const void *)field);
	return put_text(out, *(const char *const *)(const void *)field, var->unset);
}

int logfmt_render(const struct logfmt *fmt, const struct log_record *rec, struct buf *out)
{
	unsigned i;
	int r = 0;

	for (i = 0; i < fmt->n && r == 0; i++)
		r = render_item(&fmt->item[i], rec, out);
	return r;
}
