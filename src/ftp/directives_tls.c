/* Directives of mod_tls. */
#include "ftp/directives.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

#define DEFAULT_CIPHERS "DEFAULT:!ADH:!EXPORT:!DES"

static const struct conf_word verify_words[] = {{"off", TLS_VERIFY_OFF}, {"on", TLS_VERIFY_ON},
	{"optional", TLS_VERIFY_OPTIONAL}, {"no", TLS_VERIFY_OFF}, {"yes", TLS_VERIFY_ON}, {NULL, 0}};
static const struct conf_word binding_words[] = {
	{"auto", TLS_BINDING_AUTO}, {"require", TLS_BINDING_REQUIRE}, {"off", TLS_BINDING_OFF}, {NULL, 0}};
static const struct conf_word verify_server_words[] = {{"on", TLS_SERVER_VERIFY_ON},
	{"off", TLS_SERVER_VERIFY_OFF}, {"NoReverseDNS", TLS_SERVER_VERIFY_NO_REVERSE_DNS},
	{"yes", TLS_SERVER_VERIFY_ON}, {"no", TLS_SERVER_VERIFY_OFF}, {NULL, 0}};
static const struct conf_word shutdown_words[] = {
	{"strict", TLS_SHUTDOWN_STRICT}, {"lenient", TLS_SHUTDOWN_LENIENT}, {NULL, 0}};
static const struct conf_word offload_words[] = {{"on", TLS_OFFLOAD_ON}, {"off", TLS_OFFLOAD_OFF},
	{"tx-only", TLS_OFFLOAD_TX_ONLY}, {"zerocopy", TLS_OFFLOAD_ZEROCOPY}, {NULL, 0}};

/* --- parse functions --- */

static int protocol_bit(const char *name, unsigned *ret_bits)
{
	static const struct {
		const char *name;
		unsigned bits;
	} names[] = {{"TLSv1", TLS_V1_0}, {"TLSv1.0", TLS_V1_0}, {"TLSv1.1", TLS_V1_1}, {"TLSv1.2", TLS_V1_2},
		{"TLSv1.3", TLS_V1_3}, {"SSLv3", 0}, {"SSLv2", 0},
		{"SSLv23", TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3},
		{"ALL", TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq_nocase(names[i].name, name)) {
			*ret_bits = names[i].bits;
			return 0;
		}
	}
	return -EINVAL;
}

/* A list of names; a name with '-' takes away, one with '+' adds, as one without does. */
static int protocol(struct conf_call *c, void *dst)
{
	unsigned *bits = &((struct ftp_conf *)dst)->tls.protocols;

	*bits = 0;
	for (unsigned i = 0; i < c->n_args; i++) {
		const char *name = c->args[i];
		char sign = *name;
		unsigned b;

		if (sign == '+' || sign == '-')
			name++;
		if (protocol_bit(name, &b) < 0)
			return err_set(c->err, WE_CONFIG, "unknown protocol '%.60s'", c->args[i]);
		if (b == 0 && sign != '-')
			conf_warn(c->parser, &c->pos, c->row->name, "%s is not supported, it is left out",
				name);
		*bits = sign == '-' ? *bits & ~b : *bits | b;
	}
	if (*bits == 0)
		return err_set(c->err, WE_CONFIG, "no protocol is left");
	if (c->n_args == 1 && str_eq_nocase(c->args[0], "SSLv23")) /* "whatever is secure enough" */
		*bits = TLS_V1_2 | TLS_V1_3;
	if ((*bits & (TLS_V1_0 | TLS_V1_1)) != 0)
		conf_warn(c->parser, &c->pos, c->row->name,
			"TLS 1.0 and 1.1 are broken, and lower what all clients of this server are asked "
			"for; given");
	return 0;
}

static int cipher_suite(struct conf_call *c, void *dst)
{
	struct tls_config *t = &((struct ftp_conf *)dst)->tls;
	const char *list = c->args[c->n_args - 1];
	unsigned bits = TLS_V1_2;
	int r;

	if (c->n_args == 2 && protocol_bit(c->args[0], &bits) < 0)
		return err_set(c->err, WE_CONFIG, "unknown protocol '%.60s'", c->args[0]);
	r = bits == TLS_V1_3 ? tls_ciphersuites_check(list, c->err) : tls_ciphers_check(list, c->err);
	if (r < 0)
		return r;
	if (bits == TLS_V1_3)
		t->ciphersuites = list;
	else
		t->ciphers = list;
	if (t->ciphers == NULL)
		t->ciphers = DEFAULT_CIPHERS;
	return 0;
}

