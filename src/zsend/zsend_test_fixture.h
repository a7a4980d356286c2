/* What the tests of libzsend share: the ways under test, files, sockets, and the comparison of what
 * arrives. Include after cmocka.h. */
#ifndef ZSEND_TEST_FIXTURE_H
#define ZSEND_TEST_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zsend.h"
#include "zsend/zsend_test_kernel.h"

#define KIB          1024
#define GIB          (INT64_C(1) << 30)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define check(cond, ...)                                                                                     \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			print_error(__VA_ARGS__);                                                            \
			fail();                                                                              \
		}                                                                                            \
	} while (0)

/* ---- The ways under test ---- */

enum { SENDFILE, SPLICE, COPY, WAY_COUNT };

struct way {
	const char *name;
	int64_t (*send)(int out, int in, int64_t *off, size_t n);
	int refuse_sendfile, refuse_splice; /* how zs_bsd() is made to take this way */
	uint32_t cap;
	int kind;
};

/* Walks the ways that this build has. */
const struct way *way_next(const struct way *w);
/* clang-format off */
#define EACH_WAY(w) const struct way *w = way_next(NULL); w != NULL; w = way_next(w)
/* clang-format on */
/* Bend the kernel so that zs_bsd() takes this way, and nothing else. */
void way_take(const struct way *w);

/* ---- Bytes, files, sockets ---- */

extern uint64_t seed; /* of rnd(): the same numbers in every run */
uint32_t rnd(uint32_t below);
void fill(uint8_t *p, size_t n);
extern char content[100]; /* random */

int file_with(const void *data, size_t n); /* in memory, open for both, returned */
int reopened(int fd, int flags);
void nonblock(int fd, bool on);
/* Two connected non-blocking sockets. */
void pair_unix(int sv[2]);
void pair_tcp(int sv[2]);
void buffer(const int sv[2], int bytes);
void close2(const int sv[2]);
void stuff(int s); /* fill a socket until it takes no more */
/* SIGALRM from now on, without SA_RESTART. */
void alarm_every(int us);
void alarm_off(void);

/* What arrived and is expected, compared as it comes. */
struct arrival {
	const uint8_t *want;
	size_t len, got;
};

/* Read up to max bytes that are there. Returns how many. */
size_t arrive(int s, struct arrival *a, size_t max);
/* Wait for the rest, and see that nothing follows. */
void arrive_rest(int s, struct arrival *a);

/* ---- One call and its descriptors ---- */

/* Descriptors of one error case. */
struct fds {
	int out, in, other, more;
	int64_t off, *offp;
	size_t count;
};

/* Ten bytes from content to a Unix socket; the functions below make it fail. */
void base_case(struct fds *f);
void fds_close(struct fds *f);
void in_becomes(struct fds *f, int fd);
void out_becomes(struct fds *f, int fd);
void in_procfs(struct fds *f);
void peer_closed(struct fds *f);

struct CMUnitTest;
/* main() of a test program. */
int zsend_run_tests(const struct CMUnitTest *tests, size_t n);

#endif
