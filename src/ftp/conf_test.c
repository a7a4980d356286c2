/* What a configuration becomes: values, inheritance, scopes, servers, classes, .ftpaccess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/directives.h"
#include "ftp/report.h"

/* Names of the tests: no look-up leaves this process. */
static int test_resolve(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	if (str_eq(name, "ftp.example.com"))
		return addr_parse("192.0.2.7", 0, ret_addrs) == 0 ? 1 : -1;
	if (str_eq(name, "both.example.com") && max > 1) {
		addr_parse("192.0.2.8", 0, &ret_addrs[0]);
		addr_parse("2001:db8::8", 0, &ret_addrs[1]);
		return 2;
	}
	return -ENOENT;
}

static struct ftp_report *report;

static struct ftp_config *load_with(struct ftp_config_options *opt, const char *text, struct err *err)
{
	struct ftp_config *c = NULL;

	opt->text = text;
	opt->name = "test.conf";
	opt->resolve = test_resolve;
	ftp_report_free(report);
	report = ftp_report_new();
	return ftp_config_load(opt, 1, &c, report, err) == 0 ? c : NULL;
}

static struct ftp_config *load(const char *text)
{
	struct ftp_config_options opt = {0};
	struct err err = ERR_INIT;
	struct ftp_config *c = load_with(&opt, text, &err);

	if (c == NULL)
		fail_msg("%s", err.text);
	return c;
}

static int report_done(void **state)
{
	ftp_report_free(report);
	report = NULL;
	return 0;
}

static void the_tables_are_sorted_documented_and_sane(void **state)
{
	struct err err = ERR_INIT;

	if (conf_tables_check(&ftp_language, &err) < 0)
		fail_msg("%s", err.text);
}

static void every_row_says_what_other_documents_say(void **state)
{
	unsigned n = 0;

	while (ftp_known[n].name != NULL)
		n++;
	assert_true(n > 450);
	for (unsigned t = 0; t < ftp_language.n_tables; t++) {
		for (unsigned i = 0; i < ftp_language.tables[t]->n_rows; i++) {
			const struct conf_row *row = &ftp_language.tables[t]->rows[i];
			bool known = str_eq(row->module, "mod_wherry.c"); /* ours alone */

			for (unsigned k = 0; k < n && !known; k++)
				known = str_eq(ftp_known[k].name, row->name) &&
					str_eq(ftp_known[k].module, row->module);
			if (!known)
				fail_msg("%s of %s is not in known_directives.tsv", row->name, row->module);
		}
	}
}

/* Modules that configurations of old bring along. What is missing of others (SQL, SFTP, ...) is refused by name. */
static void every_directive_of_the_common_modules_has_a_row_or_a_reason(void **state)
{
	static const char *const modules[] = {"mod_auth.c", "mod_auth_file.c", "mod_auth_pam.c",
		"mod_auth_unix.c", "mod_ban.c", "mod_cap.c", "mod_copy.c", "mod_core.c", "mod_ctrls.c",
		"mod_ctrls_admin.c", "mod_deflate.c", "mod_delay.c", "mod_digest.c", "mod_dso.c",
		"mod_dynmasq.c", "mod_exec.c", "mod_facl.c", "mod_facts.c", "mod_ident.c", "mod_ifsession.c",
		"mod_lang.c", "mod_load.c", "mod_log.c", "mod_ls.c", "mod_qos.c", "mod_readme.c",
		"mod_rewrite.c", "mod_rlimit.c", "mod_site_misc.c", "mod_statcache.c", "mod_systemd.c",
		"mod_tls.c", "mod_unique_id.c", "mod_wrap.c", "mod_wrap2.c", "mod_xfer.c", "mod_xfer_mmap.c"};

	for (const struct conf_known *k = ftp_known; k->name != NULL; k++) {
		bool ours = false, found = k->name[0] == '<', other;

		for (unsigned i = 0; i < ARRAY_LEN(modules); i++)
			ours = ours || str_eq(k->module, modules[i]);
		for (unsigned kind = 0; kind < CONF_KIND_COUNT; kind++)
			found = found ||
				conf_row_find(&ftp_language, k->name, (enum conf_kind)kind, &other) != NULL;
		if (ours && !found)
			fail_msg("%s of %s has neither an effect nor a reason", k->name, k->module);
	}
}

static void defaults_are_those_of_the_specification(void **state)
{
	struct ftp_config *c = load("");
	const struct ftp_conf *d = &c->servers[0]->scope->conf;

	assert_string_equal(d->server_name, "Wherry");
	assert_true(str_starts(d->server_admin, "root@"));
	assert_int_equal(d->port, 21);
	assert_int_equal(d->timeout_login_ms, 300000);
	assert_int_equal(d->timeout_idle_ms, 600000);
	assert_int_equal(d->timeout_no_transfer_ms, 300000);
	assert_int_equal(d->timeout_stalled_ms, 3600000);
	assert_int_equal(d->timeout_linger_ms, 10000);
	assert_int_equal(d->timeout_session_ms, 0);
	assert_int_equal(d->max_login_attempts, 3);
	assert_int_equal(d->command_buffer_bytes, 8192);
	assert_int_equal(d->max_password_bytes, 1024);
	assert_int_equal(d->umask_file, 022);
	assert_int_equal(d->umask_dir, 022);
	assert_false(d->allow_overwrite);
	assert_true(d->allow_retrieve_restart);
	assert_false(d->allow_store_restart);
	assert_true(d->allow_override);
	assert_int_equal(d->delete_aborted_stores, FTP_UNSET);
	assert_true(
		d->require_valid_shell && d->use_ftpusers && d->ident_on && d->show_symlinks && d->times_gmt);
	assert_false(d->root_login);
	assert_true(d->nodelay_ctrl && d->nodelay_data && d->socket_options.keepalive);
	assert_int_equal(d->sendfile.kind, FTP_SENDFILE_ON);
	assert_int_equal(d->syslog_level, LOG_NOTICE);
	assert_true(d->default_transfer_ascii);
	assert_string_equal(d->store_unique_prefix, "ftp");
	assert_int_equal(d->debug_level, -1);
	assert_int_equal(d->max_clients.max, 0);
	assert_string_equal(d->max_clients.message,
		"Sorry, the maximum number of allowed clients (%m) are already connected.");
	assert_int_equal(c->max_instances, 0);
	assert_false(c->use_reverse_dns);
	assert_true(c->use_ipv6);
	assert_int_equal(c->scoreboard_scrub_secs, 30);
	assert_int_equal(c->syslog_facility, LOG_DAEMON);
	assert_true(str_ends(c->pid_file, "/wherry.pid"));
	assert_true(str_ends(c->scoreboard_file, "/wherry.scoreboard"));
	assert_true(str_ends(c->controls_socket, "/wherry.sock"));
	assert_true(addr_is_any(&c->servers[0]->addrs[0]));
	ftp_config_free(c);
}

