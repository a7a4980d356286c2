/* Addresses that are looked up again: who sees them, and who can write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "ftp/conf.h"

static int resolve(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	return str_eq(name, "localhost") && addr_parse("192.0.2.1", 0, ret_addrs) == 0 ? 1 : -1;
}

static struct ftp_config *load(void)
{
	const struct ftp_config_options opt = {
		.text = "MasqueradeAddress localhost\n", .name = "t", .resolve = resolve};
	struct ftp_config *c = NULL;
	struct err err = ERR_INIT;

	if (ftp_config_load(&opt, 1, &c, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static bool is(const struct ftp_config *c, const char *text)
{
	const struct ftp_conf *conf = &c->servers[0]->scope->conf;
	const struct addr now = ftp_live_addr(conf->masquerade_live, &conf->masquerade);
	char shown[ADDR_TEXT_MAX];

	return str_eq(addr_text(&now, shown), text);
}

static int status_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The name is one of every machine's own: localhost. */
static void one_process_writes_and_the_others_can_only_read(void **state)
{
	struct ftp_config *c = load();
	uintptr_t page;
	pid_t pid;

	assert_true(is(c, "192.0.2.1"));
	assert_int_equal(ftp_live_inherit(c, true), 0);
	pid = fork();
	if (pid == 0) {
		ftp_live_refresh(c, NULL);
		_exit(!is(c, "127.0.0.1"));
	}
	assert_int_equal(ftp_live_inherit(c, false), 0);
	assert_int_equal(status_of(pid), 0);
	assert_true(is(c, "127.0.0.1"));
	page = (uintptr_t)c->servers[0]->scope->conf.masquerade_live & ~(uintptr_t)4095;
	pid = fork();
	if (pid == 0)
		_exit(!is(c, "127.0.0.1") || mprotect((void *)page, 4096, PROT_READ | PROT_WRITE) == 0);
	assert_int_equal(status_of(pid), 0);
	pid = fork();
	if (pid == 0) { /* there is no other mapping in it */
		(void)signal(SIGSEGV, SIG_DFL);
		ftp_live_refresh(c, NULL);
		_exit(0);
	}
	assert_int_not_equal(status_of(pid), 0);
	ftp_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_process_writes_and_the_others_can_only_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
