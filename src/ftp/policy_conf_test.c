/* The rules as an administrator writes them: text in, verdicts out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "ftp/policy.h"
#include "ftp/rates.h"

static struct ftp_config *load(const char *text)
{
	struct ftp_config_options opt = {.text = text, .name = "t.conf"};
	struct ftp_config *config = NULL;
	struct err err = ERR_INIT;

	if (ftp_config_load(&opt, 1, &config, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return config;
}

struct question {
	const char *user, *group, *class_name, *address, *path, *command;
	bool allowed;
};

static void ask(const struct ftp_scope *top, const struct question *q)
{
	const struct policy_env env = {.home = "/home/alice", .anon_root = "/srv/ftp"};
	const char *groups[] = {q->group};
	struct addr client;
	struct ftp_subject who = {.user = q->user,
		.groups = groups,
		.n_groups = q->group != NULL,
		.class_name = q->class_name,
		.client = &client,
		.authenticated = true};
	struct policy_verdict v;

	assert_int_equal(addr_parse(q->address != NULL ? q->address : "192.0.2.1", 1, &client), 0);
	if (policy_check(&who, top, &env, q->path, NULL, q->command, &v) != q->allowed)
		fail_msg("%s %s by %s: %s (line %u)", q->command, q->path, q->user, v.why, v.line);
}

static void ask_all(const char *text, const struct question *q, size_t n)
{
	struct ftp_config *config = load(text);

	for (size_t i = 0; i < n; i++)
		ask(config->servers[0]->scope, &q[i]);
	ftp_config_free(config);
}

static void a_read_only_site_with_an_upload_folder(void **state)
{
	static const struct question questions[] = {
		{"bob", NULL, NULL, NULL, "/srv/x", "RETR", true},
		{"bob", NULL, NULL, NULL, "/srv/x", "STOR", false},
		{"bob", NULL, NULL, NULL, "/srv/x", "SITE_CHMOD", false},
		{"bob", NULL, NULL, NULL, "/srv/in/x", "STOR", true},
		{"bob", NULL, NULL, NULL, "/srv/in/x", "DELE", false},
		{"bob", NULL, NULL, NULL, "/srv/in/x", "RETR", false},
		{"alice", NULL, NULL, NULL, "/srv/x", "STOR", true},
		{"bob", "editors", NULL, NULL, "/srv/x", "STOR", true},
		{"bob", NULL, NULL, NULL, "/srv/in", "STOR", false}, /* contents only */
	};

	(void)state;
	ask_all("<Limit WRITE>\nOrder allow,deny\nAllowUser alice\nAllowGroup editors\nDenyAll\n</Limit>\n"
		"<Directory /srv/in/*>\n<Limit STOR>\nAllowAll\n</Limit>\n<Limit READ>\nDenyAll\n</Limit>\n"
		"</Directory>\n",
		questions, ARRAY_LEN(questions));
}

static void both_orders_with_every_kind_of_rule(void **state)
{
	static const struct question questions[] = {
		{"alice", NULL, NULL, "203.0.113.1", "/x", "RETR", true}, /* allow first */
		{"bob", NULL, NULL, "203.0.113.1", "/x", "RETR", false},
		{"bob", NULL, NULL, "192.0.2.1", "/x", "RETR", true},
		{"alice", NULL, NULL, "203.0.113.1", "/x", "DELE", false}, /* deny first */
		{"alice", NULL, NULL, "192.0.2.1", "/x", "DELE", true},
		{"carol", "staff", NULL, "192.0.2.1", "/x", "DELE", true},
		{"carol", NULL, NULL, "192.0.2.1", "/x", "DELE", false},
		{"dave", NULL, "near", "192.0.2.1", "/x", "MKD", true},
		{"dave", NULL, NULL, "192.0.2.1", "/x", "MKD", false},
		{"dave", NULL, "far", "192.0.2.1", "/x", "MKD", false},
	};

	(void)state;
	ask_all("<Class near>\nFrom 192.0.2.0/24\n</Class>\n<Class far>\nFrom 203.0.113.0/24\n</Class>\n"
		"<Limit RETR>\nOrder allow,deny\nAllowUser alice\nDeny from 203.0.113.0/24\n</Limit>\n"
		"<Limit DELE>\nOrder deny,allow\nDeny from 203.0.113.0/24\nAllowUser alice\nAllowGroup "
		"staff\n</Limit>\n"
		"<Limit MKD>\nOrder deny,allow\nAllowClass near\n</Limit>\n",
		questions, ARRAY_LEN(questions));
}

