/* What has no cause at hand on every machine: each errno of the manual pages, injected at each step of each way,
 * and what is left of a job after it. Then the corners of flags, vectors and counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "zsend/zsend_test_fixture.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* ---- The Linux model ---- */

/* Reading can fail with these, sending with those; sendfile(2) is both. */
static const int read_errors[] = {EIO, ENOMEM, EOVERFLOW, ENXIO, ESTALE, EINTR};
static const int send_errors[] = {EIO, ENOMEM, EOVERFLOW, EAGAIN, EINTR, EPIPE, ECONNRESET, ETIMEDOUT,
	ENOBUFS, ETXTBSY, EPERM, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ECONNABORTED, EFBIG, ENOSPC};

static enum bent_call sending_call(const struct way *w)
{
	return w->kind == SENDFILE ? BENT_SENDFILE : w->kind == SPLICE ? BENT_SPLICE : BENT_SEND;
}

static void linux_one_error(const struct way *w, enum bent_call call, int e)
{
	struct arrival a = {.want = (const uint8_t *)content, .len = sizeof(content)};
	int64_t off = 0, r;
	int sv[2], in = file_with(content, sizeof(content));

	bent_reset();
	pair_unix(sv);
	bent.fail[call] = e;
	r = w->send(sv[0], in, &off, 50);
	check(r == -1 && errno == e && off == 0, "%s: %lld %s instead of %s, offset %lld\n", w->name,
		(long long)r, strerror(errno), strerror(e), (long long)off);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	r = w->send(sv[0], in, NULL, 50);
	check(r == -1 && errno == e, "%s at the file position: %lld %s\n", w->name, (long long)r,
		strerror(errno));
	assert_int_equal(lseek(in, 0, SEEK_CUR), 0);
	/* what was bad gets good again: nothing was lost or sent twice */
	bent_reset();
	while (off < (int64_t)sizeof(content))
		assert_true(w->send(sv[0], in, &off, 37) > 0);
	arrive_rest(sv[1], &a);
	close2(sv);
	close(in);
}

static void linux_model_passes_every_error_on(void **state)
{
	for (EACH_WAY(w)) {
		for (size_t i = 0; i < ARRAY_LEN(send_errors); i++)
			linux_one_error(w, sending_call(w), send_errors[i]);
		for (size_t i = 0; i < ARRAY_LEN(read_errors) && w->kind == COPY; i++)
			linux_one_error(w, BENT_PREAD, read_errors[i]);
	}
}

/* After the first piece an error is not told: the bytes are. The next call tells it. */
static void linux_model_tells_bytes_before_an_error(void **state)
{
	enum { SIZE = 20000 };
	uint8_t *data = malloc(SIZE);
	int in, sv[2];

	fill(data, SIZE);
	in = file_with(data, SIZE);
	for (EACH_WAY(w)) {
		struct arrival a = {.want = data, .len = SIZE};
		int64_t off = 0, r;

		if (w->kind == SENDFILE)
			continue; /* one system call: the kernel does that */
		bent_reset();
		pair_unix(sv);
		bent.fail[w->kind == COPY ? BENT_PREAD : BENT_SPLICE] = EIO;
		bent.after[w->kind == COPY ? BENT_PREAD : BENT_SPLICE] = w->kind == COPY ? 2 : 1;
		r = w->send(sv[0], in, &off, SIZE);
		if (w->kind == COPY) {
			check(r == 10000 && off == r, "%lld\n", (long long)r);
			assert_int_equal(w->send(sv[0], in, &off, SIZE), -1);
			assert_int_equal(errno, EIO);
			assert_int_equal(off, 10000);
		} else { /* the pipe is full, sending fails: nothing went, and the bytes wait in the pipe */
			assert_int_equal(r, -1);
			assert_int_equal(off, 0);
		}
		bent_reset();
		while (off < SIZE)
			assert_true(w->send(sv[0], in, &off, SIZE) > 0);
		arrive_rest(sv[1], &a);
		close2(sv);
	}
	close(in);
	free(data);
}

