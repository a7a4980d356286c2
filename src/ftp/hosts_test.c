#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ftp/hosts.h"

static struct addr client, local;
static const char *client_name;
static unsigned line;

static int read_file(void *arg, const char *path, char **ret_text)
{
	if (strcmp(path, "/pats") != 0)
		return -ENOENT;
	*ret_text = xstrdup("10.1. 10.2.\n\t/pats\n192.0.2.7\r\n");
	return 0;
}

static enum hosts_verdict ask(enum hosts_kind kind, const char *text)
{
	const struct hosts_subject who = {
		.service = "proftpd", .client = &client, .local = &local, .client_name = client_name};

	return hosts_check(text, strlen(text), kind, &who, read_file, NULL, &line);
}

/* Does the list of clients name ours? As in a table of refused ones, where doubt counts, and of allowed ones. */
static int clients(const char *list)
{
	char text[500];
	bool denied, allowed;

	(void)snprintf(text, sizeof(text), "ALL: %s\n", list);
	denied = ask(HOSTS_DENY, text) == HOSTS_DENIED;
	allowed = ask(HOSTS_ALLOW, text) == HOSTS_ALLOWED;
	assert_true(denied || !allowed);
	return allowed ? 1 : denied ? -1 : 0;
}

static int setup(void **state)
{
	assert_int_equal(addr_parse("192.0.2.7", 40000, &client), 0);
	assert_int_equal(addr_parse("198.51.100.1", 2121, &local), 0);
	client_name = NULL;
	return 0;
}

static void patterns_of_clients(void **state)
{
	static const struct {
		const char *list;
		int hit; /* -1: cannot be told */
	} rows[] = {{"192.0.2.7", 1}, {"192.0.2.", 1}, {"192.0.2", 0}, {"192.0.20.", 0}, {"192.0.2.0/24", 1},
		{"192.0.2.0/255.255.255.0", 1}, {"192.0.2.8/255.255.255.248", 0},
		{"192.0.2.0/255.255.255.248", 1}, {"192.0.2.7/255.255.255.255", 1}, {"192.0.2.0/33", -1},
		{"192.0.2.0/x", -1}, {"x/8", -1}, {"[::]/0", 0}, {"0.0.0.0/0", 1}, {"[192.0.2.7]", 1},
		{"ALL", 1}, {"all", 1}, {"LOCAL", 0}, {"KNOWN", 0}, {"UNKNOWN", 1}, {"PARANOID", 0},
		{"@friends", -1}, {"/pats", 1}, {"/nosuch", -1}, {"192.*", 1}, {"1?2.0.2.7", 1}, {"*", 1},
		{"*.8", 0}, {"ALL@192.0.2.7", 1}, {"UNKNOWN@ALL", 1}, {"KNOWN@ALL", 0}, {"root@ALL", 0},
		{"10.0.0.1, 192.0.2.7", 1}, {"10.0.0.1,192.0.2.7", 1}, {"10.0.0.1 192.0.2.7", 1},
		{"ALL EXCEPT 192.0.2.7", 0}, {"ALL EXCEPT 10.", 1}, {"ALL EXCEPT 192. EXCEPT 192.0.2.7", 1},
		{"ALL EXCEPT @friends", -1}, {"192.0.2.7 EXCEPT 192.0.2.7", 0}, {"EXCEPT ALL", 0},
		{"example.org", 0}, {".example.org", 0}, {"", 0}, {"ALL@", 0}, {"@", -1}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (clients(rows[i].list) != rows[i].hit)
			fail_msg("'%s': %d", rows[i].list, clients(rows[i].list));
	}
}

static void patterns_of_names(void **state)
{
	static const struct {
		const char *list;
		int hit;
	} rows[] = {{"Host.Example.ORG", 1}, {".example.org", 1}, {".ample.org", 0}, {"example.org", 0},
		{"*.example.*", 1}, {"KNOWN", 1}, {"UNKNOWN", 0}, {"LOCAL", 0}, {"h*g", 1}};

	client_name = "host.example.org";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (clients(rows[i].list) != rows[i].hit)
			fail_msg("'%s': %d", rows[i].list, clients(rows[i].list));
	}
	client_name = "host";
	assert_int_equal(clients("LOCAL"), 1);
}

static void patterns_of_ipv6_addresses(void **state)
{
	assert_int_equal(addr_parse("2001:db8::1:7", 1, &client), 0);
	assert_int_equal(clients("[2001:db8::]/32"), 1);
	assert_int_equal(clients("[2001:db8::1:7]"), 1);
	assert_int_equal(clients("[2001:db8::1:8]/128"), 0);
	assert_int_equal(clients("[2001:db8::]/129"), -1);
	assert_int_equal(clients("0.0.0.0/0"), 0);
	assert_int_equal(addr_parse("::ffff:192.0.2.7", 1, &client), 0);
	assert_int_equal(clients("192.0.2.0/24"), 1);
}

