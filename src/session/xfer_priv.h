/* Inside of the transfer machine. States and their changes are in xfer.c, the choice of a way for the bytes
 * in xfer_path.c, the moving of them in slice.c and the ways of slice.h, words and numbers for people in xfer_report.c.
 *
 *   OPENING --connection--> [SECURING] --> WAITING <--> MOVING --all sent--> LINGER --> FINISHING --> over
 *                              ^------> PACED                               ^
 *   any of them --error or abort-------------------------------------------+
 *
 * Bytes move in slices, bounded in bytes and time. A slice runs in the loop only when it cannot wait for a
 * disk (resident pages sent by the kernel), else in a pool thread; meanwhile the loop does not touch what the
 * slice works on.
 */
#ifndef SESSION_XFER_PRIV_H
#define SESSION_XFER_PRIV_H

#include <sys/stat.h>
#include <uv.h>

#include "score/score.h"
#include "session/ascii.h"
#include "session/lowat.h"
#include "session/pool.h"
#include "session/rate.h"
#include "session/store.h"
#include "session/wire.h"
#include "session/xfer.h"
#include "vfs/preload.h"
#include "session/zfilter.h"
#include "vfs/fstype.h"

enum xfer_kind { XFER_DOWNLOAD, XFER_UPLOAD, XFER_LISTING };

enum xfer_state {
	XFER_OPENING,   /* waits for the data connection */
	XFER_SECURING,  /* TLS handshake on the data connection */
	XFER_WAITING,   /* waits for the data socket, or for memory or a FIFO by the alarm */
	XFER_MOVING,    /* a slice runs in the pool */
	XFER_PACED,     /* waits for TransferRate or its turn in a TransferRateTotal */
	XFER_LINGER,    /* everything is sent; waits for the client to close */
	XFER_FINISHING, /* the pool closes, renames or removes the file */
	XFER_STATE_COUNT
};

/* The way that the bytes take; xfer_path.c chooses, slice.h goes. */
enum xfer_path {
	XFER_SENDFILE, /* file -> socket in the kernel */
	XFER_MAPPED,   /* mapping of the file -> socket: mapped.h */
	XFER_COPY,     /* file -> [ascii] -> socket; read again where the socket stopped taking */
	XFER_STREAM, /* FIFO, generator, or any source -> [ascii] -> [deflate] -> socket; what the socket does not
			  take is kept */
	XFER_RECV,  /* socket -> [inflate] -> [ascii] -> file */
	XFER_SPLICE /* socket -> pipe -> file in the kernel, after a beginning by XFER_RECV */
};

enum xfer_abort {
	XFER_ABORT_NONE,
	XFER_ABORT_CLIENT,  /* ABOR, QUIT */
	XFER_ABORT_LOST,    /* control connection closed */
	XFER_ABORT_STALLED, /* TimeoutStalled */
	XFER_ABORT_KICKED   /* by the administrator, or another timeout */
};

enum slice_end {
	SLICE_MORE,       /* the limit of the slice was reached */
	SLICE_WAIT_NET,   /* the socket is full or empty */
	SLICE_WAIT_SHORT, /* no memory, or a FIFO without data: again in a moment */
	SLICE_EOF,        /* end of the source */
	SLICE_NET,        /* the data connection failed: error */
	SLICE_FILE        /* the file or generator failed: error */
};

struct slice {
	size_t max;          /* in: bytes at most, counted at the file, with MODE Z at the socket */
	unsigned max_ms;     /* in: milliseconds at most */
	uint64_t until_ms;   /* set by slice_run(): clock_ms() of its end */
	uint64_t file_bytes; /* out: moved, counted at the file */
	uint64_t net_bytes;  /* out: moved, counted at the socket */
	enum slice_end end;
	int error; /* positive errno */
};

/* A line of the configuration and its number there; `wherryctl rates` may have set another one. */
struct xfer_line {
	uint64_t key, bps;
};

/* TransferRate and TransferRateTotal of a transfer. */
struct xfer_limits {
	struct xfer_line own;
	uint64_t free_bytes;
	struct xfer_line total[RATE_SHARES_MAX];
	uint64_t bucket[RATE_SHARES_MAX];
	unsigned n_totals;
	uint32_t serial; /* of the numbers that were looked at */
};

struct xfer {
	struct session *s;
	enum xfer_kind kind;
	enum xfer_state state;
	const char *verb; /* static */
	char *name;       /* for the 150 line: the argument as sent */
	char *vpath;      /* for records; NULL for listings */
	char *real;       /* download: vpath without links */

	/* file side; a slice owns it while it runs */
	int fd;          /* download, else -1 */
	bool seekable;   /* false: FIFO */
	bool size_known; /* false: read to the end, wherever that is */
	uint64_t start, cur,
		end; /* download: bytes start..end of the file, cur is next; upload of a range: its
	                             place in the file, with size_known */
	struct xfer_source *src;
	struct store *store;
	int owned_fd; /* UserOwner, GroupOwner: what was stored; -1 = nothing to give away */
	struct ftp_owner user_owner, group_owner;
	bool ascii;
	struct ascii_state cr;
	char *pending; /* what the network did not take of bytes that cannot be read again; owned, NULL = never any */
	size_t pending_size, pending_len, pending_at; /* of the memory; in it; sent of that */
	bool source_ended;
	bool deflated; /* MODE Z */
	unsigned z_level;
	struct zfilter *z; /* with deflated; made by the first slice; owned */