static void an_outer_verb_beats_an_inner_ALL(void **state)
{
	static const struct question questions[] = {
		{"bob", NULL, NULL, NULL, "/srv/x", "STOR", true},
		{"bob", NULL, NULL, NULL, "/srv/x", "DELE", false},
		{"bob", NULL, NULL, NULL, "/srv/x", "LIST", false},
		{"bob", NULL, NULL, NULL, "/srv/x", "PASV", true},
		{"bob", NULL, NULL, NULL, "/x", "DELE", true},
	};

	(void)state;
	ask_all("<Limit STOR>\nAllowAll\n</Limit>\n<Directory /srv>\n<Limit "
		"ALL>\nDenyAll\n</Limit>\n</Directory>\n",
		questions, ARRAY_LEN(questions));
}

static unsigned scope_line(const struct ftp_scope *top, const char *path)
{
	const struct policy_env env = {.home = "/home/alice", .anon_root = "/srv/ftp"};
	const struct ftp_scope *s = policy_scope_for_path(top, &env, path);

	return s == top ? 0 : s->line;
}

static void both_names_of_a_command_are_one(void **state)
{
	static const struct question either[] = {
		{"bob", NULL, NULL, NULL, "/x", "MKD", false},
		{"bob", NULL, NULL, NULL, "/x", "XMKD", false},
		{"bob", NULL, NULL, NULL, "/x", "CDUP", false},
		{"bob", NULL, NULL, NULL, "/x", "XCUP", false},
		{"bob", NULL, NULL, NULL, "/x", "RMD", true},
		{"bob", NULL, NULL, NULL, "/x", "XRMD", true},
	};

	ask_all("<Limit MKD XCUP>\nDenyAll\n</Limit>\n", either, ARRAY_LEN(either));
}

static void directories_by_path(void **state)
{
	struct ftp_config *config =
		load("<Directory /srv/*>\nUmask 001\n</Directory>\n"                 /* 1 */
		     "<Directory /srv/ftp>\nUmask 002\n</Directory>\n"               /* 4 */
		     "<Directory /srv/*/pub>\nUmask 003\n</Directory>\n"             /* 7 */
		     "<Directory /srv/a*/x>\nUmask 004\n</Directory>\n"              /* 10 */
		     "<Directory /srv/*b/x>\nUmask 005\n</Directory>\n"              /* 13 */
		     "<Directory ~/in>\nUmask 006\n</Directory>\n"                   /* 16 */
		     "<Directory /srv/ftp/one.txt>\nUmask 007\n</Directory>\n"       /* 19 */
		     "<Anonymous /srv/ftp>\nUser ftp\n"                              /* 22 */
		     "<Directory incoming>\nUmask 010\n</Directory>\n</Anonymous>\n" /* 24 */
		);
	const struct ftp_scope *top = config->servers[0]->scope;
	const struct ftp_scope *anon = top->anons;

	(void)state;
	assert_int_equal(scope_line(top, "/srv"), 0);
	assert_int_equal(scope_line(top, "/srv/x"), 1);
	assert_int_equal(scope_line(top, "/srv/x/y/z"), 1);
	assert_int_equal(scope_line(top, "/srv/ftp/x"), 4);
	assert_int_equal(scope_line(top, "/srv/ftp/pub/x"), 7);
	assert_int_equal(scope_line(top, "/srv/ab/x"), 13);
	assert_int_equal(scope_line(top, "/srv/ac/x"), 10);
	assert_int_equal(scope_line(top, "/home/alice/in/x"), 16);
	assert_int_equal(scope_line(top, "/home/bob/in/x"), 0);
	assert_int_equal(scope_line(top, "/srv/ftp/one.txt"), 19);
	assert_int_equal(scope_line(anon, "/srv/ftp/incoming/x"), 24);
	assert_int_equal(scope_line(top, "/srv/ftp/incoming/x"), 4);
	assert_int_equal(scope_line(anon, "/srv/ftp/pub"), 7);
	assert_int_equal(policy_scope_for_path(anon, NULL, "/elsewhere")->line, anon->line);
	ftp_config_free(config);
}

