/* AuthUserFile and AuthGroupFile: the format, the conditions under which a file is used, and reading
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth_test_fixture.h"
#include "ftp/authfile.h"
#include "auth/backend.h"
#include "base/alloc.h"

static struct authfile *parse(const char *text, size_t len, enum authfile_kind kind)
{
	char *copy = xcalloc(len + 1, 1);

	memcpy(copy, text, len);
	return authfile_parse(copy, len, "test", kind);
}

static unsigned count(const struct authfile *f)
{
	unsigned n = 0;

	while (authfile_at(f, n) != NULL)
		n++;
	return n;
}

static void fields_of_a_user_are_found(void **state)
{
	static const char text[] = "# accounts\n\n  \t\nalice:$6$x:1001:1002:Alice A:/home/alice:/bin/sh\r\n"
				   "bob::5:6::/:\ncarl:*:7:8:a:/c:/bin/x:y";
	struct authfile *f = parse(text, sizeof(text) - 1, AUTHFILE_USERS);
	const struct authfile_entry *e = authfile_by_name(f, "alice");

	assert_non_null(e);
	assert_string_equal(e->hash, "$6$x");
	assert_int_equal(e->id, 1001);
	assert_int_equal(e->gid, 1002);
	assert_string_equal(e->home, "/home/alice");
	assert_string_equal(e->shell, "/bin/sh");
	assert_string_equal(authfile_by_name(f, "bob")->hash, "");
	assert_string_equal(authfile_by_name(f, "bob")->shell, "");
	assert_string_equal(authfile_by_name(f, "carl")->shell, "/bin/x:y");
	assert_ptr_equal(authfile_by_id(f, 5), authfile_at(f, 0));
	assert_null(authfile_by_name(f, "dora"));
	assert_null(authfile_by_id(f, 6));
	assert_int_equal(count(f), 3);
	assert_string_equal(fixture_log, "");
	authfile_unref(f);
}

static void malformed_lines_are_skipped_with_a_warning(void **state)
{
	static const char *const lines[] = {"alice", "alice:x:1:2:g:/h", ":x:1:2:g:/h:/s",
		"alice:x::2:g:/h:/s", "alice:x:1::g:/h:/s", "alice:x:-1:2:g:/h:/s",
		"alice:x:4294967295:2:g:/h:/s", "alice:x:1:4294967295:g:/h:/s",
		"alice:x:99999999999999999999:2:g:/h:/s", "alice:x:1x:2:g:/h:/s", "alice:x:1:2:g:h:/s",
		"alice:x:1:2:g::/s", "alice:x: 1:2:g:/h:/s"};
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct authfile *f;

		fixture_log[0] = '\0';
		(void)snprintf(text, sizeof(text), "x:y:3:4:z:/:\n%s\nbob:x:1:2:g:/h:/s\n", lines[i]);
		f = parse(text, strlen(text), AUTHFILE_USERS);
		if (count(f) != 2 || authfile_by_name(f, "bob") == NULL ||
			strcmp(fixture_log, "4 line 2 of 'test' is malformed, skipping it\n") != 0)
			fail_msg("'%s': %s", lines[i], fixture_log);
		authfile_unref(f);
	}
}

static void a_nul_costs_its_line_only(void **state)
{
	static const char text[] = "a:x:1:2:g:/h:/s\nb:x:1:2:g:/h\0:/s\nc:x:3:2:g:/h:/s\n";
	struct authfile *f = parse(text, sizeof(text) - 1, AUTHFILE_USERS);

	assert_int_equal(count(f), 2);
	assert_null(authfile_by_name(f, "b"));
	assert_non_null(authfile_by_name(f, "c"));
	authfile_unref(f);
}

static void a_wrong_file_does_not_flood_the_log(void **state)
{
	char *text = xcalloc(2001, 1), *last;
	struct authfile *f;

	for (size_t i = 0; i < 2000; i += 2)
		memcpy(text + i, "?\n", 2);
	f = authfile_parse(text, 2000, "test", AUTHFILE_USERS);
	last = strstr(fixture_log, "line 20 of");
	assert_non_null(last);
	assert_null(strstr(fixture_log, "line 21 of"));
	assert_non_null(strstr(last, "1000 lines of 'test' are malformed"));
	authfile_unref(f);
}

static void the_first_of_equal_names_and_numbers_counts(void **state)
{
	static const char text[] = "u:one:9:2:g:/1:\nv:two:9:2:g:/2:\nu:three:4:2:g:/3:\n";
	struct authfile *f = parse(text, sizeof(text) - 1, AUTHFILE_USERS);

	assert_string_equal(authfile_by_name(f, "u")->hash, "one");
	assert_string_equal(authfile_by_id(f, 9)->name, "u");
	assert_string_equal(authfile_by_id(f, 4)->name, "u");
	authfile_unref(f);
}

static void group_lines_have_members(void **state)
{
	static const char text[] = "staff:x:50:alice,bob\nempty:x:51:\nbroken:x:52\nbad:x:z:a\n";
	struct authfile *f = parse(text, sizeof(text) - 1, AUTHFILE_GROUPS);

	assert_int_equal(count(f), 2);
	assert_string_equal(authfile_by_id(f, 50)->members, "alice,bob");
	assert_string_equal(authfile_by_name(f, "empty")->members, "");
	authfile_unref(f);
}

/* --- the source --- */

