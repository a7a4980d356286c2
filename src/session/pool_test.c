/* The thread pool: nothing is lost, and what hangs in one place does not hold up others. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "session/pool.h"
#include "vfs/map.h"

#define BASE 3

struct work {
	struct pool_task task;
	uint64_t place;
	sem_t *gate; /* work() hangs until it may pass; NULL = it does not */
	unsigned runs, again;
	bool done;
};

static uv_loop_t loop;
static struct pool *pool;
static atomic_uint running, most, total;
static unsigned done_count;
static pthread_t loop_thread;

static void work(struct pool_task *t)
{
	struct work *w = t->arg;
	unsigned n = atomic_fetch_add(&running, 1) + 1, before = atomic_load(&most);

	assert_false(pthread_equal(pthread_self(), loop_thread));
	while (n > before && !atomic_compare_exchange_weak(&most, &before, n))
		;
	if (w->gate)
		while (sem_wait(w->gate) < 0 && errno == EINTR)
			;
	w->runs++;
	atomic_fetch_sub(&running, 1);
	atomic_fetch_add(&total, 1);
}

static void done(struct pool_task *t)
{
	struct work *w = t->arg;

	assert_true(pthread_equal(pthread_self(), loop_thread));
	if (w->again > 0) {
		w->again--;
		pool_add(pool, t);
		return;
	}
	w->done = true;
	done_count++;
}

static uint64_t place(const struct pool_task *t)
{
	const struct work *w = t->arg;

	return w->place;
}

static void add(struct work *w)
{
	w->task = (struct pool_task){.work = work, .done = done, .place = w->place ? place : NULL, .arg = w};
	pool_add(pool, &w->task);
}

static void until_done(unsigned n)
{
	while (done_count < n)
		(void)uv_run(&loop, UV_RUN_ONCE);
}

static void until_running(unsigned n)
{
	while (atomic_load(&running) < n)
		(void)uv_run(&loop, UV_RUN_ONCE); /* the tick wakes it */
}

static int setup(void **state)
{
	loop_thread = pthread_self();
	running = most = total = done_count = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(pool_new(&loop, BASE, &pool), 0);
	return 0;
}

static int teardown(void **state)
{
	pool_free(&pool);
	assert_null(pool);
	while (uv_loop_close(&loop) == UV_EBUSY)
		(void)uv_run(&loop, UV_RUN_ONCE);
	return 0;
}

