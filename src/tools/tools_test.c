#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tools/cells.h"
#include "tools/format.h"
#include "tools/shut.h"
#include "tools/tool.h"
#include "tools/top.h"
#include "tools/who.h"

#define NOW UINT64_C(1700000000000)

static struct score_session download(void)
{
	struct score_session s = {.pid = 4711,
		.id = 12,
		.uid = 1000,
		.gid = 1000,
		.logged_in = true,
		.xfer_active = true,
		.xfer_current = true,
		.dir = SCORE_DOWNLOAD,
		.path = SCORE_PATH_SENDFILE,
		.begin_ms = NOW - 75000,
		.since_ms = NOW - 4000,
		.xfer_size = 200 * 1024,
		.xfer_done = 100 * 1024,
		.xfer_acked = 1000,
		.xfer_elapsed_ms = 4000,
		.xfer_updated_ms = NOW - 100};

	(void)addr_parse("192.0.2.9", 5000, &s.client);
	(void)addr_parse("2001:db8::1", 2121, &s.server);
	(void)strcpy(s.user, "alice");
	(void)strcpy(s.class_name, "local");
	(void)strcpy(s.label, "Mirror");
	(void)strcpy(s.protocol, "ftp");
	(void)strcpy(s.cmd, "RETR");
	(void)strcpy(s.client_name, "host.example");
	(void)strcpy(s.cwd, "/pub");
	(void)strcpy(s.arg, "a file.iso");
	return s;
}

static struct score_session idle(void)
{
	struct score_session s = download();

	s.idle = true;
	s.xfer_active = false;
	s.since_ms = NOW - 9000;
	s.arg[0] = '\0';
	(void)strcpy(s.cmd, "idle");
	return s;
}

static struct score_session command(const char *cmd, const char *arg)
{
	struct score_session s = download();

	s.dir = SCORE_NO_TRANSFER;
	s.xfer_active = false;
	s.xfer_updated_ms = 0;
	(void)strcpy(s.cmd, cmd);
	(void)strcpy(s.arg, arg);
	return s;
}

static struct score_session upload(uint64_t announced)
{
	struct score_session s = download();

	s.dir = SCORE_UPLOAD;
	s.path = SCORE_PATH_SPLICE;
	s.xfer_size = announced;
	(void)strcpy(s.cmd, "STOR");
	return s;
}

static struct score_session authenticating(void)
{
	struct score_session s = idle();

	s.logged_in = false;
	(void)strcpy(s.user, "(none)");
	s.cwd[0] = s.class_name[0] = s.client_name[0] = '\0';
	return s;
}

static void durations(void **state)
{
	static const struct {
		uint64_t secs;
		const char *duration, *uptime;
	} rows[] = {
		{0, "0m0s", "0 min"},
		{59, "0m59s", "0 min"},
		{3599, "59m59s", "59 min"},
		{3600, "1h0m", " 1 hr 00 min"},
		{7500, "2h5m", " 2 hrs 05 min"},
		{86400, "24h0m", "1 day, 0 min"},
		{2 * 86400 + 11 * 3600 + 60, "59h1m", "2 days, 11 hrs 01 min"},
	};
	char buf[FORMAT_TIME_MAX];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(format_duration(buf, NOW - rows[i].secs * 1000, NOW), rows[i].duration);
		assert_string_equal(format_uptime(buf, NOW - rows[i].secs * 1000, NOW), rows[i].uptime);
	}
	assert_string_equal(format_duration(buf, 0, NOW), "-");
	assert_string_equal(format_duration(buf, NOW + 5000, NOW), "0m0s");
	(void)format_duration(buf, 1, UINT64_MAX);
	(void)format_uptime(buf, 1, UINT64_MAX);
}

static void percents_are_never_infinite(void **state)
{
	static const struct {
		uint64_t done, size;
		const char *text;
	} rows[] = {
		{0, 0, "0"},
		{0, 10, "0"},
		{5, 0, "-"},
		{1, 3, "33"},
		{2, 3, "67"},
		{10, 10, "100"},
		{11, 10, "100"},
		{UINT64_MAX - 1, UINT64_MAX, "100"},
		{UINT64_C(5) << 40, UINT64_C(10) << 40, "50"},
	};
	char buf[FORMAT_PERCENT_MAX];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(format_percent_text(buf, rows[i].done, rows[i].size), rows[i].text);
}

