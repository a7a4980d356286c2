/* The master process: configuration, listeners, log files, scoreboard, children, limits. It never parses what
 * a client wrote; the only bytes of clients that pass through are opaque ones inside IPC_HANDOFF.
 *
 *   main.c     options and the other entrances (-t, share, ...)
 *   master.c   start, reload, stop
 *   child.c    forking, reaping, restarting     newborn.c  what a child does first
 *   handler.c  requests of the children: one function each, all in one place to read
 *   admit.c    the session table and the limits counted over it     grant.c  what a session has of its grant
 *   listen.c   listening sockets     logfile.c  log files     control.c  wherryctl's socket     explain.c  wherryctl explain
 *   certs.c    certificate files that change or expire
 *   staple.c   OCSP responses for them     revocation.c   OCSP for certificates of clients     asker.c   who asks for both
 *   ban.c      bans     home.c  CreateHome     own.c  UserOwner and GroupOwner
 *   mapper.c   files mapped for the session processes
 *   rates.c    new numbers for TransferRate without a reload
 *   shut.c     the shutdown message file     share.c, live.c  `wherryd share`
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "ftp/conf.h"
#include "ftp/tls_servers.h"
#include "ipc/chan.h"
#include "ipc/rate_table.h"
#include "master/ban.h"
#include "master/loop.h"
#include "score/score.h"

struct child;
struct certs;       /* certs.c */
struct mapper;      /* mapper.c */
struct owners;      /* own.c */
struct revocations; /* revocation.c */
struct staples;     /* staple.c */
struct preloads;    /* vfs/preload.h */
struct grantee;
struct grant_start;

/* One loaded configuration and who still uses it. */
struct generation {
	struct list link; /* master.generations */
	struct ftp_config *config;
	struct child *auth;    /* NULL while it is down */
	unsigned refs;         /* children and sessions */
	struct mapper *mapper; /* of TransferMMapFile; NULL = none */
};

struct listener {
	struct list link; /* master.listeners */
	struct addr addr; /* with port */
	int fd;
	bool both; /* a wildcard of IPv6 that takes IPv4 as well: of the service manager */
};

/* Who a session process is. Strings are owned. */
struct identity {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	char *user, *root;
	/* CreateHome: only for who forks the process, not kept; NULL = nothing is to be made */
	const struct ftp_create_home *create_home;
	const char *home;
};

struct child {
	struct list link; /* master.children */
	enum ipc_role role;
	unsigned id;
	pid_t pid;
	struct ipc_chan chan;
	struct loop_watch watch;
	struct generation *gen; /* a reference */
	bool retiring;
	uint64_t started_ms;
	unsigned n_sessions; /* that it owns: connections of login, sessions of a session process */
	/* session processes */
	struct identity identity;
	struct grantee *grantee; /* of its last session, for the next one; NULL = none yet */
	uint64_t idle_since_ms;  /* when n_sessions became 0 */
};

/* The certificate that a client has shown, where responders are asked about it (revocation.c). */
struct msession_cert {
	uint8_t digest[32];
	unsigned server; /* index */
	bool asking;     /* login waits for an answer */
	bool passed;     /* the last answer lets it in */
};

enum msession_state { MSESSION_CONNECTED, MSESSION_GRANTED, MSESSION_ACTIVE };

/* What master knows of one session. */
struct msession {
	struct list link; /* master.sessions */
	struct msession *hash_next;
	uint32_t sid;
	enum msession_state state;
	struct child *owner;
	struct generation *gen; /* a reference */
	const struct ftp_server *server;
	const struct ftp_class *class; /* NULL = none */
	struct addr peer, local;
	uint64_t connected_wall_ms;
	unsigned relay;        /* id of the login process that carries its TLS, 0 = none */
	uint32_t xfer_command; /* FTP_XFER_ bit of the counted transfer, 0 = none */
	char *client_name; /* verified DNS name as login said, for the way back (REIN); owned, NULL = none */
	struct msession_cert *cert; /* owned; NULL = none was asked about, or the login is over */
	/* from the grant: grant.c */
	struct grantee *grantee;   /* NULL = there was none yet */
	struct grant_start *start; /* NULL when the session process has it */
};

