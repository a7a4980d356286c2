/* Files mapped before a fork: what they are, who keeps them, and how children learn of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "vfs/preload.h"

static char dir[] = "/tmp/wherry-preload-XXXXXX";
static struct err err;
static char path[200], other[200];

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct preloads *table(unsigned flags)
{
	struct preloads *t;

	assert_int_equal(preloads_new(1, &t, &err), 0);
	t->list[0].path = path;
	t->list[0].flags = flags;
	return t;
}

static struct preloads *mapped(unsigned flags)
{
	struct preloads *t = table(flags);

	write_file(path, "content");
	assert_int_equal(preload_map(&t->list[0], true, &err), 0);
	preload_publish(t, &t->list[0]);
	return t;
}

/* What fn says in a child. */
static int in_child(int (*fn)(struct preloads *t), struct preloads *t)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn(t));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_file_is_mapped_as_it_is(void **state)
{
	struct preloads *t = mapped(PRELOAD_POPULATE | PRELOAD_LOCK | PRELOAD_HUGE);
	struct preload *p = &t->list[0];
	struct file_id id;
	struct stat st;

	assert_memory_equal(p->mem, "content", 7);
	assert_int_equal(p->id.size, 7);
	assert_string_equal(p->real, path);
	assert_int_equal(p->populate_error, 0);
	assert_true(p->locked == 7 || p->lock_error != 0);
	assert_int_equal(p->gen, 1);
	assert_int_equal(fstat(p->fd, &st), 0);
	id = file_id_of(&st);
	assert_true(file_id_equal(&id, &p->id));
	assert_int_equal(chmod(path, 0640), 0); /* the time of change moves */
	assert_int_equal(fstat(p->fd, &st), 0);
	id = file_id_of(&st);
	assert_false(file_id_equal(&id, &p->id));
	preloads_free(t);
}

static void a_link_is_followed_once(void **state)
{
	struct preloads *t = table(0);
	struct preload *p = &t->list[0];

	write_file(other, "target");
	(void)unlink(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(preload_map(p, true, &err), 0);
	assert_string_equal(p->real, other);
	assert_ptr_equal(preload_find(t, other, "/elsewhere"), p);
	assert_ptr_equal(preload_find(t, "/elsewhere", path), p);
	assert_null(preload_find(t, path, other));
	preload_unmap(p);
	assert_null(preload_find(t, other, path));
	preloads_free(t);
	assert_int_equal(unlink(path), 0);
}

static void what_cannot_be_mapped_leaves_what_was(void **state)
{
	struct preloads *t = mapped(0);
	uint64_t size;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(preload_map(&t->list[0], true, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_memory_equal(t->list[0].mem, "content", 7);
	write_file(path, "");
	assert_int_equal(preload_map(&t->list[0], true, &err), -ENODATA);
	assert_int_equal(preload_check(path, &size, &err), -ENODATA);
	write_file(path, "new");
	assert_int_equal(preload_check(path, &size, &err), 0);
	assert_int_equal(size, 3);
	assert_int_equal(preload_map(&t->list[0], false, &err), 0);
	assert_memory_equal(t->list[0].mem, "new", 3);
	assert_int_equal(t->list[0].gen, 2);
	preloads_free(t);
	assert_int_equal(preload_check(dir, &size, &err), -WE_CONFIG);
}

static int child_writes_numbers(struct preloads *t)
{
	void *page = (void *)((uintptr_t)t->seen & ~(uintptr_t)4095);

	if (t->seen == NULL || !preload_current(t, &t->list[0]))
		return 1;
	return mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0 ? 2 : 0;
}

static int child_waits_for_change(struct preloads *t)
{
	for (int i = 0; i < 100000; i++) {
		if (!preload_current(t, &t->list[0]))
			return 0;
		(void)usleep(100);
	}
	return 1;
}

static void children_see_numbers_and_cannot_write_them(void **state)
{
	struct preloads *t = mapped(0);
	int status;
	pid_t pid;

	assert_int_equal(in_child(child_writes_numbers, t), 0);
	pid = fork();
	if (pid == 0)
		_exit(child_waits_for_change(t));
	assert_int_equal(preload_map(&t->list[0], true, &err), 0);
	preload_publish(t, &t->list[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	preloads_free(t);
}

static int keeps_as_nobody(struct preloads *t)
{
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 2;
	preloads_keep_readable(t);
	return t->list[0].mem != NULL;
}

static void a_child_keeps_what_its_user_may_open(void **state)
{
	struct preloads *t = mapped(0), *forever = mapped(PRELOAD_NO_VALIDATE);

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(in_child(keeps_as_nobody, t), 1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(in_child(keeps_as_nobody, t), 0);
	/* Another file has the name: the old one, which nobody may read, is not to be had by way of the new one. */
	write_file(other, "new");
	assert_int_equal(chmod(other, 0644), 0);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(in_child(keeps_as_nobody, t), 0);
	assert_int_equal(in_child(keeps_as_nobody, forever), 0);
	assert_int_equal(fchmod(forever->list[0].fd, 0644), 0);
	assert_int_equal(in_child(keeps_as_nobody, t), 0);
	assert_int_equal(in_child(keeps_as_nobody, forever), 1);
	preloads_free(t);
	preloads_free(forever);
}

static int forgets(struct preloads *t)
{
	char maps[100000];
	FILE *f = fopen("/proc/self/maps", "re");
	size_t n;

	preloads_forget(t);
	if (f == NULL)
		return 2;
	n = fread(maps, 1, sizeof maps - 1, f);
	(void)fclose(f);
	maps[n] = '\0';
	return strstr(maps, "wherry-preload") != NULL;
}

static void a_child_that_has_no_use_for_them_forgets_them_all(void **state)
{
	struct preloads *t = mapped(0);

	assert_int_equal(in_child(forgets, t), 0);
	preloads_free(t);
}

static int make_dir(void **state)
{
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) < 0)
		return 1;
	(void)snprintf(path, sizeof path, "%s/file", dir);
	(void)snprintf(other, sizeof other, "%s/other", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)unlink(path);
	(void)unlink(other);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_mapped_as_it_is),
		cmocka_unit_test(a_link_is_followed_once),
		cmocka_unit_test(what_cannot_be_mapped_leaves_what_was),
		cmocka_unit_test(children_see_numbers_and_cannot_write_them),
		cmocka_unit_test(a_child_keeps_what_its_user_may_open),
		cmocka_unit_test(a_child_that_has_no_use_for_them_forgets_them_all),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
