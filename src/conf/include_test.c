/* Include on a real directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "conf/conf.h"

static char dir[64];
static char seen_words[2000], seen_errors[4000];

static int word_take(struct conf_call *c, void *dst)
{
	size_t n = strlen(seen_words);

	snprintf(seen_words + n, sizeof(seen_words) - n, "%s%s", n > 0 ? " " : "", c->args[0]);
	return 0;
}

#define COMMON                                                                                               \
	.type = CONF_T_CUSTOM, .min_args = 1, .max_args = 9, .flags = CONF_REPEATABLE,                       \
	.scope = CONF_S | CONF_G | CONF_D, .module = "mod_core.c", .syntax = "<x>",                          \
	.doc = "A directive for tests."

static const struct conf_row rows[] = {
	{.name = "Include", .parse = conf_include, COMMON},
	{.name = "IncludeOptions", .parse = conf_include_options, COMMON},
	{.name = "Word", .parse = word_take, COMMON},
};
static const struct conf_table table = {rows, ARRAY_LEN(rows), 0};
static const struct conf_table *const tables[] = {&table};
static const struct conf_language lang = {.tables = tables, .n_tables = 1, .store_size = {8}};

static void write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	for (; *text != '\0'; text++) {
		if (*text == '@') /* the directory */
			fputs(dir, f);
		else
			fputc(*text, f);
	}
	assert_int_equal(fclose(f), 0);
}

static void take_note(void *arg, const struct conf_note *n)
{
	size_t len = strlen(seen_errors);

	if (n->event == CONF_EV_ERROR)
		snprintf(seen_errors + len, sizeof(seen_errors) - len, "%s\n", n->text);
}

/* Read main.conf; the words that were seen, or the errors. "@" in them stands for the directory. */
static const char *load(void)
{
	struct arena *a = arena_new(4096, 0);
	char path[200];
	const struct conf_input in = {.name = path, .kind = CONF_KIND_SERVER, .note = take_note};
	struct conf_tree *t;
	int r;

	snprintf(path, sizeof(path), "%s/main.conf", dir);
	seen_words[0] = seen_errors[0] = '\0';
	r = conf_parse(&lang, &in, a, &t, NULL);
	arena_free(a);
	if (r == 0)
		return seen_words;
	for (char *p = seen_errors; (p = strstr(p, dir)) != NULL;) {
		*p = '@';
		memmove(p + 1, p + strlen(dir), strlen(p + strlen(dir)) + 1);
	}
	return seen_errors;
}

