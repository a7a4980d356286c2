/* Asking PAM in a process of its own. See backend.h for starting and stopping it. */
#ifndef AUTH_PAM_HELPER_H
#define AUTH_PAM_HELPER_H

#include <stddef.h>

struct pam_question { /* borrowed */
	const char *service, *user, *password, *host;
};

/* For tests: services are files of that directory instead of /etc/pam.d. Kept; before pam_helper_start().
 * Without effect where libpam has no pam_start_confdir(3). */
void pam_helper_use_confdir(const char *path);

/* Ask and wait, at most 60 s; any thread. Returns an enum auth_verdict, or -errno. */
int pam_helper_ask(const struct pam_question *q);

#endif
