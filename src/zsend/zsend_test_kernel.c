#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "zsend/zsend_test_kernel.h"

struct bent_kernel bent = {.room = -1};

void bent_reset(void)
{
	memset(&bent, 0, sizeof(bent));
	bent.room = -1;
}

static bool every(unsigned n)
{
	return n != 0 && bent.sending % n == 0;
}

/* True if the call is to fail, with errno set. */
static bool fails(enum bent_call c)
{
	bent.calls[c]++;
	if (bent.fail[c] == 0 || bent.calls[c] <= bent.after[c])
		return false;
	errno = bent.fail[c];
	return true;
}

/* How many of n bytes a sending call may take. 0 with errno: it fails. */
static size_t allowance(enum bent_call c, size_t n)
{
	if (fails(c))
		return 0;
	bent.sending++;
	if (every(bent.eintr_every) || every(bent.eagain_every) || bent.room == 0) {
		errno = every(bent.eintr_every) ? EINTR : EAGAIN;
		return 0;
	}
	if (bent.room > 0 && (uint64_t)bent.room < n)
		n = (size_t)bent.room;
	return bent.step != 0 && bent.step < n ? bent.step : n;
}

static ssize_t took(ssize_t r)
{
	if (r > 0 && bent.room > 0)
		bent.room -= r;
	return r;
}

ssize_t __real_sendfile64(int out, int in, off_t *off, size_t n);
ssize_t __wrap_sendfile64(int out, int in, off_t *off, size_t n)
{
	if (n > bent.largest)
		bent.largest = n;
	n = allowance(BENT_SENDFILE, n);
	return n == 0 ? -1 : took(__real_sendfile64(out, in, off, n));
}

/* Only the second half, pipe to destination, is a sending call; it is the one without offsets. */
ssize_t __real_splice(int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags);
ssize_t __wrap_splice(int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags)
{
	if (in_off != NULL)
		return fails(BENT_SPLICE) ? -1 : __real_splice(in, in_off, out, out_off, n, flags);
	n = allowance(BENT_SPLICE, n);
	return n == 0 ? -1 : took(__real_splice(in, in_off, out, out_off, n, flags));
}

ssize_t __real_send(int s, const void *p, size_t n, int flags);
ssize_t __wrap_send(int s, const void *p, size_t n, int flags)
{
	n = allowance(BENT_SEND, n);
	return n == 0 ? -1 : took(__real_send(s, p, n, flags));
}

ssize_t __real_sendmsg(int s, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int s, const struct msghdr *msg, int flags)
{
	struct iovec iov[64];
	struct msghdr m = *msg;
	size_t n = 0, left;

	for (size_t i = 0; i < m.msg_iovlen; i++)
		n += m.msg_iov[i].iov_len;
	left = allowance(BENT_SENDMSG, n);
	if (left == 0)
		return -1;
	memcpy(iov, m.msg_iov, m.msg_iovlen * sizeof(iov[0]));
	m.msg_iov = iov;
	for (size_t i = 0; i < m.msg_iovlen; i++) {
		if (iov[i].iov_len > left)
			iov[i].iov_len = left;
		left -= iov[i].iov_len;
	}
	return took(__real_sendmsg(s, &m, flags));
}

ssize_t __real_preadv64v2(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return fails(BENT_PREADV2) ? -1 : __real_preadv64v2(fd, iov, n, off, flags);
}

ssize_t __real_pread64(int fd, void *buf, size_t n, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t n, off_t off)
{
	return fails(BENT_PREAD) ? -1 : __real_pread64(fd, buf, n, off);
}

/* Returns the error instead of setting errno. */
int __real_posix_fadvise64(int fd, off_t off, off_t len, int advice);
int __wrap_posix_fadvise64(int fd, off_t off, off_t len, int advice)
{
	bent.advice = advice;
	bent.advice_off = off;
	bent.advice_len = len;
	return fails(BENT_FADVISE) ? errno : __real_posix_fadvise64(fd, off, len, advice);
}

/* cachestat(2) has no wrapper in libc. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[4];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return fails(BENT_CACHESTAT) ? -1 : __real_syscall(number, a[0], a[1], a[2], a[3]);
}
