/* TLS for control and data connections (RFC 4217, RFC 8446), on OpenSSL. In the server nothing else includes OpenSSL but
 * src/session/digest.c, for hashes; ftpload, which is a client, has src/tools/ftpload_tls.c.
 *
 * The ideas:
 *   - Private keys exist in the auth process only (struct tls_keys). Login and session processes have the
 *     certificates (struct tls_material, read by master, inherited by fork) and ask auth for each signature
 *     (struct tls_signer).
 *   - Resumption is stateful: no ticket keys. The sessions that the handshake of a control connection made are a
 *     struct tls_sessions; it travels to the session process with the login, and a data connection can resume
 *     nothing but what is in the list of its FTP session. So "resumed" proves that the client is the one of the
 *     control connection (TLSDataBinding).
 *   - Kernel TLS is asked for on data connections only: it cannot be taken off a socket again (CCC).
 *
 * Order of calls: master tls_material_load(); auth tls_keys_load() before it is confined, then tls_keys_sign();
 * login and session tls_init() before they are confined, tls_context_new() once for each server in use (reads no file), then for each
 * connection tls_conn_new(), tls_accept() until 0, tls_read(), tls_write(), tls_sendfile(), tls_shutdown(),
 * tls_conn_free().
 *
 * Threads: objects that share a struct tls_sessions or a struct tls_cache belong to one thread at a time;
 * contexts, materials and keys may be used by several. Nothing here prints or logs; failures are text in a
 * struct err or tls_error().
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"

/* --- what a configuration says: filled by ftp/directives_tls.c --- */

enum { /* TLSProtocol: bits of tls_config.protocols */
	TLS_V1_0 = 1,
	TLS_V1_1 = 2,
	TLS_V1_2 = 4,
	TLS_V1_3 = 8,
};

enum {                                          /* TLSOptions: bits of tls_config.options */
	TLS_OPT_CLIENT_RENEGOTIATIONS = 1 << 0, /* accepted, refused all the same */
	TLS_OPT_DOT_LOGIN = 1 << 1,
	TLS_OPT_PER_USER = 1 << 2,
	TLS_OPT_WEAK_DH = 1 << 3,
	TLS_OPT_WEAK_SECURITY = 1 << 4, /* OpenSSL's security level 0 instead of its default */
	TLS_OPT_COMMON_NAME_REQUIRED = 1 << 5,
	TLS_OPT_ENABLE_DIAGS = 1 << 6,
	TLS_OPT_EXPORT_CERT_DATA = 1 << 7,
	TLS_OPT_IGNORE_SNI = 1 << 8,
	TLS_OPT_NO_AUTO_ECDH = 1 << 9,
	TLS_OPT_NO_EMPTY_FRAGMENTS = 1 << 10,
	TLS_OPT_NO_SESSION_REUSE_REQUIRED = 1 << 11,
	TLS_OPT_STD_ENV_VARS = 1 << 12,
	TLS_OPT_USE_IMPLICIT_SSL = 1 << 13,
	TLS_OPT_DNS_NAME_REQUIRED = 1 << 14,
	TLS_OPT_IP_ADDRESS_REQUIRED = 1 << 15,
	TLS_OPT_STRICT_SNI = 1 << 16, /* an unknown name ends the handshake with unrecognized_name */
	TLS_OPT_NO_KTLS = 1 << 17,
	TLS_OPT_OCSP_SOFT_FAIL = 1 << 18, /* TLSVerifyOrder: no answer is a good one */
};

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_OPTIONAL, TLS_VERIFY_ON }; /* TLSVerifyClient */
/* TLSVerifyOrder. Revocation lists that there are always count. */
enum tls_order { TLS_ORDER_CRL, TLS_ORDER_OCSP, TLS_ORDER_CRL_OCSP, TLS_ORDER_OCSP_CRL };
enum tls_binding { TLS_BINDING_AUTO, TLS_BINDING_REQUIRE, TLS_BINDING_OFF }; /* TLSDataBinding */
enum tls_offload {
	TLS_OFFLOAD_ON,
	TLS_OFFLOAD_OFF,
	TLS_OFFLOAD_TX_ONLY, /* downloads only */
	TLS_OFFLOAD_ZEROCOPY /* a network card that encrypts may read a file again for a retransmission */
};                           /* TLSKernelOffload */
enum tls_shutdown { TLS_SHUTDOWN_STRICT, TLS_SHUTDOWN_LENIENT }; /* TLSDataShutdown */
enum { /* TLSStaplingOptions: bits of tls_config.staple_options */
	TLS_STAPLE_NO_NONCE = 1,
	TLS_STAPLE_NO_VERIFY = 2,
	TLS_STAPLE_NO_FAKE_TRY_LATER = 4,
};
enum tls_verify_server { TLS_SERVER_VERIFY_ON, TLS_SERVER_VERIFY_OFF, TLS_SERVER_VERIFY_NO_REVERSE_DNS };

