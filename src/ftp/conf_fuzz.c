/* The whole loader on text, with a file system and names of its own: nothing outside of the input is read.
 *
 * The input is cut at bytes 0x1e into files: the first is the main one, the others are /1, /2, ... and the
 * content of the directory /d. The same text is then read as a .ftpaccess. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/policy.h"
#include "ftp/report.h"
#include "ftp/variant.h"

#define FILES_MAX 8

struct files {
	const char *start[FILES_MAX];
	size_t len[FILES_MAX];
	unsigned n;
};

/* Number of the file of a path, or -1. */
static int file_number(const struct files *f, const char *path)
{
	const char *name = str_starts(path, "/d/") ? path + 3 : path + 1;

	if (name[0] < '1' || name[0] > '9' || name[1] != '\0' || (unsigned)(name[0] - '0') >= f->n)
		return -1;
	return name[0] - '0';
}

static int look(void *arg, const char *path, enum conf_path_kind *ret_kind, bool *ret_link)
{
	*ret_link = str_eq(path, "/2");
	*ret_kind = str_eq(path, "/d") || str_eq(path, "/d/") ? CONF_PATH_DIR
		    : file_number(arg, path) > 0              ? CONF_PATH_FILE
							      : CONF_PATH_NONE;
	return 0;
}

static int list(void *arg, const char *dir, void (*each)(void *each_arg, const char *name), void *each_arg)
{
	const struct files *f = arg;

	if (str_eq(dir, "/"))
		each(each_arg, "d");
	for (unsigned i = 1; i < f->n; i++) {
		char name[2] = {(char)('0' + i), '\0'};

		each(each_arg, name);
	}
	return 0;
}

static int file_read(
	void *arg, const char *path, size_t max, char **ret_text, size_t *ret_len, uint64_t ret_id[2])
{
	const struct files *f = arg;
	int n = file_number(f, path);

	if (n < 0)
		return -ENOENT;
	if (f->len[n] > max)
		return -EFBIG;
	*ret_text = xmalloc(f->len[n] + 1);
	memcpy(*ret_text, f->start[n], f->len[n]);
	(*ret_text)[f->len[n]] = '\0';
	*ret_len = f->len[n];
	ret_id[0] = 0;
	ret_id[1] = (uint64_t)n;
	return 0;
}

static int resolve(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	if (strchr(name, '.') == NULL)
		return -ENOENT;
	return addr_parse("192.0.2.1", 0, ret_addrs) == 0 ? 1 : -ENOENT;
}

static void drop_line(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
}

static void ask(struct ftp_config *c, const char *text, size_t len)
{
	const char *const groups[] = {"staff"};
	const struct ftp_subject who = {
		.user = "bob", .groups = groups, .n_groups = 1, .authenticated = true};
	struct arena *a = arena_new(4096, 8u << 20), *variants = arena_new(8192, 0);
	struct ftp_scope *s;
	struct addr client;

	addr_parse("10.1.2.3", 21, &client);
	ftp_server_find(c, &client);
	ftp_server_by_name(c, &client, "ftp.example.com");
	ftp_class_find(c, &client, "host.example.com");
	for (const struct ftp_limit *l = c->servers[0]->scope->limits; l != NULL; l = l->next) {
		for (const struct ftp_limit_rule *r = l->rules; r != NULL; r = r->next) {
			if (r->kind == FTP_ALLOW_USER || r->kind == FTP_DENY_USER)
				ftp_expr_match(r->expr, FTP_EXPR_USER, &who);
		}
	}
	for (unsigned i = 0; i < c->n_servers; i++)
		policy_check(&who, ftp_server_for(c->servers[i], &who, true, variants)->scope, NULL, "/d/x",
			NULL, "STOR", NULL);
	(void)ftp_access_load(
		a, text, len, "/d/.ftpaccess", c->servers[0]->scope, NULL, &s); /* any answer will do */
	arena_free(a);
	arena_free(variants);
	ftp_config_wipe_secrets(c);
	ftp_config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct files f = {.n = 0};
	struct conf_files files = {&f, look, list, file_read};
	struct ftp_config_options opt = {.name = "main", .files = &files, .resolve = resolve, .family = 0};
	struct ftp_config *c = NULL;
	struct ftp_report *report = ftp_report_new();
	const char *p = (const char *)data, *end = p + size;
	struct err err = ERR_INIT;
	char *text;

	while (f.n < FILES_MAX && p <= end) {
		const char *cut = p < end ? memchr(p, 0x1e, (size_t)(end - p)) : NULL;

		f.start[f.n] = p;
		f.len[f.n++] = (size_t)((cut != NULL ? cut : end) - p);
		if (cut == NULL)
			break;
		p = cut + 1;
	}
	text = xmalloc(f.len[0] + 1);
	memcpy(text, data, f.len[0]);
	text[f.len[0]] = '\0';
	opt.text = text;
	log_set_sink(drop_line, NULL);
	if (ftp_config_load(&opt, 1, &c, report, &err) == 0)
		ask(c, text, f.len[0]);
	else if (err.text[0] == '\0' || ftp_report_errors(report) == 0)
		abort(); /* a refusal always says why */
	ftp_report_free(report);
	free(text);
	return 0;
}