static struct ftp_conf conf_of(const char *users, const char *groups)
{
	return (struct ftp_conf){.auth_user_file = users,
		.auth_group_file = groups,
		.auth_user_id_max = UINT32_MAX,
		.auth_group_id_max = UINT32_MAX};
}

static int find(const struct ftp_conf *conf, const char *name)
{
	struct auth_account a = {0};
	int r = auth_backend_file.find(conf, name, &a);

	auth_account_done(&a);
	return r;
}

static void permissions_decide_whether_a_file_is_used(void **state)
{
	static const char line[] = "u:x:9:2:g:/1:\n";
	static const struct {
		mode_t mode;
		bool users, groups;
	} rows[] = {{0600, true, true}, {0640, true, true}, {0440, true, true}, {0604, false, true},
		{0602, false, false}, {0601, true, true}, {0660, true, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ftp_conf conf = conf_of(fixture_file("users", line, rows[i].mode), NULL);
		unsigned id;

		assert_int_equal(find(&conf, "u"), rows[i].users);
		conf.auth_file_insecure_perms = true;
		assert_int_equal(find(&conf, "u"), 1);
		conf = conf_of(NULL, fixture_file("groups", "g:x:7:u\n", rows[i].mode));
		assert_int_equal(auth_backend_file.id_of(&conf, AUTH_GROUP_ID, "g", &id), rows[i].groups);
	}
	assert_non_null(strstr(fixture_log, "can be read by everyone, not using it"));
	assert_non_null(strstr(fixture_log, "can be written by everyone, not using it"));
}

static void a_folder_that_everyone_writes_is_refused(void **state)
{
	struct ftp_conf conf = conf_of(fixture_file("users", "u:x:9:2:g:/1:\n", 0600), NULL);

	assert_int_equal(chmod(fixture_dir, 01777), 0);
	assert_int_equal(find(&conf, "u"), 0);
	assert_non_null(strstr(fixture_log, "the directory of"));
	assert_int_equal(chmod(fixture_dir, 0700), 0);
	assert_int_equal(find(&conf, "u"), 1);
}

static void what_is_no_file_or_missing_is_said_and_not_used(void **state)
{
	struct ftp_conf conf = conf_of(fixture_dir, NULL);

	assert_int_equal(find(&conf, "u"), 0);
	assert_non_null(strstr(fixture_log, "is not a regular file"));
	conf.auth_user_file = "/nonexistent/users";
	assert_int_equal(find(&conf, "u"), 0);
	assert_non_null(strstr(fixture_log, "cannot read '/nonexistent/users': No such file or directory"));
}

static void one_path_may_be_both_files(void **state)
{
	const char *path = fixture_file("both", "u:x:9:2:g:/1:\n", 0600);
	struct ftp_conf conf = conf_of(path, path);
	struct auth_groups groups = {0};
	struct auth_account a = {.name = (char *)(uintptr_t) "u"};
	char *sample;

	assert_int_equal(find(&conf, "u"), 1);
	auth_backend_file.groups(&conf, &a, &groups); /* "2:g:/1:" are its members */
	assert_int_equal(groups.n, 0);
	sample = auth_file_sample_hash(&conf);
	assert_null(sample);
}

static void ids_out_of_range_are_not_there(void **state)
{
	const char *users =
		fixture_file("users", "lo:x:99:2:g:/1:\nu:x:100:2:g:/1:\nhi:x:201:2:g:/:\n", 0600);
	struct ftp_conf conf = conf_of(users, fixture_file("groups", "in:x:10:u\nout:x:9:u\n", 0600));
	struct auth_groups groups = {0};
	struct auth_account a = {.name = (char *)(uintptr_t) "u"};
	char name[64];
	unsigned id = 0;

	conf.auth_user_id_min = 100;
	conf.auth_user_id_max = 200;
	conf.auth_group_id_min = conf.auth_group_id_max = 10;
	assert_int_equal(find(&conf, "u"), 1);
	assert_int_equal(find(&conf, "lo"), 0);
	assert_int_equal(find(&conf, "hi"), 0);
	assert_true(auth_backend_file.name_of(&conf, AUTH_USER_ID, 100, name, sizeof(name)));
	assert_string_equal(name, "u");
	assert_false(auth_backend_file.name_of(&conf, AUTH_USER_ID, 99, name, sizeof(name)));
	assert_false(auth_backend_file.id_of(&conf, AUTH_USER_ID, "hi", &id));
	assert_true(auth_backend_file.id_of(&conf, AUTH_GROUP_ID, "in", &id));
	assert_false(auth_backend_file.id_of(&conf, AUTH_GROUP_ID, "out", &id));
	auth_backend_file.groups(&conf, &a, &groups);
	assert_int_equal(groups.n, 1);
	assert_int_equal(groups.gids[0], 10);
}

static void membership_is_by_whole_names(void **state)
{
	struct ftp_conf conf = conf_of(
		NULL, fixture_file("groups",
			      "a:x:1:al,alice\nb:x:2:alicex\nc:x:3:xalice,\nd:x:4:bob, alice\na:x:5:alice\n",
			      0600));
	struct auth_account a = {.name = (char *)(uintptr_t) "alice"};
	struct auth_groups groups = {0};

	auth_groups_add(&groups, 4);
	auth_backend_file.groups(&conf, &a, &groups);
	assert_int_equal(groups.n, 3); /* 4 once, 1, 5 */
	assert_int_equal(groups.gids[1], 1);
	assert_int_equal(groups.gids[2], 5);
}

static void SyntaxCheck_makes_a_malformed_line_an_error_of_the_load(void **state)
{
	static const struct {
		const char *users, *groups, *options, *says;
	} rows[] = {{"a:x:1:1::/:\n", "g:x:1:\n", "SyntaxCheck", NULL},
		{"a:x:1:1::/:\nb:x\nc\n", "g:x:1:\n", "SyntaxCheck",
			"AuthUserFile: line 2 of '@/users' is malformed (AuthFileOptions SyntaxCheck) on "
			"line 2 of 'test'"},
		{"a:x:1:1::/:\n", "g\n", "SyntaxCheck", "AuthGroupFile: line 1 of '@/groups' is malformed"},
		{"a\n", "g\n", "InsecurePerms", NULL}};
	struct ftp_config *config;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ftp_config_options opt = {.name = "test", .family = AF_UNSPEC};
		struct err err = ERR_INIT;
		char text[600], want[300];
		int r;

		(void)fixture_file("users", rows[i].users, 0600);
		(void)fixture_file("groups", rows[i].groups, 0600);
		(void)snprintf(text, sizeof(text),
			"DefaultAddress 127.0.0.1\nAuthUserFile %s/users\nAuthGroupFile "
			"%s/groups\nAuthFileOptions %s\n",
			fixture_dir, fixture_dir, rows[i].options);
		opt.text = text;
		r = ftp_config_load(&opt, 1, &config, NULL, &err);
		if (r == 0)
			ftp_config_free(config);
		if ((r == 0) != (rows[i].says == NULL))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r == 0)
			continue;
		(void)snprintf(want, sizeof(want), "%.*s%s%s", (int)strcspn(rows[i].says, "@"), rows[i].says,
			fixture_dir, strchr(rows[i].says, '@') + 1);
		want[strcspn(want, "\n")] = '\0';
		if (strstr(err.text, want) == NULL)
			fail_msg("'%s' is not in '%s'", want, err.text);
	}
}

