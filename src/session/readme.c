#include "session/readme.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ftp/profile.h"
#include "session/hide.h"
#include "session/session_priv.h"
#include "vfs/glob.h"

#define FILES_MAX 64          /* announced in one reply */
#define TEXT_MAX  (32 * 1024) /* bytes of all lines */

struct found {
	const struct session *s;
	const struct ftp_conf *conf;
	char *shown[FILES_MAX];
	int64_t mtime[FILES_MAX];
	unsigned order[FILES_MAX], n;
};

static void found_add(struct found *f, const struct vfs_match *m)
{
	struct statx st;
	unsigned at = f->n;

	if (hide_path(f->s, f->conf, m->vpath, 0) != 0 ||
		vfs_stat(f->s->root, m->vpath, 0, STATX_MTIME, &st) < 0)
		return;
	f->shown[f->n] = xstrdup(m->shown);
	f->mtime[f->n] = st.stx_mtime.tv_sec;
	for (; at > 0 && strcmp(f->shown[f->order[at - 1]], m->shown) > 0; at--)
		f->order[at] = f->order[at - 1];
	f->order[at] = f->n++;
}

static int put_file(struct buf *b, char *name, int64_t mtime, int64_t now)
{
	const int64_t days = (now - mtime) / 86400;
	const time_t when = mtime;
	char stamp[32] = "";
	struct tm tm;

	if (localtime_r(&when, &tm) != NULL)
		(void)strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S %Y", &tm);
	for (char *p = name; *p; p++)
		*p = *p == '\n' ? '_' : *p; /* lines are split at it again */
	return buf_printf(b,
		"Please read the file %s\n   it was last modified on %s - %" PRId64 " day%s ago\n", name,
		stamp, days, days == 1 ? "" : "s");
}

char *readme_text(const struct session *s, const struct ftp_conf *conf, const char *dir)
{
	const struct ftp_readme *r = s->scope->conf.readmes;
	const int64_t now = (int64_t)(clock_wall_ms() / 1000);
	const unsigned level = r ? r->item.level : 0;
	char *text = NULL;
	struct buf b;

	/* Those of an <Anonymous> stand instead of its server's, and each pattern keeps its place. */
	buf_init(&b, TEXT_MAX);
	for (; r && r->item.level == level; r = (const struct ftp_readme *)r->item.next) {
		struct found f = {.s = s, .conf = conf};
		struct vfs_glob *glob;
		struct vfs_match m;

		if (vfs_glob_open(s->root, dir, r->pattern, NULL, &glob) < 0)
			continue;
		while (f.n < FILES_MAX && vfs_glob_next(glob, &m) > 0)
			found_add(&f, &m);
		vfs_glob_close(&glob);
		for (unsigned i = 0; i < f.n; i++) {
			(void)put_file(
				&b, f.shown[f.order[i]], f.mtime[f.order[i]], now); /* what fits is shown */
		}
		for (unsigned i = 0; i < f.n; i++)
			free(f.shown[i]);
	}
	if (b.len > 0)
		text = xstrndup(b.data, b.len);
	buf_done(&b);
	return text;
}

void readme_reply(struct session *s, int code, const char *lines, bool spaced, const char *text)
{
	size_t n;

	if (!lines || s->quirks & FTP_QUIRK_ONE_LINE) {
		session_reply(s, code, "%s", text);
		return;
	}
	session_reply_first(s, code, "%s", text);
	for (; *lines; lines += n + 1) {
		n = strcspn(lines, "\n");
		if (spaced && lines[0] == 'P')
			session_reply_more(s, "%s", "");
		if (lines[n + 1] == '\0')
			session_reply(s, code, "%.*s", (int)n, lines);
		else
			session_reply_more(s, "%.*s", (int)n, lines);
	}
}