static void rates_are_never_infinite(void **state)
{
	struct score_session s = download();

	assert_true(format_rate(&s, NOW) == 25600.0);
	s.xfer_elapsed_ms = 0;
	assert_true(format_rate(&s, NOW) == 102400000.0);
	s.xfer_done = 0;
	assert_true(format_rate(&s, NOW) < 0);
	s = download();
	s.xfer_updated_ms = s.since_ms;
	assert_true(format_rate(&s, NOW + 92000) == 1024.0); /* stalled: 4 s and 96 s without progress */
	s.xfer_active = false;
	assert_true(format_rate(&s, NOW + 92000) == 25600.0); /* ended: the average stays */
	s = idle();
	assert_true(format_rate(&s, NOW) < 0);
}

static void the_transfer_before_does_not_show(void **state)
{
	struct score_session s = download();

	/* the data connection of this command is not open yet; the clock may say what it wants */
	s.xfer_active = s.xfer_current = false;
	s.xfer_updated_ms = s.since_ms;
	assert_false(format_transfer(&s).begun);
	assert_int_equal(format_transfer(&s).done, 0);
	s.xfer_current = true;
	s.xfer_updated_ms = s.since_ms - 3600000;
	assert_true(format_transfer(&s).begun);
}

static void outside_text_cannot_drive_a_terminal(void **state)
{
	char buf[16];

	assert_string_equal(format_clean(buf, sizeof(buf), "a\x1b[2J\n\x7f"), "a?[2J??");
	assert_string_equal(format_clean(buf, sizeof(buf),
				    "\xc2\x9b"
				    "1m"),
		"?1m");
	assert_string_equal(format_clean(buf, sizeof(buf), "\xff\xc3\xa4\xc2\xa0"), "?\xc3\xa4\xc2\xa0");
	assert_string_equal(format_clean(buf, 4, "ab\xc3\xa4"), "ab");
	assert_string_equal(format_clean(buf, 5, "ab\xc3\xa4"), "ab\xc3\xa4");
}

static void check_session(const struct who_style *style, struct score_session s, const char *want)
{
	struct buf b;

	buf_init(&b, 100000);
	assert_int_equal(who_session(&b, &s, style), 0);
	assert_string_equal(b.data, want);
	buf_done(&b);
}

static void classic_lines(void **state)
{
	const struct who_style style = {.now_ms = NOW};
	struct score_session s = download();

	check_session(&style, s, " 4711 alice    [ 1m15s] ( 50%) RETR a file.iso\n");
	s.xfer_done = 0;
	check_session(&style, s, " 4711 alice    [ 1m15s] (  0%) RETR a file.iso\n");
	s.xfer_done = s.xfer_size;
	check_session(&style, s, " 4711 alice    [ 1m15s] (100%) RETR a file.iso\n");
	s.xfer_size = 0;
	check_session(&style, s, " 4711 alice    [ 1m15s] (  -%) RETR a file.iso\n");
	check_session(&style, idle(), " 4711 alice    [ 1m15s]   0m9s idle\n");
	check_session(&style, command("STOR", "x"), " 4711 alice    [ 1m15s] (n/a) STOR x\n");
	check_session(&style, upload(0), " 4711 alice    [ 1m15s] (n/a) STOR a file.iso\n");
	check_session(&style, upload(400 * 1024), " 4711 alice    [ 1m15s] ( 25%) STOR a file.iso\n");
	check_session(&style, command("LIST", ""), " 4711 alice    [ 1m15s] (n/a) LIST\n");
	check_session(&style, authenticating(), " 4711 (none)   [ 1m15s] (authenticating)\n");
}

static void verbose_lines(void **state)
{
	struct who_style style = {.now_ms = NOW, .verbose = true};

	check_session(&style, download(),
		" 4711 alice    [ 1m15s] ( 50%) RETR a file.iso\n"
		"\tKB/s: 25.00\n"
		"\tclient: host.example [192.0.2.9]\n"
		"\tserver: [2001:db8::1]:2121 (Mirror)\n"
		"\tprotocol: ftp\n"
		"\tlocation: /pub\n"
		"\tclass: local\n"
		"\tsession: 12\n"
		"\tsource: sendfile\n");
	check_session(&style, authenticating(),
		" 4711 (none)   [ 1m15s] (authenticating)\n"
		"\tclient: 192.0.2.9 [192.0.2.9]\n"
		"\tserver: [2001:db8::1]:2121 (Mirror)\n"
		"\tprotocol: ftp\n"
		"\tsession: 12\n");
	style.oneline = true;
	check_session(&style, idle(),
		" 4711 alice    [ 1m15s]   0m9s idle client: host.example [192.0.2.9] "
		"server: [2001:db8::1]:2121 (Mirror) protocol: ftp location: /pub class: local session: "
		"12\n");
}

