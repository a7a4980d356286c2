/* The rules over scopes built by hand. Expressions and address rules are the test's own here (one name,
 * one address): what they mean in full is tested beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/policy.h"

struct ftp_expr {
	const char *name;
};

struct ftp_acl {
	const char *address;
};

bool __attribute__((weak))
ftp_expr_match(const struct ftp_expr *e, enum ftp_expr_kind kind, const struct ftp_subject *who)
{
	if (kind == FTP_EXPR_USER)
		return who->user != NULL && str_eq(e->name, who->user);
	if (kind == FTP_EXPR_CLASS)
		return who->class_name != NULL && str_eq(e->name, who->class_name);
	for (unsigned i = 0; i < who->n_groups; i++)
		if (str_eq(e->name, who->groups[i]))
			return true;
	return false;
}

bool __attribute__((weak))
ftp_acl_match(const struct ftp_acl *acl, const struct addr *client, const char *client_name)
{
	char text[ADDR_TEXT_MAX];

	return str_eq(acl->address, addr_text(client, text));
}

static struct ftp_expr alice = {"alice"}, staff = {"staff"}, local = {"local"};
static struct ftp_acl home = {"192.0.2.7"};
static struct addr home_addr, away_addr;
static const char *const staff_group[] = {"staff"};

/* A <Limit> of one rule. Rules of the macros below live as long as the test program. */
#define RULE(k, e, a) (&(struct ftp_limit_rule){.kind = k, .expr = e, .acl = a, .file = "t.conf", .line = 2})
static struct ftp_limit *limit(const char *command, bool deny_first, struct ftp_limit_rule *rules)
{
	struct ftp_limit *l = xcalloc(1, sizeof(*l));
	const char **names = xcalloc(1, sizeof(*names));

	names[0] = command;
	l->commands = names;
	l->n_commands = 1;
	l->deny_first = deny_first;
	l->rules = rules;
	l->file = "t.conf";
	l->line = 1;
	return l;
}

static void limits_free(struct ftp_scope *s)
{
	while (s->limits != NULL) {
		struct ftp_limit *l = s->limits;

		s->limits = l->next;
		free((void *)(uintptr_t)l->commands);
		free(l);
	}
}

static void limit_append(struct ftp_scope *s, struct ftp_limit *l)
{
	struct ftp_limit **at = &s->limits;

	while (*at != NULL)
		at = &(*at)->next;
	*at = l;
}

/* server > anon > /srv/ftp/pub, and /srv of the server. */
static struct ftp_scope server, anon, outer, inner;

static void tree_reset(void)
{
	limits_free(&server);
	limits_free(&anon);
	limits_free(&outer);
	limits_free(&inner);
	server = (struct ftp_scope){
		.kind = CONF_KIND_SERVER, .anons = &anon, .dirs = &outer, .file = "t.conf"};
	anon = (struct ftp_scope){
		.kind = CONF_KIND_ANONYMOUS, .parent = &server, .path = "/srv/ftp", .file = "t.conf"};
	outer = (struct ftp_scope){.kind = CONF_KIND_DIRECTORY,
		.parent = &server,
		.path = "/srv",
		.next = &inner,
		.file = "t.conf"};
	inner = (struct ftp_scope){.kind = CONF_KIND_DIRECTORY,
		.parent = &server,
		.path = "/srv/ftp/pub",
		.file = "t.conf",
		.line = 9};
}

static int setup(void **state)
{
	(void)state;
	addr_parse("192.0.2.7", 1, &home_addr);
	addr_parse("198.51.100.1", 1, &away_addr);
	tree_reset();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_reset();
	return 0;
}

static struct ftp_subject known(void)
{
	return (struct ftp_subject){.user = "alice",
		.groups = staff_group,
		.n_groups = 1,
		.class_name = "local",
		.client = &home_addr,
		.authenticated = true};
}

static bool check(const struct ftp_scope *top, const char *path, const char *command)
{
	struct ftp_subject who = known();

	return policy_check(&who, top, NULL, path, NULL, command, NULL);
}

