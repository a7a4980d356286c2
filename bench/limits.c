/* What the machine itself takes for a server's work, with nothing around it: the lower bounds beside bench/run's table.
 *
 *   limits sendfile FILE      page cache to socket: a loop of sendfile(2)
 *   limits receive FOLDER MIB socket to file: recv(2) and write(2), 256 KiB
 *   limits splice FOLDER MIB  the same through a pipe of 1 MiB, waiting for 256 KiB (SO_RCVLOWAT)
 *   limits tls FILE           page cache to OpenSSL to socket: pread(2), 256 KiB, and SSL_write(3ssl); TLS 1.3, its first cipher
 *   limits handshake COUNT    accepting TCP connections with a resumed handshake of TLS 1.3, a byte, and the end
 *   limits create FOLDER COUNT new files of 10 KiB: openat(2), write(2), close(2)
 *   limits names FOLDER       getdents64(2) of all entries
 *   limits walk FOLDER        the same, and statx(2) of each
 *
 * Prints one number: CPU seconds of this process (handshake, create: of each). The other end of the socket is a child on another core, where there
 * is one; it drops what comes as ftpload does. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE (256u << 10)
#define PIPE  (1u << 20)

static char buffer[1u << 20];

static double cpu_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pin(unsigned which)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0 || CPU_COUNT(&all) < 2)
		return;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all) || which-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		(void)sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/* On loopback. */
static int listening(struct sockaddr_in *ret_to)
{
	socklen_t len = sizeof(*ret_to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_to, len) < 0 || listen(fd, 8) < 0 ||
		getsockname(fd, (struct sockaddr *)ret_to, &len) < 0)
		err(1, "listening");
	return fd;
}

static int connecting(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		err(1, "connection");
	return fd;
}

/* A connected pair of TCP sockets on loopback. */
static void connected(int *ret_a, int *ret_b)
{
	struct sockaddr_in to;
	int listener = listening(&to);

	*ret_a = connecting(&to);
	*ret_b = accept(listener, NULL, NULL);
	if (*ret_b < 0)
		err(1, "accept");
	(void)close(listener);
}

static void lowat(int sock)
{
	int n = PIECE;

	(void)setsockopt(sock, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

static void drop(int sock)
{
	lowat(sock);
	while (recv(sock, buffer, sizeof(buffer), MSG_TRUNC) > 0)
		;
}

static void supply(int sock, uint64_t bytes)
{
	int fd = (int)syscall(SYS_memfd_create, "limits", 0);
	uint64_t done = 0;

	if (fd < 0 || write(fd, buffer, sizeof(buffer)) != (ssize_t)sizeof(buffer))
		err(1, "memfd");
	while (done < bytes) {
		off_t off = (off_t)(done % sizeof(buffer));
		uint64_t room = sizeof(buffer) - (uint64_t)off, n = bytes - done < room ? bytes - done : room;
		ssize_t sent = sendfile(sock, fd, &off, n);

		if (sent <= 0)
			err(1, "sendfile");
		done += (uint64_t)sent;
	}
}

static void send_all(int sock, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	off_t off = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	while (off < st.st_size)
		if (sendfile(sock, fd, &off, 1u << 20) <= 0)
			err(1, "sendfile");
}

static void receive_copying(int sock, int fd)
{
	ssize_t n;

	while ((n = recv(sock, buffer, PIECE, 0)) > 0)
		if (write(fd, buffer, (size_t)n) != n)
			err(1, "write");
}

static void receive_splicing(int sock, int fd)
{
	int pipes[2];
	ssize_t n;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		err(1, "pipe");
	(void)fcntl(pipes[1], F_SETPIPE_SZ, PIPE);
	lowat(sock);
	while ((n = splice(sock, NULL, pipes[1], NULL, PIPE, SPLICE_F_MOVE)) > 0)
		while (n > 0) {
			ssize_t k = splice(pipes[0], NULL, fd, NULL, (size_t)n, SPLICE_F_MOVE);

			if (k <= 0)
				err(1, "splice");
			n -= k;
		}
	if (n < 0)
		err(1, "splice");
}

static void receive_all(int sock, const char *folder, bool splicing)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/limits.XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	(void)unlink(path);
	if (splicing)
		receive_splicing(sock, fd);
	else
		receive_copying(sock, fd);
	(void)close(fd);
}

/* A context with a certificate made on the spot. */
static SSL_CTX *server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	if (ctx == NULL || key == NULL || cert == NULL ||
		X509_gmtime_adj(X509_getm_notBefore(cert), 0) == NULL ||
		X509_gmtime_adj(X509_getm_notAfter(cert), 3600) == NULL || !X509_set_pubkey(cert, key) ||
		!X509_sign(cert, key, EVP_sha256()) || SSL_CTX_use_certificate(ctx, cert) != 1 ||
		SSL_CTX_use_PrivateKey(ctx, key) != 1)
		errx(1, "cannot make a certificate");
	return ctx;
}

/* The other end drops the records as they come: what decrypting costs is not asked. */
static void tls_drop(int sock)
{
	SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));

	if (ssl == NULL || !SSL_set_fd(ssl, sock) || SSL_connect(ssl) != 1)
		errx(1, "TLS");
	drop(sock);
}

