#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "session/facts.h"
#include "session/list_format.h"
#include "session/list_opts.h"

#define DAY     86400
#define UNNAMED (VERB_FACT_EVERY & ~(VERB_FACT_UNIX_GROUPNAME | VERB_FACT_UNIX_OWNERNAME))

static const int64_t NOW = 1700000000; /* 2023-11-14 22:13:20 UTC */

static struct list_opts parse(enum list_kind kind, const char *config, const char *arg, const char **ret_path)
{
	struct list_opts o;
	bool lone;

	list_opts_init(&o, kind);
	list_opts_config(&o, config);
	*ret_path = list_opts_arg(&o, arg, false, &lone);
	return o;
}

static void options_are_taken_off_the_path(void **state)
{
	static const struct {
		const char *arg, *path;
		bool lone;
	} cases[] = {
		{"", "", false},
		{"-al", "", true},
		{"-al ", "", false},
		{"-a -l dir", "dir", false},
		{"-a -l dir -x", "dir -x", false},
		{"-la  two", " two", false},
		{"-- -x", "-x", false},
		{"-a -- -x y", "-x y", false},
		{"-", "-", true},
		{"- x", "- x", false},
		{"--color dir", "dir", false},
		{" -l", " -l", false},
		{"+a", "+a", false},
		{"dir", "dir", false},
		{"--", "", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct list_opts o;
		bool lone;

		list_opts_init(&o, LIST_KIND_LIST);
		assert_string_equal(list_opts_arg(&o, cases[i].arg, false, &lone), cases[i].path);
		assert_int_equal(lone, cases[i].lone);
	}
}

static void the_last_of_contradicting_letters_counts(void **state)
{
	const char *path;
	struct list_opts o = parse(LIST_KIND_LIST, NULL, "-l1", &path);

	assert_int_equal(o.layout, LIST_SHORT);
	o = parse(LIST_KIND_LIST, NULL, "-1 -Cl", &path);
	assert_int_equal(o.layout, LIST_LONG);
	o = parse(LIST_KIND_LIST, NULL, "-tSaA", &path);
	assert_int_equal(o.sort, LIST_BY_SIZE);
	assert_int_equal(o.dots, LIST_DOTFILES);
	o = parse(LIST_KIND_LIST, "-aR +R", "-xyz", &path);
	assert_int_equal(o.dots, LIST_ALL);
	assert_false(o.recursive);
	o = parse(LIST_KIND_LIST, "-t", "-c", &path);
	assert_int_equal(o.sort, LIST_BY_TIME);
	assert_int_equal(o.time, LIST_CTIME);
}

static void commands_have_their_defaults(void **state)
{
	const char *path;
	struct list_opts o = parse(LIST_KIND_NLST, NULL, "-lFC", &path);

	assert_int_equal(o.layout, LIST_SHORT);
	assert_int_equal(o.sort, LIST_UNSORTED);
	assert_false(o.classify);
	assert_false(o.bare);
	o = parse(LIST_KIND_NLST, "-1", "", &path);
	assert_true(o.bare);
	o = parse(LIST_KIND_STAT, NULL, "-1C x", &path);
	assert_int_equal(o.layout, LIST_LONG);
	assert_int_equal(o.dots, LIST_ALL);
	assert_string_equal(path, "x");
}

static void strict_ignores_the_letters_but_takes_them_off(void **state)
{
	struct list_opts o;
	bool lone;

	list_opts_init(&o, LIST_KIND_LIST);
	assert_string_equal(list_opts_arg(&o, "-R x", true, &lone), "x");
	assert_false(o.recursive);
}

/* --- lines --- */

static struct statx stat_of(uint64_t size, int64_t mtime)
{
	struct statx st = {
		.stx_nlink = 2, .stx_size = size, .stx_ino = 0xabc, .stx_dev_major = 8, .stx_dev_minor = 2};

	st.stx_mtime.tv_sec = mtime;
	st.stx_ctime.tv_sec = mtime - DAY;
	st.stx_atime.tv_sec = mtime + 3600;
	return st;
}

static const char *long_line(
	struct list_style *style, unsigned mode, const char *name, const char *target, const struct statx *st)
{
	static char buf[4096];
	struct list_line l = {
		.name = name, .target = target, .owner = "alice", .group = "staff", .mode = mode, .st = st};
	size_t n = list_format_long(style, &l, buf);

	assert_true(n <= list_line_room(name, target));
	assert_memory_equal(buf + n - 2, "\r\n", 2);
	buf[n - 2] = '\0';
	return buf;
}

static void unix_lines_are_golden(void **state)
{
	struct list_style s = {.gmt = true, .now = NOW};
	struct statx st = stat_of(1234, NOW - 60);

	assert_string_equal(long_line(&s, S_IFREG | 0644, "a b.txt", NULL, &st),
		"-rw-r--r--   2 alice    staff        1234 Nov 14 22:12 a b.txt");
	assert_string_equal(long_line(&s, S_IFDIR | 01777, "tmp", NULL, &st),
		"drwxrwxrwt   2 alice    staff        1234 Nov 14 22:12 tmp");
	assert_string_equal(long_line(&s, S_IFLNK | 0777, "ln", "../x", &st),
		"lrwxrwxrwx   2 alice    staff        1234 Nov 14 22:12 ln -> ../x");
	assert_string_equal(long_line(&s, S_IFREG | 06610, "s", NULL, &st),
		"-rwS--s---   2 alice    staff        1234 Nov 14 22:12 s");
	assert_string_equal(long_line(&s, S_IFCHR | 01600, "c", NULL, &st),
		"crw------T   2 alice    staff        1234 Nov 14 22:12 c");
	st.stx_size = 12345678901;
	assert_string_equal(long_line(&s, S_IFREG | 0400, "big", NULL, &st),
		"-r--------   2 alice    staff    12345678901 Nov 14 22:12 big");
}

static void old_and_future_times_show_the_year(void **state)
{
	static const struct {
		int64_t at;
		const char *date;
	} cases[] = {
		{1700000000 - 180 * DAY, "May 18 22:13"},
		{1700000000 - 180 * DAY - 1, "May 18  2023"},
		{1700000000 - 180 * DAY + 1, "May 18 22:13"},
		{1700000000 + 3600, "Nov 14 23:13"},
		{1700000000 + DAY, "Nov 15 22:13"},
		{1700000000 + DAY + 1, "Nov 15  2023"},
		{1700000000 + 2 * DAY, "Nov 16  2023"},
		{2147483648, "Jan 19  2038"},
		{4102444800, "Jan  1  2100"},
		{-1, "Dec 31  1969"},
		{-2208988800, "Jan  1  1900"},
		{253402300800, "Jan  1 10000"},
	};
	struct list_style s = {.gmt = true, .now = NOW};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct statx st = stat_of(1, cases[i].at);
		char want[200] = "-rw-------   2 alice    staff           1 ";

		strcat(want, cases[i].date);
		strcat(want, " f");
		assert_string_equal(long_line(&s, S_IFREG | 0600, "f", NULL, &st), want);
	}
}

