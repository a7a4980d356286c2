/* MLSD and MLST: facts of files (RFC 3659 section 7) by what the session may really do with them.
 *
 * perm: a letter is shown only when the file system, the configuration and <Limit> all allow the command
 * behind it; there may be fewer letters than a client could use, never more. Of the directory that holds the
 * entries the rights are looked up once; of an entry the mode bits decide where they are exact (own files),
 * else access(2) is asked about what they grant.
 *
 * MLSD reads all names of a directory, as far as they fit into the budget of nameset.h, and looks at the files in the order
 * of their inodes; then it goes on with the next names. Nothing is sorted for the client.
 */
#ifndef SESSION_MLSX_H
#define SESSION_MLSX_H

#include "base/buf.h"
#include "session/session.h"
#include "session/xfer.h"

struct mlsd;
struct nameset_budget;

/* arg: the command's argument, copied; s is kept until mlsd_free(). NULL when memory is out. */
struct mlsd *mlsd_new(struct session *s, const char *arg);
void mlsd_free(struct mlsd *m); /* NULL is fine; not after mlsd_source() was given away */
/* Find the directory. 0, -ENOTDIR, -EPERM (a rule), -errno. May block. */
int mlsd_open(struct mlsd *m);
const char *mlsd_path(const struct mlsd *m);        /* as typed */
struct nameset_budget *mlsd_budget(struct mlsd *m); /* of the names that it holds at a time */
struct xfer_source *mlsd_source(struct mlsd *m);

/* What MLST needs of the session, copied on the loop. */
struct mlst {
	struct session *s; /* kept */
	char cwd[VFS_PATH_SIZE];
	char *path;      /* as sent; owned */
	unsigned facts;  /* VERB_FACT_ bits */
	struct buf line; /* answer: "facts name" */
};

int mlst_init(struct mlst *m, struct session *s, const char *arg); /* 0 or -ENOMEM */
void mlst_done(struct mlst *m);
/* Fill line. 0, -EPERM (a rule), -errno. May block. */
int mlst_run(struct mlst *m);

#endif
