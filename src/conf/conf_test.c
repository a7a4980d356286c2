/* Lines, words, values, rows and merging, with a small language of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "conf/conf.h"

/* --- lines --- */

static void lines_are_joined_and_trimmed(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "  one \r\n"
				   "two \\\r\n\tthree\\\nfour\n"
				   "\n"
				   "# comment \\\nstill comment\n"
				   "last";
	static const struct {
		const char *text;
		unsigned line;
	} want[] = {{"one", 1}, {"two \tthreefour", 2}, {"", 5}, {"# comment still comment", 6}, {"last", 8}};
	struct arena *a = arena_new(1024, 0);
	struct conf_lines l;
	char *s;
	unsigned n;

	conf_lines_init(&l, text, sizeof(text) - 1);
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(conf_lines_next(&l, a, &s, &n, NULL), 1);
		assert_string_equal(s, want[i].text);
		assert_int_equal(n, want[i].line);
	}
	assert_int_equal(conf_lines_next(&l, a, &s, &n, NULL), 0);
	arena_free(a);
}

static void a_line_may_have_64_kib_and_no_nul(void **state)
{
	size_t size = CONF_MAX_LINE + 20;
	char *text = xmalloc(size), *s;
	struct arena *a = arena_new(1024, 0);
	struct err err = ERR_INIT;
	struct conf_lines l;
	unsigned n;

	memset(text, 'x', size);
	text[CONF_MAX_LINE] = '\n';
	conf_lines_init(&l, text, size);
	assert_int_equal(conf_lines_next(&l, a, &s, &n, &err), 1);
	assert_int_equal(strlen(s), CONF_MAX_LINE);
	text[CONF_MAX_LINE] = 'x';
	text[CONF_MAX_LINE + 2] = '\n';
	conf_lines_init(&l, text, size);
	assert_int_equal(conf_lines_next(&l, a, &s, &n, &err), -WE_SYNTAX);
	assert_string_equal(err.text, "line is longer than 65536 bytes");
	assert_int_equal(conf_lines_next(&l, a, &s, &n, &err), 1); /* and goes on with the next */
	assert_int_equal(n, 2);
	text[3] = '\0';
	text[5] = '\n';
	conf_lines_init(&l, text, size);
	assert_int_equal(conf_lines_next(&l, a, &s, &n, &err), -WE_SYNTAX);
	assert_string_equal(err.text, "line contains a NUL byte");
	free(text);
	arena_free(a);
}

/* --- words --- */

static const char *test_env(void *arg, const char *name)
{
	if (str_eq(name, "DIR"))
		return "/srv/ftp";
	if (str_eq(name, "TWO"))
		return "first \"second half\" %{env:DIR}";
	return str_eq(name, "EMPTY") ? "" : NULL;
}

/* Words joined by '|'. */
static const char *words(struct arena *a, const char *text, struct err *err)
{
	struct conf_words w;
	char *s = arena_strdup(a, "");

	if (conf_split(a, text, test_env, NULL, &w, err) < 0)
		return NULL;
	for (unsigned i = 0; i < w.n; i++)
		s = arena_printf(a, "%s%s%s", s, i > 0 ? "|" : "", w.word[i]);
	if (w.unset_env != NULL)
		s = arena_printf(a, "%s (unset %s)", s, w.unset_env);
	return s;
}