static void compat_lines(void **state)
{
	struct who_style style = {.now_ms = NOW, .compat = true};

	check_session(&style, download(), " 4711 0m4s   (50%) RETR a file.iso\n");
	check_session(&style, command("STOR", "x"), " 4711 0m4s   (n/a) STOR x\n");
	check_session(&style, upload(400 * 1024), " 4711 0m4s   (25%) STOR a file.iso\n");
	check_session(&style, command("CWD", "/x"), " 4711 0m4s   CWD /x\n");
	check_session(&style, idle(), " 4711 0m9s   idle\n");
	style.verbose = true;
	check_session(&style, idle(),
		" 4711 0m9s   idle\n"
		"             (host: host.example [192.0.2.9])\n"
		"              (protocol: ftp)\n"
		"              (cwd: /pub)\n"
		"              (class: local)\n"
		"              (session: 12)\n");
	style.oneline = true;
	check_session(&style, idle(),
		" 4711 0m9s   idle (host: host.example [192.0.2.9]) (protocol: ftp) (cwd: /pub) (class: "
		"local) "
		"(session: 12)\n");
}

static void heads_and_tails(void **state)
{
	struct score_daemon d = {
		.server = SCORE_STANDALONE, .pid = 99, .started_ms = NOW - 90 * 60000, .program = "wherryd"};
	struct who_style style = {.now_ms = NOW};
	struct who_classes c = {0};
	struct buf b;

	buf_init(&b, 10000);
	assert_int_equal(who_head(&b, &d, &style), 0);
	assert_int_equal(who_tail(&b, &c, "no users connected"), 0);
	assert_string_equal(b.data, "standalone FTP daemon [99], up for  1 hr 30 min\nno users connected\n");
	buf_clear(&b);
	style.server = "Mirror";
	who_class_add(&c, "local");
	who_class_add(&c, "");
	who_class_add(&c, "local");
	assert_int_equal(who_count_head(&b, &d, style.server), 0);
	assert_int_equal(who_tail(&b, &c, "0 users"), 0);
	assert_string_equal(b.data, "Master wherryd process 99:\nWherry Server 'Mirror'\n"
				    "Service class local                -   2 users\n"
				    "Service class                      -   1 user\n");
	buf_clear(&b);
	d.server = SCORE_INETD;
	assert_int_equal(who_head(&b, &d, &style), 0);
	assert_int_equal(who_count_head(&b, &d, NULL), 0);
	assert_string_equal(b.data, "inetd FTP daemon:\nWherry Server 'Mirror'\ninetd FTP connections:\n");
	who_classes_done(&c);
	buf_done(&b);
}

static json_t *as_json(const struct score_session *s)
{
	struct score_daemon d = {.pid = 99, .started_ms = 5};
	struct json j;
	struct buf b;
	json_t *v;

	buf_init(&b, 100000);
	json_init(&j, &b, 2);
	who_json_head(&j, &d, NULL);
	who_json_session(&j, s, NOW);
	who_json_tail(&j);
	assert_int_equal(json_finish(&j), 0);
	assert_null(strstr(b.data, "inf"));
	assert_null(strstr(b.data, "nan"));
	v = json_loads(b.data, 0, NULL);
	assert_non_null(v);
	buf_done(&b);
	return v;
}

static const char *text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "(not a string)";
}

static int64_t number_of(json_t *o, const char *key)
{
	return json_is_integer(json_object_get(o, key)) ? json_integer_value(json_object_get(o, key)) : -1;
}