/* Whom a grant is for. Never changes; there may be thousands of sessions, so those of a process share an equal one. */
struct grantee {
	unsigned refs;
	uint32_t anon;
	uid_t uid;
	gid_t gid;
	char *user, *sent_user, *group_names;
};

/* What else a session process needs to know to begin. */
struct grant_start {
	uint32_t request;
	char *email, *home, *root, *chdir;
	uint32_t *groups;
	size_t n_groups;
};

static inline uint32_t msession_anon(const struct msession *s)
{
	return s->grantee != NULL ? s->grantee->anon : 0;
}

/* NULL = not known yet. */
static inline const char *msession_user(const struct msession *s)
{
	return s->grantee != NULL ? s->grantee->user : NULL;
}

/* ServerLog of its server, for log_ctx.fd. */
static inline int msession_log_fd(const struct msession *s)
{
	return s->server != NULL ? ftp_server_log_fd(&s->server->scope->conf) : 0;
}

#define SESSION_BUCKETS 4096

struct master_options {
	struct ftp_config_options load;
	bool foreground, quiet;
	int debug_level;
	bool live;              /* print live lines to standard output (share) */
	char *announcement;     /* printed when serving, NULL = nothing; may hold a password */
	bool memory_scoreboard; /* no file */
};

struct master {
	struct master_options opt;
	struct log_ctx log;
	struct loop loop;
	struct list generations, children, listeners, inherited, sessions;
	struct generation *gen; /* the current one */
	struct msession *buckets[SESSION_BUCKETS];
	struct score_board *board; /* NULL = none */
	struct rate_table *rates;
	uint64_t next_scrub_ms;
	struct ipc_scratch scratch;
	unsigned next_child_id;
	uint32_t next_sid, n_sessions;
	bool can_switch_uid;
	uint64_t started_wall_ms;

	/* connections in the running interval of MaxConnectionRate */
	uint64_t rate_start_ms;
	unsigned rate_count;

	/* restarts of login and auth after they died */
	uint64_t restart_at_ms; /* 0 = nothing to restart */
	unsigned fast_deaths;

	/* stopping */
	bool stopping;
	uint64_t stop_deadline_ms; /* UINT64_MAX: wait for sessions to end by themselves */

	struct certs *certs;             /* NULL = no TLS */
	struct staples *staples;         /* NULL = no TLSStapling */
	struct revocations *revocations; /* NULL = none was asked for yet */
	struct owners *owners;           /* NULL = nothing was given away yet */
	struct bans *bans;               /* NULL = none yet (tests) */
	struct control *control;         /* wherryctl's socket, NULL = none */
	struct shut *shut;
	struct live *live;
	char *pid_file_made; /* path to remove at the end */
	int pid_fd;          /* kept open: its inode cannot become another daemon's file */
};

/* --- master.c --- */
/* Start and serve until stopped. ready_fd (given, -1 = none) gets one byte when serving, and is closed
 * without it when the start fails; why is then on standard error. Returns the exit status. */
int master_run(const struct master_options *opt, int ready_fd);
int master_reload(struct master *m, struct err *err);
/* Load the certificates and keys again, with the configuration as it was read when it came into force. */
int master_renew(struct master *m, struct err *err);
/* Read the configuration only for the numbers of its TransferRate and TransferRateTotal lines: they count at once
 * for all sessions and transfers. Results as rates_apply(). */
int master_rates(struct master *m, unsigned *ret_new, unsigned *ret_gone, struct err *err);
/* now: end transfers too; else sessions finish what they do. text: reply line of the farewell without
 * code, NULL = default. */
void master_stop(struct master *m, bool now, const char *text);
void generation_ref(struct generation *g);
void generation_unref(struct master *m, struct generation *g);

/* --- child.c --- */
int children_start(
	struct master *m, struct err *err); /* auth and login processes of the current generation */
/* The login process that takes connections now, or NULL. */
struct child *child_login(const struct master *m);
/* The process for that identity of generation g: an existing one or a new one. Identity is copied. */
int child_for_identity(struct master *m, struct generation *g, const struct identity *id,
	struct child **ret_c, struct err *err);