static void values_arrive_in_their_fields(void **state)
{
	struct ftp_config *c =
		load("PassivePorts 49152 65534\nUmask 027 007\nServerIdent on \"hello %L\"\n"
		     "SocketOptions rcvbuf 65536 keepalive 60:3:10\nTCPNoDelay ctrl off\n"
		     "MasqueradeAddress ftp.example.com\nAllowForeignAddress partners\nRootRevoke off\n"
		     "MaxClients 50 \"full: %m\"\nMaxClientsPerClass local 5\nMaxCommandRate 20 5\n"
		     "AuthOrder mod_auth_pam.c mod_auth_unix.c*\nAuthUserFile /e/passwd id 1000-2000\n"
		     "AuthFileOptions SyntaxCheck\nUserAlias guest bob\nDefaultRoot ~ staff,!admin\n"
		     "DefaultRoot /srv\nHiddenStores on\nListOptions \"-la\" strict maxfiles 100 SortedNLST\n"
		     "DirFakeUser on ~\nDirFakeMode 0640\nUseEncoding utf8 UTF-8\nSyslogFacility LOCAL3\n"
		     "SetEnv A b\nUnsetEnv C\nSystemLog none\nMaxConnectionRate 10 30\nMaxInstances 30\n"
		     "ScoreboardFile none\nControlsEngine off\nTimeoutIdle 00:10:01\n"
		     "MaxStoreFileSize 10 MB group a,b\nTransferRate RETR,appe 1.5:2048 user !bob\n"
		     "TransferRateTotal RETR 0.5 class local\nTransferRateTotal \"STOR, stou\" 100 server\n");
	const struct ftp_conf *f = &c->servers[0]->scope->conf;
	char text[ADDR_TEXT_MAX];

	assert_int_equal(f->passive_min, 49152);
	assert_int_equal(f->passive_max, 65534);
	assert_int_equal(f->umask_file, 027);
	assert_int_equal(f->umask_dir, 007);
	assert_string_equal(f->ident_text, "hello %L");
	assert_int_equal(f->socket_options.rcvbuf, 65536);
	assert_int_equal(f->socket_options.keepalive_count, 3);
	assert_false(f->nodelay_ctrl);
	assert_true(f->nodelay_data);
	assert_string_equal(addr_text(&f->masquerade, text), "192.0.2.7");
	assert_string_equal(f->foreign.class_name, "partners");
	assert_int_equal(f->root_revoke, FTP_ROOT_REVOKE_OFF);
	assert_int_equal(f->max_clients.max, 50);
	assert_string_equal(f->max_clients.message, "full: %m");
	assert_int_equal(f->max_clients_per_class->max, 5);
	assert_int_equal(f->max_command_rate_secs, 5);
	assert_string_equal(f->auth_order, "mod_auth_pam.c mod_auth_unix.c*");
	assert_int_equal(f->auth_user_id_min, 1000);
	assert_int_equal(f->auth_user_id_max, 2000);
	assert_null(f->auth_group_file);
	assert_int_equal(f->auth_group_id_max, 0); /* no file, no range */
	assert_true(f->auth_file_syntax_check && !f->auth_file_insecure_perms);
	assert_string_equal(f->aliases->user, "bob");
	assert_non_null(f->default_root->groups);
	assert_string_equal(((struct ftp_dir_rule *)f->default_root->item.next)->path, "/srv");
	assert_string_equal(f->hidden_stores.prefix, ".in.");
	assert_string_equal(f->hidden_stores.suffix, ".");
	assert_int_equal(f->list_options->flags, FTP_LIST_STRICT | FTP_LIST_SORTED_NLST);
	assert_int_equal(f->list_options->max_files, 100);
	assert_string_equal(f->dirfake_user, "~");
	assert_true(f->dirfake_mode_on && !f->dirfake_group_on);
	assert_int_equal(c->syslog_facility, LOG_LOCAL3);
	assert_string_equal(f->env->name, "A");
	assert_null(((struct ftp_env *)f->env->item.next)->value);
	assert_null(f->env->item.next->next);
	assert_true(f->system_log_none);
	assert_int_equal(c->max_connection_rate, 10);
	assert_int_equal(c->max_connection_rate_secs, 30);
	assert_int_equal(c->max_instances, 30);
	assert_null(c->scoreboard_file);
	assert_null(c->controls_socket);
	assert_int_equal(f->timeout_idle_ms, 601000);
	assert_int_equal(f->max_store_size->bytes, 10u << 20);
	assert_int_equal(f->max_store_size->who.kind, FTP_EXPR_GROUP);
	assert_int_equal(f->rates->commands, FTP_XFER_RETR | FTP_XFER_APPE);
	assert_int_equal(f->rates->bytes_per_sec, 1536);
	assert_int_equal(f->rates->free_bytes, 2048);
	assert_int_equal(f->rate_totals->bytes_per_sec, 512);
	assert_int_equal(f->rate_totals->kind, FTP_TOTAL_CLASS);
	assert_true(f->rate_totals->who.present);
	assert_int_equal(((struct ftp_rate_total *)f->rate_totals->item.next)->kind, FTP_TOTAL_SERVER);
	assert_int_equal(((struct ftp_rate_total *)f->rate_totals->item.next)->commands,
		FTP_XFER_STOR | FTP_XFER_STOU);
	ftp_config_free(c);
}