static void rates_and_sizes_by_scope_and_user(void **state)
{
	struct ftp_config *config = load("TransferRate RETR 10 user alice\nTransferRate RETR 20\n"
					 "MaxStoreFileSize 5 Mb group staff\nMaxStoreFileSize 1 Mb\n"
					 "<Directory /srv>\nTransferRate RETR,STOR 30\n</Directory>\n"
					 "<Directory /free>\nMaxStoreFileSize *\n</Directory>\n");
	const struct ftp_scope *top = config->servers[0]->scope;
	const struct ftp_conf *srv = &policy_scope_for_path(top, NULL, "/srv/x")->conf;
	const struct ftp_conf *free_conf = &policy_scope_for_path(top, NULL, "/free/x")->conf;
	const char *staff[] = {"staff"};
	struct ftp_subject who = {.user = "alice", .groups = staff, .n_groups = 1, .authenticated = true};

	(void)state;
	assert_int_equal(policy_rate(&top->conf, FTP_XFER_RETR, &who)->bytes_per_sec, 10 * 1024);
	assert_int_equal(policy_rate(srv, FTP_XFER_RETR, &who)->bytes_per_sec, 30 * 1024);
	assert_int_equal(policy_rate(srv, FTP_XFER_STOR, &who)->bytes_per_sec, 30 * 1024);
	assert_null(policy_rate(&top->conf, FTP_XFER_STOR, &who));
	assert_int_equal(policy_max_size(top->conf.max_store_size, &who)->bytes, 5u << 20);
	assert_true(policy_max_size(free_conf->max_store_size, &who)->bytes == UINT64_MAX);
	who.user = "bob";
	who.n_groups = 0;
	assert_int_equal(policy_rate(&top->conf, FTP_XFER_RETR, &who)->bytes_per_sec, 20 * 1024);
	assert_int_equal(policy_max_size(top->conf.max_store_size, &who)->bytes, 1u << 20);
	assert_null(policy_max_size(top->conf.max_retrieve_size, &who));
	ftp_config_free(config);
}

static void a_transfer_rate_goes_by_user_group_or_class(void **state)
{
	static const struct {
		const char *line, *user, *class_name;
		bool hit;
	} cases[] = {{"user alice,bob", "bob", NULL, true}, {"user alice,bob", "carol", NULL, false},
		{"user !alice", "alice", NULL, false}, {"user !alice", "bob", NULL, true},
		{"group staff,admin", "alice", NULL, true}, {"group staff,other", "alice", NULL, false},
		{"group staff,!other", "alice", NULL, true}, {"group !staff", "alice", NULL, false},
		{"class lan,wan", "alice", "wan", true}, {"class lan", "alice", "wan", false},
		{"class !lan", "alice", "wan", true}, {"class lan", "alice", NULL, false}};
	static const char *groups[] = {"staff", "admin"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[200];
		struct ftp_config *config;
		struct ftp_subject who = {.user = cases[i].user,
			.groups = groups,
			.n_groups = 2,
			.class_name = cases[i].class_name,
			.authenticated = true};

		(void)snprintf(text, sizeof(text), "TransferRate RETR 10 %s\n", cases[i].line);
		config = load(text);
		assert_int_equal(policy_rate(&config->servers[0]->scope->conf, FTP_XFER_RETR, &who) != NULL,
			cases[i].hit);
		ftp_config_free(config);
	}
}

static void a_deeper_rate_replaces_also_by_none(void **state)
{
	struct ftp_config *config = load("<Global>\nTransferRate RETR 5\n</Global>\nTransferRate RETR 10\n"
					 "<Directory /fast>\nTransferRate RETR 0\n</Directory>\n");
	const struct ftp_scope *top = config->servers[0]->scope;
	struct ftp_subject who = {.user = "alice", .authenticated = true};

	assert_int_equal(policy_rate(&top->conf, FTP_XFER_RETR, &who)->bytes_per_sec, 10 * 1024);
	assert_int_equal(policy_rate(&policy_scope_for_path(top, NULL, "/fast/x")->conf, FTP_XFER_RETR, &who)
				 ->bytes_per_sec,
		0);
	ftp_config_free(config);
}

static const char *const totals =
	"TransferRateTotal RETR 100 server\nTransferRateTotal RETR,STOR 50 user\n"
	"TransferRateTotal RETR 30 class lan\nTransferRateTotal RETR 20 user alice\n"
	"TransferRateTotal STOR 9 class\n<Global>\nTransferRateTotal RETR 200 server\n</Global>\n";