static void json_has_the_keys_that_mean_something(void **state)
{
	struct score_session s = download();
	json_t *v = as_json(&s), *c = json_array_get(json_object_get(v, "connections"), 0);

	assert_string_equal(text_of(json_object_get(v, "server"), "server_type"), "standalone");
	assert_int_equal(number_of(json_object_get(v, "server"), "pid"), 99);
	assert_int_equal(number_of(c, "session"), 12);
	assert_int_equal(number_of(c, "connected_since_ms"), NOW - 75000);
	assert_string_equal(text_of(c, "user"), "alice");
	assert_string_equal(text_of(c, "local_address"), "2001:db8::1");
	assert_int_equal(number_of(c, "local_port"), 2121);
	assert_string_equal(text_of(c, "command"), "RETR");
	assert_string_equal(text_of(c, "command_args"), "a file.iso");
	assert_string_equal(text_of(c, "transfer_completed"), "50");
	assert_int_equal(number_of(c, "transfer_bytes"), 102400);
	assert_int_equal(number_of(c, "transfer_duration_ms"), 4000);
	assert_int_equal(number_of(c, "rate_bps"), 25600);
	assert_string_equal(text_of(c, "source"), "sendfile");
	assert_null(json_object_get(c, "idling"));
	assert_null(json_object_get(c, "authenticating"));
	json_decref(v);
	s = upload(0);
	v = as_json(&s);
	c = json_array_get(json_object_get(v, "connections"), 0);
	assert_true(json_is_true(json_object_get(c, "uploading")));
	assert_null(json_object_get(c, "transfer_completed"));
	assert_string_equal(text_of(c, "source"), "splice");
	json_decref(v);
	s = upload(400 * 1024);
	v = as_json(&s);
	c = json_array_get(json_object_get(v, "connections"), 0);
	assert_string_equal(text_of(c, "transfer_completed"), "25");
	json_decref(v);
	s = authenticating();
	v = as_json(&s);
	c = json_array_get(json_object_get(v, "connections"), 0);
	assert_true(json_is_true(json_object_get(c, "authenticating")));
	assert_null(json_object_get(c, "user"));
	assert_string_equal(text_of(c, "remote_name"), "192.0.2.9");
	json_decref(v);
	s = idle();
	(void)strcpy(s.user, "\xff"
			     "x");
	v = as_json(&s);
	c = json_array_get(json_object_get(v, "connections"), 0);
	assert_true(json_is_true(json_object_get(c, "idling")));
	assert_int_equal(number_of(c, "idle_since_ms"), NOW - 9000);
	assert_null(json_object_get(c, "command"));
	assert_string_equal(text_of(c, "user"), "\xef\xbf\xbdx");
	json_decref(v);
}

static void server_names_compare_as_stored(void **state)
{
	struct score_session s = download();

	assert_true(who_wanted(&s, NULL));
	assert_true(who_wanted(&s, "Mirror"));
	assert_false(who_wanted(&s, "mirror2"));
	(void)strcpy(s.label, "0123456789012345678901234567890");
	assert_true(who_wanted(&s, "0123456789012345678901234567890 and more"));
}

static void text_is_cut_by_cells(void **state)
{
	static const struct {
		const char *text;
		int width;
		const char *want;
	} rows[] = {
		{"abc", 5, "abc  "},
		{"abcdef", 3, "abc"},
		{"\xc3\xa4\xc3\xb6\xc3\xbc", 2, "\xc3\xa4\xc3\xb6"},
		{"\xe4\xb8\xad\xe6\x96\x87", 3, "\xe4\xb8\xad "}, /* two cells each */
		{"a\xff"
		 "b",
			3, "a?b"},
		{"a\tb", 3, "a?b"},
	};
	struct buf b;
	size_t i;

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		skip();
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		buf_init(&b, 1000);
		assert_int_equal(cells_put(&b, rows[i].text, rows[i].width, true), 0);
		assert_string_equal(b.data, rows[i].want);
		buf_done(&b);
	}
}

static void shutdown_times(void **state)
{
	const time_t now = 1700000000; /* 22:13:20 UTC */
	static const struct {
		const char *word;
		long after; /* seconds from now, -1 = refused */
	} rows[] = {
		{"now", 0},
		{"+0", 0},
		{"+90", 5400},
		{"2214", 40},
		{"2213", 86400 - 20},
		{"23", 46 * 60 + 40},
		{"0", 3600 + 46 * 60 + 40},
		{"0000", 3600 + 46 * 60 + 40},
		{"22", 86400 - 800},
		{"24", -1},
		{"2260", -1},
		{"221", -1},
		{"22135", -1},
		{"", -1},
		{"+", -1},
		{"-5", -1},
		{"+-5", -1},
		{"++5", -1},
		{"+99999999999", -1},
		{"12:00", -1},
		{"soon", -1},
	};
	time_t when;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int r = shut_time(rows[i].word, now, &when);

		if (rows[i].after < 0 ? r != -WE_SYNTAX : r != 0 || when - now != rows[i].after)
			fail_msg("'%s': %d, %ld", rows[i].word, r, (long)(when - now));
	}
}

