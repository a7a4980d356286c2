/* A client's byte stream into a connection before login, with an auth that says yes, no or nothing. The
 * first byte chooses packet size and verdicts; at the end nothing may be left behind and the rules of the
 * states must have held. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "login/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned handoffs, requests;

static int fuzz_master(void *arg, const struct login_conn *c, enum ipc_type type, const void *msg)
{
	const struct ipc_permit *permit = ipc_permit_find(type);
	struct buf b;

	buf_init(&b, IPC_MSG_MAX);
	if (ipc_encode(permit->fields, msg, &b) < 0) /* whatever the client sent must fit into the message */
		__builtin_trap();
	buf_done(&b);
	if (type == IPC_HANDOFF)
		handoffs++;
	return 0;
}

static int fuzz_auth(void *arg, const struct ipc_auth_request *req)
{
	struct buf b;

	buf_init(&b, IPC_MSG_MAX);
	if (ipc_encode(ipc_permit_find(IPC_AUTH_REQUEST)->fields, req, &b) < 0)
		__builtin_trap();
	buf_done(&b);
	requests++;
	return *(unsigned *)arg % 7 == 0 ? -WE_CLOSED : 0;
}

static int fuzz_resolve(void *arg, const struct ipc_resolve *q)
{
	return 0; /* not asked: UseReverseDNS is off */
}

static struct ftp_config *config_get(void)
{
	static const char text[] = "ServerName fuzz\nPort 2121\nDefaultAddress 127.0.0.1\n"
				   "<Anonymous /srv>\nUser ftp\nUserAlias anonymous ftp\n</Anonymous>\n"
				   "<VirtualHost 127.0.0.1>\nPort 2121\nServerAlias b\n</VirtualHost>\n";
	static struct ftp_config *config;
	struct ftp_config_options opt = {.text = text, .name = "fuzz"};
	struct err err;

	if (config == NULL && ftp_config_load(&opt, 1, &config, NULL, &err) < 0)
		abort();
	return config;
}

/* The connection waits: answer it, or let time pass. */
static void verdict(struct login_conn *c, unsigned choice, uint64_t *now)
{
	struct ipc_auth_failed failed = {.sid = c->sid, .request = c->request};
	struct ipc_login_result result = {.sid = c->sid, .request = c->request, .text = "530 limit"};

	switch (choice % 5) {
	case 0:
		result.verdict = IPC_OK;
		login_conn_result(c, &result, *now);
		break;
	case 1:
		result.verdict = IPC_REFUSE_TEXT;
		login_conn_result(c, &result, *now);
		break;
	case 2:
		login_conn_auth_ready(c, *now);
		login_conn_auth_lost(c, *now);
		break;
	default:
		login_conn_failed(c, &failed, *now);
		break;
	}
	if (login_conn_deadline(c) != 0 && login_conn_deadline(c) > *now)
		*now = login_conn_deadline(c);
	login_conn_tick(c, *now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct login_ops ops = {fuzz_master, fuzz_auth, fuzz_resolve};
	static const struct log_ctx log = {.process = "fuzz"};
	unsigned choice = size > 0 ? data[0] : 0;
	struct login_env env = {.config = config_get(), .ops = &ops, .arg = &choice, .log = &log};
	struct ipc_admit admit = {.cid = 1, .sid = 1, .text = ""};
	struct login_conn c;
	struct addr peer, local;
	uint64_t now = 1000;

	log_set_level(LOG_EMERG);
	handoffs = 0;
	addr_parse("192.0.2.1", 1, &peer);
	addr_parse("127.0.0.1", 2121, &local);
	login_conn_init(&c, &env, 1, &peer, &local, now);
	login_conn_admit(&c, &admit, now);
	for (size_t at = 1; at < size && c.state != LOGIN_GONE;) {
		size_t want = login_conn_wants_input(&c), step = 1 + choice % 29;

		if (c.out.len > LOGIN_OUT_MAX || line_input(&c.in)->len > line_input(&c.in)->max)
			__builtin_trap();
		if (want == 0) {
			uint64_t before = now;

			if (c.out.len > 0)
				login_conn_sent(&c, 1 + c.out.len / 2, ++now);
			else
				verdict(&c, choice + (unsigned)at, &now);
			if (login_conn_wants_input(&c) == 0 && c.out.len == 0 && now == before &&
				c.state != LOGIN_GONE)
				__builtin_trap(); /* waits for nothing */
			continue;
		}
		if (step > want)
			step = want;
		if (step > size - at)
			step = size - at;
		login_conn_input(&c, data + at, step, now++);
		at += step;
	}
	if (c.state != LOGIN_GONE)
		login_conn_eof(&c, now);
	if (handoffs > 1)
		__builtin_trap();
	login_conn_done(&c);
	return 0;
}
