#include "auth/auth_test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/backend.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"

char fixture_dir[64], fixture_log[16384];
_Atomic unsigned fixture_crypts;
gid_t fixture_system_group;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

char *__real_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);

char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	fixture_crypts++;
	return __real_crypt_r(phrase, setting, data);
}

int __real_getgrouplist(const char *user, gid_t group, gid_t *groups, int *n);
int __wrap_getgrouplist(const char *user, gid_t group, gid_t *groups, int *n);

int __wrap_getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
	int r = __real_getgrouplist(user, group, groups, n);

	if (fixture_system_group != 0 && r >= 0)
		groups[(*n)++] = fixture_system_group; /* the caller has room for many */
	return r;
}

static void collect(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
	size_t n;

	(void)pthread_mutex_lock(&log_lock);
	n = strlen(fixture_log);
	(void)snprintf(fixture_log + n, sizeof(fixture_log) - n, "%d %s\n", level, line);
	(void)pthread_mutex_unlock(&log_lock);
}

int fixture_setup(void **state)
{
	strcpy(fixture_dir, "/tmp/auth_test_XXXXXX");
	fixture_log[0] = '\0';
	fixture_system_group = 0;
	log_set_sink(collect, NULL);
	return mkdtemp(fixture_dir) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

int fixture_teardown(void **state)
{
	auth_file_forget();
	log_set_sink(NULL, NULL);
	return nftw(fixture_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_file(const char *name, const char *text, mode_t mode)
{
	static char paths[4][160];
	static unsigned next;
	char *path = paths[next++ % 4], tmp[200];
	auto_fd int fd = -1;

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", fixture_dir, name);
	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(rename(tmp, path), 0);
	return path;
}

const char *fixture_hash(const char *password)
{
	static struct crypt_data data;
	static char hashes[4][CRYPT_OUTPUT_SIZE];
	static unsigned next;
	char *hash = hashes[next++ % 4];

	assert_non_null(crypt_preferred_method()); /* else ASan's own crypt_r would be all that links */
	strcpy(hash, __real_crypt_r(password, "$5$rounds=1000$saltsalt$", &data));
	assert_int_equal(hash[0], '$');
	return hash;
}

struct ftp_config *fixture_config(const char *text)
{
	struct ftp_config_options opt = {.name = "test", .family = AF_UNSPEC};
	struct ftp_config *config = NULL;
	struct err err = ERR_INIT;
	struct buf b;

	buf_init(&b, 65536);
	assert_int_equal(buf_puts(&b, "DefaultAddress 127.0.0.1\n"), 0);
	for (const char *p = text; *p != '\0'; p++) {
		if (p[0] == '@' && p[1] == 'D') {
			assert_int_equal(buf_puts(&b, fixture_dir), 0);
			p++;
		} else {
			assert_int_equal(buf_putc(&b, *p), 0);
		}
	}
	opt.text = b.data;
	if (ftp_config_load(&opt, 1, &config, NULL, &err) < 0)
		fail_msg("%s\n%s", err.text, b.data);
	buf_done(&b);
	return config;
}
