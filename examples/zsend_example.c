/* An example of libzsend: answer one HTTP request with a file, whatever it asks for.
 *
 *     cc zsend_example.c $(pkg-config --cflags --libs zsend) -o zsend_example
 *     ./zsend_example FILE [PORT]          # then: curl http://127.0.0.1:PORT/ -o copy
 *
 * The header and the file go out with one job. A real server would do other work where this one waits in poll(). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zsend.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Wait for one client on 127.0.0.1 and read its request. Returns the socket, non-blocking. */
static int client_accept(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(a);
	char request[4096];
	int on = 1, l = socket(AF_INET, SOCK_STREAM, 0), s;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(l, 1) < 0 ||
		getsockname(l, (struct sockaddr *)&a, &len) < 0)
		die("listening");
	printf("http://127.0.0.1:%u/\n", ntohs(a.sin_port));
	(void)fflush(stdout);
	s = accept(l, NULL, NULL);
	close(l);
	if (s < 0 || read(s, request, sizeof(request)) <= 0 || fcntl(s, F_SETFL, O_NONBLOCK) < 0)
		die("client");
	return s;
}

/* Send the whole job. Returns 0, or -1 with errno. */
static int job_finish(struct zs_job *job, int file, int s)
{
	while (zs_job_send(job, file, s, NULL, ZS_NOSIGPIPE) < 0) {
		struct pollfd pfd = {.fd = s, .events = POLLOUT};

		if (errno != EAGAIN && errno != EINTR)
			return -1;
		if (poll(&pfd, 1, 60000) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct zs_hdtr hdtr = {0};
	struct zs_job job;
	struct iovec head;
	struct stat st;
	char text[128];
	int file, s;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s FILE [PORT]\n", argv[0]);
		return 2;
	}
	file = open(argv[1], O_RDONLY);
	if (file < 0 || fstat(file, &st) < 0)
		die(argv[1]);
	s = client_accept((uint16_t)(argc > 2 ? strtoul(argv[2], NULL, 10) : 0));

	(void)snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\nContent-Length: %" PRId64 "\r\n\r\n",
		(int64_t)st.st_size);
	head.iov_base = text;
	head.iov_len = strlen(text);
	hdtr.headers = &head;
	hdtr.hdr_cnt = 1;
	if (zs_job_init(&job, 0, 0, st.st_size, &hdtr) < 0 || job_finish(&job, file, s) < 0)
		die("sending");
	printf("%" PRId64 " bytes sent%s\n", job.sent, job.nbytes > 0 ? ", the file shrank meanwhile" : "");
	close(s);
	close(file);
	return 0;
}
