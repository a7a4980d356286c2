/* What a login request earns, with configurations as an administrator writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth_test_fixture.h"
#include "auth/decide.h"
#include "base/alloc.h"

/* Accounts of every test: password "<name>pw"; vicky has a shell that is not listed, lock is locked, zero
 * has uid 0. */
static const char *const users[][3] = {{"alice", "1001:1001", "/bin/sh"}, {"bob", "1002:1002", "/bin/sh"},
	{"vicky", "1003:1003", "/bin/odd"}, {"zero", "0:0", "/bin/sh"}, {"ftp", "1005:1005", "/bin/sh"},
	{"guest", "1006:1006", "/bin/sh"}};

#define SOURCES "AuthUserFile @D/users\nAuthGroupFile @D/groups\nAuthOrder mod_auth_file.c\n"
#define FILES   SOURCES "RequireValidShell off\nUseFtpUsers off\n"

static struct ftp_config *config;
static struct arena *arena;
static struct ipc_grant grant;
static struct decide_context ctx;
static char what[256];

static int setup(void **state)
{
	char text[4096] = "";
	size_t n = 0;

	if (fixture_setup(state) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		char password[40];

		(void)snprintf(password, sizeof(password), "%spw", users[i][0]);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s:%s:%s::/home/%s:%s\n", users[i][0],
			fixture_hash(password), users[i][1], users[i][0], users[i][2]);
	}
	(void)snprintf(text + n, sizeof(text) - n,
		"lock:!%s:1007:1007::/home/lock:/bin/sh\nnopw::1008:1008::/:/bin/sh\n",
		fixture_hash("lockpw"));
	(void)fixture_file("users", text, 0600);
	(void)fixture_file("groups",
		"alice:x:1001:\nstaff:x:2000:alice,bob\nwheel:x:2001:alice\nftp:x:1005:\nmirror:x:2005:\n"
		"two words:x:2006:bob\n",
		0600);
	(void)fixture_file("shells", "# shells\n/bin/bash\n  /bin/sh   # usual\n", 0644);
	(void)fixture_file("ftpusers", "root\n#alice\nbob\r\n", 0644);
	arena = arena_new(8192, 0);
	return 0;
}

static void configure(const char *text)
{
	static char shells[100], ftpusers[100];

	ftp_config_free(config);
	config = NULL;
	config = fixture_config(text);
	(void)snprintf(shells, sizeof(shells), "%s/shells", fixture_dir);
	(void)snprintf(ftpusers, sizeof(ftpusers), "%s/ftpusers", fixture_dir);
	ctx = (struct decide_context){
		.config = config, .can_switch_uid = true, .shells_file = shells, .ftpusers_file = ftpusers};
}

static int teardown(void **state)
{
	arena_free(arena);
	ftp_config_free(config);
	config = NULL;
	return fixture_teardown(state);
}

static int login_from(const char *user, const char *password, const char *client)
{
	struct ipc_auth_request q = {
		.sid = 7, .request = 2, .user = user, .password = password, .client_name = ""};

	arena_reset(arena);
	(void)addr_parse(client, 40000, &q.client);
	(void)addr_parse("127.0.0.1", 21, &q.local);
	return decide(&ctx, &q, arena, &grant, what, sizeof(what));
}

static int login(const char *user, const char *password)
{
	return login_from(user, password, "192.0.2.1");
}

static void a_right_password_earns_the_account(void **state)
{
	configure(FILES);
	assert_int_equal(login("alice", "alicepw"), 0);
	assert_int_equal(grant.sid, 7);
	assert_int_equal(grant.request, 2);
	assert_int_equal(grant.anon, 0);
	assert_string_equal(grant.user, "alice");
	assert_string_equal(grant.sent_user, "alice");
	assert_string_equal(grant.email, "");
	assert_int_equal(grant.uid, 1001);
	assert_int_equal(grant.gid, 1001);
	assert_int_equal(grant.groups.n, 3);
	assert_int_equal(grant.groups.v[0], 1001);
	assert_string_equal(grant.group_names, "alice\nstaff\nwheel");
	assert_string_equal(grant.home, "/home/alice");
	assert_string_equal(grant.root, "/");
	assert_string_equal(grant.chdir, "/home/alice");
}

