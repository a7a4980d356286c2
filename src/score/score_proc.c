/* Which process is that? Identity of processes and of the boot, and of the file header. */
#include "score/score_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* A small file of /proc. Length, or -errno. */
static ssize_t proc_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	fd_close(&fd);
	return n;
}

int score_proc_ticks(pid_t pid, uint64_t *ret_ticks)
{
	char path[64], text[1024], *p, *save;
	ssize_t n;
	int field;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid); /* fits */
	n = proc_read(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	p = strrchr(text, ')'); /* the name before it may hold blanks and parentheses */
	if (p == NULL)
		return -EIO;
	p = strtok_r(p + 1, " ", &save);
	if (p != NULL && (*p == 'Z' || *p == 'X'))
		return -ESRCH;
	for (field = 3; p != NULL && field < 22; field++) /* proc(5) */
		p = strtok_r(NULL, " ", &save);
	return p != NULL && str_to_u64(p, ret_ticks) == 0 ? 0 : -EIO;
}

bool score_proc_alive(pid_t pid, uint64_t ticks)
{
	bool foreign = false;
	uint64_t now;
	int r;

	if (pid <= 0)
		return false;
	if (kill(pid, 0) < 0) {
		if (errno == ESRCH)
			return false;
		foreign = true;
	}
	r = score_proc_ticks(pid, &now);
	if (r == -ESRCH)
		return false;
	if (r == -ENOENT) /* ended just now, unless /proc is not there or hides the processes of others */
		return foreign || access("/proc/self/stat", R_OK) < 0;
	return r < 0 || ticks == 0 || now == ticks;
}

void score_boot_id(char *buf, size_t size)
{
	if (proc_read("/proc/sys/kernel/random/boot_id", buf, size) < 0)
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

bool score_same_boot(const struct score_header *h)
{
	char now[sizeof(h->boot_id)], then[sizeof(h->boot_id)];

	score_boot_id(now, sizeof(now));
	memcpy(then, h->boot_id, sizeof(then));
	then[sizeof(then) - 1] = '\0';
	return now[0] == '\0' || then[0] == '\0' || str_eq(now, then);
}

int score_header_check(const struct score_header *h, uint64_t file_bytes, const char *name, struct err *err)
{
	if (memcmp(h->magic, SCORE_MAGIC, sizeof(h->magic)) != 0)
		return err_set(err, WE_SYNTAX, "%s: not a scoreboard: file is corrupted or old", name);
	if (h->version != SCORE_VERSION)
		return err_set(err, WE_VERSION,
			"%s: scoreboard version is too %s (%u, this program reads %u)", name,
			h->version < SCORE_VERSION ? "old" : "new", h->version, SCORE_VERSION);
	if (h->proc_bytes != sizeof(struct score_proc) || h->slot_bytes != sizeof(struct score_hot) ||
		h->common_bytes != sizeof(struct score_common) ||
		h->work_bytes != sizeof(struct score_work) || h->over_bytes != sizeof(struct score_over) ||
		h->proc_max != SCORE_PROCS_MAX)
		return err_set(
			err, WE_VERSION, "%s: scoreboard was written by another build of the server", name);
	if (file_bytes < SCORE_REGION_OFF)
		return err_set(err, WE_SYNTAX, "%s: scoreboard is cut short: file is corrupted", name);
	return 0;
}