static void lines_are_split_into_words(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", ""},
		{"a  b\tc", "a|b|c"},
		{"ServerName \"My Server\"", "ServerName|My Server"},
		{"x \"a \\\"quoted\\\" word\"", "x|a \"quoted\" word"},
		{"x \"\\\\.\"", "x|\\."},
		{"x ^\\.", "x|^\\."},
		{"x a\"b\"c", "x|a\"b\"c"}, /* a quote in mid-word is literal */
		{"x 'a b'", "x|'a|b'"},
		{"x \"\"", "x|"},
		{"x \"a\"b", "x|a|b"},
		{"x y # z", "x|y"},
		{"x y#z", "x|y#z"},
		{"x \"#z\"", "x|#z"},
		{"# all", ""},
		{"x %{env:DIR}", "x|/srv/ftp"},
		{"x %{env:DIR}/pub", "x|/srv/ftp/pub"},
		{"x \"in %{env:DIR} quotes\"", "x|in /srv/ftp quotes"},
		{"x %{env:TWO} y", "x|first|second half|%{env:DIR}|y"}, /* split again, not expanded again */
		{"x a%{env:TWO}", "x|afirst \"second half\" %{env:DIR}"},
		{"x \"%{env:TWO}\"", "x|first \"second half\" %{env:DIR}"},
		{"x %{env:EMPTY} y", "x||y"},
		{"x %{env:NOT_SET}", "x| (unset NOT_SET)"},
		{"x %{env:OPEN", "x|%{env:OPEN"},
		{"x %{vhost} %C", "x|%{vhost}|%C"},
		{"x \xc3\xa4\xff", "x|\xc3\xa4\xff"},
	};
	struct arena *a = arena_new(1024, 0);
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(words(a, cases[i].text, &err), cases[i].words);
	assert_null(words(a, "x \"open", &err));
	assert_string_equal(err.text, "unterminated quote");
	assert_null(words(a, "x \"open\\\"", &err));
	arena_free(a);
}

/* --- values --- */

static void sizes_have_units(void **state)
{
	static const struct {
		const char *number, *unit;
		int r;
		uint64_t bytes;
	} cases[] = {
		{"10", "KB", 0, 10240},
		{"1", "b", 0, 1},
		{"3", "Mb", 0, 3u << 20},
		{"2", "gB", 0, 2ull << 30},
		{"1", "TB", 0, 1ull << 40},
		{"64KB", NULL, 0, 65536},
		{"65536", NULL, 0, 65536},
		{"10", "K", -EINVAL, 0},
		{"10", "", -EINVAL, 0},
		{"-1", "KB", -EINVAL, 0},
		{"1.5", "KB", -EINVAL, 0},
		{"KB", NULL, -EINVAL, 0},
		{"9223372036854775807", "B", 0, INT64_MAX},
		{"9223372036854775807", "KB", -ERANGE, 0},
		{"99999999999999999999", "B", -EINVAL, 0},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t v = 0;

		assert_int_equal(conf_size(cases[i].number, cases[i].unit, &v), cases[i].r);
		assert_int_equal(v, cases[i].bytes);
	}
}

static void durations_have_three_forms(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t secs;
	} cases[] = {
		{"0", 0, 0},
		{"90", 0, 90},
		{"30s", 0, 30},
		{"30SEC", 0, 30},
		{"5m", 0, 300},
		{"5min", 0, 300},
		{"2h", 0, 7200},
		{"2Hr", 0, 7200},
		{"01:02:03", 0, 3723},
		{"100:00:00", 0, 360000},
		{"01:60:00", -EINVAL, 0},
		{"01:00", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"-5", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"99999999999", -ERANGE, 0},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t v = 0;

		assert_int_equal(conf_duration(cases[i].text, &v), cases[i].r);
		assert_int_equal(v, cases[i].secs * 1000);
	}
}

/* --- a language --- */

struct values {
	bool flag;
	int tri;
	const char *text, *path, *secret;
	uint16_t port;
	unsigned count;
	uint64_t size;
	uint32_t time_ms;
	int choice;
	unsigned bits;
	struct entry *entries;
};

struct entry {
	struct conf_item item;
	const char *word;
};

static int entry_parse(struct conf_call *c, void *dst)
{
	((struct entry *)dst)->word = c->args[0];
	return 0;
}

#define EVERYWHERE (CONF_S | CONF_V | CONF_G | CONF_A | CONF_D | CONF_F)
#define COMMON                                                                                               \
	.scope = EVERYWHERE, .module = "mod_core.c", .syntax = "<value>", .doc = "A value for the tests."

static const struct conf_word choices[] = {{"red", 1}, {"green", 2}, {"blue", 4}, {NULL, 0}};
static const char *const only_off[] = {"off", NULL};

