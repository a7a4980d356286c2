#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ftp/rewrite.h"

static struct ftp_config *config;
static struct addr client;

/* Load rules; NULL: the error is in *err. */
static bool load(const char *rules, struct err *err)
{
	char text[4000];
	const struct ftp_config_options opt = {.text = text, .name = "test.conf", .check_only = false};

	(void)snprintf(text, sizeof(text), "RewriteEngine on\n%s\n", rules);
	ftp_config_free(config);
	config = NULL;
	return ftp_config_load(&opt, 1, &config, NULL, err) == 0;
}

static int apply(const char *rules, const char *verb, const char *arg, struct buf *out)
{
	static const char *const groups[] = {"staff", "games"};
	const struct ftp_subject who = {
		.user = "alice", .groups = groups, .n_groups = 2, .client = &client, .class_name = NULL};
	struct err err = ERR_INIT;
	struct rewrite_query q = {.who = &who,
		.verb = verb,
		.sent_user = "al",
		.server_name = "srv",
		.path = "/home/alice/x",
		.port = 21};

	if (!load(rules, &err))
		fail_msg("%s: %s", rules, err.text);
	q.conf = &config->servers[0]->scope->conf;
	q.rules = q.conf->rewrite_rules;
	assert_int_equal(addr_parse("192.0.2.7", 1, &client), 0);
	buf_init(out, REWRITE_MAX);
	return ftp_rewrite(&q, arg, out);
}

/* want NULL: nothing is rewritten */
static void rewrites(const char *rules, const char *verb, const char *arg, const char *want)
{
	struct buf out;
	int r = apply(rules, verb, arg, &out);

	if (r != (want != NULL) || (want != NULL && strcmp(out.data, want) != 0))
		fail_msg("%s %s with %s: %d '%s'", verb, arg, rules, r, out.len > 0 ? out.data : "");
	buf_done(&out);
}

static void refuses(const char *rules, const char *arg, int error)
{
	struct buf out;

	assert_int_equal(apply(rules, "STOR", arg, &out), error);
	buf_done(&out);
}

static void groups_and_variables_are_replaced(void **state)
{
	rewrites("RewriteRule f(.) \"[$0|$1|$2|$$1]\"", "RMD", "xxf.txt", "[f.|.||$1]");
	rewrites("RewriteCondition %m (R)(M)D\nRewriteRule (.*) \"[%0|%1|%2|%3|%%1|%20]\"", "RMD", "x",
		"[RMD|R|M|%3|%1|M0]");
	rewrites("RewriteCondition %m RMD\nRewriteRule (.*) $1%20x%20", "RMD", "a", "a%20x%20");
	rewrites("RewriteRule (.*) \"%a|%c|%f|%F|%g|%G|%h|%m|%p|%u|%U|%v|%z|%\"", "RMD", "x",
		"192.0.2.7|%c|x|/home/alice/x|staff|staff,games|192.0.2.7|RMD|21|alice|al|srv|%z|%");
	rewrites("RewriteRule (.*) \"%{FOO}%{ENV:NO_SUCH_VARIABLE}|${x|${y}$\"", "RMD", "x",
		"%{FOO}|${x|${y}$");
	rewrites("RewriteRule !txt new", "RMD", "x", "new");
	rewrites("RewriteRule !txt new", "RMD", "x.txt", NULL);
	rewrites("RewriteRule ABC new [NC]", "RMD", "xabcx", "new");
	rewrites("RewriteRule x \"\"", "RMD", "x", NULL);
}

static void rules_follow_one_another(void **state)
{
	rewrites("RewriteRule (.*) 1$1\nRewriteRule (.*) 2$1\nRewriteRule ^21(.*) got-$1", "RMD", "x",
		"got-x");
	rewrites("RewriteCondition %m MKD\nRewriteRule (.*) 1$1\nRewriteRule (.*) 2$1", "RMD", "x", "2x");
}

static void conditions_are_joined(void **state)
{
	const char * or = "RewriteCondition %m MDTM [OR]\nRewriteCondition %m rmd [NC]\nRewriteRule (.*) Z$1";

	rewrites(or, "RMD", "x", "Zx");
	rewrites(or, "MDTM", "x", "Zx");
	rewrites(or, "DELE", "x", NULL);
	rewrites("RewriteCondition %m RMD\nRewriteCondition $1 !^d\nRewriteRule (.*) n$1", "RMD", "dx", NULL);
	rewrites(
		"RewriteCondition %m RMD\nRewriteCondition $1 !^d\nRewriteRule (.*) n$1", "RMD", "ex", "nex");
	rewrites("RewriteCondition %f =f.txt\nRewriteRule (.*) eq", "RMD", "f.txt", "eq");
	rewrites("RewriteCondition %f !=f.txt\nRewriteRule (.*) eq", "RMD", "f.txt", NULL);
	rewrites("RewriteCondition %f <b\nRewriteRule (.*) lt", "RMD", "c", "lt");
	rewrites("RewriteCondition %f <b\nRewriteRule (.*) lt", "RMD", "b", NULL);
	rewrites("RewriteCondition %f >b\nRewriteRule (.*) gt", "RMD", "a", "gt");
}