void child_retire(struct child *c, bool now, const char *text);
void child_kill(struct master *m, struct child *c, const char *why); /* it broke the rules */
void children_reap(struct master *m);                                /* after SIGCHLD */
/* Housekeeping: idle session processes, restarts. Returns the time of the next such work. */
uint64_t children_tick(struct master *m, uint64_t now_ms);
unsigned children_count(const struct master *m);
int child_send(struct child *c, enum ipc_type type, const void *msg, int fd);

/* --- handler.c --- */
void handler_event(void *child, uint32_t events); /* loop_fn of every child */
/* What a child had said before it ended and nobody read yet: a login process that retires ends right after its last handoff. */
void handler_last_words(struct master *m, struct child *c);
extern struct master *master_the; /* there is one per process */

/* --- admit.c --- */
struct msession *msession_new(struct master *m, struct child *owner);
struct msession *msession_find(const struct master *m, uint32_t sid);
void msession_free(struct master *m, struct msession *s);
void msession_move(struct msession *s, struct child *to);
void msession_forget_cert(struct msession *s); /* the login is over */
/* Back to before its login, with a login process of another generation perhaps. */
void msession_reset(struct master *m, struct msession *s, struct child *login);
/* May this new connection stay? IPC_OK, or a verdict with the reply line in text. */
uint32_t admit_connection(struct master *m, const struct msession *s, char *text, size_t size);
/* Something that BanOnEvent counts. user: as sent, of one who has not logged in, may be NULL or "". */
void admit_event(struct master *m, const struct msession *s, const struct ftp_conf *conf,
	enum ftp_ban_event event, const char *user);
/* May this granted login go on? */
uint32_t admit_login(struct master *m, const struct msession *s, char *text, size_t size);
/* 0: yes (and it is counted), 1: too many of this user, 2: too many of this host. */
uint32_t admit_transfer(struct master *m, struct msession *s, const struct ipc_xfer_claim *claim);
/* The scope that holds for a session: its <Anonymous> section or the server, with the conditional sections that hold
 * for the class or, authenticated, for the class, user and groups of the grant. Lives in a and in the configuration.
 * NULL: the server has no <Anonymous> of the grant's number. */
const struct ftp_scope *msession_scope(const struct msession *s, bool authenticated, struct arena *a);

/* --- grant.c --- */
void grant_keep(struct msession *s, const struct ipc_grant *g); /* instead of an earlier one */
void grant_started(struct msession *s, struct child *process);  /* process has what s->start says */
void grant_drop(struct msession *s);
void grantee_unref(struct grantee **grantee); /* NULL inside is fine; sets NULL */

/* --- listen.c --- */
/* Make m->listeners what config asks for; sockets that stay are kept. On error nothing has changed. At the start, when there
 * are none yet, their addresses are taken, but clients must wait for listeners_listen(). */
int listeners_update(struct master *m, const struct ftp_config *config, struct err *err);
/* Once, before anything else is opened: the sockets of LISTEN_FDS (sd_listen_fds(3)). Each is used where it is an
 * address of a server, or a wildcard that one of them is part of, as long as the server runs. */
void listeners_inherit(struct master *m);
int listeners_listen(struct master *m, struct err *err);
void listeners_close(struct master *m);

/* --- logfile.c --- */
int logfiles_open(struct ftp_config *config, struct err *err);
void logfiles_close(struct ftp_config *config);
/* Give every child of every generation fresh descriptors (log rotation, reload). */
void logfiles_reopen(struct master *m);
/* Where this process's diagnostics go, by config and options. */
void logsink_select(const struct master *m, const struct ftp_config *config);
/* The socket to syslog, which children inherit; -1 = not open. */
int logsink_syslog_fd(void);

/* --- rates.c --- */
/* Publish the numbers of config for all generations in use. Returns how many lines have another number by that,
 * or a negative error, and nothing has changed. *ret_new, *ret_gone: lines that only config, or only the current configuration has; they are for the
 * next reload. */
int rates_apply(struct master *m, const struct ftp_config *config, unsigned *ret_new, unsigned *ret_gone,
	struct err *err);