static const struct conf_row rows[] = {
	{.name = "Bits", CONF_FLAGS(struct values, bits), .words = choices, COMMON},
	{.name = "Choice", CONF_ENUM(struct values, choice, int), .words = choices, .dflt = "green", COMMON},
	{.name = "Count",
		CONF_UINT(struct values, count, unsigned),
		.min = "2",
		.max = "10",
		.unit = "things",
		.dflt = "5",
		.flags = CONF_LAST_WINS,
		COMMON},
	{.name = "Entry",
		CONF_LIST(struct values, entries, struct entry),
		.parse = entry_parse,
		.min_args = 1,
		COMMON},
	{.name = "Entry2",
		CONF_LIST(struct values, entries, struct entry),
		.parse = entry_parse,
		.min_args = 1,
		COMMON},
	{.name = "Flag", CONF_BOOL(struct values, flag), COMMON},
	{.name = "LimitOnly",
		.type = CONF_T_NOEFFECT,
		.reason = "it is a test",
		.min_args = 1,
		.scope = CONF_L,
		.module = "mod_core.c",
		.syntax = "",
		.doc = "Stands in limits."},
	{.name = "Nothing",
		.type = CONF_T_NOEFFECT,
		.only = only_off,
		.reason = "it is a test",
		.min_args = 1,
		COMMON},
	{.name = "Path", CONF_PATH(struct values, path), COMMON},
	{.name = "Port", CONF_UINT(struct values, port, uint16_t), COMMON},
	{.name = "Secret", CONF_STRING(struct values, secret), .flags = CONF_SECRET, COMMON},
	{.name = "Size", CONF_SIZE(struct values, size, uint64_t), .max = "1GB", COMMON},
	{.name = "Text", CONF_STRING(struct values, text), .flags = CONF_NO_ANON, COMMON},
	{.name = "Time", CONF_DURATION(struct values, time_ms), .max = "1h", .dflt = "10", COMMON},
	{.name = "Tri", CONF_TRISTATE(struct values, tri, int), COMMON},
};
static const struct conf_table table = {rows, ARRAY_LEN(rows), 0};
static const struct conf_table *const tables[] = {&table};
static const char *const modules[] = {"mod_core.c", "mod_two.c", NULL};
static const struct conf_known known[] = {
	{"<IfUser>", "mod_ifsession.c"}, {"SQLThing", "mod_sql.c"}, {NULL, NULL}};
static const struct conf_language lang = {.tables = tables,
	.n_tables = 1,
	.store_size = {sizeof(struct values)},
	.modules = modules,
	.known = known};

struct seen {
	char text[4000]; /* errors and warnings, a line each */
	unsigned supported, no_effect, refused;
};

static void take_note(void *arg, const struct conf_note *n)
{
	struct seen *s = arg;

	s->supported += n->event == CONF_EV_SUPPORTED;
	s->no_effect += n->event == CONF_EV_NO_EFFECT;
	s->refused += n->event == CONF_EV_REFUSED;
	if (n->event == CONF_EV_WARNING || n->event == CONF_EV_ERROR) {
		size_t len = strlen(s->text);

		snprintf(s->text + len, sizeof(s->text) - len, "%s\n", n->text);
	}
}

static int parse(
	struct arena *a, const char *text, bool lenient, struct seen *seen, struct conf_tree **ret_tree)
{
	const char *const defines[] = {"GIVEN"};
	const struct conf_input in = {.name = "f",
		.text = text,
		.text_len = strlen(text),
		.kind = lenient ? CONF_KIND_FTPACCESS : CONF_KIND_SERVER,
		.lenient = lenient,
		.defines = defines,
		.n_defines = 1,
		.getenv = test_env,
		.note = take_note,
		.arg = seen};

	memset(seen, 0, sizeof(*seen));
	return conf_parse(&lang, &in, a, ret_tree, NULL);
}

