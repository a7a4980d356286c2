/* Bytes of a client into the login process around TLS: a real client_table over a socket pair, with AUTH and a ClientHello or what
 * else comes. The first byte chooses how the bytes are cut, whether AUTH is said first, and implicit TLS. The handshake ends where the
 * private key would be needed: nobody signs here. At the end nothing may be left behind. */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "ftp/tls_servers.h"
#include "login/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODE_AUTH = 1, MODE_IMPLICIT = 2 }; /* bits of the first byte; the others: size of the pieces */

/* Certificate and key of nobody. */
static const char pem[] = "-----BEGIN CERTIFICATE-----\n"
			  "MIIBdTCCARugAwIBAgIUH9McbxUP/fhoJLA4C3pTrTwY1mMwCgYIKoZIzj0EAwIw\n"
			  "DzENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjIwOTIzNTJaGA8yMTI2MTAyOTA5MjM1\n"
			  "MlowDzENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOy0\n"
			  "LmQXkJ5W2m+/cnwfqpjB4r0Sfg0Usp6pR8CxfAJ3vH3mOE2kpxXUvV9IWEQN0zMv\n"
			  "Irka7zEInZJ2fRuA6+yjUzBRMB0GA1UdDgQWBBQaycvC6/Yvg2h1J1pOXzJ8EsYd\n"
			  "HjAfBgNVHSMEGDAWgBQaycvC6/Yvg2h1J1pOXzJ8EsYdHjAPBgNVHRMBAf8EBTAD\n"
			  "AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCjpZwfh1TbmoeIiQBDZ/CKRZC/dbicbYxS\n"
			  "eu6mtH7meQIgDy+Z4Y5lSisA7ntY6r+UAxq9QvOiL3xeHCEbNPc31YI=\n"
			  "-----END CERTIFICATE-----\n"
			  "-----BEGIN PRIVATE KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRXq5QpfikmNHWZXF\n"
			  "SGVCe3PcRY9MfMVrnZ9JTPouMTqhRANCAATstC5kF5CeVtpvv3J8H6qYweK9En4N\n"
			  "FLKeqUfAsXwCd7x95jhNpKcV1L1fSFhEDdMzLyK5Gu8xCJ2Sdn0bgOvs\n"
			  "-----END PRIVATE KEY-----\n";

static int fuzz_master(void *arg, const struct login_conn *c, enum ipc_type type, const void *msg)
{
	struct buf b;

	buf_init(&b, IPC_MSG_MAX);
	if (ipc_encode(ipc_permit_find(type)->fields, msg, &b) < 0) /* whatever the client sent must fit */
		__builtin_trap();
	buf_done(&b);
	return 0;
}

static int fuzz_auth(void *arg, const struct ipc_auth_request *req)
{
	return 0; /* never answers */
}

static int fuzz_resolve(void *arg, const struct ipc_resolve *q)
{
	return 0; /* not asked: UseReverseDNS is off */
}

/* Two servers, the second with implicit TLS. */
static struct ftp_config *config_get(void)
{
	static struct ftp_config *config;
	struct ftp_config_options opt = {.name = "fuzz"};
	char dir[] = "/tmp/wherry-fuzz-XXXXXX", path[64], text[1000];
	struct err err;
	int fd;

	if (config != NULL)
		return config;
	if (mkdtemp(dir) == NULL)
		abort();
	(void)snprintf(path, sizeof(path), "%s/pem", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, pem, sizeof(pem) - 1) < 0)
		abort();
	fd_close(&fd);
	(void)snprintf(text, sizeof(text),
		"ServerName fuzz\nPort 2121\nDefaultAddress 127.0.0.1\nTLSSessionCache off\n"
		"<Global>\nTLSEngine on\nTLSECCertificateFile %s\nTLSVerifyClient optional\n"
		"TLSCACertificateFile %s\n</Global>\n"
		"<VirtualHost 127.0.0.1>\nPort 990\nTLSOptions UseImplicitSSL StrictSNI\n</VirtualHost>\n"
		"<VirtualHost 127.0.0.1>\nPort 2121\nServerAlias b.test\n</VirtualHost>\n",
		path, path);
	opt.text = text;
	if (ftp_config_load(&opt, 1, &config, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	(void)unlink(path); /* best effort */
	(void)rmdir(dir);
	ftp_tls_start(config, IPC_LOGIN);
	(void)signal(SIGPIPE, SIG_IGN); /* as in the process */
	return config;
}

static void drop(struct login_conn *c, void *arg, uint64_t now_ms)
{
	login_conn_broken(c, "the end", now_ms);
}

/* Let the loop see what there is, and throw away what the client gets. */
static void turn(uv_loop_t *loop, int fd)
{
	char bytes[16384];

	for (int i = 0; i < 4; i++)
		(void)uv_run(loop, UV_RUN_NOWAIT);
	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct login_ops ops = {fuzz_master, fuzz_auth, fuzz_resolve};
	static const struct log_ctx log = {.process = "fuzz"};
	struct login_env env = {.config = config_get(), .ops = &ops, .log = &log};
	struct ipc_admit admit = {.cid = 1, .sid = 1, .text = ""};
	unsigned mode = size > 0 ? data[0] : 0;
	size_t step = 1 + (mode >> 2) * 97;
	struct client_table table;
	struct addr peer, local;
	uv_loop_t loop;
	int fds[2];

	log_set_level(LOG_EMERG);
	addr_parse("192.0.2.1", 1, &peer);
	addr_parse("127.0.0.1", mode & MODE_IMPLICIT ? 990 : 2121, &local);
	if (uv_loop_init(&loop) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	client_table_init(&table, &loop, &env);
	client_new(&table, fds[0], &peer, &local);
	client_admit(client_by_cid(&table, 1), &admit);
	turn(&loop, fds[1]);
	if (mode & MODE_AUTH && send(fds[1], "AUTH TLS\r\n", 10, MSG_NOSIGNAL) == 10)
		turn(&loop, fds[1]);
	for (size_t at = 1; at < size && table.count > 0; at += step) {
		size_t n = size - at < step ? size - at : step;

		if (send(fds[1], data + at, n, MSG_NOSIGNAL) < 0)
			break; /* it has closed, or waits for what never comes */
		turn(&loop, fds[1]);
	}
	fd_close(&fds[1]);
	for (int i = 0; i < 4; i++)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	client_each(&table, drop, NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* the close callbacks */
	if (table.count != 0 || table.relays.count != 0 || uv_loop_close(&loop) != 0)
		__builtin_trap();
	return 0;
}
