/* Counting events, banning for a time, lifting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/addr.h"
#include "master/ban.h"

static struct bans *b;
static struct addr host, other;
static struct ftp_ban_rule by_user = {
	.event = FTP_BAN_LOGIN_RATE, .name = "LoginRate", .count = 2, .interval_ms = 1000, .expiry_ms = 500};
static struct ftp_ban_rule by_host = {.item.next = &by_user.item,
	.event = FTP_BAN_MAX_LOGIN_ATTEMPTS,
	.name = "MaxLoginAttempts",
	.count = 3,
	.interval_ms = 1000,
	.expiry_ms = 5000,
	.message = "no %a of %c 100%%"};
static struct ftp_conf conf;

static int set_up(void **state)
{
	b = bans_new();
	conf = (struct ftp_conf){.ban_engine = true, .ban_rules = &by_host};
	(void)addr_parse("192.0.2.1", 1000, &host);
	(void)addr_parse("192.0.2.2", 1000, &other);
	return 0;
}

static int tear_down(void **state)
{
	bans_free(&b);
	return 0;
}

static const struct ban *failed(uint64_t now)
{
	return bans_event(b, &conf, FTP_BAN_MAX_LOGIN_ATTEMPTS, &(struct ban_subject){.host = &host}, now);
}

static bool banned(const struct addr *a, uint64_t now)
{
	return bans_find(b, &(struct ban_subject){.host = a}, now) != NULL;
}

static void so_many_events_in_the_interval_ban_for_the_time(void **state)
{
	struct ban_subject who = {.host = &host, .class_name = "lan"};
	const struct ban *x;
	char text[100];

	assert_null(failed(100));
	assert_null(failed(200));
	assert_false(banned(&host, 200));
	x = failed(300);
	assert_non_null(x);
	bans_text(x, &conf, &who, text, sizeof(text));
	assert_string_equal(text, "530 no 192.0.2.1 of lan 100%%");
	assert_true(banned(&host, 5299));
	assert_false(banned(&other, 300));
	assert_false(banned(&host, 5300));
}

static void events_of_another_interval_do_not_count(void **state)
{
	assert_null(failed(100));
	assert_null(failed(200));
	assert_null(failed(1100)); /* the count began at 100 */
	assert_null(failed(1200));
	assert_non_null(failed(1300));
}

static void users_are_banned_by_their_events(void **state)
{
	struct ban_subject alice = {.host = &host, .user = "alice"}, bob = {.host = &host, .user = "bob"};

	assert_null(bans_event(b, &conf, FTP_BAN_LOGIN_RATE, &alice, 0));
	assert_null(bans_event(b, &conf, FTP_BAN_LOGIN_RATE, &bob, 0));
	assert_non_null(bans_event(b, &conf, FTP_BAN_LOGIN_RATE, &alice, 10));
	assert_non_null(bans_find(b, &alice, 20));
	assert_null(bans_find(b, &bob, 20));
	assert_false(banned(&host, 20));
}

static void without_engine_or_rule_nothing_counts(void **state)
{
	struct ban_subject who = {.host = &host};

	for (int i = 0; i < 10; i++)
		assert_null(bans_event(b, &conf, FTP_BAN_CONNECT_RATE, &who, 0));
	conf.ban_engine = false;
	for (int i = 0; i < 10; i++)
		assert_null(failed(0));
}

static void bans_are_made_shown_and_lifted_by_hand(void **state)
{
	const struct ban *x;

	bans_add(b, BAN_HOST, "192.0.2.1", 0, 10);
	bans_add(b, BAN_CLASS, "lan", 100, 10);
	bans_add(b, BAN_CLASS, "lan", 200, 10);
	assert_true(banned(&host, UINT64_MAX - 1));
	x = bans_next(b, NULL, 50);
	assert_string_equal(x->name, "192.0.2.1");
	x = bans_next(b, x, 150);
	assert_string_equal(x->name, "lan");
	assert_string_equal(x->why, "wherryctl");
	assert_null(bans_next(b, x, 150));
	assert_int_equal(bans_lift(b, BAN_HOST, "192.0.2.9"), 0);
	assert_int_equal(bans_lift(b, BAN_HOST, "192.0.2.1"), 1);
	assert_false(banned(&host, 20));
	assert_int_equal(bans_lift(b, BAN_CLASS, NULL), 1);
	assert_null(bans_next(b, NULL, 20));
}

static void many_addresses_push_out_the_oldest(void **state)
{
	char name[30];

	for (unsigned i = 0; i < BANS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "u%u", i);
		bans_add(b, BAN_USER, name, 0, 0);
	}
	assert_null(bans_find(b, &(struct ban_subject){.user = "u9"}, 1));
	assert_non_null(bans_find(b, &(struct ban_subject){.user = "u10"}, 1));
	assert_int_equal(bans_lift(b, BAN_USER, NULL), BANS_MAX);
}

/* Names are what strangers send. */
static void counts_never_push_out_bans(void **state)
{
	char name[30];

	conf.ban_rules = &by_user;
	bans_add(b, BAN_HOST, "192.0.2.1", 0, 0);
	for (unsigned i = 0; i < 2 * BANS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "u%u", i);
		assert_null(bans_event(b, &conf, FTP_BAN_LOGIN_RATE,
			&(struct ban_subject){.host = &other, .user = name}, 0));
	}
	assert_true(banned(&host, 1));
	assert_non_null(bans_event(
		b, &conf, FTP_BAN_LOGIN_RATE, &(struct ban_subject){.host = &other, .user = name}, 0));
}

static void bans_that_end_go_before_those_for_good(void **state)
{
	char name[30];

	bans_add(b, BAN_HOST, "192.0.2.1", 0, 0);
	for (unsigned i = 0; i < BANS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "u%u", i);
		bans_add(b, BAN_USER, name, 1000, 0);
	}
	assert_true(banned(&host, 1));
	assert_null(bans_find(b, &(struct ban_subject){.user = "u0"}, 1));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(so_many_events_in_the_interval_ban_for_the_time),
		T(events_of_another_interval_do_not_count),
		T(users_are_banned_by_their_events),
		T(without_engine_or_rule_nothing_counts),
		T(bans_are_made_shown_and_lifted_by_hand),
		T(many_addresses_push_out_the_oldest),
		T(counts_never_push_out_bans),
		T(bans_that_end_go_before_those_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