static void sizes_are_known_from_those_they_are_for(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {{"5 Mb", 5u << 20}, {"5MB", 5u << 20}, {"5 Mb group a,b", 5u << 20},
		{"5 Mb group OR a b", 5u << 20}, {"5 Mb user regex ^a", 5u << 20},
		{"5MB group a,b", 5u << 20}, {"5MB group OR a", 5u << 20}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[100];
		struct ftp_config *c;
		const struct ftp_max_size *m;

		(void)snprintf(text, sizeof(text), "MaxStoreFileSize %s\n", rows[i].text);
		c = load(text);
		m = c->servers[0]->scope->conf.max_store_size;
		assert_int_equal(m->bytes, rows[i].bytes);
		assert_int_equal(m->who.present, i > 1);
		ftp_config_free(c);
	}
}

static void use_sendfile_and_hidden_stores_have_many_forms(void **state)
{
	static const struct {
		const char *text;
		enum ftp_sendfile_kind kind;
		double percent;
		uint64_t bytes;
	} sendfile[] = {
		{"1", FTP_SENDFILE_ON, 0, 0},
		{"0", FTP_SENDFILE_OFF, 0, 0},
		{"off", FTP_SENDFILE_OFF, 0, 0},
		{"25%", FTP_SENDFILE_PERCENT, 25, 0},
		{"0.5%", FTP_SENDFILE_PERCENT, 0.5, 0},
		{"0%", FTP_SENDFILE_ON, 0, 0},
		{"64 kb", FTP_SENDFILE_BYTES, 0, 65536},
		{"64KB", FTP_SENDFILE_BYTES, 0, 65536},
		{"0 KB", FTP_SENDFILE_ON, 0, 0},
		{"1 B", FTP_SENDFILE_BYTES, 0, 1},
		{"NO", FTP_SENDFILE_OFF, 0, 0},
		{"True", FTP_SENDFILE_ON, 0, 0},
		{"100%", FTP_SENDFILE_PERCENT, 100, 0},
		{"33.3%", FTP_SENDFILE_PERCENT, 33.3, 0},
		{".5%", FTP_SENDFILE_PERCENT, 0.5, 0},
		{"2 TB", FTP_SENDFILE_BYTES, 0, (uint64_t)2 << 40},
		{"8388607 tb", FTP_SENDFILE_BYTES, 0, (uint64_t)8388607 << 40},
		{"0%\nUseSendfile off", FTP_SENDFILE_ON, 0, 0}, /* the first one counts */
		{"3mB\nUseSendfile on", FTP_SENDFILE_BYTES, 0, 3 << 20},
	};
	static const struct {
		const char *text, *prefix, *suffix;
	} hidden[] = {
		{"on", ".in.", "."},
		{"tmp", ".tmp.", "."},
		{".tmp.", ".tmp.", ""},
		{"\"\" .part", "", ".part"},
		{"a%P b", "a%P", "b"},
	};
	char text[100];

	for (unsigned i = 0; i < ARRAY_LEN(sendfile); i++) {
		struct ftp_config *c;

		snprintf(text, sizeof(text), "UseSendfile %s\n", sendfile[i].text);
		c = load(text);
		assert_int_equal(c->servers[0]->scope->conf.sendfile.kind, sendfile[i].kind);
		assert_true(c->servers[0]->scope->conf.sendfile.percent == sendfile[i].percent);
		assert_int_equal(c->servers[0]->scope->conf.sendfile.bytes, sendfile[i].bytes);
		ftp_config_free(c);
	}
	for (unsigned i = 0; i < ARRAY_LEN(hidden); i++) {
		struct ftp_config *c;

		snprintf(text, sizeof(text), "HiddenStores %s\n", hidden[i].text);
		c = load(text);
		assert_true(c->servers[0]->scope->conf.hidden_stores.on);
		assert_string_equal(c->servers[0]->scope->conf.hidden_stores.prefix, hidden[i].prefix);
		assert_string_equal(c->servers[0]->scope->conf.hidden_stores.suffix, hidden[i].suffix);
		ftp_config_free(c);
	}
}

static void transfer_options_are_flags(void **state)
{
	struct ftp_config *c =
		load("TransferOptions ignoreascii AllowSymlinkUpload\n"
		     "<VirtualHost 192.0.2.1>\nTransferOptions CopyWhenThrottled\n</VirtualHost>\n");

	assert_int_equal(c->servers[0]->scope->conf.transfer_options,
		FTP_TRANSFER_IGNORE_ASCII | FTP_TRANSFER_SYMLINK_UPLOAD);
	assert_int_equal(c->servers[1]->scope->conf.transfer_options, FTP_TRANSFER_COPY_THROTTLED);
	ftp_config_free(c);
}

