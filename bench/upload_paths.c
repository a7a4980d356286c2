/* What taking a file from a socket costs, by the way of taking it: the measurement behind the constants of
 * src/session/slice_recv.c. See bench/upload_paths.sh.
 *
 *   upload_paths [-m MiB] [-r rounds] [-d folder]...
 *
 * A child sends over loopback TCP; this process receives into a new file in each folder and counts its own CPU
 * time (the sender's, and what the kernel's threads write back later, is not in it). Like the server it waits in
 * poll() and then takes until the socket is empty. The ways take turns in every round, so that a slow moment of
 * the machine hits all of them. Printed for each: CPU seconds for 1 GiB, median [least..most], the waits for
 * 1 GiB, and the speed of the median round. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KI          ((size_t)1024)
#define MI          (1024 * KI)
#define ROUNDS_MAX  99
#define FOLDERS_MAX 8
#define SEND_PIECE  (256 * KI)

enum way { BY_COPY, BY_SPLICE, BY_DISCARD };

struct variant {
	const char *name;
	enum way way;
	size_t size;   /* bytes of buffer or pipe */
	size_t lowat;  /* SO_RCVLOWAT in bytes, 0 = as it is */
	bool allocate; /* fallocate(2) the whole file first */
};

static const struct variant variants[] = {
	{"discard (MSG_TRUNC)", BY_DISCARD, 256 * KI, 0, false},
	{"copy 64K", BY_COPY, 64 * KI, 0, false},
	{"copy 256K", BY_COPY, 256 * KI, 0, false},
	{"copy 1M", BY_COPY, MI, 0, false},
	{"copy 64K lowat 256K", BY_COPY, 64 * KI, 256 * KI, false},
	{"copy 256K lowat 256K", BY_COPY, 256 * KI, 256 * KI, false},
	{"copy 256K lowat 512K", BY_COPY, 256 * KI, 512 * KI, false},
	{"copy 1M lowat 512K", BY_COPY, MI, 512 * KI, false},
	{"copy 256K fallocate", BY_COPY, 256 * KI, 0, true},
	{"copy 256K lowat 256K fallocate", BY_COPY, 256 * KI, 256 * KI, true},
	{"splice 64K", BY_SPLICE, 64 * KI, 0, false},
	{"splice 256K", BY_SPLICE, 256 * KI, 0, false},
	{"splice 1M", BY_SPLICE, MI, 0, false},
	{"splice 64K lowat 256K", BY_SPLICE, 64 * KI, 256 * KI, false},
	{"splice 256K lowat 256K", BY_SPLICE, 256 * KI, 256 * KI, false},
	{"splice 1M lowat 256K", BY_SPLICE, MI, 256 * KI, false},
	{"splice 1M lowat 512K", BY_SPLICE, MI, 512 * KI, false},
	{"splice 1M lowat 1M", BY_SPLICE, MI, MI, false},
	{"splice 1M fallocate", BY_SPLICE, MI, 0, true},
	{"splice 1M lowat 512K fallocate", BY_SPLICE, MI, 512 * KI, true},
};
#define N_VARIANTS (sizeof variants / sizeof variants[0])

struct run {
	double cpu_s, wall_s;
	unsigned long waits;
};

static struct run runs[FOLDERS_MAX][N_VARIANTS][ROUNDS_MAX];
static bool refused[FOLDERS_MAX][N_VARIANTS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts); /* these clocks are always there */
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Use one processor if there is more than one, so that both sides have their own. */
static void pin(int cpu)
{
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof set, &set); /* the figures are only less steady without */
}

static void send_all(uint16_t port, uint64_t total)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *buf = malloc(SEND_PIECE);
	ssize_t n;

	pin(1);
	if (s < 0 || !buf || connect(s, (const struct sockaddr *)(const void *)&to, sizeof to) < 0)
		die("sender");
	memset(buf, 'x', SEND_PIECE);
	while (total > 0) {
		n = send(s, buf, total < SEND_PIECE ? (size_t)total : SEND_PIECE, MSG_NOSIGNAL);
		if (n < 0)
			break; /* the receiver gave up and says why */
		total -= (uint64_t)n;
	}
	free(buf);
	close(s);
}

/* A connection that brings total bytes. Returns its socket, non-blocking, and the sender's process. */
static int connection(uint64_t total, pid_t *ret_sender)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	int lis = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), s;

	if (lis < 0 || bind(lis, (const struct sockaddr *)(const void *)&at, len) < 0 || listen(lis, 1) < 0 ||
		getsockname(lis, (struct sockaddr *)(void *)&at, &len) < 0)
		die("listen");
	*ret_sender = fork();
	if (*ret_sender < 0)
		die("fork");
	if (*ret_sender == 0) {
		close(lis);
		send_all(at.sin_port, total);
		_exit(0);
	}
	s = accept4(lis, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (s < 0)
		die("accept");
	close(lis);
	return s;
}

/* Each takes what is there, writes it at *at and advances that. Returns the bytes, 0 at the end, -errno. */
static ssize_t take_copy(int s, int file, uint64_t *at, char *buf, size_t size)
{
	ssize_t n = recv(s, buf, size, MSG_DONTWAIT), w;

	for (ssize_t done = 0; done < n; done += w) {
		w = pwrite(file, buf + done, (size_t)(n - done), (off_t)*at);
		if (w < 0)
			return -errno;
		*at += (uint64_t)w;
	}
	return n < 0 ? -errno : n;
}

