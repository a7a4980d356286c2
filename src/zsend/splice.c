/* splice(2) through a pipe: for pairs that sendfile(2) refuses. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zsend/zsend_priv.h"

void zs_pipe_close(struct zs_pipe *p)
{
	int e = errno;

	if (p->rd >= 0)
		close(p->rd);
	if (p->wr >= 0)
		close(p->wr);
	p->rd = p->wr = -1;
	p->held = 0;
	errno = e;
}

#ifndef ZSEND_LINUX

int zs_pipe_open(struct zs_pipe *p, size_t size)
{
	*p = (struct zs_pipe){.rd = -1, .wr = -1};
	errno = ENOSYS;
	return -1;
}

int64_t zs_splice(int out_fd, int in_fd, int64_t *offset, size_t count, struct zs_pipe *p)
{
	errno = ENOSYS;
	return -1;
}

#else

#define PIPE_DEFAULT (1u << 20)

int zs_pipe_open(struct zs_pipe *p, size_t size)
{
	int fds[2], got;

	*p = (struct zs_pipe){.rd = -1, .wr = -1};
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	p->rd = fds[0];
	p->wr = fds[1];
	if (size == 0)
		size = PIPE_DEFAULT;
	if (size > INT_MAX)
		size = INT_MAX;
	/* Over the user's limit (EPERM) the default size stays, which is slower and as correct. */
	(void)fcntl(p->wr, F_SETPIPE_SZ, (int)size);
	got = fcntl(p->wr, F_GETPIPE_SZ);
	p->capacity = got > 0 ? (uint32_t)got : 65536;
	return 0;
}

/* One transfer: where it reads, and what is known about the file. */
struct splicing {
	int out_fd, in_fd;
	struct zs_pipe *p;
	struct stat st;
	int64_t pos; /* next byte to send */
	int64_t end; /* byte after the last one asked for */
};

static bool held_is_ours(const struct splicing *sp)
{
	const struct zs_pipe *p = sp->p;

	return p->held_at == sp->pos && p->held_dev == sp->st.st_dev && p->held_ino == sp->st.st_ino &&
	       p->held_ctime_s == sp->st.st_ctim.tv_sec && p->held_ctime_ns == sp->st.st_ctim.tv_nsec;
}

static void held_note(struct splicing *sp)
{
	struct zs_pipe *p = sp->p;

	p->held_at = sp->pos;
	p->held_dev = sp->st.st_dev;
	p->held_ino = sp->st.st_ino;
	p->held_ctime_s = sp->st.st_ctim.tv_sec;
	p->held_ctime_ns = sp->st.st_ctim.tv_nsec;
}

/* Empty the pipe: its bytes belong to another file or offset. */
static int pipe_drop(struct zs_pipe *p)
{
	char sink[4096];

	while (p->held > 0) {
		ssize_t r = read(p->rd, sink, p->held < sizeof(sink) ? p->held : sizeof(sink));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			size_t size = p->capacity;

			zs_pipe_close(p);
			return zs_pipe_open(p, size);
		}
		p->held -= (uint32_t)r;
	}
	return 0;
}

/* File to pipe. Returns as splice(2). */
static ssize_t pipe_fill(struct splicing *sp)
{
	int64_t left = sp->end - sp->pos;
	off_t from = sp->pos;
	ssize_t r;

	r = splice(sp->in_fd, &from, sp->p->wr, NULL, left < sp->p->capacity ? (size_t)left : sp->p->capacity,
		SPLICE_F_MOVE);
	if (r > 0)
		sp->p->held = (uint32_t)r;
	/* Where splice(2) says EINVAL for what cannot seek, sendfile(2) says ESPIPE; so does lseek(2),
	 * which otherwise leaves errno alone. */
	if (r < 0 && errno == EINVAL)
		(void)lseek(sp->in_fd, 0, SEEK_CUR);
	return r;
}

/* Pipe to destination. Returns as splice(2). */
static ssize_t pipe_flush(struct splicing *sp)
{
	int64_t left = sp->end - sp->pos;
	size_t n = left < sp->p->held ? (size_t)left : sp->p->held;
	bool more = sp->pos + (int64_t)n < sp->end && sp->pos + (int64_t)n < sp->st.st_size;
	ssize_t r = splice(sp->p->rd, NULL, sp->out_fd, NULL, n, SPLICE_F_MOVE | (more ? SPLICE_F_MORE : 0));

	if (r > 0) {
		sp->p->held -= (uint32_t)r;
		sp->pos += r;
	}
	return r < (ssize_t)n && r >= 0 ? 0 : r;
}

/* Alternate filling and flushing until all is sent, the file ends, the destination is full, or an error.
 * Returns the bytes sent, or -1 if there were none and an error. */
static int64_t splice_range(struct splicing *sp)
{
	int64_t start = sp->pos;
	ssize_t r = 0;

	if (sp->p->held > 0 && !held_is_ours(sp) && pipe_drop(sp->p) < 0)
		return -1;
	while (sp->pos < sp->end) {
		if (sp->p->held == 0) {
			r = pipe_fill(sp);
			if (r <= 0)
				break;
		}
		r = pipe_flush(sp);
		if (r <= 0) /* an error, or short: full, or a signal came */
			break;
	}
	if (sp->p->held > 0)
		held_note(sp);
	if (r < 0 && errno == ENOSYS)
		zsend_cap_failed(ZS_CAP_SPLICE);
	return r < 0 && sp->pos == start ? -1 : sp->pos - start;
}

static int64_t splice_checked(struct splicing *sp, int64_t *offset, size_t count)
{
	int64_t r;

	if (count > SSIZE_MAX || (offset != NULL && *offset < 0)) {
		errno = EINVAL;
		return -1;
	}
	if (fstat(sp->in_fd, &sp->st) < 0)
		return -1;
	sp->pos = offset != NULL ? *offset : lseek(sp->in_fd, 0, SEEK_CUR);
	if (sp->pos < 0) {
		if (errno == ESPIPE)
			errno = EINVAL;
		return -1;
	}
	if (count > ZS_SLICE_MAX)
		count = ZS_SLICE_MAX;
	sp->end = (int64_t)count > INT64_MAX - sp->pos ? INT64_MAX : sp->pos + (int64_t)count;
	r = splice_range(sp);
	if (r <= 0)
		return r;
	if (offset != NULL)
		*offset = sp->pos;
	else if (lseek(sp->in_fd, sp->pos, SEEK_SET) < 0)
		return -1;
	return r;
}

int64_t zs_splice(int out_fd, int in_fd, int64_t *offset, size_t count, struct zs_pipe *p)
{
	struct splicing sp = {.out_fd = out_fd, .in_fd = in_fd, .p = p};
	struct zs_pipe own;
	int64_t r;

	if (count == 0)
		return 0;
	if (p != NULL)
		return splice_checked(&sp, offset, count);
	if (zs_pipe_open(&own, 0) < 0)
		return -1;
	sp.p = &own;
	r = splice_checked(&sp, offset, count);
	zs_pipe_close(&own);
	return r;
}

#endif