static void no_bytes_wanted_is_no_bytes_whatever_else_is_wrong(void **state)
{
	for (EACH_WAY(w)) {
		struct fds f;

		bent_reset();
		base_case(&f);
		f.off = -1;
		assert_int_equal(w->send(f.out, f.in, &f.off, 0), 0);
		assert_int_equal(f.off, -1);
		assert_int_equal(w->send(-1, -1, NULL, 0), 0);
		assert_int_equal(bent.sending, 0);
		fds_close(&f);
	}
}

/* ---- The FreeBSD model ---- */

/* Where in a call it goes wrong. */
enum step { IN_HEADER, IN_FILE, IN_TRAILER };

/* Errors that do not mean "this way is closed": the call ends with them. */
static const int bsd_errors[] = {EIO, ENOMEM, ENOBUFS, EINTR, EAGAIN, EPIPE, ECONNRESET, ETIMEDOUT,
	EHOSTUNREACH, ENETDOWN, ENETUNREACH, ECONNABORTED, ESTALE, ENXIO, EFAULT, EBUSY};

static void bsd_one_error(const struct way *w, enum step step, int e)
{
	enum { H = 7, F = 60, T = 5 };
	struct iovec h = {content, H}, t = {content + 90, T};
	struct zs_hdtr hdtr = {&h, 1, &t, 1};
	uint8_t want[H + F + T];
	struct arrival a = {.want = want, .len = sizeof(want)};
	int sv[2], in = file_with(content, sizeof(content)), r;
	int64_t sbytes = -1, before = step == IN_HEADER ? 0 : step == IN_FILE ? H : H + F;
	struct zs_job job;

	memcpy(want, content, H);
	memcpy(want + H, content + 11, F);
	memcpy(want + H + F, content + 90, T);
	way_take(w);
	if (step == IN_FILE)
		bent.fail[sending_call(w)] = e;
	else {
		bent.fail[BENT_SENDMSG] = e;
		bent.after[BENT_SENDMSG] = step == IN_TRAILER;
	}
	pair_unix(sv);
	assert_int_equal(zs_job_init(&job, 11, F, sizeof(content), &hdtr), 0);
	r = zs_job_send(&job, in, sv[0], &sbytes, 0);
	check(r == -1 && errno == e && sbytes == before, "%s, step %d: %d %s instead of %s, %lld bytes\n",
		w->name, step, r, strerror(errno), strerror(e), (long long)sbytes);
	assert_int_equal(job.sent, before);
	way_take(w);
	assert_int_equal(zs_job_send(&job, in, sv[0], &sbytes, 0), 0);
	assert_int_equal(sbytes, (int64_t)sizeof(want) - before);
	arrive_rest(sv[1], &a);
	close2(sv);
	close(in);
}

static void bsd_model_passes_every_error_on_with_exact_bytes(void **state)
{
	for (EACH_WAY(w))
		for (size_t i = 0; i < ARRAY_LEN(bsd_errors); i++)
			for (int step = IN_HEADER; step <= IN_TRAILER; step++)
				bsd_one_error(w, (enum step)step, bsd_errors[i]);
}

static void reading_errors_end_the_file_part(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(read_errors); i++) {
		struct iovec h = {content, 4};
		struct zs_hdtr hdtr = {&h, 1, &h, 1};
		struct fds f;
		int64_t sbytes;
		int e = read_errors[i];

		bent_reset();
		base_case(&f);
		bent.fail[BENT_SENDFILE] = bent.fail[BENT_SPLICE] = EINVAL;
		bent.fail[BENT_PREAD] = e;
		assert_int_equal(zs_bsd(f.in, f.out, 0, 10, &hdtr, &sbytes, 0), -1);
		assert_int_equal(errno, e);
		assert_int_equal(sbytes, 4);
		fds_close(&f);
	}
}

/* ---- Vectors ---- */