static int ecdh_curve(struct conf_call *c, void *dst)
{
	struct tls_config *t = &((struct ftp_conf *)dst)->tls;

	t->groups = NULL;
	if (str_eq_nocase(c->args[0], "auto"))
		return 0;
	t->groups = c->args[0];
	return tls_groups_check(t->groups, c->err);
}

static int required(struct conf_call *c, void *dst)
{
	static const struct {
		const char *name;
		struct tls_required value;
	} forms[] = {
		{"off", {TLS_CONTROL_OPTIONAL, TLS_DATA_OPTIONAL}},
		{"on", {TLS_CONTROL_REQUIRED, TLS_DATA_REQUIRED}},
		{"ctrl", {TLS_CONTROL_REQUIRED, TLS_DATA_OPTIONAL}},
		{"control", {TLS_CONTROL_REQUIRED, TLS_DATA_OPTIONAL}},
		{"data", {TLS_CONTROL_OPTIONAL, TLS_DATA_REQUIRED}},
		{"!data", {TLS_CONTROL_OPTIONAL, TLS_DATA_FORBIDDEN}},
		{"auth", {TLS_CONTROL_LOGIN, TLS_DATA_OPTIONAL}},
		{"auth+data", {TLS_CONTROL_LOGIN, TLS_DATA_REQUIRED}},
		{"auth+!data", {TLS_CONTROL_LOGIN, TLS_DATA_FORBIDDEN}},
		{"both", {TLS_CONTROL_REQUIRED, TLS_DATA_REQUIRED}},
		{"ctrl+data", {TLS_CONTROL_REQUIRED, TLS_DATA_REQUIRED}},
		{"ctrl+!data", {TLS_CONTROL_REQUIRED, TLS_DATA_FORBIDDEN}},
	};
	struct ftp_conf *conf = dst;
	bool on;

	if (conf_bool(c->args[0], &on) == 0) {
		conf->tls_required = forms[on ? 1 : 0].value;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (str_eq_nocase(forms[i].name, c->args[0])) {
			conf->tls_required = forms[i].value;
			return 0;
		}
	}
	return err_set(c->err, WE_CONFIG,
		"bad value '%.60s', expected on, off, ctrl, data, !data, auth, auth+data, auth+!data, "
		"ctrl+data or "
		"ctrl+!data",
		c->args[0]);
}

static const struct option {
	const char *name;
	unsigned bit;
	const char *nothing; /* why it does nothing */
} options[] = {
	{"AllowClientRenegotiations", TLS_OPT_CLIENT_RENEGOTIATIONS,
		"renegotiation is refused, TLS 1.3 has none"},
	{"AllowDotLogin", TLS_OPT_DOT_LOGIN, NULL},
	{"AllowPerUser", TLS_OPT_PER_USER, NULL},
	{"AllowWeakDH", TLS_OPT_WEAK_DH, NULL},
	{"AllowWeakSecurity", TLS_OPT_WEAK_SECURITY, NULL},
	{"CommonNameRequired", TLS_OPT_COMMON_NAME_REQUIRED, NULL},
	{"EnableDiags", TLS_OPT_ENABLE_DIAGS, "TLSLog has the reasons of failed handshakes in any case"},
	{"ExportCertData", TLS_OPT_EXPORT_CERT_DATA, NULL},
	{"IgnoreSNI", TLS_OPT_IGNORE_SNI, NULL},
	{"NoAutoECDH", TLS_OPT_NO_AUTO_ECDH, "elliptic curves are always negotiated"},
	{"NoEmptyFragments", TLS_OPT_NO_EMPTY_FRAGMENTS, "it concerns SSL 3 only"},
	{"NoKTLS", TLS_OPT_NO_KTLS, NULL},
	{"OCSPSoftFail", TLS_OPT_OCSP_SOFT_FAIL, NULL},
	{"NoSessionReuseRequired", TLS_OPT_NO_SESSION_REUSE_REQUIRED, NULL},
	{"StdEnvVars", TLS_OPT_STD_ENV_VARS, NULL},
	{"StrictSNI", TLS_OPT_STRICT_SNI, NULL},
	{"UseImplicitSSL", TLS_OPT_USE_IMPLICIT_SSL, NULL},
	{"dNSNameRequired", TLS_OPT_DNS_NAME_REQUIRED, NULL},
	{"iPAddressRequired", TLS_OPT_IP_ADDRESS_REQUIRED, NULL},
	{"AllowClientRenegotiation", 0, "it is an old name"},
	{"NoCertRequest", 0, "TLSVerifyClient says whether clients are asked"},
};

