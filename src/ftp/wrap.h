/* Access tables at connect and at login (mod_wrap2, mod_wrap): which ones hold for a client, and what they say. They are
 * read by their paths each time, by the auth process. */
#ifndef FTP_WRAP_H
#define FTP_WRAP_H

#include "base/log.h"
#include "ftp/conf.h"

struct ftp_wrap_query { /* all borrowed */
	const struct ftp_conf *conf;
	const struct ftp_subject *who; /* user NULL: at connect */
	const char *sent_user;         /* for %U; may be NULL */
	const struct addr *local;
	const char *home; /* of the account, for ~; NULL: not known, such tables are passed over */
	uid_t uid;        /* who may own tables in it, besides root */
	const struct log_ctx *log;
	bool dry; /* only somebody who wants to know: WrapLog gets no line */
};

/* Do the tables let the client in? why gets the line that says no. Writes WrapLog and, at the levels of
 * TCPAccessSyslogLevels, the log. May block. */
bool ftp_wrap_allows(const struct ftp_wrap_query *q, char *why, size_t size);
/* Is the account needed to find them: its groups, its home? */
bool ftp_wrap_needs_account(const struct ftp_conf *conf);
/* Are they asked at connect already? */
bool ftp_wrap_on_connect(const struct ftp_conf *conf);

/* Read a table. 0 and its text (free()), NULL when there is no such file; -errno. home: it lies in the home of uid. */
int ftp_wrap_read(const char *path, bool home, uid_t uid, char **ret_text, size_t *ret_len);

#endif