static void as_many_vectors_as_the_system_allows(void **state)
{
	static struct iovec many[IOV_MAX + 1];
	uint8_t want[2 * IOV_MAX + 10];
	struct zs_hdtr hdtr = {many, IOV_MAX, many, IOV_MAX};
	int in = file_with(content, 10);

	for (int i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){content + i % 100, i % 3 == 0 ? 0 : 1};
	for (EACH_WAY(w)) {
		struct arrival a = {.want = want};
		int64_t sbytes;
		int sv[2];

		for (int i = 0; i < IOV_MAX; i++)
			if (i % 3 != 0)
				want[a.len++] = (uint8_t)content[i % 100];
		memcpy(want + a.len, content, 10);
		memcpy(want + a.len + 10, want, a.len);
		a.len = 2 * a.len + 10;
		way_take(w);
		pair_unix(sv);
		assert_int_equal(zs_bsd(in, sv[0], 0, 0, &hdtr, &sbytes, 0), 0);
		assert_int_equal(sbytes, a.len);
		arrive_rest(sv[1], &a);
		hdtr.trl_cnt++;
		assert_int_equal(zs_bsd(in, sv[0], 0, 0, &hdtr, &sbytes, 0), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(sbytes, 0);
		hdtr.trl_cnt--;
		close2(sv);
	}
	close(in);
}

static void behind_the_end_only_vectors_are_sent(void **state)
{
	static const int64_t offsets[] = {100, 101, INT64_C(1) << 40, INT64_MAX};
	static const size_t counts[] = {0, 1, 50, SIZE_MAX};
	struct iovec h = {(char *)"head", 4}, t = {(char *)"tail", 4}, none = {NULL, 0};
	struct zs_hdtr both = {&h, 1, &t, 1}, only_head = {&h, 1, NULL, 0}, only_tail = {NULL, 0, &t, 1},
		       nothing = {&none, 1, &none, 1};
	const struct {
		struct zs_hdtr *hdtr;
		const char *want;
	} rows[] = {
		{&both, "headtail"}, {&only_head, "head"}, {&only_tail, "tail"}, {&nothing, ""}, {NULL, ""}};

	for (EACH_WAY(w))
		for (size_t i = 0; i < ARRAY_LEN(rows) * 16; i++) {
			struct arrival a = {
				.want = (const uint8_t *)rows[i / 16].want, .len = strlen(rows[i / 16].want)};
			struct fds f;
			int64_t sbytes = -1;

			way_take(w);
			base_case(&f);
			assert_int_equal(zs_bsd(f.in, f.out, offsets[i % 4], counts[i / 4 % 4],
						 rows[i / 16].hdtr, &sbytes, 0),
				0);
			assert_int_equal(sbytes, a.len);
			arrive_rest(f.other, &a);
			fds_close(&f);
		}
}

/* A header that is as large as the room leaves the file for the next call, and so on: with a real socket. */
static void headers_larger_than_the_socket_arrive_in_order(void **state)
{
	enum { BIG = 300000 };
	uint8_t *data = malloc(3 * BIG);
	int in;

	fill(data, 3 * BIG);
	in = file_with(data + BIG, BIG);
	for (EACH_WAY(w))
		for (int tcp = 0; tcp < 2; tcp++) {
			struct iovec h = {data, BIG}, t = {data + 2 * BIG, BIG};
			struct zs_hdtr hdtr = {&h, 1, &t, 1};
			struct arrival a = {.want = data, .len = 3 * BIG};
			struct zs_job job;
			int64_t sbytes;
			int sv[2];

			way_take(w);
			(tcp ? pair_tcp : pair_unix)(sv);
			buffer(sv, 1); /* the kernel makes that its least */
			assert_int_equal(zs_job_init(&job, 0, BIG, BIG, &hdtr), 0);
			while (zs_job_send(&job, in, sv[0], &sbytes, 0) < 0) {
				assert_int_equal(errno, EAGAIN);
				arrive(sv[1], &a, 1 + rnd(40000));
			}
			assert_int_equal(job.sent, 3 * BIG);
			arrive_rest(sv[1], &a);
			close2(sv);
		}
	close(in);
	free(data);
}

/* ---- Flags ---- */

static void user_readahead_asks_for_as_many_pages(void **state)
{
	const int64_t page = sysconf(_SC_PAGESIZE);
	struct fds f;

	static const struct {
		int flags;
		off_t len;
	} rows[] = {{0, 0}, {ZS_FLAGS(16, 0), 0}, {ZS_FLAGS(0, ZS_USER_READAHEAD), 0},
		{ZS_FLAGS(16, ZS_USER_READAHEAD), 16}, {ZS_FLAGS(65535, ZS_USER_READAHEAD), 65535}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bent_reset();
		base_case(&f);
		assert_int_equal(zs_bsd(f.in, f.out, 5, 10, NULL, NULL, rows[i].flags), 0);
		assert_int_equal(bent.calls[BENT_FADVISE], rows[i].len != 0);
		if (rows[i].len != 0) {
			assert_int_equal(bent.advice, POSIX_FADV_WILLNEED);
			assert_int_equal(bent.advice_off, 5);
			assert_int_equal(bent.advice_len, rows[i].len * page);
		}
		fds_close(&f);
	}
}

static void nocache_forgets_whole_pages_only(void **state)
{
	const int64_t page = sysconf(_SC_PAGESIZE), size = 10 * page + 77;
	const struct {
		int64_t off;
		size_t n;
		int64_t from, len; /* advised; len 0: nothing */
	} rows[] = {{0, 10, 0, 0}, {0, (size_t)page, 0, page}, {5, (size_t)(2 * page), 0, 2 * page},
		{page - 1, 2, 0, page}, {3 * page, (size_t)(page + 9), 3 * page, page},
		{9 * page, 0, 9 * page, page + 77}, {size, 0, 0, 0}};
	uint8_t *data = malloc((size_t)size);
	int in;

	fill(data, (size_t)size);
	in = file_with(data, (size_t)size);
	for (EACH_WAY(w))
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			int sv[2];

			way_take(w);
			pair_unix(sv);
			assert_int_equal(
				zs_bsd(in, sv[0], rows[i].off, rows[i].n, NULL, NULL, ZS_NOCACHE), 0);
			check(bent.calls[BENT_FADVISE] == (rows[i].len != 0), "row %zu: %u calls\n", i,
				bent.calls[BENT_FADVISE]);
			if (rows[i].len != 0) {
				assert_int_equal(bent.advice, POSIX_FADV_DONTNEED);
				check(bent.advice_off == rows[i].from && bent.advice_len == rows[i].len,
					"row %zu: %lld bytes from %lld\n", i, (long long)bent.advice_len,
					(long long)bent.advice_off);
			}
			close2(sv);
		}
	close(in);
	free(data);
}

