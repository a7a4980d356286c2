/* A folder with account files and a configuration loaded from text, for the tests of auth. */
#ifndef AUTH_TEST_FIXTURE_H
#define AUTH_TEST_FIXTURE_H

#include <sys/types.h>

#include "ftp/conf.h"

extern char fixture_dir[64]; /* absolute path of the folder of this test */

int fixture_setup(void **state); /* makes the folder; quiets the log into fixture_log */
int fixture_teardown(void **state);

/* Write a file of the folder with that mode; returns its path (static, until the fourth next call). Fails
 * the test on errors. */
const char *fixture_file(const char *name, const char *text, mode_t mode);
/* crypt(3) of the password in a cheap SHA-256 setting; static, as above. */
const char *fixture_hash(const char *password);
/* Load "DefaultAddress 127.0.0.1" and that text, in which @D stands for the folder. ftp_config_free() it. */
struct ftp_config *fixture_config(const char *text);

/* Everything that was logged since the set-up, a line each with its level's number in front. */
extern char fixture_log[16384];

/* Calls of crypt_r(3) so far, in all threads; needs -Wl,--wrap=crypt_r. */
extern _Atomic unsigned fixture_crypts;

/* A further group of every system account, 0 = none; needs -Wl,--wrap=getgrouplist. */
extern gid_t fixture_system_group;

#endif
