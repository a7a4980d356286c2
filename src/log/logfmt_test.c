#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "log/display.h"
#include "log/extlog.h"

static int set_zone(void **state)
{
	setenv("TZ", "TST-1", 1); /* one hour east, no rules */
	setenv("WHERRY_TEST", "from env", 1);
	unsetenv("WHERRY_NOT_SET");
	tzset();
	return 0;
}

static char noted[] = "noted";

static const char *env(void *arg, const char *name)
{
	return strcmp(name, "SESSION") == 0 ? "of the session" : NULL;
}

static const char *note(void *arg, const char *key)
{
	return str_eq(key, "mod.key") ? arg : NULL;
}

static struct log_record full_record(void)
{
	struct log_record r = LOG_RECORD_INIT;

	r.wall_us = 1700000000012345;
	r.client_ip = "192.0.2.7";
	r.client_host = "client.example";
	r.client_port = 40000;
	r.local_ip = "192.0.2.1";
	r.vhost_ip = "192.0.2.2";
	r.local_port = 21;
	r.server_name = "My FTP";
	r.fqdn = "ftp.example";
	r.version = "0.1.0";
	r.protocol = "ftp";
	r.anon_password = "me@example";
	r.ident = "root";
	r.user = "alice";
	r.sent_user = "Alice";
	r.group = "staff";
	r.uid = 1000;
	r.gid = 0;
	r.class_name = "local";
	r.command = "RETR a \"b\"";
	r.verb = "RETR";
	r.args = "a \"b\"";
	r.dir = "/pub/sub";
	r.file_host = "/srv/ftp/pub/a\x01\\\xff";
	r.file = "/pub/\xc3\xa4";
	r.rename_from = "/old";
	r.reply_code = 226;
	r.reply_text = "Transfer complete";
	r.response_ms = 12;
	r.bytes = 2048;
	r.file_modified = true;
	r.file_size = 4096;
	r.file_offset = 0;
	r.transfer_ms = 1500;
	r.transfer_failure = "Broken pipe";
	r.transfer_port = 50000;
	r.transfer_status = "success";
	r.transfer_type = "binary";
	r.raw_in = 10;
	r.raw_out = 2100;
	r.end_reason = "Quit";
	r.env = env;
	r.note = note;
	r.note_arg = noted;
	return r;
}

static void expect(const char *format, const struct log_record *rec, const char *want)
{
	struct err err = ERR_INIT;
	struct logfmt *fmt = NULL;
	struct buf out;

	buf_init(&out, LOGFMT_LINE_MAX);
	if (logfmt_compile(format, &fmt, &err) < 0)
		fail_msg("%s: %s", format, err.text);
	assert_int_equal(logfmt_render(fmt, rec, &out), 0);
	if (!str_eq(out.data != NULL ? out.data : "", want))
		fail_msg("%s: '%s' is not '%s'", format, out.data, want);
	buf_done(&out);
	logfmt_free(&fmt);
	assert_null(fmt);
}