/* --- precedence --- */

static const struct ftp_scope *dir_find(const struct ftp_scope *in, const char *path)
{
	for (const struct ftp_scope *s = in->dirs; s != NULL; s = s->next) {
		if (str_eq(s->path, path))
			return s;
	}
	fail_msg("no <Directory %s>", path);
	return NULL;
}

static const char *rates_text(struct arena *a, const struct ftp_conf *conf)
{
	const char *s = "";

	for (const struct ftp_rate *r = conf->rates; r != NULL; r = (const struct ftp_rate *)r->item.next)
		s = arena_printf(a, "%s%s%u:%u", s, *s != '\0' ? " " : "",
			(unsigned)(r->bytes_per_sec / 1024), r->item.level);
	return s;
}

/* All combinations of where a value is set: Global, server, vhost, <Anonymous>, <Directory>. */
static void precedence_matrix(void **state)
{
	for (unsigned set = 0; set < 32; set++) {
		bool g = set & 1, s = set & 2, v = set & 4, an = set & 8, d = set & 16;
		struct arena *a = arena_new(4096, 0);
		struct ftp_config *c = load(arena_printf(a,
			"%s\n<VirtualHost 192.0.2.1>\n%s\n<Anonymous /a>\nUser ftp\n%s\n<Directory "
			"/a/d>\n%s\n</Directory>\n"
			"</Anonymous>\n</VirtualHost>\n<Global>\n%s\n</Global>\n",
			s ? "UseSendfile 20%\nTransferRate RETR 20" : "",
			v ? "UseSendfile 30%\nTransferRate RETR 30" : "",
			an ? "UseSendfile 40%\nTransferRate RETR 40" : "",
			d ? "UseSendfile 50%\nTransferRate RETR 50" : "",
			g ? "UseSendfile 10%\nTransferRate RETR 10" : ""));
		const struct ftp_conf *srv = &c->servers[0]->scope->conf, *vh = &c->servers[1]->scope->conf;
		const struct ftp_scope *anon = c->servers[1]->scope->anons;
		const struct ftp_conf *dir = &dir_find(anon, "/a/d")->conf;
		double glob = g ? 10 : 0, in_v = v ? 30 : glob, in_a = an ? 40 : in_v;

		assert_true(srv->sendfile.percent == (s ? 20 : glob));
		assert_true(vh->sendfile.percent == in_v); /* nothing flows from the main server */
		assert_true(anon->conf.sendfile.percent == in_a);
		assert_true(dir->sendfile.percent == (d ? 50 : in_a));
		assert_string_equal(rates_text(a, dir),
			arena_printf(a, "%s%s%s%s%s%s%s", d ? "50:4" : "", d && (an || v || g) ? " " : "",
				an ? "40:3" : "", an && (v || g) ? " " : "", v ? "30:2" : "",
				v && g ? " " : "", g ? "10:1" : ""));
		ftp_config_free(c);
		arena_free(a);
	}
}

static void overwrite_flows_down_to_the_deepest_directory(void **state)
{
	struct ftp_config *c = load("<Directory /srv/a/b>\nUmask 077\n</Directory>\n"
				    "<Directory /srv//a/>\nAllowOverwrite on\n</Directory>\n"
				    "<Directory /srv/*/x>\nAllowStoreRestart on\n</Directory>\n"
				    "<Directory /srv/q/x>\n</Directory>\n"
				    "<Directory /srv/ab>\n</Directory>\n"
				    "AllowRetrieveRestart off\n");
	const struct ftp_scope *s = c->servers[0]->scope;

	assert_true(dir_find(s, "/srv/a/b")->conf.allow_overwrite);
	assert_int_equal(dir_find(s, "/srv/a/b")->conf.umask_file, 077);
	assert_ptr_equal(dir_find(s, "/srv/a/b")->parent, dir_find(s, "/srv/a"));
	assert_ptr_equal(dir_find(s, "/srv/a")->parent, s);
	assert_false(dir_find(s, "/srv/ab")->conf.allow_overwrite);
	assert_ptr_equal(dir_find(s, "/srv/q/x")->parent, dir_find(s, "/srv/*/x"));
	assert_true(dir_find(s, "/srv/q/x")->conf.allow_store_restart);
	assert_false(dir_find(s, "/srv/q/x")->conf.allow_retrieve_restart); /* set after the section */
	ftp_config_free(c);
}

static void global_sections_are_copied_into_every_server(void **state)
{
	struct ftp_config *c = load(
		"<Global>\nAllowOverwrite on\n<Directory /up>\nUmask 002\n</Directory>\n"
		"<Limit WRITE>\nDenyAll\n</Limit>\n<Anonymous /anon>\nUser ftp\n</Anonymous>\n</Global>\n"
		"<VirtualHost 192.0.2.1>\n<Directory /up>\nAllowStoreRestart on\n</Directory>\n"
		"<Limit READ>\nDenyAll\n</Limit>\n</VirtualHost>\n");
	const struct ftp_scope *v = c->servers[1]->scope, *up;

	for (unsigned i = 0; i < 2; i++) {
		up = dir_find(c->servers[i]->scope, "/up");
		assert_int_equal(up->conf.umask_file, 002);
		assert_true(up->conf.allow_overwrite);
		assert_string_equal(c->servers[i]->scope->anons->path, "/anon");
	}
	assert_false(dir_find(c->servers[0]->scope, "/up")->conf.allow_store_restart);
	assert_true(dir_find(v, "/up")->conf.allow_store_restart);
	assert_string_equal(v->limits->commands[0], "READ");
	assert_string_equal(v->limits->next->commands[0], "WRITE");
	ftp_config_free(c);
}

