#include "ftp/authfile.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#define FIELDS_USER  7
#define FIELDS_GROUP 4
#define WARNINGS_MAX 20 /* of one file: a wrong file must not flood the log */

struct authfile {
	atomic_uint refs;
	char *text;
	size_t text_len;
	struct authfile_entry *by_name, *by_id;
	size_t n;
	unsigned malformed; /* first such line, 0 = none */
};

struct authfile *authfile_ref(struct authfile *f)
{
	atomic_fetch_add(&f->refs, 1);
	return f;
}

void authfile_unref(struct authfile *f)
{
	if (f == NULL || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	wipe(f->text, f->text_len);
	free(f->text);
	free(f->by_name);
	free(f->by_id);
	free(f);
}

/* The highest number is -1 in the system's calls: "no change". */
static bool parse_id(const char *s, unsigned *ret_id)
{
	uint64_t v;

	if (str_to_u64(s, &v) < 0 || v >= UINT32_MAX)
		return false;
	*ret_id = (unsigned)v;
	return true;
}

/* Cut the line at its colons; the last field keeps further ones. Returns the number of fields. */
static unsigned split(char *line, char **fields, unsigned max)
{
	unsigned n = 0;

	fields[n++] = line;
	while (n < max && (line = strchr(line, ':')) != NULL) {
		*line++ = '\0';
		fields[n++] = line;
	}
	return n;
}

static bool parse_user(char *line, struct authfile_entry *e)
{
	char *f[FIELDS_USER];

	if (split(line, f, FIELDS_USER) != FIELDS_USER || f[0][0] == '\0' || !parse_id(f[2], &e->id) ||
		!parse_id(f[3], &e->gid) || f[5][0] != '/')
		return false;
	e->name = f[0];
	e->hash = f[1];
	e->home = f[5];
	e->shell = f[6];
	return true;
}

static bool parse_group(char *line, struct authfile_entry *e)
{
	char *f[FIELDS_GROUP];

	if (split(line, f, FIELDS_GROUP) != FIELDS_GROUP || f[0][0] == '\0' || !parse_id(f[2], &e->id))
		return false;
	e->name = f[0];
	e->members = f[3];
	return true;
}

static int by_line(const struct authfile_entry *x, const struct authfile_entry *y)
{
	return (x->line > y->line) - (x->line < y->line);
}

static int compare_name(const void *a, const void *b)
{
	const struct authfile_entry *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r != 0 ? r : by_line(x, y);
}

static int compare_id(const void *a, const void *b)
{
	const struct authfile_entry *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return by_line(x, y);
}

/* One line of len bytes, NUL-terminated; false: malformed. *ret_empty: nothing is on it. */
static bool parse_line(
	char *line, size_t len, enum authfile_kind kind, struct authfile_entry *e, bool *ret_empty)
{
	if (len > 0 && line[len - 1] == '\r')
		line[--len] = '\0';
	*ret_empty = line[0] == '#' || strspn(line, " \t") == len;
	if (*ret_empty)
		return true;
	if (strlen(line) != len)
		return false; /* a NUL inside */
	return kind == AUTHFILE_USERS ? parse_user(line, e) : parse_group(line, e);
}

static void parse_lines(struct authfile *f, const char *path, enum authfile_kind kind)
{
	unsigned number = 0, warned = 0;
	char *line = f->text, *end = f->text + f->text_len, *stop;

	for (; line < end; line = stop + 1) {
		struct authfile_entry e = {.line = ++number};
		bool empty;

		stop = memchr(line, '\n', (size_t)(end - line));
		if (stop == NULL)
			stop = end; /* where the NUL is */
		*stop = '\0';
		if (!parse_line(line, (size_t)(stop - line), kind, &e, &empty)) {
			if (warned == 0)
				f->malformed = number;
			if (++warned <= WARNINGS_MAX && path != NULL)
				log_warn(NULL, "line %u of '%s' is malformed, skipping it", number, path);
		} else if (!empty) {
			f->by_name[f->n++] = e;
		}
	}
	if (warned > WARNINGS_MAX && path != NULL)
		log_warn(NULL, "%u lines of '%s' are malformed", warned, path);
}

struct authfile *authfile_parse(char *text, size_t len, const char *path, enum authfile_kind kind)
{
	struct authfile *f = xcalloc(1, sizeof(*f));
	size_t lines = 1;

	atomic_init(&f->refs, 1);
	f->text = text;
	f->text_len = len;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	f->by_name = xcalloc(lines, sizeof(*f->by_name));
	f->by_id = xcalloc(lines, sizeof(*f->by_id));
	parse_lines(f, path, kind);
	memcpy(f->by_id, f->by_name, f->n * sizeof(*f->by_id));
	qsort(f->by_name, f->n, sizeof(*f->by_name), compare_name);
	qsort(f->by_id, f->n, sizeof(*f->by_id), compare_id);
	return f;
}

const struct authfile_entry *authfile_by_name(const struct authfile *f, const char *name)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(f->by_name[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && str_eq(f->by_name[lo].name, name) ? &f->by_name[lo] : NULL;
}

const struct authfile_entry *authfile_by_id(const struct authfile *f, unsigned id)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->by_id[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && f->by_id[lo].id == id ? &f->by_id[lo] : NULL;
}

unsigned authfile_malformed(const struct authfile *f)
{
	return f->malformed;
}

const struct authfile_entry *authfile_at(const struct authfile *f, size_t i)
{
	return i < f->n ? &f->by_id[i] : NULL;
}
