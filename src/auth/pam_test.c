/* Passwords checked by PAM modules in the helper process, with services in a folder of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "auth/auth_test_fixture.h"
#include "auth/backend.h"
#include "auth/decide.h"
#include "auth/pam_helper.h"
#include "wherry_config.h"

static int setup(void **state)
{
	if (fixture_setup(state) < 0)
		return -1;
	pam_helper_use_confdir(fixture_dir);
	return pam_helper_start(-1);
}

static int teardown(void **state)
{
	pam_helper_stop();
	return fixture_teardown(state);
}

static void service(const char *name, const char *auth, const char *account)
{
	char text[600];

	(void)snprintf(text, sizeof(text), "auth required %s\naccount required %s\n", auth, account);
	(void)fixture_file(name, text, 0644);
}

static int ask(const char *name, const char *password)
{
	struct pam_question q = {.service = name, .user = "alice", .password = password, .host = "192.0.2.1"};

	return pam_helper_ask(&q);
}

static void modules_decide(void **state)
{
	service("yes", "pam_permit.so", "pam_permit.so");
	service("no", "pam_deny.so", "pam_permit.so");
	service("expired", "pam_permit.so", "pam_deny.so");
	service("unknown", "pam_debug.so auth=user_unknown", "pam_permit.so");
	service("change", "pam_permit.so", "pam_debug.so acct=new_authtok_reqd");
	service("broken", "pam_debug.so auth=authinfo_unavail", "pam_permit.so");
	assert_int_equal(ask("yes", "x"), AUTH_OK);
	assert_int_equal(ask("no", "x"), AUTH_BAD);
	assert_int_equal(ask("expired", "x"), AUTH_EXPIRED);
	assert_int_equal(ask("unknown", "x"), AUTH_UNKNOWN);
	assert_int_equal(ask("change", "x"), AUTH_EXPIRED);
	assert_int_equal(ask("broken", "x"), AUTH_FAILED);
	assert_int_not_equal(ask("missing", "x"), AUTH_OK);
}

static void modules_get_password_user_and_host(void **state)
{
	char line[300];

	(void)snprintf(line, sizeof(line), "pam_exec.so quiet expose_authtok %s",
		fixture_file("check",
			"#!/bin/sh\n"
			"read -r p; test \"$p $PAM_USER $PAM_RHOST\" = \"right word alice 192.0.2.1\"\n",
			0755));
	service("script", line, "pam_permit.so");
	assert_int_equal(ask("script", "right word"), AUTH_OK);
	assert_int_not_equal(ask("script", "wrong"), AUTH_OK);
}

static void a_module_that_dies_costs_its_own_login(void **state)
{
	char line[300];

	(void)snprintf(line, sizeof(line), "pam_exec.so quiet %s",
		fixture_file("kill", "#!/bin/sh\nkill -9 $PPID\n", 0755));
	service("dies", line, "pam_permit.so");
	service("yes", "pam_permit.so", "pam_permit.so");
	assert_int_equal(ask("dies", "x"), -EPIPE);
	assert_int_equal(ask("yes", "x"), AUTH_OK);
}

static int login(const struct ftp_config *config, const char *user)
{
	struct decide_context ctx = {.config = config, .can_switch_uid = true};
	struct ipc_auth_request q = {.user = user, .password = "any", .client_name = ""};
	struct arena *arena = arena_new(8192, 0);
	struct ipc_grant grant;
	char what[256];
	int r;

	(void)addr_parse("192.0.2.1", 40000, &q.client);
	r = decide(&ctx, &q, arena, &grant, what, sizeof(what));
	arena_free(arena);
	return r;
}

/* PAM has no accounts: it is asked about those of the other sources, before or after them. */
static void pam_checks_accounts_of_other_sources(void **state)
{
#define CONF(order, more)                                                                                    \
	"AuthUserFile @D/users\nRequireValidShell off\nUseFtpUsers off\nAuthPAMConfig yes\n"                 \
	"AuthOrder " order "\n" more
	static const struct {
		const char *conf;
		int alice;
	} rows[] = {{CONF("mod_auth_pam.c mod_auth_file.c", ""), 0},
		{CONF("mod_auth_file.c mod_auth_pam.c", ""), 0},
		{CONF("mod_auth_file.c* mod_auth_pam.c", ""), IPC_AUTH_BAD_PASSWORD},
		{CONF("mod_auth_file.c", ""), IPC_AUTH_BAD_PASSWORD},
		{CONF("mod_auth_pam.c mod_auth_file.c", "AuthPAM off\n"), IPC_AUTH_BAD_PASSWORD}};

	service("yes", "pam_permit.so", "pam_permit.so");
	(void)fixture_file("users", "alice:*:1001:1001::/:\n", 0600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_config *config = fixture_config(rows[i].conf);

		if (login(config, "alice") != rows[i].alice)
			fail_msg("row %zu", i);
		assert_int_equal(login(config, "nobody-here"), IPC_AUTH_NO_USER);
		ftp_config_free(config);
	}
}

static void what_pam_refuses_for_good_no_other_source_lets_in(void **state)
{
	char line[300];
	struct ftp_config *config;

	(void)snprintf(line, sizeof(line), "alice:%s:1001:1001::/:\n", fixture_hash("any"));
	(void)fixture_file("users", line, 0600);
	service("no", "pam_deny.so", "pam_permit.so");
	config = fixture_config("AuthUserFile @D/users\nRequireValidShell off\nAuthPAMConfig no\n"
				"AuthOrder mod_auth_pam.c* mod_auth_file.c\n");
	assert_int_equal(login(config, "alice"), IPC_AUTH_BAD_PASSWORD);
	ftp_config_free(config);
	config = fixture_config("AuthUserFile @D/users\nRequireValidShell off\nAuthPAMConfig no\n"
				"AuthOrder mod_auth_pam.c mod_auth_file.c\n");
	assert_int_equal(login(config, "alice"), 0);
	ftp_config_free(config);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(modules_decide),
		T(modules_get_password_user_and_host),
		T(a_module_that_dies_costs_its_own_login),
		T(pam_checks_accounts_of_other_sources),
		T(what_pam_refuses_for_good_no_other_source_lets_in),
	};

#ifndef HAVE_PAM_START_CONFDIR
	fputs("skipped: this libpam has no pam_start_confdir(3)\n", stderr);
	return 77;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