static void anonymous_sections_do_not_inherit_the_account(void **state)
{
	struct ftp_config *c = load("User nobody\nGroup nogroup\nMaxClients 9\n"
				    "<Anonymous /a>\n</Anonymous>\n"
				    "<Anonymous /srv/ftp>\nUser ftp\n<Directory *>\nUmask 077\n</Directory>\n"
				    "<Directory incoming/>\n</Directory>\n</Anonymous>\n");
	const struct ftp_scope *first = c->servers[0]->scope->anons, *second = first->next;

	assert_null(first->conf.user);
	assert_int_equal(ftp_report_warnings(report), 1); /* no User */
	assert_string_equal(second->conf.user, "ftp");
	assert_null(second->conf.group);
	assert_int_equal(second->conf.max_clients.max, 9);
	assert_string_equal(second->dirs->path, "/srv/ftp/*");
	assert_string_equal(second->dirs->next->path, "/srv/ftp/incoming");
	assert_ptr_equal(second->dirs->next->parent, second->dirs);
	assert_int_equal(second->dirs->next->conf.umask_file, 077);
	assert_string_equal(second->dirs->conf.user, "ftp");
	ftp_config_free(c);
}

static void limits_keep_their_rules(void **state)
{
	struct ftp_config *c = load(
		"<Limit stor,Appe SITE_CHMOD>\nOrder deny, allow\nAllowUser OR a,b\nDeny from 10.0.0.0/8\n"
		"AllowAll\n</Limit>\n<Directory /x>\nDenyAll\n</Directory>\n"
		"<Directory /y>\nDenyAll\nAllowAll\n<Limit LOGIN READ>\n</Limit>\n</Directory>\n");
	const struct ftp_scope *s = c->servers[0]->scope;
	const struct ftp_limit *l = s->limits;

	assert_int_equal(l->n_commands, 3);
	assert_string_equal(l->commands[1], "APPE");
	assert_string_equal(l->commands[2], "SITE_CHMOD");
	assert_true(l->deny_first);
	assert_int_equal(l->rules->kind, FTP_ALLOW_USER);
	assert_int_equal(l->rules->line, 3);
	assert_int_equal(l->rules->next->kind, FTP_DENY_ADDR);
	assert_int_equal(l->rules->next->next->kind, FTP_ALLOW_ALL);
	assert_null(l->next);
	assert_int_equal(dir_find(s, "/x")->access_all, FTP_OFF);
	assert_int_equal(dir_find(s, "/y")->access_all, FTP_ON);
	assert_int_equal(dir_find(s, "/y")->limits->n_commands, 1); /* LOGIN is ignored there */
	assert_int_equal(ftp_report_warnings(report), 1);
	ftp_config_free(c);
}

/* --- servers and classes --- */

static const char *server_at(const struct ftp_config *c, const char *host, uint16_t port)
{
	const struct ftp_server *s;
	struct addr a;

	assert_int_equal(addr_parse(host, port, &a), 0);
	s = ftp_server_find(c, &a);
	return s != NULL ? s->scope->conf.server_name : "none";
}

static void servers_are_found_by_address_then_wildcard_then_default(void **state)
{
	struct ftp_config *c =
		load("ServerName main\nDefaultAddress 192.0.2.1\nPort 21\n"
		     "<VirtualHost ftp.example.com>\nServerName seven\nServerAlias *.seven.example ALT\n"
		     "</VirtualHost>\n<VirtualHost 192.0.2.7>\nServerName other\nServerAlias o.example\n"
		     "</VirtualHost>\n<VirtualHost 0.0.0.0>\nServerName wild\nPort 2100\n</VirtualHost>\n"
		     "<VirtualHost both.example.com>\nServerName both\nPort 990\nDefaultServer "
		     "on\n</VirtualHost>\n"
		     "<VirtualHost 192.0.2.9>\nServerName dead\nPort 0\n</VirtualHost>\n");
	struct addr a;

	assert_string_equal(server_at(c, "192.0.2.1", 21), "main");
	assert_string_equal(server_at(c, "::ffff:192.0.2.1", 21), "main");
	assert_string_equal(server_at(c, "192.0.2.7", 21), "seven");
	assert_string_equal(server_at(c, "198.51.100.1", 2100), "wild");
	assert_string_equal(server_at(c, "2001:db8::8", 990), "both");
	assert_string_equal(server_at(c, "192.0.2.8", 990), "both");
	assert_string_equal(server_at(c, "203.0.113.1", 21), "both"); /* DefaultServer */
	assert_string_equal(server_at(c, "192.0.2.9", 0), "both");
	addr_parse("192.0.2.7", 21, &a);
	assert_string_equal(ftp_server_by_name(c, &a, "x.seven.example")->scope->conf.server_name, "seven");
	assert_string_equal(ftp_server_by_name(c, &a, "alt")->scope->conf.server_name, "seven");
	assert_string_equal(ftp_server_by_name(c, &a, "FTP.example.com")->scope->conf.server_name, "seven");
	assert_string_equal(ftp_server_by_name(c, &a, "O.example")->scope->conf.server_name, "other");
	assert_null(ftp_server_by_name(c, &a, "both.example.com"));
	ftp_config_free(c);
	c = load("UseIPv6 off\nDefaultAddress both.example.com\n");
	assert_int_equal(c->servers[0]->n_addrs, 1);
	assert_string_equal(server_at(c, "192.0.2.8", 21), "Wherry");
	assert_string_equal(server_at(c, "2001:db8::8", 21), "none");
	ftp_config_free(c);
	c = load("DefaultAddress 192.0.2.1\n");
	assert_string_equal(server_at(c, "192.0.2.2", 21), "none");
	ftp_config_free(c);
}

