#include "vfs/glob.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/dir.h"

/* One component of the pattern; in the text of its alternative. */
struct part {
	char *text; /* of a literal one: without its backslashes */
	bool wild;
};

/* Where the search stands in one component. */
struct frame {
	struct vfs_dir *dir; /* of a wild one, once opened */
	bool begun;
	size_t shown_len; /* of the text before this component */
};

struct vfs_glob {
	const struct vfs_root *root;
	const atomic_bool *cancel;
	char *alt[VFS_GLOB_BRACES_MAX]; /* patterns without braces; split up once it is their turn */
	unsigned alts, alt_at;          /* alt_at: the next one to begin */
	struct part part[VFS_GLOB_PARTS_MAX];
	unsigned parts;
	bool want_dir; /* the pattern ends in '/' */
	struct frame frame[VFS_GLOB_PARTS_MAX];
	unsigned depth; /* frames in use */
	unsigned matches, visited;
	char cwd[VFS_PATH_SIZE];
	char shown[VFS_PATH_SIZE];
	char vpath[VFS_PATH_SIZE];
};

/* A {...} group with at least one ',' of its own level. commas counts those. */
struct group {
	size_t open, close;
	unsigned commas;
};

static bool group_at(const char *text, size_t open, struct group *ret_g)
{
	struct group g = {.open = open};
	unsigned depth = 1;
	size_t i;

	for (i = open + 1; text[i] != '\0' && depth > 0; i++) {
		if (text[i] == '\\' && text[i + 1] != '\0')
			i++;
		else if (text[i] == '{')
			depth++;
		else if (text[i] == '}')
			depth--;
		else if (text[i] == ',' && depth == 1)
			g.commas++;
	}
	g.close = i - 1;
	*ret_g = g;
	return depth == 0 && g.commas > 0;
}

static bool find_group(const char *text, struct group *ret_g)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] == '\\' && text[i + 1] != '\0')
			i++;
		else if (text[i] == '{' && group_at(text, i, ret_g))
			return true;
	}
	return false;
}

static bool has_wild(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		else if (*text == '*' || *text == '?' || *text == '[')
			return true;
	}
	return false;
}

bool vfs_has_glob(const char *pattern)
{
	struct group g;

	if (strlen(pattern) > VFS_GLOB_PATTERN_MAX)
		return false; /* looking for groups is quadratic; too long for a path as well */
	return has_wild(pattern) || find_group(pattern, &g);
}

/* text with the group replaced by its bytes [from, to). NULL: no memory. */
static char *replace_group(const char *text, const struct group *g, size_t from, size_t to)
{
	size_t tail = strlen(text + g->close + 1);
	char *s = malloc(g->open + (to - from) + tail + 1);

	if (s == NULL)
		return NULL;
	memcpy(s, text, g->open);
	memcpy(s + g->open, text + from, to - from);
	memcpy(s + g->open + (to - from), text + g->close + 1, tail + 1);
	return s;
}

/* Put the alternatives of one group in the place of pattern i. */
static int expand_group(struct vfs_glob *gl, unsigned i, const struct group *g)
{
	unsigned more = g->commas, n = 0, depth = 0;
	size_t from = g->open + 1, at;
	char *text = gl->alt[i];

	if (gl->alts + more > VFS_GLOB_BRACES_MAX)
		return -E2BIG;
	memmove(&gl->alt[i + 1 + more], &gl->alt[i + 1], (gl->alts - i - 1) * sizeof(gl->alt[0]));
	memset(&gl->alt[i], 0, (more + 1) * sizeof(gl->alt[0]));
	gl->alts += more;
	for (at = from; at <= g->close; at++) {
		if (text[at] == '\\' && at + 1 < g->close) {
			at++;
		} else if (at == g->close || (text[at] == ',' && depth == 0)) {
			gl->alt[i + n] = replace_group(text, g, from, at);
			if (gl->alt[i + n++] == NULL)
				break;
			from = at + 1;
		} else if (text[at] == '{') {
			depth++;
		} else if (text[at] == '}') {
			depth--;
		}
	}
	free(text);
	return n == more + 1 && gl->alt[i + more] != NULL ? 0 : -ENOMEM;
}

static int expand(struct vfs_glob *gl)
{
	struct group g;
	unsigned i;
	int r = 0;

	for (i = 0; i < gl->alts && r == 0; i++) {
		while (r == 0 && find_group(gl->alt[i], &g))
			r = expand_group(gl, i, &g);
	}
	return r;
}

static unsigned count_parts(const char *text)
{
	unsigned n = 0;

	for (text += strspn(text, "/"); *text != '\0'; n++) {
		text += strcspn(text, "/");
		text += strspn(text, "/");
	}
	return n;
}

int vfs_glob_open(const struct vfs_root *root, const char *cwd, const char *pattern,
	const atomic_bool *cancel, struct vfs_glob **ret_glob)
{
	struct vfs_glob *gl;
	unsigned i;
	int r;

	if (strlen(pattern) > VFS_GLOB_PATTERN_MAX)
		return -ENAMETOOLONG;
	gl = calloc(1, sizeof(*gl));
	if (gl == NULL)
		return -ENOMEM;
	gl->root = root;
	gl->cancel = cancel;
	r = vfs_path_resolve("/", cwd, gl->cwd);
	if (r == 0) {
		gl->alt[0] = strdup(pattern);
		gl->alts = 1;
		r = gl->alt[0] != NULL ? expand(gl) : -ENOMEM;
	}
	for (i = 0; r == 0 && i < gl->alts; i++)
		r = count_parts(gl->alt[i]) > VFS_GLOB_PARTS_MAX ? -E2BIG : 0;
	if (r < 0) {
		vfs_glob_close(&gl);
		return r;
	}
	*ret_glob = gl;
	return 0;
}

