#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ftp/reply.h"
#include "ftp/text.h"

static struct buf out;

static int setup(void **state)
{
	(void)state;
	buf_init(&out, 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_done(&out);
	return 0;
}

static void a_reply_is_one_line_whatever_it_echoes(void **state)
{
	(void)state;
	assert_int_equal(reply(&out, 550, "%s: %s", "a\r\n226 b", "no"), 0);
	assert_string_equal(out.data, "550 a__226 b: no\r\n");
}

static void lines_of_a_multi_line_reply_begin_with_a_blank(void **state)
{
	(void)state;
	reply_first(&out, 211, "Features:");
	reply_line(&out, "%s", "211 End\nx");
	reply(&out, 211, "End");
	assert_string_equal(out.data, "211-Features:\r\n 211 End_x\r\n211 End\r\n");
}

static void texts_become_lines(void **state)
{
	static const char text[] = "Hello\r\n\n230 no\nlast";

	(void)state;
	assert_int_equal(reply_text(&out, 230, text, sizeof(text) - 1), 0);
	assert_string_equal(out.data, "230-Hello\r\n \r\n 230 no\r\n last\r\n");
	buf_clear(&out);
	assert_int_equal(reply_text(&out, 230, "", 0), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(reply_text(&out, 230, "a\n", 2), 0);
	assert_string_equal(out.data, "230-a\r\n");
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	struct buf small;

	(void)state;
	buf_init(&small, 20);
	assert_int_equal(reply(&small, 200, "ok"), 0);
	assert_int_equal(reply(&small, 200, "much too long for it"), -ENOBUFS);
	assert_string_equal(small.data, "200 ok\r\n");
	assert_int_equal(reply_text(&small, 230, "a\nbbbbbbbbb\n", 12), -ENOBUFS);
	assert_string_equal(small.data, "200 ok\r\n");
	buf_done(&small);
}

static void quotes_in_paths_are_doubled(void **state)
{
	(void)state;
	assert_int_equal(reply_path(&out, "/a\"b\n", " is the current directory"), 0);
	assert_string_equal(out.data, "257 \"/a\"\"b_\" is the current directory\r\n");
}

static void lines_of_other_processes_are_checked(void **state)
{
	(void)state;
	reply_whole(&out, "530 Sorry, the maximum\r\n");
	reply_whole(&out, "99 x");
	reply_whole(&out, "");
	reply_whole(&out, "5x0 y");
	assert_string_equal(out.data,
		"530 Sorry, the maximum__\r\n421 Service not available\r\n421 Service not available\r\n"
		"421 Service not available\r\n");
}

static void unknown_words_are_cut_and_cleaned(void **state)
{
	static const char raw[] =
		"xyz\rabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopq";
	struct line_cmd c = {.raw = raw, .raw_len = sizeof(raw) - 1, .arg = ""};

	(void)state;
	reply_unknown(&out, &c);
	assert_int_equal(out.len, strlen("500 ") + 64 + strlen(" not understood\r\n"));
	assert_memory_equal(out.data, "500 XYZ_ABC", 11);
}

static void messages_are_expanded(void **state)
{
	struct text_vars v = {.user = "bob", .max = 5};

	(void)state;
	text_expand(&out, "%u of %m %% %x %", &v);
	assert_string_equal(out.data, "bob of 5 % %x %");
}

static void the_banner_follows_ServerIdent(void **state)
{
	struct ftp_scope scope = {.conf = {.ident_on = true, .server_name = "My Site"}};
	struct ftp_server server = {.scope = &scope, .fqdn = "ftp.example.org"};
	struct addr local;

	(void)state;
	addr_parse("192.0.2.1", 21, &local);
	text_banner(&out, &server, &local);
	assert_string_equal(out.data, "Wherry Server (My Site) [192.0.2.1]");
	buf_clear(&out);
	scope.conf.ident_text = "%v at %V (%L) 100%% %{version}.";
	text_banner(&out, &server, &local);
	assert_memory_equal(out.data, "My Site at ftp.example.org (192.0.2.1) 100% Wherry ", 51);
	buf_clear(&out);
	scope.conf.defer_welcome = true;
	text_banner(&out, &server, &local);
	assert_string_equal(out.data, "192.0.2.1 FTP server ready");
	buf_clear(&out);
	scope.conf.defer_welcome = false;
	scope.conf.ident_on = false;
	text_banner(&out, &server, &local);
	assert_string_equal(out.data, "192.0.2.1 FTP server ready");
}

static void anonymous_names_are_the_user_and_its_aliases(void **state)
{
	struct ftp_alias any = {.alias = "*", .user = "guest"};
	struct ftp_alias anonymous = {.alias = "anonymous", .user = "ftp"};
	struct ftp_scope server_scope = {0}, root = {0}, ftp = {0}, guest = {0};
	struct ftp_server server = {.scope = &server_scope};
	const char *user;
	unsigned n;

	(void)state;
	server_scope.anons = &root;
	root.next = &ftp;
	ftp.next = &guest;
	root.conf.user = "root";
	ftp.conf.user = "ftp";
	ftp.conf.aliases = &anonymous;
	guest.conf.user = "guest";
	assert_ptr_equal(ftp_anon_find(&server, "ftp", &n, &user), &ftp);
	assert_int_equal(n, 2);
	assert_ptr_equal(ftp_anon_find(&server, "anonymous", &n, &user), &ftp);
	assert_string_equal(user, "ftp");
	assert_null(ftp_anon_find(&server, "root", NULL, NULL));
	assert_null(ftp_anon_find(&server, "alice", NULL, NULL));
	guest.conf.aliases = &any;
	assert_ptr_equal(ftp_anon_find(&server, "alice", NULL, NULL), &guest);
	ftp.conf.auth_alias_only = true;
	assert_ptr_equal(ftp_anon_find(&server, "ftp", NULL, NULL), &guest);
	assert_null(ftp_alias_resolve(&ftp.conf, "alice"));
	assert_string_equal(ftp_alias_resolve(&server_scope.conf, "alice"), "alice");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_reply_is_one_line_whatever_it_echoes),
		T(lines_of_a_multi_line_reply_begin_with_a_blank),
		T(texts_become_lines),
		T(a_full_buffer_is_left_as_it_was),
		T(quotes_in_paths_are_doubled),
		T(lines_of_other_processes_are_checked),
		T(unknown_words_are_cut_and_cleaned),
		T(messages_are_expanded),
		T(the_banner_follows_ServerIdent),
		T(anonymous_names_are_the_user_and_its_aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
