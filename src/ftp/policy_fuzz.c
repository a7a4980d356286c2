/* The rules on outside bytes: a .ftpaccess over a configuration, its filters and patterns on any argument, name and path, and
 * what is allowed in the end.
 *
 * The input is cut at bytes 0x1e: the .ftpaccess, the argument of a command, a path, a regular expression, and a pattern of
 * <Directory>; what is missing is empty. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "ftp/policy.h"
#include "ftp/regex.h"
#include "ftp/verb.h"

#define PARTS 5

static const char config_text[] =
	"<Class here>\nFrom 10.0.0.0/8\n</Class>\nAllowFilter ^[^%]*$\nDenyFilter \\*.*/\nPathDenyFilter "
	"\\.exe$\n"
	"<Directory /home/*/d>\nHideFiles ^\\.\n<Limit WRITE>\nDenyUser bob\n</Limit>\n</Directory>\n"
	"<Limit STOR>\nOrder deny,allow\nAllowFilter txt$\n</Limit>\n";

static void drop_line(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
}

static void ask_names(const struct ftp_conf *conf, const struct ftp_subject *who, const char *path)
{
	struct policy_hide hide;
	struct policy_verdict v;

	if (!policy_arg_allowed(conf, who->arg, &v) && v.why == NULL)
		abort(); /* a refusal always says why */
	if (!policy_name_allowed(conf, path, &v) && v.why == NULL)
		abort();
	policy_hide_init(&hide, conf, who);
	if (policy_hides_name(&hide, ".") || policy_hides_name(&hide, ".."))
		abort();
	policy_hides_name(&hide, who->arg);
	policy_hides_user(&hide, who->arg, true);
	policy_hides_group(&hide, NULL, false);
}

static void ask_commands(const struct ftp_subject *who, const struct ftp_scope *top,
	const struct policy_env *env, const char *path, const struct ftp_scope *access)
{
	for (const struct ftp_verb *v = ftp_verbs; v->name != NULL; v++) {
		struct policy_verdict verdict;
		bool again = policy_check(who, top, env, path, access, v->limit, NULL);

		if (policy_check(who, top, env, path, access, v->name, &verdict) != again)
			abort(); /* both names of a command, and the same question twice */
		if (!verdict.allowed && (verdict.why == NULL || verdict.line == 0))
			abort();
		policy_ignores_hidden(top, env, path, access, v->name);
	}
}

static void match(const char *regex, const char *text)
{
	struct arena *a = arena_new(4096, 4u << 20);
	struct ftp_pattern p;
	struct err err = ERR_INIT;

	if (ftp_pattern_compile(a, regex, (strlen(regex) & 1) != 0 ? "nocase" : NULL, &p, &err) == 0)
		ftp_pattern_match(&p, text, true);
	else if (err.text[0] == '\0')
		abort();
	arena_free(a);
}

/* Cuts mem (ended with NUL) at bytes 0x1e. */
static void cut(char *mem, const char *part[static PARTS])
{
	char *p = mem;

	for (unsigned n = 0; n < PARTS; n++) {
		part[n] = p;
		p += strcspn(p, "\x1e");
		if (*p != '\0')
			*p++ = '\0';
	}
}

static void ask(struct ftp_config *config, const char *const part[static PARTS])
{
	static const char *const groups[] = {"staff"};
	const struct policy_env env = {.home = "/home/bob", .anon_root = NULL};
	const struct ftp_scope *top = config->servers[0]->scope;
	char *path = xasprintf("/home/bob/d/%s", part[2]);
	struct arena *a = arena_new(4096, 8u << 20);
	const struct ftp_scope *base = policy_scope_for_path(top, &env, path);
	struct ftp_scope *access = NULL;
	struct addr client;
	struct ftp_subject who = {.user = "bob",
		.groups = groups,
		.n_groups = 1,
		.class_name = "here",
		.client = &client,
		.arg = part[1],
		.authenticated = true};

	(void)addr_parse("10.1.2.3", 21, &client); /* a literal */
	(void)ftp_access_load(a, part[0], strlen(part[0]), "/home/bob/d/.ftpaccess", base, NULL,
		&access); /* any answer will do */
	ask_names(access != NULL ? &access->conf : &base->conf, &who, path);
	ask_names(&base->conf, &who, path);
	ask_commands(&who, top, &env, path, access);
	policy_dir_match(part[4], &env, path);
	arena_free(a);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ftp_config_options opt = {.text = config_text, .name = "main"};
	char *mem = xmalloc(size + 1);
	const char *part[PARTS];
	static struct ftp_config *config;
	struct err err = ERR_INIT;

	log_set_sink(drop_line, NULL);
	if (config == NULL && ftp_config_load(&opt, 1, &config, NULL, &err) < 0)
		abort();
	memcpy(mem, data, size);
	mem[size] = '\0';
	cut(mem, part);
	ask(config, part);
	match(part[3], part[1]);
	free(mem);
	return 0;
}