static void all_totals_that_fit_apply(void **state)
{
	struct ftp_config *config = load(totals);
	const struct ftp_conf *conf = &config->servers[0]->scope->conf;
	struct ftp_subject who = {.user = "alice", .class_name = "lan", .authenticated = true};
	const struct ftp_rate_total *list[8];

	assert_int_equal(policy_rate_totals(conf, FTP_XFER_RETR, &who, list, 8), 5);
	assert_int_equal(list[0]->bytes_per_sec, 100 * 1024);
	assert_int_equal(list[4]->bytes_per_sec, 200 * 1024);
	assert_int_equal(policy_rate_totals(conf, FTP_XFER_RETR, &who, list, 2), 2);
	assert_int_equal(policy_rate_totals(conf, FTP_XFER_STOR, &who, list, 8), 2);
	who.user = "bob";
	who.class_name = NULL;
	assert_int_equal(policy_rate_totals(conf, FTP_XFER_RETR, &who, list, 8), 3);
	assert_int_equal(policy_rate_totals(conf, FTP_XFER_STOR, &who, list, 8), 1);
	assert_int_equal(policy_rate_totals(conf, FTP_XFER_APPE, &who, list, 8), 0);
	ftp_config_free(config);
}

static void a_total_is_shared_by_its_kind_and_outlives_a_reload(void **state)
{
	struct ftp_config *old = load(totals),
			  *new = load("# another line\nTransferRateTotal RETR 77 server\n"
				      "TransferRateTotal RETR,STOR 51 user\n");
	const struct ftp_server *a = old->servers[0], *b = new->servers[0];
	const struct ftp_rate_total *server = a->scope->conf.rate_totals;
	const struct ftp_rate_total *user = (const struct ftp_rate_total *)server->item.next;
	const struct ftp_rate_total *class = (const struct ftp_rate_total *)user->item.next;
	struct ftp_subject alice = {.user = "alice", .class_name = "lan"},
			   bob = {.user = "bob", .class_name = "lan"};

	assert_true(ftp_rate_bucket(a, server, &alice) == ftp_rate_bucket(a, server, &bob));
	assert_true(ftp_rate_bucket(a, class, &alice) == ftp_rate_bucket(a, class, &bob));
	assert_true(ftp_rate_bucket(a, user, &alice) != ftp_rate_bucket(a, user, &bob));
	assert_true(ftp_rate_bucket(a, user, &alice) != ftp_rate_bucket(a, server, &alice));
	assert_true(ftp_rate_bucket(b, b->scope->conf.rate_totals, &bob) == ftp_rate_bucket(a, server, &bob));
	assert_true(ftp_rate_key(a, server->key) == ftp_rate_key(b, b->scope->conf.rate_totals->key));
	ftp_config_free(old);
	ftp_config_free(new);
}

static void servers_have_totals_of_their_own(void **state)
{
	struct ftp_config *config = load("<Global>\nTransferRateTotal RETR 5 server\n</Global>\nPort 21\n"
					 "<VirtualHost 192.0.2.1>\nPort 2121\n</VirtualHost>\n");
	struct ftp_subject who = {.user = "alice"};

	assert_int_equal(config->n_servers, 2);
	assert_true(ftp_rate_bucket(config->servers[0], config->servers[0]->scope->conf.rate_totals, &who) !=
		    ftp_rate_bucket(config->servers[1], config->servers[1]->scope->conf.rate_totals, &who));
	ftp_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_only_site_with_an_upload_folder),
		cmocka_unit_test(both_orders_with_every_kind_of_rule),
		cmocka_unit_test(an_outer_verb_beats_an_inner_ALL),
		cmocka_unit_test(both_names_of_a_command_are_one),
		cmocka_unit_test(directories_by_path),
		cmocka_unit_test(rates_and_sizes_by_scope_and_user),
		cmocka_unit_test(a_transfer_rate_goes_by_user_group_or_class),
		cmocka_unit_test(a_deeper_rate_replaces_also_by_none),
		cmocka_unit_test(all_totals_that_fit_apply),
		cmocka_unit_test(a_total_is_shared_by_its_kind_and_outlives_a_reload),
		cmocka_unit_test(servers_have_totals_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
