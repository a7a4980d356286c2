#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ipc/chan.h"
#include "session/names.h"

static atomic_uint asked;

/* An auth process that knows user 1000 = alice, group 100 = staff, and nothing else; it never answers
 * about 666. */
static void *auth(void *arg)
{
	static _Thread_local struct ipc_scratch scratch;
	struct ipc_chan chan;
	struct ipc_msg m;
	int r;

	ipc_chan_init(&chan, (int)(intptr_t)arg, IPC_AUTH, IPC_SESSION);
	while ((r = ipc_recv(&chan, &scratch, &m)) >= 0) {
		struct ipc_name_reply reply = {.name = ""};

		if (r == 0) {
			usleep(50);
			continue;
		}
		asked++;
		if (m.name_request.kind == IPC_NAME_OF_UID && m.name_request.id == 1000)
			reply = (struct ipc_name_reply){true, 1000, "alice"};
		if (m.name_request.kind == IPC_NAME_OF_UID && m.name_request.id == 1001)
			reply = (struct ipc_name_reply){true, 1001,
				"a-name-that-is-far-longer-than-what-a-listing-would-ever-want-to-show-in-"
				"its-column"};
		if (m.name_request.kind == IPC_GID_OF_NAME && strcmp(m.name_request.name, "staff") == 0)
			reply = (struct ipc_name_reply){true, 100, ""};
		if (m.name_request.kind == IPC_HOME_OF_NAME && strcmp(m.name_request.name, "alice") == 0)
			reply = (struct ipc_name_reply){true, 1000, "/home/alice"};
		if (m.name_request.kind != IPC_NAME_OF_UID || m.name_request.id != 666)
			assert_int_equal(ipc_send(&chan, IPC_NAME_REPLY, &reply, -1), 0);
		ipc_msg_done(&m);
	}
	ipc_chan_done(&chan);
	return NULL;
}

static pthread_t auth_thread;

static int auth_start(void **state)
{
	int fds[2];

	if (ipc_pair(fds) < 0)
		return -1;
	asked = 0;
	names_set_channel(fds[0]);
	return pthread_create(&auth_thread, NULL, auth, (void *)(intptr_t)fds[1]);
}

static int auth_stop(void **state)
{
	names_set_channel(-1);
	return pthread_join(auth_thread, NULL);
}

static void names_are_asked_once(void **state)
{
	char text[NAMES_TEXT_SIZE];

	for (int i = 0; i < 3; i++) {
		names_user(0, 1000, text);
		assert_string_equal(text, "alice");
		names_user(0, 1002, text);
		assert_string_equal(text, "1002");
	}
	assert_int_equal(asked, 2);
	names_user(1, 1000, text); /* another server may have another passwd file */
	assert_int_equal(asked, 3);
	names_group(0, 1000, text);
	assert_string_equal(text, "1000");
	names_user(0, 1001, text);
	assert_int_equal(strlen(text), NAMES_TEXT_SIZE - 1);
}

static void numbers_and_homes_are_found(void **state)
{
	char home[100];
	gid_t gid = 0;

	assert_int_equal(names_gid_of(0, "staff", &gid), 0);
	assert_int_equal(gid, 100);
	assert_int_equal(names_gid_of(0, "nobody-here", &gid), -EINVAL);
	assert_int_equal(names_gid_of(0, "4294967294", &gid), 0);
	assert_int_equal(gid, 4294967294u);
	assert_int_equal(names_gid_of(0, "4294967295", &gid), -EINVAL);
	assert_int_equal(names_home_of(0, "alice", home, sizeof home), 0);
	assert_string_equal(home, "/home/alice");
	assert_int_equal(names_home_of(0, "bob", home, sizeof home), -ENOENT);
}

static void a_silent_auth_is_asked_only_once(void **state)
{
	char text[NAMES_TEXT_SIZE];
	uint64_t begin = clock_ms();

	names_user(0, 666, text);
	assert_string_equal(text, "666");
	assert_in_range(clock_ms() - begin, 1900, 60000);
	begin = clock_ms();
	for (unsigned id = 2000; id < 2100; id++)
		names_user(0, id, text);
	assert_string_equal(text, "2099");
	assert_in_range(clock_ms() - begin, 0, 60000); /* and not 200 s */
	assert_int_equal(asked, 1);
}

static atomic_bool answered;

static void *ask_about_666(void *arg)
{
	names_user(2, 666, arg);
	answered = true;
	return NULL;
}

/* The loop gets a new channel while a pool thread waits for the old one. */
static void a_new_channel_does_not_wait_for_a_question(void **state)
{
	pthread_t asker, old_auth = auth_thread;
	char text[NAMES_TEXT_SIZE], other[NAMES_TEXT_SIZE];

	assert_int_equal(pthread_create(&asker, NULL, ask_about_666, text), 0);
	while (asked == 0)
		usleep(1000);
	assert_int_equal(auth_start(NULL), 0);
	assert_false(answered); /* which takes two seconds */
	assert_int_equal(pthread_join(asker, NULL), 0);
	assert_string_equal(text, "666");
	names_user(3, 1000, other); /* not in the cache: the new channel is asked, at once */
	assert_string_equal(other, "alice");
	assert_int_equal(pthread_join(old_auth, NULL), 0); /* the old channel is closed */
}

static void without_auth_there_are_numbers(void **state)
{
	char text[NAMES_TEXT_SIZE];
	gid_t gid;

	names_set_channel(-1);
	names_user(0, 3000, text);
	assert_string_equal(text, "3000");
	assert_int_equal(names_gid_of(0, "staff", &gid), -EAGAIN);
}

static void many_numbers_stay_bounded(void **state)
{
	char text[NAMES_TEXT_SIZE], want[16];

	for (unsigned id = 10000; id < 20000; id++) {
		names_group(0, id, text);
		(void)snprintf(want, sizeof want, "%u", id);
		assert_string_equal(text, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_asked_once, auth_start, auth_stop),
		cmocka_unit_test_setup_teardown(numbers_and_homes_are_found, auth_start, auth_stop),
		cmocka_unit_test_setup_teardown(many_numbers_stay_bounded, auth_start, auth_stop),
		cmocka_unit_test_setup_teardown(
			a_new_channel_does_not_wait_for_a_question, auth_start, auth_stop),
		cmocka_unit_test_setup_teardown(a_silent_auth_is_asked_only_once, auth_start, auth_stop),
		cmocka_unit_test(without_auth_there_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