/* Every variable of the specification, with its value in full_record() and in an empty record. */
static const struct {
	const char *format, *full, *empty;
} variable[] = {
	{"%a", "192.0.2.7", "-"},
	{"%A", "me@example", "UNKNOWN"},
	{"%b", "2048", "-"},
	{"%c", "local", "-"},
	{"%d", "sub", "-"},
	{"%D", "/pub/sub", "-"},
	{"%E", "Quit", "-"},
	{"%f", "/srv/ftp/pub/a\\x01\\x5C\\xFF", "-"},
	{"%F", "/pub/\xc3\xa4", "-"},
	{"%{file-modified}", "true", "false"},
	{"%{file-size}", "4096", "-"},
	{"%{file-offset}", "0", "-"},
	{"%{gid}", "0", "-"},
	{"%{uid}", "1000", "-"},
	{"%g", "staff", "-"},
	{"%h", "client.example", "-"},
	{"%H", "192.0.2.2", "-"},
	{"%I", "10", "-"},
	{"%O", "2100", "-"},
	{"%{iso8601}", "2023-11-14 23:13:20,012", "1970-01-01 01:00:00,000"},
	{"%J", "a \\x22b\\x22", "-"},
	{"%l", "root", "UNKNOWN"},
	{"%L", "192.0.2.1", "-"},
	{"%m", "RETR", "-"},
	{"%{microsecs}", "012345", "000000"},
	{"%{millisecs}", "012", "000"},
	{"%{epoch}", "1700000000", "0"},
	{"%p", "21", "-"},
	{"%{remote-port}", "40000", "-"},
	{"%{protocol}", "ftp", "-"},
	{"%r", "RETR a \\x22b\\x22", "-"},
	{"%R", "12", "-"},
	{"%s", "226", "-"},
	{"%S", "Transfer complete", "-"},
	{"%t", "[14/Nov/2023:23:13:20 +0100]", "[01/Jan/1970:01:00:00 +0100]"},
	{"%{%H:%M}t", "23:13", "01:00"},
	{"%T", "1.500", "-"},
	{"%{transfer-millisecs}", "1500", "-"},
	{"%{transfer-failure}", "Broken pipe", "-"},
	{"%{transfer-port}", "50000", "-"},
	{"%{transfer-speed}", "1.33", "-"},
	{"%{transfer-status}", "success", "-"},
	{"%{transfer-type}", "binary", "-"},
	{"%u", "alice", "-"},
	{"%U", "Alice", "-"},
	{"%v", "My FTP", "-"},
	{"%V", "ftp.example", "-"},
	{"%{version}", "0.1.0", "-"},
	{"%w", "/old", "-"},
	{"%{basename}", "a\\x01\\x5C\\xFF", "-"},
	{"%{WHERRY_TEST}e", "from env", "from env"},
	{"%{WHERRY_NOT_SET}e", "-", "-"},
	{"%{SESSION}e", "of the session", "-"},
	{"%{note:mod.key}", "noted", "-"},
	{"%{note:other}", "-", "-"},
	{"%%", "%", "%"},
	{"plain", "plain", "plain"},
	{"", "", ""},
	{"%{uid}test %{uid}e", "1000test 1000e", "-test -e"},
	{LOGFMT_DEFAULT,
		"client.example root alice [14/Nov/2023:23:13:20 +0100] \"RETR a \\x22b\\x22\" 226 2048",
		"- UNKNOWN - [01/Jan/1970:01:00:00 +0100] \"-\" - -"},
};

static void every_variable_has_its_value(void **state)
{
	struct log_record full = full_record(), empty = LOG_RECORD_INIT;
	char pid[20];
	size_t i;

	for (i = 0; i < ARRAY_LEN(variable); i++) {
		expect(variable[i].format, &full, variable[i].full);
		expect(variable[i].format, &empty, variable[i].empty);
	}
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	expect("%P", &empty, pid);
	empty.client_ip = "192.0.2.9";
	empty.local_ip = "192.0.2.8";
	empty.dir = "/";
	expect("%h %H %d", &empty, "192.0.2.9 192.0.2.8 /");
	full.transfer_ms = 0;
	expect("%T %{transfer-speed}", &full, "0.000 2000.00");
}