static void rules_are_for_some_daemons_and_the_first_that_matches_counts(void **state)
{
	static const struct {
		const char *text;
		enum hosts_verdict v;
	} rows[] = {{"proftpd: ALL", HOSTS_DENIED}, {"PROFTPD:ALL", HOSTS_DENIED},
		{"sshd: ALL", HOSTS_SILENT}, {"sshd, proftpd : ALL", HOSTS_DENIED},
		{"2121: ALL", HOSTS_DENIED}, {"21: ALL", HOSTS_SILENT},
		{"ALL EXCEPT proftpd: ALL", HOSTS_SILENT}, {"ALL EXCEPT sshd: ALL", HOSTS_DENIED},
		{"proftpd@198.51.100.1: ALL", HOSTS_DENIED}, {"proftpd@10.: ALL", HOSTS_SILENT},
		{"# ALL: ALL\n\n  \n", HOSTS_SILENT}, {"proftpd", HOSTS_SILENT},
		{"proftpd ALL", HOSTS_SILENT}, {":ALL", HOSTS_SILENT}, {"proftpd:", HOSTS_SILENT},
		{"ALL: \\\n  ALL", HOSTS_DENIED}, {"# x \\\nALL: ALL", HOSTS_DENIED},
		{"ALL: 10.0.0.1\r\nALL: 192.0.2.7\r\n", HOSTS_DENIED},
		{"ALL: ALL: allow\nALL: ALL", HOSTS_ALLOWED},
		{"ALL: 10.: ALLOW\nALL: ALL: DENY", HOSTS_DENIED},
		{"ALL: ALL: spawn (/bin/true) &", HOSTS_DENIED}, {"ALL: ALL: /bin/true %a", HOSTS_DENIED},
		{"ALL: @x: ALLOW\n", HOSTS_SILENT}, {"ALL: ALL: aclexec x\n", HOSTS_DENIED},
		{"ALL: [::1]: setenv A=b\\:c : ALLOW\nALL: 192.0.2.7 : severity mail.info: ALLOW",
			HOSTS_ALLOWED}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (ask(HOSTS_DENY, rows[i].text) != rows[i].v)
			fail_msg("'%s': %d", rows[i].text, (int)ask(HOSTS_DENY, rows[i].text));
	}
	assert_int_equal(ask(HOSTS_ALLOW, "ALL: 10.\n\nALL: \\\n192.: DENY\n"), HOSTS_DENIED);
	assert_int_equal(line, 3);
	assert_int_equal(ask(HOSTS_ALLOW, "ALL: ALL: twist /bin/echo 421 no"), HOSTS_DENIED);
	assert_int_equal(ask(HOSTS_ALLOW, "ALL: ALL: aclexec x"), HOSTS_SILENT);
}

static void a_rule_that_is_too_long_refuses_and_allows_nobody(void **state)
{
	static char text[HOSTS_LINE_MAX * 2];

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "ALL: ALL ", 9);
	assert_int_equal(ask(HOSTS_DENY, text), HOSTS_DENIED);
	assert_int_equal(ask(HOSTS_ALLOW, text), HOSTS_SILENT);
}

struct notes {
	char text[2000];
};

static void take(void *arg, unsigned at, const char *text)
{
	struct notes *n = arg;
	size_t len = strlen(n->text);

	(void)snprintf(n->text + len, sizeof(n->text) - len, "%u: %s\n", at, text);
}

static void what_is_wrong_or_without_effect_is_said(void **state)
{
	static const char text[] =
		"proftpd ALL\nsshd: @x : spawn y\nALL: @friends 10.0.0.0/99\n"
		"proftpd: PARANOID: ALLOW: nice 5\nALL: .example.org\nALL: root@ALL : twist x\n";
	struct notes n = {""};

	hosts_lint(text, strlen(text), "proftpd", false, take, &n);
	assert_string_equal(n.text,
		"1: no ':' between daemons and clients, the line is not used\n"
		"3: '@friends': netgroups are not looked up; the rule counts where it refuses\n"
		"3: '10.0.0.0/99' is no network; the rule counts where it refuses\n"
		"4: PARANOID matches nobody: a name that does not fit the address counts as unknown\n"
		"4: 'ALLOW' is not the last option\n"
		"4: option 'nice 5' has no effect\n"
		"5: '.example.org' is about names, which are not known without UseReverseDNS\n"
		"6: 'root@...' matches nobody: the user at the client's end is never known\n"
		"6: 'twist x': programs are never started, the client is refused\n");
	n.text[0] = '\0';
	hosts_lint("ALL: .example.org 10.\n", 22, "proftpd", true, take, &n);
	assert_string_equal(n.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(patterns_of_clients, setup),
		cmocka_unit_test_setup(patterns_of_names, setup),
		cmocka_unit_test_setup(patterns_of_ipv6_addresses, setup),
		cmocka_unit_test_setup(rules_are_for_some_daemons_and_the_first_that_matches_counts, setup),
		cmocka_unit_test_setup(a_rule_that_is_too_long_refuses_and_allows_nobody, setup),
		cmocka_unit_test_setup(what_is_wrong_or_without_effect_is_said, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