static const char *class_of(const struct ftp_config *c, const char *host)
{
	const struct ftp_class *cl;
	struct addr a;

	assert_int_equal(addr_parse(host, 0, &a), 0);
	cl = ftp_class_find(c, &a, NULL);
	return cl != NULL ? cl->name : "none";
}

static void the_first_matching_class_counts(void **state)
{
	struct ftp_config *c =
		load("<Class lan>\nFrom 10.0.0.0/8\nFrom 192.168. fd00::/8\n</Class>\n"
		     "<Class both>\nFrom 172.16.0.0/12\nFrom !172.16.1.\nSatisfy all\n</Class>\n"
		     "<Class world>\nFrom all\n</Class>\n<Class never>\nFrom 10.1.1.1\n</Class>\n");

	assert_string_equal(class_of(c, "10.1.1.1"), "lan");
	assert_string_equal(class_of(c, "192.168.4.4"), "lan");
	assert_string_equal(class_of(c, "fd12::1"), "lan");
	assert_string_equal(class_of(c, "172.16.2.1"), "both");
	assert_string_equal(class_of(c, "172.16.1.1"), "world");
	ftp_config_free(c);
}

/* --- logs, display files, secrets --- */

static void logs_are_shared_and_formats_found(void **state)
{
	struct ftp_config *c = load("LogFormat mine \"%a %r\"\nTransferLog /l/x\nAllowLogSymlinks on\n"
				    "ExtendedLog /l/x ALL\nExtendedLog syslog:info READ,!SEC mine\n"
				    "<VirtualHost 192.0.2.1>\nExtendedLog /l/y ALL mine\n</VirtualHost>\n");
	const struct ftp_conf *f = &c->servers[0]->scope->conf, *v = &c->servers[1]->scope->conf;
	const struct ftp_extlog *second = (const struct ftp_extlog *)f->extended_logs->item.next;

	assert_int_equal(c->n_logfiles, 2);
	assert_ptr_equal(f->transfer_log, f->extended_logs->file);
	assert_true(f->transfer_log->allow_symlink);
	assert_int_equal(f->transfer_log->fd, -1);
	assert_string_equal(f->extended_logs->format, "%h %l %u %t \"%r\" %s %b");
	assert_null(second->file);
	assert_int_equal(second->syslog_level, LOG_INFO);
	assert_string_equal(second->format, "%a %r");
	assert_string_equal(v->extended_logs->format, "%a %r"); /* formats are known everywhere */
	assert_false(v->extended_logs->file->allow_symlink);
	assert_null(v->transfer_log);
	ftp_config_free(c);
}

static void logs_of_modules_may_be_none(void **state)
{
	struct ftp_config *c = load("TLSLog /l/x\nWrapLog /l/x\nRewriteLog /l/y\n"
				    "<VirtualHost 192.0.2.1>\nTLSLog none\nWrapLog None\nRewriteLog none\n"
				    "</VirtualHost>\n");
	const struct ftp_conf *f = &c->servers[0]->scope->conf, *v = &c->servers[1]->scope->conf;

	assert_int_equal(c->n_logfiles, 2);
	assert_string_equal(f->tls_log->path, "/l/x");
	assert_ptr_equal(f->wrap_log, f->tls_log);
	assert_string_equal(f->rewrite_log->path, "/l/y");
	assert_null(v->tls_log);
	assert_null(v->wrap_log);
	assert_null(v->rewrite_log);
	ftp_config_free(c);
}

static void display_files_with_absolute_paths_are_read(void **state)
{
	char path[] = "/tmp/wherry-display-XXXXXX", text[300];
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	struct ftp_config *c;

	fputs("Welcome %U\n", f);
	fclose(f);
	snprintf(text, sizeof(text),
		"DisplayLogin %s\nDisplayConnect /nowhere/x\nDisplayChdir .message once\n", path);
	c = load(text);
	assert_string_equal(c->servers[0]->scope->conf.display_login.text, "Welcome %U\n");
	assert_string_equal(c->servers[0]->scope->conf.display_connect.path, "/nowhere/x");
	assert_null(c->servers[0]->scope->conf.display_connect.text);
	assert_true(c->servers[0]->scope->conf.display_chdir.once);
	assert_null(c->servers[0]->scope->conf.display_chdir.text);
	ftp_config_free(c);
	remove(path);
}

static void secrets_can_be_wiped_and_exist_once(void **state)
{
	struct ftp_config *c =
		load("UserPassword bob $6$abcdefgh$secret\n<Anonymous /a>\nUser ftp\n</Anonymous>\n");
	const struct ftp_user_password *p = c->servers[0]->scope->anons->conf.user_passwords;

	assert_string_equal(p->hash, "$6$abcdefgh$secret");
	ftp_config_wipe_secrets(c);
	assert_string_equal(p->hash, "");
	assert_string_equal(p->user, "bob");
	ftp_config_free(c);
}

static void environment_set_above_is_seen_below(void **state)
{
	struct ftp_config *c;

	setenv("WHERRY_TEST_NAME", "from outside", 1);
	c = load("ServerName \"%{env:WHERRY_TEST_NAME}\"\nSetEnv WHERRY_TEST_NAME inside\nServerAdmin "
		 "%{env:WHERRY_TEST_NAME}\n");
	assert_string_equal(c->servers[0]->scope->conf.server_name, "from outside");
	assert_string_equal(c->servers[0]->scope->conf.server_admin, "inside");
	ftp_config_free(c);
}