static void refusals_have_a_reason_and_cost_one_hash(void **state)
{
	static const struct {
		const char *user, *password;
		int reason;
	} rows[] = {{"nobody-here", "x", IPC_AUTH_NO_USER}, {"alice", "bobpw", IPC_AUTH_BAD_PASSWORD},
		{"lock", "lockpw", IPC_AUTH_BAD_PASSWORD}, {"nopw", "x", IPC_AUTH_BAD_PASSWORD},
		{"ALICE", "alicepw", IPC_AUTH_NO_USER}, {"", "x", IPC_AUTH_NO_USER},
		{"zero", "zeropw", IPC_AUTH_ROOT}, {"alice", "alicepw", 0}};

	configure(FILES);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned before = fixture_crypts;
		int r = login(rows[i].user, rows[i].password);

		if (r != rows[i].reason || fixture_crypts - before != 1)
			fail_msg("%s: %d (%s), %u hashes", rows[i].user, r, what, fixture_crypts - before);
		assert_int_equal(what[0] == '\0', r == 0);
	}
}

static void passwords_have_a_form(void **state)
{
	static char longer[101];
	unsigned before;

	memset(longer, 'x', sizeof(longer) - 1);
	configure(FILES
		"MaxPasswordSize 99\nAllowEmptyPasswords off\n<Anonymous /srv>\nUser ftp\n</Anonymous>\n");
	before = fixture_crypts;
	assert_int_equal(login("alice", longer), IPC_AUTH_PASSWORD_FORM);
	assert_int_equal(login("nobody-here", longer), IPC_AUTH_PASSWORD_FORM);
	assert_int_equal(login("nopw", ""), IPC_AUTH_PASSWORD_EMPTY);
	assert_int_equal(login("nobody-here", ""), IPC_AUTH_PASSWORD_EMPTY);
	assert_int_equal(fixture_crypts - before, 4);
	assert_int_equal(login("ftp", longer), IPC_AUTH_PASSWORD_FORM);
	configure(FILES);
	assert_int_equal(login("nopw", ""), 0);
	assert_int_equal(login("alice", ""), IPC_AUTH_BAD_PASSWORD);
}

static void aliases_name_accounts(void **state)
{
	configure(FILES "UserAlias al alice\n");
	assert_int_equal(login("al", "alicepw"), 0);
	assert_string_equal(grant.user, "alice");
	assert_string_equal(grant.sent_user, "al");
	assert_int_equal(login("alice", "alicepw"), 0);
	configure(FILES "UserAlias al alice\nAuthAliasOnly on\n");
	assert_int_equal(login("al", "alicepw"), 0);
	assert_int_equal(login("bob", "bobpw"), IPC_AUTH_NO_USER);
	configure(FILES "UserAlias * bob\n");
	assert_int_equal(login("whoever", "bobpw"), 0);
	assert_string_equal(grant.user, "bob");
}

#define ANON(x) FILES "<Anonymous /srv/ftp>\nUser ftp\nUserAlias anonymous ftp\n" x "</Anonymous>\n"

static void anonymous_needs_no_password(void **state)
{
	unsigned before;

	configure(ANON("Group mirror\n"));
	before = fixture_crypts;
	assert_int_equal(login("anonymous", "me@example.org"), 0);
	assert_int_equal(fixture_crypts, before);
	assert_int_equal(grant.anon, 1);
	assert_string_equal(grant.user, "ftp");
	assert_string_equal(grant.sent_user, "anonymous");
	assert_string_equal(grant.email, "me@example.org");
	assert_int_equal(grant.uid, 1005);
	assert_int_equal(grant.gid, 2005);
	assert_string_equal(grant.root, "/srv/ftp");
	assert_string_equal(grant.chdir, "/srv/ftp");
	assert_int_equal(login("ftp", ""), 0);
	assert_int_equal(login("alice", "alicepw"), 0);
	assert_int_equal(grant.anon, 0);
	configure(ANON("Group nosuch\n"));
	assert_int_equal(login("ftp", "x"), IPC_AUTH_INTERNAL);
	configure(FILES "<Anonymous /srv>\nUser missing\n</Anonymous>\n");
	assert_int_equal(login("missing", "x"), IPC_AUTH_NO_USER);
	configure(FILES "<Anonymous ~guest/pub>\nUser ftp\n</Anonymous>\n");
	assert_int_equal(login("ftp", "x"), 0);
	assert_string_equal(grant.root, "/home/guest/pub");
}