static int option_words(struct conf_call *c, void *dst)
{
	unsigned *bits = &((struct ftp_conf *)dst)->tls.options;

	for (unsigned i = 0; i < c->n_args; i++) {
		const struct option *o = options;

		while (o < options + ARRAY_LEN(options) && !str_eq(o->name, c->args[i]))
			o++;
		if (o == options + ARRAY_LEN(options))
			return err_set(c->err, WE_CONFIG, "unknown option '%.60s'", c->args[i]);
		*bits |= o->bit;
		if (o->nothing != NULL)
			conf_warn(c->parser, &c->pos, c->row->name, "%s has no effect: %s; given", o->name,
				o->nothing);
	}
	return 0;
}

static int user_name(struct conf_call *c, void *dst)
{
	const char *v = c->args[0];

	if (!str_eq_nocase(v, "CommonName") && !str_eq_nocase(v, "EmailSubjAltName") &&
		(v[0] == '\0' || strspn(v, "0123456789.") != strlen(v)))
		return err_set(c->err, WE_CONFIG,
			"'%.60s' is neither CommonName nor EmailSubjAltName nor an OID", v);
	((struct ftp_conf *)dst)->tls.user_name = v;
	return 0;
}

static int log_file(struct conf_call *c, void *dst)
{
	return ftp_call_logfile_or_none(c, &((struct ftp_conf *)dst)->tls_log);
}

static int masquerade(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	return ftp_call_masquerade(
		c, &conf->tls_masquerade_name, &conf->tls_masquerade, &conf->tls_masquerade_live);
}