static void unknown_variables_are_named(void **state)
{
	static const struct {
		const char *format, *error;
	} row[] = {
		{"a %q", "unknown variable '%q' in log format"},
		{"%{nothing}", "unknown variable '%{nothing}' in log format"},
		{"%{note:}", "unknown variable '%{note:}' in log format"},
		{"%{}e", "unknown variable '%{}' in log format"},
		{"%{uid", "'%{uid' has no closing brace"},
		{"100%", "log format ends in a single '%'"},
		{"%\n", "unknown variable '%\\x0A' in log format"},
	};
	struct logfmt *fmt = NULL;
	char text[LOGFMT_TEXT_MAX + 2];
	size_t i;

	for (i = 0; i < ARRAY_LEN(row); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(logfmt_compile(row[i].format, &fmt, &err), -WE_CONFIG);
		assert_string_equal(err.text, row[i].error);
		assert_null(fmt);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(logfmt_compile(text, &fmt, NULL), -WE_CONFIG);
	text[LOGFMT_TEXT_MAX] = '\0';
	assert_int_equal(logfmt_compile(text, &fmt, NULL), 0);
	logfmt_free(&fmt);
}

static void long_lines_are_cut_at_the_maximum(void **state)
{
	struct log_record rec = LOG_RECORD_INIT;
	char *name = xmalloc(9001);
	struct logfmt *fmt = NULL;
	struct buf out;

	memset(name, 1, 9000);
	name[9000] = '\0';
	rec.file = name;
	assert_int_equal(logfmt_compile("%F|%F|", &fmt, NULL), 0);
	buf_init(&out, 100);
	assert_int_equal(logfmt_render(fmt, &rec, &out), 0);
	assert_int_equal(out.len, 100);
	assert_true(str_starts(out.data, "\\x01\\x01"));
	buf_done(&out);
	logfmt_free(&fmt);
	free(name);
}

static bool known(const char *command)
{
	return str_eq(command, "RETR") || str_eq(command, "SIZE") || str_eq(command, "SITE") ||
	       str_eq(command, "OPTS") || str_eq(command, "SITE_CHMOD");
}

static void masks_choose_commands(void **state)
{
	static const struct {
		const char *mask;
		unsigned classes;
		const char *command;
		bool want;
	} row[] = {
		{NULL, EXTLOG_READ, "RETR", true},
		{"ALL", EXTLOG_EXIT, NULL, false},
		{"all,exit", EXTLOG_EXIT, NULL, true},
		{"EXIT", EXTLOG_READ, "RETR", false},
		{"READ,WRITE", EXTLOG_READ, "RETR", true},
		{"READ,WRITE", EXTLOG_DIRS, "CWD", false},
		{"NONE", EXTLOG_READ, "RETR", false},
		{"ALL,!READ", EXTLOG_READ, "RETR", false},
		{"ALL,!READ", EXTLOG_INFO, "SIZE", true},
		{"ALL,!RETR", EXTLOG_READ, "RETR", false},
		{"NONE+RETR", EXTLOG_READ, "RETR", true},
		{"NONE+RETR", EXTLOG_INFO, "SIZE", false},
		{"READ+size,!retr", EXTLOG_INFO, "SIZE", true},
		{"READ+size,!retr", EXTLOG_READ, "RETR", false},
		{"READ,SIZE", EXTLOG_INFO, "SIZE", true},
		{"!RETR,+RETR", EXTLOG_READ, "RETR", true},
		{"NONE,SITE", EXTLOG_WRITE, "SITE_CHMOD", true},
		{"NONE,OPTS", EXTLOG_MISC, "OPTS_MLST", true},
		{"SITE,!SITE_CHMOD", EXTLOG_WRITE, "SITE_CHMOD", false},
		{"!SITE_CHMOD,SITE", EXTLOG_WRITE, "SITE_CHMOD", false},
		{"NONE+SIZE", EXTLOG_MISC, "SIZES", false},
	};
	struct extlog_mask mask;
	struct err err = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_LEN(row); i++) {
		assert_int_equal(extlog_mask_parse(row[i].mask, known, &mask, &err), 0);
		if (extlog_mask_match(&mask, row[i].classes, row[i].command) != row[i].want)
			fail_msg("%s with %s", row[i].mask, row[i].command);
	}
	assert_int_equal(extlog_mask_parse("READ,RAED", known, &mask, &err), -WE_CONFIG);
	assert_string_equal(err.text, "'RAED' is neither a class nor a command of an extended log");
	assert_int_equal(extlog_mask_parse("READ,", known, &mask, &err), -WE_CONFIG);
	assert_int_equal(extlog_mask_parse("", known, &mask, &err), -WE_CONFIG);
	assert_int_equal(extlog_mask_parse("AVERYLONGWORDTHATISNOCOMMAND", NULL, &mask, &err), -WE_CONFIG);
}

