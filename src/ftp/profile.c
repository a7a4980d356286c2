#include "ftp/profile.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/policy.h"

#define DEVICE (FTP_QUIRK_MKD_EXISTS | FTP_QUIRK_ONE_LINE | FTP_QUIRK_WORDS | FTP_QUIRK_QUOTES)

static const struct {
	const char *name;
	int quirks;
} profiles[] = {
	{"none", 0},
	{"camera", DEVICE | FTP_QUIRK_NO_EPSV | FTP_QUIRK_IGNORE_ASCII},
	{"scanner", DEVICE | FTP_QUIRK_NO_EPSV | FTP_QUIRK_STOU_NAME},
	{"plc", DEVICE | FTP_QUIRK_LOW_PORTS | FTP_QUIRK_WAITS},
	{"mainframe", FTP_QUIRK_PROBES | FTP_QUIRK_DATASETS},
};

int ftp_profile_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
		if (str_eq_nocase(profiles[i].name, name))
			return profiles[i].quirks;
	return -1;
}

unsigned ftp_quirks(const struct ftp_conf *conf, const struct ftp_subject *who)
{
	for (const struct ftp_item *i = conf->profiles != NULL ? &conf->profiles->item : NULL; i != NULL;
		i = i->next) {
		const struct ftp_profile *p = CONTAINER_OF(i, struct ftp_profile, item);

		if (policy_selector_match(&p->who, who))
			return p->quirks;
	}
	return 0;
}

uint32_t ftp_quirk_wait(unsigned quirks, uint32_t configured_ms)
{
	if ((quirks & FTP_QUIRK_WAITS) == 0 || configured_ms == 0 || configured_ms > FTP_PROFILE_WAIT_MS)
		return configured_ms;
	return FTP_PROFILE_WAIT_MS;
}

/* n bytes, any case. */
static bool name_known(const char *name, size_t n)
{
	/* z/OS Communications Server: what its client sends by itself before a PUT, and what jobs add */
	static const char *const names[] = {"BLKSIZE", "BLOCKS", "BLOCKSIZE", "CYLINDERS", "DATACLASS",
		"DIRECTORY", "FIXRECFM", "LRECL", "MGMTCLASS", "PRIMARY", "RECFM", "RETPD", "SECONDARY",
		"STORCLASS", "TRACKS", "TRAILINGBLANKS", "UNIT", "VARRECFM", "VOLUME", "WRAPRECORD"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t k = 0;

		while (k < n && names[i][k] == ascii_upper(name[k]))
			k++;
		if (k == n && names[i][k] == '\0')
			return true;
	}
	return false;
}

bool ftp_profile_datasets(const char *arg)
{
	const char *p = arg + strspn(arg, " ");
	bool any = false, number_may_follow = false;

	for (; *p != '\0'; p += strspn(p, " ")) {
		size_t word = strcspn(p, " "), name = strcspn(p, " =");

		if (name_known(p, name)) {
			any = true;
			number_may_follow = name == word; /* FIXRECFM 80 */
		} else if (!number_may_follow || strspn(p, "0123456789") != word)
			return false;
		else
			number_may_follow = false;
		p += word;
	}
	return any;
}