/* --- control.c --- */
int control_open(struct master *m, const char *path, struct err *err);
/* Owner and rights of the socket's file as config says. */
void control_permit(struct master *m, const struct ftp_config *config);
/* Take no further requests, so that another daemon can have the socket; those that are being answered go on. */
void control_leave(struct master *m);
void control_close(struct master *m);

/* --- certs.c --- */

/* Watch the certificate files of that configuration, and no others any more. */
void certs_watch(struct master *m, const struct ftp_config *config);
void certs_forget(struct master *m);
/* Load them when they have changed; warn of what expires. Returns when to call again, or UINT64_MAX. */
uint64_t certs_tick(struct master *m, uint64_t now_ms);
/* When the first certificate expires, seconds since 1970; INT64_MAX = there is none. */
int64_t certs_expire(const struct ftp_config *config);

/* --- staple.c --- */
/* What is known of the certificates of the current generation counts for that configuration too. Before its processes
 * are made. */
void staples_inherit(struct master *m, const struct ftp_config *config);
/* Ask for what that configuration wants, and for nothing else any more. */
void staples_watch(struct master *m, const struct ftp_config *config);
void staples_forget(struct master *m);
/* What is known of the certificate in a slot of a server of the current generation that has one there. */
struct staple_state {
	const char *state; /* "off", "none", "good", "revoked"; static */
	int64_t until,
		next; /* end of the response, and the next question; seconds since 1970, 0 = none, or it is being asked */
	const char *
		error; /* why the last question was in vain, or why none is asked; NULL = all is well. Borrowed */
};
void staples_state(
	const struct master *m, const struct ftp_server *server, unsigned slot, struct staple_state *ret_s);
/* Ask where it is time to. Returns when to call again, or UINT64_MAX. */
uint64_t staples_tick(struct master *m, uint64_t now_ms);

/* --- mapper.c --- */
/* Map the files of g's configuration. strict, at the start: one that cannot be mapped is an error, and Populate is waited
 * for; else an error is logged, and pages come while clients are served. What was mapped before an error is freed with
 * g. */
int mapper_load(struct master *m, struct generation *g, bool strict, struct err *err);
/* Follow changes of the files from now on: g is the current generation. */
void mapper_watch(struct master *m, struct generation *g);
/* g is not the current generation any more: unmap. Session processes keep what they have. */
void mapper_retire(struct master *m, struct generation *g);
void mapper_free(struct master *m, struct generation *g);
/* Map what has changed some time ago; returns the time of the next such work. */
uint64_t mapper_tick(struct master *m, uint64_t now_ms);
/* What a session process of g says of a mapping. -WE_PERMIT: there is no such one. */
int mapper_used(struct master *m, struct generation *g, const struct ipc_map_used *q);
/* In a forked child: unmap what is not for it. Returns the table of its generation for a session process, else
 * NULL. */
struct preloads *mapper_newborn(struct master *m, const struct child *c);
struct preloads *mapper_table(const struct generation *g); /* borrowed; NULL = none */

/* --- shut.c --- */
/* Is the server shut for new logins (fills the reply line)? Looks at the file at most once a second. */
bool shut_denies(struct master *m, char *text, size_t size);
/* Checks the file; starts the disconnection of sessions when its time has come. Returns the next check
 * time. */
uint64_t shut_tick(struct master *m, uint64_t now_ms);

/* --- live.c --- */
void live_start(struct master *m);
/* Each does nothing when there are no live lines. */
void live_login(struct master *m, const struct msession *s);
void live_transfer(struct master *m, const struct msession *s, const struct ipc_xfer_report *x);
void live_left(struct master *m, const struct msession *s);
uint64_t live_tick(struct master *m, uint64_t now_ms);
void live_stop(struct master *m);

/* --- share.c --- */
/* `wherryd share`: fills opt with a configuration text made from the words after "share". Returns 0, 1
 * (help was printed) or -WE_CONFIG with err. */
int share_options(int argc, char **argv, struct master_options *opt, struct err *err);

/* --- title.c --- */
void title_init(int argc, char **argv);
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- helper.c --- */
/* First in a process that is forked for one question: signals end it, and so do secs seconds. name is for the kernel, at
 * most 15 bytes, title for ps(1). */
void helper_begin(const char *name, const char *title, unsigned secs);

#endif
