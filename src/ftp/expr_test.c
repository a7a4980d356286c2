#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "ftp/expr.h"

static const char *const staff_admin[] = {"staff", "admin"};
static const struct ftp_subject alice = {
	.user = "alice", .groups = staff_admin, .n_groups = 2, .class_name = "local", .authenticated = true};
static const struct ftp_subject before_login = {.user = "alice"};
static const struct ftp_subject nobody = {.class_name = NULL};

static void expressions_match_as_documented(void **state)
{
	static const struct {
		enum ftp_expr_kind kind;
		const char *text;
		const struct ftp_subject *who;
		bool match;
	} cases[] = {
		{FTP_EXPR_USER, "alice", &alice, true},
		{FTP_EXPR_USER, "Alice", &alice, false},
		{FTP_EXPR_USER, "bob,alice", &alice, true},
		{FTP_EXPR_USER, "bob, alice", &alice, true},
		{FTP_EXPR_USER, "bob,carol", &alice, false},
		{FTP_EXPR_USER, "*", &alice, true},
		{FTP_EXPR_USER, "!bob", &alice, true},
		{FTP_EXPR_USER, "!alice", &alice, false},
		{FTP_EXPR_USER, "AND *,!bob", &alice, true},
		{FTP_EXPR_USER, "AND *,!alice", &alice, false},
		{FTP_EXPR_USER, "and !bob,!carol", &alice, true},
		{FTP_EXPR_USER, "*", &nobody, false}, /* not known is not anybody */
		{FTP_EXPR_USER, "!bob", &nobody, false},
		{FTP_EXPR_USER, "regex ^al", &alice, true},
		{FTP_EXPR_USER, "regex ^l", &alice, false},
		{FTP_EXPR_USER, "regex !^l", &alice, true},
		{FTP_EXPR_USER, "regex (bob|alice)$", &alice, true},
		{FTP_EXPR_GROUP, "staff", &alice, true},
		{FTP_EXPR_GROUP, "staff,admin", &alice, true},
		{FTP_EXPR_GROUP, "staff,users", &alice, false}, /* groups: AND */
		{FTP_EXPR_GROUP, "OR staff,users", &alice, true},
		{FTP_EXPR_GROUP, "staff,!users", &alice, true},
		{FTP_EXPR_GROUP, "staff,!admin", &alice, false},
		{FTP_EXPR_GROUP, "!users", &before_login, false},
		{FTP_EXPR_GROUP, "regex ^adm", &alice, true},
		{FTP_EXPR_GROUP, "regex !^adm", &alice, false},
		{FTP_EXPR_CLASS, "local", &alice, true},
		{FTP_EXPR_CLASS, "far,local", &alice, true},
		{FTP_EXPR_CLASS, "!local", &alice, false},
		{FTP_EXPR_CLASS, "local", &nobody, false},
		{FTP_EXPR_CLASS, "!local", &nobody, true},
	};

	struct arena *a = arena_new(4096, 0);

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;
		struct ftp_expr *e;
		struct conf_words w;

		assert_int_equal(conf_split(a, cases[i].text, NULL, NULL, &w, &err), 0);
		if (ftp_expr_compile(a, cases[i].kind, w.word, w.n, &e, &err) < 0)
			fail_msg("'%s': %s", cases[i].text, err.text);
		if (ftp_expr_match(e, cases[i].kind, cases[i].who) != cases[i].match)
			fail_msg("case %u: '%s'", i, cases[i].text);
	}
	arena_free(a);
}

static void any_turns_a_group_list_into_or(void **state)
{
	char list[] = "staff,users", *words[] = {list};
	struct arena *a = arena_new(4096, 0);
	struct ftp_expr *e;

	assert_int_equal(ftp_expr_compile(a, FTP_EXPR_GROUP, words, 1, &e, NULL), 0);
	assert_false(ftp_expr_match(e, FTP_EXPR_GROUP, &alice));
	ftp_expr_any(e);
	assert_true(ftp_expr_match(e, FTP_EXPR_GROUP, &alice));
	arena_free(a);
}

static void bad_expressions_are_refused(void **state)
{
	static const char *const texts[] = {
		"a,!", ",", "\"\"", "regex (", "regex ((a{90}){90}){90}", "regex a{1,99999}", "AND ,"};
	struct arena *a = arena_new(4096, 0);

	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		struct err err = ERR_INIT;
		struct ftp_expr *e;
		struct conf_words w;

		assert_int_equal(conf_split(a, texts[i], NULL, NULL, &w, &err), 0);
		assert_int_equal(ftp_expr_compile(a, FTP_EXPR_USER, w.word, w.n, &e, &err), -WE_CONFIG);
		assert_true(err.text[0] != '\0');
	}
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_match_as_documented),
		cmocka_unit_test(any_turns_a_group_list_into_or),
		cmocka_unit_test(bad_expressions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