static int passphrase_provider(struct conf_call *c, void *dst)
{
	const struct ftp_loader *l = c->arg;
	const char *path = c->args[0];

	if (path[0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", path);
	if (l->opt->files == NULL && access(path, X_OK) < 0)
		return err_sys(c->err, errno, "cannot run '%.300s'", path);
	((struct ftp_config *)dst)->tls_passphrase_program = path;
	return 0;
}

#define CACHE_ENTRIES     8192u
#define CACHE_ENTRIES_MAX 65536u
#define CACHE_ENTRY_BYTES 2048u /* of a size= in bytes; a session has about that with what OpenSSL keeps */

/* off | type:[/...size=<bytes>...] [<seconds>]; whatever the type, the cache is in the login process. */
static int session_cache(struct conf_call *c, void *dst)
{
	struct tls_cache_config *cache = &((struct ftp_config *)dst)->tls_cache;
	const char *type = c->args[0], *size = strstr(type, "size=");
	uint64_t n;
	char digits[24];

	*cache = (struct tls_cache_config){.on = true, .entries = CACHE_ENTRIES, .secs = 1800};
	if (str_eq_nocase(type, "off") || str_eq_nocase(type, "none")) {
		cache->on = false;
		return 0;
	}
	if (strchr(type, ':') == NULL)
		return err_set(
			c->err, WE_CONFIG, "bad value '%.60s', expected off, internal: or shm:/...", type);
	if (!str_starts(type, "internal:"))
		conf_warn(c->parser, &c->pos, c->row->name,
			"the cache is kept in memory, whatever its type; '%.60s' given", type);
	if (size != NULL) {
		(void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(size + 5, "0123456789"), size + 5);
		if (str_to_u64(digits, &n) < 0 || n == 0)
			return err_set(c->err, WE_CONFIG, "bad size in '%.100s'", type);
		n /= CACHE_ENTRY_BYTES;
		cache->entries = n < 64 ? 64 : n > CACHE_ENTRIES_MAX ? CACHE_ENTRIES_MAX : (unsigned)n;
	}
	if (c->n_args < 2)
		return 0;
	if (str_to_u64(c->args[1], &n) < 0 || n == 0 || n > 86400)
		return err_set(
			c->err, WE_CONFIG, "bad lifetime '%.60s', expected 1 to 86400 seconds", c->args[1]);
	cache->secs = (unsigned)n;
	return 0;
}

static int dsa_refuse(struct conf_call *c, void *dst)
{
	return err_set(c->err, WE_CONFIG,
		"DSA certificates are not supported, no client takes them: use ECDSA or RSA");
}

static int verify_order(struct conf_call *c, void *dst)
{
	enum tls_order *order = &((struct ftp_conf *)dst)->tls.order;
	bool crl = str_eq_nocase(c->args[0], "crl"), ocsp = str_eq_nocase(c->args[0], "ocsp");

	if (c->n_args == 1 && (crl || ocsp))
		*order = ocsp ? TLS_ORDER_OCSP : TLS_ORDER_CRL;
	else if (c->n_args == 2 && crl && str_eq_nocase(c->args[1], "ocsp"))
		*order = TLS_ORDER_CRL_OCSP;
	else if (c->n_args == 2 && ocsp && str_eq_nocase(c->args[1], "crl"))
		*order = TLS_ORDER_OCSP_CRL;
	else
		return err_set(c->err, WE_CONFIG, "expected crl, ocsp, 'crl ocsp' or 'ocsp crl'");
	return 0;
}

static int staple_options(struct conf_call *c, void *dst)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {{"NoFakeTryLater", TLS_STAPLE_NO_FAKE_TRY_LATER}, {"NoNonce", TLS_STAPLE_NO_NONCE},
		{"NoVerify", TLS_STAPLE_NO_VERIFY}};
	unsigned *bits = &((struct ftp_conf *)dst)->tls.staple_options;

	for (unsigned i = 0; i < c->n_args; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(names) && !str_eq(names[k].name, c->args[i]))
			k++;
		if (k == ARRAY_LEN(names))
			return err_set(c->err, WE_CONFIG, "unknown option '%.60s'", c->args[i]);
		*bits |= names[k].bit;
	}
	return 0;
}

static int staple_responder(struct conf_call *c, void *dst)
{
	((struct ftp_conf *)dst)->tls.staple_responder = c->args[0];
	return tls_staple_url_check(c->args[0], c->err);
}

