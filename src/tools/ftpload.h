/* ftpload: many sessions with an FTP server at once, on one epoll(7) loop, and what they took.
 *
 *   ftpload.c          options
 *   ftpload_place.c    the server, user and path that they name; sizes
 *   ftpload_run.c      the loop, phases, barriers, who does what next
 *   ftpload_session.c  a session: login, commands, replies
 *   ftpload_ctrl.c     its control connection: bytes, TLS, lines
 *   ftpload_reply.c    replies, as any server may write them
 *   ftpload_data.c     its data connection: discarding, sending, inflating
 *   ftpload_tls.c      TLS of both
 *   ftpload_stat.c     samples
 *   ftpload_report.c   text and JSON
 *
 * Sessions live from start to end of the program; their connections come and go. Nothing blocks but the barriers. */
#ifndef TOOLS_FTPLOAD_H
#define TOOLS_FTPLOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

#include "base/addr.h"
#include "base/buf.h"
#include "tools/ftpload_reply.h"
#include "tools/ftpload_stat.h"

enum load_mode {
	LOAD_GET,
	LOAD_PUT,
	LOAD_LOGIN,
	LOAD_IDLE,
	LOAD_LIST,
	LOAD_NLST,
	LOAD_MLSD,
	LOAD_RATE,
	LOAD_MODE_COUNT
};
extern const char *const load_mode_name[LOAD_MODE_COUNT];

struct load_session;

struct load_options {
	enum load_mode mode;
	char *host, *port, *user, *password; /* returned by the parsing of the place */
	const char *path;      /* with %d: number of the file, %s: number of the session; NULL = none */
	unsigned sessions;     /* 1.. */
	unsigned parallel;     /* logins at a time before the start, 1.. */
	uint64_t count;        /* operations of all sessions together, 0 = no limit */
	uint64_t files;        /* %d goes from 0 to files - 1 and around, 0 = never around */
	uint64_t size_bytes;   /* of an upload */
	uint64_t expect_bytes; /* of each download, UINT64_MAX = any */
	uint64_t rate_bps;     /* expected rate of a session, 0 = unknown */
	unsigned seconds;      /* end of the run, 0 = by count */
	unsigned noops;        /* a second, of all sessions together */
	unsigned lowat_bytes;  /* SO_RCVLOWAT of downloads */
	unsigned timeout_ms;
	bool tls, implicit, resume_login, no_resume;
	const char *tls_version, *ciphers;
	bool mode_z, pasv, pause, json;
	uint64_t errors_max; /* failed operations that do not end the run */
};

#define LOAD_BIN_MS        100        /* bins of LOAD_RATE */
#define LOAD_PATTERN_BYTES (4u << 20) /* of the file that uploads repeat */

/* Something with a descriptor in the loop. */
struct load_source {
	int fd;          /* -1 = none */
	uint32_t events; /* waited for */
	bool watched;    /* in the loop */
	void (*ready)(struct load_session *s, uint32_t events);
	struct load_session *session;
};

enum load_state {
	LOAD_CLOSED,
	LOAD_CONNECTING,
	LOAD_GREETING,
	LOAD_AUTH,
	LOAD_HANDSHAKE,
	LOAD_USER,
	LOAD_PASS,
	LOAD_PBSZ,
	LOAD_PROT,
	LOAD_TYPE,
	LOAD_MODE_Z,
	LOAD_READY, /* waits for something to do */
	LOAD_PASSIVE,
	LOAD_TRANSFER,
	LOAD_NOOP,
	LOAD_QUIT,
};

struct load_data {
	struct load_source source;
	SSL *ssl;
	bool connected, secured, open; /* open: bytes may still move */
	uint64_t wire_bytes, file_bytes;
	char problem[1000]; /* what broke it, until the server's reply says more */
	z_stream *inflate;  /* MODE Z; kept from transfer to transfer */
	bool inflated;      /* its end has come */
};

struct load_session {
	struct load *load;
	unsigned number;
	enum load_state state;
	struct load_source ctrl;
	SSL *ssl;
	SSL_SESSION *tls_session; /* newest of the control connection */
	struct load_reply reply;
	struct buf out;
	char command[64]; /* the last one, cut, for messages */
	struct load_data data;
	bool began, ended;           /* the transfer's 1xx, its 2xx */
	bool has_op;                 /* op is being done */
	bool pending;                /* connects anew, or begins, after the events of this turn */
	uint64_t op;                 /* number of the operation */
	uint64_t start_us, alive_ms; /* of the operation; of the last sign of life */
	uint64_t bytes;              /* of files, in the run */
	uint64_t first_us;           /* first byte in the run */
	uint32_t *bins;              /* LOAD_RATE: bytes in each */
};

enum load_phase { LOAD_PHASE_LOGIN, LOAD_PHASE_RUN, LOAD_PHASE_END };

struct load {
	const struct load_options *opt;
	struct addr addr;
	SSL_CTX *ctx; /* with opt->tls; given by load_run()'s caller */
	int epoll_fd, timer_fd, pattern_fd;
	struct load_session *sessions;
	enum load_phase phase;
	bool over, failed; /* this phase is over; the run has failed */
	bool any_pending;
	unsigned started, logged_in; /* sessions, LOAD_PHASE_LOGIN */
	unsigned busy;               /* sessions that have an operation */
	unsigned next_idle;          /* whose turn NOOP is */
	bool no_epsv;                /* the server has none */
	size_t bins;                 /* in each session's array */
	uint64_t start_us, end_us;   /* of the run; end_us 0 = by count */
	uint64_t ops_begun, ops_done, errors, bytes, wire_bytes;
	uint64_t tls_full, tls_resumed, data_full, data_resumed;
	char tls_text[80]; /* version and cipher of the first connection */
	struct load_samples op_times, login_times, first_times;
	double client_cpu; /* seconds, in the run */
	uint64_t skipped;  /* NOOPs that found every session waiting */
};

/* ftpload_run.c */
int load_run(struct load *l); /* 0, or 1 with the message printed */
bool load_watch(struct load *l, struct load_source *s, uint32_t events);
void load_unwatch(struct load *l, struct load_source *s); /* closes the descriptor */
void load_logged_in(struct load_session *s);
void load_op_done(struct load_session *s);
void load_session_closed(struct load_session *s);
/* A session failed: the message, and the end of the run or (-k) of the session's connections. */
void load_fail(struct load_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ftpload_session.c */
void load_session_connect(struct load_session *s);
void load_session_begin(struct load_session *s); /* the next operation; logged in unless LOAD_LOGIN */
void load_session_quit(struct load_session *s);
void load_session_reply(struct load_session *s, int code, const char *text);
void load_session_connected(struct load_session *s); /* TCP or TLS is there */
void load_session_lost(struct load_session *s);      /* the server has closed */
void load_session_data_end(struct load_session *s);  /* the data connection has done its part */
void load_session_done(struct load_session *s);      /* frees, connections included */

/* ftpload_ctrl.c */
int load_ctrl_open(struct load_session *s); /* 0 or -errno */
void load_ctrl_secure(struct load_session *s);
void load_ctrl_close(struct load_session *s);
void load_ctrl_send(struct load_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ftpload_data.c */
int load_data_open(struct load_session *s, uint16_t port); /* 0 or -errno */
void load_data_close(struct load_session *s);
void load_data_go(struct load_session *s); /* an upload may begin */

/* ftpload_report.c */
void load_report(struct load *l);

#endif