/* --- one <Limit>: rules x orders --- */

static void a_limit_decides_by_its_order(void **state)
{
	static const struct {
		enum ftp_rule_kind kind;
		bool matches; /* false: asked for another user at another address */
		bool allow_first, deny_first;
	} cases[] = {
		{FTP_ALLOW_USER, true, true, true},
		{FTP_ALLOW_USER, false, true, false},
		{FTP_ALLOW_GROUP, true, true, true},
		{FTP_ALLOW_GROUP, false, true, false},
		{FTP_ALLOW_CLASS, true, true, true},
		{FTP_ALLOW_CLASS, false, true, false},
		{FTP_ALLOW_ADDR, true, true, true},
		{FTP_ALLOW_ADDR, false, true, false},
		{FTP_ALLOW_ALL, true, true, true},
		{FTP_ALLOW_ALL, false, true, true},
		{FTP_DENY_ALL, true, false, false},
		{FTP_DENY_ALL, false, false, false},
		{FTP_DENY_USER, true, false, false},
		{FTP_DENY_USER, false, true, false},
		{FTP_DENY_GROUP, true, false, false},
		{FTP_DENY_GROUP, false, true, false},
		{FTP_DENY_CLASS, true, false, false},
		{FTP_DENY_CLASS, false, true, false},
		{FTP_DENY_ADDR, true, false, false},
		{FTP_DENY_ADDR, false, true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int order = 0; order < 2; order++) {
			struct ftp_limit_rule rule = {.kind = cases[i].kind, .acl = &home, .line = 2};
			struct ftp_subject who = known();

			rule.expr = rule.kind == FTP_ALLOW_USER || rule.kind == FTP_DENY_USER     ? &alice
				    : rule.kind == FTP_ALLOW_GROUP || rule.kind == FTP_DENY_GROUP ? &staff
												  : &local;
			if (!cases[i].matches) {
				who.user = "bob";
				who.n_groups = 0;
				who.class_name = NULL;
				who.client = &away_addr;
			}
			tree_reset();
			limit_append(&server, limit("RETR", order == 1, &rule));
			assert_int_equal(policy_check(&who, &server, NULL, "/x", NULL, "RETR", NULL),
				order == 0 ? cases[i].allow_first : cases[i].deny_first);
		}
}

static void both_kinds_of_rules_follow_the_order(void **state)
{
	struct ftp_limit_rule deny = {.kind = FTP_DENY_ALL}, allow = {.kind = FTP_ALLOW_USER, .expr = &alice};

	(void)state;
	deny.next = &allow;
	limit_append(&server, limit("RETR", false, &deny));
	assert_true(check(&server, "/x", "RETR"));
	tree_reset();
	limit_append(&server, limit("RETR", true, &deny));
	assert_false(check(&server, "/x", "RETR"));
}

/* --- command, group, ALL across scopes --- */

static void the_verb_beats_its_group_and_the_group_beats_ALL(void **state)
{
	static const char *const names[] = {"STOR", "WRITE", "ALL"};

	(void)state;
	for (int strong = 0; strong < 3; strong++)
		for (int weak = strong + 1; weak < 3; weak++)
			for (int swap = 0; swap < 2; swap++)
				for (int allowed = 0; allowed < 2; allowed++) {
					enum ftp_rule_kind yes = allowed ? FTP_ALLOW_ALL : FTP_DENY_ALL;
					enum ftp_rule_kind no = allowed ? FTP_DENY_ALL : FTP_ALLOW_ALL;

					tree_reset();
					limit_append(swap ? &inner : &server,
						limit(names[strong], false, RULE(yes, NULL, NULL)));
					limit_append(swap ? &server : &inner,
						limit(names[weak], false, RULE(no, NULL, NULL)));
					assert_int_equal(check(&server, "/srv/ftp/pub/f", "STOR"), allowed);
				}
}

static void for_one_name_the_innermost_scope_with_a_verdict_counts(void **state)
{
	(void)state;
	limit_append(&server, limit("WRITE", false, RULE(FTP_DENY_ALL, NULL, NULL)));
	assert_false(check(&server, "/srv/ftp/pub/f", "STOR"));
	limit_append(
		&inner, limit("WRITE", false, RULE(FTP_ALLOW_USER, &staff, NULL))); /* says nothing here */
	assert_false(check(&server, "/srv/ftp/pub/f", "STOR"));
	limit_append(&outer, limit("WRITE", false, RULE(FTP_ALLOW_USER, &alice, NULL)));
	assert_true(check(&server, "/srv/ftp/pub/f", "STOR"));
	assert_true(check(&server, "/srv", "STOR"));
	assert_false(check(&server, "/tmp/f", "STOR"));
	limit_append(&inner, limit("WRITE", true, RULE(FTP_ALLOW_USER, &staff, NULL)));
	assert_false(check(&server, "/srv/ftp/pub/f", "STOR"));
}

static void groups_and_ALL_cover_what_the_table_says(void **state)
{
	static const struct {
		const char *limit, *command;
		bool covered;
	} cases[] = {
		{"READ", "RETR", true},
		{"READ", "SIZE", true},
		{"READ", "LIST", false},
		{"WRITE", "RNFR", true},
		{"WRITE", "MFMT", true},
		{"WRITE", "SITE_CHMOD", true},
		{"WRITE", "SITE_RMDIR", true},
		{"WRITE", "RETR", false},
		{"DIRS", "PWD", true},
		{"DIRS", "MDTM", true},
		{"DIRS", "MKD", false},
		{"DIRS", "RNFR", true},
		{"DIRS", "RNTO", false},
		{"ALL", "LIST", true},
		{"ALL", "XCWD", true},
		{"ALL", "PORT", false},
		{"ALL", "PASV", false},
		{"ALL", "EPRT", false},
		{"ALL", "EPSV", false},
		{"ALL", "OPTS_UTF8", false},
		{"OPTS_UTF8", "OPTS_UTF8", true},
		{"PORT", "PORT", true},
		{"CWD", "XCWD", true},
		{"NOOP", "NOOP", true},
		{"LOGIN", "RETR", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		tree_reset();
		limit_append(&server, limit(cases[i].limit, false, RULE(FTP_DENY_ALL, NULL, NULL)));
		assert_int_equal(check(&server, "/x", cases[i].command), !cases[i].covered);
	}
}

static void DenyAll_of_a_section_comes_before_limits(void **state)
{
	(void)state;
	outer.access_all = FTP_OFF;
	limit_append(&outer, limit("RETR", false, RULE(FTP_ALLOW_ALL, NULL, NULL)));
	assert_false(check(&server, "/srv/x", "RETR"));
	assert_true(check(&server, "/x", "RETR"));
	assert_true(check(&server, "/srv/x", "PASV"));
	inner.access_all = FTP_ON;
	assert_true(check(&server, "/srv/ftp/pub/x", "RETR"));
	limit_append(&inner, limit("RETR", false, RULE(FTP_DENY_ALL, NULL, NULL)));
	assert_false(check(&server, "/srv/ftp/pub/x", "RETR"));
}

static void ftpaccess_is_the_innermost_scope(void **state)
{
	struct ftp_scope access = {.kind = CONF_KIND_FTPACCESS, .parent = &inner};
	struct ftp_subject who = known();

	(void)state;
	limit_append(&inner, limit("WRITE", false, RULE(FTP_DENY_ALL, NULL, NULL)));
	limit_append(&access, limit("WRITE", false, RULE(FTP_ALLOW_ALL, NULL, NULL)));
	assert_false(check(&server, "/srv/ftp/pub/x", "STOR"));
	assert_true(policy_check(&who, &server, NULL, "/srv/ftp/pub/x", &access, "STOR", NULL));
	limits_free(&access);
}

static void the_verdict_names_its_line(void **state)
{
	struct ftp_subject who = known();
	struct policy_verdict v;

	(void)state;
	assert_true(policy_check(&who, &server, NULL, "/x", NULL, "RETR", &v));
	assert_true(v.allowed && v.file == NULL && v.why != NULL);
	limit_append(&server, limit("RETR", false, RULE(FTP_DENY_USER, &alice, NULL)));
	assert_false(policy_check(&who, &server, NULL, "/x", NULL, "RETR", &v));
	assert_int_equal(v.line, 2);
	assert_string_equal(v.file, "t.conf");
	assert_string_equal(v.why, "DenyUser matches");
	tree_reset();
	limit_append(&server, limit("RETR", true, NULL));
	assert_false(policy_check(&who, &server, NULL, "/x", NULL, "RETR", &v));
	assert_int_equal(v.line, 1);
}

/* --- LOGIN --- */

static void connecting_is_refused_when_no_limit_could_let_in(void **state)
{
	struct ftp_subject who = {.client = &away_addr};

	(void)state;
	assert_true(policy_login_connect(&who, &server, NULL));
	limit_append(&server, limit("LOGIN", true, RULE(FTP_ALLOW_ADDR, NULL, &home)));
	assert_false(policy_login_connect(&who, &server, NULL));
	who.client = &home_addr;
	assert_true(policy_login_connect(&who, &server, NULL));
	who.client = &away_addr;
	/* a rule about users could still let in */
	limit_append(&anon, limit("LOGIN", true, RULE(FTP_ALLOW_USER, &alice, NULL)));
	assert_true(policy_login_connect(&who, &server, NULL));
	tree_reset();
	limit_append(&server, limit("LOGIN", false, RULE(FTP_DENY_USER, &alice, NULL)));
	assert_true(policy_login_connect(&who, &server, NULL));
}

static void login_limits_are_all_asked_and_again_with_the_user(void **state)
{
	struct ftp_subject who = known();

	(void)state;
	limit_append(&server, limit("LOGIN", true, RULE(FTP_ALLOW_USER, &alice, NULL)));
	limit_append(&server, limit("LOGIN", true, RULE(FTP_ALLOW_ADDR, NULL, &home)));
	assert_true(policy_login(&who, &server, NULL));
	who.client = &away_addr;
	assert_false(policy_login(&who, &server, NULL));
	who.client = &home_addr;
	who.user = "bob";
	assert_false(policy_login(&who, &server, NULL));
	who.authenticated = false;
	assert_true(policy_login(&who, &server, NULL));
}

static void anonymous_has_its_own_login_limits_or_those_of_the_server(void **state)
{
	struct ftp_subject who = known();

	(void)state;
	limit_append(&server, limit("LOGIN", false, RULE(FTP_DENY_ALL, NULL, NULL)));
	assert_false(policy_login(&who, &server, NULL));
	assert_false(policy_login(&who, &anon, NULL));
	limit_append(&anon, limit("LOGIN", false, RULE(FTP_ALLOW_ALL, NULL, NULL)));
	assert_true(policy_login(&who, &anon, NULL));
}

/* --- <Directory> --- */

static void directory_patterns_match_as_documented(void **state)
{
	static const struct policy_env env = {.home = "/home/alice", .anon_root = "/srv/ftp"};
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
		{"/", "/", true},
		{"/", "/x", true},
		{"/srv", "/srv", true},
		{"/srv", "/srv/x/y", true},
		{"/srv", "/srvx", false},
		{"/srv", "/", false},
		{"/srv/*", "/srv", false},
		{"/srv/*", "/srv/x", true},
		{"/srv/*", "/srv/x/y/z", true},
		{"/srv/*/pub", "/srv/a/pub", true},
		{"/srv/*/pub", "/srv/a/pub/b", true},
		{"/srv/*/pub", "/srv/a/b/pub", false},
		{"/srv/*/pub", "/srv/pub", false},
		{"/srv/a*c", "/srv/abbc", true},
		{"/srv/a*c", "/srv/a/c", false},
		{"/srv/[x]", "/srv/[x]", true},
		{"/srv/[x]", "/srv/x", false},
		{"/srv/f.txt", "/srv/f.txt", true},
		{"/*", "/x", true},
		{"/*", "/", false},
		{"~", "/home/alice", true},
		{"~/in", "/home/alice/in/x", true},
		{"~/in", "/home/bob/in", false},
		{"~bob/in", "/home/alice/in", false},
		{"upload", "/srv/ftp/upload/x", true},
		{"upload/*", "/srv/ftp/upload", false},
		{"upload/*", "/srv/ftp/upload/x", true},
		{"upload", "/upload", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (policy_dir_match(cases[i].pattern, &env, cases[i].path) != cases[i].match)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].path);
	assert_false(policy_dir_match("~", NULL, "/home/alice"));
	assert_false(policy_dir_match("upload", NULL, "/srv/ftp/upload"));
	assert_true(policy_dir_match("~/x", &(struct policy_env){.home = "/"}, "/x"));
}

static void the_most_specific_section_wins_and_the_later_of_equals(void **state)
{
	struct ftp_scope dirs[] = {
		{.path = "/srv/a*", .line = 1},
		{.path = "/srv", .line = 2},
		{.path = "/srv/*b", .line = 3},
		{.path = "/srv/ab/c", .line = 4},
		{.path = "/srv/*/c", .line = 5},
		{.path = "/srv/*", .line = 6},
	};
	static const struct {
		const char *path;
		unsigned line; /* 0: the server itself */
	} cases[] = {
		{"/srv", 2},
		{"/srv/ab", 3},
		{"/srv/ax", 1},
		{"/srv/xb", 3},
		{"/srv/zz", 6},
		{"/srv/ab/c", 4},
		{"/srv/ab/c/d", 4},
		{"/srv/x/c", 5},
		{"/srv/x/d", 6},
		{"/home", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		dirs[i].kind = CONF_KIND_DIRECTORY;
		dirs[i].parent = &server;
		dirs[i].next = i + 1 < ARRAY_LEN(dirs) ? &dirs[i + 1] : NULL;
	}
	server.dirs = dirs;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(policy_scope_for_path(&server, NULL, cases[i].path)->line, cases[i].line);
	assert_ptr_equal(policy_scope_for_path(&server, NULL, NULL), &server);
}

static void anonymous_sections_are_searched_first(void **state)
{
	static const struct policy_env env = {.anon_root = "/srv/ftp"};
	struct ftp_scope incoming = {
		.kind = CONF_KIND_DIRECTORY, .parent = &anon, .path = "incoming", .file = "t.conf"};

	(void)state;
	anon.dirs = &incoming;
	assert_ptr_equal(policy_scope_for_path(&anon, &env, "/srv/ftp/incoming/x"), &incoming);
	assert_ptr_equal(policy_scope_for_path(&anon, &env, "/srv/ftp/pub/x"), &inner);
	assert_ptr_equal(policy_scope_for_path(&server, &env, "/srv/ftp/incoming/x"), &outer);
	outer.path = "/other";
	inner.path = "/other/x";
	assert_ptr_equal(policy_scope_for_path(&anon, &env, "/srv/ftp/pub/x"), &anon);
}

static void more_sections_than_are_kept_lose_the_least_specific(void **state)
{
	struct ftp_scope dirs[50];
	char paths[50][256];

	(void)state;
	memset(dirs, 0, sizeof(dirs));
	for (unsigned i = 0; i < 50; i++) {
		paths[i][0] = '\0';
		for (unsigned k = 0; k <= i; k++)
			strcat(paths[i], "/a");
		dirs[i].path = paths[i];
		dirs[i].line = i + 1;
		dirs[i].next = i < 49 ? &dirs[i + 1] : NULL;
	}
	server.dirs = dirs;
	assert_int_equal(policy_scope_for_path(&server, NULL, paths[49])->line, 50);
	limit_append(&dirs[0], limit("RETR", false, RULE(FTP_DENY_ALL, NULL, NULL)));
	assert_true(check(&server, paths[49], "RETR"));
	limit_append(&dirs[49], limit("RETR", false, RULE(FTP_DENY_ALL, NULL, NULL)));
	assert_false(check(&server, paths[49], "RETR"));
	limits_free(&dirs[0]);
	limits_free(&dirs[49]);
}

/* --- selectors --- */

static void the_highest_level_wins_and_then_the_first(void **state)
{
	struct ftp_rate rates[] = {
		{.item = {.level = 2}, .commands = FTP_XFER_RETR, .bytes_per_sec = 1},
		{.item = {.level = 4}, .commands = FTP_XFER_STOR, .bytes_per_sec = 2},
		{.item = {.level = 3},
			.commands = FTP_XFER_RETR,
			.bytes_per_sec = 3,
			.who = {true, FTP_EXPR_USER, &alice}},
		{.item = {.level = 3}, .commands = FTP_XFER_RETR | FTP_XFER_APPE, .bytes_per_sec = 4},
	};
	struct ftp_conf conf = {.rates = rates};
	struct ftp_subject who = known();

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_LEN(rates); i++)
		rates[i].item.next = &rates[i + 1].item;
	assert_int_equal(policy_rate(&conf, FTP_XFER_RETR, &who)->bytes_per_sec, 3);
	who.user = "bob";
	assert_int_equal(policy_rate(&conf, FTP_XFER_RETR, &who)->bytes_per_sec, 4);
	assert_int_equal(policy_rate(&conf, FTP_XFER_STOR, &who)->bytes_per_sec, 2);
	assert_int_equal(policy_rate(&conf, FTP_XFER_APPE, &who)->bytes_per_sec, 4);
	assert_null(policy_rate(&conf, FTP_XFER_STOU, &who));
	conf.rates = NULL;
	assert_null(policy_rate(&conf, FTP_XFER_RETR, &who));
}

static void sizes_and_counts_are_chosen_likewise(void **state)
{
	struct ftp_max_size sizes[] = {
		{.item = {.level = 2}, .bytes = 10, .who = {true, FTP_EXPR_GROUP, &staff}},
		{.item = {.level = 2}, .bytes = 20},
		{.item = {.level = 5}, .bytes = UINT64_MAX, .who = {true, FTP_EXPR_CLASS, &local}},
	};
	struct ftp_max_xfers xfers[] = {
		{.commands = FTP_XFER_RETR, .max = 5},
		{.commands = FTP_XFER_RETR | FTP_XFER_STOR, .max = 3},
	};
	struct ftp_subject who = known();

	(void)state;
	sizes[0].item.next = &sizes[1].item;
	sizes[1].item.next = &sizes[2].item;
	xfers[0].item.next = &xfers[1].item;
	assert_true(policy_max_size(sizes, &who)->bytes == UINT64_MAX);
	who.class_name = NULL;
	assert_int_equal(policy_max_size(sizes, &who)->bytes, 10);
	who.n_groups = 0;
	assert_int_equal(policy_max_size(sizes, &who)->bytes, 20);
	assert_null(policy_max_size(NULL, &who));
	assert_int_equal(policy_max_transfers(xfers, FTP_XFER_RETR)->max, 3);
	assert_int_equal(policy_max_transfers(xfers, FTP_XFER_STOR)->max, 3);
	assert_null(policy_max_transfers(xfers, FTP_XFER_APPE));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_limit_decides_by_its_order),
		T(both_kinds_of_rules_follow_the_order),
		T(the_verb_beats_its_group_and_the_group_beats_ALL),
		T(for_one_name_the_innermost_scope_with_a_verdict_counts),
		T(groups_and_ALL_cover_what_the_table_says),
		T(DenyAll_of_a_section_comes_before_limits),
		T(ftpaccess_is_the_innermost_scope),
		T(the_verdict_names_its_line),
		T(connecting_is_refused_when_no_limit_could_let_in),
		T(login_limits_are_all_asked_and_again_with_the_user),
		T(anonymous_has_its_own_login_limits_or_those_of_the_server),
		T(directory_patterns_match_as_documented),
		T(the_most_specific_section_wins_and_the_later_of_equals),
		T(anonymous_sections_are_searched_first),
		T(more_sections_than_are_kept_lose_the_least_specific),
		T(the_highest_level_wins_and_then_the_first),
		T(sizes_and_counts_are_chosen_likewise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
