/* Copying a file or a whole tree in pieces, so that no thread is held for long: SITE COPY.
 *
 * The copy grows under a temporary name beside the target (".wherry-<number>.tmp", open to its owner only) and gets
 * the target's name when it is complete: nobody sees half a copy, and an existing file is the old or the new one at
 * any moment. Links are copied as links and never followed; what is neither file, directory nor link is left out,
 * and so is what disappears meanwhile. Holes stay holes. Times are those of the copying, set-id bits are not copied.
 *
 * All functions block and belong into pool threads; one thread at a time.
 */
#ifndef VFS_COPIER_H
#define VFS_COPIER_H

#include "vfs/vfs.h"

struct vfs_copier;

struct vfs_copier_options {
	bool replace;     /* an existing file (never a directory) is replaced by a file */
	bool keep_failed; /* what there is of a copy that failed gets the target's name, if that is free */
	/* May this object be copied? Asked once for each, for a directory before what is in it. from, to: vpaths,
	 * borrowed; to is the final one. st: of the object itself. link: text of a link, else NULL. 0 with the
	 * permission bits of the copy in *ret_mode; -ENOENT: leave it out; -errno: the copying fails. */
	int (*allow)(void *arg, const char *from, const char *to, const struct stat *st, const char *link,
		mode_t *ret_mode);
	void *arg;
};

/* from, to: vpaths without links but as last component (of from: then the link is copied). root, opt: kept until the
 * end. Returns 0, or -errno: -EEXIST, -EISDIR (target); -EINVAL (a directory into itself, a file onto itself, neither
 * file, directory nor link), what allow() said, ... */
int vfs_copier_new(const struct vfs_root *root, const char *from, const char *to,
	const struct vfs_copier_options *opt, struct vfs_copier **ret_copier);
/* Go on until until_ms (clock_ms()) or *cancel. 1: the copy is complete and has its name; 0: call again; -errno: it
 * failed, also when cancelled (-ECANCELED). */
int vfs_copier_step(struct vfs_copier *c, uint64_t until_ms, const atomic_bool *cancel);
uint64_t vfs_copier_bytes(const struct vfs_copier *c); /* copied so far */
uint64_t vfs_copier_total(const struct vfs_copier *c); /* of a file; 0: a tree, not known */
/* Removes what is not complete. *c is set to NULL; NULL inside is fine. */
void vfs_copier_free(struct vfs_copier **c);

#endif
