/* Processes for one question: OCSP (staple.c), new owners (own.c). */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "master/master.h"

void helper_begin(const char *name, const char *title, unsigned secs)
{
	sigset_t none;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGALRM, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, name);
	title_set("wherryd: %s", title);
	(void)alarm(secs);
}
