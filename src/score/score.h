/* The scoreboard: one entry per session in a sparse, memory-mapped file, which ftpwho, ftptop and others read
 * while the daemon runs.
 *
 * The file has a header, a table of processes, and for each process a *region* of slots. Only the master has
 * the file open for writing. It maps a process's region before it forks that process; the child keeps that
 * one mapping and nothing else, so a session process of one user cannot write the entries of another. The
 * master takes the region back when the child is reaped.
 *
 * Writers take no lock and make no system call except when memory is touched for the first time: each
 * update of a slot raises a sequence counter to odd, writes, and raises it to even. Readers copy, and copy
 * again when the counter was odd or has moved. What a process wrote into its region is not trusted by
 * readers; the process table, which only the master writes, says who it is.
 *
 * Not here: limits (the master counts by itself), formatting (tools). The file is not an interchange format:
 * reader and writer are of one build. */
#ifndef SCORE_SCORE_H
#define SCORE_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"

struct score_board;  /* the file, master's side */
struct score_region; /* the slots of one process */
struct score_slot;   /* one session's entry, writer's side */
struct score_reader;

#define SCORE_SLOTS_MAX 16384 /* slots of one region */
#define SCORE_PROCS_MAX 4096  /* processes at one time */

/* Longest texts with their NUL; longer ones are cut on a UTF-8 boundary. */
#define SCORE_USER_MAX     64
#define SCORE_CLASS_MAX    32
#define SCORE_LABEL_MAX    32
#define SCORE_PROTOCOL_MAX 12
#define SCORE_CMD_MAX      20
#define SCORE_NAME_MAX     256
#define SCORE_CWD_MAX      1024
#define SCORE_ARG_MAX      1024

enum score_server { SCORE_STANDALONE, SCORE_INETD };
enum score_role { SCORE_LOGIN = 1, SCORE_SESSION };
enum score_dir { SCORE_NO_TRANSFER, SCORE_DOWNLOAD, SCORE_UPLOAD, SCORE_LISTING, SCORE_DIR_COUNT };

/* How the bytes of a transfer travel. */
enum score_path {
	SCORE_PATH_NONE,
	SCORE_PATH_SENDFILE, /* in the kernel */
	SCORE_PATH_COPY,     /* read and write */
	SCORE_PATH_MAPPED,   /* from a preloaded mapping */
	SCORE_PATH_KTLS,     /* in the kernel, encrypted there */
	SCORE_PATH_TLS,      /* encrypted by the library */
	SCORE_PATH_DEFLATE,  /* MODE Z: compressed or expanded by this process */
	SCORE_PATH_SPLICE,   /* upload, in the kernel */
	SCORE_PATH_COUNT
};
const char *score_path_name(enum score_path path); /* "sendfile", "copy", ...; "" for none or out of range */
bool score_path_in_kernel(enum score_path path);   /* do the bytes never enter the process? */

/* ---- master ------------------------------------------------------------------------------------------- */

struct score_info {
	const char *program;      /* "wherryd"; borrowed */
	enum score_server server; /* stand-alone or started by inetd */
};

/* Make a new scoreboard, replacing an old file in one step (readers see the old or the new one, complete).
 *   path   absolute, or NULL for an anonymous one that only score_open_board() can read
 * The calling process is recorded as the daemon: call it after going to the background.
 * Errors: -WE_DENIED (path is a symbolic link or no regular file, its folder is world-writable, or on NFS),
 * -errno. *ret_board: score_close(). */
int score_create(
	const char *path, const struct score_info *info, struct score_board **ret_board, struct err *err);

/* Open an existing one for writing (inetd start, ftpscrub). Errors as score_open(), and -EACCES, -EROFS. */
int score_attach(const char *path, struct score_board **ret_board, struct err *err);

/* Show file number i of TransferMMapFile as *p; NULL: there is no such one. At most SCORE_PRELOADS_MAX are shown,
 * others are ignored; a longer path is cut. A NULL board is fine. */
