#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "ftp/acl.h"

static struct ftp_acl *compile(struct arena *a, const char *text, struct err *err)
{
	struct ftp_acl *acl = NULL;
	struct conf_words w;

	assert_int_equal(conf_split(a, text, NULL, NULL, &w, err), 0);
	return ftp_acl_compile(a, w.word, w.n, &acl, err) == 0 ? acl : NULL;
}

static void items_match_as_documented(void **state)
{
	static const struct {
		const char *items, *client, *name;
		bool match;
	} cases[] = {
		{"all", "192.0.2.1", NULL, true},
		{"from ALL", "2001:db8::1", NULL, true},
		{"none", "192.0.2.1", NULL, false},
		{"192.0.2.1", "192.0.2.1", NULL, true},
		{"192.0.2.1", "192.0.2.10", NULL, false},
		{"192.0.2.1", "::ffff:192.0.2.1", NULL, true},
		{"::ffff:192.0.2.1", "192.0.2.1", NULL, true},
		{"192.0.", "192.0.2.1", NULL, true},
		{"192.0.", "192.1.2.1", NULL, false},
		{"10.1.2.", "10.1.2.200", NULL, true},
		{"10.1.2.", "10.1.20.2", NULL, false},
		{"10.0.0.0/8", "10.255.1.2", NULL, true},
		{"10.0.0.0/8", "11.0.0.1", NULL, false},
		{"10.0.0.0/9", "10.128.0.1", NULL, false},
		{"0.0.0.0/0", "192.0.2.1", NULL, true},
		{"0.0.0.0/0", "2001:db8::1", NULL, false},
		{"::ffff:10.0.0.0/104", "10.1.1.1", NULL, true},
		{"2001:db8::1", "2001:db8::1", NULL, true},
		{"[2001:db8::1]", "2001:db8::1", NULL, true},
		{"2001:db8::/32", "2001:db8:ffff::1", NULL, true},
		{"2001:db8::/32", "2001:db9::1", NULL, false},
		{"2001:db8::/33", "2001:db8:8000::1", NULL, false},
		{"::/0", "2001:db8::1", NULL, true},
		{"10.*", "10.3.2.1", NULL, true},
		{"10.*", "110.3.2.1", NULL, false},
		{"10.1.{2,3}.*", "10.1.3.9", NULL, true},
		{"10.1.{2,3}.*", "10.1.4.9", NULL, false},
		{"{a,b}.example.com", "192.0.2.1", "B.example.com", true},
		{"*.example.com", "192.0.2.1", "ftp.example.com", true},
		{"*.example.com", "192.0.2.1", NULL, false},
		{".example.com", "192.0.2.1", "a.b.Example.com", true},
		{".example.com", "192.0.2.1", "example.com", false},
		{".example.com", "192.0.2.1", "badexample.com", false},
		{"host.example.com", "192.0.2.1", "HOST.example.com", true},
		{"host.example.com", "192.0.2.1", "xhost.example.com", false},
		{"192.0.2.1,192.0.2.2", "192.0.2.2", NULL, true},
		{"192.0.2.1 , 192.0.2.2", "192.0.2.2", NULL, true},
		{"!10.1.1.1,10.0.0.0/8", "10.1.1.2", NULL, true},
		{"!10.1.1.1,10.0.0.0/8", "10.1.1.1", NULL, false},
		{"10.0.0.0/8 !10.1.1.1", "10.1.1.1", NULL, false},
		{"all !10.1. !10.2.", "10.2.0.1", NULL, false},
		{"all !10.1. !10.2.", "10.3.0.1", NULL, true},
		{"!10.0.0.0/8", "192.0.2.1", NULL, true}, /* only negated ones */
		{"!10.0.0.0/8", "10.0.0.1", NULL, false},
	};
	struct arena *a = arena_new(4096, 0);

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;
		struct ftp_acl *acl = compile(a, cases[i].items, &err);
		struct addr client;

		assert_int_equal(addr_parse(cases[i].client, 0, &client), 0);
		if (acl == NULL || ftp_acl_match(acl, &client, cases[i].name) != cases[i].match)
			fail_msg("'%s' against %s: %s", cases[i].items, cases[i].client, err.text);
	}
	arena_free(a);
}

static void bad_items_are_named(void **state)
{
	static const struct {
		const char *items, *error;
	} cases[] = {
		{"10.0.0.0/33", "bad mask in '10.0.0.0/33': too many bits"},
		{"10.0.0.0/255.0.0.0", "bad mask in '10.0.0.0/255.0.0.0': a number of bits is expected"},
		{"2001:db8::/129", "bad mask in '2001:db8::/129': too many bits"},
		{"::ffff:10.0.0.0/8",
			"bad mask in '::ffff:10.0.0.0/8': an IPv4-mapped address has at least 96 bits"},
		{"host/8", "'host' is not an address"},
		{"10.0.0.256", "'10.0.0.256' is no address, network, pattern or host name"},
		{"a b@c", "'b@c' is no address, network, pattern or host name"},
		{"from", "empty list of addresses"},
		{",,", "empty list of addresses"},
		{"{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d,e}", "pattern 'cca' stands for more than 64"},
	};
	struct arena *a = arena_new(4096, 0);

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;

		assert_null(compile(a, cases[i].items, &err));
		if (strstr(cases[i].error, "more than") != NULL)
			assert_non_null(strstr(err.text, "stands for more than 64"));
		else
			assert_string_equal(err.text, cases[i].error);
	}
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_match_as_documented),
		cmocka_unit_test(bad_items_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