static void tls_send_all(int sock, const char *path)
{
	SSL *ssl = SSL_new(server_context());
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t off = 0;
	ssize_t n;

	if (fd < 0)
		err(1, "%s", path);
	if (ssl == NULL || !SSL_set_fd(ssl, sock) || SSL_accept(ssl) != 1)
		errx(1, "TLS");
	for (; (n = pread(fd, buffer, PIECE, off)) > 0; off += n)
		if (SSL_write(ssl, buffer, (int)n) != n)
			errx(1, "SSL_write");
}

static void handshakes_ask(const struct sockaddr_in *to, unsigned long count)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session = NULL;
	char byte;

	for (unsigned long i = 0; i < count; i++) {
		SSL *ssl = SSL_new(ctx);
		int fd = connecting(to);

		if (ssl == NULL || !SSL_set_fd(ssl, fd) ||
			(session != NULL && !SSL_set_session(ssl, session)) || SSL_connect(ssl) != 1 ||
			SSL_read(ssl, &byte, 1) != 1)
			errx(1, "TLS");
		if (session != NULL && !SSL_session_reused(ssl))
			errx(1, "not resumed");
		SSL_SESSION_free(session);
		session = SSL_get1_session(ssl);
		(void)SSL_shutdown(ssl);
		SSL_free(ssl);
		(void)close(fd);
	}
}

/* Returns the CPU seconds of each, without the first, which resumes nothing. */
static double handshakes(unsigned long count)
{
	struct sockaddr_in to;
	int listener = listening(&to);
	SSL_CTX *ctx = server_context();
	pid_t child = fork();
	double first = 0;

	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		pin(1);
		handshakes_ask(&to, count);
		_exit(0);
	}
	pin(0);
	(void)SSL_CTX_set_num_tickets(ctx, 1);
	(void)SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"limits", 6);
	for (unsigned long i = 0; i < count; i++) {
		SSL *ssl = SSL_new(ctx);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			err(1, "accept");
		if (ssl == NULL || !SSL_set_fd(ssl, fd) || SSL_accept(ssl) != 1 ||
			SSL_write(ssl, "x", 1) != 1)
			errx(1, "TLS");
		(void)SSL_shutdown(ssl);
		SSL_free(ssl);
		(void)close(fd);
		if (i == 0)
			first = cpu_seconds();
	}
	(void)waitpid(child, NULL, 0);
	return (cpu_seconds() - first) / (double)(count - 1);
}

/* Returns the CPU seconds of each. */
static double create(const char *folder, unsigned long count)
{
	double before;
	char name[32];
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		err(1, "%s", folder);
	pin(0);
	before = cpu_seconds();
	for (unsigned long i = 0; i < count; i++) {
		int fd;

		(void)snprintf(name, sizeof(name), "limits.%lu", i);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, buffer, 10240) != 10240)
			err(1, "%s/%s", folder, name);
		(void)close(fd);
	}
	before = cpu_seconds() - before;
	for (unsigned long i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "limits.%lu", i);
		(void)unlinkat(dir, name, 0);
	}
	(void)close(dir);
	return before / (double)count;
}

static void walk(const char *folder, bool look)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (fd < 0)
		err(1, "%s", folder);
	while ((n = syscall(SYS_getdents64, fd, buffer, 32768)) > 0) {
		for (long at = 0; look && at < n;) {
			struct dirent64 *e = (struct dirent64 *)(void *)(buffer + at);
			struct statx st;

			at += e->d_reclen;
			if (statx(fd, e->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) < 0)
				err(1, "%s", e->d_name);
		}
	}
	(void)close(fd);
}

static void transfer(const char *what, const char *path, uint64_t bytes)
{
	bool tls = strcmp(what, "tls") == 0, sends = strcmp(what, "sendfile") == 0;
	int a, b;
	pid_t child;

	connected(&a, &b);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		pin(1);
		(void)close(a);
		if (tls)
			tls_drop(b);
		else if (sends)
			drop(b);
		else
			supply(b, bytes);
		_exit(0);
	}
	(void)close(b);
	pin(0);
	if (tls)
		tls_send_all(a, path);
	else if (sends)
		send_all(a, path);
	else
		receive_all(a, path, strcmp(what, "splice") == 0);
	(void)close(a);
	(void)waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	double before;

	if (argc < 3)
		errx(2, "usage: limits sendfile|receive|splice|tls|names|walk PATH [MIB], or handshake "
			"COUNT");
	if (strcmp(argv[1], "handshake") == 0) {
		unsigned long count = strtoul(argv[2], NULL, 10);

		(void)printf("%.6f\n", handshakes(count < 2 ? 2 : count));
		return 0;
	}
	if (strcmp(argv[1], "create") == 0 && argc > 3) {
		(void)printf("%.6f\n", create(argv[2], strtoul(argv[3], NULL, 10)));
		return 0;
	}
	before = cpu_seconds();
	if (strcmp(argv[1], "names") == 0 || strcmp(argv[1], "walk") == 0) {
		pin(0);
		walk(argv[2], argv[1][0] == 'w');
	} else {
		transfer(argv[1], argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) << 20 : 0);
	}
	(void)printf("%.6f\n", cpu_seconds() - before);
	return 0;
}