static void damaged_times_do_not_break_a_line(void **state)
{
	struct list_style s = {.gmt = true, .now = NOW};
	struct statx st = stat_of(1, INT64_MAX - DAY);

	(void)long_line(&s, S_IFREG, "f", NULL, &st);
	st.stx_mtime.tv_sec = INT64_MIN / 2;
	(void)long_line(&s, S_IFREG, "f", NULL, &st);
	s.windows = true;
	(void)long_line(&s, S_IFREG, "f", NULL, &st);
}

static void other_times_can_be_shown(void **state)
{
	struct list_style s = {.gmt = true, .now = NOW, .time = LIST_CTIME};
	struct statx st = stat_of(1, NOW);

	assert_non_null(strstr(long_line(&s, S_IFREG, "f", NULL, &st), " Nov 13 22:13 "));
	s.time = LIST_ATIME;
	assert_non_null(strstr(long_line(&s, S_IFREG, "f", NULL, &st), " Nov 14 23:13 "));
}

static void local_time_when_asked(void **state)
{
	struct list_style s = {.now = NOW};
	struct statx st = stat_of(1, NOW);

	setenv("TZ", "XXX-3", 1);
	tzset();
	assert_non_null(strstr(long_line(&s, S_IFREG, "f", NULL, &st), " Nov 15 01:13 "));
	s.gmt = true;
	assert_non_null(strstr(long_line(&s, S_IFREG, "f", NULL, &st), " Nov 14 22:13 "));
}