static void maps_change_text(void **state)
{
	const char *replace = "RewriteMap r int:replaceall\nRewriteRule (.*) \"${r:!$1!%20!_}\"";

	rewrites("RewriteMap m int:toupper\nRewriteRule (.*) ${m:$1}x", "RMD", "aBc", "ABCx");
	rewrites("RewriteMap m int:tolower\nRewriteRule (.*) ${m:$1}", "RMD", "ABc", "abc");
	rewrites("RewriteMap m int:unescape\nRewriteRule (.*) ${m:$1}", "RMD", "a%20b%zz%4", "a b%zz%4");
	rewrites("RewriteMap m int:utf8trans\nRewriteRule (.*) ${m:$1}", "RMD", "\xc3\xa4\xe2\x82\xac",
		"\xe4\xe2\x82\xac");
	rewrites(replace, "RMD", "a%20b%20", "a_b_");
	rewrites(replace, "RMD", "a!b%20c", "a!b_c"); /* what the client sends separates nothing */
	rewrites(replace, "RMD", "%20%20%20%20%20%20%20%20", "________");
	rewrites(replace, "RMD", "%20%20%20%20%20%20%20%20%20", "%20%20%20%20%20%20%20%20%20");
	rewrites("RewriteMap r int:replaceall\nRewriteMap u int:toupper\nRewriteRule (.*) "
		 "\"${u:${r:/$1/b/xy}}-${nosuch:$1|${u:d}}\"",
		"RMD", "abc", "AXYC-D");
}

static void a_client_cannot_write_templates(void **state)
{
	rewrites("RewriteMap u int:toupper\nRewriteRule (.*) x$1", "RMD", "${u:abc}%a$1", "x${u:abc}%a$1");
}

static void a_text_map_takes_the_first_of_equal_keys(void **state)
{
	static const char text[] =
		"# c\nkey  value # more\n\none two three\nk\tv\r\nkey other\nalone\nbad #c\nend last";
	struct arena *a = arena_new(4096, 0);
	struct ftp_rewrite_map map = {0};

	assert_int_equal(rewrite_map_read(a, text, sizeof(text) - 1, &map), 0);
	assert_int_equal(map.n_entries, 5);
	assert_string_equal(map.entries[0].key, "end");
	assert_string_equal(map.entries[2].key, "key");
	assert_string_equal(map.entries[2].value, "value");
	assert_string_equal(map.entries[1].value, "v");
	arena_free(a);
}

static void what_cannot_be_an_argument_refuses_the_command(void **state)
{
	static char lots[REWRITE_MAX];

	refuses("RewriteMap m int:unescape\nRewriteRule (.*) ${m:$1}", "x%0dy", -EINVAL);
	refuses("RewriteMap m int:unescape\nRewriteRule (.*) ${m:$1}", "x%0ay", -EINVAL);
	refuses("RewriteMap m int:unescape\nRewriteRule (.*) ${m:$1}", "x%00y", -EINVAL);
	refuses("RewriteMap m int:unescape\nRewriteMap l int:tolower\nRewriteRule (.*) ${l:${m:$1}}", "x%00y",
		-EINVAL);
	refuses("RewriteMap m int:unescape\nRewriteCondition ${m:%f} !secret\nRewriteRule (.*) y",
		"x%00secret", -EINVAL);
	memset(lots, 'a', sizeof(lots) - 10);
	refuses("RewriteRule (.*) $1$1", lots, -WE_LIMIT);
	refuses("RewriteRule ^(a+)+$ x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", -WE_LIMIT);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *rules, *words;
	} rows[] = {{"RewriteRule ( x", "unusable regular expression"}, {"RewriteRule x y NC", "in brackets"},
		{"RewriteRule x y [L]", "unknown flag 'L'"},
		{"RewriteMap m fifo:/x", "type fifo are refused"}, {"RewriteMap m int:foo", "foo"},
		{"RewriteMap m foo:x", "neither txt:<path> nor int:"},
		{"RewriteMap m txt:rel", "not an absolute path"},
		{"RewriteMap m txt:/no/such", "cannot open"}, {"RewriteMap m int:idnatrans", "idnatrans"},
		{"RewriteMaxReplace 0", "RewriteMaxReplace"},
		{"RewriteCondition $1 -f\nRewriteRule x y", "before any file is looked at"},
		{"RewriteRule x ${a:${b:${c:${d:${e:x}}}}}", "in one another"},
		{"RewriteLog x", "not an absolute path"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;

		if (load(rows[i].rules, &err) || strstr(err.text, rows[i].words) == NULL)
			fail_msg("%s: '%s'", rows[i].rules, err.text);
	}
}

static int finish(void **state)
{
	ftp_config_free(config);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_and_variables_are_replaced),
		cmocka_unit_test(rules_follow_one_another),
		cmocka_unit_test(conditions_are_joined),
		cmocka_unit_test(maps_change_text),
		cmocka_unit_test(a_client_cannot_write_templates),
		cmocka_unit_test(a_text_map_takes_the_first_of_equal_keys),
		cmocka_unit_test(what_cannot_be_an_argument_refuses_the_command),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
