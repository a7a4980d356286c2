/* Templates of RewriteRule and arguments of clients: the first line is the template, the second the argument, what follows
 * a text map. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ftp/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ftp_map_kind kinds[] = {FTP_MAP_TEXT, FTP_MAP_REPLACEALL, FTP_MAP_TOLOWER,
		FTP_MAP_TOUPPER, FTP_MAP_UNESCAPE, FTP_MAP_UTF8TRANS};
	static const char *const names[] = {"t", "r", "l", "u", "e", "8"};
	struct arena *a = arena_new(4096, 1u << 22);
	char *text = xstrndup((const char *)data, size), *arg = text, *rest = NULL;
	struct ftp_conf *conf = xcalloc(1, sizeof(*conf));
	struct ftp_rewrite_map maps[ARRAY_LEN(names)] = {0};
	struct ftp_rewrite_rule rule = {0};
	struct ftp_subject who = {.user = "u"};
	struct addr client;
	struct err err = ERR_INIT;
	struct buf out;
	int r;

	(void)strsep(&arg, "\n");
	rest = arg;
	if (arg != NULL)
		(void)strsep(&rest, "\n");
	(void)addr_parse("192.0.2.7", 1, &client); /* it is one */
	who.client = &client;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		maps[i].name = names[i];
		maps[i].kind = kinds[i];
		maps[i].item.next = i + 1 < ARRAY_LEN(names) ? &maps[i + 1].item : NULL;
	}
	conf->rewrite_maps = maps;
	conf->rewrite_max_replace = 8;
	buf_init(&out, REWRITE_MAX);
	if (rewrite_map_read(a, rest != NULL ? rest : "", rest != NULL ? strlen(rest) : 0, &maps[0]) == 0 &&
		ftp_regex_compile(a, "^(.)(.*)$", false, &rule.pattern.re, &err) == 0 &&
		rewrite_template_compile(a, text, &rule.subst, &err) == 0) {
		const struct rewrite_query q = {
			.conf = conf, .rules = &rule, .who = &who, .verb = "STOR", .port = 21};

		r = ftp_rewrite(&q, arg != NULL ? arg : "", &out);
		if (out.len > REWRITE_MAX ||
			(r > 0 && (out.len == 0 || memchr(out.data, '\n', out.len) != NULL ||
					  memchr(out.data, '\0', out.len) != NULL)))
			abort();
	}
	buf_done(&out);
	arena_free(a);
	free(conf);
	free(text);
	return 0;
}