static int dh_file(struct conf_call *c, void *dst)
{
	if (c->args[0][0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", c->args[0]);
	((struct ftp_conf *)dst)->tls.dh_file = c->args[0];
	return 0;
}

/* --- rows --- */

#define MODULE .module = "mod_tls.c"
#define FILE_ROW(m)                                                                                          \
	CONF_PATH(struct ftp_conf, tls.m), .scope = S_V_G, MODULE, .dflt_text = "none", .syntax = "<path>"
#define NOEFFECT(most)                                                                                       \
	.type = CONF_T_NOEFFECT, .min_args = 1, .max_args = most, .flags = CONF_REPEATABLE, MODULE

static const struct conf_row rows[] = {
	{.name = "TLSCACertificateFile",
		FILE_ROW(ca_file),
		.doc = "Certificates (PEM) of the authorities that certificates of clients are verified by."},
	{.name = "TLSCACertificatePath",
		FILE_ROW(ca_path),
		.doc = "Directory with such certificates, whose files have hashed names (openssl-rehash(1)). "
		       "All are read at "
		       "the start."},
	{.name = "TLSCARevocationFile",
		FILE_ROW(crl_file),
		.doc = "Revocation lists (PEM) for certificates of clients. An authority without a list has "
		       "revoked nothing."},
	{.name = "TLSCARevocationPath",
		FILE_ROW(crl_path),
		.doc = "Directory with revocation lists, whose files have hashed names (openssl-rehash(1))."},
	{.name = "TLSCertificateChainFile",
		FILE_ROW(chain),
		.doc = "Certificates (PEM) that are sent behind the server's own, if they do not stand in "
		       "its file."},
	{.name = "TLSCipherSuite",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, tls.ciphers, tls.ciphersuites),
		.parse = cipher_suite,
		.min_args = 1,
		.max_args = 2,
		.flags = CONF_REPEATABLE,
		.scope = S_V_G,
		MODULE,
		.dflt = DEFAULT_CIPHERS,
		.syntax = "[TLSv1.2|TLSv1.3] <list>",
		.doc = "Ciphers in the words of openssl-ciphers(1); with TLSv1.3 the suites of that version. "
		       "The static RSA key "
		       "exchange is never used."},
	{.name = "TLSCryptoDevice",
		NOEFFECT(1),
		.scope = S_V_G,
		.syntax = "<engine>|none",
		.reason = "OpenSSL's own code is used",
		.doc = "Device for cryptography."},
	{.name = "TLSDataBinding",
		CONF_ENUM(struct ftp_conf, tls.binding, enum tls_binding),
		.words = binding_words,
		.scope = S_V_G,
		MODULE,
		.dflt = "auto",
		.syntax = "auto|require|off",
		.doc = "Whether a data connection with TLS must resume the session of the control "
		       "connection, which proves that it "
		       "comes from the same client. With auto a client that cannot do so is accepted from "
		       "the address of the "
		       "control connection, and the log says so."},
	{.name = "TLSDataShutdown",
		CONF_ENUM(struct ftp_conf, tls.shutdown, enum tls_shutdown),
		.words = shutdown_words,
		.scope = S_V_G,
		MODULE,
		.dflt = "strict",
		.syntax = "strict|lenient",
		.doc = "Whether an upload whose client closes without saying so in TLS (close_notify) is "
		       "taken as cut off. With "
		       "lenient it is taken as complete, and the log says so: for devices that know no "
		       "better."},
	{.name = "TLSDHParamFile",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.dh_file, const char *),
		.parse = dh_file,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "chosen by OpenSSL",
		.syntax = "<path>",
		.doc = "Parameters (PEM) for the Diffie-Hellman key exchange, of 1024 bits at least."},
	{.name = "TLSDSACertificateFile",
		NOEFFECT(1),
		.parse = dsa_refuse,
		.scope = S_V_G,
		.syntax = "<path>",
		.reason = "DSA certificates are not supported",
		.doc = "Refused: no client takes DSA certificates."},
	{.name = "TLSDSACertificateKeyFile",
		NOEFFECT(1),
		.parse = dsa_refuse,
		.scope = S_V_G,
		.syntax = "<path>",
		.reason = "DSA certificates are not supported",
		.doc = "Refused: no client takes DSA certificates."},
	{.name = "TLSECCertificateFile",
		FILE_ROW(ec_cert),
		.doc = "The server's certificate (PEM) with an ECDSA key, followed by those of its "
		       "authorities."},
	{.name = "TLSECCertificateKeyFile",
		FILE_ROW(ec_key),
		.doc = "The private key of that certificate, when it does not stand in the same file. The "
		       "file must not be "
		       "readable by everyone."},
	{.name = "TLSECDHCurve",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.groups, const char *),
		.parse = ecdh_curve,
		.min_args = 1,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "auto",
		.syntax = "auto|<groups>",
		.doc = "Groups of the key exchange, separated by colons, best first: X25519:P-256."},
	{.name = "TLSEngine",
		CONF_BOOL(struct ftp_conf, tls.engine),
		.scope = S_V_G,
		MODULE,
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether clients can use TLS (AUTH TLS, PROT)."},
	{.name = "TLSKernelOffload",
		CONF_ENUM(struct ftp_conf, tls.offload, enum tls_offload),
		.words = offload_words,
		.scope = S_V_G,
		MODULE,
		.dflt = "on",
		.syntax = "on|off|tx-only|zerocopy",
		.doc = "Whether the kernel encrypts data connections, where kernel and OpenSSL can: "
		       "downloads are then sent by sendfile(2) as in clear. With tx-only not those of "
		       "uploads. zerocopy is on, and a network card that encrypts itself (ethtool -K "
		       "<interface> tls-hw-tx-offload on) may send from the file's pages without a "
		       "copy (TLS_TX_ZEROCOPY_RO, Linux 5.19): for files that nobody changes in place, "
		       "as one that changes while it is sent again breaks the download. Linux up to "
		       "6.2 was seen to send wrong bytes with it after REST. Without such a card "
		       "zerocopy changes nothing. Where the kernel cannot, nothing else changes; "
		       "DebugLevel 5 logs why."},
	{.name = "TLSLog",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls_log, struct ftp_logfile *),
		.parse = log_file,
		.min_args = 1,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "none",
		.syntax = "<path>|none",
		.doc = "File with a line for each handshake of control and data connections, and for what "
		       "TLS ends "
		       "later, with the reason."},
	{.name = "TLSMasqueradeAddress",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, tls_masquerade_name, tls_masquerade_live),
		.parse = masquerade,
		.min_args = 1,
		.scope = S_V,
		MODULE,
		.dflt_text = "that of MasqueradeAddress",
		.syntax = "<address>|<host name>|<interface>",
		.doc = "As MasqueradeAddress, for clients with TLS: devices on the way cannot see and change "
		       "what they are told."},
	{.name = "TLSNextProtocol",
		CONF_BOOL(struct ftp_conf, tls.alpn),
		.scope = S_V_G,
		MODULE,
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether the protocol \"ftp\" is agreed on with clients that ask (ALPN). Others are "
		       "served as well."},
	{.name = "TLSOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.options, unsigned),
		.parse = option_words,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.flags = CONF_REPEATABLE,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "none",
		.syntax = "<option> ...",
		.doc = "AllowDotLogin, AllowPerUser, AllowWeakDH, AllowWeakSecurity, "
		       "CommonNameRequired, dNSNameRequired, ExportCertData, IgnoreSNI, "
		       "iPAddressRequired, NoKTLS, NoSessionReuseRequired (as TLSDataBinding off), "
		       "OCSPSoftFail, StdEnvVars, StrictSNI, UseImplicitSSL. With AllowPerUser it is "
		       "decided after the login whether TLSRequired lets a client go on in clear, and "
		       "AUTH is possible after the login too: it ends the login, and USER is to be "
		       "said again in TLS. With OCSPSoftFail a client whose certificate's OCSP "
		       "responder gives no usable answer is let in, and the log warns; who can keep "
		       "the answer away can so use a revoked certificate. AllowClientRenegotiations, "
		       "EnableDiags, NoAutoECDH and NoEmptyFragments are accepted without effect."},
	{.name = "TLSPKCS12File",
		FILE_ROW(pkcs12),
		.doc = "Certificate, key and chain in one file in the form of PKCS #12."},
	{.name = "TLSPreSharedKey",
		NOEFFECT(2),
		.scope = S_V_G,
		.syntax = "<identity> hex:<path>",
		.reason = "the process that reads what strangers send would have to hold such a key, and "
			  "none does; "
			  "clients know the server by its certificate",
		.doc = "Key that a client and the server share. There is no way to use it without having it, "
		       "as there is "
		       "with a certificate's key, so it is not supported."},
	{.name = "TLSProtocol",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.protocols, unsigned),
		.parse = protocol,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G,
		MODULE,
		.dflt = "TLSv1.2 TLSv1.3",
		.syntax = "[+|-]TLSv1|TLSv1.1|TLSv1.2|TLSv1.3|ALL ...",
		.doc = "Versions that clients may use."},
	{.name = "TLSRandomSeed",
		NOEFFECT(2),
		.scope = S_V_G,
		.syntax = "<path>",
		.reason = "the system's random numbers are used",
		.doc = "File with random bytes."},
	{.name = "TLSRenegotiate",
		NOEFFECT(CONF_ARGS_ANY),
		.scope = S_V_G,
		.syntax = "none|<when> ...",
		.reason = "TLS 1.3 has no renegotiation, and TLS 1.2 is not asked for it",
		.doc = "When to negotiate again."},
	{.name = "TLSRequired",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls_required, struct tls_required),
		.parse = required,
		.min_args = 1,
		.scope = S_V_G_A_D_F,
		MODULE,
		.dflt = "off",
		.syntax = "on|off|ctrl|[!]data|auth[+[!]data]|ctrl+[!]data",
		.doc = "For what TLS is required: ctrl for the control connection, auth for it until the "
		       "login is over, data for "
		       "data connections; !data forbids it there."},
	{.name = "TLSRSACertificateFile",
		FILE_ROW(rsa_cert),
		.doc = "The server's certificate (PEM) with an RSA key, followed by those of its "
		       "authorities."},
	{.name = "TLSRSACertificateKeyFile",
		FILE_ROW(rsa_key),
		.doc = "The private key of that certificate, when it does not stand in the same file. The "
		       "file must not be "
		       "readable by everyone."},
	{.name = "TLSServerCipherPreference",
		CONF_BOOL(struct ftp_conf, tls.server_preference),
		.scope = S_V_G,
		MODULE,
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether the server's order of ciphers counts, not the client's."},
	{.name = "TLSServerInfoFile",
		NOEFFECT(1),
		.scope = S_V_G,
		.syntax = "<path>",
		.reason = "no further extensions are sent",
		.doc = "Extensions for the server's hello."},
	{.name = "TLSSessionTicketKeys",
		NOEFFECT(CONF_ARGS_ANY),
		.scope = CONF_S,
		.syntax = "[age <time>] [count <n>]",
		.reason = "sessions are kept in the server, no key encrypts tickets",
		.doc = "Age and number of the keys of tickets."},
	{.name = "TLSSessionTickets",
		NOEFFECT(1),
		.scope = S_V_G,
		.syntax = "on|off",
		.reason = "sessions are kept in the server, TLS 1.2 resumes them by their ids and TLS 1.3 by "
			  "tickets",
		.doc = "Whether sessions are kept by clients."},
	{.name = "TLSStapling",
		CONF_BOOL(struct ftp_conf, tls.staple),
		.scope = S_V_G,
		MODULE,
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether clients that ask for it get what the authority's OCSP responder says of the "
		       "server's "
		       "certificate, on control and data connections. The authority's certificate must stand "
		       "behind the server's own or in TLSCertificateChainFile. A process of its own asks at "
		       "the "
		       "start and at half of the time for which a response is valid; no client waits for it. "
		       "A response that says that the certificate was revoked is sent too. The environment's "
		       "http_proxy and no_proxy are obeyed."},
	{.name = "TLSStaplingCache",
		NOEFFECT(2),
		.scope = CONF_S,
		.syntax = "<type>",
		.reason = "responses are always kept in memory until they are out of date",
		.doc = "Cache of OCSP responses."},
	{.name = "TLSStaplingOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.staple_options, unsigned),
		.parse = staple_options,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.flags = CONF_REPEATABLE,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "none",
		.syntax = "NoFakeTryLater|NoNonce|NoVerify ...",
		.doc = "NoFakeTryLater: while there is no valid response clients get none; without it they "
		       "get one that "
		       "says 'try later'. NoNonce: requests have no nonce, for responders that refuse it; a "
		       "response that has none and names no end must be newly made. "
		       "NoVerify: "
		       "the signature of a response is not looked at; that it is about this certificate and "
		       "not out of date is."},
	{.name = "TLSStaplingResponder",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.staple_responder, const char *),
		.parse = staple_responder,
		.min_args = 1,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "the one that the certificate names",
		.syntax = "http://<host>[:<port>]/<path>",
		.doc = "Responder to ask. Not by https: responses are signed."},
	{.name = "TLSStaplingTimeout",
		CONF_DURATION(struct ftp_conf, tls.staple_timeout_ms),
		.scope = S_V_G,
		MODULE,
		.dflt = "10",
		.min = "1",
		.max = "300",
		.syntax = "<seconds>",
		.doc = "How long to wait for a responder, also for that of a client's certificate "
		       "(TLSVerifyOrder). After a failure the one of TLSStapling is asked again a "
		       "minute later, then later and later, up to an hour."},
	{.name = "TLSTimeoutHandshake",
		CONF_DURATION(struct ftp_conf, tls.handshake_ms),
		.scope = S_V_G,
		MODULE,
		.dflt = "300",
		.min = "0",
		.max = "3600",
		.syntax = "<time>",
		.doc = "A handshake that takes longer ends the connection. 0 means no limit."},
	{.name = "TLSUserName",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.user_name, const char *),
		.parse = user_name,
		.min_args = 1,
		.scope = S_V_G,
		MODULE,
		.dflt_text = "none",
		.syntax = "CommonName|EmailSubjAltName|<OID>",
		.doc = "A client whose verified certificate has the user's name in that field needs no "
		       "password: USER is answered with 232. TLSVerifyClient must be on or optional. "
		       "TLSOptions "
		       "AllowDotLogin lets in certificates of the file .tlslogin in the user's home "
		       "directory."},
	{.name = "TLSVerifyClient",
		CONF_ENUM(struct ftp_conf, tls.verify, enum tls_verify),
		.words = verify_words,
		.scope = S_V_G,
		MODULE,
		.dflt = "off",
		.syntax = "on|off|optional",
		.doc = "Whether clients must (on) or may (optional) have a certificate; an invalid one is "
		       "refused."},
	{.name = "TLSVerifyDepth",
		CONF_UINT(struct ftp_conf, tls.verify_depth, unsigned),
		.scope = S_V_G,
		MODULE,
		.dflt = "9",
		.min = "0",
		.max = "100",
		.unit = "certificates",
		.syntax = "<n>",
		.doc = "Longest chain of authorities of a client's certificate."},
	{.name = "TLSVerifyOrder",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, tls.order, enum tls_order),
		.parse = verify_order,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		MODULE,
		.dflt = "crl",
		.syntax = "crl|ocsp|crl ocsp|ocsp crl",
		.doc = "How it is found out whether a client's certificate was revoked. Revocation "
		       "lists (TLSCARevocationFile, TLSCARevocationPath) count in any case; what they "
		       "name is refused in the handshake. With ocsp the OCSP responder that the "
		       "certificate names (http) is asked too, about the client's own certificate: the "
		       "first command waits for the answer. It must say good; revoked and unknown end "
		       "the connection with 421, and so does no usable answer within "
		       "TLSStaplingTimeout, unless TLSOptions has OCSPSoftFail, or with 'ocsp crl' a "
		       "list in force of the certificate's authority does not name it. A process of "
		       "its own asks. An answer is remembered until it is out of date, and asked for "
		       "again after half of that time and within an hour; that there was none, for 15 "
		       "seconds. TLSStaplingOptions NoNonce and the environment's http_proxy count as "
		       "for TLSStapling."},
	{.name = "TLSVerifyServer",
		CONF_ENUM(struct ftp_conf, tls.verify_server, enum tls_verify_server),
		.words = verify_server_words,
		.scope = S_V_G,
		MODULE,
		.dflt = "on",
		.syntax = "on|off|NoReverseDNS",
		.doc = "Whether the other server of a transfer between servers (SSCN ON, CPSV), on whose "
		       "data "
		       "connection this one is the client of TLS, must have a valid certificate of an "
		       "authority in "
		       "TLSCACertificateFile or TLSCACertificatePath that names its address (iPAddress). DNS "
		       "names are never looked up for it, so NoReverseDNS is the same as on. Who may be the "
		       "other "
		       "server is said by AllowForeignAddress."},
};

static const struct conf_row daemon_rows[] = {
	{.name = "TLSPassPhraseProvider",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, tls_passphrase_program, const char *),
		.parse = passphrase_provider,
		.min_args = 1,
		.scope = CONF_S,
		MODULE,
		.dflt_text = "none",
		.syntax = "<path>",
		.doc = "Program that prints the passphrase of an encrypted key. It gets the server's name "
		       "with its port, RSA, EC or "
		       "PKCS12, and the path of the key, and has 30 seconds; it is run at each start and "
		       "reload, also of the certificates alone, and when the auth process is started again."},
	{.name = "TLSSessionCache",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, tls_cache, struct tls_cache_config),
		.parse = session_cache,
		.min_args = 1,
		.max_args = 2,
		.scope = CONF_S,
		MODULE,
		.dflt = "internal: 1800",
		.syntax = "off|internal:[/size=<bytes>] [<seconds>]",
		.doc = "Sessions of control connections that a later connection may resume. It is kept in "
		       "memory whatever the type is; "
		       "data connections resume sessions without it."},
};

const struct conf_table ftp_table_tls = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
const struct conf_table ftp_table_tls_daemon = {daemon_rows, ARRAY_LEN(daemon_rows), FTP_STORE_DAEMON};