void vfs_glob_close(struct vfs_glob **glob)
{
	struct vfs_glob *gl = *glob;
	unsigned i;

	if (gl == NULL)
		return;
	for (i = 0; i < VFS_GLOB_PARTS_MAX; i++)
		vfs_dir_close(&gl->frame[i].dir);
	for (i = 0; i < gl->alts; i++)
		free(gl->alt[i]);
	free(gl);
	*glob = NULL;
}

static void unescape(char *s)
{
	char *out = s;

	for (; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		*out++ = *s;
	}
	*out = '\0';
}

/* Split the next alternative into its parts. false: there is none. */
static bool begin_alternative(struct vfs_glob *gl)
{
	char *text;

	if (gl->alt_at == gl->alts)
		return false;
	text = gl->alt[gl->alt_at++];
	gl->parts = 0;
	gl->want_dir = false;
	gl->frame[0] = (struct frame){.shown_len = *text == '/'};
	gl->shown[0] = *text; /* "/" or, to be cut, the first byte of a relative one */
	for (text += strspn(text, "/"); *text != '\0';) {
		struct part *p = &gl->part[gl->parts++];
		size_t n = strcspn(text, "/"), slashes = strspn(text + n, "/");

		p->text = text;
		text += n + slashes;
		gl->want_dir = slashes > 0 && *text == '\0';
		p->text[n] = '\0';
		p->wild = has_wild(p->text);
		if (!p->wild)
			unescape(p->text);
	}
	gl->depth = gl->parts > 0;
	return true;
}

/* shown = text before this component + '/' + name. false: too long, so nothing can be there. */
static bool show(struct vfs_glob *gl, const struct frame *f, const char *name)
{
	size_t at = f->shown_len, n = strlen(name);
	bool slash = at > 0 && gl->shown[at - 1] != '/';

	if (at + slash + n + 1 > VFS_PATH_MAX) /* one more for a '/' at the end */
		return false;
	if (slash)
		gl->shown[at++] = '/';
	memcpy(gl->shown + at, name, n + 1);
	return vfs_path_resolve(gl->cwd, gl->shown, gl->vpath) == 0;
}

static bool exists(struct vfs_glob *gl)
{
	struct statx st;

	if (!gl->want_dir)
		return vfs_lstat(gl->root, gl->vpath, 0, STATX_TYPE, &st) == 0;
	return vfs_stat(gl->root, gl->vpath, 0, STATX_TYPE, &st) == 0 && S_ISDIR(st.stx_mode);
}

/* gl->shown and gl->vpath are at the object of the deepest frame; type DT_UNKNOWN: not known to exist. */
static bool arrive(struct vfs_glob *gl, unsigned char type)
{
	bool maybe_dir = type == DT_DIR || type == DT_LNK || type == DT_UNKNOWN;

	if (gl->depth < gl->parts) {
		if (maybe_dir)
			gl->frame[gl->depth++] = (struct frame){.shown_len = strlen(gl->shown)};
		return false;
	}
	if (type == DT_UNKNOWN || gl->want_dir) {
		if (!maybe_dir && gl->want_dir)
			return false;
		if (!exists(gl))
			return false;
	}
	if (gl->want_dir)
		strcat(gl->shown, "/"); /* show() left room */
	return true;
}

/* The frame is done: back to the one before. */
static bool pop(struct vfs_glob *gl)
{
	vfs_dir_close(&gl->frame[--gl->depth].dir);
	return false;
}

static bool step_literal(struct vfs_glob *gl, struct frame *f, const struct part *p)
{
	if (f->begun)
		return pop(gl);
	f->begun = true;
	return show(gl, f, p->text) ? arrive(gl, DT_UNKNOWN) : pop(gl);
}

static bool step_wild(struct vfs_glob *gl, struct frame *f, const struct part *p)
{
	const struct vfs_dirent *ent;

	if (!f->begun) {
		f->begun = true;
		gl->shown[f->shown_len] = '\0';
		if (vfs_path_resolve(gl->cwd, gl->shown, gl->vpath) < 0 ||
			vfs_dir_open(gl->root, gl->vpath, 0, 0, &f->dir) < 0)
			return pop(gl);
	}
	if (vfs_dir_next(f->dir, &ent) <= 0)
		return pop(gl);
	gl->visited++;
	if (fnmatch(p->text, ent->name, FNM_PERIOD) != 0 || !show(gl, f, ent->name))
		return false;
	return arrive(gl, ent->type);
}

int vfs_glob_next(struct vfs_glob *gl, struct vfs_match *ret_match)
{
	for (;;) {
		struct frame *f;
		const struct part *p;

		if (gl->cancel != NULL && atomic_load_explicit(gl->cancel, memory_order_relaxed))
			return -ECANCELED;
		if (gl->visited >= VFS_GLOB_VISIT_MAX || gl->matches >= VFS_GLOB_MATCH_MAX)
			return -E2BIG;
		if (gl->depth == 0) {
			if (!begin_alternative(gl))
				return 0;
			continue;
		}
		f = &gl->frame[gl->depth - 1];
		p = &gl->part[gl->depth - 1];
		if (p->wild ? step_wild(gl, f, p) : step_literal(gl, f, p)) {
			gl->matches++;
			ret_match->shown = gl->shown;
			ret_match->vpath = gl->vpath;
			return 1;
		}
	}
}
