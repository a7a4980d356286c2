/* DisplayReadme: the files of a directory that a client is asked to read. */
#ifndef SESSION_README_H
#define SESSION_README_H

#include "session/session.h"

/* Two lines for each file below dir (a vpath) that the patterns name, conf (of the directory) not hiding it: which, and
 * since when. Returned (free()), NULL: there is none. May block; any thread. */
char *readme_text(const struct session *s, const struct ftp_conf *conf, const char *dir);
/* The final reply "<code> <text>", with the lines of readme_text() (may be NULL) behind it; spaced: a blank line before
 * each file. */
void readme_reply(struct session *s, int code, const char *lines, bool spaced, const char *text);

#endif
