#include "log/display.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/str.h"
#include "log/log_priv.h"

#define NAME_SIZE 256 /* of the text in %{...} */

static int put_value(struct buf *out, const char *s)
{
	int r = 0;

	for (; s != NULL && *s != '\0' && r == 0; s++)
		r = buf_putc(out, (unsigned char)*s < 0x20 || *s == 0x7f ? '_' : *s);
	return r;
}

static int put_u64(struct buf *out, uint64_t v)
{
	return buf_printf(out, "%" PRIu64, v);
}

static int put_limit(struct buf *out, unsigned max)
{
	return max != 0 ? put_u64(out, max) : buf_puts(out, "unlimited");
}

static int put_size(struct buf *out, uint64_t bytes)
{
	static const char *const unit[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes;
	unsigned i = 0;

	while (v >= 1024.0 && i + 1 < ARRAY_LEN(unit)) {
		v /= 1024.0;
		i++;
	}
	return i == 0 ? buf_printf(out, "%" PRIu64 "B", bytes) : buf_printf(out, "%.2f%s", v, unit[i]);
}

static int put_ctime(struct buf *out, int64_t wall_secs)
{
	char text[64];
	struct log_line l;

	log_line_init(&l, text, sizeof(text));
	log_line_add_ctime(&l, wall_secs);
	return buf_append(out, text, l.at);
}

static int put_time(struct buf *out, const char *format, int64_t wall_secs)
{
	char text[512];
	struct tm tm;

	log_local_time(wall_secs, &tm);
	return strftime(text, sizeof(text), format, &tm) > 0 ? put_value(out, text) : 0;
}

/* 1 when c is no cookie. */
static int put_letter(struct buf *out, char c, const struct display_values *v)
{
	switch (c) {
	case 'C':
		return put_value(out, v->cwd);
	case 'E':
		return put_value(out, v->admin);
	case 'F':
		return put_u64(out, v->free_bytes / 1024);
	case 'f':
		return put_size(out, v->free_bytes);
	case 'i':
		return put_u64(out, v->files_in);
	case 'K':
		return put_u64(out, v->bytes_in + v->bytes_out);
	case 'k':
		return put_size(out, v->bytes_in + v->bytes_out);
	case 'L':
		return put_value(out, v->local_host);
	case 'M':
		return put_limit(out, v->max_clients);
	case 'N':
		return put_u64(out, v->clients);
	case 'o':
		return put_u64(out, v->files_out);
	case 'R':
		return put_value(out, v->remote_host);
	case 'T':
		return put_ctime(out, v->wall_secs);
	case 't':
		return put_u64(out, v->files_in + v->files_out);
	case 'U':
		return put_value(out, v->user);
	case 'u':
		return put_value(out, v->ident != NULL ? v->ident : "UNKNOWN");
	case 'V':
		return put_value(out, v->server_name);
	case 'x':
		return put_value(out, v->class_name != NULL ? v->class_name : "(none)");
	case 'y':
		return put_u64(out, v->class_clients);
	case 'z':
		return put_limit(out, v->max_class_clients);
	case '%':
		return buf_putc(out, '%');
	default:
		return 1;
	}
}

/* 1 when name is no cookie. */
static int put_name(struct buf *out, const char *name, const struct display_values *v)
{
	const struct {
		const char *name;
		uint64_t value;
	} totals[] = {
		{"total_bytes_in", v->bytes_in},
		{"total_bytes_out", v->bytes_out},
		{"total_bytes_xfer", v->bytes_in + v->bytes_out},
		{"total_files_in", v->files_in},
		{"total_files_out", v->files_out},
		{"total_files_xfer", v->files_in + v->files_out},
	};
	const char *value;
	size_t i;

	if (str_starts(name, "env:")) {
		value = v->env != NULL ? v->env(v->env_arg, name + 4) : NULL;
		return put_value(out, value != NULL ? value : getenv(name + 4));
	}
	if (str_starts(name, "time:"))
		return put_time(out, name + 5, v->wall_secs);
	for (i = 0; i < ARRAY_LEN(totals); i++) {
		if (str_eq(totals[i].name, name))
			return put_u64(out, totals[i].value);
	}
	return 1;
}

/* text is at '%'. Bytes of the cookie, 0 when it is none, or an error of out. */
static int put_cookie(struct buf *out, const char *text, const struct display_values *v)
{
	char name[NAME_SIZE];
	const char *end;
	size_t n;
	int r;

	if (text[1] != '{') {
		r = put_letter(out, text[1], v);
		return r == 0 ? 2 : r > 0 ? 0 : r;
	}
	end = strchr(text, '}');
	n = end != NULL ? (size_t)(end - text) - 2 : sizeof(name);
	if (n >= sizeof(name))
		return 0;
	memcpy(name, text + 2, n);
	name[n] = '\0';
	r = put_name(out, name, v);
	return r == 0 ? (int)n + 3 : r > 0 ? 0 : r;
}

int display_expand(struct buf *out, const char *text, const struct display_values *v)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "%");
		int r = buf_append(out, text, n);

		text += n;
		if (r == 0 && *text == '%') {
			r = put_cookie(out, text, v);
			if (r == 0) {
				r = buf_putc(out, '%'); /* stays as it is written */
				text++;
			} else if (r > 0) {
				text += r;
				r = 0;
			}
		}
		if (r < 0)
			return r;
	}
	return 0;
}
