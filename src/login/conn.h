/* One client before login: everything it says and hears, as a state machine that knows neither sockets nor an
 * event loop. Its owner (proc.c, a test, the fuzzer) feeds bytes, messages and the time, and does what the
 * machine wants:
 *
 *   - send what is in conn->out, and tell login_conn_sent()
 *   - read more while login_conn_wants_input()
 *   - call login_conn_tick() at login_conn_deadline()
 *   - after any call look at conn->state: LOGIN_LINGERING shut the socket down for writing; LOGIN_GONE
 *     close and free; LOGIN_SECURING with nothing in conn->out: do the TLS handshake, and from then on all
 *     bytes go through TLS
 *
 *     ADMITTING --ADMIT--> COMMANDS --PASS--> AUTHENTICATING --LOGIN_RESULT--> HANDING_OVER --sent--> GONE
 *         |                  |    ^                 |
 *         |                  |    +--- DELAYING <---+ AUTH_FAILED
 *         +------------------+------------+---------> CLOSING --flushed--> LINGERING --> GONE
 *
 * With TLSVerifyOrder ocsp, CHECKING stands between SECURING and COMMANDS for a client that has shown a certificate.
 *
 * With UseReverseDNS on, RESOLVING stands between ADMITTING and COMMANDS. AUTH TLS leads from COMMANDS to SECURING and
 * back, implicit TLS from ADMITTING (RESOLVING) to SECURING to COMMANDS.
 *
 * Times are milliseconds of the monotonic clock. Output is bounded: while a client does not read its replies,
 * its commands wait; TimeoutLogin ends it.
 */
#ifndef LOGIN_CONN_H
#define LOGIN_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "ftp/conf.h"
#include "ftp/line.h"
#include "ftp/telnet.h"
#include "ipc/message.h"

struct extlogs; /* ftp/extlogs.h */
struct ftp_variants;
struct score_region;
struct score_slot;
struct login_conn;

#define LOGIN_USER_MAX 256 /* bytes of a user name; ipc's limit as well */
#define LOGIN_CLNT_MAX 512 /* bytes of CLNT's text that are kept */
#define LOGIN_LINE_MAX                                                                                       \
	(32u * 1024) /* longest line before login, whatever CommandBufferSize allows afterwards */
#define LOGIN_OUT_MAX      (64u * 1024) /* replies that wait for the client */
#define LOGIN_OUT_PAUSE    (8u * 1024)  /* above it no command is executed */
#define LOGIN_FAIL_MS      500          /* a wrong password is answered no earlier */
#define LOGIN_FAIL_STEP_MS 250          /* and only at multiples of this, counted from PASS */
#define LOGIN_RESOLVE_MS   5000         /* then the client goes without a name */
#define LOGIN_CHECK_MS     20000        /* beyond what master may take to answer in any case */
#define LOGIN_CLOSE_MS     5000         /* for the last reply to leave */
#define LOGIN_LINGER_MS    2000         /* for the client to close its side */

enum login_state {
	LOGIN_ADMITTING, /* CONNECT is with master; nothing is read */
	LOGIN_RESOLVING, /* UseReverseDNS: the client's name is with auth; nothing is read */
	LOGIN_SECURING,  /* TLS handshake, when what was said before has been sent; nothing is read */
	LOGIN_CHECKING, /* TLS is on; what the certificate's responder says is with master; nothing is read */
	LOGIN_COMMANDS, /* commands are executed */
	LOGIN_AUTHENTICATING, /* PASS is with auth (or waits for auth to be there); commands wait */
	LOGIN_DELAYING,       /* it failed; the answer waits for its time */
	LOGIN_HANDING_OVER,   /* it succeeded; the last replies leave, then the socket goes to master */
	LOGIN_CLOSING,        /* the last reply leaves; input is thrown away */
	LOGIN_LINGERING,      /* nothing more is sent; the client's end is awaited so that it can read all */
	LOGIN_GONE,           /* to be closed and freed */
	LOGIN_STATE_COUNT
};

/* What a connection needs from its process. */
struct login_ops {
	/* Send a message to master; for IPC_HANDOFF the connection's socket goes with it. 0 or negative:
	 * the connection ends. */
	int (*master)(void *arg, const struct login_conn *c, enum ipc_type type, const void *msg);
	/* Send a request to auth. 0, -WE_CLOSED when auth is not there now (login_conn_auth_ready() will
	 * be called), or another error: the login fails. */
	int (*auth)(void *arg, const struct ipc_auth_request *req);
	/* Ask auth for the DNS name of an address: login_conn_resolved() will be called. As auth(). */
	int (*resolve)(void *arg, const struct ipc_resolve *q);
};

struct login_env {
	const struct ftp_config *config;
	const struct login_ops *ops;
	void *arg;                     /* for ops */
	struct score_region *score;    /* may be NULL */
	const struct log_ctx *log;     /* of the process */
	struct extlogs *extlogs;       /* may be NULL */
	struct tls_cache *tls_cache;   /* what later logins may resume; may be NULL */
	struct ftp_variants *variants; /* ftp/variant.h; NULL: no server has conditional sections */
};

