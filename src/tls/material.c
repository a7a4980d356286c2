/* Certificates and what else is public. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "tls/tls_priv.h"

#define REPORT_MAX (1u << 20) /* bytes that the process with the keys says */

static void warn(const struct tls_load *how, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(const struct tls_load *how, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	if (how->warn == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when too long */
	va_end(ap);
	how->warn(how->arg, text);
}

/* --- the process that opens the keys: what it says --- */

/* Records: a letter, the length as four bytes, the bytes.
 *   K  a key: its slot as one byte, then its public half (SubjectPublicKeyInfo)
 *   C  a certificate of the PKCS #12 file, the leaf first
 *   E  the sentence why it could not go on
 *   D  done */
static int record_add(struct buf *b, char what, const void *p, size_t n)
{
	uint8_t head[5] = {
		(uint8_t)what, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	int r = buf_append(b, head, sizeof(head));

	return r < 0 ? r : buf_append(b, p, n);
}

static int cert_add(struct buf *b, X509 *cert)
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der), r = -ENOMEM;

	if (n > 0)
		r = record_add(b, 'C', der, (size_t)n);
	OPENSSL_free(der);
	return r;
}

static int key_report(struct buf *b, unsigned slot, const struct tls_key *k)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(k->pkey, &der), r = -ENOMEM;
	struct buf rec;

	buf_init(&rec, REPORT_MAX);
	if (n > 0 && buf_putc(&rec, (char)slot) == 0 && buf_append(&rec, der, (size_t)n) == 0)
		r = record_add(b, 'K', rec.data, rec.len);
	buf_done(&rec);
	OPENSSL_free(der);
	if (r == 0 && k->leaf != NULL)
		r = cert_add(b, k->leaf);
	for (int i = 0; r == 0 && i < sk_X509_num(k->chain); i++)
		r = cert_add(b, sk_X509_value(k->chain, i));
	return r;
}

static void keys_report(const struct tls_config *conf, const struct tls_load *how, int fd)
{
	struct err err = ERR_INIT;
	struct buf b;
	int r = 0;

	buf_init(&b, REPORT_MAX);
	for (unsigned slot = 0; slot < TLS_KEYS && r == 0; slot++) {
		struct tls_key k;

		if (tls_key_file(conf, slot) == NULL)
			continue;
		r = tls_key_open(conf, slot, how, &k, &err);
		if (r < 0)
			break;
		r = key_report(&b, slot, &k);
		if (r < 0)
			(void)err_set(&err, -r, "cannot keep the public half of a key");
		tls_key_done(&k);
	}
	if (r == 0)
		r = record_add(&b, 'D', "", 0);
	else
		r = record_add(&b, 'E', err.text, strlen(err.text));
	if (r == 0)
		(void)fd_write_all(fd, b.data, b.len); /* the reader sees what is missing */
	buf_done(&b);
}

/* --- the process that opens the keys: what is heard --- */

static int certs_report(const struct tls_config *conf, const struct tls_load *how, char **ret_text,
	size_t *ret_len, struct err *err)
{
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		keys_report(conf, how, fds[1]);
		_exit(0);
	}
	fd_close(&fds[1]);
	if (pid < 0)
		r = err_sys(err, errno, "cannot fork");
	else
		r = fd_read_all(fds[0], REPORT_MAX, ret_text, ret_len);
	if (pid > 0 && r < 0)
		(void)err_sys(err, -r, "cannot hear of the keys");
	fd_close(&fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r;
}

struct record {
	char what;
	const unsigned char *p;
	size_t n;
};

static bool record_next(const unsigned char **p, size_t *left, struct record *ret_rec)
{
	size_t n;

	if (*left < 5)
		return false;
	n = (size_t)(*p)[1] << 24 | (size_t)(*p)[2] << 16 | (size_t)(*p)[3] << 8 | (*p)[4];
	if (n > *left - 5)
		return false;
	*ret_rec = (struct record){(char)**p, *p + 5, n};
	*p += 5 + n;
	*left -= 5 + n;
	return true;
}

