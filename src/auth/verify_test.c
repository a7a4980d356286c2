/* Password hashes of every kind that crypt(3) knows, and what a refusal costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <string.h>

#include "auth/auth_test_fixture.h"
#include "auth/backend.h"
#include "base/alloc.h"

/* Settings with little cost; DES without '$'. */
static const char *const settings[] = {"$y$j75$saltsalt$", "$2b$04$abcdefghijklmnopqrstuu",
	"$6$rounds=1000$saltsalt$", "$5$rounds=1000$saltsalt$", "$1$saltsalt$", "ab"};

static void right_passwords_pass_and_wrong_ones_do_not(void **state)
{
	static struct crypt_data data;
	char hash[CRYPT_OUTPUT_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		char *h = crypt_r("Secret 1", settings[i], &data);

		if (h == NULL || h[0] == '*')
			fail_msg("crypt does not know %s", settings[i]);
		strcpy(hash, h);
		if (auth_hash_check(hash, "Secret 1", false) != AUTH_OK)
			fail_msg("%s: the right password fails", hash);
		fixture_crypts = 0;
		assert_int_equal(auth_hash_check(hash, "secret 1", false), AUTH_BAD);
		assert_int_equal(fixture_crypts, 1);
		assert_int_equal(auth_hash_check(hash, "", true), AUTH_BAD);
		if (settings[i][0] == '$') /* DES looks at eight bytes */
			assert_int_equal(auth_hash_check(hash, "Secret 1 ", false), AUTH_BAD);
		hash[strlen(hash) - 1] ^= 1;
		assert_int_equal(auth_hash_check(hash, "Secret 1", false), AUTH_BAD);
	}
}

static void locked_hashes_never_match_and_cost_the_same(void **state)
{
	static const char *const locked[] = {"*", "!", "!!", "*0", "*1", "!$5$rounds=1000$saltsalt$x", "x",
		"$9$nonsense", "$", "not a hash at all"};

	for (size_t i = 0; i < ARRAY_LEN(locked); i++) {
		fixture_crypts = 0;
		assert_int_equal(auth_hash_check(locked[i], "secret", true), AUTH_BAD);
		assert_int_equal(auth_hash_check(locked[i], "", true), AUTH_BAD);
		assert_true(fixture_crypts >= 2);
		assert_int_equal(auth_hash_check(locked[i], locked[i], true), AUTH_BAD);
	}
	assert_int_equal(auth_hash_check(NULL, "secret", true), AUTH_UNKNOWN);
}

static void an_empty_hash_takes_only_the_empty_password_and_only_when_allowed(void **state)
{
	assert_int_equal(auth_hash_check("", "", true), AUTH_OK);
	fixture_crypts = 0;
	assert_int_equal(auth_hash_check("", "x", true), AUTH_BAD);
	assert_int_equal(auth_hash_check("", "", false), AUTH_BAD);
	assert_int_equal(auth_hash_check("", "x", false), AUTH_BAD);
	assert_int_equal(fixture_crypts, 3);
}

static void waste_costs_one_hash(void **state)
{
	fixture_crypts = 0;
	auth_hash_waste(NULL, "x");
	auth_hash_waste("$5$rounds=1000$saltsalt$x", "x");
	auth_hash_waste("", "x");
	assert_int_equal(fixture_crypts, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(right_passwords_pass_and_wrong_ones_do_not),
		T(locked_hashes_never_match_and_cost_the_same),
		T(an_empty_hash_takes_only_the_empty_password_and_only_when_allowed),
		T(waste_costs_one_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
