/* One logged-in user's session, as commands see it.
 *
 * The session machine (session.c) reads lines, looks the verb up in the table of ftp/verb.h, asks <Limit> for
 * verbs without a path, and runs the command (cmd/cmd.h). A command answers at once, or hands its file work
 * to the thread pool with session_job() and answers from there, or starts a transfer (xfer.h). Until it has
 * answered, further lines wait in the input; only ABOR, and while a transfer runs NOOP, STAT and QUIT, are
 * looked at.
 *
 * Everything here runs on the process's event loop and must not block, except what says that it may be called
 * from a pool thread. Paths are virtual (vfs/vfs.h). The process's umask is 0: give vfs_open() and
 * vfs_mkdir() the mode from session_file_mode() or session_dir_mode(). A session outlives its client while a
 * job of it runs; then replies go nowhere.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <uv.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "ftp/conf.h"
#include "session/account.h"
#include "vfs/vfs.h"

struct session;
struct session_proc; /* proc.h */
struct session_job;
struct session_tls; /* secure.h */
struct alarm;       /* watch.h */
struct score_slot;
struct ctrl; /* ctrl.h: the control connection */
struct data; /* data.h: how the next data connection is made */
struct xfer; /* xfer.h: the transfer that runs */

enum session_state {
	SESSION_STARTING, /* start directory is being looked at; no command is read */
	SESSION_READY,    /* waits for a command */
	SESSION_BUSY,     /* a command waits for the pool or another process */
	SESSION_TRANSFER, /* a transfer is being set up or runs */
	SESSION_CLOSING,  /* the last reply is on its way out */
	SESSION_CLOSED,   /* no control connection any more; kept while a job refers to it */
	SESSION_STATE_COUNT
};

/* What a command's run() or a job's done() says. */
enum ftp_result {
	FTP_DONE,      /* the final reply was given */
	FTP_WAIT_JOB,  /* session_job() was called: its done() goes on */
	FTP_WAIT_DATA, /* a transfer was started: it gives the final reply */
	FTP_WAIT_IPC,  /* another process was asked; session_finish() ends the command */
	FTP_CLOSE      /* the final reply was given; close when it is flushed */
};

/* The command being worked on: for replies, records and logs. */
struct session_command {
	const char *verb;             /* of the verb table, "SITE" for its subcommands */
	const struct line_cmd *input; /* as ftp/line.h gave it; only while check() and run() are called */
	char *line;                   /* the whole line, for records; a secret argument is already replaced */
	uint64_t started_ms;
	int reply_code;       /* last final or intermediate one, 0 = none yet */
	char *reply_text;     /* its text without code */
	char *rename_from;    /* RNTO: what it renamed, for %w; NULL = none */
	char *vpath;          /* session_note_path(): the object it worked on, NULL = none */
	unsigned log_classes; /* VERB_LOG_ bits */
	/* of its transfer */
	bool transferred;
	uint64_t bytes;
	uint64_t offset;   /* where in the file it began */
	int64_t file_size; /* afterwards, -1 = not known */
	uint64_t transfer_ms;
	uint16_t transfer_port;
	const char *status;  /* "success", "failed", "cancelled", "timeout"; static */
	const char *failure; /* why, static; NULL = none */
	bool modified;       /* an existing file was changed */
	bool bad_charset;    /* its argument has no counterpart in the charset of the files */
};

/* A command that works in slices (session_job_long()), each a job of its own, so that a thread of the pool is soon free
 * for others. The first two are for STAT. */
struct session_long {
	const char *verb, *name;
	uint64_t done, total; /* bytes */
	uint64_t begun_ms;    /* the command, clock_ms() */
};

/* Timeouts: timers.c. */
struct session_timers {
	struct alarm *alarm;       /* the nearest deadline */
	uint64_t alarm_at_ms;      /* when it fires, 0 = it is not set */
	uint64_t login_ms;         /* the beginning */
	uint64_t command_ms;       /* last command */
	uint64_t transfer_ms;      /* last opening or closing of a data connection, else login */
	struct command_rate *rate; /* MaxCommandRate; NULL = none was counted yet */
};

struct session {
	struct list link; /* of the process's sessions */
	struct session_proc *proc;
	unsigned refs;
	uint32_t sid; /* 0: given back, REIN or AUTH */
	enum session_state state;
	int end; /* enum session_end: why it ends, 0 = it does not */
	struct log_ctx log;

	/* who: fixed at the start */
	const struct ftp_server *server;
	const struct ftp_scope *scope;   /* of the server, or of the <Anonymous> it logged in to */
	struct session_account *account; /* names and ids */
	struct ftp_subject who;
	struct addr peer, local; /* of the control connection, as master said */
	char *client_name;       /* verified DNS name, NULL = none */
	char *clnt;              /* CLNT text, NULL = none */
	bool anonymous;
	bool quiet;            /* no multi-line greetings */
	bool by_certificate;   /* logged in without PASS */
	unsigned quirks;       /* ftp_quirks(): habits of the client to put up with */
	struct vfs_root *root; /* the process's; also for pool threads */

