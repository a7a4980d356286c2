/* CreateHome, in a folder below /tmp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "master/home.h"

static char base[64];
static uid_t uid;
static gid_t gid;

static void quiet(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
}

static int set_up(void **state)
{
	strcpy(base, "/tmp/home_test.XXXXXX");
	log_set_sink(quiet, NULL);
	uid = geteuid() == 0 ? 12345 : geteuid();
	gid = geteuid() == 0 ? 23456 : getegid();
	return mkdtemp(base) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static const char *at(const char *name)
{
	static char path[16][200];
	static unsigned i;
	char *p = path[i++ % 16];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", base, name);
	return p;
}

static struct stat look(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(at(name), &st), 0);
	return st;
}

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(at(name), mode), 0);
}

static void a_missing_home_and_what_is_above_it_are_made(void **state)
{
	struct ftp_create_home how = {.on = true, .mode = 0750, .dir_mode = 0711};

	home_make(&how, at("a/b//alice/"), uid, gid);
	assert_int_equal(look("a").st_mode, S_IFDIR | 0711);
	assert_int_equal(look("a/b").st_uid, geteuid());
	assert_int_equal(look("a/b/alice").st_mode, S_IFDIR | 0750);
	assert_int_equal(look("a/b/alice").st_uid, uid);
	assert_int_equal(look("a/b/alice").st_gid, gid);
}

static void owners_of_the_directories_above_can_be_named(void **state)
{
	struct ftp_create_home how = {.on = true,
		.mode = 0700,
		.dir_mode = 0755,
		.dir_user_own = true,
		.dir_group = {true, 777},
		.home_group = {true, 888}};

	if (geteuid() != 0)
		skip();
	home_make(&how, at("x/alice"), uid, gid);
	assert_int_equal(look("x").st_uid, uid);
	assert_int_equal(look("x").st_gid, 777);
	assert_int_equal(look("x/alice").st_gid, 888);
}

static void what_is_there_is_left_alone(void **state)
{
	struct ftp_create_home how = {.on = true, .mode = 0700, .dir_mode = 0700, .skel = at("skel")};

	assert_int_equal(mkdir(at("skel"), 0755), 0);
	put("skel/f", "x", 0644);
	assert_int_equal(mkdir(at("home"), 0755), 0);
	home_make(&how, at("home"), uid, gid);
	assert_int_equal(look("home").st_mode, S_IFDIR | 0755);
	assert_int_equal(look("home").st_uid, geteuid());
	assert_int_not_equal(access(at("home/f"), F_OK), 0);
}

static void links_are_not_followed(void **state)
{
	struct ftp_create_home how = {.on = true, .mode = 0700, .dir_mode = 0700};

	assert_int_equal(mkdir(at("target"), 0755), 0);
	assert_int_equal(symlink(at("target"), at("link")), 0);
	home_make(&how, at("link/alice"), uid, gid);
	assert_int_not_equal(access(at("target/alice"), F_OK), 0);
	home_make(&how, at("a/../target/bob"), uid, gid);
	assert_int_not_equal(access(at("target/bob"), F_OK), 0);
}

static void the_skeleton_is_copied_with_links_as_links(void **state)
{
	struct ftp_create_home how = {.on = true, .mode = 0700, .dir_mode = 0711, .skel = at("skel")};
	char target[20] = "";

	assert_int_equal(mkdir(at("skel"), 0755), 0);
	assert_int_equal(mkdir(at("skel/sub"), 0750), 0);
	put("skel/sub/f", "hello", 0640);
	assert_int_equal(symlink("/etc/passwd", at("skel/l")), 0);
	assert_int_equal(mkfifo(at("skel/fifo"), 0600), 0);
	home_make(&how, at("alice"), uid, gid);
	assert_int_equal(look("alice/sub").st_mode, S_IFDIR | 0750);
	assert_int_equal(look("alice/sub/f").st_mode, S_IFREG | 0640);
	assert_int_equal(look("alice/sub/f").st_size, 5);
	assert_int_equal(look("alice/sub/f").st_uid, uid);
	assert_int_equal(look("alice/l").st_uid, uid);
	assert_true(readlink(at("alice/l"), target, sizeof(target) - 1) == 11);
	assert_string_equal(target, "/etc/passwd");
	assert_int_not_equal(access(at("alice/fifo"), F_OK), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_missing_home_and_what_is_above_it_are_made),
		T(owners_of_the_directories_above_can_be_named),
		T(what_is_there_is_left_alone),
		T(links_are_not_followed),
		T(the_skeleton_is_copied_with_links_as_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
