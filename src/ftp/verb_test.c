#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "ftp/verb.h"

/* Replies of RFC 959 5.4, and where this server knows better. */
static const struct {
	const char *verb, *rfc959, *ours;
} sequences[] = {
	{"USER", "230 530 500 501 421 331 332", ""},
	{"PASS", "230 202 530 500 501 503 421 332", ""},
	{"ACCT", "230 202 530 500 501 503 421", "502"}, /* optional: RFC 1123 4.1.2.13 */
	{"CWD", "250 500 501 502 421 530 550", ""},
	{"CDUP", "200 500 501 502 421 530 550", "250"}, /* 250 as CWD: what clients expect */
	{"SMNT", "202 250 500 501 502 421 530 550", ""},
	{"REIN", "120 220 421 500 502", ""},
	{"QUIT", "221 500", ""},
	{"PORT", "200 500 501 421 530", ""},
	{"PASV", "227 500 501 502 421 530", "425"}, /* no port is free */
	{"MODE", "200 500 501 504 421 530", ""},
	{"TYPE", "200 500 501 504 421 530", ""},
	{"STRU", "200 500 501 504 421 530", ""},
	{"ALLO", "200 202 500 501 504 421 530", "552"}, /* no room */
	{"REST", "500 501 502 421 530 350", ""},
	{"STOR", "125 150 110 226 250 425 426 451 551 552 532 450 452 553 500 501 421 530",
		"550 554 522 534"},
	{"STOU", "125 150 110 226 250 425 426 451 551 552 532 450 452 553 500 501 421 530", "550 522 534"},
	{"RETR", "125 150 110 226 250 425 426 451 450 550 500 501 421 530",
		"554 522 534"}, /* RFC 1123 4.1.3.4 */
	{"LIST", "125 150 226 250 425 426 451 450 500 501 502 421 530", "550 522 534"},
	{"NLST", "125 150 226 250 425 426 451 450 500 501 502 421 530", "550 522 534"},
	{"APPE", "125 150 110 226 250 425 426 451 551 552 532 450 550 452 553 500 501 502 421 530",
		"554 522 534"},
	{"RNFR", "450 550 500 501 502 421 530 350", ""},
	{"RNTO", "250 532 553 500 501 502 503 421 530", "550"},
	{"DELE", "250 450 550 500 501 502 421 530", ""},
	{"RMD", "250 500 501 502 421 530 550", ""},
	{"MKD", "257 500 501 502 421 530 550", ""},
	{"PWD", "257 500 501 502 421 550", ""},
	{"ABOR", "225 226 500 501 502 421", "426"}, /* of the transfer, before the 226 */
	{"SYST", "215 500 501 502 421", ""},
	{"STAT", "211 212 213 450 500 501 502 421 530", "550"},
	{"HELP", "211 214 500 501 502 421", ""},
	{"SITE", "200 202 500 501 530", ""},
	{"NOOP", "200 500 421", ""},
};

static bool listed(const char *codes, unsigned code)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", code);
	return strstr(codes, text) != NULL;
}

static void rows_check(const struct ftp_verb *v, unsigned count, bool site)
{
	for (unsigned i = 0; i < count; i++, v++) {
		if (i > 0)
			assert_true(strcmp(v[-1].name, v->name) < 0);
		for (const char *c = v->name; *c != '\0'; c++)
			assert_true(isupper((unsigned char)*c) || isdigit((unsigned char)*c));
		assert_true(strlen(v->name) <= 12);
		assert_true(strlen(v->summary) > 0 && strlen(v->rfc) > 0);
		assert_non_null(v->usage);
		assert_true(v->log_classes != 0);
		assert_true((v->flags & (VERB_PRELOGIN | VERB_POSTLOGIN)) != 0);
		assert_true(v->replies[0] != 0);
		assert_int_equal(strncmp(v->limit, "SITE_", 5) == 0, site);
		if (v->name[0] != 'X' || verb_find_limit(v->limit) == v) { /* XMKD is limited as MKD */
			assert_string_equal(site ? v->limit + 5 : v->limit, v->name);
			assert_ptr_equal(verb_find_limit(v->limit), v);
		}
		/* who must say a path must say so in the usage; who may not take an argument has none */
		if (v->arg == VERB_ARG_NONE)
			assert_string_equal(v->usage, "");
		if (v->arg == VERB_ARG_PATH || v->arg == VERB_ARG_TEXT)
			assert_memory_equal(v->usage, "<sp>", 4);
		/* what changes files can be forbidden as a group */
		if ((v->flags & VERB_WRITES) != 0)
			assert_int_equal(v->groups, VERB_LIMIT_WRITE | VERB_LIMIT_ALL);
		for (unsigned k = 0; k < ARRAY_LEN(v->replies) && v->replies[k] != 0; k++)
			assert_in_range(v->replies[k], 100, 599);
		assert_int_equal(v->replies[ARRAY_LEN(v->replies) - 1], 0);
	}
	assert_null(v->name);
}