	/* parameters that commands read and change; pool threads get copies */
	char *cwd;               /* vpath; changed by session_set_cwd() only */
	bool ascii;              /* TYPE A */
	bool mode_z;             /* MODE Z */
	bool odd_stru, odd_mode; /* STRU R, MODE B: no transfer until they are taken back */
	bool epsv_all;           /* EPSV ALL was given */
	bool unreachable_logged; /* PASV told an address that the client cannot reach */
	bool utf8_on;            /* OPTS UTF8 ON: UTF-8 instead of the charset of UseEncoding */
	uint64_t allo;           /* ALLO: bytes, consumed by the next upload; 0 = none */
	uint64_t restart;        /* REST, consumed by the next RETR or STOR; the start of a range as well */
	uint64_t range;          /* RANG: bytes from restart on, 0 = no range; consumed with it */
	char *rename_from;       /* RNFR: vpath, owned; NULL = none */
	char *copy_from;         /* SITE CPFR: the same */
	char *display_seen;      /* directories where DisplayChdir "once" was shown; owned by its command */
	unsigned z_level;        /* OPTS MODE Z LEVEL */
	enum ftp_digest digest;  /* OPTS HASH; ftp_digest_first() at the start */
	unsigned facts;          /* OPTS MLST: bits of facts.h; verb_facts_start() at the start */
	int site_umask;          /* SITE UMASK, -1 = as configured */
	uint32_t idle_ms;        /* TimeoutIdle, or what SITE IDLE made of it: session_set_idle(); 0 = none */

	/* TLS: secure.h */
	bool secure;             /* the control connection has TLS, or had it before CCC */
	bool tls_cleared;        /* CCC */
	bool prot_private;       /* PROT P */
	bool sscn;               /* SSCN ON: the client of TLS on data connections */
	struct session_tls *tls; /* NULL: the login was in clear */

	/* counters of the whole session; raw: network bytes, of data connections when they have ended */
	uint64_t files_in, files_out, bytes_in, bytes_out;
	uint64_t raw_in, raw_out;

	struct session_timers timers;
	struct session_command *cmd; /* NULL between commands */
	struct ctrl *ctrl;
	struct data *data;                   /* NULL until it is needed, data.h */
	struct xfer *xfer;                   /* NULL while there is none */
	struct session_job *job;             /* NULL while there is none */
	const struct session_long *long_job; /* that STAT tells of, NULL = none */
	struct control_list *listing;        /* waits for the client to read; NULL = none */
	struct score_slot *slot;             /* NULL without scoreboard */
	struct access_cwd *cwd_access;       /* what applies in cwd, access.h; NULL = ask again */
	struct session_claim *claim;         /* counted transfers: claim.h */

	char *end_text; /* reply line before it is closed, NULL = none */
};

/* --- replies: text is one line; CR, LF and NUL in it become '_' --- */

/* A final or intermediate reply "<code> <text>"; ends a multi-line reply begun before. Exactly one per
 * command, except 150 and the like. */
