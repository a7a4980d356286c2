/* Readers and writers at the same time: what a reader gets is one update, never parts of two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "score/score_priv.h"

#define PROCESSES 4
#define SESSIONS  50 /* of each */
#define ALL       (PROCESSES * SESSIONS)

static const struct score_info info = {.program = "wherryd", .server = SCORE_STANDALONE};

static struct score_board *memory_board(void)
{
	struct score_board *b;

	assert_int_equal(score_create(NULL, &info, &b, NULL), 0);
	return b;
}

/* ---- What a writer writes: all texts of an update are repetitions of one letter, whose lengths and numbers
 * follow from the number of the update and the session ---- */

#define SHORT_ARG 40
#define LONG_ARG  899

static void write_update(struct score_slot *s, unsigned id, uint64_t n)
{
	char arg[LONG_ARG + 1];

	memset(arg, 'a' + (int)(n % 26), sizeof(arg));
	arg[n % 2 ? SHORT_ARG : LONG_ARG] = '\0';
	score_set_cmd(s, n % 2 ? "SHORT" : "LONG", arg);
	score_xfer_start(s, SCORE_DOWNLOAD, n * ALL + id, SCORE_PATH_SENDFILE);
	score_xfer_progress(
		s, &(struct score_progress){n * ALL + id, n * ALL + id, n * ALL + id, SCORE_PATH_SENDFILE});
	if (n % 7 == 0)
		score_xfer_end(s, &(struct score_progress){
					  n * ALL + id, n * ALL + id, n * ALL + id, SCORE_PATH_SENDFILE});
}

struct seen {
	unsigned count, torn, kinds;
	uint64_t last[ALL]; /* done of each session */
	bool there[ALL];
};

/* Between two updates a reader may find the new command with the numbers of the old one, or the start with
 * nothing done; each update by itself is whole. */
static void check_record(struct seen *t, const struct score_session *s)
{
	bool is_short = strcmp(s->cmd, "SHORT") == 0;
	size_t len = strlen(s->arg);

	if (s->idle || s->id >= ALL) { /* the writer has not begun */
		t->torn += s->id >= ALL;
		return;
	}
	t->count++;
	t->kinds |= is_short ? 1u : 2u;
	t->there[s->id] = true;
	t->torn += (!is_short && strcmp(s->cmd, "LONG") != 0) || len != (is_short ? SHORT_ARG : LONG_ARG) ||
		   strspn(s->arg, (char[]){s->arg[0], '\0'}) != len;
	t->torn += s->xfer_done != s->xfer_acked || s->xfer_done != s->xfer_elapsed_ms;
	if (s->xfer_done == 0)
		return;
	t->torn += s->xfer_size != s->xfer_done || s->xfer_done % ALL != s->id;
	t->torn += s->xfer_done < t->last[s->id]; /* time does not run backwards */
	t->last[s->id] = s->xfer_done;
}

/* ---- 200 sessions of 4 processes ---- */

static void write_for_ever(struct score_region *r, unsigned first)
{
	struct score_slot *slot[SESSIONS];

	for (unsigned i = 0; i < SESSIONS; i++)
		slot[i] = score_claim(r, first + i);
	for (uint64_t n = 1;; n++)
		for (unsigned i = 0; i < SESSIONS; i++)
			write_update(slot[i], first + i, n);
}

static pid_t spawn_writer(struct score_board *b, unsigned first)
{
	struct score_region *r;
	pid_t pid, parent = getpid();

	assert_int_equal(score_region_new(b, SCORE_SESSION, SESSIONS, &r, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test must leave nobody behind */
		if (getppid() != parent)
			_exit(1);
		score_region_child(r);
		write_for_ever(r, first);
	}
	score_region_set_pid(r, pid);
	return pid;
}

static int see(void *arg, const struct score_session *s)
{
	check_record(arg, s);
	return 0;
}

static bool all_there(const struct seen *t)
{
	for (unsigned i = 0; i < ALL; i++)
		if (!t->there[i])
			return false;
	return true;
}

static void no_record_of_200_busy_sessions_is_torn(void **state)
{
	static struct seen t;
	struct score_board *b = memory_board();
	uint64_t until = clock_ms() + 30000;
	struct score_reader *r;
	pid_t pid[PROCESSES];

	for (unsigned i = 0; i < PROCESSES; i++)
		pid[i] = spawn_writer(b, i * SESSIONS);
	assert_int_equal(score_open_board(b, &r, NULL), 0);
	while (clock_ms() < until && (t.count < 1000 * ALL || !all_there(&t)))
		assert_int_equal(score_read_all(r, see, &t, NULL), 0);
	score_reader_free(r);
	for (unsigned i = 0; i < PROCESSES; i++) {
		assert_int_equal(kill(pid[i], SIGKILL), 0);
		assert_int_equal(waitpid(pid[i], NULL, 0), pid[i]);
	}
	score_close(b, true);
	assert_int_equal(t.torn, 0);
	assert_true(all_there(&t));
	assert_int_equal(t.kinds, 3);
}

/* ---- A writer and a reader in one address space, where ThreadSanitizer sees both ---- */

struct watched {
	struct score_slot *slot;
	atomic_bool stop, some;
	struct seen seen;
	unsigned tries, odd;
};

static void decode_copy(struct seen *t, const struct score_copy *c)
{
	const struct score_hot *h = &c->hot;
	struct score_session s = {.id = h->id,
		.idle = h->flags & FLAG_IDLE,
		.xfer_size = h->xfer_size,
		.xfer_done = h->xfer_done,
		.xfer_acked = h->xfer_acked,
		.xfer_elapsed_ms = h->xfer_elapsed_ms};

	memcpy(s.cmd, c->work.cmd, sizeof(s.cmd));
	if (h->over & OVER_ARG)
		memcpy(s.arg, c->over.arg, sizeof(s.arg));
	else
		memcpy(s.arg, c->work.arg, sizeof(c->work.arg));
	check_record(t, &s);
}

static void *watch(void *arg)
{
	struct watched *w = arg;
	struct score_copy copy;

	while (!atomic_load(&w->stop)) {
		w->tries++;
		if (score_slot_try(&w->slot->region->tables, w->slot->index, &copy)) {
			decode_copy(&w->seen, &copy);
			atomic_store(&w->some, true);
		} else {
			w->odd++;
		}
	}
	return NULL;
}

static void a_thread_that_reads_gets_whole_updates(void **state)
{
	static struct watched w;
	struct score_board *b = memory_board();
	uint64_t until = clock_ms() + 500, patience = until + 60000;
	struct score_region *r;
	pthread_t t;

	assert_int_equal(score_region_new(b, SCORE_SESSION, 1, &r, NULL), 0);
	w.slot = score_claim(r, 7);
	assert_int_equal(pthread_create(&t, NULL, watch, &w), 0);
	for (uint64_t n = 1;
		clock_ms() < until || n < 1000 || (!atomic_load(&w.some) && clock_ms() < patience); n++)
		write_update(w.slot, 7, n);
	atomic_store(&w.stop, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	score_release(w.slot);
	score_region_drop(r);
	score_close(b, true);
	assert_int_equal(w.seen.torn, 0);
	assert_true(w.seen.count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_record_of_200_busy_sessions_is_torn),
		cmocka_unit_test(a_thread_that_reads_gets_whole_updates),
	};

	return cmocka_run_group_tests_name("score_torn", tests, NULL, NULL);
}