#define SCORE_PRELOADS_MAX 100
#define SCORE_PRELOAD_PATH 448 /* with its NUL */
struct score_preload {
	uint64_t size, locked; /* bytes; size 0: not mapped now */
	uint64_t hits, stale;  /* downloads that used the mapping, that found it outdated */
	uint32_t generation;   /* how often it was mapped */
	char path[SCORE_PRELOAD_PATH];
};
void score_set_preload(struct score_board *board, unsigned i, const struct score_preload *p);

/* Unmap and close; remove_file takes the file away too. Regions not yet forked are dropped. NULL is fine. */
void score_close(struct score_board *board, bool remove_file);

/* In a child that has no region (auth): unmap and close everything of the board, which is freed. NULL is
 * fine. */
void score_forget(struct score_board *board);

/* Reserve and map a region for a process to be forked.
 *   slots  1 .. SCORE_SLOTS_MAX; unused ones cost address space only
 * Errors: -WE_LIMIT (SCORE_PROCS_MAX processes), -errno (-ENOSPC: file system full). The region belongs to
 * the board until one of the next three calls. */
int score_region_new(struct score_board *board, enum score_role role, unsigned slots,
	struct score_region **ret_region, struct err *err);

/* In the master after fork(): the region is pid's. It is unmapped here and freed. NULL is fine. */
void score_region_set_pid(struct score_region *region, pid_t pid);

/* In the child after fork(): keep this region's mapping only. The board's descriptor and every other mapping
 * are gone and the board is freed, so that nothing else of this header but the writer's part may be used.
 * NULL is fine. */
void score_region_child(struct score_region *region);

/* fork() failed: give it back. NULL is fine. */
void score_region_drop(struct score_region *region);

/* pid was reaped: zero its region and free it for reuse. Unknown pids and a NULL board are fine. */
void score_region_reap(struct score_board *board, pid_t pid);

/* Clear the entries of processes that are gone (dead, zombie, pid reused, of an earlier boot).
 *   cleared  called per process; may be NULL
 * Returns the number of processes cleared. */
typedef void score_cleared_fn(void *arg, pid_t pid, unsigned sessions);
unsigned score_scrub(struct score_board *board, score_cleared_fn *cleared, void *arg);

/* ---- writer: the process that owns the region, one thread ----------------------------------------------- */

/* Take a free slot for a session that began now.
 *   session_id  unique in this daemon, kept when a session moves from a login to a session process
 * NULL when region is NULL, all slots are taken or memory is out: every function below does nothing then. */
struct score_slot *score_claim(struct score_region *region, uint32_t session_id);
void score_release(struct score_slot *slot); /* frees slot */

/* Each is one update. Texts are borrowed and may be NULL (= ""). Times are wall clock, milliseconds. */
void score_set_begin(struct score_slot *slot, uint64_t begin_ms); /* connect time, when it was not now */
void score_set_client(struct score_slot *slot, const struct addr *client, const char *name);
void score_set_server(struct score_slot *slot, const struct addr *server, const char *label);
void score_set_class(struct score_slot *slot, const char *class_name);
void score_set_protocol(struct score_slot *slot, const char *protocol);
void score_set_tls(struct score_slot *slot, bool control, bool data);
/* Logged in: until then a reader sees "(none)" and authenticating. */
void score_set_user(struct score_slot *slot, const char *user, uid_t uid, gid_t gid);
void score_set_cwd(struct score_slot *slot, const char *cwd);
/* cmd upper-case; arg as it may be shown: the caller masks secrets. Also sets the time of "since". */
void score_set_cmd(struct score_slot *slot, const char *cmd, const char *arg);
void score_set_idle(struct score_slot *slot);
void score_set_rate_limit(struct score_slot *slot, uint64_t bps); /* bytes per second, 0 = none */

/* A data connection is open. All numbers of the transfer before are gone in the same update.
 *   size_bytes  bytes planned for this transfer, 0 = unknown (most uploads, listings) */
void score_xfer_start(struct score_slot *slot, enum score_dir dir, uint64_t size_bytes, enum score_path path);

