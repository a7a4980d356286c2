/* Partial sends: the rows of zs_bsd() and its bookkeeping at every room a socket can have, then random
 * jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "zsend/zsend_test_fixture.h"

/* ---- Partial sends: every room from nothing to all, for every shape of a job ---- */

#define HEAD_MAX 9
#define FILE_LEN 40

/* A job over three header vectors (one of them empty), FILE_LEN bytes of file, two trailer vectors. */
struct shape {
	int64_t head, file, tail; /* bytes */
	int64_t offset;
	bool to_eof; /* nbytes is passed as 0 */
	uint8_t bytes[64];
	uint8_t want[128];
	struct iovec hv[3], tv[2];
	struct zs_hdtr hdtr;
};

static void shape_build(struct shape *s, const uint8_t *file)
{
	uint8_t *p = s->bytes;

	fill(p, sizeof(s->bytes));
	s->hv[0] = (struct iovec){p, (size_t)s->head / 3};
	s->hv[1] = (struct iovec){p + 20, 0};
	s->hv[2] = (struct iovec){p + s->head / 3, (size_t)(s->head - s->head / 3)};
	s->tv[0] = (struct iovec){p + 30, (size_t)s->tail / 2};
	s->tv[1] = (struct iovec){p + 30 + s->tail / 2, (size_t)(s->tail - s->tail / 2)};
	s->hdtr = (struct zs_hdtr){s->hv, 3, s->tv, 2};
	memcpy(s->want, p, (size_t)s->head);
	memcpy(s->want + s->head, file + s->offset, (size_t)s->file);
	memcpy(s->want + s->head + s->file, p + 30, (size_t)s->tail);
}

/* What zs_resume() must say after room bytes: the table of partial sends. */
static enum zs_left left_after(const struct shape *s, int64_t room)
{
	if (room >= s->head + s->file + s->tail)
		return ZS_DONE;
	return s->file > 0 && room < s->head + s->file ? ZS_MORE : ZS_HDTR_ONLY;
}

static void one_room(const struct way *w, struct shape *s, int in, const uint8_t *file, int64_t room)
{
	int64_t all = s->head + s->file + s->tail, sbytes = -1, want = room < all ? room : all;
	struct arrival a = {.want = s->want, .len = (size_t)all};
	struct zs_job job;
	int sv[2], r;

	way_take(w);
	bent.room = room;
	pair_unix(sv);
	shape_build(s, file);
	assert_int_equal(
		zs_job_init(&job, s->offset, s->to_eof ? 0 : (size_t)s->file, FILE_LEN, &s->hdtr), 0);
	r = zs_bsd(in, sv[0], s->offset, s->to_eof ? 0 : (size_t)s->file, &s->hdtr, &sbytes, 0);
	check(sbytes == want && (room < all ? r == -1 && errno == EAGAIN : r == 0),
		"%s H=%lld F=%lld T=%lld R=%lld: %d %s, %lld bytes\n", w->name, (long long)s->head,
		(long long)s->file, (long long)s->tail, (long long)room, r, strerror(errno),
		(long long)sbytes);
	assert_int_equal(zs_resume(&job, sbytes), left_after(s, room));
	if (room < s->head)
		assert_int_equal(job.offset, s->offset);
	else if (room <= s->head + s->file)
		assert_int_equal(job.offset, s->offset + room - s->head);
	assert_int_equal(job.sent, want);

	bent.room = -1;
	assert_int_equal(zs_job_send(&job, in, sv[0], &sbytes, 0), 0);
	assert_int_equal(sbytes, all - want);
	assert_int_equal(job.sent, all);
	assert_int_equal(job.nbytes, 0);
	arrive_rest(sv[1], &a);
	close2(sv);
}

