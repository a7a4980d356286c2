/* TransferMMap*: what is mapped in the end, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ftp/conf.h"
#include "ftp/report.h"
#include "vfs/preload.h"

static char dir[] = "/tmp/wherry-conf-mmap-XXXXXX";
static struct ftp_report *report;
static struct err err;

static void file(const char *name, size_t size)
{
	char path[200], byte[100000] = {0};
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(byte, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* text: '@' stands for the directory. NULL on errors. */
static struct ftp_config *load(const char *text, bool reload)
{
	struct ftp_config_options opt = {.name = "test.conf", .reload = reload};
	struct ftp_config *c = NULL;
	char full[4000];
	size_t n = 0;

	for (; *text != '\0' && n + 200 < sizeof full; text++) {
		if (*text == '@')
			n += (size_t)snprintf(full + n, sizeof full - n, "%s", dir);
		else
			full[n++] = *text;
	}
	full[n] = '\0';
	opt.text = full;
	ftp_report_free(report);
	report = ftp_report_new();
	err = (struct err)ERR_INIT;
	return ftp_config_load(&opt, 1, &c, report, &err) == 0 ? c : NULL;
}

static void assert_said(const char *words)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ftp_report_print_problems(report, out);
	assert_int_equal(fclose(out), 0);
	if (strstr(text, words) == NULL)
		fail_msg("'%s' is not in: %s", words, text);
	free(text);
}

static void assert_refused(const char *text, const char *words)
{
	assert_null(load(text, false));
	assert_said(words);
	assert_said(" of 'test.conf'");
}

static void by_default_nothing_is_mapped(void **state)
{
	struct ftp_config *c = load("", false);

	assert_non_null(c);
	assert_false(c->servers[0]->scope->conf.mmap_engine);
	assert_int_equal(c->n_preloads, 0);
	ftp_config_free(c);
	c = load("<IfModule mod_xfer_mmap.c>\nTransferMMapEngine on\n</IfModule>\n", false);
	assert_true(c->servers[0]->scope->conf.mmap_engine);
	ftp_config_free(c);
}

static void files_of_all_servers_make_one_list(void **state)
{
	struct ftp_config *c;

	file("a", 10);
	file("b", 10);
	file("c", 10);
	c = load(
		"<Global>\nTransferMMapEngine on\nTransferMMapFile @/a\nTransferMMapOptions Lock\n</Global>\n"
		"<VirtualHost 127.0.0.9>\nPort 4000\nTransferMMapFile @/b @/c\nTransferMMapOptions Populate "
		"NoValidate\n"
		"</VirtualHost>\n",
		false);
	assert_non_null(c);
	assert_int_equal(c->n_preloads, 3);
	assert_true(str_ends(c->preloads[0].path, "/a"));
	assert_int_equal(c->preloads[0].flags, PRELOAD_LOCK);
	assert_int_equal(c->preloads[0].line, 3);
	assert_int_equal(c->preloads[1].flags, PRELOAD_POPULATE | PRELOAD_NO_VALIDATE);
	assert_int_equal(ftp_report_warnings(report), 0);
	ftp_config_free(c);
}

static void what_is_named_twice_is_mapped_once(void **state)
{
	struct ftp_config *c;

	file("a", 10);
	c = load("TransferMMapEngine on\nTransferMMapFile @/a\nTransferMMapFile @/a\n", false);
	assert_int_equal(c->n_preloads, 1);
	assert_said("/a' is named already; again on line 3");
	ftp_config_free(c);
	c = load("TransferMMapEngine on\nTransferMMapFile @/a @/a\n", false);
	assert_int_equal(c->n_preloads, 1);
	assert_said("/a' is named already; again on line 2");
	ftp_config_free(c);
}

static void what_cannot_be_mapped_is_an_error_at_the_start_only(void **state)
{
	static const char text[] = "TransferMMapEngine on\nTransferMMapFile @/missing\n";
	struct ftp_config *c;

	assert_refused(text, "missing': No such file or directory on line 2");
	assert_refused(
		"TransferMMapFile relative/path\n", "'relative/path' is not an absolute path on line 1");
	assert_refused("TransferMMapFile\n", "TransferMMapFile: missing parameters");
	assert_refused("TransferMMapFile @\n", "is not a regular file on line 1");
	assert_refused("TransferMMapEngine maybe\n", "expected Boolean parameter");
	c = load(text, true);
	assert_non_null(c);
	assert_int_equal(c->n_preloads, 0);
	assert_said("it is not mapped; named on line 2");
	ftp_config_free(c);
}

static void an_empty_file_is_left_out(void **state)
{
	struct ftp_config *c;

	file("empty", 0);
	c = load("TransferMMapEngine on\nTransferMMapFile @/empty\n", false);
	assert_non_null(c);
	assert_int_equal(c->n_preloads, 0);
	assert_said("empty' is empty, it is not mapped; named on line 2");
	ftp_config_free(c);
}

static void limits_leave_files_out(void **state)
{
	struct ftp_config *c;

	file("small", 1000);
	file("other", 1000);
	file("large", 100000);
	c = load("TransferMMapEngine on\nTransferMMapOptions MaxFile=64KB MaxTotal=1500B\n"
		 "TransferMMapFile @/large @/small @/other\n",
		false);
	assert_non_null(c);
	assert_int_equal(c->n_preloads, 1);
	assert_true(str_ends(c->preloads[0].path, "/small"));
	assert_said("/large' is larger than MaxFile");
	assert_said("/other' would exceed MaxTotal");
	assert_int_equal(c->servers[0]->scope->conf.mmap_options.max_file, 65536);
	ftp_config_free(c);
	assert_refused("TransferMMapOptions MaxFile=much\n", "unable to parse 'much' as a size");
	assert_refused("TransferMMapOptions Quick\n", "Quick");
}

static void files_that_nobody_uses_are_warned_about(void **state)
{
	struct ftp_config *c;

	file("a", 10);
	c = load("TransferMMapFile @/a\n", false);
	assert_int_equal(c->n_preloads, 1);
	assert_said("no server has TransferMMapEngine on");
	ftp_config_free(c);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	char command[100];

	ftp_report_free(report);
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_default_nothing_is_mapped),
		cmocka_unit_test(files_of_all_servers_make_one_list),
		cmocka_unit_test(what_is_named_twice_is_mapped_once),
		cmocka_unit_test(what_cannot_be_mapped_is_an_error_at_the_start_only),
		cmocka_unit_test(an_empty_file_is_left_out),
		cmocka_unit_test(limits_leave_files_out),
		cmocka_unit_test(files_that_nobody_uses_are_warned_about),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