static void every_error_names_directive_reason_and_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"\nBogus 1\n", "fatal: unknown configuration directive 'Bogus' on line 2 of 'f'\n"},
		{"Cuont 3\n", "fatal: unknown configuration directive 'Cuont' on line 1 of 'f'. Did you "
			      "mean: Count?\n"},
		{"Fort 3\n", "fatal: unknown configuration directive 'Fort' on line 1 of 'f'. Did you mean: "
			     "Port?\n"},
		{"SQLThing x\n", "fatal: SQLThing: directive of mod_sql.c is known but not supported by this "
				 "version on line 1 of 'f'\n"},
		{"<IfUser x>\nBogus\n</IfUser>\n", "fatal: <IfUser>: directive of mod_ifsession.c is known "
						   "but not supported by this version on line 1 of 'f'\n"},
		{"Flag\xc2\xa0on\n", "fatal: Flag\\xc2\\xa0on: non-ASCII byte in directive name, perhaps a "
				     "pasted no-break space on line 1 of 'f'\n"},
		{"LimitOnly 1\n", "fatal: LimitOnly: directive not allowed in server config context on line "
				  "1 of 'f'\n"},
		{"<Limit A>\nFlag on\n</Limit>\n",
			"fatal: Flag: directive not allowed in <Limit> context on line 2 of 'f'\n"},
		{"<Directory /a>\n<Directory /b>\n</Directory>\n</Directory>\n",
			"fatal: <Directory>: directive not allowed in <Directory> context on line 2 of "
			"'f'\n"},
		{"<VirtualHost a>\n<Global>\n</Global>\n</VirtualHost>\n",
			"fatal: <Global>: directive not allowed in <VirtualHost> context on line 2 of 'f'\n"},
		{"Flag\n",
			"fatal: Flag: wrong number of parameters (syntax: Flag <value>) on line 1 of 'f'\n"},
		{"Flag on off\n",
			"fatal: Flag: wrong number of parameters (syntax: Flag <value>) on line 1 of 'f'\n"},
		{"<VirtualHost>\n</VirtualHost>\n",
			"fatal: <VirtualHost>: wrong number of parameters on line 1 of 'f'\n"},
		{"Flag maybe\n", "fatal: Flag: expected Boolean parameter on line 1 of 'f'\n"},
		{"Tri 2\n", "fatal: Tri: expected Boolean parameter on line 1 of 'f'\n"},
		{"Count x\n", "fatal: Count: 'x' is not a number on line 1 of 'f'\n"},
		{"Count -1\n", "fatal: Count: '-1' is not a number on line 1 of 'f'\n"},
		{"Count 11\n",
			"fatal: Count: '11' is too large, the maximum is 10 things on line 1 of 'f'\n"},
		{"Count 1\n", "fatal: Count: '1' is too small, the minimum is 2 things on line 1 of 'f'\n"},
		{"Port 65536\n", "fatal: Port: '65536' is too large, the maximum is that of the type on line "
				 "1 of 'f'\n"},
		{"Size 2x\n", "fatal: Size: '2x' is not a size on line 1 of 'f'\n"},
		{"Size 2GB\n", "fatal: Size: '2GB' is too large, the maximum is 1GB on line 1 of 'f'\n"},
		{"Time soon\n", "fatal: Time: 'soon' is not a duration on line 1 of 'f'\n"},
		{"Time 2h\n", "fatal: Time: '2h' is too large, the maximum is 1h on line 1 of 'f'\n"},
		{"Path a/b\n", "fatal: Path: 'a/b' is not an absolute path on line 1 of 'f'\n"},
		{"Choice pink\n", "fatal: Choice: unknown value 'pink', expected red, green or blue on line "
				  "1 of 'f'\n"},
		{"Nothing on\n", "fatal: Nothing: 'on' is not supported by this version, only 'off' is "
				 "accepted: it is a test on line 1 of 'f'\n"},
		{"Text \"a\n", "fatal: Text: unterminated quote on line 1 of 'f'\n"},
		{"<Global\n", "fatal: section tag without a closing '>' on line 1 of 'f'\n"},
		{"<>\n", "fatal: section tag without a name on line 1 of 'f'\n"},
		{"<Global>\n\n", "fatal: <Global>: section is not closed, it was opened on line 1 of 'f'\n"},
		{"<IfModule mod_x.c>\n",
			"fatal: <IfModule>: section is not closed, it was opened on line 1 of 'f'\n"},
		{"</Global>\n", "fatal: </Global>: end tag without an open section on line 1 of 'f'\n"},
		{"<Global>\n<Limit A>\n</Global>\n</Limit>\n</Global>\n",
			"fatal: </Global>: end tag does not match <Limit> opened on line 2 on line 3 of "
			"'f'\n"},
		{"Flag on\nFlag off\n", "warning: Flag: already set on line 1 of 'f', the first counts; "
					"given again on line 2 of 'f'\n"},
		{"Count 3\nCount 4\n", "warning: Count: already set on line 1 of 'f', the last counts; given "
				       "again on line 2 of 'f'\n"},
		{"Text %{env:NO}\n", "warning: Text: environment variable 'NO' is not set, using an empty "
				     "value on line 1 of 'f'\n"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new(4096, 0);
		struct conf_tree *t;
		struct seen seen;
		int r = parse(a, cases[i].text, false, &seen, &t);

		assert_string_equal(seen.text, cases[i].error);
		assert_int_equal(r, str_starts(cases[i].error, "fatal") ? -WE_CONFIG : 0);
		arena_free(a);
	}
}