static int key_heard(const struct record *rec, EVP_PKEY **publics)
{
	const unsigned char *p = rec->p + 1;
	unsigned slot = rec->n > 1 ? rec->p[0] : TLS_KEYS;

	if (slot >= TLS_KEYS || publics[slot] != NULL)
		return -EPROTO;
	publics[slot] = d2i_PUBKEY(NULL, &p, (long)rec->n - 1);
	return publics[slot] != NULL ? 0 : -EPROTO;
}

static int chain_push(struct tls_cert *c, X509 *cert) /* given */
{
	if (c->chain == NULL)
		c->chain = sk_X509_new_null();
	if (c->chain == NULL || sk_X509_push(c->chain, cert) == 0) {
		X509_free(cert);
		return -ENOMEM;
	}
	return 0;
}

/* The leaf first, then its chain. */
static int take_own(void *arg, X509 *cert)
{
	struct tls_cert *c = arg;

	if (c->leaf != NULL)
		return chain_push(c, cert);
	c->leaf = cert;
	return 0;
}

static int cert_heard(const struct record *rec, struct tls_cert *c)
{
	const unsigned char *p = rec->p;
	X509 *cert = d2i_X509(NULL, &p, (long)rec->n);

	return cert != NULL ? take_own(c, cert) : -EPROTO;
}

/* The public halves of all keys, and the certificates of the PKCS #12 file. */
static int keys_hear(const struct tls_config *conf, const struct tls_load *how, struct tls_material *m,
	EVP_PKEY **publics, struct err *err)
{
	const unsigned char *p;
	struct record rec;
	char *text = NULL;
	size_t left;
	bool done = false;
	int r = certs_report(conf, how, &text, &left, err);

	if (r < 0)
		return r;
	p = (const unsigned char *)text;
	while (r == 0 && !done && record_next(&p, &left, &rec)) {
		done = rec.what == 'D';
		if (rec.what == 'K')
			r = key_heard(&rec, publics);
		else if (rec.what == 'C')
			r = cert_heard(&rec, &m->certs[TLS_KEY_PKCS12]);
		else if (rec.what == 'E')
			r = err_set(err, WE_CONFIG, "%.*s", (int)rec.n, (const char *)rec.p);
	}
	if (r == 0 && !done)
		r = -EPROTO;
	if (r < 0 && r != -WE_CONFIG)
		r = tls_fail(err, WE_CONFIG, "the process that opens the keys has failed");
	free(text);
	return r;
}

/* --- PEM files --- */

/* Each certificate of the file in turn. How many, or negative with err. */
static int certs_read(const char *path, int (*take)(void *arg, X509 *cert), void *arg, struct err *err)
{
	char *text;
	size_t len;
	BIO *bio;
	X509 *cert;
	int n = 0, r = tls_file_read(path, false, &text, &len, err);

	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(text, (int)len);
	while (bio != NULL && r == 0 && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		r = take(arg, cert);
		n++;
	}
	BIO_free(bio);
	wipe(text, len); /* the key may stand in the same file */
	free(text);
	if (r < 0)
		return err_set(err, -r, "out of memory");
	if (n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error(); /* the end */
	else
		return tls_fail(err, WE_CONFIG, "no certificate can be read from '%.250s'", path);
	return n;
}

static int take_chain(void *arg, X509 *cert)
{
	return chain_push(arg, cert);
}

static int take_ca(void *arg, X509 *cert)
{
	struct tls_material *m = arg;

	if (m->cas == NULL)
		m->cas = sk_X509_new_null();
	if (m->cas == NULL || sk_X509_push(m->cas, cert) == 0) {
		X509_free(cert);
		return -ENOMEM;
	}
	return 0;
}

static int ca_file_read(struct tls_material *m, const char *path, struct err *err)
{
	return certs_read(path, take_ca, m, err);
}

static int crl_file_read(struct tls_material *m, const char *path, struct err *err)
{
	char *text;
	size_t len;
	BIO *bio;
	X509_CRL *crl;
	int n = 0, r = tls_file_read(path, false, &text, &len, err);

	if (r < 0)
		return r;
	if (m->crls == NULL)
		m->crls = sk_X509_CRL_new_null();
	bio = BIO_new_mem_buf(text, (int)len);
	while (bio != NULL && m->crls != NULL &&
		(crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_CRL_push(m->crls, crl) == 0)
			X509_CRL_free(crl);
		n++;
	}
	BIO_free(bio);
	free(text);
	if (n == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_fail(err, WE_CONFIG, "no revocation list can be read from '%.250s'", path);
	ERR_clear_error();
	return n;
}

/* Is it a name that "openssl rehash" makes: 8 hexadecimal digits, '.', mark, digits. */
static bool is_hash_name(const char *name, const char *mark)
{
	size_t n = strspn(name, "0123456789abcdef"), k = strlen(mark);

	if (n != 8 || name[8] != '.' || strncmp(name + 9, mark, k) != 0)
		return false;
	name += 9 + k;
	return *name != '\0' && strspn(name, "0123456789") == strlen(name);
}

/* All at once: later the files are out of reach. */
static int dir_read(struct tls_material *m, const char *dir, const char *mark,
	int (*read_one)(struct tls_material *m, const char *path, struct err *err), struct err *err)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];
	int n = 0, r = 0;

	if (d == NULL)
		return err_sys(err, errno, "cannot open '%.250s'", dir);
	while (r >= 0 && (e = readdir(d)) != NULL) {
		if (!is_hash_name(e->d_name, mark))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= sizeof(path))
			continue;
		r = read_one(m, path, err);
		n++;
	}
	(void)closedir(d); /* it was only read */
	if (r >= 0 && n == 0)
		r = err_set(err, WE_CONFIG, "'%.250s' has no files with hashed names (see openssl-rehash(1))",
			dir);
	return r < 0 ? r : 0;
}