static void human_sizes(void **state)
{
	static const struct {
		uint64_t size;
		const char *text;
	} cases[] = {{0, " staff           0 "}, {999, " staff         999 "}, {1000, " staff        1.0k "},
		{1536, " staff        1.5k "}, {1024000, " staff        1.0M "},
		{5368709120, " staff        5.0G "}};
	struct list_style s = {.gmt = true, .now = NOW, .human = true};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct statx st = stat_of(cases[i].size, NOW);

		assert_non_null(strstr(long_line(&s, S_IFREG, "f", NULL, &st), cases[i].text));
	}
}

static void windows_lines_are_golden(void **state)
{
	struct list_style s = {.gmt = true, .now = NOW, .windows = true};
	struct statx st = stat_of(1234, NOW);

	assert_string_equal(long_line(&s, S_IFREG, "readme.htm", NULL, &st),
		"11-14-23  10:13PM                 1234 readme.htm");
	assert_string_equal(
		long_line(&s, S_IFDIR, "pub", NULL, &st), "11-14-23  10:13PM       <DIR>          pub");
	st.stx_mtime.tv_sec = 1699920000; /* midnight */
	assert_string_equal(
		long_line(&s, S_IFDIR, "pub", NULL, &st), "11-14-23  12:00AM       <DIR>          pub");
}

static void line_ends_in_names_cannot_forge_lines(void **state)
{
	struct list_style s = {.gmt = true, .now = NOW};
	struct statx st = stat_of(1, NOW);
	char buf[256];

	assert_non_null(strstr(long_line(&s, S_IFREG, "a\r\nb", NULL, &st), " a??b"));
	assert_non_null(strstr(long_line(&s, S_IFLNK, "a", "x\ny", &st), " a -> x?y"));
	s.escape = true;
	assert_non_null(strstr(long_line(&s, S_IFREG, "a\n\xff", NULL, &st), " a\\012\\377"));
	s.escape = false;
	s.classify = true;
	buf[list_format_name(&s, "\xc3\xa4\n", S_IFDIR, buf)] = '\0';
	assert_string_equal(buf, "\xc3\xa4?/\r\n");
	buf[list_format_name(&s, "x", S_IFREG | 0100, buf)] = '\0';
	assert_string_equal(buf, "x*\r\n");
	buf[list_format_name(&s, "x", S_IFLNK, buf)] = '\0';
	assert_string_equal(buf, "x@\r\n");
}

/* --- facts --- */

