/* ClientProfile: which habits of devices a session puts up with. One bit a habit, so that code asks for what it is
 * about, never for the kind of a device. What each profile switches is in the table of profile.c and, for users, in
 * wherry.conf(5).
 */
#ifndef FTP_PROFILE_H
#define FTP_PROFILE_H

#include <stdbool.h>

#include "ftp/conf.h"

enum ftp_quirk {
	FTP_QUIRK_MKD_EXISTS = 1, /* MKD of a directory that exists succeeds */
	FTP_QUIRK_ONE_LINE = 2,   /* no texts of Display files, so that replies are one line */
	FTP_QUIRK_NO_EPSV = 4,    /* EPSV does not exist where PASV does (IPv4) */
	FTP_QUIRK_WORDS = 8,      /* TYPE, STRU and MODE with whole words, and with more words after them */
	FTP_QUIRK_IGNORE_ASCII = 16, /* TYPE A is accepted, files stay as they are */
	FTP_QUIRK_QUOTES = 32,       /* quotes around a whole path are not part of it */
	FTP_QUIRK_STOU_NAME = 64,    /* STOU with any argument */
	FTP_QUIRK_LOW_PORTS = 128,   /* PORT may name a port below 1024 of the client itself */
	FTP_QUIRK_WAITS = 256,       /* idle for up to a day */
	FTP_QUIRK_PROBES =
		512, /* STRU R and MODE B are accepted, transfers are refused until they are gone */
	FTP_QUIRK_DATASETS = 1024 /* SITE LRECL=80 RECFM=FB and the like are accepted */
};

#define FTP_PROFILE_WAIT_MS (24u * 3600 * 1000)

/* The bits of a profile by its name (any case; "none": 0), or -1. */
int ftp_profile_find(const char *name);
/* What holds for a session: of the innermost section with a ClientProfile that fits it, the first such line. Before
 * login only classes are known. */
unsigned ftp_quirks(const struct ftp_conf *conf, const struct ftp_subject *who);
/* A timeout of waiting for the client (ms, 0 = none) as those bits have it. */
uint32_t ftp_quirk_wait(unsigned quirks, uint32_t configured_ms);
/* Is the line of SITE words about data sets of a mainframe (LRECL=80, RECFM=FB, PRIMARY=5 ...), all of them? Then they
 * may be ignored: they say how the other side stores a file, and files have no such form here. */
bool ftp_profile_datasets(const char *arg);

#endif