static void every_task_runs_once_and_ends_on_the_loop(void **state)
{
	struct work w[200] = {0};

	assert_int_equal(pool_threads(pool), 0); /* none before there is work */
	for (unsigned i = 0; i < 200; i++) {
		w[i].place = i % 5;
		add(&w[i]);
	}
	until_done(200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(w[i].runs, 1);
	assert_in_range(pool_threads(pool), 1, POOL_THREADS_MAX);
}

static void a_task_may_be_added_again_from_its_end(void **state)
{
	struct work w = {.again = 50};

	add(&w);
	until_done(1);
	assert_int_equal(w.runs, 51);
}

static void work_that_comes_together_runs_together(void **state)
{
	struct work w[BASE] = {0};
	sem_t gate;

	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (unsigned round = 1; round <= 2; round++) { /* new threads, then idle ones */
		for (unsigned i = 0; i < BASE; i++) {
			w[i].gate = &gate;
			add(&w[i]);
		}
		while (atomic_load(&running) < BASE)
			(void)sched_yield();
		for (unsigned i = 0; i < BASE; i++)
			(void)sem_post(&gate);
		until_done(BASE * round);
	}
	(void)sem_destroy(&gate);
}

static void a_place_that_hangs_leaves_threads_to_others(void **state)
{
	struct work slow[20] = {0}, other[5] = {0};
	sem_t gate;

	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (unsigned i = 0; i < 20; i++) {
		slow[i].place = 7;
		slow[i].gate = &gate;
		add(&slow[i]);
	}
	for (unsigned i = 0; i < 5; i++) {
		other[i].place = i + 100;
		add(&other[i]);
		until_done(i + 1);
		assert_true(other[i].done);
	}
	assert_int_equal(atomic_load(&running), BASE); /* no more of the place that hangs */
	for (unsigned i = 0; i < 20; i++)
		(void)sem_post(&gate);
	until_done(25);
	assert_int_equal(atomic_load(&total), 25);
	assert_in_range(atomic_load(&most), BASE, BASE + 1); /* one thread more was enough */
	(void)sem_destroy(&gate);
}

static void several_places_may_hang(void **state)
{
	struct work slow[6 * BASE] = {0}, other = {.place = 1};
	sem_t gate;

	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (unsigned i = 0; i < 6 * BASE; i++) {
		slow[i].place = 10 + i % 3; /* more of each than it may have threads */
		slow[i].gate = &gate;
		add(&slow[i]);
	}
	until_running(3 * BASE);
	add(&other);
	until_done(1);
	assert_true(other.done);
	assert_int_equal(atomic_load(&running), 3 * BASE);
	for (unsigned i = 0; i < 6 * BASE; i++)
		(void)sem_post(&gate);
	until_done(6 * BASE + 1);
	(void)sem_destroy(&gate);
}

static void unknown_places_are_one_place(void **state)
{
	struct work slow[10] = {0}, other = {.place = 1};
	sem_t gate;

	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (unsigned i = 0; i < 10; i++) {
		slow[i].gate = &gate;
		add(&slow[i]);
	}
	add(&other);
	until_done(1);
	assert_true(other.done);
	assert_int_equal(atomic_load(&running), BASE);
	for (unsigned i = 0; i < 10; i++)
		(void)sem_post(&gate);
	until_done(11);
	(void)sem_destroy(&gate);
}

struct reading {
	struct pool_task task;
	struct map *map;
	ssize_t got;
};

static void read_map(struct pool_task *t)
{
	struct reading *r = t->arg;
	char buf[16];

	r->got = map_read(r->map, 0, buf, sizeof buf);
}

static void reading_done(struct pool_task *t)
{
	done_count++;
}

/* The file that is mapped is cut between the look at its length and the copy: another one, which is not, is asked. */
static void a_thread_lives_on_when_a_mapped_file_is_cut(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int cut = memfd_create("cut", MFD_CLOEXEC), whole = memfd_create("whole", MFD_CLOEXEC);
	struct reading r = {.got = 1};
	void *mem;

	assert_int_equal(vfs_map_guard_install(), 0);
	assert_true(cut >= 0 && whole >= 0);
	assert_true(ftruncate(cut, (off_t)page) == 0 && ftruncate(whole, (off_t)page) == 0);
	mem = mmap(NULL, page, PROT_READ, MAP_SHARED, cut, 0);
	assert_true(mem != MAP_FAILED);
	assert_int_equal(ftruncate(cut, 0), 0);
	assert_int_equal(map_over(mem, page, whole, &r.map), 0);
	r.task = (struct pool_task){.work = read_map, .done = reading_done, .arg = &r};
	pool_add(pool, &r.task);
	until_done(1);
	assert_int_equal(r.got, -EIO);
	map_close(&r.map);
	assert_int_equal(munmap(mem, page), 0);
	assert_true(close(cut) == 0 && close(whole) == 0);
}

static void threads_have_a_limit(void **state)
{
	enum { N = POOL_THREADS_MAX + 20 };
	static struct work slow[N];
	sem_t gate;

	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (unsigned i = 0; i < N; i++) {
		slow[i].place = i + 1;
		slow[i].gate = &gate;
		add(&slow[i]);
	}
	until_running(POOL_THREADS_MAX);
	assert_int_equal(pool_threads(pool), POOL_THREADS_MAX);
	for (unsigned i = 0; i < N; i++)
		(void)sem_post(&gate);
	until_done(N);
	assert_int_equal(atomic_load(&most), POOL_THREADS_MAX);
	(void)sem_destroy(&gate);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_task_runs_once_and_ends_on_the_loop),
		TEST(a_task_may_be_added_again_from_its_end),
		TEST(work_that_comes_together_runs_together),
		TEST(a_place_that_hangs_leaves_threads_to_others),
		TEST(several_places_may_hang),
		TEST(unknown_places_are_one_place),
		TEST(a_thread_lives_on_when_a_mapped_file_is_cut),
		TEST(threads_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