static void fact_lines_are_golden(void **state)
{
	struct statx st = stat_of(1234, NOW);
	struct facts_line l = {.name = "a b",
		.st = &st,
		.mode = S_IFREG | 0644,
		.perm = 1 | 4 | 16 | 256 | 512,
		.owner = "al ice",
		.group = "st;aff",
		.uid = 1000,
		.gid = 100};
	char buf[2048];

	buf[facts_format(VERB_FACT_EVERY, &l, buf)] = '\0';
	assert_string_equal(buf,
		"modify=20231114221320;perm=adfrw;size=1234;type=file;unique=802Uabc;UNIX.group=100;"
		"UNIX.groupname=st?aff;UNIX.mode=0644;UNIX.owner=1000;UNIX.ownername=al_ice; a b");
	assert_true(strlen(buf) <= facts_line_room("a b", NULL));
	l.mode = S_IFDIR | 0755;
	l.perm = 2 | 8 | 32 | 64 | 128;
	l.kind = FACTS_CDIR;
	l.name = ".";
	buf[facts_format(UNNAMED, &l, buf)] = '\0';
	assert_string_equal(buf,
		"modify=20231114221320;perm=celmp;type=cdir;unique=802Uabc;UNIX.group=100;UNIX.mode=0755;"
		"UNIX.owner=1000; .");
	buf[facts_format(0, &l, buf)] = '\0';
	assert_string_equal(buf, " .");
}

static void link_types_are_told(void **state)
{
	struct statx st = stat_of(1, NOW);
	struct facts_line l = {.name = "l", .st = &st, .mode = S_IFREG, .slink = "a;b"};
	char buf[1024];

	buf[facts_format(VERB_FACT_TYPE, &l, buf)] = '\0';
	assert_string_equal(buf, "type=OS.unix=slink:a?b; l");
	l.slink = NULL;
	l.symlink = 1;
	buf[facts_format(VERB_FACT_TYPE, &l, buf)] = '\0';
	assert_string_equal(buf, "type=OS.unix=symlink; l");
	l.symlink = 0;
	l.mode = S_IFCHR;
	l.name = "x\r\ny";
	buf[facts_format(VERB_FACT_TYPE, &l, buf)] = '\0';
	assert_string_equal(buf, "type=OS.unix=chr; x??y");
}

static void facts_are_chosen_in_the_client_s_order(void **state)
{
	char names[FACTS_TEXT_MAX];

	assert_int_equal(facts_choose("Type;SIZE;bogus;unix.mode;size;", VERB_FACT_EVERY, names),
		VERB_FACT_TYPE | VERB_FACT_SIZE | VERB_FACT_UNIX_MODE);
	assert_string_equal(names, "type;size;UNIX.mode;");
	assert_int_equal(facts_choose("", VERB_FACT_EVERY, names), 0);
	assert_string_equal(names, "");
	assert_int_equal(facts_choose("size type", VERB_FACT_EVERY, names), -1);
	assert_int_equal(facts_choose("UNIX.ownername;size", UNNAMED, names), VERB_FACT_SIZE);
}

static void fact_times_stay_fourteen_digits(void **state)
{
	char t[15];

	facts_time(0, t);
	assert_string_equal(t, "19700101000000");
	facts_time(-1, t);
	assert_string_equal(t, "19691231235959");
	facts_time(4102444800, t);
	assert_string_equal(t, "21000101000000");
	facts_time(INT64_MAX, t);
	assert_string_equal(t, "99991231235959");
	facts_time(INT64_MIN, t);
	assert_string_equal(t, "00000101000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_off_the_path),
		cmocka_unit_test(the_last_of_contradicting_letters_counts),
		cmocka_unit_test(commands_have_their_defaults),
		cmocka_unit_test(strict_ignores_the_letters_but_takes_them_off),
		cmocka_unit_test(unix_lines_are_golden),
		cmocka_unit_test(old_and_future_times_show_the_year),
		cmocka_unit_test(damaged_times_do_not_break_a_line),
		cmocka_unit_test(other_times_can_be_shown),
		cmocka_unit_test(human_sizes),
		cmocka_unit_test(windows_lines_are_golden),
		cmocka_unit_test(line_ends_in_names_cannot_forge_lines),
		cmocka_unit_test(fact_lines_are_golden),
		cmocka_unit_test(link_types_are_told),
		cmocka_unit_test(facts_are_chosen_in_the_client_s_order),
		cmocka_unit_test(fact_times_stay_fourteen_digits),
		cmocka_unit_test(local_time_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
