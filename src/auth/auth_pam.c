/* PAM: checks passwords and accounts; the accounts themselves come from the other sources. The modules run
 * in the helper process (pam_helper.c). */
#include "auth/backend.h"
#include "auth/pam_helper.h"

#include "base/log.h"

static enum auth_verdict pam_check(const struct ftp_conf *conf, const struct auth_account *a,
	const char *password, const struct addr *client)
{
	char text[ADDR_TEXT_MAX];
	struct pam_question q = {.service = conf->auth_pam_config != NULL ? conf->auth_pam_config : "wherry",
		.user = a->name,
		.password = password,
		.host = addr_text(client, text)};
	int r;

	r = pam_helper_ask(&q);
	if (r < 0) {
		log_err(NULL, "PAM does not answer for user '%s': %s", a->name, err_text(r));
		return AUTH_FAILED;
	}
	return (enum auth_verdict)r;
}

const struct auth_backend auth_backend_pam = {.module = "mod_auth_pam.c", .check = pam_check};