static void a_reload_keeps_addresses_of_names_that_do_not_resolve(void **state)
{
	struct ftp_config_options opt = {0};
	struct err err = ERR_INIT;
	struct ftp_config *old = load("MasqueradeAddress ftp.example.com\nTLSMasqueradeAddress 192.0.2.99\n");
	struct ftp_config *c;
	char text[ADDR_TEXT_MAX];

	old->servers[0]->scope->conf.masquerade_name = "gone.example.com";
	old->servers[0]->scope->conf.tls_masquerade_name = "tls.example.com";
	opt.reload = true;
	opt.old = old;
	c = load_with(&opt,
		"MasqueradeAddress gone.example.com\nTLSMasqueradeAddress tls.example.com\n"
		"<VirtualHost lost.example.com>\n</VirtualHost>\n",
		&err);
	assert_non_null(c);
	assert_string_equal(addr_text(&c->servers[0]->scope->conf.masquerade, text), "192.0.2.7");
	assert_string_equal(addr_text(&c->servers[0]->scope->conf.tls_masquerade, text), "192.0.2.99");
	assert_int_equal(c->n_servers, 1);
	assert_int_equal(ftp_report_warnings(report), 3);
	ftp_config_free(c);
	ftp_config_free(old);
	opt = (struct ftp_config_options){0};
	assert_null(load_with(&opt, "MasqueradeAddress gone.example.com\n", &err));
	assert_string_equal(err.text,
		"fatal: MasqueradeAddress: cannot resolve 'gone.example.com' on line 1 of 'test.conf'");
}

static void more_names_than_can_be_looked_up_are_an_error(void **state)
{
	struct ftp_config *old = load("");
	struct ftp_config_options opt = {.reload = true, .old = old};
	struct err err = ERR_INIT;
	struct buf text;

	buf_init(&text, 1u << 20);
	for (unsigned i = 0; i <= 1024; i++)
		assert_int_equal(
			buf_printf(&text,
				"<VirtualHost 127.0.0.1>\nPort %u\nMasqueradeAddress n%u.example.org\n"
				"</VirtualHost>\n",
				1000 + i, i),
			0);
	assert_null(load_with(&opt, text.data, &err));
	assert_string_equal(err.text, "fatal: MasqueradeAddress: there are more than 1024 names to look up "
				      "on line 4099 of 'test.conf'");
	buf_done(&text);
	ftp_config_free(old);
}

/* --- .ftpaccess --- */

static char logged[1000];

static void log_take(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
	size_t n = strlen(logged);

	snprintf(logged + n, sizeof(logged) - n, "%s\n", line);
}

static void ftpaccess_lies_over_its_directory(void **state)
{
	static const char text[] =
		"AllowOverwrite on\nBogus 1\nPort 21\nInclude /etc/passwd\nTransferRate RETR 9\n"
		"Umask %{env:HOME}\nQuotaLog x\n"
		"<Limit READ>\nDenyUser regex ^b\nDenyAll on\n</Limit>\nDenyAll\n";
	struct ftp_config *c = load("Umask 077\n<Directory /d>\nTransferRate RETR 5\n</Directory>\n");
	const struct ftp_scope *d = dir_find(c->servers[0]->scope, "/d");
	struct arena *a = arena_new(4096, 1u << 20);
	struct ftp_scope *s = NULL;

	logged[0] = '\0';
	log_set_sink(log_take, NULL);
	assert_int_equal(ftp_access_load(a, text, sizeof(text) - 1, "/d/.ftpaccess", d, NULL, &s), 0);
	log_set_sink(NULL, NULL);
	assert_int_equal(s->kind, CONF_KIND_FTPACCESS);
	assert_ptr_equal(s->parent, d);
	assert_true(s->conf.allow_overwrite);
	assert_int_equal(s->conf.umask_file, 077);
	assert_int_equal(s->conf.rates->item.level, 5);
	assert_int_equal(s->conf.rates->item.next->level, 4);
	assert_int_equal(s->access_all, FTP_OFF);
	assert_int_equal(s->access_pos.line, 12);
	assert_string_equal(s->access_pos.file, "/d/.ftpaccess");
	assert_int_equal(s->limits->rules->kind, FTP_DENY_USER);
	assert_null(s->limits->rules->next);
	assert_non_null(strstr(
		logged, "warning: unknown configuration directive 'Bogus' on line 2 of '/d/.ftpaccess'"));
	assert_non_null(
		strstr(logged, "warning: Port: directive not allowed in .ftpaccess context on line 3 of "));
	assert_non_null(strstr(
		logged, "warning: Include: directive not allowed in .ftpaccess context on line 4 of "));
	assert_non_null(strstr(logged, "environment variable 'HOME' is not set"));
	assert_non_null(strstr(logged, "QuotaLog: directive of mod_quotatab.c is known but not supported by "
				       "this version on line 7"));
	assert_non_null(strstr(logged, "DenyAll: wrong number of parameters"));
	arena_free(a);
	a = arena_new(4096, 1000); /* too small: an answer, not a crash */
	assert_int_equal(ftp_access_load(a, text, sizeof(text) - 1, "/d/.ftpaccess", d, NULL, &s), -ENOMEM);
	assert_int_equal(ftp_access_load(a, text, 70000, "/d/.ftpaccess", d, NULL, &s), -EFBIG);
	arena_free(a);
	ftp_config_free(c);
}

/* --- reports --- */

