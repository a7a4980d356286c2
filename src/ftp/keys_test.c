/* Asking auth for signatures; auth is a thread of the test that behaves as the number of the key says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/keys.h"
#include "ipc/chan.h"

enum { GOOD, REFUSES, LATE_ONE_FIRST, CLOSES, SILENT, EMPTY, OTHER_MESSAGE };

static void answer(struct ipc_chan *c, const struct ipc_sign_request *q)
{
	struct ipc_sign_reply a = {.request = q->request, .signature = q->input};
	struct ipc_name_reply name = {.name = ""};

	switch (q->key) {
	case REFUSES:
		a.error = EINVAL;
		a.signature.len = 0;
		break;
	case LATE_ONE_FIRST:
		a.request--;
		a.signature = (struct ipc_bytes){"late", 4};
		assert_int_equal(ipc_send(c, IPC_SIGN_REPLY, &a, -1), 0);
		a = (struct ipc_sign_reply){.request = q->request, .signature = q->input};
		break;
	case SILENT:
		return;
	case EMPTY:
		a.signature.len = 0;
		break;
	case OTHER_MESSAGE:
		assert_int_equal(ipc_send(c, IPC_NAME_REPLY, &name, -1), 0);
		return;
	default:
		break;
	}
	assert_int_equal(ipc_send(c, IPC_SIGN_REPLY, &a, -1), 0);
}

static void *auth(void *arg)
{
	static _Thread_local struct ipc_scratch scratch;
	struct ipc_chan chan;
	struct ipc_msg m;
	int r;

	ipc_chan_init(&chan, (int)(intptr_t)arg, IPC_AUTH, IPC_SESSION);
	while ((r = ipc_recv(&chan, &scratch, &m)) >= 0) {
		struct pollfd p = {.fd = chan.fd, .events = POLLIN};

		if (r == 0) {
			(void)poll(&p, 1, -1);
			continue;
		}
		assert_int_equal(m.permit->type, IPC_SIGN_REQUEST);
		if (m.sign_request.key == CLOSES)
			break;
		answer(&chan, &m.sign_request);
		ipc_msg_done(&m);
	}
	ipc_chan_done(&chan);
	return NULL;
}

static pthread_t start(void)
{
	pthread_t t;
	int fds[2];

	assert_int_equal(ipc_pair(fds), 0);
	assert_int_equal(pthread_create(&t, NULL, auth, (void *)(intptr_t)fds[1]), 0);
	ftp_keys_init(IPC_SESSION);
	ftp_keys_set_channel(fds[0]);
	return t;
}

static void stop(pthread_t t)
{
	ftp_keys_set_channel(-1);
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* Returns what the signer says; what it signs comes back. */
static int sign(unsigned key, const char *text)
{
	const struct tls_signer *s = ftp_keys_signer();
	uint8_t out[TLS_SIGN_OUT_MAX];
	size_t n = 0;
	int r = s->sign(s->arg, key, TLS_SIGN_ECDSA, (const uint8_t *)text, strlen(text), out, &n);

	if (r == 0) {
		assert_int_equal(n, strlen(text));
		assert_memory_equal(out, text, n);
	}
	return r;
}

static void answers_and_refusals_come_back(void **state)
{
	pthread_t t = start();

	assert_int_equal(sign(GOOD, "one"), 0);
	assert_int_equal(sign(REFUSES, "two"), -EINVAL);
	assert_int_equal(sign(LATE_ONE_FIRST, "three"), 0);
	assert_int_equal(sign(EMPTY, "four"), -EPROTO);
	assert_int_equal(sign(GOOD, "five"), 0);
	stop(t);
}

static void a_lost_auth_is_missed_until_the_next_channel(void **state)
{
	pthread_t t = start();

	assert_int_equal(sign(CLOSES, "x"), -ENOTCONN);
	assert_int_equal(sign(GOOD, "x"), -ENOTCONN);
	assert_int_equal(pthread_join(t, NULL), 0);
	t = start();
	assert_int_equal(sign(GOOD, "x"), 0);
	assert_int_equal(sign(OTHER_MESSAGE, "x"), -WE_PERMIT);
	assert_int_equal(sign(GOOD, "x"), -ENOTCONN); /* who breaks the rules is not asked again */
	assert_int_equal(pthread_join(t, NULL), 0);
	t = start();
	assert_int_equal(sign(GOOD, "x"), 0);
	stop(t);
	assert_int_equal(sign(GOOD, "x"), -ENOTCONN);
}

static void *sign_often(void *arg)
{
	char text[3] = {(char)('A' + (intptr_t)arg), 'x', 0};

	for (int i = 0; i < 300; i++)
		assert_int_equal(sign(i % 3 == 0 ? LATE_ONE_FIRST : GOOD, text), 0);
	return NULL;
}

static void threads_get_their_own_answers(void **state)
{
	pthread_t t = start(), asking[4];

	for (intptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&asking[i], NULL, sign_often, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(asking[i], NULL), 0);
	stop(t);
}

static void an_auth_that_says_nothing_is_given_up(void **state)
{
	pthread_t t = start();

	assert_int_equal(sign(SILENT, "x"), -ETIMEDOUT);
	assert_int_equal(sign(GOOD, "y"), 0);
	stop(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_refusals_come_back),
		cmocka_unit_test(a_lost_auth_is_missed_until_the_next_channel),
		cmocka_unit_test(threads_get_their_own_answers),
		cmocka_unit_test(an_auth_that_says_nothing_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
