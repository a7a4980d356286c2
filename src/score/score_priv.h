/* Layout of the scoreboard file, for score/ only.
 *
 *   0           struct score_header        one page
 *   TABLE_OFF   struct score_proc [4096]   written by the master (and ftpscrub), seq taken by
 *               compare-and-swap
 *   MAPPED_OFF  struct score_mapped [100]  files of TransferMMapFile, written by the master
 *   REGION_OFF  region 0, region 1, ...    STRIDE bytes apart; region i belongs to table entry i
 *
 * A region: struct score_region_head (64 KiB, the largest page size there is) and four tables (score_tables()): the
 * slots, what sessions have in common, the commands that run, the overflow texts. An idle session touches its slot
 * only. A record of the second and third table belongs to a slot as long as that names it: both change in an update of the slot,
 * so its counter holds for them too. Fixed-width fields, no pointers. */
#ifndef SCORE_SCORE_PRIV_H
#define SCORE_SCORE_PRIV_H

#include <stdatomic.h>
#include <sys/mman.h>

#include "score/score.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older kernels answer EINVAL */
#endif

#define SCORE_MAGIC   "WHRSCORE" /* 8 bytes, no NUL */
#define SCORE_VERSION 4u         /* raise with every change of the layout */

#define SCORE_ALIGN      65536u
#define SCORE_TABLE_OFF  4096u
#define SCORE_MAPPED_OFF (SCORE_TABLE_OFF + SCORE_PROCS_MAX * 64u)
#define SCORE_REGION_OFF                                                                                     \
	((SCORE_MAPPED_OFF + SCORE_PRELOADS_MAX * 512u + SCORE_ALIGN - 1) / SCORE_ALIGN * SCORE_ALIGN)
#define SCORE_STRIDE (UINT64_C(64) << 20)

struct score_header {
	char magic[8];
	uint32_t version;
	uint32_t proc_bytes, slot_bytes, common_bytes, work_bytes, over_bytes; /* of the records, checked */
	uint32_t proc_max;
	uint32_t server; /* enum score_server */
	int32_t daemon_pid;
	_Atomic uint32_t proc_used; /* entries at and above this one were never used */
	uint64_t daemon_ticks;      /* its start time, /proc/PID/stat field 22 */
	uint64_t started_ms;
	char boot_id[40];
	char program[32];
};

enum { PROC_FREE, PROC_RESERVED, PROC_LIVE };

struct score_proc {
	_Atomic uint32_t seq; /* odd: taken by who is changing the entry */
	_Atomic uint32_t state;
	int32_t pid;
	uint32_t role;
	uint32_t slots;
	uint32_t spare;
	uint64_t ticks; /* start time of pid, 0 = unknown */
	uint64_t pad[4];
};

struct score_mapped {
	_Atomic uint32_t seq; /* odd: being written */
	uint32_t used;        /* 0 = nothing here */
	struct score_preload p;
	uint64_t pad[2];
};
_Static_assert(sizeof(struct score_mapped) == 512, "the table is made of such entries");

struct score_region_head {
	_Atomic uint32_t used; /* slots at and above this one are free */
};

enum { SLOT_FREE, SLOT_USED };
enum { OVER_NAME = 1, OVER_CWD = 2, OVER_ARG = 4 };
enum {
	FLAG_LOGGED_IN = 1,
	FLAG_IDLE = 2,
	FLAG_TLS_CONTROL = 4,
	FLAG_TLS_DATA = 8,
	FLAG_XFER = 16,
	FLAG_CURRENT = 32
};

struct score_hot {
	_Atomic uint32_t seq;
	uint32_t state;
	uint32_t id;
	uint16_t client_port;
	uint16_t common; /* number of its score_common and */
	uint16_t work;   /* of its score_work, counted from 1; 0 = none */
	uint8_t flags, over, dir, path;
	uint16_t spare;
	uint64_t begin_ms, since_ms;
	uint64_t xfer_size, xfer_done, xfer_acked, xfer_elapsed_ms, xfer_updated_ms;
	uint64_t rate_limit_bps;
	uint8_t client[16]; /* IPv6, IPv4 as mapped; all zero = not set */
	char name[48];      /* the whole text, or its beginning when the bit in over is set */
	char cwd[88];       /* the same */
};

/* Sessions with the same of all these share one record. */
struct score_common {
	uint32_t refs; /* slots that name it; for the writer only */
	uint32_t uid, gid;
	uint16_t server_port, spare;
	uint8_t server[16]; /* as score_hot.client */
	char user[SCORE_USER_MAX];
	char class_name[SCORE_CLASS_MAX];
	char label[SCORE_LABEL_MAX];
	char protocol[SCORE_PROTOCOL_MAX];
};

/* The command that runs. */
struct score_work {
	char cmd[SCORE_CMD_MAX];
	char arg[88]; /* as score_hot.cwd */
};

struct score_over {
	_Alignas(4) char name[SCORE_NAME_MAX];
	char cwd[SCORE_CWD_MAX];
	char arg[SCORE_ARG_MAX];
};