static atomic_bool reading;
static atomic_uint rounds, wrong;

/* Whatever the file is at the moment, one of its two states is seen whole. */
static void *reader(void *arg)
{
	const struct ftp_conf *conf = arg;

	while (reading) {
		struct auth_account a = {0};

		if (auth_backend_file.find(conf, "u", &a) != 1 ||
			(a.uid == 1) != (a.home != NULL && strcmp(a.home, "/one") == 0))
			wrong++;
		auth_account_done(&a);
		rounds++;
	}
	return NULL;
}

static void a_changed_file_is_read_again_while_others_read(void **state)
{
	char *path = xstrdup(fixture_file("users", "u:x:1:2:g:/one:\n", 0600));
	struct ftp_conf conf = conf_of(path, NULL);
	struct auth_account a = {0};
	pthread_t threads[3];

	reading = true;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &conf), 0);
	for (int i = 0; i < 200; i++) {
		unsigned want = i % 2 != 0 ? 1 : 2;

		(void)fixture_file("users", want == 1 ? "u:x:1:2:g:/one:\n" : "u:x:2:2:g:/two:\n", 0600);
		assert_int_equal(auth_backend_file.find(&conf, "u", &a), 1);
		assert_int_equal(a.uid, want);
		auth_account_done(&a);
	}
	while (rounds < 1000)
		usleep(1000);
	reading = false;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	if (wrong != 0)
		fail_msg("%u wrong: %s", (unsigned)wrong, fixture_log);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(find(&conf, "u"), 0);
	free(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(fields_of_a_user_are_found),
		T(malformed_lines_are_skipped_with_a_warning),
		T(a_nul_costs_its_line_only),
		T(a_wrong_file_does_not_flood_the_log),
		T(the_first_of_equal_names_and_numbers_counts),
		T(group_lines_have_members),
		T(permissions_decide_whether_a_file_is_used),
		T(a_folder_that_everyone_writes_is_refused),
		T(what_is_no_file_or_missing_is_said_and_not_used),
		T(one_path_may_be_both_files),
		T(ids_out_of_range_are_not_there),
		T(membership_is_by_whole_names),
		T(SyntaxCheck_makes_a_malformed_line_an_error_of_the_load),
		T(a_changed_file_is_read_again_while_others_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
