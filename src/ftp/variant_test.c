/* Conditional sections: of whom they hold, in which order they are laid, what they change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/build.h"
#include "ftp/policy.h"
#include "ftp/report.h"
#include "ftp/text.h"
#include "ftp/variant.h"

static struct ftp_config *config;
static struct ftp_report *report;
static struct ftp_variants *variants;

static void configure(const char *text)
{
	struct ftp_config_options opt = {.text = text, .name = "t"};
	struct err err = ERR_INIT;

	ftp_variants_free(&variants);
	ftp_config_free(config);
	ftp_report_free(report);
	config = NULL;
	report = ftp_report_new();
	if (ftp_config_load(&opt, 1, &config, report, &err) < 0)
		fail_msg("%s", err.text);
	variants = ftp_variants_new();
}

static int teardown(void **state)
{
	ftp_variants_free(&variants);
	ftp_config_free(config);
	ftp_report_free(report);
	config = NULL;
	report = NULL;
	return 0;
}

static const char *const staff[] = {"alice", "staff"};

/* alice of the groups alice and staff; class NULL: none. */
static struct ftp_subject alice(const char *class)
{
	return (struct ftp_subject){
		.user = "alice", .groups = staff, .n_groups = 2, .class_name = class, .authenticated = true};
}

static const struct ftp_scope *scope_for(const struct ftp_subject *who)
{
	return ftp_variants_get(variants, config->servers[0], who)->scope;
}

static unsigned umask_for(const struct ftp_subject *who)
{
	return scope_for(who)->conf.umask_file;
}

static void each_kind_of_condition_holds_for_whom_it_names(void **state)
{
	static const struct {
		const char *section;
		bool alice, before,
			other; /* alice in class lan; lan before login; bob without class or group */
	} cases[] = {
		{"IfUser alice", true, false, false},
		{"IfUser bob,alice", true, false, true},
		{"IfUser AND bob,alice", false, false, false},
		{"IfUser !bob", true, false, false},
		{"IfUser !alice", false, false, true},
		{"IfUser regex ^al", true, false, false},
		{"IfUser *", true, false, true},
		{"IfGroup staff", true, false, false},
		{"IfGroup staff,wheel", false, false, false},
		{"IfGroup staff,alice", true, false, false},
		{"IfGroup OR staff,wheel", true, false, false},
		{"IfGroup staff,!wheel", true, false, false},
		{"IfGroup !staff", false, false, true},
		{"IfGroup regex ^st", true, false, false},
		{"IfClass lan", true, true, false},
		{"IfClass !lan", false, false, true},
		{"IfClass wan,lan", true, true, false},
		{"IfClass AND lan,!wan", true, true, false},
		{"IfClass regex ^l", true, true, false},
		{"IfAuthenticated", true, false, true},
		{"IfVersion >= 1.3.0", true, true, true},
		{"IfVersion 1.3.8", true, true, true},
		{"IfVersion /^1/", true, true, true},
		{"IfVersion = /^2/", false, false, false},
		{"IfVersion !~ ^2", true, true, true},
		{"IfVersion > 1.3.8rc4", true, true, true},
		{"IfVersion < 1.3.8a", true, true, true},
		{"IfVersion != 1.3.8", false, false, false},
		{"IfVersion <= 1.3", false, false, false},
		{"IfVersion > 1.2.10", true, true, true},
		{"IfVersion !> 1.3.0", false, false, false},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct ftp_subject a = alice("lan"), before = {.class_name = "lan"},
				   bob = {.user = "bob", .authenticated = true};
		char text[100], name[40];

		str_copy(name, sizeof(name), cases[i].section);
		*strchrnul(name, ' ') = '\0';
		snprintf(text, sizeof(text), "<%s>\nUmask 077\n</%s>\n", cases[i].section, name);
		configure(text);
		print_message("%s\n", cases[i].section);
		assert_int_equal(umask_for(&a) == 077, cases[i].alice);
		assert_int_equal(umask_for(&before) == 077, cases[i].before);
		assert_int_equal(umask_for(&bob) == 077, cases[i].other);
	}
}

