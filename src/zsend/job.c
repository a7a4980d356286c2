/* What is left of a zs_bsd() after each partial call. */
#include <errno.h>

#include "zsend/zsend_priv.h"

int zs_job_init(
	struct zs_job *job, int64_t offset, size_t nbytes, int64_t file_size, const struct zs_hdtr *hdtr)
{
	struct zs_job j = {.offset = offset};
	int64_t avail, head, tail;

	if (offset < 0 || file_size < 0)
		return -EINVAL;
	if (hdtr != NULL)
		j.hdtr = *hdtr;
	if (j.hdtr.headers == NULL)
		j.hdtr.hdr_cnt = 0;
	if (j.hdtr.trailers == NULL)
		j.hdtr.trl_cnt = 0;
	avail = offset < file_size ? file_size - offset : 0;
	j.nbytes = nbytes == 0 || nbytes > (uint64_t)avail ? avail : (int64_t)nbytes;
	head = zsend_iov_bytes(j.hdtr.headers, j.hdtr.hdr_cnt);
	tail = zsend_iov_bytes(j.hdtr.trailers, j.hdtr.trl_cnt);
	if (head < 0 || tail < 0 || head > INT64_MAX - tail || head + tail > INT64_MAX - j.nbytes)
		return -EINVAL;
	j.file_done = j.nbytes == 0;
	*job = j;
	return 0;
}

/* Take n bytes off the front of a vector that has at least as many; empty elements go with them. */
static void iov_drop(struct iovec **iov, int *cnt, int64_t n)
{
	while (*cnt > 0 && (uint64_t)n >= (*iov)->iov_len) {
		n -= (int64_t)(*iov)->iov_len;
		(*iov)++;
		(*cnt)--;
	}
	if (n > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= (size_t)n;
	}
}

static enum zs_left job_left(const struct zs_job *job)
{
	if (!job->file_done)
		return ZS_MORE;
	return job->hdtr.hdr_cnt > 0 || job->hdtr.trl_cnt > 0 ? ZS_HDTR_ONLY : ZS_DONE;
}

static enum zs_left job_advance(struct zs_job *job, const struct zsend_sent *sent)
{
	iov_drop(&job->hdtr.headers, &job->hdtr.hdr_cnt, sent->head);
	job->offset += sent->file;
	job->nbytes -= sent->file;
	if (job->nbytes == 0 || sent->tail > 0)
		job->file_done = 1;
	/* Trailers wait for the rest: an empty vector is done only when nothing is before it. */
	if (job->file_done && job->hdtr.hdr_cnt == 0)
		iov_drop(&job->hdtr.trailers, &job->hdtr.trl_cnt, sent->tail);
	job->sent += sent->head + sent->file + sent->tail;
	return job_left(job);
}

int zs_resume(struct zs_job *job, int64_t sbytes)
{
	int64_t head = zsend_iov_bytes(job->hdtr.headers, job->hdtr.hdr_cnt);
	int64_t tail = zsend_iov_bytes(job->hdtr.trailers, job->hdtr.trl_cnt);
	int64_t file = job->file_done ? 0 : job->nbytes;
	struct zsend_sent sent;

	if (sbytes < 0 || head < 0 || tail < 0 || sbytes > head + file + tail)
		return -EINVAL;
	sent.head = sbytes < head ? sbytes : head;
	sent.file = sbytes - sent.head < file ? sbytes - sent.head : file;
	sent.tail = sbytes - sent.head - sent.file;
	return (int)job_advance(job, &sent);
}

int zs_job_send(struct zs_job *job, int fd, int s, int64_t *sbytes, int flags)
{
	struct zsend_sent sent;
	int r, e;

	r = zsend_bsd(fd, s, job->offset, job->file_done ? 0 : job->nbytes, &job->hdtr, &sent, flags);
	e = errno;
	if (sbytes != NULL)
		*sbytes = sent.head + sent.file + sent.tail;
	if (r == 0) /* also when the file ended early: nbytes then says how many bytes are missing */
		job->file_done = 1;
	(void)job_advance(job, &sent); /* r says it */
	errno = e;
	return r;
}