static ssize_t take_splice(int s, int file, uint64_t *at, const int pipe[2], size_t size)
{
	ssize_t n = splice(s, NULL, pipe[1], NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK), w;
	off_t off = (off_t)*at;

	for (ssize_t done = 0; done < n; done += w) {
		w = splice(pipe[0], NULL, file, &off, (size_t)(n - done), SPLICE_F_MOVE);
		if (w < 0)
			return -errno;
	}
	*at = (uint64_t)off;
	return n < 0 ? -errno : n;
}

static ssize_t take(const struct variant *v, int s, int file, uint64_t *at, char *buf, const int pipe[2])
{
	ssize_t n;

	if (v->way == BY_COPY)
		return take_copy(s, file, at, buf, v->size);
	if (v->way == BY_SPLICE)
		return take_splice(s, file, at, pipe, v->size);
	n = recv(s, NULL, v->size, MSG_DONTWAIT | MSG_TRUNC);
	*at += n > 0 ? (uint64_t)n : 0;
	return n < 0 ? -errno : n;
}

/* Returns 0, or a positive errno when this way does not work there. */
static int receive(const struct variant *v, int s, int file, char *buf, const int pipe[2], struct run *run)
{
	struct pollfd pfd = {.fd = s, .events = POLLIN};
	uint64_t at = 0;
	ssize_t n;

	do {
		run->waits++;
		if (poll(&pfd, 1, -1) < 0)
			return errno;
		do
			n = take(v, s, file, &at, buf, pipe);
		while (n > 0);
	} while (n == -EAGAIN);
	return (int)-n;
}

static int measure(const struct variant *v, const char *folder, uint64_t total, struct run *run)
{
	char path[4096], *buf = malloc(v->size);
	int pipe[2] = {-1, -1}, lowat = (int)v->lowat, file, s, r = 0;
	double cpu, wall;
	pid_t sender;

	(void)snprintf(path, sizeof path, "%s/upload_paths.%d", folder, (int)getpid());
	file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!buf || file < 0)
		die(path);
	(void)unlink(path); /* it goes when it is closed */
	if (v->way == BY_SPLICE &&
		(pipe2(pipe, O_CLOEXEC) < 0 || fcntl(pipe[1], F_SETPIPE_SZ, (int)v->size) < 0))
		die("pipe");
	s = connection(total, &sender);
	memset(run, 0, sizeof *run);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
	if (v->allocate && fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)total) < 0)
		r = errno;
	if (lowat && setsockopt(s, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof lowat) < 0)
		r = errno;
	if (r == 0)
		r = receive(v, s, file, buf, pipe, run);
	run->cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	run->wall_s = seconds(CLOCK_MONOTONIC) - wall;
	close(s);
	(void)waitpid(sender, NULL, 0); /* it is ours and ends when the socket does */
	if (pipe[0] >= 0) {
		close(pipe[0]);
		close(pipe[1]);
	}
	close(file);
	free(buf);
	return r;
}

static int by_cpu(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->cpu_s > y->cpu_s) - (x->cpu_s < y->cpu_s);
}

static void print(const char *folder, unsigned f, unsigned rounds, uint64_t total)
{
	double gib = (double)total / (double)(1024 * MI);
	const struct run *r;

	printf("\n%s\n%-32s %-24s %9s %7s\n", folder, "way", "CPU-s/GiB", "waits/GiB", "MiB/s");
	for (size_t i = 0; i < N_VARIANTS; i++) {
		if (refused[f][i]) {
			printf("%-32s not possible here\n", variants[i].name);
			continue;
		}
		qsort(runs[f][i], rounds, sizeof runs[f][i][0], by_cpu);
		r = runs[f][i];
		printf("%-32s %.3f [%.3f..%.3f]    %9.0f %7.0f\n", variants[i].name,
			r[rounds / 2].cpu_s / gib, r[0].cpu_s / gib, r[rounds - 1].cpu_s / gib,
			(double)r[rounds / 2].waits / gib, (double)total / (double)MI / r[rounds / 2].wall_s);
	}
}

static unsigned number(const char *text, unsigned most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > most) {
		(void)fprintf(stderr, "upload_paths: '%s' is not a number from 1 to %u\n", text, most);
		exit(2);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	const char *folders[FOLDERS_MAX];
	unsigned rounds = 5, n_folders = 0;
	uint64_t total = 512 * MI;
	int opt, r;

	while ((opt = getopt(argc, argv, "m:r:d:")) != -1) {
		if (opt == 'm')
			total = number(optarg, 1024 * 1024) * (uint64_t)MI;
		else if (opt == 'r')
			rounds = number(optarg, ROUNDS_MAX);
		else if (opt == 'd' && n_folders < FOLDERS_MAX)
			folders[n_folders++] = optarg;
		else {
			(void)fprintf(stderr, "usage: upload_paths [-m MiB] [-r rounds] [-d folder]...\n");
			return 2;
		}
	}
	if (n_folders == 0)
		folders[n_folders++] = ".";
	(void)signal(SIGPIPE, SIG_IGN);
	pin(0);
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned f = 0; f < n_folders; f++)
			for (size_t i = 0; i < N_VARIANTS; i++) {
				r = measure(&variants[i], folders[f], total, &runs[f][i][round]);
				refused[f][i] = refused[f][i] || r != 0;
			}
	printf("%llu MiB, %u rounds\n", (unsigned long long)(total / MI), rounds);
	for (unsigned f = 0; f < n_folders; f++)
		print(folders[f], f, rounds, total);
	return 0;
}