static void anonymous_may_require_a_password_that_no_log_shows(void **state)
{
	configure(ANON("AnonRequirePassword on\n"));
	assert_int_equal(login("anonymous", "me@example.org"), IPC_AUTH_BAD_PASSWORD);
	assert_int_equal(login("anonymous", "ftppw"), 0);
	assert_int_equal(grant.anon, 1);
	assert_string_equal(grant.email, "anonymous");
	configure(FILES "<Anonymous /srv>\nUser ftp\nUserAlias guest ftp\nAnonRequirePassword on\n"
			"AuthUsingAlias on\n</Anonymous>\n");
	assert_int_equal(login("guest", "ftppw"), IPC_AUTH_BAD_PASSWORD);
	assert_int_equal(login("guest", "guestpw"), 0);
	assert_string_equal(grant.user, "ftp");
	assert_int_equal(grant.uid, 1005);
	assert_string_equal(grant.email, "guest");
	assert_int_equal(login("ftp", "ftppw"), 0);
}

static void anonymous_passwords_may_be_rejected(void **state)
{
	configure(ANON("AnonRejectPasswords ^spam@ nocase\n"));
	assert_int_equal(login("ftp", "SPAM@x"), IPC_AUTH_ANON_REJECTED);
	assert_int_equal(login("ftp", "ham@x"), 0);
	configure(ANON("AnonRejectPasswords !@\n"));
	assert_int_equal(login("ftp", "noat"), IPC_AUTH_ANON_REJECTED);
	assert_int_equal(login("ftp", "a@b"), 0);
}

static void root_logs_in_only_when_allowed(void **state)
{
	configure(FILES);
	assert_int_equal(login("zero", "zeropw"), IPC_AUTH_ROOT);
	assert_string_equal(what, "SECURITY VIOLATION: Root login attempted");
	configure(FILES "RootLogin on\n");
	assert_int_equal(login("zero", "zeropw"), 0);
	assert_int_equal(grant.uid, 0);
	configure(FILES "RootLogin off\n<Anonymous /srv>\nUser zero\n</Anonymous>\n");
	assert_int_equal(login("zero", "x"), IPC_AUTH_ROOT);
}

static void shells_are_checked_where_there_is_a_list(void **state)
{
	configure(FILES);
	assert_int_equal(login("vicky", "vickypw"), 0);
	configure(SOURCES "UseFtpUsers off\n"); /* on is the default */
	assert_int_equal(login("vicky", "vickypw"), IPC_AUTH_SHELL);
	assert_int_equal(login("vicky", "x"), IPC_AUTH_BAD_PASSWORD);
	assert_int_equal(login("alice", "alicepw"), 0);
	ctx.shells_file = "/nonexistent/shells";
	assert_int_equal(login("vicky", "vickypw"), 0);
}

static void names_in_ftpusers_are_refused(void **state)
{
	configure(SOURCES "RequireValidShell off\n"); /* on is the default */
	assert_int_equal(login("bob", "bobpw"), IPC_AUTH_FTPUSERS);
	assert_int_equal(login("alice", "alicepw"), 0);
	ctx.ftpusers_file = "/nonexistent/ftpusers";
	assert_int_equal(login("bob", "bobpw"), 0);
}

static void a_list_that_cannot_be_read_lets_nobody_in(void **state)
{
	static char large[1024 * 1024 + 2];

	configure(SOURCES "RequireValidShell off\n");
	ctx.ftpusers_file = "/"; /* a directory */
	assert_int_equal(login("alice", "alicepw"), IPC_AUTH_INTERNAL);
	assert_string_equal(what, "/etc/ftpusers cannot be read (UseFtpUsers)");
	memset(large, 'x', sizeof(large) - 1);
	ctx.ftpusers_file = fixture_file("large", large, 0644);
	assert_int_equal(login("alice", "alicepw"), IPC_AUTH_INTERNAL);
	configure(SOURCES "UseFtpUsers off\n");
	ctx.shells_file = "/";
	assert_int_equal(login("alice", "alicepw"), IPC_AUTH_INTERNAL);
}