/* ---- ftptop --------------------------------------------------------------------------------------------- */

static void rows_are_lines(void **state)
{
	struct top_row row = {.pid = 4711,
		.state = TOP_DOWNLOAD,
		.path = SCORE_PATH_SENDFILE,
		.begin_ms = NOW - 4000,
		.done = 50,
		.size = 100,
		.rate = 2048};
	struct top t = {.now_ms = NOW};
	struct buf b;

	(void)strcpy(row.user, "longusername");
	(void)strcpy(row.client, "host.example");
	(void)strcpy(row.server, "Mirror");
	(void)strcpy(row.command, "RETR file");
	buf_init(&b, 10000);
	assert_int_equal(top_line(&b, &t, &row, 80), 0);
	assert_string_equal(b.data, " 4711 D longuser host.example         Mirror          0m4s   RETR file");
	buf_clear(&b);
	assert_int_equal(top_line(&b, &t, &row, 120), 0);
	assert_string_equal(b.data, " 4711 D longuser host.example         Mirror          0m4s   2.00       "
				    "[#######-------]  50% sendfile RETR file");
	buf_clear(&b);
	t.view = TOP_RATES;
	assert_int_equal(top_line(&b, &t, &row, 80), 0);
	assert_string_equal(
		b.data, " 4711 D*longuser host.example                                 2.00           50");
	buf_clear(&b);
	row.rate = -1;
	row.size = 0;
	assert_int_equal(top_line(&b, &t, &row, 130), 0);
	assert_string_equal(b.data,
		" 4711 D*longuser host.example                                 -               - sendfile");
	buf_clear(&b);
	row.state = TOP_UPLOAD;
	row.path = SCORE_PATH_COPY;
	assert_int_equal(top_line(&b, &t, &row, 88), 0);
	assert_string_equal(b.data,
		" 4711 U longuser host.example                                 -           (n/a) copy");
	buf_clear(&b);
	row.path = SCORE_PATH_SPLICE;
	row.size = 100;
	assert_int_equal(top_line(&b, &t, &row, 130), 0);
	assert_string_equal(b.data,
		" 4711 U*longuser host.example                                 -              50 splice   "
		"[#######-------]  50%");
	buf_clear(&b);
	assert_int_equal(top_line(&b, &t, &row, 10), 0);
	assert_string_equal(b.data, " 4711 U*lo");
	buf_done(&b);
}

static void rows_are_sorted_and_chosen(void **state)
{
	struct top t = {0};
	static const struct {
		pid_t pid;
		enum top_state state;
		double rate;
		uint64_t done, size, begin;
		const char *user;
	} rows[] = {{3, TOP_DOWNLOAD, 5, 10, 100, 30, "b"}, {1, TOP_IDLE, -1, 0, 0, 20, "c"},
		{2, TOP_UPLOAD, 9, 70, 0, 10, "a"}, {4, TOP_DOWNLOAD, 1, 90, 100, 40, "d"}};
	static const pid_t want[TOP_SORT_COUNT][4] = {
		{1, 2, 3, 4}, {2, 3, 1, 4}, {2, 3, 4, 1}, {4, 3, 1, 2}, {2, 1, 3, 4}};
	size_t i, n;

	t.row = xcalloc(4, sizeof(*t.row));
	t.total = t.room = n = 4;
	for (i = 0; i < n; i++) {
		t.row[i].pid = rows[i].pid;
		t.row[i].state = rows[i].state;
		t.row[i].rate = rows[i].rate;
		t.row[i].done = rows[i].done;
		t.row[i].size = rows[i].size;
		t.row[i].begin_ms = rows[i].begin;
		(void)strcpy(t.row[i].user, rows[i].user);
	}
	for (t.sort = TOP_BY_PID; t.sort < TOP_SORT_COUNT; t.sort++) {
		top_arrange(&t);
		assert_int_equal(t.count, 4);
		for (i = 0; i < n; i++) {
			if (t.row[i].pid != want[t.sort][i])
				fail_msg("by %s, row %zu: %d", top_sort_name[t.sort], i, (int)t.row[i].pid);
		}
	}
	t.sort = TOP_BY_PID;
	t.view = TOP_RATES;
	top_arrange(&t);
	assert_int_equal(t.count, 3);
	t.hide = 1u << TOP_UPLOAD;
	top_arrange(&t);
	assert_int_equal(t.count, 2);
	t.hide = 0;
	t.view = TOP_REGULAR;
	top_arrange(&t); /* nothing was lost */
	assert_int_equal(t.count, 4);
	top_done(&t);
}

