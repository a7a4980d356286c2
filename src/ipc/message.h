/* Every message that may cross between two of Wherry's processes, and the permit table: who may send it to
 * whom, and whether a descriptor travels with it. What is not in the table is fatal for the process that sent
 * it.
 *
 * The processes are drawn in ARCHITECTURE.md. Numbers used below:
 *   sid   session number, given by master when a connection arrives, unique while the daemon runs, never 0
 *   cid   number that the login process gave to a connection until it learns its sid
 *
 * To add a message:
 *   1. a number in enum ipc_type (at the end),
 *   2. its struct and its field table (message.c),
 *   3. its row in the permit table (message.c) with sender and receiver,
 *   4. the handler in the receiving process, and a paragraph in SECURITY.md when master receives it,
 *   5. a test that the wrong sender is refused comes for free: message_test.c walks the table.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "ipc/codec.h"

enum ipc_role { IPC_MASTER, IPC_LOGIN, IPC_AUTH, IPC_SESSION, IPC_ROLE_COUNT };

enum ipc_type {
	/* login -> master */
	IPC_CONNECT = 1, /* a client has connected: may it stay? */
	IPC_DISCONNECT,  /* it is gone, or was handed over to nobody */
	IPC_HOST,        /* it chose another virtual host */
	IPC_HANDOFF,     /* it has logged in: here is its socket (fd) */
	/* master -> login */
	IPC_ADMIT,        /* answer to CONNECT */
	IPC_LOGIN_RESULT, /* auth has earned it a session, or a limit says no */
	IPC_AUTH_CHANNEL, /* socket to (a new) auth (fd) */
	/* login -> auth */
	IPC_AUTH_REQUEST,
	/* auth -> login */
	IPC_AUTH_FAILED,
	/* auth -> master */
	IPC_GRANT, /* what a login request has earned */
	/* master -> auth */
	IPC_AUTH_PEER,  /* socket of a login process that will send requests (fd) */
	IPC_NAMES_PEER, /* socket of a session process that will ask for names (fd) */
	/* session -> auth and back, over the names socket */
	IPC_NAME_REQUEST,
	IPC_NAME_REPLY,
	/* master -> session */
	IPC_SESSION_START, /* a session with its control socket (fd) */
	IPC_XFER_VERDICT,  /* answer to XFER_CLAIM */
	IPC_ACTIVE_SOCKET, /* answer to ACTIVE_REQUEST (fd when error is 0) */
	IPC_KICK,          /* end one session (sid) or all (0) */
	IPC_NAMES_CHANNEL, /* socket to (a new) auth for names (fd) */
	/* session -> master */
	IPC_SESSION_END,
	IPC_XFER_CLAIM, /* may this session start a counted transfer? */
	IPC_XFER_DONE,
	IPC_ACTIVE_REQUEST, /* a socket bound to the ftp-data port */
	/* master -> all */
	IPC_LOG_REOPEN, /* put this descriptor over log file number index (fd) */
	IPC_RETIRE,     /* take no new work; end when what there is has ended */
	/* session -> master, only when start.h's report_transfers asks for it */
	IPC_XFER_REPORT, /* a transfer has ended */
	/* login -> auth and back, with UseReverseDNS on */
	IPC_RESOLVE,
	IPC_RESOLVED,
	/* REIN, AUTH after the login: a client goes back to before it */
	IPC_REIN,  /* session -> master (fd) */
	IPC_ADOPT, /* master -> login (fd) */
	/* TLS: signatures, made in auth, for handshakes in login and session */
	IPC_KEYS_PEER,    /* master -> auth: socket of a process that will ask (fd) */
	IPC_KEYS_CHANNEL, /* master -> login, session: socket to (a new) auth (fd) */
	IPC_SIGN_REQUEST, /* login, session -> auth, over that socket, and back */
	IPC_SIGN_REPLY,
	/* session -> master, with TransferMMapFile */
	IPC_MAP_USED, /* a download used a preloaded mapping, or found it outdated */
	/* CCC: the login process is to end the TLS of a control connection that it relays */
	IPC_CCC,   /* session -> master, after the reply was written */
	IPC_CLEAR, /* master -> login */
	/* login, session -> master */
	IPC_OFFENCE, /* something that BanOnEvent counts */
	/* session -> master */
	IPC_OWN, /* UserOwner, GroupOwner: give this new file or directory away (fd) */
	/* TLSVerifyOrder with ocsp */
	IPC_CERT_CHECK,  /* login -> master: has its authority revoked this client's certificate? */
	IPC_CERT_STATUS, /* master -> login */
	IPC_TYPE_COUNT
};

enum ipc_fd_use { IPC_FD_NONE, IPC_FD_NEEDED, IPC_FD_MAYBE };

struct ipc_permit {
	enum ipc_type type;
	const char *name;
	unsigned from, to; /* 1 << enum ipc_role */
	enum ipc_fd_use fd;
	const struct ipc_field *fields;
	size_t size; /* of the struct */
};