static void the_tables_are_sorted_and_documented(void **state)
{
	(void)state;
	rows_check(ftp_verbs, ftp_verb_count(), false);
	rows_check(ftp_site_verbs, ftp_site_verb_count(), true);
	for (unsigned i = 0; i < ftp_verb_count(); i++)
		assert_ptr_equal(verb_find(ftp_verbs[i].name), &ftp_verbs[i]);
	assert_null(verb_find("NOSUCH"));
	assert_null(verb_find(""));
	assert_ptr_equal(verb_find_site("chmod", 5), verb_find_limit("SITE_CHMOD"));
	assert_null(verb_find_site("chmodx", 6));
	assert_null(verb_find_limit("LOGIN"));
}

static void replies_are_those_of_rfc_959(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
		const struct ftp_verb *v = verb_find(sequences[i].verb);

		assert_non_null(v);
		for (unsigned k = 0; v->replies[k] != 0; k++)
			if (!listed(sequences[i].rfc959, v->replies[k]) &&
				!listed(sequences[i].ours, v->replies[k]))
				fail_msg("%s may not answer %u", v->name, v->replies[k]);
	}
}

static void logs_know_subcommands_by_name(void **state)
{
	static const struct {
		const char *verb, *args, *name;
	} cases[] = {{"RETR", "chmod", "RETR"}, {"SITE", "chmod 644 x", "SITE_CHMOD"}, {"SITE", NULL, "SITE"},
		{"SITE", "", "SITE"}, {"SITE", "Help", "SITE_HELP"}, {"OPTS", "mlst Type;", "OPTS_MLST"},
		{"SITE", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "SITE_AAAAAAAAAAAAAAAAAAAAAAAAAA"}};
	char out[VERB_LOG_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(verb_log_name(cases[i].verb, cases[i].args, out), cases[i].name);
}

static void x_forms_are_like_the_others(void **state)
{
	static const char *const pairs[][2] = {
		{"XCWD", "CWD"}, {"XCUP", "CDUP"}, {"XMKD", "MKD"}, {"XRMD", "RMD"}, {"XPWD", "PWD"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		const struct ftp_verb *x = verb_find(pairs[i][0]), *v = verb_find(pairs[i][1]);

		assert_int_equal(x->flags, v->flags);
		assert_int_equal(x->groups, v->groups);
		assert_int_equal(x->arg, v->arg);
		assert_string_equal(x->limit, pairs[i][1]);
	}
}

static void the_list_before_login_is_the_one_of_the_specification(void **state)
{
	static const char *const names[] = {"ACCT", "ADAT", "AUTH", "CCC", "CLNT", "CONF", "ENC", "FEAT",
		"HELP", "HOST", "LANG", "MIC", "NOOP", "OPTS", "PASS", "PBSZ", "PROT", "QUIT", "REIN", "STAT",
		"SYST", "TYPE", "USER"};
	unsigned n = 0;

	(void)state;
	for (const struct ftp_verb *v = ftp_verbs; v->name != NULL; v++)
		if ((v->flags & VERB_PRELOGIN) != 0)
			assert_string_equal(v->name, names[n++]);
	assert_int_equal(n, ARRAY_LEN(names));
}

static void secrets_are_marked(void **state)
{
	(void)state;
	for (const struct ftp_verb *v = ftp_verbs; v->name != NULL; v++)
		assert_int_equal((v->flags & VERB_SECRET) != 0, strcmp(v->name, "PASS") == 0);
}

static const char *feat(const struct ftp_conf *conf, unsigned facts, char *dst, size_t size)
{
	struct verb_state st = {.conf = conf, .facts = facts, .digest = FTP_DIGEST_SHA1};
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(verb_feat(&out, &st), 0);
	assert_true(out.len < size);
	memcpy(dst, out.data, out.len + 1);
	buf_done(&out);
	return dst;
}

static void feat_promises_what_is_switched_on(void **state)
{
	struct ftp_conf conf = {.lang_engine = true, .facts_advertise = true, .site_misc = true};
	char text[4096];

	(void)state;
	assert_string_equal(feat(&conf, VERB_FACT_MODIFY | VERB_FACT_UNIX_MODE, text, sizeof(text)),
		"211-Features:\r\n AVBL\r\n CLNT\r\n CSID\r\n EPRT\r\n EPSV\r\n HOST\r\n LANG en-US*\r\n "
		"MDTM\r\n"
		" MFF modify;UNIX.group;UNIX.mode;\r\n MFMT\r\n"
		" MLST modify*;perm;size;type;unique;UNIX.group;UNIX.groupname;UNIX.mode*;UNIX.owner;"
		"UNIX.ownername;\r\n"
		" UTF8\r\n RANG STREAM\r\n REST STREAM\r\n SIZE\r\n SITE MKDIR\r\n SITE RMDIR\r\n SITE "
		"SYMLINK\r\n SITE "
		"UTIME\r\n"
		" TVFS\r\n211 End\r\n");
	assert_null(strstr(text, "HASH"));
	conf.digest_engine = true;
	conf.digest_algorithms = FTP_DIGEST_ALL;
	(void)feat(&conf, 0, text, sizeof(text));
	assert_non_null(strstr(text, "\r\n HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512\r\n"));
	assert_non_null(strstr(text, "\r\n MD5\r\n MDTM\r\n"));
	assert_non_null(strstr(text, "\r\n XCRC\r\n XMD5\r\n XSHA\r\n XSHA1\r\n XSHA256\r\n XSHA512\r\n"));
	conf.digest_algorithms = FTP_DIGEST_BIT(FTP_DIGEST_SHA256);
	(void)feat(&conf, 0, text, sizeof(text));
	assert_non_null(strstr(text, "\r\n HASH SHA-256\r\n"));
	assert_non_null(strstr(text, "\r\n XSHA256\r\n"));
	assert_null(strstr(text, "XCRC"));
	assert_null(strstr(text, "MD5"));
	assert_null(strstr(text, " XSHA\r\n"));
	conf.digest_algorithms = 0;
	assert_null(strstr(feat(&conf, 0, text, sizeof(text)), "HASH"));
	assert_null(strstr(text, "MODE Z"));
	conf.deflate_engine = true;
	assert_non_null(strstr(feat(&conf, 0, text, sizeof(text)), "\r\n MODE Z\r\n"));
	assert_null(strstr(text, "SITE COPY"));
	conf.copy_engine = true;
	assert_non_null(strstr(feat(&conf, 0, text, sizeof(text)), "\r\n SITE COPY\r\n"));
	conf.lang_engine = false;
	assert_null(strstr(feat(&conf, 0, text, sizeof(text)), "UTF8"));
	assert_null(strstr(text, "LANG"));
	conf.facts_options = FTP_FACTS_NO_NAMES;
	assert_null(strstr(feat(&conf, 0, text, sizeof(text)), "groupname"));
	assert_int_equal(verb_facts_offered(&conf) & VERB_FACT_UNIX_OWNERNAME, 0);
	conf.facts_advertise = false;
	assert_null(strstr(feat(&conf, 0, text, sizeof(text)), "MLST"));
	assert_null(strstr(text, "MFMT"));
}

static void help_comes_from_the_table(void **state)
{
	struct ftp_conf conf = {.server_admin = "admin@example.org"};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(verb_help(&out, NULL, &conf), 0);
	assert_non_null(
		strstr(out.data, "214-The following commands are recognized (* =>'s unimplemented):\r\n"
				 " ABOR    ACCT*   ALLO    APPE    AVBL    CDUP    CLNT    CSID\r\n CWD"));
	assert_non_null(strstr(out.data, "\r\n214 Direct comments to admin@example.org\r\n"));
	buf_clear(&out);
	verb_help(&out, "retr", &conf);
	verb_help(&out, "REIN", &conf);
	verb_help(&out, "site chmod", &conf);
	verb_help(&out, "NOPE\r\n", &conf);
	verb_help(&out, "RETRRETRRETRR", &conf);
	verb_site_help(&out, "chmod", &conf);
	verb_site_help(&out, "exec", &conf);
	assert_string_equal(out.data,
		"214 Syntax: RETR <sp> pathname\r\n214 Syntax: REIN\r\n"
		"214 Syntax: SITE CHMOD <sp> mode <sp> pathname\r\n502 Unknown command 'NOPE__'\r\n"
		"502 Unknown command 'RETRRETRRETRR'\r\n214 Syntax: SITE CHMOD <sp> mode <sp> pathname\r\n"
		"502 Unknown command 'SITE exec'\r\n");
	buf_clear(&out);
	verb_help(&out, "SITE", &conf);
	assert_non_null(strstr(out.data, "SITE commands"));
	assert_non_null(strstr(out.data, " CHGRP   CHMOD   COPY    CPFR    CPTO    HELP"));
	buf_done(&out);
}

static void other_protocols_are_recognised(void **state)
{
	(void)state;
	assert_string_equal(verb_foreign_protocol("GET"), "HTTP");
	assert_string_equal(verb_foreign_protocol("EHLO"), "SMTP");
	assert_string_equal(verb_foreign_protocol("SSH-2.0-OPEN"), "SSH");
	assert_null(verb_foreign_protocol("USER"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_are_sorted_and_documented),
		cmocka_unit_test(replies_are_those_of_rfc_959),
		cmocka_unit_test(logs_know_subcommands_by_name),
		cmocka_unit_test(x_forms_are_like_the_others),
		cmocka_unit_test(the_list_before_login_is_the_one_of_the_specification),
		cmocka_unit_test(secrets_are_marked),
		cmocka_unit_test(feat_promises_what_is_switched_on),
		cmocka_unit_test(help_comes_from_the_table),
		cmocka_unit_test(other_protocols_are_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
