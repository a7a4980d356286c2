/* Handshakes whose signatures are made by a real auth process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/fd.h"
#include "base/log.h"
#include "ftp/keys.h"
#include "ftp/tls_servers.h"
#include "ipc/chan.h"
#include "tls/tls_test_fixture.h"

static pid_t pid;
static struct ftp_config *config;
static struct ipc_chan master;
static struct ipc_scratch scratch;

static int confine(const struct proc_start *start, int root_fd, struct err *err)
{
	return 0;
}

static void quiet(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
}

static int auth_start(void **state)
{
	struct proc_start start = {.role = IPC_AUTH, .id = 1, .confine = confine};
	struct ftp_config_options opt = {.name = "t"};
	char text[400];
	struct err err = ERR_INIT;
	int fds[2];

	log_set_sink(quiet, NULL);
	(void)snprintf(text, sizeof(text),
		"AuthOrder mod_auth_file.c\nTLSEngine on\nTLSRSACertificateFile %s/rsa.pem\n<VirtualHost "
		"127.0.0.2>\n"
		"TLSEngine on\nTLSECCertificateFile %s/other.pem\n</VirtualHost>\n",
		fx_dir, fx_dir);
	opt.text = text;
	if (ftp_config_load(&opt, 1, &config, NULL, &err) < 0)
		fail_msg("%s", err.text);
	if (ipc_pair(fds) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int status;

		fd_close(&fds[0]);
		start.chan_fd = fds[1];
		start.config = config;
		status = auth_main(&start);
		ftp_config_free(config);
		_exit(status);
	}
	fd_close(&fds[1]);
	ipc_chan_init(&master, fds[0], IPC_MASTER, IPC_AUTH);
	ftp_tls_start(config, IPC_SESSION);
	return pid > 0 ? 0 : -1;
}

static void auth_stop(void)
{
	int status;

	ipc_chan_done(&master);
	if (pid > 0) {
		(void)kill(pid, SIGCONT); /* a test that failed may have left it stopped */
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	pid = 0;
}

static int auth_end(void **state)
{
	ftp_keys_set_channel(-1);
	if (pid > 0)
		auth_stop();
	ftp_tls_stop();
	ftp_config_free(config);
	return 0;
}

/* What master does. Returns the asking end. */
static int keys_channel(enum ipc_role role)
{
	struct ipc_keys_peer who = {.id = 42, .session = role == IPC_SESSION};
	int fds[2];

	assert_int_equal(ipc_pair(fds), 0);
	assert_int_equal(ipc_send(&master, IPC_KEYS_PEER, &who, fds[1]), 0);
	fd_close(&fds[1]);
	return fds[0];
}

static int handshake(unsigned server, int version)
{
	SSL_CTX *client = fx_client_ctx(version);
	struct tls_context *ctx;
	struct err err = ERR_INIT;
	struct fx_pair p;
	int r;

	if (ftp_tls_context(config, server, TLS_DATA, &ctx, &err) < 0)
		fail_msg("%s", err.text);
	fx_open(&p, ctx, NULL, client, NULL);
	r = fx_handshake(&p, NULL);
	fx_close(&p);
	SSL_CTX_free(client);
	return r;
}

static void auth_signs_for_every_server_and_version(void **state)
{
	ftp_keys_set_channel(keys_channel(IPC_SESSION));
	for (unsigned server = 0; server < 2; server++) {
		assert_int_equal(handshake(server, TLS1_2_VERSION), 0);
		assert_int_equal(handshake(server, TLS1_3_VERSION), 0);
	}
}

static void without_auth_handshakes_fail_and_go_on_with_the_next(void **state)
{
	ftp_keys_set_channel(-1);
	assert_int_equal(handshake(0, TLS1_3_VERSION), -ENOTCONN);
	assert_int_equal(handshake(1, TLS1_2_VERSION), -ENOTCONN);
	ftp_keys_set_channel(keys_channel(IPC_SESSION));
	assert_int_equal(handshake(0, TLS1_3_VERSION), 0);
	auth_stop();
	assert_int_equal(handshake(0, TLS1_3_VERSION), -ENOTCONN);
}