/* What was sent with ZS_SYNC is what the file held then, whatever is written to it before the peer reads. */
static void sync_protects_what_was_sent_from_later_writes(void **state)
{
	enum { SIZE = 64 * KIB };
	uint8_t *data = malloc(SIZE), *other = malloc(SIZE);
	struct arrival a = {.want = data, .len = SIZE};
	int sv[2], in;
	int64_t sbytes;

	fill(data, SIZE);
	memset(other, '!', SIZE);
	in = file_with(data, SIZE);
	bent_reset();
	pair_tcp(sv);
	assert_int_equal(zs_bsd(in, sv[0], 0, 0, NULL, &sbytes, ZS_SYNC), 0);
	assert_int_equal(sbytes, SIZE);
	assert_int_equal(pwrite(in, other, SIZE, 0), SIZE);
	arrive_rest(sv[1], &a);
	close2(sv);
	close(in);
	free(data);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_model_passes_every_error_on),
		cmocka_unit_test(linux_model_tells_bytes_before_an_error),
		cmocka_unit_test(no_bytes_wanted_is_no_bytes_whatever_else_is_wrong),
		cmocka_unit_test(bsd_model_passes_every_error_on_with_exact_bytes),
		cmocka_unit_test(reading_errors_end_the_file_part),
		cmocka_unit_test(as_many_vectors_as_the_system_allows),
		cmocka_unit_test(behind_the_end_only_vectors_are_sent),
		cmocka_unit_test(headers_larger_than_the_socket_arrive_in_order),
		cmocka_unit_test(user_readahead_asks_for_as_many_pages),
		cmocka_unit_test(nocache_forgets_whole_pages_only),
		cmocka_unit_test(sync_protects_what_was_sent_from_later_writes),
	};

	return zsend_run_tests(tests, ARRAY_LEN(tests));
}