static int setup(void **state)
{
	static const char *const dirs[] = {"d", "s1", "s2", "d/sub"};

	strcpy(dir, "/tmp/wherry-include-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(dirs); i++) {
		char path[200];

		snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	write_file("one.conf", "Word one");
	write_file("d/b.conf", "Word b\n");
	write_file("d/a.conf", "Word a\n");
	write_file("d/a.conf~", "Word tilde\n");
	write_file("d/c.conf.dpkg-old", "Word dpkg\n");
	write_file("d/.a.swp", "Word swap\n");
	write_file("d/sub/x.conf", "Word sub\n");
	write_file("s1/x.conf", "Word s1\n");
	write_file("s2/x.conf", "Word s2\n");
	return 0;
}

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	return nftw(dir, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void files_directories_and_patterns_are_read_in_byte_order(void **state)
{
	write_file("main.conf", "Include @/one.conf\nWord end\n");
	assert_string_equal(load(), "one end");
	write_file("main.conf", "Include @/d/\n");
	assert_string_equal(load(), "swap a tilde b dpkg");
	write_file("main.conf", "IncludeOptions IgnoreTempFiles\nInclude @/d\n");
	assert_string_equal(load(), "a b");
	write_file("main.conf", "Include @/d/*.conf\n");
	assert_string_equal(load(), "a b");
	write_file("main.conf", "Include @/d/none*.conf\nWord end\n");
	assert_string_equal(load(), "end");
	write_file("main.conf", "Include @/s?/x.conf\n");
	assert_string_equal(load(), "s1 s2");
	write_file("main.conf", "IncludeOptions IgnoreWildcards\nInclude @/s?/*.conf\n");
	assert_string_equal(load(), "");
}

static void symbolic_links_need_permission(void **state)
{
	char target[200], link[200];

	snprintf(target, sizeof(target), "%s/one.conf", dir);
	snprintf(link, sizeof(link), "%s/link.conf", dir);
	assert_int_equal(symlink(target, link), 0);
	write_file("main.conf", "Include @/l*.conf\nWord end\n");
	assert_string_equal(load(), "end");
	write_file("main.conf", "Include @/link.conf\n");
	assert_string_equal(load(), "fatal: Include: '@/link.conf' is a symbolic link (see IncludeOptions "
				    "AllowSymlinks) on line 1 of "
				    "'@/main.conf'\n");
	write_file("main.conf", "IncludeOptions AllowSymlinks\nInclude @/l*.conf\nInclude @/link.conf\n");
	assert_string_equal(load(), "one one");
	unlink(link);
}

static void missing_files_and_cycles_are_errors(void **state)
{
	write_file("main.conf", "Include @/missing.conf\n");
	assert_string_equal(load(),
		"fatal: Include: cannot include '@/missing.conf': No such file or directory on line 1 of "
		"'@/main.conf'\n");
	write_file("main.conf", "Include one.conf\n");
	assert_string_equal(
		load(), "fatal: Include: 'one.conf' is not an absolute path on line 1 of '@/main.conf'\n");
	write_file("main.conf", "\nInclude @/main.conf\n");
	assert_string_equal(
		load(), "fatal: Include: '@/main.conf' includes itself on line 2 of '@/main.conf'\n");
	write_file("main.conf", "Include @/back.conf\n");
	write_file("back.conf", "Word back\nInclude @/main.conf\n");
	assert_string_equal(
		load(), "fatal: Include: '@/main.conf' includes itself on line 2 of '@/back.conf'\n");
}

static void ten_levels_are_enough(void **state)
{
	for (int i = 0; i <= 12; i++) {
		char name[20], text[60];

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(text, sizeof(text), "Word %d\nInclude @/n%d\n", i, i + 1);
		write_file(name, text);
	}
	write_file("n10", "Word ten\n");
	write_file("main.conf", "Include @/n1\n");
	assert_string_equal(load(), "1 2 3 4 5 6 7 8 9 ten");
	write_file("n10", "Include @/n11\n");
	assert_string_equal(
		load(), "fatal: Include: files are included more than 10 deep on line 1 of '@/n10'\n");
}

static void sections_balance_in_each_file(void **state)
{
	write_file("main.conf", "<Global>\nInclude @/in.conf\nWord end\n</Global>\n");
	write_file("in.conf", "<Directory /x>\nWord in\n</Directory>\n");
	assert_string_equal(load(), "in end");
	write_file("in.conf", "<Directory /x>\nWord in\n");
	assert_string_equal(load(),
		"fatal: <Directory>: section is not closed, it was opened on line 1 of '@/in.conf'\n");
	write_file("in.conf", "</Global>\n");
	assert_string_equal(load(), "fatal: </Global>: end tag of a section that this file did not open on "
				    "line 1 of '@/in.conf'\n");
	write_file("in.conf", "Bogus 1\n");
	assert_string_equal(
		load(), "fatal: unknown configuration directive 'Bogus' on line 1 of '@/in.conf'\n");
}

static void a_main_file_that_cannot_be_read_is_named(void **state)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/main.conf", dir);
	unlink(path);
	assert_string_equal(
		load(), "fatal: cannot read configuration file '@/main.conf': No such file or directory\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_directories_and_patterns_are_read_in_byte_order),
		cmocka_unit_test(symbolic_links_need_permission),
		cmocka_unit_test(missing_files_and_cycles_are_errors),
		cmocka_unit_test(ten_levels_are_enough),
		cmocka_unit_test(sections_balance_in_each_file),
		cmocka_unit_test(a_main_file_that_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