static void at_most_20_errors_are_reported(void **state)
{
	struct arena *a = arena_new(4096, 0);
	char text[1000] = "";
	struct conf_tree *t;
	struct seen seen;
	unsigned n = 0;

	for (unsigned i = 0; i < 30; i++)
		strcat(text, "Flag x\n");
	assert_int_equal(parse(a, text, false, &seen, &t), -WE_CONFIG);
	for (const char *p = seen.text; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	assert_int_equal(n, 20);
	arena_free(a);
}

static void conditionals_skip_unseen(void **state)
{
	static const char text[] =
		"<IfModule mod_two.c>\nCount 3\n</IfModule>\n"
		"<IfModule !mod_two.c>\nBogus \"\n</IfModule>\n"
		"<IfModule mod_none.c>\nBogus\n<IfModule mod_two.c>\n<Limit\n</IfModule>\n<IfDefine X>\n"
		"</IfModule >\n"
		"<IfDefine GIVEN>\nText yes\n</IfDefine>\n"
		"<ifdefine !GIVEN >\n</Global>\n</IFDEFINE>\n"
		"<Limit A>\n<IfDefine GIVEN>\nLimitOnly 1\n</IfDefine>\n</Limit>\n";
	struct arena *a = arena_new(4096, 0);
	struct conf_tree *t;
	struct seen seen;
	const struct values *v;

	assert_int_equal(parse(a, text, false, &seen, &t), 0);
	assert_string_equal(seen.text, "");
	v = t->root->store[0];
	assert_int_equal(v->count, 3);
	assert_string_equal(v->text, "yes");
	assert_int_equal(seen.supported, 2);
	assert_int_equal(seen.no_effect, 2); /* and a note about mod_none.c */
	arena_free(a);
}

static void first_or_last_counts_as_the_row_says(void **state)
{
	struct arena *a = arena_new(4096, 0);
	struct conf_tree *t;
	struct seen seen;
	const struct values *v;

	assert_int_equal(parse(a, "Flag on\nFlag off\nCount 3\nCount 4\n", false, &seen, &t), 0);
	v = t->root->store[0];
	assert_true(v->flag);
	assert_int_equal(v->count, 4);
	arena_free(a);
}

static void lenient_reading_skips_bad_lines(void **state)
{
	struct arena *a = arena_new(4096, 0);
	struct conf_tree *t;
	struct seen seen;
	const struct values *v;

	assert_int_equal(
		parse(a, "Flag on\nCount 99\n<Directory /x>\nText no\n</Directory>\nText yes\n<Limit A>\n",
			true, &seen, &t),
		0);
	assert_string_equal(seen.text,
		"warning: Count: '99' is too large, the maximum is 10 things on line 2 of 'f', line skipped\n"
		"warning: <Directory>: directive not allowed in .ftpaccess context on line 3 of 'f', line "
		"skipped\n"
		"warning: <Limit>: section is not closed, it was opened on line 7 of 'f', line skipped\n");
	v = t->root->store[0];
	assert_true(v->flag);
	assert_int_equal(v->count, 0);
	assert_string_equal(v->text, "yes");
	arena_free(a);
}

static void a_secret_leaves_one_copy(void **state)
{
	struct arena *a = arena_new(1u << 20, 0); /* one chunk: memory from first to last is its content */
	const char *first = arena_alloc(a, 1), *last, *p;
	struct conf_tree *t;
	struct seen seen;
	const struct values *v;
	unsigned n = 0;

	assert_int_equal(parse(a, "Flag on\nSecret hunter2\nText x\n", false, &seen, &t), 0);
	last = arena_alloc(a, 1);
	v = t->root->store[0];
	assert_string_equal(v->secret, "hunter2");
	for (p = first; (p = memmem(p, (size_t)(last - p), "hunter2", 7)) != NULL; p++)
		n++;
	assert_int_equal(n, 1);
	arena_free(a);
}

/* --- merging --- */

static const char *entries(struct arena *a, const struct values *v)
{
	char *s = arena_strdup(a, "");

	for (const struct entry *e = v->entries; e != NULL; e = (const struct entry *)e->item.next)
		s = arena_printf(a, "%s%s%s:%u", s, *s != '\0' ? " " : "", e->word, e->item.level);
	return s;
}

static void inner_values_cover_outer_ones_and_lists_add_up(void **state)
{
	static const char text[] = "Flag on\nEntry s1\nEntry2 s2\nText server\nTime 20\n"
				   "<Global>\nEntry g1\nCount 3\nTime 30\n</Global>\n"
				   "<Anonymous /a>\nEntry a1\nFlag off\n</Anonymous>\n"
				   "<Global>\nEntry g2\n</Global>\n";
	struct arena *a = arena_new(4096, 0);
	const struct values *g, *s, *v;
	struct conf_tree *t;
	struct seen seen;

	assert_int_equal(parse(a, text, false, &seen, &t), 0);
	g = conf_merge(t, 0, a, t->defaults->store[0], t->global, 1, false);
	s = conf_merge(t, 0, a, g, t->root, 2, false);
	v = conf_merge(t, 0, a, s, t->root->children, 3, true);
	assert_true(s->flag);
	assert_int_equal(s->count, 3);       /* Global */
	assert_int_equal(s->choice, 2);      /* default */
	assert_int_equal(s->time_ms, 20000); /* server over Global over default */
	assert_string_equal(entries(a, s), "s1:2 s2:2 g1:1 g2:1");
	assert_false(v->flag);
	assert_int_equal(v->time_ms, 20000);
	assert_null(v->text); /* not for <Anonymous> */
	assert_string_equal(entries(a, v), "a1:3 s1:2 s2:2 g1:1 g2:1");
	assert_string_equal(entries(a, g), "g1:1 g2:1"); /* untouched by the merges over it */
	assert_int_equal(conf_where(t, t->root->children, "Flag").line, 13);
	assert_null(conf_where(t, t->root->children, "Count").file);
	arena_free(a);
}

/* --- the tables' own check --- */

static int check_one(const struct conf_row *row, struct err *err)
{
	const struct conf_table one = {row, 1, 0};
	const struct conf_table *const list[] = {&one};
	const struct conf_language l = {.tables = list, .n_tables = 1, .store_size = {sizeof(struct values)}};

	return conf_tables_check(&l, err);
}

static void faulty_rows_are_found(void **state)
{
	struct conf_row row = rows[2];
	struct err err = ERR_INIT;

	assert_int_equal(check_one(&row, &err), 0);
	row.dflt = "50";
	assert_int_equal(check_one(&row, &err), -WE_CONFIG);
	row = rows[2];
	row.min = "20";
	assert_int_equal(check_one(&row, &err), -WE_CONFIG);
	row = rows[2];
	row.doc = "";
	assert_int_equal(check_one(&row, &err), -WE_CONFIG);
	row = rows[2];
	row.field.offset = sizeof(struct values);
	assert_int_equal(check_one(&row, &err), -WE_CONFIG);
	assert_string_equal(err.text, "Count: field outside its struct");
	row = rows[2];
	row.scope = 0;
	assert_int_equal(check_one(&row, &err), -WE_CONFIG);
	assert_int_equal(conf_tables_check(&lang, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_joined_and_trimmed),
		cmocka_unit_test(a_line_may_have_64_kib_and_no_nul),
		cmocka_unit_test(lines_are_split_into_words),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(durations_have_three_forms),
		cmocka_unit_test(every_error_names_directive_reason_and_line),
		cmocka_unit_test(at_most_20_errors_are_reported),
		cmocka_unit_test(conditionals_skip_unseen),
		cmocka_unit_test(first_or_last_counts_as_the_row_says),
		cmocka_unit_test(lenient_reading_skips_bad_lines),
		cmocka_unit_test(a_secret_leaves_one_copy),
		cmocka_unit_test(inner_values_cover_outer_ones_and_lists_add_up),
		cmocka_unit_test(faulty_rows_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