/* --- checks --- */

static void times_check(const struct tls_load *how, const char *path, X509 *cert)
{
	int days = 0, secs = 0;

	if (!ASN1_TIME_diff(&days, &secs, NULL, X509_get0_notAfter(cert)))
		return;
	if (days < 0 || secs < 0)
		warn(how, "the certificate in '%.250s' has expired", path);
	else if (days < 7)
		warn(how, "the certificate in '%.250s' expires in %d days", path, days);
	if (ASN1_TIME_diff(&days, &secs, NULL, X509_get0_notBefore(cert)) && (days > 0 || secs > 0))
		warn(how, "the certificate in '%.250s' is not valid yet", path);
}

static const char *cert_file(const struct tls_config *conf, unsigned slot)
{
	return slot == TLS_KEY_RSA ? conf->rsa_cert : slot == TLS_KEY_EC ? conf->ec_cert : conf->pkcs12;
}

/* One certificate with its chain, and whether its key is this one. */
static int slot_load(const struct tls_config *conf, const struct tls_load *how, unsigned slot,
	struct tls_cert *c, EVP_PKEY *public, struct err *err)
{
	const char *path = cert_file(conf, slot);
	int r;

	if (path == NULL && tls_key_file(conf, slot) == NULL)
		return 0;
	if (path == NULL)
		return err_set(err, WE_CONFIG, "there is a key in '%.250s', but no certificate",
			tls_key_file(conf, slot));
	if (slot != TLS_KEY_PKCS12) {
		r = certs_read(path, take_own, c, err);
		if (r < 0)
			return r;
	}
	if (c->leaf == NULL || public == NULL || EVP_PKEY_eq(X509_get0_pubkey(c->leaf), public) != 1) {
		ERR_clear_error();
		return err_set(err, WE_CONFIG,
			"the key in '%.250s' does not belong to the certificate in '%.250s'",
			tls_key_file(conf, slot), path);
	}
	if (conf->chain != NULL) {
		r = certs_read(conf->chain, take_chain, c, err);
		if (r < 0)
			return r;
	}
	times_check(how, path, c->leaf);
	return 0;
}