/* ---- finding the scoreboard ------------------------------------------------------------------------------ */

static char folder[] = "/tmp/tools_test_XXXXXX";

static const char *put(const char *name, const char *text)
{
	static char path[4][128];
	static int which;
	FILE *f;

	which = (which + 1) % 4;
	(void)snprintf(path[which], sizeof(path[which]), "%s/%s", folder, name);
	f = text != NULL ? fopen(path[which], "w") : NULL;
	if (f != NULL) {
		assert_true(fputs(text, f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	return path[which];
}

static void check_scan(const char *text, enum tool_board want, const char *path)
{
	char *found = NULL;

	assert_int_equal(tool_scan_config(put("a.conf", text), &found), want);
	if (path != NULL)
		assert_string_equal(found, path);
	else
		assert_null(found);
	free(found);
}

static void configurations_are_scanned(void **state)
{
	assert_int_equal(mkdir(put("conf.d", NULL), 0755), 0);
	(void)put("conf.d/1.conf", "ScoreboardFile /from/folder\n");
	(void)put("b.inc", "\tscoreboardfile \"/with blank\" # that\n");
	check_scan("", TOOL_BOARD_UNSET, NULL);
	check_scan("# ScoreboardFile /x\nServerName \"ScoreboardFile /x\"\nScoreboardFile\n",
		TOOL_BOARD_UNSET, NULL);
	check_scan("ScoreboardFile /x", TOOL_BOARD_PATH, "/x");
	check_scan("  SCOREBOARDFILE\t\"/a \\\"b\"\r\n", TOOL_BOARD_PATH, "/a \"b");
	check_scan("ScoreboardFile /x\nScoreboardFile none\n", TOOL_BOARD_DISABLED, NULL);
	check_scan("ScoreboardFile off\nScoreboardFile /y\n", TOOL_BOARD_PATH, "/y");
	check_scan("ScoreboardFile \\\n  /continued\n", TOOL_BOARD_PATH, "/continued");
	check_scan("Include *.inc\n", TOOL_BOARD_PATH, "/with blank");
	check_scan("Include conf.d\n", TOOL_BOARD_PATH, "/from/folder");
	check_scan("Include conf.d/*.conf\nInclude none/*\n", TOOL_BOARD_PATH, "/from/folder");
	check_scan("Include a.conf\nScoreboardFile /z\n", TOOL_BOARD_PATH, "/z"); /* a circle ends */
	assert_int_equal(tool_scan_config("/nonexistent", &(char *){NULL}), TOOL_BOARD_UNSET);
	assert_int_equal(tool_scan_config(folder, &(char *){NULL}), TOOL_BOARD_UNSET);
	(void)unlink(put("conf.d/1.conf", NULL));
	(void)rmdir(put("conf.d", NULL));
	(void)unlink(put("b.inc", NULL));
	(void)unlink(put("a.conf", NULL));
}

static int make_folder(void **state)
{
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(percents_are_never_infinite),
		cmocka_unit_test(rates_are_never_infinite),
		cmocka_unit_test(the_transfer_before_does_not_show),
		cmocka_unit_test(outside_text_cannot_drive_a_terminal),
		cmocka_unit_test(classic_lines),
		cmocka_unit_test(verbose_lines),
		cmocka_unit_test(compat_lines),
		cmocka_unit_test(heads_and_tails),
		cmocka_unit_test(json_has_the_keys_that_mean_something),
		cmocka_unit_test(server_names_compare_as_stored),
		cmocka_unit_test(text_is_cut_by_cells),
		cmocka_unit_test(shutdown_times),
		cmocka_unit_test(rows_are_lines),
		cmocka_unit_test(rows_are_sorted_and_chosen),
		cmocka_unit_test(configurations_are_scanned),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