struct login_conn {
	const struct login_env *env; /* kept */
	enum login_state state;      /* changed by login_enter() alone */
	struct buf out;              /* to be sent */
	struct buf cert;             /* tls_peer_export(): filled before login_conn_secured(); empty = none */
	bool cert_shown;             /* there is one, whether it fits into cert or not; before that too */

	/* private from here on */
	uint32_t cid, sid; /* sid 0: master has not admitted it */
	struct addr peer, local;
	char peer_text[ADDR_TEXT_MAX];
	struct log_ctx log;
	const struct ftp_server
		*server; /* as it is for the class; HOST may change it; NULL only while ADMITTING */
	const struct ftp_server *home_server; /* the one of the address */
	const struct ftp_class *class;        /* may be NULL */
	char *client_name;                    /* verified DNS name, or NULL */
	struct score_slot *score;

	struct line_reader in;
	struct telnet telnet;
	bool eof;        /* the client has closed its side */
	bool type_ascii; /* TYPE, for the hand-over */
	bool utf8_on;    /* OPTS UTF8 ON */
	bool quiet;      /* password with '-' */
	char *clnt;      /* CLNT, or NULL */

	bool secure;          /* TLS is on */
	bool implicit;        /* ... since before the greeting */
	bool prot_private;    /* PROT P */
	char *sni;            /* name that the client asked for in the handshake, or NULL */
	char *tls_env;        /* for the session's environment; or NULL */
	uint64_t securing_ms; /* when the handshake began */

	bool by_certificate; /* the request is without password: USER waits for its answer */

	char *user;         /* USER, or NULL */
	char *password;     /* only while it waits for auth to be there */
	uint32_t request;   /* number of the last PASS */
	unsigned fails;     /* wrong passwords */
	unsigned fail_code; /* DELAYING: 530 or 501 */
	bool tables;        /* RESOLVING: access tables are asked too */
	bool tables_say_no; /* DELAYING: they refuse the login, which ends the connection */
	uint64_t pass_ms;   /* when PASS was read */
	uint64_t due_ms; /* DELAYING: when to answer; CLOSING, LINGERING: when to give up; 0 = no such time */
	uint64_t timeout_ms; /* TimeoutLogin; 0 = none */
};

/* Begin: asks master. Addresses are copied. cid: not 0, unique in this process. */
void login_conn_init(struct login_conn *c, const struct login_env *env, uint32_t cid, const struct addr *peer,
	const struct addr *local, uint64_t now_ms);
/* Begin with a client that was logged in and has said REIN (or AUTH: then with the TLS handshake): it is greeted as after connecting, and its
 * waiting input goes on. sid and addresses are those it had. */
void login_conn_adopt(struct login_conn *c, const struct login_env *env, uint32_t cid,
	const struct ipc_adopt *m, uint64_t now_ms);
/* Frees what c holds and tells master, unless the client was handed over. c itself is the caller's. */
void login_conn_done(struct login_conn *c);

/* Bytes from the client (borrowed); n at most login_conn_wants_input(). */
void login_conn_input(struct login_conn *c, const void *data, size_t n, uint64_t now_ms);
/* The client has closed its side: what it sent before is still executed and answered. */
void login_conn_eof(struct login_conn *c, uint64_t now_ms);
/* The connection broke. */
void login_conn_broken(struct login_conn *c, const char *why, uint64_t now_ms);
/* Bytes to read now, 0 = do not read. */
size_t login_conn_wants_input(struct login_conn *c);
/* n bytes of c->out were sent: drops them and goes on with what waited for it. */
void login_conn_sent(struct login_conn *c, size_t n, uint64_t now_ms);

/* Messages of master and auth about this connection. */
void login_conn_admit(struct login_conn *c, const struct ipc_admit *m, uint64_t now_ms);
void login_conn_resolved(struct login_conn *c, const struct ipc_resolved *m, uint64_t now_ms);
void login_conn_cert_status(struct login_conn *c, const struct ipc_cert_status *m, uint64_t now_ms);
void login_conn_result(struct login_conn *c, const struct ipc_login_result *m, uint64_t now_ms);
void login_conn_failed(struct login_conn *c, const struct ipc_auth_failed *m, uint64_t now_ms);
/* auth is there (again): a waiting request is sent. auth is gone: a request that it had fails. */
void login_conn_auth_ready(struct login_conn *c, uint64_t now_ms);
void login_conn_auth_lost(struct login_conn *c, uint64_t now_ms);
/* TLS. The owner asks for the context of conn->server, does the handshake, and tells how it ended. text and env as in
 * struct ipc_handoff; env may be NULL. A failed handshake is answered in clear: the owner forgets TLS before.
 */
void login_conn_secured(struct login_conn *c, const char *text, const char *env, uint64_t now_ms);
void login_conn_tls_failed(struct login_conn *c, const char *why, uint64_t now_ms);
/* In the handshake the client has named a host (lower case). The server that it chose, which is c's from now
 * on; NULL when none has that name. */
const struct ftp_server *login_conn_sni(struct login_conn *c, const char *name, uint64_t now_ms);
/* Say this reply line and close. */
void login_conn_end(struct login_conn *c, const char *reply_line, uint64_t now_ms);

/* When to call login_conn_tick(): 0 = never. */
uint64_t login_conn_deadline(const struct login_conn *c);
void login_conn_tick(struct login_conn *c, uint64_t now_ms);

#endif
