#include "session/prealloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool prealloc_fits(const struct statvfs *fs, uint64_t bytes)
{
	return !fs->f_frsize || !fs->f_blocks || bytes / fs->f_frsize <= fs->f_bavail;
}

int prealloc_check(int fd, uint64_t size, uint64_t freed)
{
	struct statvfs fs;

	if (size <= freed || fstatvfs(fd, &fs) < 0)
		return 0;
	return prealloc_fits(&fs, size - freed) ? 0 : -ENOSPC;
}

/* Reserve from p->until on. 0 or -errno. */
static int reserve(struct prealloc *p, int fd, uint64_t end)
{
	uint64_t from = p->until;
	/* A file system may take all that is left before it says that this was not enough. */
	int r = prealloc_check(fd, end - from, 0);

	if (r < 0)
		return r;
	do
		r = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(end - from));
	while (r < 0 && errno == EINTR);
	p->until = end; /* also after a failure: a part may have been reserved */
	return r < 0 ? -errno : 0;
}

int prealloc_begin(struct prealloc *p, int fd, uint64_t size)
{
	int r;

	p->size = p->until = 0;
	if (size < PREALLOC_MIN || size > INT64_MAX)
		return 0;
	r = reserve(p, fd, size < PREALLOC_AHEAD ? size : PREALLOC_AHEAD);
	if (r == 0)
		p->size = size;
	return r == -ENOSPC || r == -EDQUOT ? r : 0;
}

void prealloc_go_on(struct prealloc *p, int fd, uint64_t offset)
{
	uint64_t end;

	if (!p->size || p->until >= p->size || offset + PREALLOC_AHEAD / 2 < p->until)
		return;
	end = p->size - offset < PREALLOC_AHEAD ? p->size : offset + PREALLOC_AHEAD;
	if (offset >= p->size || reserve(p, fd, end) < 0)
		p->size = 0;
}

void prealloc_end(struct prealloc *p, int fd)
{
	struct stat st;
	int r;

	p->size = 0;
	if (!p->until || fstat(fd, &st) < 0 || (uint64_t)st.st_size >= p->until)
		return;
	r = ftruncate(fd, st.st_size);
	(void)r; /* it cannot fail where writing went well; else the blocks go when the file is cut or removed */
}