static void the_root_follows_the_first_rule_that_fits(void **state)
{
	static const struct {
		const char *rules, *user, *root;
	} rows[] = {{"DefaultRoot ~\n", "bob", "/home/bob"}, {"DefaultRoot ~/pub\n", "bob", "/home/bob/pub"},
		{"DefaultRoot ~alice\n", "bob", "/home/alice"},
		{"DefaultRoot /srv/%u/%u\n", "bob", "/srv/bob/bob"},
		{"DefaultRoot / wheel\nDefaultRoot ~\n", "alice", "/"},
		{"DefaultRoot / wheel\nDefaultRoot ~\n", "bob", "/home/bob"},
		{"DefaultRoot /srv staff,!wheel\n", "alice", "/"},
		{"DefaultRoot /srv staff,!wheel\n", "bob", "/srv"},
		{"DefaultRoot /srv staff,wheel\n", "alice", "/srv"},
		{"DefaultRoot /srv \"two words\"\n", "bob", "/srv"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[400], password[40];

		(void)snprintf(text, sizeof(text), FILES "%s", rows[i].rules);
		(void)snprintf(password, sizeof(password), "%spw", rows[i].user);
		configure(text);
		if (login(rows[i].user, password) != 0 || strcmp(grant.root, rows[i].root) != 0)
			fail_msg("%s%s: %s %s", rows[i].rules, rows[i].user, grant.root, what);
	}
	configure(FILES "DefaultRoot ~missing\n");
	assert_int_equal(login("bob", "bobpw"), IPC_AUTH_INTERNAL);
}

static void the_start_directory_is_below_the_root(void **state)
{
	static const struct {
		const char *rules, *chdir;
	} rows[] = {{"DefaultChdir pub\n", "/home/alice/pub"}, {"DefaultChdir /data\n", "/data"},
		{"DefaultRoot ~\nDefaultChdir /pub\n", "/home/alice/pub"},
		{"DefaultRoot ~/\nDefaultChdir /pub\n", "/home/alice/pub"},
		{"DefaultRoot ~\nDefaultChdir /home/alice/pub\n", "/home/alice/pub"},
		{"DefaultRoot /home/al\nDefaultChdir /home/alice\n", "/home/al/home/alice"},
		{"DefaultRoot ~\nDefaultChdir ~/pub\n", "/home/alice/pub"},
		{"DefaultChdir %u staff\nDefaultChdir x\n", "/home/alice/alice"},
		{"DefaultChdir pub !staff\n", "/home/alice"}, {"DefaultChdir ~missing\n", "/home/alice"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[400];

		(void)snprintf(text, sizeof(text), FILES "%s", rows[i].rules);
		configure(text);
		if (login("alice", "alicepw") != 0 || strcmp(grant.chdir, rows[i].chdir) != 0)
			fail_msg("%s: %s %s", rows[i].rules, grant.chdir, what);
	}
	configure(ANON("DefaultChdir pub\n"));
	assert_int_equal(login("ftp", "x"), 0);
	assert_string_equal(grant.chdir, "/srv/ftp/pub");
}

static void UserPassword_replaces_the_hash(void **state)
{
	char text[600];

	(void)snprintf(text, sizeof(text), FILES "UserPassword alice %s\nUserPassword missing %s\n",
		fixture_hash("other"), fixture_hash("other"));
	configure(text);
	assert_int_equal(login("alice", "other"), 0);
	assert_int_equal(login("alice", "alicepw"), IPC_AUTH_BAD_PASSWORD);
	assert_int_equal(login("missing", "other"), IPC_AUTH_NO_USER);
	assert_int_equal(login("bob", "bobpw"), 0);
}

/* The system's account that runs the test, with a password of the file and a number of its own. */
static void equal_names_of_two_sources_stay_two_users(void **state)
{
	char line[300];

	(void)snprintf(line, sizeof(line), "root:%s:1500:1500::/v:/bin/sh\n", fixture_hash("filepw"));
	(void)fixture_file("users", line, 0600);
	configure("AuthUserFile @D/users\nAuthGroupFile @D/groups\nRequireValidShell off\nUseFtpUsers off\n"
		  "AuthOrder mod_auth_file.c mod_auth_unix.c\nRootLogin on\n");
	fixture_system_group = 4242;
	assert_int_equal(login("root", "filepw"), 0);
	assert_int_equal(grant.uid, 1500);
	assert_int_equal(grant.groups.n, 1); /* not the groups of the system's root */
	assert_int_equal(grant.groups.v[0], 1500);
	assert_string_equal(grant.home, "/v");
	assert_int_equal(login("root", "wrong"), IPC_AUTH_BAD_PASSWORD);
}

static void AuthGroupFile_adds_groups_to_accounts_of_the_system(void **state)
{
	char text[600];

	(void)fixture_file("groups", "ftpstaff:x:3000:root\n", 0600);
	(void)snprintf(text, sizeof(text),
		"AuthGroupFile @D/groups\nRequireValidShell off\nUseFtpUsers off\nRootLogin on\nUserPassword "
		"root %s\n",
		fixture_hash("pw"));
	configure(text);
	fixture_system_group = 4242;
	assert_int_equal(login("root", "pw"), 0);
	assert_int_equal(grant.groups.n, 3);
	assert_int_equal(grant.groups.v[0], 0);
	assert_int_equal(grant.groups.v[1] + grant.groups.v[2], 3000 + 4242);
}

static void a_final_no_ends_the_search(void **state)
{
#define SYSTEM "AuthUserFile @D/users\nRequireValidShell off\nUseFtpUsers off\nRootLogin on\n"
	char text[900];

	/* Known to the system only; UserPassword gives it a password that we know. */
	(void)snprintf(text, sizeof(text),
		SYSTEM "AuthOrder mod_auth_file.c mod_auth_unix.c\nUserPassword root %s\n",
		fixture_hash("other"));
	configure(text);
	assert_int_equal(login("root", "other"), 0);
	(void)snprintf(text, sizeof(text),
		SYSTEM "AuthOrder mod_auth_file.c* mod_auth_unix.c\nUserPassword root %s\n",
		fixture_hash("other"));
	configure(text);
	assert_int_equal(login("root", "other"), IPC_AUTH_NO_USER);
	configure(SYSTEM "AuthOrder mod_auth_unix.c* mod_auth_file.c\n");
	assert_int_equal(login("alice", "alicepw"), IPC_AUTH_NO_USER);
	configure(SYSTEM "AuthOrder mod_auth_unix.c mod_auth_file.c\n");
	assert_int_equal(login("alice", "alicepw"), 0);
	configure(SYSTEM "AuthOrder mod_auth_unix.c\n");
	assert_int_equal(login("alice", "alicepw"), IPC_AUTH_NO_USER);
	configure(SYSTEM "AuthOrder Mod_Auth_File.c\n");
	assert_int_equal(login("alice", "alicepw"), 0);
}

static void login_limits_decide_with_user_groups_and_address(void **state)
{
	configure(FILES "<Limit LOGIN>\nDenyUser bob\n</Limit>\n");
	assert_int_equal(login("bob", "bobpw"), IPC_AUTH_LIMIT);
	assert_int_equal(login("alice", "alicepw"), 0);
	configure(FILES "<Limit LOGIN>\nAllowGroup wheel\nDenyAll\n</Limit>\n");
	assert_int_equal(login("bob", "bobpw"), IPC_AUTH_LIMIT);
	assert_non_null(strstr(what, "(line "));
	assert_int_equal(login("alice", "alicepw"), 0);
	configure(FILES "<Limit LOGIN>\nOrder deny,allow\nAllow from 192.0.2.\n</Limit>\n");
	assert_int_equal(login_from("alice", "alicepw", "192.0.2.9"), 0);
	assert_int_equal(login_from("alice", "alicepw", "198.51.100.9"), IPC_AUTH_LIMIT);
	configure(ANON("<Limit LOGIN>\nDenyAll\n</Limit>\n"));
	assert_int_equal(login("ftp", "x"), IPC_AUTH_LIMIT);
	assert_int_equal(login("alice", "alicepw"), 0);
}

static void without_root_only_the_own_identity_is_given_out(void **state)
{
	char line[300];

	(void)snprintf(line, sizeof(line), "me:%s:%u:%u::/:/bin/sh\nother:%s:%u:%u::/:/bin/sh\n",
		fixture_hash("pw"), (unsigned)geteuid(), (unsigned)getegid(), fixture_hash("pw"),
		(unsigned)geteuid() + 1, (unsigned)getegid());
	(void)fixture_file("users", line, 0600);
	configure(FILES "RootLogin on\n");
	ctx.can_switch_uid = false;
	assert_int_equal(login("me", "pw"), 0);
	assert_int_equal(login("other", "pw"), IPC_AUTH_IDENTITY);
	ctx.can_switch_uid = true;
	assert_int_equal(login("other", "pw"), 0);
}

static void group_names_with_blanks_are_names_like_others(void **state)
{
	configure(FILES);
	assert_int_equal(login("bob", "bobpw"), 0);
	assert_int_equal(grant.groups.n, 3);
	assert_string_equal(grant.group_names, "1002\nstaff\ntwo words");
}

static void a_server_that_does_not_exist_is_refused(void **state)
{
	struct ipc_auth_request q = {.server = 1, .user = "alice", .password = "alicepw", .client_name = ""};

	configure(FILES);
	assert_int_equal(decide(&ctx, &q, arena, &grant, what, sizeof(what)), IPC_AUTH_INTERNAL);
}

static void UserDirRoot_adds_the_name_of_the_login(void **state)
{
	configure(FILES "<Anonymous /srv/up>\nUser ftp\nUserAlias * ftp\nUserDirRoot on\n</Anonymous>\n");
	assert_int_equal(login("alice", "a@b"), 0);
	assert_string_equal(grant.root, "/srv/up/alice");
	assert_string_equal(grant.chdir, "/srv/up/alice");
	assert_int_equal(login("../etc", "a@b"), IPC_AUTH_NO_USER);
	assert_int_equal(login("..", "a@b"), IPC_AUTH_NO_USER);
	assert_int_equal(login("a/b", "a@b"), IPC_AUTH_NO_USER);
}

static int explain(const char *user)
{
	struct ipc_auth_request q = {.user = user, .password = "wrong", .client_name = ""};

	arena_reset(arena);
	(void)addr_parse("192.0.2.1", 40000, &q.client);
	return decide_explain(&ctx, &q, arena, &grant, what, sizeof(what));
}

static void explain_asks_for_no_password_but_for_all_else(void **state)
{
	configure(FILES "DefaultRoot ~ staff\n<Limit LOGIN>\nDenyUser vicky\n</Limit>\n");
	assert_int_equal(explain("alice"), 0);
	assert_string_equal(grant.root, "/home/alice");
	assert_int_equal(explain("nobody-here"), IPC_AUTH_NO_USER);
	assert_int_equal(explain("zero"), IPC_AUTH_ROOT);
	assert_int_equal(explain("vicky"), IPC_AUTH_LIMIT);
	assert_int_not_equal(login("alice", "wrong"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_right_password_earns_the_account),
		T(refusals_have_a_reason_and_cost_one_hash),
		T(passwords_have_a_form),
		T(aliases_name_accounts),
		T(anonymous_needs_no_password),
		T(anonymous_may_require_a_password_that_no_log_shows),
		T(anonymous_passwords_may_be_rejected),
		T(root_logs_in_only_when_allowed),
		T(shells_are_checked_where_there_is_a_list),
		T(names_in_ftpusers_are_refused),
		T(a_list_that_cannot_be_read_lets_nobody_in),
		T(the_root_follows_the_first_rule_that_fits),
		T(the_start_directory_is_below_the_root),
		T(UserPassword_replaces_the_hash),
		T(equal_names_of_two_sources_stay_two_users),
		T(AuthGroupFile_adds_groups_to_accounts_of_the_system),
		T(a_final_no_ends_the_search),
		T(login_limits_decide_with_user_groups_and_address),
		T(without_root_only_the_own_identity_is_given_out),
		T(group_names_with_blanks_are_names_like_others),
		T(a_server_that_does_not_exist_is_refused),
		T(UserDirRoot_adds_the_name_of_the_login),
		T(explain_asks_for_no_password_but_for_all_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