/* The row of a type, or NULL. */
const struct ipc_permit *ipc_permit_find(uint32_t type);

/* --- the structs; strings are borrowed by the encoder, and after decoding live until the next message --- */

struct ipc_connect {
	uint32_t cid;
	struct addr peer, local;
};

struct ipc_disconnect {
	uint32_t sid;
};

struct ipc_host {
	uint32_t sid, server; /* index of the server in the sender's generation */
};

/* State of the control connection that login gives up. */
struct ipc_handoff {
	uint32_t sid;
	uint32_t generation;
	bool type_ascii;         /* TYPE given before login */
	bool utf8_on;            /* OPTS UTF8 ON before login */
	bool quiet;              /* password began with '-': no multi-line greetings */
	uint32_t telnet;         /* state of the Telnet filter (ftp/telnet.h) */
	const char *clnt;        /* CLNT text */
	const char *client_name; /* verified DNS name, or "" */
	struct ipc_bytes
		input; /* bytes read but not yet executed, after Telnet filtering; opaque to master */
	/* TLS on the control connection; the descriptor is then one end of a socket pair, at whose other end login
	 * goes on speaking TLS with the client. */
	bool secure;
	bool prot_private;             /* PROT P */
	bool by_certificate;           /* the login was, without PASS: 232 instead of 230 */
	const char *tls_env;           /* StdEnvVars, ExportCertData: NAME=value, each ended by LF */
	struct ipc_bytes tls_sessions; /* tls_sessions_export(): what data connections may resume */
	struct ipc_bytes tls_peer;     /* SHA-256 of the client's certificate, or empty */
};

enum ipc_verdict {
	IPC_OK = 0,
	IPC_REFUSE_TEXT,   /* send the text as reply, then close */
	IPC_REFUSE_SILENT, /* close */
};

struct ipc_admit {
	uint32_t cid, sid;
	uint32_t verdict;
	const char *text; /* whole reply line without CRLF, e.g. "530 Sorry, ..." */
};

struct ipc_login_result {
	uint32_t sid, request;
	uint32_t verdict; /* IPC_OK: send HANDOFF now */
	const char *text;
};

struct ipc_auth_request {
	uint32_t sid, request; /* request: counts the attempts of this connection */
	uint32_t server;       /* index */
	const char *user;      /* as sent */
	const char *password;
	struct addr client, local;
	const char *client_name; /* verified DNS name, or "" */
	/* The client's certificates, tls_peer_export(): a login without password; else empty. */
	struct ipc_bytes certificate;
};

enum ipc_auth_reason { /* for logs only: the client sees one text for all */
	IPC_AUTH_BAD_PASSWORD = 1,
	IPC_AUTH_NO_USER,
	IPC_AUTH_SHELL,
	IPC_AUTH_FTPUSERS,
	IPC_AUTH_ROOT,
	IPC_AUTH_LIMIT,         /* <Limit LOGIN> */
	IPC_AUTH_ACCOUNT,       /* locked, expired */
	IPC_AUTH_IDENTITY,      /* this daemon may not become that uid */
	IPC_AUTH_PASSWORD_FORM, /* too long */
	IPC_AUTH_INTERNAL,
	IPC_AUTH_CERTIFICATE, /* it is not one for this user */
	IPC_AUTH_PASSWORD_EMPTY,
	IPC_AUTH_ANON_REJECTED, /* by AnonRejectPasswords */
	IPC_AUTH_TABLES,        /* access tables; who is refused by them is told so and disconnected */
	IPC_AUTH_REASON_COUNT
};

struct ipc_auth_failed {
	uint32_t sid, request;
	uint32_t reason;
};

struct ipc_resolve {
	uint32_t sid, server;
	struct addr addr, local;
	bool name, tables; /* what is asked for: the DNS name; what the access tables of the server say */
};

struct ipc_resolved {
	uint32_t sid;
	const char *name; /* verified: it has that address; "" = none */
	bool refused;     /* by access tables */
};

/* Who a session will be. Everything that decides what it can reach is in here. */
struct ipc_grant {
	uint32_t sid, request;
	uint32_t server;
	uint32_t anon;    /* 0: no; n: n-th <Anonymous> of the server, from 1 */
	const char *user; /* login name after aliases */
	const char *sent_user;
	const char *email; /* anonymous: the password given, for logs; else "" */
	uint32_t uid, gid;
	struct ipc_ids groups;   /* supplementary, with gid */
	const char *group_names; /* names of gid and groups: ipc_group_names() */
	const char *home;
	const char *root;  /* host path of the session's root, "/" for none */
	const char *chdir; /* where it starts: host path below root, or "" */
	struct ipc_bytes
		certificate; /* a login by it: tls_client_cert_digest() of what was shown; else empty */
	const char *
		class_name; /* the client's class, "" = none; decided with its DNS name where that is known */
};