static void later_kinds_and_later_sections_replace_single_values(void **state)
{
	static const struct {
		const char *text;
		unsigned umask;
	} cases[] = {
		{"<IfUser alice>\nUmask 1\n</IfUser>\n<IfGroup staff>\nUmask 2\n</IfGroup>\nUmask 7\n", 1},
		{"<IfGroup staff>\nUmask 1\n</IfGroup>\n<IfAuthenticated>\nUmask 2\n</IfAuthenticated>\n", 1},
		{"<IfAuthenticated>\nUmask 1\n</IfAuthenticated>\n<IfClass lan>\nUmask 2\n</IfClass>\n", 1},
		{"<IfUser alice>\nUmask 1\n</IfUser>\n<IfUser alice>\nUmask 2\n</IfUser>\n", 2},
		{"<IfUser alice>\nUmask 1\n</IfUser>\n<Global>\n<IfUser alice>\nUmask "
		 "2\n</IfUser>\n</Global>\n",
			1},
		{"Umask 3\n<Global>\n<IfClass lan>\nUmask 2\n</IfClass>\n</Global>\n", 2},
		{"<IfClass lan>\n<IfUser alice>\nUmask 1\n</IfUser>\n</IfClass>\n", 1},
		{"<IfClass wan>\n<IfUser alice>\nUmask 1\n</IfUser>\n</IfClass>\nUmask 5\n", 5},
		{"<IfClass lan>\n<IfUser bob>\nUmask 1\n</IfUser>\nUmask 4\n</IfClass>\n", 4},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct ftp_subject who = alice("lan");

		configure(cases[i].text);
		assert_int_equal(umask_for(&who), cases[i].umask);
	}
}

static void entries_of_lists_come_before_the_others(void **state)
{
	struct ftp_subject who = alice(NULL);
	const struct ftp_rate *rate;
	const struct ftp_dir_rule *root;

	configure("TransferRate RETR 1\nDefaultRoot /one\n<Global>\nTransferRate RETR 2\n</Global>\n"
		  "<IfGroup staff>\nTransferRate RETR 3\nDefaultRoot /two wheel\n</IfGroup>\n");
	rate = policy_rate(&scope_for(&who)->conf, FTP_XFER_RETR, &who);
	assert_int_equal(rate->bytes_per_sec, 3 * 1024);
	root = scope_for(&who)->conf.default_root;
	assert_string_equal(root->path, "/two");
	root = (const struct ftp_dir_rule *)root->item.next;
	assert_string_equal(root->path, "/one");
	assert_null(root->item.next);
}

static void limits_of_layers_are_asked_first(void **state)
{
	struct ftp_subject who = alice("lan"), bob = {.user = "bob", .authenticated = true};

	configure("<Limit STOR>\nDenyAll\n</Limit>\n<IfClass lan>\n<Limit "
		  "STOR>\nDenyAll\n</Limit>\n</IfClass>\n"
		  "<IfUser alice>\n<Limit STOR>\nAllowAll\n</Limit>\n</IfUser>\n");
	assert_true(policy_check(&who, scope_for(&who), NULL, "/x", NULL, "STOR", NULL));
	assert_false(policy_check(&bob, scope_for(&bob), NULL, "/x", NULL, "STOR", NULL));
}

static void directories_of_layers_join_those_of_the_same_path(void **state)
{
	struct ftp_subject who = alice(NULL), bob = {.user = "bob", .authenticated = true};
	const struct ftp_scope *s;

	configure("<Directory /d>\nUmask 1\nAllowOverwrite on\n</Directory>\n"
		  "<Directory /d/in>\n</Directory>\n"
		  "<IfGroup staff>\n<Directory /d/>\nUmask 2\n<Limit DELE>\nDenyAll\n</Limit>\n</Directory>\n"
		  "<Directory /e>\nUmask 3\n</Directory>\n</IfGroup>\n");
	s = policy_scope_for_path(scope_for(&who), NULL, "/d/in/x");
	assert_string_equal(s->path, "/d/in");
	assert_int_equal(s->conf.umask_file, 2);
	assert_true(s->conf.allow_overwrite);
	assert_false(policy_check(&who, scope_for(&who), NULL, "/d/x", NULL, "DELE", NULL));
	assert_int_equal(policy_scope_for_path(scope_for(&who), NULL, "/e/x")->conf.umask_file, 3);
	s = policy_scope_for_path(scope_for(&bob), NULL, "/d/in/x");
	assert_int_equal(s->conf.umask_file, 1);
	assert_true(policy_check(&bob, scope_for(&bob), NULL, "/d/x", NULL, "DELE", NULL));
	assert_ptr_equal(policy_scope_for_path(scope_for(&bob), NULL, "/e/x"), scope_for(&bob));
}