struct score_progress {
	uint64_t done_bytes;  /* of this transfer so far */
	uint64_t acked_bytes; /* of these, acknowledged by the other side; 0 = not known */
	uint64_t elapsed_ms;  /* since the data connection opened */
	enum score_path path; /* it may change in mid-transfer */
};
/* May be called as often as bytes move: it costs some nanoseconds. */
void score_xfer_progress(struct score_slot *slot, const struct score_progress *p);
/* Final numbers; they stay until the next transfer, but are no longer those of the command that runs once there is a
 * new one. */
void score_xfer_end(struct score_slot *slot, const struct score_progress *p);

/* ---- reader --------------------------------------------------------------------------------------------- */

struct score_daemon {
	enum score_server server;
	pid_t pid;           /* 0 when started by inetd */
	uint64_t started_ms; /* wall clock */
	bool alive;          /* that process runs, in this boot */
	char program[32];
};

/* A consistent copy of one entry. Texts are NUL-terminated but may hold any bytes: escape before showing. */
struct score_session {
	pid_t pid; /* of the process; several sessions may share it */
	enum score_role role;
	uint32_t id;
	uint32_t uid, gid; /* meaningful when logged_in */
	bool logged_in;
	bool idle;                  /* waiting for a command; cmd is "idle" then */
	bool tls_control, tls_data; /* encrypted channels */
	bool xfer_active;  /* a data connection is open; false: the numbers are those of the last one */
	bool xfer_current; /* the numbers are of the command in cmd; false: of an earlier one */
	enum score_dir dir;
	enum score_path path;
	struct addr client, server;                /* family 0: not set */
	uint64_t begin_ms;                         /* connected, wall clock */
	uint64_t since_ms;                         /* command or idle since, wall clock */
	uint64_t xfer_size, xfer_done, xfer_acked; /* bytes; 0 = unknown */
	uint64_t xfer_elapsed_ms, xfer_updated_ms; /* updated: wall clock of the last progress */
	uint64_t rate_limit_bps;
	char user[SCORE_USER_MAX]; /* "(none)" before login */
	char class_name[SCORE_CLASS_MAX];
	char label[SCORE_LABEL_MAX];
	char protocol[SCORE_PROTOCOL_MAX];
	char cmd[SCORE_CMD_MAX];
	char client_name[SCORE_NAME_MAX]; /* "" without reverse DNS */
	char cwd[SCORE_CWD_MAX];
	char arg[SCORE_ARG_MAX];
};

struct score_stats {
	unsigned processes; /* alive */
	unsigned sessions;  /* reported */
	unsigned dead;      /* processes skipped because they are gone */
	unsigned busy;      /* slots skipped because they never stood still */
};

/* Open for reading. Errors, each with its own sentence: -errno (cannot open; -ELOOP for a symbolic link),
 * -WE_SYNTAX (not a scoreboard, corrupted), -WE_VERSION (layout older or newer than this build).
 * *ret_reader: score_reader_free(). A daemon that restarts makes a new file, so long-running readers open anew. */
int score_open(const char *path, struct score_reader **ret_reader, struct err *err);
int score_open_board(const struct score_board *board, struct score_reader **ret_reader, struct err *err);
int score_open_fd(
	int fd, const char *name, struct score_reader **ret_reader, struct err *err); /* borrowed fd */
void score_reader_free(struct score_reader *reader);                                  /* NULL is fine */
void score_read_daemon(const struct score_reader *reader, struct score_daemon *ret_daemon);

/* File number i of TransferMMapFile; false: none. */
bool score_read_preload(const struct score_reader *reader, unsigned i, struct score_preload *ret_preload);

/* Call fn for each session, in order of process slots. The object is borrowed. A fn that does not return 0
 * stops the walk, and its value is returned. Else 0, or -errno. ret_stats may be NULL. */
typedef int score_session_fn(void *arg, const struct score_session *session);
int score_read_all(
	struct score_reader *reader, score_session_fn *fn, void *arg, struct score_stats *ret_stats);

#endif