static void extlog_writes_what_its_mask_has(void **state)
{
	struct log_record rec = full_record();
	struct logfmt *fmt = NULL;
	struct extlog log = {.fd = -1};
	char got[100];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(logfmt_compile("%m %s", &fmt, NULL), 0);
	assert_int_equal(extlog_mask_parse("READ,EXIT", NULL, &log.mask, NULL), 0);
	log.fmt = fmt;
	assert_int_equal(extlog_write(&log, EXTLOG_READ, "RETR", &rec), 0); /* neither file nor syslog */
	log.fd = fds[1];
	assert_int_equal(extlog_write(&log, EXTLOG_DIRS, "CWD", &rec), 0);
	assert_int_equal(extlog_write(&log, EXTLOG_READ, "RETR", &rec), 0);
	assert_int_equal(extlog_write(&log, EXTLOG_EXIT, NULL, &rec), 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), 18);
	assert_memory_equal(got, "RETR 226\nRETR 226\n", 18);
	logfmt_free(&fmt);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void targets_are_files_or_syslog(void **state)
{
	struct err err = ERR_INIT;
	int level = 99;

	assert_int_equal(extlog_target_parse("/var/log/ftp.log", &level, &err), 0);
	assert_int_equal(level, -1);
	assert_int_equal(extlog_target_parse("syslog:info", &level, &err), 0);
	assert_int_equal(level, LOG_INFO);
	assert_int_equal(extlog_target_parse("syslog:loud", &level, &err), -WE_CONFIG);
	assert_string_equal(err.text, "unknown syslog level 'loud'");
}

static const struct display_values display = {
	.cwd = "/pub",
	.admin = "root@example",
	.free_bytes = 5ull << 30,
	.files_in = 1,
	.files_out = 2,
	.bytes_in = 1000,
	.bytes_out = 2072,
	.local_host = "ftp.example",
	.remote_host = "client.example",
	.user = "al\rice",
	.server_name = "My FTP",
	.clients = 3,
	.class_clients = 4,
	.max_class_clients = 10,
	.wall_secs = 1700000000,
};

static void cookies_of_display_files_are_expanded(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{"no cookie\r\n", "no cookie\r\n"},
		{"%C %E", "/pub root@example"},
		{"%F %f", "5242880 5.00GB"},
		{"%i %o %t", "1 2 3"},
		{"%K %k", "3072 3.00KB"},
		{"%L %R %V", "ftp.example client.example My FTP"},
		{"%U %u", "al_ice UNKNOWN"},
		{"%N/%M", "3/unlimited"},
		{"%x %y %z", "(none) 4 10"},
		{"%T", "Tue Nov 14 23:13:20 2023"},
		{"%{time:%Y-%m}", "2023-11"},
		{"%{env:WHERRY_TEST}%{env:WHERRY_NOT_SET}.", "from env."},
		{"%{total_bytes_in} %{total_bytes_out} %{total_bytes_xfer}", "1000 2072 3072"},
		{"%{total_files_in} %{total_files_out} %{total_files_xfer}", "1 2 3"},
		{"100%%", "100%"},
		{"100%", "100%"},
		{"%q %{nothing} %{open", "%q %{nothing} %{open"},
		{"", ""},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(row); i++) {
		struct buf out;

		buf_init(&out, 200);
		assert_int_equal(display_expand(&out, row[i].text, &display), 0);
		if (!str_eq(out.data != NULL ? out.data : "", row[i].want))
			fail_msg("%s: '%s' is not '%s'", row[i].text, out.data, row[i].want);
		buf_done(&out);
	}
}

static void expanded_text_is_bounded(void **state)
{
	struct buf out;

	buf_init(&out, 20);
	assert_int_equal(display_expand(&out, "%R%R%R%R", &display), -ENOBUFS);
	assert_true(out.len <= 20);
	assert_true(str_starts(out.data, "client.example"));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variable_has_its_value),
		cmocka_unit_test(unknown_variables_are_named),
		cmocka_unit_test(long_lines_are_cut_at_the_maximum),
		cmocka_unit_test(masks_choose_commands),
		cmocka_unit_test(extlog_writes_what_its_mask_has),
		cmocka_unit_test(targets_are_files_or_syslog),
		cmocka_unit_test(cookies_of_display_files_are_expanded),
		cmocka_unit_test(expanded_text_is_bounded),
	};

	return cmocka_run_group_tests(tests, set_zone, NULL);
}
