/* The scoreboard reader on arbitrary files. The input is a list of patches (offset u32, length u8, bytes)
 * on a file with one live process and three sessions; an input that begins with 'R' is the whole file
 * instead. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "score/score_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *arg, const struct score_session *s)
{
	volatile size_t n = strlen(s->user) + strlen(s->class_name) + strlen(s->label) + strlen(s->protocol) +
			    strlen(s->cmd) + strlen(s->client_name) + strlen(s->cwd) + strlen(s->arg) +
			    strlen(score_path_name(s->path));

	(void)n; /* read: a text without its NUL is found by the sanitizer */
	return 0;
}

static int check_path(const struct score_preload *p)
{
	volatile size_t n = strlen(p->path);

	return n == 0;
}

static void seed(int fd)
{
	struct score_mapped mapped = {.used = 1, .p = {.size = 1, .path = "/file"}};
	struct score_header h = {.version = SCORE_VERSION,
		.proc_bytes = sizeof(struct score_proc),
		.slot_bytes = sizeof(struct score_hot),
		.common_bytes = sizeof(struct score_common),
		.work_bytes = sizeof(struct score_work),
		.over_bytes = sizeof(struct score_over),
		.proc_max = SCORE_PROCS_MAX,
		.proc_used = 2};
	struct score_proc p = {.state = PROC_LIVE, .pid = getpid(), .slots = 4, .role = SCORE_SESSION};
	struct score_region_head head = {.used = 3};
	struct score_hot hot = {.state = SLOT_USED, .flags = FLAG_LOGGED_IN, .common = 1, .work = 1};
	struct score_common common = {.refs = 3, .user = "u"};
	struct score_work work = {.cmd = "RETR"};
	struct score_offsets at = score_offsets(4);
	unsigned i;

	memcpy(h.magic, SCORE_MAGIC, sizeof(h.magic));
	(void)!ftruncate(fd, (off_t)(SCORE_REGION_OFF + score_offsets(4).end));
	(void)!pwrite(fd, &h, sizeof(h), 0);
	(void)!pwrite(fd, &p, sizeof(p), SCORE_TABLE_OFF);
	(void)!pwrite(fd, &mapped, sizeof(mapped), SCORE_MAPPED_OFF);
	(void)!pwrite(fd, &head, sizeof(head), SCORE_REGION_OFF);
	for (i = 0; i < 3; i++)
		(void)!pwrite(fd, &hot, sizeof(hot), (off_t)(SCORE_REGION_OFF + at.hot + i * sizeof(hot)));
	(void)!pwrite(fd, &common, sizeof(common), (off_t)(SCORE_REGION_OFF + at.common));
	(void)!pwrite(fd, &work, sizeof(work), (off_t)(SCORE_REGION_OFF + at.work));
}

static void patch(int fd, const uint8_t *data, size_t size)
{
	while (size >= 5) {
		uint32_t off;
		size_t n = data[4];

		memcpy(&off, data, 4);
		data += 5;
		size -= 5;
		if (n > size)
			n = size;
		(void)!pwrite(fd, data, n, off % (SCORE_REGION_OFF + score_offsets(4).end));
		data += n;
		size -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct score_reader *r;
	struct score_preload p;
	struct score_daemon d;
	struct err e;

	if (fd < 0)
		return 0;
	if (size > 0 && data[0] == 'R') {
		(void)!write(fd, data + 1, size - 1);
	} else {
		seed(fd);
		patch(fd, data, size);
	}
	if (score_open_fd(fd, "fuzz", &r, &e) == 0) {
		score_read_daemon(r, &d);
		(void)!score_read_all(r, check, NULL, NULL);
		for (unsigned i = 0; score_read_preload(r, i, &p); i++)
			(void)!check_path(&p);
		score_reader_free(r);
	}
	fd_close(&fd);
	return 0;
}
