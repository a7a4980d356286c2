/* Bounded globbing in the root: '*', '?', '[...]' (fnmatch(3), a leading '.' is matched only by '.') and
 * {a,b} alternatives, '\' takes the special meaning from the next byte. '*' never matches '/'. Matches
 * come one by one in directory order (unsorted), so memory is constant. */
#ifndef VFS_GLOB_H
#define VFS_GLOB_H

#include "vfs/vfs.h"

struct vfs_glob;

#define VFS_GLOB_PATTERN_MAX 4096    /* bytes of the pattern and of each alternative */
#define VFS_GLOB_PARTS_MAX   32      /* components */
#define VFS_GLOB_BRACES_MAX  64      /* alternatives after expansion */
#define VFS_GLOB_MATCH_MAX   100000  /* matches */
#define VFS_GLOB_VISIT_MAX   1000000 /* directory entries looked at */

struct vfs_match {
	const char *shown; /* the pattern as typed with its wildcards filled in: "dir/a.c" for "dir/?.c" */
	const char *vpath; /* the same object as virtual path */
};

/* Does the text contain anything that globbing would treat specially? A lone '{' or '}' does not count. */
bool vfs_has_glob(const char *pattern);

/* root and cancel (may be NULL) are kept until close; cwd and pattern are copied. 0, -E2BIG (too many
 * components or alternatives), -ENAMETOOLONG, -ENOMEM. Touches no file. */
int vfs_glob_open(const struct vfs_root *root, const char *cwd, const char *pattern,
	const atomic_bool *cancel, struct vfs_glob **ret_glob);
/* 1 and a match (valid until the next call), 0 at the end; -ECANCELED; -E2BIG when a maximum was reached;
 * Directories that cannot be read count as empty. May block. */
int vfs_glob_next(struct vfs_glob *glob, struct vfs_match *ret_match);
void vfs_glob_close(struct vfs_glob **glob); /* NULL inside is fine; sets NULL */

#endif