static int reply(struct ipc_chan *c, struct ipc_msg *m)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	int r;

	while ((r = ipc_recv(c, &scratch, m)) == 0)
		assert_int_equal(poll(&p, 1, 60000), 1);
	return r;
}

/* All have asked before auth looks: those who asked once, before and after the flood, need not wait for it. */
static void a_flood_of_requests_leaves_others_their_turn(void **state)
{
	static const uint8_t md5_sha1[36] = {1};
	struct ipc_sign_request q = {
		.key = TLS_KEY_RSA, .kind = TLS_SIGN_RSA_PKCS1, .input = {md5_sha1, sizeof(md5_sha1)}};
	struct ipc_chan flood, early, late;
	struct ipc_msg m;
	uint32_t n = 0, before = 0;

	ipc_chan_init(&flood, keys_channel(IPC_LOGIN), IPC_LOGIN, IPC_AUTH);
	ipc_chan_init(&early, keys_channel(IPC_SESSION), IPC_SESSION, IPC_AUTH);
	ipc_chan_init(&late, keys_channel(IPC_SESSION), IPC_SESSION, IPC_AUTH);
	assert_int_equal(ipc_send(&flood, IPC_SIGN_REQUEST, &q, -1), 0); /* auth knows all */
	assert_int_equal(reply(&flood, &m), 1);
	assert_int_equal(ipc_send(&late, IPC_SIGN_REQUEST, &q, -1), 0);
	assert_int_equal(reply(&late, &m), 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(ipc_send(&early, IPC_SIGN_REQUEST, &q, -1), 0);
	while (!ipc_chan_wants_write(&flood)) {
		q.request = ++n;
		assert_int_equal(ipc_send(&flood, IPC_SIGN_REQUEST, &q, -1), 0);
	}
	assert_true(n > 100);
	q.request = 7;
	assert_int_equal(ipc_send(&late, IPC_SIGN_REQUEST, &q, -1), 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(reply(&early, &m), 1);
	assert_int_equal(reply(&late, &m), 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(m.sign_reply.request, 7);
	assert_int_equal(m.sign_reply.error, 0);
	while (ipc_recv(&flood, &scratch, &m) == 1)
		assert_int_equal(m.sign_reply.request, ++before);
	assert_true(before < 60); /* else some 160: what the socket takes of answers */
	assert_int_equal(kill(pid, SIGCONT), 0);
	while (before < n) {
		assert_int_equal(ipc_chan_flush(&flood), 0);
		assert_int_equal(reply(&flood, &m), 1);
		assert_int_equal(m.sign_reply.request, ++before);
	}
	ipc_chan_done(&flood);
	ipc_chan_done(&early);
	ipc_chan_done(&late);
}

static void what_is_no_signature_is_refused_and_said(void **state)
{
	uint8_t bytes[256] = {0};
	static const struct {
		uint32_t key, kind, n, error;
	} cases[] = {{99, TLS_SIGN_ECDSA, 32, ENOENT}, {TLS_KEY_RSA, TLS_SIGN_RSA_PSS, 256, EINVAL},
		{TLS_KEY_RSA, 9, 51, EINVAL}, {TLS_KEY_RSA, TLS_SIGN_RSA_PKCS1, 0, EINVAL},
		{TLS_KEY_RSA, TLS_SIGN_RSA_PKCS1, 36, 0}};
	struct ipc_chan c;
	struct ipc_msg m;

	ipc_chan_init(&c, keys_channel(IPC_SESSION), IPC_SESSION, IPC_AUTH);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_sign_request q = {.request = 5,
			.key = cases[i].key,
			.kind = cases[i].kind,
			.input = {bytes, cases[i].n}};

		assert_int_equal(ipc_send(&c, IPC_SIGN_REQUEST, &q, -1), 0);
		assert_int_equal(reply(&c, &m), 1);
		assert_int_equal(m.sign_reply.error, cases[i].error);
		assert_int_equal(m.sign_reply.signature.len, cases[i].error == 0 ? 256 : 0);
	}
	ipc_chan_done(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, auth_start, auth_end)
	const struct CMUnitTest tests[] = {
		T(auth_signs_for_every_server_and_version),
		T(without_auth_handshakes_fail_and_go_on_with_the_next),
		T(a_flood_of_requests_leaves_others_their_turn),
		T(what_is_no_signature_is_refused_and_said),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