/* TLSRequired, as the table of its values (RFC 4217 says nothing of it). Before the login, TLS is required
 * unless control is TLS_CONTROL_OPTIONAL. */
enum tls_control_need {
	TLS_CONTROL_OPTIONAL,
	TLS_CONTROL_REQUIRED, /* CCC is refused */
	TLS_CONTROL_LOGIN     /* until the login is over; CCC is allowed after it */
};
enum tls_data_need { TLS_DATA_OPTIONAL, TLS_DATA_REQUIRED, TLS_DATA_FORBIDDEN };
struct tls_required {
	enum tls_control_need control;
	enum tls_data_need data;
};

/* Values of one server. Strings are borrowed: they live as long as the configuration. */
struct tls_config {
	bool engine;
	unsigned protocols, options; /* bits above; protocols is never 0 */
	/* certificates and keys: absolute paths, NULL = none. A certificate's key is in its own file unless a
	 * key file is given. */
	const char *rsa_cert, *rsa_key, *ec_cert, *ec_key, *pkcs12, *chain;
	const char *ca_file, *ca_path, *crl_file, *crl_path;
	const char *ciphers;      /* TLS 1.2 and older, OpenSSL's list; never NULL */
	const char *ciphersuites; /* TLS 1.3; NULL = OpenSSL's own */
	bool server_preference;
	const char *groups; /* TLSECDHCurve, OpenSSL's list; NULL = automatic */
	const char *dh_file;
	enum tls_verify verify;
	unsigned verify_depth;
	enum tls_order order;
	enum tls_verify_server verify_server;
	uint32_t handshake_ms; /* TLSTimeoutHandshake; 0 = none. The caller's to enforce */
	bool alpn;             /* TLSNextProtocol */
	enum tls_binding binding;
	enum tls_offload offload;
	enum tls_shutdown shutdown; /* of uploads; the caller's to enforce */
	const char *user_name;      /* TLSUserName: CommonName, EmailSubjAltName or an OID; NULL = none */
	bool staple;                /* TLSStapling */
	unsigned staple_options;
	const char *staple_responder; /* http URL; NULL = what the certificate names */
	uint32_t staple_timeout_ms;   /* > 0; for questions about certificates of clients too */
};

/* TLSSessionCache, of the whole daemon. */
struct tls_cache_config {
	bool on;
	unsigned entries; /* > 0 */
	unsigned secs;
};

/* Are these two the same certificates, keys, authorities and stapling, so that one material does for both? */
bool tls_config_same_files(const struct tls_config *a, const struct tls_config *b);
/* Does it name a certificate? Without one there can be no TLS (431 to AUTH). */
bool tls_config_has_cert(const struct tls_config *c);
/* Would OpenSSL take these lists? For the configuration's checks. 0, or -WE_CONFIG with err. */
int tls_ciphers_check(const char *list, struct err *err);
int tls_ciphersuites_check(const char *list, struct err *err);
int tls_groups_check(const char *list, struct err *err);
/* Is that a URL of a responder that could be asked? */
int tls_staple_url_check(const char *url, struct err *err);