static void sections_in_directories_and_anonymous_change_only_these(void **state)
{
	struct ftp_subject who = alice(NULL);
	const struct ftp_scope *s;

	configure("<Directory /d>\nUmask 1\n<IfUser alice>\nUmask 2\n</IfUser>\n</Directory>\n"
		  "<Anonymous /a>\nUser ftp\nUmask 3\n<IfUser alice>\nUmask 4\n</IfUser>\n"
		  "<Directory up>\n<IfAuthenticated>\nHiddenStores "
		  "on\n</IfAuthenticated>\n</Directory>\n</Anonymous>\n");
	s = scope_for(&who);
	assert_int_equal(s->conf.umask_file, 022);
	assert_int_equal(s->dirs->conf.umask_file, 2);
	assert_int_equal(s->anons->conf.umask_file, 4);
	assert_int_equal(s->anons->dirs->conf.umask_file, 4);
	assert_string_equal(s->anons->dirs->path, "/a/up");
	assert_true(s->anons->dirs->conf.hidden_stores.on);
	assert_false(s->anons->conf.hidden_stores.on);
}

static void anonymous_sections_keep_their_numbers(void **state)
{
	struct ftp_subject lan = {.class_name = "lan"}, wan = {.class_name = "wan"};
	const struct ftp_server *s;
	unsigned number = 0;

	configure("<IfClass lan>\n<Anonymous /lan>\nUser one\n</Anonymous>\n</IfClass>\n"
		  "<IfClass wan>\n<Anonymous /wan>\nUser two\n</Anonymous>\n</IfClass>\n"
		  "<Anonymous /all>\nUser three\n</Anonymous>\n");
	s = ftp_variants_get(variants, config->servers[0], &wan);
	assert_non_null(ftp_anon_find(s, "two", &number, NULL));
	assert_int_equal(number, 3);
	assert_string_equal(ftp_server_scope(s, 3)->path, "/wan");
	assert_string_equal(ftp_server_scope(s, 1)->path, "/all");
	assert_null(ftp_server_scope(s, 2));
	s = ftp_variants_get(variants, config->servers[0], &lan);
	assert_null(ftp_anon_find(s, "two", NULL, NULL));
	assert_string_equal(ftp_server_scope(s, 2)->path, "/lan");
	assert_null(ftp_server_scope(config->servers[0], 2));
}

static void one_variant_for_each_set_of_conditions(void **state)
{
	struct ftp_subject a = alice("lan"), b = alice("lan"), wan = alice("wan"),
			   before = {.class_name = "x"};
	const struct ftp_server *base, *s;
	struct arena *arena = arena_new(8192, 0);

	configure("<IfUser alice>\nUmask 1\n</IfUser>\n<IfClass lan>\nUmask 2\n</IfClass>\n"
		  "<Directory /d>\n</Directory>\n"
		  "<VirtualHost 192.0.2.1>\nPort 2121\n</VirtualHost>\n");
	base = config->servers[0];
	b.groups = NULL;
	b.n_groups = 0;
	s = ftp_variants_get(variants, base, &a);
	assert_ptr_not_equal(s, base);
	assert_ptr_equal(ftp_variants_get(variants, base, &b), s);
	assert_ptr_equal(ftp_variants_get(variants, s, &b), s);
	assert_ptr_not_equal(ftp_variants_get(variants, base, &wan), s);
	assert_ptr_equal(ftp_variants_get(variants, base, &before), base);
	assert_ptr_equal(ftp_variants_get(variants, s, &before), base);
	assert_int_equal(s->index, base->index);
	assert_ptr_equal(ftp_variants_get(NULL, config->servers[1], &a), config->servers[1]);
	assert_int_equal(ftp_server_for(base, &a, true, arena)->scope->conf.umask_file, 1);
	assert_ptr_equal(ftp_server_for(base, &before, true, arena), base);
	assert_non_null(ftp_server_for(base, &a, true, arena)->scope->dirs);
	assert_null(ftp_server_for(base, &a, false, arena)->scope->dirs);
	arena_free(arena);
}

static void virtual_hosts_have_their_own_and_those_of_global(void **state)
{
	struct ftp_subject who = alice(NULL);

	configure(
		"<IfUser alice>\nUmask 1\n</IfUser>\n<Global>\n<IfUser alice>\nAllowOverwrite on\n</IfUser>\n"
		"</Global>\n<VirtualHost 192.0.2.1>\nPort 2121\n<IfUser alice>\nUmask "
		"2\n</IfUser>\n</VirtualHost>\n");
	assert_int_equal(umask_for(&who), 1);
	assert_true(scope_for(&who)->conf.allow_overwrite);
	assert_int_equal(ftp_variants_get(variants, config->servers[1], &who)->scope->conf.umask_file, 2);
	assert_true(ftp_variants_get(variants, config->servers[1], &who)->scope->conf.allow_overwrite);
	assert_false(config->servers[1]->scope->conf.allow_overwrite);
}