static void every_row_of_partial_sends_at_every_room(void **state)
{
	static const int64_t heads[] = {0, 1, HEAD_MAX}, files[] = {0, 1, 17}, tails[] = {0, 1, 5};
	uint8_t file[FILE_LEN];
	int in;

	fill(file, sizeof(file));
	in = file_with(file, sizeof(file));
	for (EACH_WAY(w))
		for (int i = 0; i < 3 * 3 * 3 * 2; i++) {
			struct shape s = {.head = heads[i % 3],
				.file = files[i / 3 % 3],
				.tail = tails[i / 9 % 3],
				.to_eof = i / 27 == 1};

			if (s.file == 0)
				s.to_eof = true; /* only at end of file can the file part be empty */
			s.offset = s.to_eof ? FILE_LEN - s.file : 2;
			for (int64_t room = 0; room <= s.head + s.file + s.tail + 1; room++)
				one_room(w, &s, in, file, room);
		}
	close(in);
}

static void sends_in_dribbles(void **state)
{
	uint8_t file[FILE_LEN];
	int in;

	fill(file, sizeof(file));
	in = file_with(file, sizeof(file));
	for (EACH_WAY(w))
		for (int64_t room = 1; room <= 12; room++) {
			struct shape s = {.head = 9, .file = 17, .tail = 5, .offset = 4};
			struct arrival a = {.want = s.want, .len = 31};
			int64_t total = 0, sbytes;
			struct zs_job job;
			int sv[2], r;

			way_take(w);
			pair_unix(sv);
			shape_build(&s, file);
			assert_int_equal(zs_job_init(&job, s.offset, 17, FILE_LEN, &s.hdtr), 0);
			do {
				bent.room = room;
				r = zs_job_send(&job, in, sv[0], &sbytes, 0);
				assert_int_equal(sbytes, total + room < 31 ? room : 31 - total);
				total += sbytes;
				assert_int_equal(job.sent, total);
			} while (r < 0 && errno == EAGAIN);
			assert_int_equal(r, 0);
			arrive_rest(sv[1], &a);
			close2(sv);
		}
	close(in);
}

/* Counting nbytes down to 0 would turn "none left" into "until end of file": the file goes on behind the
 * range. */
