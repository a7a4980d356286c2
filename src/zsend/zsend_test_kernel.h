/* The system calls libzsend makes, bent by the tests: the linker sends the library's calls here (--wrap).
 * By default everything goes through to the kernel unchanged. */
#ifndef ZSEND_TEST_KERNEL_H
#define ZSEND_TEST_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum bent_call {
	BENT_SENDFILE,
	BENT_SPLICE,
	BENT_SEND,
	BENT_SENDMSG,
	BENT_CACHESTAT,
	BENT_PREADV2,
	BENT_PREAD,
	BENT_FADVISE,
	BENT_COUNT
};

struct bent_kernel {
	int64_t room;          /* bytes that all sending calls together take before EAGAIN; -1: no limit */
	size_t step;           /* most bytes one sending call takes; 0: no limit */
	unsigned eintr_every;  /* every n-th sending call fails with EINTR; 0: none */
	unsigned eagain_every; /* the same with EAGAIN */
	int fail[BENT_COUNT];  /* errno with which a call fails, 0: it does not, */
	unsigned after[BENT_COUNT]; /* ... once it was made this many times */

	unsigned calls[BENT_COUNT]; /* seen */
	unsigned sending;           /* sending calls seen */
	size_t largest;             /* largest count asked of sendfile */
	int advice;                 /* the last posix_fadvise */
	int64_t advice_off, advice_len;
};

extern struct bent_kernel bent;
void bent_reset(void);

#endif