	/* network side */
	struct wire wire;
	struct watch *watch;
	uint16_t port;

	/* path */
	enum xfer_path path;
	bool kernel_tls;             /* PROT P: the path is XFER_SENDFILE if the kernel encrypts */
	struct file_id id;           /* of a download's file when it was opened */
	struct map_ref *map;         /* mapped.h; NULL = the file is read by pread() */
	bool unmapped;               /* ... because map failed; a slice sets it */
	uint64_t chunk;              /* UseSendfile: bytes of one request at most, 0 = no limit */
	uint64_t resident_until;     /* file offset up to which no disk is needed */
	dev_t dev;                   /* of the file, 0 = a listing */
	const struct vfs_fstype *fs; /* of the file, NULL = not a download */
	bool ended_once;             /* the kernel said end of file before it was */
	struct xfer_limits limits;
	struct rate rate;   /* since the data connection is open */
	struct lowat lowat; /* upload */
	bool spliced;       /* upload: bytes have taken the way through the pipe */

	/* pool */
	struct pool_task task;
	atomic_bool cancel;
	struct slice slice;
	bool ended; /* upload: the slice has brought the file to its end, with success or end_error */
	enum store_problem problem; /* how store_end() went */
	int end_error;
	int64_t file_size; /* afterwards, -1 = not known */
	char *display;     /* DisplayFileTransfer, read at the end */

	/* outcome */
	enum xfer_abort aborted;
	bool failed;
	bool net_failed; /* by the data connection */
	int error;       /* positive errno of the failure, 0 = none */
	bool refused;    /* the data connection did not come about: 425 */

	bool sent;    /* all of a download or listing is with the wire; its end is to be said */
	bool opening; /* the command has returned; the connection is being made */
	bool said_150;
	bool appended_reply; /* STOU: its 150 has a form of its own */
	struct alarm *alarm;
	uint64_t begun_ms;  /* data connection opened, 0 = not yet */
	uint64_t moved_ms;  /* last byte */
	uint64_t done, net; /* bytes so far: file side, network side */
	uint64_t planned;   /* bytes of the file, 0 = not known */

	/* scoreboard; held and path as the last slice left them, because the next one may be under way */
	uint64_t shown_ms, shown_done, shown_acked;
	uint64_t shown_next_ms; /* of shown_alarm */
	size_t shown_held;      /* bytes for the network in x->pending */
	enum score_path shown_path;
	struct alarm *shown_alarm; /* for the time in which no slice runs */
	unsigned memory_tries;
};

/* What a command gives to start a transfer. Strings are copied. */
struct xfer_download {
	const char *verb, *name, *vpath;
	const char *real; /* vpath without links */
	int fd;           /* given */
	const struct stat *st;
	const struct vfs_fstype *fs;
	bool endless; /* the size in st says nothing (procfs) */
	uint64_t start;
	uint64_t length;             /* bytes from start on at most (RANG); 0 = to the end of the file */
	const struct ftp_conf *conf; /* of the object; borrowed for the call */
};
struct xfer_upload {
	const char *verb, *name, *vpath;
	struct store *store; /* given */
	const struct ftp_conf *conf;
};
enum ftp_result xfer_start_download(struct session *s, const struct xfer_download *d);
enum ftp_result xfer_start_upload(struct session *s, const struct xfer_upload *u);

/* Stop the transfer that runs, if any: its final reply comes when that is done, perhaps before this
 * returns. */
void xfer_abort(struct session *s, enum xfer_abort why);
/* Time (clock_ms()) of the last byte of a data phase that runs, 0 = none runs. */
uint64_t xfer_moved_ms(const struct session *s);
/* Replies can be written again: for xfer_list_on_control(). */
void xfer_output_moved(struct session *s);

void xfer_control_list_drop(struct session *s); /* the client is gone */

/* xfer_report.c */
void xfer_say_150(struct xfer *x);
void xfer_say_end(struct xfer *x);
void xfer_show_start(struct xfer *x);
void xfer_show_limit(struct xfer *x);
void xfer_show_progress(struct xfer *x); /* after each slice */
void xfer_show_last(struct xfer *x);     /* while the socket is still open */
void xfer_record(struct xfer *x);
unsigned xfer_command_bit(const char *verb); /* FTP_XFER_ */

/* xfer_rate.c */
void xfer_rate_choose(struct xfer *x, const struct ftp_conf *conf); /* conf: of the object; borrowed */
bool xfer_rate_limited(const struct xfer *x);                       /* after that: is there any rate? */
void xfer_rate_begin(struct xfer *x);                               /* the data connection is open */
void xfer_rate_refresh(struct xfer *x, uint64_t now_us);            /* has master set other numbers? */

#endif