static void the_report_states_every_directive(void **state)
{
	struct ftp_config_options opt = {0};
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_null(load_with(
		&opt, "Port 2121\nDelayEngine on\nQuotaLog x\nRadiusEngine off\nRadiusEngine on\n", &err));
	ftp_report_print(report, f);
	ftp_report_print_problems(report, f);
	fclose(f);
	assert_string_equal(text,
		"test.conf:1: Port: supported\n"
		"test.conf:2: DelayEngine: accepted without effect (failed and unknown logins always take "
		"the same time)\n"
		"test.conf:3: QuotaLog: refused (not supported by this version)\n"
		"test.conf:4: RadiusEngine: accepted without effect (RADIUS is not supported by this "
		"version)\n"
		"test.conf:5: RadiusEngine: refused (this value is not supported by this version)\n"
		"1 supported, 2 accepted without effect, 2 refused; 2 errors, 0 warnings\n"
		"fatal: QuotaLog: directive of mod_quotatab.c is known but not supported by this version on "
		"line 3 of 'test.conf'\n"
		"fatal: RadiusEngine: 'on' is not supported by this version, only 'off' is accepted: RADIUS "
		"is "
		"not supported by this version on line 5 of 'test.conf'\n");
	assert_string_equal(err.text,
		"fatal: QuotaLog: directive of mod_quotatab.c is known but not supported "
		"by this version on line 3 of 'test.conf'");
	free(text);
}

static void documents_hold_every_directive(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ftp_directives_list(f);
	ftp_directives_man(f);
	fclose(f);
	assert_non_null(strstr(text, "\nTimeoutIdle <duration>\n\tcontexts: server config, <VirtualHost>, "
				     "<Global>, <Anonymous>\n"));
	assert_non_null(strstr(text, ".BI \"UseSendfile \" \"on|off|"));
	free(text);
}

static void digests(void **state)
{
	struct ftp_config *c = load("");
	const struct ftp_conf *d = &c->servers[0]->scope->conf;

	assert_true(d->digest_engine && d->digest_enable);
	assert_int_equal(d->digest_algorithms, FTP_DIGEST_ALL);
	assert_int_equal(ftp_digest_first(d), FTP_DIGEST_SHA1);
	assert_int_equal(d->digest_max_bytes, 0);
	assert_int_equal(d->digest_cache_entries, 10000);
	assert_int_equal(d->digest_cache_age_ms, 30000);
	ftp_config_free(c);

	c = load("<IfModule mod_digest.c>\nDigestAlgorithms MD5 sha256\nDigestMaxSize 1 GB\n"
		 "DigestCache maxAge 2m size 5\nDigestOptions NoTransferCache\n</IfModule>\n"
		 "<Directory /nfs>\nDigestEnable off\n</Directory>\n"
		 "<Anonymous /srv/ftp>\nDigestAlgorithms all\nDigestCache off\nDigestEngine off\n"
		 "</Anonymous>\n");
	d = &c->servers[0]->scope->conf;
	assert_int_equal(
		d->digest_algorithms, FTP_DIGEST_BIT(FTP_DIGEST_MD5) | FTP_DIGEST_BIT(FTP_DIGEST_SHA256));
	assert_int_equal(ftp_digest_first(d), FTP_DIGEST_SHA256); /* the default is not among them */
	assert_int_equal(d->digest_max_bytes, 1 << 30);
	assert_int_equal(d->digest_cache_entries, 5);
	assert_int_equal(d->digest_cache_age_ms, 120000);
	assert_false(c->servers[0]->scope->dirs->conf.digest_enable);
	d = &c->servers[0]->scope->anons->conf;
	assert_false(d->digest_engine);
	assert_int_equal(d->digest_algorithms, FTP_DIGEST_ALL);
	assert_int_equal(d->digest_cache_entries, 0);
	assert_false(ftp_digest_on(d, FTP_DIGEST_MD5));
	ftp_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_are_sorted_documented_and_sane),
		cmocka_unit_test(every_row_says_what_other_documents_say),
		cmocka_unit_test(every_directive_of_the_common_modules_has_a_row_or_a_reason),
		cmocka_unit_test(defaults_are_those_of_the_specification),
		cmocka_unit_test(sizes_are_known_from_those_they_are_for),
		cmocka_unit_test(digests),
		cmocka_unit_test(values_arrive_in_their_fields),
		cmocka_unit_test(use_sendfile_and_hidden_stores_have_many_forms),
		cmocka_unit_test(transfer_options_are_flags),
		cmocka_unit_test(precedence_matrix),
		cmocka_unit_test(overwrite_flows_down_to_the_deepest_directory),
		cmocka_unit_test(global_sections_are_copied_into_every_server),
		cmocka_unit_test(anonymous_sections_do_not_inherit_the_account),
		cmocka_unit_test(limits_keep_their_rules),
		cmocka_unit_test(servers_are_found_by_address_then_wildcard_then_default),
		cmocka_unit_test(the_first_matching_class_counts),
		cmocka_unit_test(logs_are_shared_and_formats_found),
		cmocka_unit_test(logs_of_modules_may_be_none),
		cmocka_unit_test(display_files_with_absolute_paths_are_read),
		cmocka_unit_test(secrets_can_be_wiped_and_exist_once),
		cmocka_unit_test(environment_set_above_is_seen_below),
		cmocka_unit_test(a_reload_keeps_addresses_of_names_that_do_not_resolve),
		cmocka_unit_test(more_names_than_can_be_looked_up_are_an_error),
		cmocka_unit_test(ftpaccess_lies_over_its_directory),
		cmocka_unit_test(the_report_states_every_directive),
		cmocka_unit_test(documents_hold_every_directive),
	};

	return cmocka_run_group_tests(tests, NULL, report_done);
}