/* What one side writes while the other may read it is accessed by these only: relaxed atomics, which cost nothing
 * on any machine we know, so that a reader that is too early gets old and new values mixed (the sequence counter
 * tells it) and not undefined behaviour. */
#define score_put(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define score_get(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Both: n is a multiple of 4, and both sides are aligned to 4. */
static inline void score_copy_in(void *shared, const void *src, size_t n)
{
	uint32_t *to = (uint32_t *)shared;
	const uint32_t *from = (const uint32_t *)src;

	for (size_t i = 0; i < n / 4; i++)
		score_put(to[i], from[i]);
}

static inline void score_copy_out(void *dst, const void *shared, size_t n)
{
	uint32_t *to = (uint32_t *)dst;
	const uint32_t *from = (const uint32_t *)shared;

	for (size_t i = 0; i < n / 4; i++)
		to[i] = score_get(from[i]);
}

_Static_assert(sizeof(struct score_header) <= SCORE_TABLE_OFF, "header fits its page");
_Static_assert(sizeof(struct score_proc) == 64, "process entry");
_Static_assert(sizeof(struct score_hot) == 240, "slot");
_Static_assert(offsetof(struct score_hot, client) % 4 == 0 && offsetof(struct score_hot, name) % 4 == 0 &&
		       offsetof(struct score_hot, cwd) % 4 == 0 && sizeof(struct score_common) % 4 == 0 &&
		       offsetof(struct score_work, arg) % 4 == 0 && sizeof(struct score_work) % 4 == 0,
	"texts and records are copied in words");
_Static_assert(SCORE_TABLE_OFF + SCORE_PROCS_MAX * 64u <= SCORE_REGION_OFF, "table before regions");

static inline size_t score_align(size_t n)
{
	return (n + SCORE_ALIGN - 1) & ~(size_t)(SCORE_ALIGN - 1);
}

/* Where the tables of a region begin, from its own begin. */
struct score_offsets {
	size_t hot, common, work, over, end;
};

static inline struct score_offsets score_offsets(unsigned slots)
{
	struct score_offsets o = {.hot = SCORE_ALIGN};

	o.common = o.hot + score_align(slots * sizeof(struct score_hot));
	o.work = o.common +
		 score_align((slots + 1) * sizeof(struct score_common)); /* one while a slot changes it */
	o.over = o.work + score_align(slots * sizeof(struct score_work));
	o.end = o.over + score_align(slots * sizeof(struct score_over));
	return o;
}

/* The tables of a mapped region. */
struct score_tables {
	struct score_hot *hot;
	struct score_common *common;
	struct score_work *work;
	struct score_over *over;
	unsigned slots;
};

static inline struct score_tables score_tables(char *map, unsigned slots)
{
	struct score_offsets o = score_offsets(slots);

	return (struct score_tables){.hot = (struct score_hot *)(void *)(map + o.hot),
		.common = (struct score_common *)(void *)(map + o.common),
		.work = (struct score_work *)(void *)(map + o.work),
		.over = (struct score_over *)(void *)(map + o.over),
		.slots = slots};
}

static inline uint64_t score_region_off(unsigned index)
{
	return SCORE_REGION_OFF + index * SCORE_STRIDE;
}

struct score_region {
	struct score_board *board; /* NULL in the child */
	struct score_region *next; /* in board->regions, master only */
	char *map;
	size_t map_bytes;
	struct score_tables tables;
	unsigned index;
	unsigned commons;                     /* writer: records of score_common up to the last one in use */
	unsigned commons_ready, works_ready;  /* writer: records whose memory is there */
	uint64_t taken[SCORE_SLOTS_MAX / 64]; /* writer: bit = slot in use */
	uint64_t busy[SCORE_SLOTS_MAX / 64];  /* writer: the same of score_work */
};

/* The writer's handle of a slot. */
struct score_slot {
	struct score_region *region;
	unsigned index;
	bool over_usable; /* its memory is there */
	bool over_failed;
};

/* Start time in clock ticks since boot. 0, or -ESRCH (a zombie), -ENOENT (not seen in /proc), -errno. */
int score_proc_ticks(pid_t pid, uint64_t *ret_ticks);
/* Is pid the process that started at ticks (0 = unknown)? In doubt, yes. */
bool score_proc_alive(pid_t pid, uint64_t ticks);
/* Identity of this boot; "" when the system does not tell. */
void score_boot_id(char *buf, size_t size);
/* Was the file written in this boot? In doubt, yes. */
bool score_same_boot(const struct score_header *h);
/* Is this a header that this build can use? file_bytes: size of the file. */
int score_header_check(const struct score_header *h, uint64_t file_bytes, const char *name, struct err *err);

struct score_copy {
	struct score_hot hot;
	struct score_common common; /* zeros when the slot names none */
	struct score_work work;     /* the same */
	struct score_over over;     /* only texts with a bit in hot.over */
};
/* One try for a consistent copy of slot i; false: it was being written. */
bool score_slot_try(const struct score_tables *t, unsigned i, struct score_copy *ret);

/* Tests only. */
int score_board_fd(const struct score_board *board);
/* Tests only: take the path for file systems that cannot punch holes. */
extern bool score_no_punch;

#endif
