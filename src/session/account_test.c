/* Accounts: equal grants share one, others do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipc/message.h"
#include "session/account.h"

static struct list accounts;

static struct ipc_grant grant(const char *user, const char *email, const char *group_names)
{
	return (struct ipc_grant){.uid = 1,
		.gid = 2,
		.user = user,
		.sent_user = "sent",
		.email = email,
		.home = "/home",
		.group_names = group_names};
}

static void equal_grants_share_an_account(void **state)
{
	char user[] = "ftp";
	struct ipc_grant g = grant("ftp", "a@example.org", ""), again = grant(user, "a@example.org", "");
	struct session_account *a, *b;

	list_init(&accounts);
	a = account_ref(&accounts, &g);
	b = account_ref(&accounts, &again);
	assert_ptr_equal(a, b);
	user[0] = 'x'; /* texts are its own */
	assert_string_equal(a->user, "ftp");
	assert_string_equal(a->sent_user, "sent");
	assert_string_equal(a->email, "a@example.org");
	assert_string_equal(a->home, "/home");
	account_unref(&a);
	assert_null(a);
	assert_false(list_empty(&accounts));
	assert_string_equal(b->user, "ftp");
	account_unref(&b);
	assert_true(list_empty(&accounts));
	account_unref(&b);
}

static void what_differs_makes_another_account(void **state)
{
	struct ipc_grant first = grant("ftp", "a@example.org", "x\ny\n"), others[6];
	struct session_account *a, *b[6];

	for (int i = 0; i < 6; i++)
		others[i] = first;
	others[0].user = "ftq";
	others[1].email = "b@example.org";
	others[2].group_names = "x\n";
	others[3].sent_user = "anonymous";
	others[4].home = "/";
	others[5].gid = 3;
	list_init(&accounts);
	a = account_ref(&accounts, &first);
	for (int i = 0; i < 6; i++) {
		b[i] = account_ref(&accounts, &others[i]);
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(b[i], b[k]);
		assert_ptr_not_equal(a, b[i]);
	}
	for (int i = 0; i < 6; i++)
		account_unref(&b[i]);
	account_unref(&a);
	assert_true(list_empty(&accounts));
}

static void groups_have_their_names(void **state)
{
	struct ipc_grant g = grant("alice", "", "alice\nstaff\n");
	struct session_account *a;

	list_init(&accounts);
	a = account_ref(&accounts, &g);
	assert_int_equal(a->n_groups, 2);
	assert_string_equal(a->groups[0], "alice");
	assert_string_equal(a->groups[1], "staff");
	assert_string_equal(a->group_names, "alice\nstaff\n");
	account_unref(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_grants_share_an_account),
		cmocka_unit_test(what_differs_makes_another_account),
		cmocka_unit_test(groups_have_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
