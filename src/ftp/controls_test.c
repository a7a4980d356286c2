#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "ftp/controls.h"

static int no_names(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	return addr_parse("127.0.0.1", 0, ret_addrs) == 0;
}

static struct ftp_config *load(const char *text, struct err *err)
{
	struct ftp_config_options opt = {.name = "t", .resolve = no_names, .text = text};
	struct ftp_config *c = NULL;

	return ftp_config_load(&opt, 1, &c, NULL, err) == 0 ? c : NULL;
}

static const char *answer(const char *text, const struct ftp_controls_peer *peer, const char *action)
{
	struct err err = ERR_INIT;
	struct ftp_config *c = load(text, &err);
	const char *said;

	if (c == NULL)
		fail_msg("%s: %s", text, err.text);
	said = !ftp_controls_may_connect(c, peer)      ? "away"
	       : ftp_controls_may_ask(c, peer, action) ? "yes"
						       : "no";
	ftp_config_free(c);
	return said;
}

static void lines_say_who_may_ask_for_what(void **state)
{
	static const uint32_t groups[] = {500, 600};
	static const struct ftp_controls_peer alice = {1000, 100, groups, 2}, bob = {1001, 100, NULL, 0};
	static const struct {
		const char *text;
		const struct ftp_controls_peer *peer;
		const char *action, *said;
	} rows[] = {
		{"", &alice, "status", "no"},
		{"ControlsACLs status allow user 1000\n", &alice, "status", "yes"},
		{"ControlsACLs status allow user 1000\n", &bob, "status", "no"},
		{"ControlsACLs status allow user 1000\n", &alice, "kick", "no"},
		{"ControlsACLs status,kick allow user 7,1000\n", &alice, "kick", "yes"},
		{"ControlsACLs status allow user root\n", &alice, "status", "no"},
		{"ControlsACLs status allow user *\n", &bob, "status", "yes"},
		{"ControlsACLs status allow group 600\n", &alice, "status", "yes"},
		{"ControlsACLs status allow group 100\n", &bob, "status", "yes"},
		{"ControlsACLs status allow group 1001\n", &bob, "status", "no"},
		{"ControlsACLs status allow user *\nControlsACLs status deny group 500\n", &alice, "status",
			"no"},
		{"ControlsACLs status deny user 1000\nControlsACLs status allow user *\n", &alice, "status",
			"no"},
		{"ControlsACLs status deny user 1000\nControlsACLs status allow user *\n", &bob, "status",
			"yes"},
		{"ControlsACLs status deny user 1000\n", &bob, "status", "no"},
		{"AdminControlsACLs all allow user 1000\nControlsACLs kick deny user 1000\n", &alice, "kick",
			"no"},
		{"AdminControlsACLs all allow user 1000\n", &alice, "shutdown", "yes"},
		{"AdminControlsACLs restart allow user 1000\n", &alice, "reload", "yes"},
		{"AdminControlsEngine off\nAdminControlsACLs all allow user 1000\n", &alice, "kick", "no"},
		{"AdminControlsEngine kick\nAdminControlsACLs all allow user 1000\n", &alice, "kick", "yes"},
		{"AdminControlsEngine kick\nAdminControlsACLs all allow user 1000\n", &alice, "status", "no"},
		{"AdminControlsACLs all allow user 1000\n", &alice, "ban", "no"},
		{"AdminControlsACLs all allow user 1000\n", &alice, "explain", "no"},
		{"AdminControlsACLs all,explain allow user 1000\n", &alice, "explain", NULL},
		{"AdminControlsACLs dns,explain allow user 1000\n", &alice, "explain", "yes"},
		{"AdminControlsACLs dns allow user 1000\n", &alice, "dns", "no"},
		{"ControlsACLs all allow user *\n", &alice, "shutdown", "no"},
		{"ControlsACLs all allow user *\n", &alice, "mmap", "yes"},
		{"BanControlsACLs all allow user 1000\n", &alice, "permit", "yes"},
		{"TLSControlsACLs all allow user 1000\n", &alice, "tls", "yes"},
		{"ControlsACLs status allow user *\n", &alice, "statu", "no"},
		{"ControlsACLs status allow user *\n", &alice, "", "no"},
		{"ControlsSocketACL allow user 1001\nControlsACLs status allow user *\n", &alice, "status",
			"away"},
		{"ControlsSocketACL allow user 1001\nControlsACLs status allow user *\n", &bob, "status",
			"yes"},
		{"ControlsSocketACL allow user *\nControlsSocketACL deny group 500\n", &alice, "status",
			"away"},
		{"ControlsSocketACL deny user 7\n", &alice, "status", "away"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;

		if (rows[i].said == NULL)
			assert_null(load(rows[i].text, &err));
		else
			assert_string_equal(answer(rows[i].text, rows[i].peer, rows[i].action), rows[i].said);
	}
}

static void mistakes_are_told(void **state)
{
	static const char *const rows[][2] = {
		{"ControlsACLs stat allow user root\n", "unknown action 'stat'"},
		{"ControlsACLs status, allow user root\n", "unknown action ''"},
		{"ControlsACLs status permit user root\n", "expected allow or deny"},
		{"ControlsACLs status allow class root\n", "expected user or group"},
		{"ControlsACLs status allow user no-such-user\n", "unknown user 'no-such-user'"},
		{"ControlsACLs status allow group no-such-group\n", "unknown group 'no-such-group'"},
		{"ControlsACLs status allow user root,,1\n", "a name is missing"},
		{"ControlsSocketACL allow user\n", ""},
		{"ControlsSocketOwner no-such-user\n", "unknown user 'no-such-user'"},
		{"ControlsSocketOwner root no-such-group\n", "unknown group 'no-such-group'"},
		{"ControlsMaxClients 0\n", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;

		assert_null(load(rows[i][0], &err));
		if (strstr(err.text, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], err.text);
	}
}

static void the_owner_of_the_socket_is_looked_up(void **state)
{
	struct err err = ERR_INIT;
	struct ftp_config *c = load("ControlsSocketOwner root\nControlsMaxClients 3\n", &err);

	assert_non_null(c);
	assert_true(c->controls_user.set && c->controls_user.id == 0 && !c->controls_group.set);
	assert_int_equal(c->controls_max_clients, 3);
	ftp_config_free(c);
	c = load("ControlsSocketOwner 7 root\n", &err);
	assert_non_null(c);
	assert_true(c->controls_user.id == 7 && c->controls_group.set && c->controls_group.id == 0);
	assert_int_equal(c->controls_max_clients, 5);
	ftp_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_say_who_may_ask_for_what),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(the_owner_of_the_socket_is_looked_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