struct ipc_session_start {
	struct ipc_grant grant;
	struct ipc_handoff handoff;
	struct addr peer, local;
	const char *class_name; /* "" = none */
	uint64_t connected_wall_ms;
};

struct ipc_peer {    /* AUTH_PEER, NAMES_PEER, AUTH_CHANNEL, NAMES_CHANNEL, KEYS_CHANNEL */
	uint32_t id; /* number of the process at the other end */
};

enum ipc_name_kind { IPC_NAME_OF_UID, IPC_NAME_OF_GID, IPC_UID_OF_NAME, IPC_GID_OF_NAME, IPC_HOME_OF_NAME };

struct ipc_name_request {
	uint32_t kind;
	uint32_t server; /* whose AuthUserFile/AuthGroupFile counts */
	uint32_t id;     /* for *_OF_UID, *_OF_GID */
	const char *name;
};

struct ipc_name_reply {
	bool found;
	uint32_t id;
	const char *name; /* or home */
};

struct ipc_xfer_claim {
	uint32_t sid;
	uint32_t command;            /* one FTP_XFER_ bit */
	uint32_t max_user, max_host; /* limits that apply, 0 = none; master counts */
};

struct ipc_xfer_verdict {
	uint32_t sid;
	uint32_t refused; /* 0: go on; 1: limit per user; 2: limit per host */
};

struct ipc_sid { /* XFER_DONE, SESSION_END, ACTIVE_REQUEST, CCC, CLEAR */
	uint32_t sid;
};

struct ipc_xfer_report {
	uint32_t sid;
	const char *path; /* virtual path of the file */
	uint64_t bytes, duration_ms;
	bool upload, complete;
};

struct ipc_map_used {
	uint32_t index; /* of the preload in the sender's generation */
	bool stale;     /* the file is not what was mapped */
};

struct ipc_offence {
	uint32_t sid;
	uint32_t event;   /* enum ftp_ban_event that ftp_ban_tellers() lets the sender tell */
	const char *user; /* as sent, before login; else "" */
};

struct ipc_cert_check {
	uint32_t sid;
	struct ipc_bytes certificate; /* tls_peer_export(); opaque to master */
};

enum ipc_cert_verdict {
	IPC_CERT_GOOD = 0,
	IPC_CERT_DOUBTFUL, /* nobody knows, and it is let in */
	IPC_CERT_REFUSED,
};

#define IPC_CERT_TEXT_MAX 800 /* bytes, with the NUL */
struct ipc_cert_status {
	uint32_t sid;
	uint32_t verdict;
	const char *text; /* for the log: why */
};

struct ipc_own {
	uint32_t sid;
	bool user, group; /* which of the ids are meant */
	uint32_t uid, gid;
};

struct ipc_keys_peer {
	uint32_t id;  /* number of the process at the other end */
	bool session; /* it is a session process, else login */
};

#define IPC_SIGN_MAX 1024u /* bytes: RSA of 8192 bits */
struct ipc_sign_request {
	uint32_t request; /* comes back in the reply, so that a late one is known */
	uint32_t key;     /* number in the generation */
	uint32_t kind;    /* enum tls_sign_kind */
	struct ipc_bytes input;
};

struct ipc_sign_reply {
	uint32_t request;
	uint32_t error; /* errno; 0 with signature */
	struct ipc_bytes signature;
};

struct ipc_rein {
	uint32_t sid;
	uint32_t telnet;        /* as in ipc_handoff */
	struct ipc_bytes input; /* as in ipc_handoff */
	bool auth;              /* not REIN but AUTH: the client has its 234, the TLS handshake is next */
	bool prot_private;      /* with auth: as after PROT P */
};

struct ipc_adopt {
	uint32_t sid;
	struct addr peer, local;
	uint32_t telnet;
	const char *client_name;
	struct ipc_bytes input;
	bool auth, prot_private; /* as in ipc_rein */
};

struct ipc_active_socket {
	uint32_t sid;
	uint32_t error; /* errno, 0 with fd */
};

struct ipc_kick {
	uint32_t sid;
	const char *text; /* reply line without CRLF */
};

struct ipc_log_reopen {
	uint32_t index;
};

struct ipc_retire {
	bool now; /* end running transfers too */
	const char *text;
};

/* ipc_grant.group_names: names, each but the first with an LF before it, so that blanks can be in them. Those that do not
 * fit are left out. */
#define IPC_GROUP_NAMES_MAX (32u * 1024)
/* Most names that there are in a text of that kind. */
unsigned ipc_group_names_most(const char *names);
/* Split it in place: list has room for that many and gets pointers into names. Returns how many there are. */
unsigned ipc_group_names(char *names, const char **list);

extern const struct ipc_field ipc_handoff_fields[], ipc_grant_fields[];

#endif
