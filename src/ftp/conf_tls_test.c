/* The directives of mod_tls: values, mistakes, certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/directives.h"
#include "ftp/report.h"
#include "ftp/tls_servers.h"
#include "ftp/variant.h"
#include "tls/tls_test_fixture.h"

static int no_names(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	return str_eq(name, "here.example.org") ? addr_parse("192.0.2.9", 0, ret_addrs) == 0 : -ENOENT;
}

/* @D in text is the directory of the certificates. What there was to say: "<fatal|warning>: ... on line <n>". */
static char *problems(const char *text, struct ftp_config **ret_config)
{
	struct ftp_config_options opt = {.name = "t", .resolve = no_names};
	struct ftp_report *r = ftp_report_new();
	struct ftp_config *c = NULL;
	char *out = NULL, *whole = xcalloc(1, strlen(text) * 40 + 1), *at;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	for (const char *p = text; *p != '\0';) {
		if (str_starts(p, "@D")) {
			strcat(whole, fx_dir);
			p += 2;
		} else {
			strncat(whole, p++, 1);
		}
	}
	opt.text = whole;
	(void)ftp_config_load(&opt, 1, &c, r, NULL);
	ftp_report_print_problems(r, f);
	fclose(f);
	assert_int_equal(c != NULL, ftp_report_errors(r) == 0);
	ftp_report_free(r);
	while ((at = strstr(out, " of 't'")) != NULL)
		memmove(at, at + 7, strlen(at + 7) + 1);
	while ((at = strstr(out, fx_dir)) != NULL)
		memmove(at, at + strlen(fx_dir), strlen(at + strlen(fx_dir)) + 1);
	if (ret_config != NULL)
		*ret_config = c;
	else
		ftp_config_free(c);
	free(whole);
	return out;
}

