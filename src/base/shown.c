#include "base/shown.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int shown_new(const char *name, size_t len, void **ret_rw, const void **ret_ro)
{
	auto_fd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *rw, *ro;
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		return -errno;
	rw = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rw == MAP_FAILED)
		return -errno;
	if (madvise(rw, len, MADV_DONTFORK) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) ==
			0) {
		ro = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
		if (ro != MAP_FAILED) {
			*ret_rw = rw;
			*ret_ro = ro;
			return 0;
		}
	}
	r = -errno;
	(void)munmap(rw, len);
	return r;
}