void session_reply(struct session *s, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* First line "<code>-<text>", and continuation " <text>" (always begins with a blank). */
void session_reply_first(struct session *s, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void session_reply_more(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "<code> <arg>: <text of the error>"; error is a negative number as the vfs functions return it. */
void session_reply_errno(struct session *s, int code, const char *arg, int error);
/* "500 '<line>' not understood": wrong number of arguments for RETR, TYPE and the like. */
void session_not_understood(struct session *s);
/* For texts that src/ftp/ makes (verb_help(), verb_feat(), reply_path() ...): append to this buffer, then
 * say which code the reply had and whether it could be appended (r, 0 or negative). */
struct buf *session_out(struct session *s);
void session_replied(struct session *s, int code, int r);
/* The same for lines whose names are converted to the client's charset already. */
void session_replied_converted(struct session *s, int r);
/* Lines of a Display* text (session_display_text()) before the final reply: first "<code>-", then " " lines. NULL or ""
 * sends nothing. Cookies are expanded here. */
void session_reply_display(struct session *s, int code, const char *text);
/* Text of a display file for the pool: conf's own text, or the content of the file relative to dir (a
 * vpath), at most 64 KiB. Returned (free()), NULL when there is none. May block; any thread. */
char *session_display_text(struct session *s, const struct ftp_display *d, const char *dir);

/* --- work in the thread pool --- */

/* Run work(arg) in a pool thread, then done(s, arg) on the loop: always exactly once, also when the
 * session was closed meanwhile, so that done() frees arg; replying is then harmless. *cancel becomes true
 * on ABOR and when the session ends: work() returns soon then. work() must not touch s except s->root,
 * s->log and functions that say so. Returns FTP_WAIT_JOB. One job at a time; done() may start the next. */
typedef void session_work_fn(void *arg, const atomic_bool *cancel);
typedef enum ftp_result session_done_fn(struct session *s, void *arg);
enum ftp_result session_job(struct session *s, session_work_fn *work, session_done_fn *done, void *arg);
/* The same for one slice of a command that works in slices: work() returns after SESSION_SLICE_MS, done() runs the next
 * one. A command that takes long counts as a transfer for TimeoutNoTransfer, NOOP and STAT are answered at once, and
 * QUIT and the end of the input stop it, as during a transfer; not when commands wait already, which would get their
 * replies out of order. what: kept until session_long_end(). */
#define SESSION_SLICE_MS 20
enum ftp_result session_job_long(struct session *s, const struct session_long *what, session_work_fn *work,
	session_done_fn *done, void *arg);
void session_long_end(struct session *s, const struct session_long *what); /* the command is over */
/* Was the job that done() belongs to cancelled? */
bool session_job_cancelled(const struct session *s);
/* Close *fd, a file on device dev (0: not known), and set it to -1: at once where closing waits for no other process
 * or machine, else in a pool thread, for whose time the session is kept. -1 is fine. */
void session_close_fd(struct session *s, int *fd, dev_t dev);

/* End of a command that returned FTP_WAIT_IPC. */
void session_finish(struct session *s, enum ftp_result result);

/* --- paths and what is allowed --- */

/* How names are converted for the client, NULL = not at all. Any thread, but ask once for a listing: the client can
 * change it between two commands. */
static inline struct charset *session_charset(const struct session *s)
{
	const struct ftp_conf *conf = &s->scope->conf;

	if (!conf->lang_engine)
		return NULL;
	return s->utf8_on ? conf->charset_utf8 : conf->charset;
}
/* Virtual path of a client's argument: vfs_path_resolve() with the session's cwd. 0 or -ENAMETOOLONG. */
int session_path(const struct session *s, const char *arg, char out[VFS_PATH_SIZE]);

/* What applies to one object. */
struct session_access {
	const struct ftp_conf *conf;   /* values of the innermost scope with its .ftpaccess files */
	const struct ftp_scope *scope; /* that scope */
	char real[VFS_PATH_SIZE];      /* the vpath that policy has looked at: without links; give it to vfs
	                                  functions with VFS_NOLINKS (VFS_NOFOLLOW if asked for it) */
	struct access_dir *ref;        /* private */
};

/* May the session run verb ("RETR", "SITE_CHMOD"; NULL: only look up conf) on vpath? Decides by <Limit>,
 * AllowAll and DenyAll on the real path of the object, with the .ftpaccess files on its way.
 *   flags  VFS_CACHED (needed on the loop: -EAGAIN means ask again from the pool), VFS_NOFOLLOW,
 *          VFS_MISSING_OK
 * 0: *ret must be released with session_access_done(). -EPERM: a rule says no; -WE_NAME: a filter says no to
 * the name; -ENOENT also for what is hidden from the command. Else -errno of finding the object. Any thread; may block without VFS_CACHED. */
int session_allowed(
	struct session *s, const char *verb, const char *vpath, unsigned flags, struct session_access *ret);
void session_access_done(struct session_access *a);
/* The same question about an entry of a directory that was already asked about (listings): dir's answer,
 * name of an entry of it (no link is followed). Does not block; any thread. */
bool session_entry_allowed(
	struct session *s, const char *verb, const struct session_access *dir, const char *name);
/* The same question about what does not exist yet: vpath, whose last existing ancestor's answer is dir, without a link
 * on the way. 0 with the values that hold there (borrowed from dir and the configuration), -EPERM, -WE_NAME. May
 * block; any thread. */
int session_new_allowed(struct session *s, const char *verb, const struct session_access *dir,
	const char *vpath, const struct ftp_conf **ret_conf);
/* <Limit> for a command without a path: the current directory counts. */
bool session_verb_allowed(struct session *s, const char *verb);
/* AllowFilter and DenyFilter for the argument of a command: those of the current directory. */
bool session_arg_allowed(struct session *s, const char *arg);

mode_t session_file_mode(const struct session *s, const struct ftp_conf *conf); /* 0666 without the umask */
mode_t session_dir_mode(const struct session *s, const struct ftp_conf *conf);  /* 0777 without the umask */
/* Of a copy of a file of that mode: without the umask, and without set-id bits. */
mode_t session_copy_mode(const struct session *s, const struct ftp_conf *conf, mode_t mode);

/* Forget what RNFR and SITE CPFR named. */
static inline void session_forget_source(struct session *s)
{
	free(s->rename_from);
	free(s->copy_from);
	s->rename_from = s->copy_from = NULL;
}
/* Change the current directory (a vpath that is a directory): also for the scoreboard. */
void session_set_cwd(struct session *s, const char *vpath);
/* SITE IDLE: counts from now on. */
void session_set_idle(struct session *s, uint32_t ms);
/* The object the running command works on, for ExtendedLog; copied. */
void session_note_path(struct session *s, const char *vpath);
/* A DELE record in the xferlog. */
void session_log_delete(struct session *s, const char *vpath, uint64_t size_bytes);

#endif