static void only_the_rates_are_read_without_a_look_at_certificates(void **state)
{
	struct ftp_config_options opt = {.name = "t",
		.resolve = no_names,
		.rates_only = true,
		.text = "TLSEngine on\nTLSRSACertificateFile /none.pem\nTransferRate RETR 5\n"};
	struct err err = ERR_INIT;
	struct ftp_config *c;

	if (ftp_config_load(&opt, 1, &c, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_null(c->servers[0]->tls);
	assert_true(c->servers[0]->scope->conf.rates->bytes_per_sec == 5 * 1024);
	ftp_config_free(c);
}

static struct ftp_config *load(const char *text)
{
	struct ftp_config *c;
	char *out = problems(text, &c);

	if (c == NULL)
		fail_msg("%s", out);
	free(out);
	return c;
}

static void the_tables_are_sorted_documented_and_known(void **state)
{
	const struct conf_table *tables[] = {&ftp_table_tls, &ftp_table_tls_daemon};
	struct err err = ERR_INIT;

	if (conf_tables_check(&ftp_language, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (unsigned i = 0; i < tables[t]->n_rows; i++) {
			unsigned k = 0;

			while (ftp_known[k].name != NULL &&
				!str_eq(ftp_known[k].name, tables[t]->rows[i].name))
				k++;
			if (ftp_known[k].name == NULL || !str_eq(ftp_known[k].module, "mod_tls.c"))
				fail_msg("%s is not in known_directives.tsv", tables[t]->rows[i].name);
		}
	}
	for (unsigned k = 0; ftp_known[k].name != NULL; k++) {
		bool other;

		if (!str_eq(ftp_known[k].module, "mod_tls.c"))
			continue;
		if (conf_row_find(&ftp_language, ftp_known[k].name, CONF_KIND_SERVER, &other) == NULL)
			fail_msg("%s has no row", ftp_known[k].name);
	}
}

static void defaults_are_those_of_the_specification(void **state)
{
	struct ftp_config *c = load("");
	const struct tls_config *t = &c->servers[0]->scope->conf.tls;

	assert_false(t->engine);
	assert_int_equal(t->protocols, TLS_V1_2 | TLS_V1_3);
	assert_string_equal(t->ciphers, "DEFAULT:!ADH:!EXPORT:!DES");
	assert_null(t->ciphersuites);
	assert_true(t->server_preference && t->alpn);
	assert_null(t->groups);
	assert_int_equal(t->verify, TLS_VERIFY_OFF);
	assert_int_equal(t->verify_depth, 9);
	assert_int_equal(t->handshake_ms, 300000);
	assert_int_equal(t->binding, TLS_BINDING_AUTO);
	assert_int_equal(t->offload, TLS_OFFLOAD_ON);
	assert_int_equal(t->shutdown, TLS_SHUTDOWN_STRICT);
	assert_int_equal(t->options, 0);
	assert_true(c->tls_cache.on);
	assert_int_equal(c->tls_cache.secs, 1800);
	assert_null(c->servers[0]->tls);
	assert_false(ftp_tls_wanted(c));
	ftp_config_free(c);
}

static void values_become_data(void **state)
{
	static const struct {
		const char *word;
		struct tls_required value;
	} forms[] = {{"on", {TLS_CONTROL_REQUIRED, TLS_DATA_REQUIRED}}, {"off", {0}},
		{"ctrl", {TLS_CONTROL_REQUIRED, TLS_DATA_OPTIONAL}},
		{"DATA", {TLS_CONTROL_OPTIONAL, TLS_DATA_REQUIRED}},
		{"!data", {TLS_CONTROL_OPTIONAL, TLS_DATA_FORBIDDEN}},
		{"auth", {TLS_CONTROL_LOGIN, TLS_DATA_OPTIONAL}},
		{"auth+data", {TLS_CONTROL_LOGIN, TLS_DATA_REQUIRED}},
		{"auth+!data", {TLS_CONTROL_LOGIN, TLS_DATA_FORBIDDEN}},
		{"ctrl+data", {TLS_CONTROL_REQUIRED, TLS_DATA_REQUIRED}},
		{"ctrl+!data", {TLS_CONTROL_REQUIRED, TLS_DATA_FORBIDDEN}}};
	static const struct {
		const char *words;
		unsigned bits;
	} protocols[] = {{"TLSv1.3", TLS_V1_3}, {"ALL -TLSv1 -TLSv1.1", TLS_V1_2 | TLS_V1_3},
		{"TLSv1.2 +tlsv1.3", TLS_V1_2 | TLS_V1_3}, {"ALL -SSLv3", 15},
		{"SSLv23", TLS_V1_2 | TLS_V1_3}};
	struct ftp_config *c;
	const struct ftp_conf *conf;
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		(void)snprintf(text, sizeof(text),
			"TLSRequired off\n<Directory /x>\nTLSRequired %s\n</Directory>\n", forms[i].word);
		c = load(text);
		assert_memory_equal(&c->servers[0]->scope->dirs->conf.tls_required, &forms[i].value,
			sizeof(forms[i].value));
		assert_int_equal(c->servers[0]->scope->conf.tls_required.control, TLS_CONTROL_OPTIONAL);
		ftp_config_free(c);
	}
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		(void)snprintf(text, sizeof(text), "TLSProtocol %s\n", protocols[i].words);
		c = load(text);
		assert_int_equal(c->servers[0]->scope->conf.tls.protocols, protocols[i].bits);
		ftp_config_free(c);
	}
	c = load("TLSOptions StdEnvVars dNSNameRequired\nTLSOptions NoSessionReuseRequired\nTLSCipherSuite "
		 "HIGH\n"
		 "TLSCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256\nTLSECDHCurve X25519:P-256\nTLSDataBinding "
		 "require\n"
		 "TLSVerifyClient optional\nTLSTimeoutHandshake 20\nTLSUserName 1.2.3.4\nTLSLog /x/tls.log\n"
		 "TLSMasqueradeAddress here.example.org\nTLSSessionCache shm:/file=/x&size=409600 600\n"
		 "TLSKernelOffload tx-only\nTLSDataShutdown lenient\n");
	conf = &c->servers[0]->scope->conf;
	assert_int_equal(conf->tls.options,
		TLS_OPT_STD_ENV_VARS | TLS_OPT_DNS_NAME_REQUIRED | TLS_OPT_NO_SESSION_REUSE_REQUIRED);
	assert_string_equal(conf->tls.ciphers, "HIGH");
	assert_string_equal(conf->tls.ciphersuites, "TLS_AES_128_GCM_SHA256");
	assert_string_equal(conf->tls.groups, "X25519:P-256");
	assert_int_equal(conf->tls.binding, TLS_BINDING_REQUIRE);
	assert_int_equal(conf->tls.verify, TLS_VERIFY_OPTIONAL);
	assert_int_equal(conf->tls.handshake_ms, 20000);
	assert_string_equal(conf->tls_log->path, "/x/tls.log");
	assert_string_equal(conf->tls_masquerade_name, "here.example.org");
	assert_int_equal(c->tls_cache.entries, 200);
	assert_int_equal(c->tls_cache.secs, 600);
	assert_int_equal(conf->tls.offload, TLS_OFFLOAD_TX_ONLY);
	assert_int_equal(conf->tls.shutdown, TLS_SHUTDOWN_LENIENT);
	ftp_config_free(c);
	c = load("TLSCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256\nTLSSessionCache off\nTLSRequired yes\n");
	assert_string_equal(c->servers[0]->scope->conf.tls.ciphers, "DEFAULT:!ADH:!EXPORT:!DES");
	assert_int_equal(c->servers[0]->scope->conf.tls_required.data, TLS_DATA_REQUIRED);
	assert_false(c->tls_cache.on);
	ftp_config_free(c);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
		{"TLSProtocol TLSv9", "fatal: TLSProtocol: unknown protocol 'TLSv9' on line 1\n"},
		{"TLSProtocol ALL -ALL", "fatal: TLSProtocol: no protocol is left on line 1\n"},
		{"TLSProtocol SSLv3 TLSv1.2",
			"warning: TLSProtocol: SSLv3 is not supported, it is left out on line 1\n"},
		{"TLSProtocol TLSv1 TLSv1.2",
			"warning: TLSProtocol: TLS 1.0 and 1.1 are broken, and lower what all clients "
			"of this server are asked for; given on line 1\n"},
		{"TLSCipherSuite NOSUCH",
			"fatal: TLSCipherSuite: bad list of ciphers 'NOSUCH': no cipher match on line 1\n"},
		{"TLSCipherSuite TLSv1.3 HIGH", "fatal: TLSCipherSuite: bad list of cipher suites 'HIGH': no "
						"cipher match on line 1\n"},
		{"TLSCipherSuite TLSv7 HIGH", "fatal: TLSCipherSuite: unknown protocol 'TLSv7' on line 1\n"},
		{"TLSOptions stdenvvars", "fatal: TLSOptions: unknown option 'stdenvvars' on line 1\n"},
		{"TLSOptions NoCertRequest",
			"warning: TLSOptions: NoCertRequest has no effect: TLSVerifyClient says whether "
			"clients are asked; given on line 1\n"},
		{"TLSRequired maybe",
			"fatal: TLSRequired: bad value 'maybe', expected on, off, ctrl, data, !data, auth, "
			"auth+data, auth+!data, ctrl+data or ctrl+!data on line 1\n"},
		{"TLSRSACertificateFile x.pem",
			"fatal: TLSRSACertificateFile: 'x.pem' is not an absolute path on line 1\n"},
		{"TLSDSACertificateFile /x",
			"fatal: TLSDSACertificateFile: DSA certificates are not supported, no client "
			"takes them: use ECDSA or RSA on line 1\n"},
		{"TLSVerifyOrder ocsp ocsp",
			"fatal: TLSVerifyOrder: expected crl, ocsp, 'crl ocsp' or 'ocsp crl' on line 1\n"},
		{"TLSVerifyOrder oscp",
			"fatal: TLSVerifyOrder: expected crl, ocsp, 'crl ocsp' or 'ocsp crl' on line 1\n"},
		{"TLSUserName mail", "fatal: TLSUserName: 'mail' is neither CommonName nor EmailSubjAltName "
				     "nor an OID on line "
				     "1\n"},
		{"TLSSessionCache fast",
			"fatal: TLSSessionCache: bad value 'fast', expected off, internal: or shm:/... on "
			"line 1\n"},
		{"TLSSessionCache internal: 0",
			"fatal: TLSSessionCache: bad lifetime '0', expected 1 to 86400 seconds on line "
			"1\n"},
		{"TLSPassPhraseProvider /nonexistent/x",
			"fatal: TLSPassPhraseProvider: cannot run '/nonexistent/x': No such "
			"file or directory on line 1\n"},
		{"TLSECDHCurve P-1",
			"fatal: TLSECDHCurve: bad list of groups 'P-1': passed invalid argument on line 1\n"},
		{"TLSMasqueradeAddress away.example.org",
			"fatal: TLSMasqueradeAddress: cannot resolve 'away.example.org' on line 1\n"},
		{"<Anonymous /a>\nTLSEngine on\n</Anonymous>",
			"fatal: TLSEngine: directive not allowed in <Anonymous> context on line 2\n"},
		{"<Global>\nTLSMasqueradeAddress 192.0.2.1\n</Global>",
			"fatal: TLSMasqueradeAddress: directive not allowed in <Global> context on line 2\n"},
		{"TLSEngine on", "warning: TLSEngine: there is no certificate, so clients cannot use TLS; "
				 "server on line 1\n"},
		{"TLSEngine on\nTLSRSACertificateFile @D/none.pem",
			"fatal: TLSRSACertificateFile: cannot open '/none.pem': No such file or directory on "
			"line 2\n"},
		{"TLSEngine on\nTLSRSACertificateFile @D/ec.crt\nTLSRSACertificateKeyFile @D/rsa.key",
			"fatal: TLSRSACertificateKeyFile: the key in '/rsa.key' does not belong to the "
			"certificate in "
			"'/ec.crt' on line 3\n"},
		{"<Global>\nTLSEngine on\nTLSECCertificateFile @D/ec.pem\n</Global>\n<VirtualHost "
		 "192.0.2.1>\nTLSVerifyClient "
		 "on\n</VirtualHost>",
			"fatal: TLSEngine: client certificates cannot be verified: TLSCACertificateFile or "
			"TLSCACertificatePath "
			"is missing on line 2\n"},
		{"TLSEngine on\nTLSECCertificateFile @D/ec.pem\nTLSProtocol TLSv1.2\nTLSCipherSuite kRSA",
			"fatal: TLSCipherSuite: TLSCipherSuite 'kRSA' leaves nothing: no cipher match on "
			"line 4\n"},
		{"TLSRSACertificateFile /not/looked/at", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *out = problems(cases[i].text, NULL);

		assert_string_equal(out, cases[i].problem);
		free(out);
	}
}

static void servers_with_the_same_files_share_them(void **state)
{
	struct ftp_config *c = load(
		"<Global>\nTLSEngine on\nTLSRSACertificateFile @D/rsa.pem\nTLSECCertificateFile @D/ec.pem\n"
		"</Global>\n<VirtualHost 192.0.2.1>\n</VirtualHost>\n<VirtualHost 192.0.2.2>\n"
		"TLSECCertificateFile @D/other.pem\n</VirtualHost>\n<VirtualHost 192.0.2.3>\n"
		"TLSEngine off\n</VirtualHost>\n");
	struct tls_keys *keys;
	uint8_t hash[32] = {0}, out[TLS_SIGN_OUT_MAX];
	size_t n;

	assert_int_equal(c->n_servers, 4);
	assert_non_null(c->servers[0]->tls);
	assert_ptr_equal(c->servers[1]->tls, c->servers[0]->tls);
	assert_int_equal(c->servers[1]->tls_first_key, c->servers[0]->tls_first_key);
	assert_ptr_not_equal(c->servers[2]->tls, c->servers[0]->tls);
	assert_null(c->servers[3]->tls);
	assert_true(ftp_tls_wanted(c));
	keys = ftp_tls_keys(c, NULL);
	assert_non_null(keys);
	assert_int_equal(tls_keys_sign(keys, TLS_KEY_EC, TLS_SIGN_ECDSA, hash, 32, out, &n), 0);
	assert_int_equal(
		tls_keys_sign(keys, 1 * TLS_KEYS + TLS_KEY_EC, TLS_SIGN_ECDSA, hash, 32, out, &n), -ENOENT);
	assert_int_equal(
		tls_keys_sign(keys, 2 * TLS_KEYS + TLS_KEY_EC, TLS_SIGN_ECDSA, hash, 32, out, &n), 0);
	tls_keys_free(&keys);
	ftp_config_free(c);
}

static void contexts_are_made_once(void **state)
{
	struct ftp_config *c = load(
		"TLSEngine on\nTLSECCertificateFile @D/ec.pem\n<VirtualHost 192.0.2.1>\n</VirtualHost>\n");
	struct tls_context *a = NULL, *b = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(ftp_tls_context(c, 0, TLS_CONTROL, &a, &err), -ENOENT); /* not started */
	ftp_tls_start(c, IPC_LOGIN);
	assert_int_equal(ftp_tls_context(c, 0, TLS_CONTROL, &a, &err), 0);
	assert_int_equal(ftp_tls_context(c, 0, TLS_CONTROL, &b, &err), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(ftp_tls_context(c, 0, TLS_DATA, &b, &err), 0);
	assert_ptr_not_equal(a, b);
	assert_int_equal(ftp_tls_context(c, 1, TLS_CONTROL, &b, &err), -ENOENT);
	ftp_tls_stop();
	ftp_config_free(c);
}

static struct ftp_config *renewed(struct ftp_config *c, unsigned generation)
{
	struct err err = ERR_INIT;
	struct ftp_config *n;

	if (ftp_tls_renew(c, generation, NULL, &n, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(n->generation, generation);
	return n;
}

static void certificates_are_renewed_and_nothing_else(void **state)
{
	struct ftp_config *c = load("TLSEngine on\nTLSRSACertificateFile @D/rsa.pem\nServerName a\n"
				    "<IfUser bob>\nTimeoutIdle 7\n</IfUser>\n"
				    "<VirtualHost 192.0.2.1>\nServerName b\nTLSEngine on\n"
				    "TLSRSACertificateFile @D/rsa.pem\n</VirtualHost>\n"
				    "<VirtualHost 192.0.2.2>\nServerName c\n</VirtualHost>\n"),
			  *n, *next;
	const struct ftp_subject who = {.user = "bob", .authenticated = true};
	struct arena *a = arena_new(8192, 0);
	EVP_PKEY *key = fx_key(EVP_PKEY_RSA);
	X509 *cert = fx_cert("renewed.example.org", NULL, key, true, 10);
	const struct ftp_server *bobs;
	struct err err = ERR_INIT;

	n = renewed(c, 2);
	assert_true(tls_staple_same(c->servers[0]->tls, n->servers[0]->tls, TLS_KEY_RSA));
	ftp_config_free(n);
	fx_write("rsa.pem", key, cert, NULL, 0600);
	n = renewed(c, 3);
	assert_false(tls_staple_same(c->servers[0]->tls, n->servers[0]->tls, TLS_KEY_RSA));
	assert_ptr_equal(n->servers[0]->tls, n->servers[1]->tls);
	assert_null(n->servers[2]->tls);
	assert_true(ftp_config_shared(c) && ftp_config_shared(n));
	bobs = ftp_server_for(n->servers[0], &who, true, a);
	assert_ptr_equal(bobs->tls, n->servers[0]->tls);
	assert_int_equal(bobs->scope->conf.timeout_idle_ms, 7000);
	ftp_config_free(c); /* the first one may go first */
	assert_false(ftp_config_shared(n));
	next = renewed(n, 4);
	assert_string_equal(next->servers[1]->scope->conf.server_name, "b");
	ftp_config_free(n);
	assert_string_equal(next->servers[0]->scope->conf.server_name, "a");
	(void)unlink(fx_path("rsa.pem"));
	assert_int_equal(ftp_tls_renew(next, 5, NULL, &n, &err), -WE_CONFIG);
	assert_non_null(strstr(err.text, "rsa.pem"));
	assert_false(ftp_config_shared(next));
	ftp_config_free(next);
	fx_write("rsa.pem", key, cert, NULL, 0600);
	arena_free(a);
	X509_free(cert);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_are_sorted_documented_and_known),
		cmocka_unit_test(defaults_are_those_of_the_specification),
		cmocka_unit_test(only_the_rates_are_read_without_a_look_at_certificates),
		cmocka_unit_test(values_become_data),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(servers_with_the_same_files_share_them),
		cmocka_unit_test(contexts_are_made_once),
		cmocka_unit_test(certificates_are_renewed_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
