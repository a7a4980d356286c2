/* Shared by the files of src/tls/. */
#ifndef TLS_TLS_PRIV_H
#define TLS_TLS_PRIV_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/tls.h"

#define TLS_FILE_MAX       (8u << 20) /* bytes of a file of certificates; authorities' bundles are below 1 MiB */
#define TLS_RSA_BITS_MAX   8192
#define TLS_PASSPHRASE_MAX 1024 /* bytes, with the NUL */

/* --- errors (errors.c) --- */

/* As err_set(), with OpenSSL's reason appended when there is one; its queue is empty afterwards. */
int tls_fail(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The reason of the last error in the queue, or NULL; the queue is empty afterwards. Static text. */
const char *tls_reason(void);

/* --- files (files.c) --- */

/* The whole file; private: it holds a key, so that nobody else may read or write it. Wipe it if so, and free(). 0 or -errno with err. */
int tls_file_read(const char *path, bool private, char **ret_text, size_t *ret_len, struct err *err);

/* --- keys (keys.c, passphrase.c) --- */

/* The file that holds the key number slot of conf; NULL = it has none. */
const char *tls_key_file(const struct tls_config *conf, unsigned slot);
/* "RSA", ...: for messages and the passphrase program. */
const char *tls_key_name(unsigned slot);
/* What a key file holds. */
struct tls_key {
	EVP_PKEY *pkey;
	X509 *leaf; /* PKCS12: certificate and chain; else NULL */
	STACK_OF(X509) * chain;
};
int tls_key_open(const struct tls_config *conf, unsigned slot, const struct tls_load *how,
	struct tls_key *ret_key, struct err *err);
void tls_key_done(struct tls_key *k);
/* Ask the program. The passphrase is written to ret_text. 0, or -WE_CONFIG with err. */
int tls_passphrase(const struct tls_load *how, unsigned slot, const char *path,
	char ret_text[TLS_PASSPHRASE_MAX], struct err *err);

/* --- material (material.c) --- */

struct tls_cert {
	X509 *leaf;             /* NULL: none in this slot */
	STACK_OF(X509) * chain; /* without the leaf; may be NULL */
};

struct tls_material {
	unsigned refs; /* atomic */
	unsigned first_key;
	struct tls_cert certs[TLS_KEYS];
	STACK_OF(X509) * cas; /* NULL = none */
	STACK_OF(X509_CRL) * crls;
	EVP_PKEY *dh;                         /* parameters of TLSDHParamFile */
	struct tls_staple_board *board;       /* to write; only where the material was loaded. NULL = none */
	const struct tls_staple_board *shown; /* the same, to read; NULL = none */
};

/* --- OCSP stapling (staple.c, ocsp.c) --- */

/* Memory for responses, when conf wants them. What stands in the way is said to how->warn. */
void tls_staple_load(const struct tls_config *conf, const struct tls_load *how, struct tls_material *m);
void tls_staple_unload(struct tls_material *m);
/* Send responses in handshakes of ctx. */
void tls_staple_context(SSL_CTX *ctx);

/* --- keys that are not here (remote.c) --- */

struct tls_remote { /* lives longer than the key made of it */
	struct tls_signer signer;
	unsigned key;
};
/* A private key for the public one of cert, whose signatures are asked for. NULL: not RSA or EC, or no memory. */
EVP_PKEY *tls_remote_key(X509 *cert, const struct tls_remote *remote);
/* -errno of the last signature that this thread asked for in vain since the last call; 0 = none. */
int tls_remote_error(void);

/* --- contexts (context.c) --- */

struct tls_context {
	unsigned refs; /* atomic */
	SSL_CTX *ctx;
	enum tls_role role;
	struct tls_material *material;
	struct tls_remote remotes[TLS_KEYS];
	/* what is set on each connection, because the SNI hook may change the context */
	int version_min, version_max, verify_mode;
	unsigned verify_depth;
	unsigned long ssl_options;
	unsigned options;        /* TLS_OPT_ */
	bool zerocopy;           /* TLS_OFFLOAD_ZEROCOPY */
	unsigned staple_options; /* TLS_STAPLE_ */
};

/* Put what ctx says on ssl. */
void tls_context_apply(const struct tls_context *ctx, SSL *ssl);

/* Authorities and revocation lists of m (may be NULL) into store. 0, or -WE_CONFIG with err. */
int tls_store_fill(X509_STORE *store, const struct tls_material *m, struct err *err);
/* For X509_STORE_CTX: an authority without a revocation list is as good as one that has revoked nothing. */
int tls_cert_verified(int ok, X509_STORE_CTX *store);

/* Its subject or issuer in the form of RFC 2253, cut when too long. */
void tls_name_text(const X509_NAME *name, char *text, size_t size);

/* --- certificates of peers (peer.c, client_cert.c) --- */

struct tls_client_cert {
	X509 *leaf, *issuer;    /* issuer NULL: the leaf is trusted by itself */
	STACK_OF(X509) * chain; /* what the client has shown beside it, not verified */
};

bool tls_cert_is_user(X509 *cert, const char *which, const char *user);
bool tls_cert_fingerprint(X509 *cert, uint8_t ret_fp[TLS_FINGERPRINT_BYTES]);

/* --- sessions (sessions.c, cache.c) --- */

/* s: a reference is taken. */
void tls_sessions_add(struct tls_sessions *list, SSL_SESSION *s, bool control);
/* Borrowed, or NULL. */
SSL_SESSION *tls_sessions_find(const struct tls_sessions *list, const uint8_t *id, size_t n);
void tls_cache_add(struct tls_cache *c, SSL_SESSION *s);
SSL_SESSION *tls_cache_find(struct tls_cache *c, const uint8_t *id, size_t n);

/* --- records for the socket, where OpenSSL encrypts (out.c) --- */

#define TLS_OUT_RECORDS 8u
#define TLS_OUT_RECORD  ((size_t)TLS_RECORD_MAX + 512) /* bytes of one at most, with new keys before it */

struct tls_out {
	char *data; /* lent for a call, or kept; NULL = nothing is there */
	size_t at, len, size;
	char *kept; /* owned; NULL = never any */
	size_t kept_size;
	uint64_t made;      /* bytes, ever */
	size_t taken, room; /* bytes that the socket took since it was full; before that */
	struct {
		uint64_t end; /* of the record, in made */
		size_t text;
	} record[TLS_OUT_RECORDS]; /* not wholly sent */
	unsigned n;
	size_t ahead; /* bytes of text in records that are sent, not reported yet */
};

/* After the handshake, without kernel TLS: from now on OpenSSL writes to c->out. 0 or -ENOMEM. */
int tls_out_open(struct tls_conn *c);
void tls_out_done(struct tls_out *o);
/* Memory for the records of one call of tls_write(), when nothing is kept. tls_out_end(): what is left of them is
 * copied; 0 or -ENOMEM. */
void tls_out_begin(struct tls_out *o, void *memory, size_t size);
int tls_out_end(struct tls_out *o);
/* A record with that much text was written; is another one better written first, or sent? */
void tls_out_record(struct tls_out *o, size_t text);
bool tls_out_more(const struct tls_out *o);
/* 0 when nothing is left, -EAGAIN, -errno. */
int tls_out_send(struct tls_out *o, int fd);
/* How much of n bytes of text is sent and was not yet reported; now it is. */
size_t tls_out_report(struct tls_out *o, size_t n);

/* --- connections (conn.c, io.c, info.c, peer.c) --- */

struct tls_conn {
	SSL *ssl;
	int fd;
	struct tls_context *ctx;
	struct tls_conn_options opt;
	SSL_SESSION *from_cache; /* during the handshake: what the cache offered */
	char sni[256];           /* as asked for, lower case; "" = none */
	bool done;               /* the handshake */
	bool ktls_tx, ktls_rx;
	bool ktls_zerocopy; /* the kernel has taken the option; without a card that encrypts it means nothing */
	bool rekeyed; /* new keys were promised to the peer, or came from it, that the kernel may not take */
	bool failed;  /* SSL may not be used any more, not even for close_notify */
	short wants;
	struct tls_out out;
	void *lent; /* tls_lend(); NULL = nothing */
	size_t lent_size;
	uint64_t written;
	uint64_t records; /* with the present key, outside of the kernel */
	int read_end;     /* what tls_read() gives from now on; 1 = nothing of the kind yet */
	bool drained;     /* the last tls_read() found nothing */
	bool closing;     /* close_notify was made */
	bool said_close;
	struct err err;
};

/* After ktls_tx and ktls_rx were set: look out for changes of keys. */
void tls_conn_watch_keys(struct tls_conn *c);
extern int tls_conn_index; /* ex_data of SSL: its struct tls_conn */
/* What a failed call of OpenSSL means: the return values of tls_read(), but 0 for a heard close_notify. Sets err and
 * wants. */
int tls_conn_fault(struct tls_conn *c, int result, int saved_errno, const char *doing);

#endif