/* More conditions than bits in a word. */
static void hundreds_of_sections_stay_apart(void **state)
{
	char text[200 * 40] = "", *p = text;

	for (unsigned i = 0; i < 200; i++)
		p += sprintf(p, "<IfUser u%u>\nUmask %o\n</IfUser>\n", i, i);
	configure(text);
	for (unsigned i = 0; i < 200; i++) {
		char name[10];
		struct ftp_subject who = {.user = name, .authenticated = true};

		snprintf(name, sizeof(name), "u%u", i);
		assert_int_equal(umask_for(&who), i);
	}
}

static void logs_of_layers_have_their_formats(void **state)
{
	struct ftp_subject who = alice(NULL);
	const struct ftp_extlog *log;

	configure("LogFormat mine \"%u\"\nExtendedLog /l ALL mine\n<IfUser alice>\nExtendedLog /m ALL "
		  "mine\n</IfUser>\n");
	log = scope_for(&who)->conf.extended_logs;
	assert_string_equal(log->file->path, "/m");
	assert_string_equal(log->format, "%u");
	log = (const struct ftp_extlog *)log->item.next;
	assert_string_equal(log->file->path, "/l");
	assert_int_equal(config->n_logfiles, 2);
}

static void secrets_in_layers_are_wiped(void **state)
{
	struct ftp_subject who = {.class_name = "lan"};

	configure("<IfClass lan>\nUserPassword bob $1$salt$hash\n</IfClass>\n");
	assert_string_equal(scope_for(&who)->conf.user_passwords->hash, "$1$salt$hash");
	ftp_config_wipe_secrets(config);
	assert_string_equal(scope_for(&who)->conf.user_passwords->hash, "");
}

static const struct conf_row *row_named(const char *name)
{
	const struct conf_row *row = NULL;
	bool other;

	for (unsigned k = 0; k < CONF_KIND_COUNT && row == NULL; k++)
		row = conf_row_find(&ftp_language, name, (enum conf_kind)k, &other);
	if (row == NULL)
		print_message("no directive %s\n", name);
	return row;
}

static void messages_come_once(void **state)
{
	configure("<Anonymous /a>\n</Anonymous>\n<IfUser x>\nPort 1\n</IfUser>\n<VirtualHost "
		  "192.0.2.1>\nPort 2121\n"
		  "</VirtualHost>\n<Limit NOTHING>\nDenyAll\n</Limit>\n");
	assert_int_equal(ftp_report_warnings(report), 3);
	assert_int_equal(ftp_report_errors(report), 0);
}

/* Every name of the lists of conf_layer.c is the name of a directive, and -t knows it. */
static void what_comes_too_late_is_said(void **state)
{
	configure("<IfUser a>\nRLimitCPU 5\nMaxLoad 3\nSystemLog none\nTimeoutLogin 9\nCDPath "
		  "/x\nTimeoutIdle 9\n</IfUser>\n"
		  "<Class c>\nFrom all\n</Class>\n<IfClass c>\nMaxLoad 3\nRLimitCPU 5\n</IfClass>\n");
	assert_int_equal(ftp_report_warnings(report), 5);
	for (const char *const *n = ftp_layer_late_names(0); *n != NULL; n++)
		assert_non_null(row_named(*n));
	for (const char *const *n = ftp_layer_late_names(1); *n != NULL; n++)
		assert_non_null(row_named(*n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_condition_holds_for_whom_it_names),
		cmocka_unit_test(later_kinds_and_later_sections_replace_single_values),
		cmocka_unit_test(entries_of_lists_come_before_the_others),
		cmocka_unit_test(limits_of_layers_are_asked_first),
		cmocka_unit_test(directories_of_layers_join_those_of_the_same_path),
		cmocka_unit_test(sections_in_directories_and_anonymous_change_only_these),
		cmocka_unit_test(anonymous_sections_keep_their_numbers),
		cmocka_unit_test(one_variant_for_each_set_of_conditions),
		cmocka_unit_test(virtual_hosts_have_their_own_and_those_of_global),
		cmocka_unit_test(hundreds_of_sections_stay_apart),
		cmocka_unit_test(logs_of_layers_have_their_formats),
		cmocka_unit_test(secrets_in_layers_are_wiped),
		cmocka_unit_test(messages_come_once),
		cmocka_unit_test(what_comes_too_late_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