static int dh_load(const struct tls_config *conf, struct tls_material *m, struct err *err)
{
	char *text;
	size_t len;
	BIO *bio;
	int r;

	if (conf->dh_file == NULL)
		return 0;
	r = tls_file_read(conf->dh_file, false, &text, &len, err);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(text, (int)len);
	m->dh = bio != NULL ? PEM_read_bio_Parameters(bio, NULL) : NULL;
	BIO_free(bio);
	free(text);
	if (m->dh == NULL)
		return tls_fail(err, WE_CONFIG, "no parameters can be read from '%.250s'", conf->dh_file);
	if (EVP_PKEY_get_bits(m->dh) < 1024 && (conf->options & TLS_OPT_WEAK_DH) == 0)
		return err_set(err, WE_CONFIG, "the parameters in '%.250s' have %d bits, fewer than 1024",
			conf->dh_file, EVP_PKEY_get_bits(m->dh));
	return 0;
}

static int authorities_load(const struct tls_config *conf, struct tls_material *m, struct err *err)
{
	int r = 0;

	if (conf->ca_file != NULL)
		r = ca_file_read(m, conf->ca_file, err);
	if (r >= 0 && conf->ca_path != NULL)
		r = dir_read(m, conf->ca_path, "", ca_file_read, err);
	if (r >= 0 && conf->crl_file != NULL)
		r = crl_file_read(m, conf->crl_file, err);
	if (r >= 0 && conf->crl_path != NULL)
		r = dir_read(m, conf->crl_path, "r", crl_file_read, err);
	return r < 0 ? r : 0;
}

static int load(
	const struct tls_config *conf, const struct tls_load *how, struct tls_material *m, struct err *err)
{
	EVP_PKEY *publics[TLS_KEYS] = {NULL};
	int r = keys_hear(conf, how, m, publics, err);

	for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
		if (r == 0)
			r = slot_load(conf, how, slot, &m->certs[slot], publics[slot], err);
		EVP_PKEY_free(publics[slot]);
	}
	if (r == 0)
		r = authorities_load(conf, m, err);
	if (r == 0)
		r = dh_load(conf, m, err);
	if (r == 0)
		tls_staple_load(conf, how, m);
	return r;
}

int tls_material_load(const struct tls_config *conf, const struct tls_load *how, struct tls_material **ret_m,
	struct err *err)
{
	struct tls_material *m = xcalloc(1, sizeof(*m));
	int r;

	m->refs = 1;
	m->first_key = how->first_key;
	r = load(conf, how, m, err);
	ERR_clear_error();
	if (r < 0)
		tls_material_unref(&m);
	else
		*ret_m = m;
	return r;
}

struct tls_material *tls_material_ref(struct tls_material *m)
{
	(void)__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

void tls_material_unref(struct tls_material **mp)
{
	struct tls_material *m = *mp;

	*mp = NULL;
	if (m == NULL || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
		X509_free(m->certs[slot].leaf);
		sk_X509_pop_free(m->certs[slot].chain, X509_free);
	}
	sk_X509_pop_free(m->cas, X509_free);
	sk_X509_CRL_pop_free(m->crls, X509_CRL_free);
	EVP_PKEY_free(m->dh);
	tls_staple_unload(m);
	free(m);
}

static int64_t expires(X509 *cert)
{
	int days, secs;

	if (!ASN1_TIME_diff(&days, &secs, NULL, X509_get0_notAfter(cert)))
		return INT64_MAX;
	return (int64_t)time(NULL) + (int64_t)days * 86400 + secs;
}

int64_t tls_material_expires(const struct tls_material *m)
{
	int64_t first = INT64_MAX;

	for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
		int64_t end = m->certs[slot].leaf != NULL ? expires(m->certs[slot].leaf) : INT64_MAX;

		first = end < first ? end : first;
	}
	return first;
}

bool tls_material_cert(const struct tls_material *m, unsigned slot, struct tls_cert_info *ret_i)
{
	X509 *leaf = m->certs[slot].leaf;

	if (leaf == NULL)
		return false;
	ret_i->kind = tls_key_name(slot);
	tls_name_text(X509_get_subject_name(leaf), ret_i->subject, sizeof(ret_i->subject));
	tls_name_text(X509_get_issuer_name(leaf), ret_i->issuer, sizeof(ret_i->issuer));
	ret_i->expires = expires(leaf);
	ERR_clear_error();
	return true;
}