/* --- what master reads --- */

/* Certificates, chains, authorities, revocation lists: everything public. */
struct tls_material;

/* How files are loaded. All borrowed. */
struct tls_load {
	const char *server_name; /* second argument of the passphrase program, e.g. "ftp.example.org:21" */
	const char *passphrase_program; /* TLSPassPhraseProvider: absolute path, NULL = none */
	unsigned first_key;             /* the keys get the numbers first_key .. first_key + TLS_KEYS - 1 */
	/* What does not hinder the use: a certificate that has expired, ... May be NULL. */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

enum { TLS_KEY_RSA, TLS_KEY_EC, TLS_KEY_PKCS12, TLS_KEYS }; /* of one server, added to first_key */

/* Read all files of conf and check that each certificate and its key belong together. A forked process opens
 * the keys, so none of their bytes is ever in this one. Blocks: files, and the passphrase program at most 30
 * seconds a key. On success *ret_m is returned (tls_material_unref()); else -WE_CONFIG (or -errno)
 * with the file in err. Needs a process without other threads. */
int tls_material_load(const struct tls_config *conf, const struct tls_load *how, struct tls_material **ret_m,
	struct err *err);
struct tls_material *tls_material_ref(struct tls_material *m);
void tls_material_unref(struct tls_material **m);
/* When the first of its certificates expires; seconds since 1970. */
int64_t tls_material_expires(const struct tls_material *m);

struct tls_cert_info {
	const char *kind;               /* "RSA", "EC", "PKCS12"; static */
	char subject[400], issuer[400]; /* RFC 2253, cut when too long */
	int64_t expires;                /* seconds since 1970 */
};
/* False: there is no certificate in that slot. */
bool tls_material_cert(const struct tls_material *m, unsigned slot, struct tls_cert_info *ret_i);

/* --- OCSP stapling (RFC 6066 8, RFC 6960) ---
 *
 * What the authority's responder says of a certificate is asked for by a process that master makes for it, and put into
 * memory of the material that all processes forked from master see and none can write. Handshakes take what is there
 * and wait for nothing. */

#define TLS_STAPLE_MAX (16u * 1024)
struct tls_staple {       /* any bytes are a value of each member: it comes through a pipe */
	uint32_t revoked; /* the certificate; else it is good */
	int64_t until;    /* the response is out of date then; seconds since 1970 */
	int64_t refresh;  /* when to ask again */
	size_t n;
	uint8_t der[TLS_STAPLE_MAX];
};

/* Is the slot (TLS_KEY_RSA, ...) one with a certificate that responses are wanted for and can be asked for? */
bool tls_staple_wanted(const struct tls_config *conf, const struct tls_material *m, unsigned slot);
/* Of a slot with a certificate: may the responder be asked? NULL: yes; else why not, static text. */
const char *tls_staple_hindrance(const struct tls_config *conf, const struct tls_material *m, unsigned slot);
/* Ask the responder, and look at the answer as TLSStaplingOptions say. Blocks, for TLSStaplingTimeout at most, but for
 * what name servers need beyond that. 0 with *ret_s, or negative with err. */
int tls_staple_ask(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	struct tls_staple *ret_s, struct err *err);
/* The second half of it: is der the responder's word for the certificate? request: what was asked, an OCSP_REQUEST,
 * or NULL. */
int tls_staple_check(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	const void *request, const uint8_t *der, size_t n, struct tls_staple *ret_s, struct err *err);
/* In the process that loaded m: it is sent from now on. Does nothing where there is no memory for it. */
void tls_staple_put(struct tls_material *m, unsigned slot, const struct tls_staple *s);
/* What is sent now. False: nothing is there, or it is out of date. Any process, any thread. */
bool tls_staple_get(const struct tls_material *m, unsigned slot, struct tls_staple *ret_s);
/* Have both the same certificate in that slot? */
bool tls_staple_same(const struct tls_material *a, const struct tls_material *b, unsigned slot);

/* --- signatures: asked for in login and session, made in auth --- */

enum tls_sign_kind {
	TLS_SIGN_RSA_PKCS1 = 1, /* in: DigestInfo, or MD5 and SHA-1 of TLS 1.1; out: as long as the modulus */
	TLS_SIGN_RSA_PSS,       /* in: a PSS encoding (RFC 8017 9.1) as long as the modulus; out: as long */
	TLS_SIGN_ECDSA,         /* in: a digest; out: the DER form of the signature */
};
#define TLS_SIGN_IN_MAX  1024u /* RSA of 8192 bits */
#define TLS_SIGN_OUT_MAX 1024u

/* Who signs. sign() fills out (TLS_SIGN_OUT_MAX bytes) and *ret_n and returns 0, or gives up with -errno:
 * it must come back within a time of its own choice. It is called inside tls_accept(), in that thread. */
struct tls_signer {
	int (*sign)(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n,
		uint8_t *out, size_t *ret_n);
	void *arg;
};

/* The private keys of a generation. */
struct tls_keys;
struct tls_keys *tls_keys_new(void);
void tls_keys_free(struct tls_keys **keys); /* overwrites them */
/* Add the keys of conf, numbered from how->first_key. Blocks as tls_material_load(). 0, or -WE_CONFIG with err;
 * the keys before the failing one are kept. */
int tls_keys_load(
	struct tls_keys *keys, const struct tls_config *conf, const struct tls_load *how, struct err *err);
/* The other end of struct tls_signer, for requests of processes that may have been taken over: the number of
 * the key, the kind and in are not trusted. Only signatures are made, as TLS makes them: with RSA nothing is
 * put through the key that has not the form of a signature, so that it is no oracle for decryption. out has
 * TLS_SIGN_OUT_MAX bytes. 0, -ENOENT: there is no such key, -EINVAL: not a thing to sign with it. About a
 * millisecond with RSA of 2048 bits, 30 us with P-256. */
int tls_keys_sign(struct tls_keys *keys, unsigned key, uint32_t kind, const uint8_t *in, size_t n,
	uint8_t *out, size_t *ret_n);

/* --- contexts --- */

enum tls_role {
	TLS_CONTROL,    /* server; no kernel TLS; makes the sessions that data connections resume */
	TLS_DATA,       /* server; kernel TLS as conf says */
	TLS_DATA_CLIENT /* client, for SSCN (server to server) */
};

struct tls_context; /* counted; each connection holds one reference */

/* Load what OpenSSL loads late (error texts, random source, algorithms). Once, before the process is confined. */
void tls_init(void);

/* material: a reference is kept; may be NULL for TLS_DATA_CLIENT. signer: copied; its arg is kept. conf is only
 * read here. Reads no file. Returns 0, or -WE_CONFIG with err. */
int tls_context_new(const struct tls_config *conf, struct tls_material *material, enum tls_role role,
	const struct tls_signer *signer, struct tls_context **ret_ctx, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context **ctx);

/* --- sessions that can be resumed --- */

/* The sessions of one FTP session. At most TLS_SESSIONS_MAX: those of the control connection stay, of the others
 * the oldest goes. */
struct tls_sessions;
#define TLS_SESSIONS_MAX        24u
#define TLS_SESSIONS_CONTROL    8u           /* of these, of the control connection at most */
#define TLS_SESSIONS_EXPORT_MAX (24u * 1024) /* bytes of an exported list */

struct tls_sessions *tls_sessions_new(void); /* empty; never NULL (dies) */
void tls_sessions_free(struct tls_sessions **s);
unsigned tls_sessions_count(const struct tls_sessions *s);
/* Append the list to out, what was made first first, leaving out what does not fit into TLS_SESSIONS_EXPORT_MAX. It
 * holds secrets: wipe it after use. 0 or buf errors. */
int tls_sessions_export(const struct tls_sessions *s, struct buf *out);
/* The list of len exported bytes, which are not trusted. 0 with *ret_s returned, or -WE_SYNTAX. */
int tls_sessions_import(const void *data, size_t len, struct tls_sessions **ret_s);

/* Sessions of control connections that later logins may resume: bounded in number and age, oldest out first. */
struct tls_cache;
struct tls_cache *tls_cache_new(const struct tls_cache_config *conf); /* NULL when it is off */
void tls_cache_free(struct tls_cache **cache);

/* --- connections --- */

struct tls_conn;

struct tls_conn_options {
	/* What may be resumed; sessions that the handshake makes join it. Kept. NULL: nothing is resumed.
	 * For TLS_CONTROL begin with an empty one; only the new ones are in it afterwards, and, when one
	 * of the cache was resumed, that one too. */
	struct tls_sessions *sessions;
	struct tls_cache *cache; /* TLS_CONTROL: resumed from and added to; kept, may be NULL */
	/* TLS 1.3: how many tickets the handshake ends with; 0 = none. Advice: 4 for TLS_CONTROL; 1 for downloads
	 * and listings; 0 for uploads, because a client that closes without having read a ticket resets the
	 * connection, and the end of its upload is lost. A resumed handshake sends at most one. */
	unsigned tickets;
	/* Encrypt in this process whatever the kernel could do. For uploads with TLS_OFFLOAD_TX_ONLY; for a peer with which
	 * tls_rekey_asked(). */
	bool no_kernel;
	/* How many records will be sent, as far as that is known (0: few). When one key may not encrypt so many, kernel
	 * TLS, which could not change it, is not asked for. */
	uint64_t records;
	/* Records of a key until TLS 1.3 takes the next one; 0 = TLS_KEY_RECORDS. */
	uint64_t key_records;
	/* TLS_CONTROL: the context for the name that the client asks for (SNI, lower case, at most 255 bytes, only
	 * letters, digits, '.', '-', '_'), NULL when there is none: then the handshake goes on with the present one,
	 * or with TLS_OPT_STRICT_SNI ends. Returned context: borrowed. Not called with TLS_OPT_IGNORE_SNI. */
	struct tls_context *(*sni)(void *arg, const char *name);
	void *sni_arg;
};

/* What AES-GCM may encrypt with one key is 2^24.5 full records (RFC 8446 5.5), of 16 KiB: about 380 GB. */
#define TLS_KEY_RECORDS ((uint64_t)22 << 20)
#define TLS_RECORD_MAX  16384u /* bytes of text in one; RFC 8446 5.1 */

/* A connection over the non-blocking stream socket fd, which is kept and not closed by anything here. SIGPIPE
 * must be ignored. opt may be NULL. 0 with *ret_c returned, or -ENOMEM with err. */
int tls_conn_new(struct tls_context *ctx, int fd, const struct tls_conn_options *opt, struct tls_conn **ret_c,
	struct err *err);
/* Forget it, without a word to the peer. NULL inside is fine. */
void tls_conn_free(struct tls_conn **c);

/* One step of the handshake (as server, or as client for TLS_DATA_CLIENT). Never waits for the peer, but for the
 * signer. Returns
 *   0          done, or it was done before
 *   -EAGAIN    wait for tls_wants(), then call again
 *   -EPROTO    the peer spoke no TLS, or what we do not accept, or its certificate is refused
 *   -WE_CLOSED the peer has closed
 *   -errno     the socket's error, or the signer's
 * After any but 0 and -EAGAIN only tls_error() and tls_conn_free() are left. */
int tls_accept(struct tls_conn *c);

/* Events to wait for after -EAGAIN: POLLIN or POLLOUT. tls_read() may have to wait until the socket is writable,
 * and the other way round. After success: those that the same call again would wait for. */
short tls_wants(const struct tls_conn *c);

/* Returns bytes (> 0),
 *   0           the peer has said close_notify: the true end
 *   -EAGAIN     see tls_wants()
 *   -WE_CLOSED  the connection ended without close_notify: what came may be cut off (TLSDataShutdown)
 *   -ECONNRESET reset by the peer, or another -errno
 *   -EPROTO     bytes that are not TLS, or forged; renegotiation */
ssize_t tls_read(struct tls_conn *c, void *buf, size_t n);
/* Bytes that tls_read() would give without the socket becoming readable: ask before waiting for the socket. */
size_t tls_pending(const struct tls_conn *c);

/* Returns bytes that were taken (> 0, maybe < n), -EAGAIN, -WE_CLOSED, -EPROTO or -errno. n > 0. After -EAGAIN the
 * bytes offered next must be the same ones as far as they go, but may lie elsewhere and be fewer or more:
 * a part may already be encrypted. */
ssize_t tls_write(struct tls_conn *c, const void *buf, size_t n);
/* Memory for records, so that tls_write() sends several with one call: in the next calls, until NULL is lent. Between calls it
 * may be used for anything. Less than one record is no use. */
void tls_lend(struct tls_conn *c, void *memory, size_t size);

/* With tls_ktls_tx() only: from a file into the socket inside the kernel. *off is advanced. Returns bytes (> 0), 0 at
 * the end of the file, -EAGAIN, -EINVAL or -ENOTSUP when this file cannot be sent so (nothing was sent: use
 * tls_write()), or -errno. No tls_write() may be half done (-EAGAIN). */
ssize_t tls_sendfile(struct tls_conn *c, int file, uint64_t *off, size_t n);

/* Say close_notify, after what a tls_write() has left. 0 when the socket has it, -EAGAIN, or -errno. The peer's answer is
 * read by tls_read() giving 0. For CCC nothing but TLS has been taken from the socket then. */
int tls_shutdown(struct tls_conn *c);
/* Was close_notify said, was it heard? */
bool tls_said_close(const struct tls_conn *c);
bool tls_heard_close(const struct tls_conn *c);

/* Why the last call failed: one sentence, never NULL, valid until the next call. */
const char *tls_error(const struct tls_conn *c);

/* How TLS itself has ended a connection after its handshake: an alert, a forged record, an end without close_notify. NULL:
 * it has not. As tls_error(). */
const char *tls_failure(const struct tls_conn *c);

/* --- what a connection is; after the handshake --- */

bool tls_resumed(const struct tls_conn *c); /* a session of tls_conn_options.sessions (or .cache) */
bool tls_ktls_tx(const struct tls_conn *c);
/* Why does the kernel not encrypt what is sent, as far as that can be guessed? Static text, NULL: it does. */
const char *tls_ktls_reason(const struct tls_conn *c);
/* Has the peer asked for new keys (TLS 1.3, KeyUpdate), or taken some while the kernel decrypts? The kernel cannot change those it sends with: the
 * first request stays without an answer, a second one ends the connection with -EPROTO. Those it receives with it can change since
 * Linux 6.14; before, tls_read() fails. Always false without kernel TLS. */
bool tls_rekey_asked(const struct tls_conn *c);

struct tls_info {
	const char *version; /* "TLSv1.3"; static */
	const char *cipher;  /* OpenSSL's name; static */
	int bits;
	bool resumed, ktls_tx, ktls_rx, ktls_zerocopy;
	const char *sni;  /* borrowed from the connection; NULL = none was sent */
	const char *alpn; /* "ftp" or NULL */
};
void tls_describe(const struct tls_conn *c, struct tls_info *ret_info);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits, resumed, SNI 'x', ALPN ftp, kTLS tx" into buf; returns buf. */
const char *tls_describe_text(const struct tls_conn *c, char *buf, size_t size);

/* Environment of TLSOptions StdEnvVars (certs false) and ExportCertData (certs true): calls each with every name
 * and value, e.g. "TLS_CLIENT_S_DN_CN". */
void tls_env(const struct tls_conn *c, bool certs,
	void (*each)(void *arg, const char *name, const char *value), void *arg);

/* --- the peer's certificate: verified, or there is none (a resumed connection has that of its session) --- */

#define TLS_FINGERPRINT_BYTES 32
bool tls_peer_has_cert(const struct tls_conn *c);
/* SHA-256 of the DER form. False when there is none. */
bool tls_peer_fingerprint(const struct tls_conn *c, uint8_t ret_fp[TLS_FINGERPRINT_BYTES]);
/* dNSName (RFC 6125), iPAddress, common name: without wildcards in any but the first label. */
bool tls_peer_has_dns_name(const struct tls_conn *c, const char *name);
bool tls_peer_has_address(const struct tls_conn *c, const struct addr *a);
bool tls_peer_has_common_name(const struct tls_conn *c, const char *name);
/* Is a certificate with that fingerprint in the PEM text (.tlslogin)? The text is not trusted. */
bool tls_pem_has_fingerprint(const char *pem, size_t len, const uint8_t fp[TLS_FINGERPRINT_BYTES]);

/* --- the same away from the connection, in auth: nothing that another process says of a certificate is believed --- */

#define TLS_CLIENT_CERT_MAX (16u * 1024)
/* Append the verified certificates of the peer, leaf first, in DER; nothing when there is none. 0, or an error of out when
 * not even the leaf fits. */
int tls_peer_export(const struct tls_conn *c, struct buf *out);
struct tls_client_cert;
/* Verify exported certificates, which are not trusted, as a handshake does: authorities and revocation lists of m,
 * TLSVerifyDepth, purpose. 0 with *ret_c returned, or negative with err. A millisecond; any thread. */
int tls_client_cert_check(const struct tls_config *conf, const struct tls_material *m, const void *der,
	size_t n, struct tls_client_cert **ret_c, struct err *err);
void tls_client_cert_free(struct tls_client_cert **c); /* NULL inside is fine */
/* Does the field that TLSUserName names say user? which: as tls_config.user_name. */
bool tls_client_cert_is_user(const struct tls_client_cert *c, const char *which, const char *user);
bool tls_client_cert_in_pem(const struct tls_client_cert *c, const char *pem, size_t len);
/* SHA-256 of exported certificates, by which processes that have them find out that they mean the same. */
void tls_client_cert_digest(const void *der, size_t n, uint8_t ret_digest[TLS_FINGERPRINT_BYTES]);

/* --- has its authority revoked it? (TLSVerifyOrder with ocsp, RFC 6960) --- */

enum tls_revocation_status { /* NONE: nothing is known, for whatever reason */
	TLS_REVOCATION_NONE,
	TLS_REVOCATION_GOOD,
	TLS_REVOCATION_REVOKED,
	TLS_REVOCATION_UNKNOWN, /* to the responder of its authority */
	TLS_REVOCATION_STATUS_COUNT
};
#define TLS_REVOCATION_TEXT_MAX 640
struct tls_revocation { /* any bytes are a value of each member: it comes through a pipe */
	uint32_t status;
	uint32_t listed; /* a revocation list of its authority is in force, and does not name it */
	int64_t until;   /* out of date then; seconds since 1970; not with NONE */
	int64_t refresh; /* worth another question from then on */
	char text
		[TLS_REVOCATION_TEXT_MAX]; /* for the log: "'CN=x' is ..."; not with a refused certificate: why */
};

/* Verify exported certificates as tls_client_cert_check() does: nobody is asked about others. 0 with *ret_c returned and ret_a as
 * it is as long as there is no answer; or negative, with why in ret_a. */
int tls_revocation_prepare(const struct tls_config *conf, const struct tls_material *m, const void *der,
	size_t n, struct tls_client_cert **ret_c, struct tls_revocation *ret_a);
/* Ask the responder that the certificate names. Blocks, for TLSStaplingTimeout at most, but for what name servers need beyond that.
 * ret_a: of tls_revocation_prepare(). */
void tls_revocation_ask(
	const struct tls_config *conf, const struct tls_client_cert *c, struct tls_revocation *ret_a);
/* Is a client with that answer let in? */
bool tls_revocation_accepted(const struct tls_config *conf, const struct tls_revocation *a);
/* Are responders asked about certificates of clients? */
bool tls_revocation_wanted(const struct tls_config *conf);

#endif