static void nbytes_counted_down_to_zero_is_not_until_end_of_file(void **state)
{
	uint8_t file[FILE_LEN];
	int in;

	fill(file, sizeof(file));
	in = file_with(file, sizeof(file));
	for (EACH_WAY(w)) {
		struct shape s = {.head = 3, .file = 10, .tail = 5};
		struct arrival a = {.want = s.want, .len = 18};
		struct zs_job job;
		int64_t sbytes;
		int sv[2];

		way_take(w);
		pair_unix(sv);
		shape_build(&s, file);
		assert_int_equal(zs_job_init(&job, 0, 10, FILE_LEN, &s.hdtr), 0);
		bent.room = 13;
		assert_int_equal(zs_job_send(&job, in, sv[0], NULL, 0), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(job.nbytes, 0);
		assert_int_equal(zs_resume(&job, 0), ZS_HDTR_ONLY);
		for (bent.room = 0; zs_job_send(&job, in, sv[0], &sbytes, 0) < 0; bent.room = 1)
			assert_in_range(sbytes, 0, 1);
		assert_int_equal(zs_job_send(&job, in, sv[0], &sbytes, 0), 0); /* done, and stays done */
		assert_int_equal(sbytes, 0);
		arrive_rest(sv[1], &a);
		close2(sv);
	}
	close(in);
}

static void resume_refuses_impossible_counts(void **state)
{
	struct iovec h = {content, 4}, t = {content, 2};
	struct zs_hdtr hdtr = {&h, 1, &t, 1};
	struct zs_job job, before;

	assert_int_equal(zs_job_init(&job, 0, 10, 100, &hdtr), 0);
	before = job;
	assert_int_equal(zs_resume(&job, -1), -EINVAL);
	assert_int_equal(zs_resume(&job, 17), -EINVAL);
	assert_memory_equal(&job, &before, sizeof(job));
	assert_int_equal(zs_resume(&job, 16), ZS_DONE);
	assert_int_equal(zs_resume(&job, 1), -EINVAL);
	assert_int_equal(zs_job_init(&job, -1, 0, 100, NULL), -EINVAL);
	assert_int_equal(zs_job_init(&job, 0, 0, -1, NULL), -EINVAL);
	hdtr.hdr_cnt = -1;
	assert_int_equal(zs_job_init(&job, 0, 0, 100, &hdtr), -EINVAL);
	assert_int_equal(zs_job_init(&job, 200, 0, 100, NULL), 0);
	assert_int_equal(zs_resume(&job, 0), ZS_DONE);
}

static void file_that_shrank_ends_early_and_trailers_follow(void **state)
{
	for (EACH_WAY(w)) {
		struct iovec t = {(char *)"the end", 7};
		struct zs_hdtr hdtr = {NULL, 0, &t, 1};
		struct arrival a = {.want = (const uint8_t *)"0123the end", .len = 11};
		struct zs_job job;
		int sv[2], in = file_with("0123456789", 10);

		way_take(w);
		pair_unix(sv);
		assert_int_equal(zs_job_init(&job, 0, 0, 10, &hdtr), 0);
		assert_int_equal(ftruncate(in, 4), 0);
		bent.room = 6;
		assert_int_equal(zs_job_send(&job, in, sv[0], NULL, 0), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(pwrite(in, "456789", 6, 4), 6); /* too late: trailers are under way */
		bent.room = -1;
		assert_int_equal(zs_job_send(&job, in, sv[0], NULL, 0), 0);
		assert_int_equal(job.nbytes, 6);
		assert_true(job.file_done);
		arrive_rest(sv[1], &a);
		close2(sv);
		close(in);
	}
}

static void blocking_send_tells_bytes_and_interruption(void **state)
{
	enum { SIZE = 32 << 20 };
	char *data = calloc(1, SIZE);
	int in = file_with(data, SIZE);

	for (EACH_WAY(w)) {
		int64_t sbytes = 0;
		int sv[2], e, r;

		way_take(w);
		pair_tcp(sv);
		buffer(sv, 64 * KIB);
		nonblock(sv[0], false);
		alarm_every(100000);
		r = zs_bsd(in, sv[0], 0, 0, NULL, &sbytes, 0);
		e = errno;
		alarm_off();
		check(r == -1 && e == EINTR && sbytes > 0 && sbytes < SIZE, "%s: %d %s %lld\n", w->name, r,
			strerror(e), (long long)sbytes);
		if (w->kind == SENDFILE) /* once more would have waited for the next signal */
			assert_int_equal(bent.calls[BENT_SENDFILE], 1);
		close2(sv);
	}
	close(in);
	free(data);
}

/* ---- Random jobs over real sockets with tiny buffers and a bad-tempered kernel ---- */

struct random_job {
	uint8_t *bytes, *want; /* vectors; what must arrive */
	struct iovec hv[20], tv[20];
	struct zs_hdtr hdtr;
	size_t head, tail, size, offset, nbytes, file; /* bytes; nbytes as passed, file as sent */
	uint8_t *data;
	int in;
};

static size_t random_vectors(uint8_t *bytes, struct iovec *v, int *cnt)
{
	size_t n = 0;

	*cnt = (int)rnd(21);
	for (int i = 0; i < *cnt; i++) {
		size_t len = rnd(3) == 0 ? 0 : rnd(rnd(2) == 0 ? 30 : 3000);

		v[i] = (struct iovec){bytes + n, len};
		n += len;
	}
	return n;
}

static void random_job_make(struct random_job *j)
{
	enum { PART = 20 * 3000 };
	size_t avail;

	j->bytes = malloc(2 * PART);
	fill(j->bytes, 2 * PART);
	j->head = random_vectors(j->bytes, j->hv, &j->hdtr.hdr_cnt);
	j->tail = random_vectors(j->bytes + PART, j->tv, &j->hdtr.trl_cnt);
	j->hdtr.headers = j->hv;
	j->hdtr.trailers = j->tv;
	j->size = rnd(rnd(2) == 0 ? 5000 : 150000);
	j->offset = rnd((uint32_t)j->size + 100);
	j->nbytes = rnd(3) == 0 ? 0 : rnd((uint32_t)j->size + 1000);
	j->data = malloc(j->size + 1);
	fill(j->data, j->size);
	j->in = file_with(j->data, j->size);
	avail = j->offset < j->size ? j->size - j->offset : 0;
	j->file = j->nbytes == 0 || j->nbytes > avail ? avail : j->nbytes;
	j->want = malloc(j->head + j->file + j->tail + 1);
	memcpy(j->want, j->bytes, j->head);
	memcpy(j->want + j->head, j->data + (avail > 0 ? j->offset : 0), j->file);
	memcpy(j->want + j->head + j->file, j->bytes + PART, j->tail);
}

static void random_job_free(struct random_job *j)
{
	free(j->bytes);
	free(j->data);
	free(j->want);
	close(j->in);
}

static void random_kernel(void)
{
	bent.eintr_every = rnd(3) == 0 ? 2 + rnd(5) : 0;
	bent.eagain_every = rnd(3) == 0 ? 2 + rnd(5) : 0;
	bent.step = rnd(4) == 0 ? 1 + rnd(700) : 0;
}

static void send_random_job(const struct way *w, struct random_job *j)
{
	struct arrival a = {.want = j->want, .len = j->head + j->file + j->tail};
	int64_t total = 0, sbytes;
	struct zs_job job;
	int sv[2], r;

	way_take(w);
	(rnd(2) == 0 ? pair_tcp : pair_unix)(sv);
	buffer(sv, (int)(1 + rnd(32 * KIB)));
	random_kernel();
	assert_int_equal(zs_job_init(&job, (int64_t)j->offset, j->nbytes, (int64_t)j->size, &j->hdtr), 0);
	for (;;) {
		r = zs_job_send(&job, j->in, sv[0], &sbytes, rnd(4) == 0 ? ZS_NOSIGPIPE : 0);
		total += sbytes;
		assert_int_equal(job.sent, total);
		if (r == 0)
			break;
		check(errno == EAGAIN || errno == EINTR, "%s: %s\n", w->name, strerror(errno));
		arrive(sv[1], &a, 1 + rnd(20000));
	}
	assert_int_equal(total, a.len);
	arrive_rest(sv[1], &a);
	close2(sv);
}

static void random_jobs_arrive_byte_for_byte(void **state)
{
	for (uint64_t s = 1; s <= 250; s++)
		for (EACH_WAY(w)) {
			struct random_job j = {0};

			seed = s * 7919;
			random_job_make(&j);
			send_random_job(w, &j);
			random_job_free(&j);
		}
}

static void random_slices_of_the_linux_model_arrive(void **state)
{
	for (uint64_t s = 1; s <= 150; s++)
		for (EACH_WAY(w)) {
			struct random_job j = {0};
			struct arrival a;
			int64_t off, end;
			int sv[2];

			seed = s * 104729;
			random_job_make(&j);
			bent_reset();
			(rnd(2) == 0 ? pair_tcp : pair_unix)(sv);
			buffer(sv, (int)(1 + rnd(32 * KIB)));
			random_kernel();
			off = (int64_t)j.offset;
			end = off + (int64_t)j.file;
			a = (struct arrival){.want = j.want + j.head, .len = j.file};
			while (off < end) {
				int64_t before = off, n = end - off;
				int64_t r = w->send(sv[0], j.in, &off, 1 + rnd((uint32_t)n));

				assert_int_equal(off, before + (r > 0 ? r : 0));
				check(r > 0 || (r == -1 && (errno == EAGAIN || errno == EINTR)),
					"%s: %lld %s\n", w->name, (long long)r, strerror(errno));
				if (r < 0)
					arrive(sv[1], &a, 1 + rnd(20000));
			}
			arrive_rest(sv[1], &a);
			close2(sv);
			random_job_free(&j);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_partial_sends_at_every_room),
		cmocka_unit_test(sends_in_dribbles),
		cmocka_unit_test(nbytes_counted_down_to_zero_is_not_until_end_of_file),
		cmocka_unit_test(resume_refuses_impossible_counts),
		cmocka_unit_test(file_that_shrank_ends_early_and_trailers_follow),
		cmocka_unit_test(blocking_send_tells_bytes_and_interruption),
		cmocka_unit_test(random_jobs_arrive_byte_for_byte),
		cmocka_unit_test(random_slices_of_the_linux_model_arrive),
	};

	return zsend_run_tests(tests, ARRAY_LEN(tests));
}
