/* One text per kind of mistake, with the exact message. */
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
#include "ftp/report.h"

static int no_names(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	return -ENOENT;
}

/* Errors and warnings of a text, without their ends: "<fatal|warning>: ... on line <n>". */
static char *problems(const char *text, bool check)
{
	const struct ftp_config_options opt = {
		.text = text, .name = "t", .resolve = no_names, .check_only = check};
	struct ftp_report *r = ftp_report_new();
	struct ftp_config *c = NULL;
	char *out = NULL, *end;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	int rc = ftp_config_load(&opt, 1, &c, r, NULL);

	ftp_report_print_problems(r, f);
	fclose(f);
	assert_int_equal(rc == 0, ftp_report_errors(r) == 0);
	ftp_config_free(c);
	ftp_report_free(r);
	while ((end = strstr(out, " of 't'")) != NULL)
		memmove(end, end + 7, strlen(end + 7) + 1);
	return out;
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
		{"TimeoutIdel 5", "fatal: unknown configuration directive 'TimeoutIdel' on line 1. Did you "
				  "mean: TimeoutIdle, TimeoutLinger?\n"},
		{"<IfUser bob>\nUmask 9\n</IfUser>", "fatal: Umask: '9' is not an octal mode on line 2\n"},
		{"<IfUser>\n</IfUser>", "fatal: <IfUser>: wrong number of parameters on line 1\n"},
		{"<IfAuthenticated x>\n</IfAuthenticated>",
			"fatal: <IfAuthenticated>: wrong number of parameters on line 1\n"},
		{"<IfUser a,!>\n</IfUser>", "fatal: <IfUser>: '!' without a name on line 1\n"},
		{"<IfUser a>\n<VirtualHost 192.0.2.1>\n</VirtualHost>\n</IfUser>",
			"fatal: <VirtualHost>: directive not allowed in <IfUser> context on line 2\n"},
		{"<IfClass a>\n<Class b>\n</Class>\n</IfClass>",
			"fatal: <Class>: directive not allowed in <IfClass> context on line 2\n"},
		{"<Limit ALL>\n<IfUser a>\n</IfUser>\n</Limit>",
			"fatal: <IfUser>: directive not allowed in <Limit> context on line 2\n"},
		{"<IfUser a>\nHideFiles x\n</IfUser>",
			"fatal: HideFiles: directive not allowed in server config context on line 2\n"},
		{"<IfUser a>\n<Directory b>\n</Directory>\n</IfUser>",
			"fatal: <Directory>: 'b' is not an absolute path on line 2\n"},
		{"<IfUser a>\n<Directory /b>\n</Directory>\n<Directory /b/>\n</Directory>\n</IfUser>",
			"fatal: <Directory>: '/b' has a section already on line 2, again on line 4\n"},
		{"<IfUser a>\nExtendedLog /l ALL none\n</IfUser>",
			"fatal: ExtendedLog: no LogFormat 'none' on line 2\n"},
		{"<IfUser a>\nPort 2121\n</IfUser>",
			"warning: Port: read when the server starts, <IfUser> comes too late for it: no "
			"effect on line 2\n"},
		{"<Class a>\nFrom all\n</Class>\n<IfClass a,!b>\n</IfClass>\n<IfClass regex c>\n</IfClass>",
			"warning: <IfClass>: no <Class b> exists; named on line 4\n"},
		{"<IfClass *>\nServerAlias b\n</IfClass>",
			"warning: ServerAlias: read when the server starts, <IfClass> comes too late for it: "
			"no effect on line 2\n"},
		{"<IfGroup a>\nMaxInstances 3\n</IfGroup>",
			"warning: MaxInstances: read when the server starts, <IfGroup> comes too late for "
			"it: no effect on line 2\n"},
		{"<IfGroup a>\nMaxLoginAttempts 3\nMaxClients 3\n</IfGroup>\n<IfClass "
		 "*>\nMaxLoginAttempts "
		 "4\n</IfClass>",
			"warning: MaxLoginAttempts: read before login, <IfGroup> comes too late for it: no "
			"effect on line 2\n"},
		{"<IfUser a>\nWrapTables file:/a file:/b\nWrapAllowMsg x\n</IfUser>",
			"warning: WrapTables: read before login, <IfUser> comes too late for it: no effect "
			"on "
			"line 2\n"},
		{"<IfClass *>\n<IfUser b>\nDisplayConnect /x\n</IfUser>\n</IfClass>",
			"warning: DisplayConnect: read before login, <IfUser> comes too late for it: no "
			"effect on line 3\n"},
		{"<IfUser a>\n<Anonymous /a>\nUser ftp\n</Anonymous>\n</IfUser>",
			"warning: <Anonymous>: chosen before login, <IfUser> comes too late for it: no "
			"effect on line 2\n"},
		{"<IfUser a>\n<Anonymous /a>\n</Anonymous>\n<Directory /x>\n</Directory>\n</IfUser>",
			"warning: <Anonymous>: no User: nobody can log in through the section on line 2\n"
			"warning: <Anonymous>: chosen before login, <IfUser> comes too late for it: no "
			"effect on line 2\n"},
		{"<IfVersion => 1.3>\n</IfVersion>",
			"fatal: <IfVersion>: unknown comparison operator '=>' on line 1\n"},
		{"<IfVersion 1.x>\n</IfVersion>",
			"fatal: <IfVersion>: badly formatted version '1.x' on line 1\n"},
		{"<IfVersion>\n</IfVersion>", "fatal: <IfVersion>: wrong number of parameters on line 1\n"},
		{"IfSessionOptions Other", "fatal: IfSessionOptions: unknown option 'Other' on line 1\n"},
		{"QuotaLog x", "fatal: QuotaLog: directive of mod_quotatab.c is known but not supported by "
			       "this version on line 1\n"},
		{"<Anonymous /a>\nPort 1\n</Anonymous>",
			"fatal: Port: directive not allowed in <Anonymous> context on line 2\n"},
		{"<Directory /a>\nTimeoutIdle 1\n</Directory>",
			"fatal: TimeoutIdle: directive not allowed in <Directory> context on line 2\n"},
		{"<VirtualHost 192.0.2.1>\nPidFile /x\n</VirtualHost>",
			"fatal: PidFile: directive not allowed in <VirtualHost> context on line 2\n"},
		{"AllowForeignAddress far", "warning: AllowForeignAddress: no <Class far> exists, nobody is "
					    "allowed; named on line 1\n"},
		{"<Class c>\nFrom all\n</Class>\nMaxClientsPerClass c 1\nMaxClientsPerClass d 1",
			"warning: MaxClientsPerClass: no <Class d> exists; named on line 5\n"},
		{"<Class c>\n</Class>", "warning: <Class>: no From: nobody is in the class 'c', on line 1\n"},
		{"<Class c>\nAllow all\n</Class>",
			"fatal: Allow: directive not allowed in <Class> context on line 2\n"},
		{"Port", "fatal: Port: wrong number of parameters (syntax: Port <port>) on line 1\n"},
		{"Port 70000", "fatal: Port: '70000' is too large, the maximum is 65535 on line 1\n"},
		{"TimeoutIdle 65536",
			"fatal: TimeoutIdle: '65536' is too large, the maximum is 65535 on line 1\n"},
		{"CommandBufferSize 100",
			"fatal: CommandBufferSize: '100' is too small, the minimum is 512 bytes on line 1\n"},
		{"PassivePorts 80 90", "fatal: PassivePorts: ports below 1024 cannot be used on line 1\n"},
		{"PassivePorts 3000 2000",
			"fatal: PassivePorts: the first port is above the last on line 1\n"},
		{"UseSendfile 1 2 3", "fatal: UseSendfile: wrong number of parameters (syntax: UseSendfile "
				      "on|off|<percent>%|<number> <unit>) on line 1\n"},
		{"DigestAlgorithms md5 sha3",
			"fatal: DigestAlgorithms: unknown algorithm 'sha3': expected crc32, md5, sha1, "
			"sha256 or sha512 on line 1\n"},
		{"DigestCache size 0",
			"fatal: DigestCache: size is a number from 1 to 1000000, not '0' on line 1\n"},
		{"DigestCache maxAge 0",
			"fatal: DigestCache: maxAge is a time of at least one second, not '0' on line 1\n"},
		{"DigestCache 5",
			"fatal: DigestCache: expected on, off, or size <count> and maxAge <time> on "
			"line 1\n"},
		{"DigestCache age 5",
			"fatal: DigestCache: unknown parameter 'age': expected size or maxAge on "
			"line 1\n"},
		{"DigestCache size 5 maxAge", "fatal: DigestCache: wrong number of parameters on line 1\n"},
		{"DigestMaxSize 0",
			"fatal: DigestMaxSize: '0' is not a size of at least one byte on line 1\n"},
		{"DigestMaxSize 1 X",
			"fatal: DigestMaxSize: '1 X' is not a size of at least one byte on line 1\n"},
		{"DigestEnable off",
			"fatal: DigestEnable: directive not allowed in server config context on line 1\n"},
		{"UseSendfile 101%", "fatal: UseSendfile: bad percentage value '101%' on line 1\n"},
		{"UseSendfile -1%", "fatal: UseSendfile: bad percentage value '-1%' on line 1\n"},
		{"UseSendfile nan%", "fatal: UseSendfile: bad percentage value 'nan%' on line 1\n"},
		{"UseSendfile 5x%", "fatal: UseSendfile: bad percentage value '5x%' on line 1\n"},
		{"UseSendfile 5 K", "fatal: UseSendfile: unable to parse '5 K' as a size on line 1\n"},
		{"UseSendfile -5 KB", "fatal: UseSendfile: unable to parse '-5 KB' as a size on line 1\n"},
		{"UseSendfile maybe", "fatal: UseSendfile: expected Boolean parameter on line 1\n"},
		{"UseSendfile 7", "fatal: UseSendfile: expected Boolean parameter on line 1\n"},
		{"UseSendfile 5 ", "fatal: UseSendfile: expected Boolean parameter on line 1\n"},
		{"UseSendfile %", "fatal: UseSendfile: expected Boolean parameter on line 1\n"},
		{"UseSendfile inf%", "fatal: UseSendfile: bad percentage value 'inf%' on line 1\n"},
		{"UseSendfile +5%", "fatal: UseSendfile: bad percentage value '+5%' on line 1\n"},
		{"UseSendfile 0x10%", "fatal: UseSendfile: bad percentage value '0x10%' on line 1\n"},
		{"UseSendfile -64KB", "fatal: UseSendfile: expected Boolean parameter on line 1\n"},
		{"UseSendfile 64K", "fatal: UseSendfile: unable to parse '64K' as a size on line 1\n"},
		{"UseSendfile 1.5 KB", "fatal: UseSendfile: unable to parse '1.5 KB' as a size on line 1\n"},
		{"UseSendfile 1 PB", "fatal: UseSendfile: unable to parse '1 PB' as a size on line 1\n"},
		{"UseSendfile 8388608 TB",
			"fatal: UseSendfile: unable to parse '8388608 TB' as a size on line 1\n"},
		{"UseSendfile 9223372036854775808 B",
			"fatal: UseSendfile: unable to parse '9223372036854775808 B' as a size on line 1\n"},
		{"UseSendfile", "fatal: UseSendfile: wrong number of parameters (syntax: UseSendfile "
				"on|off|<percent>%|<number> <unit>) on line 1\n"},
		{"UseSendfile 0%", "warning: UseSendfile: a part of size 0 means 'on'; given on line 1\n"},
		{"TransferOptions IgnoreASCII Fast",
			"fatal: TransferOptions: unknown value 'Fast', expected "
			"AllowSymlinkUpload, CopyWhenThrottled or IgnoreASCII on line 1\n"},
		{"<Directory /x>\nTransferOptions IgnoreASCII\n</Directory>\n",
			"fatal: TransferOptions: "
			"directive not allowed in <Directory> context on line 2\n"},
		{"UseSendfile 0 KB", "warning: UseSendfile: a part of size 0 means 'on'; given on line 1\n"},
		{"TransferRate LIST 5", "fatal: TransferRate: unknown value 'LIST', expected APPE, RETR, "
					"STOR or STOU on line 1\n"},
		{"TransferRate RETR -5",
			"fatal: TransferRate: '-5' is not a rate in KiB per second on line 1\n"},
		{"TransferRate RETR 5:x",
			"fatal: TransferRate: 'x' is not a number of free bytes on line 1\n"},
		{"TransferRate RETR 5 user", "fatal: TransferRate: wrong number of parameters on line 1\n"},
		{"TransferRate RETR 5 user a, b",
			"fatal: TransferRate: wrong number of parameters (syntax: TransferRate <commands> "
			"<KiB per second>[:<free bytes>] [user|group|class <expression>]) on line 1\n"},
		{"TransferRate RETR 1e3",
			"fatal: TransferRate: '1e3' is not a rate in KiB per second on line 1\n"},
		{"TransferRate RETR 5:-1",
			"fatal: TransferRate: '-1' is not a number of free bytes on line 1\n"},
		{"TransferRateTotal RETR 5",
			"fatal: TransferRateTotal: wrong number of parameters (syntax: TransferRateTotal "
			"<commands> <KiB per second> user|class|server [<expression>]) on line 1\n"},
		{"TransferRateTotal RETR 5:9 server",
			"fatal: TransferRateTotal: '5:9' is not a rate in KiB per second on line 1\n"},
		{"TransferRateTotal RETR 5 server x",
			"fatal: TransferRateTotal: 'server' takes no expression on line 1\n"},
		{"TransferRateTotal RETR 5 group x", "fatal: TransferRateTotal: unknown value 'group', "
						     "expected user, class or server on line 1\n"},
		{"TransferRate RETR 5 host x", "fatal: TransferRate: unknown value 'host', expected user, "
					       "group or class on line 1\n"},
		{"MaxStoreFileSize 0 KB", "fatal: MaxStoreFileSize: bad size '0 KB' on line 1\n"},
		{"MaxStoreFileSize 5 K", "fatal: MaxStoreFileSize: unable to parse '5 K' on line 1\n"},
		{"MaxTransfersPerHost RETR none",
			"fatal: MaxTransfersPerHost: the number of transfers must be at least 1 on line 1\n"},
		{"MaxClients many",
			"fatal: MaxClients: 'many' is neither a number above 0 nor 'none' on line 1\n"},
		{"AuthOrder mod_sql.c",
			"fatal: AuthOrder: module 'mod_sql.c' is not supported by this version, only "
			"mod_auth_file.c, mod_auth_unix.c and mod_auth_pam.c are on line 1\n"},
		{"AuthUserFile passwd", "fatal: AuthUserFile: 'passwd' is not an absolute path on line 1\n"},
		{"AuthUserFile /p home ^/h", "fatal: AuthUserFile: the 'home' condition is not supported by "
					     "this version on line 1\n"},
		{"AuthUserFile /p id 9-1", "fatal: AuthUserFile: 'id' takes a range <min>-<max> on line 1\n"},
		{"DefaultRoot home", "fatal: DefaultRoot: 'home' is not an absolute path and does not begin "
				     "with '~' on line 1\n"},
		{"HiddenStores a/b", "fatal: HiddenStores: prefix and suffix cannot contain '/' on line 1\n"},
		{"StoreUniquePrefix a/b",
			"fatal: StoreUniquePrefix: the prefix cannot contain '/' on line 1\n"},
		{"Umask 089", "fatal: Umask: '089' is not an octal mode on line 1\n"},
		{"Umask 1777", "fatal: Umask: a mask above 777 has no meaning on line 1\n"},
		{"ListOptions -l maxfiles 0",
			"fatal: ListOptions: maxfiles takes a number above 0 on line 1\n"},
		{"LogFormat x \"%{nope}\"", NULL},
		{"ExtendedLog /x ALL nope", "fatal: ExtendedLog: no LogFormat 'nope' on line 1\n"},
		{"ExtendedLog /x BOGUS/", NULL},
		{"TransferLog x", "fatal: TransferLog: 'x' is not an absolute path on line 1\n"},
		{"ScoreboardFile /tmp/", "fatal: ScoreboardFile: '/tmp/' names a directory on line 1\n"},
		{"SocketOptions speed 5", "fatal: SocketOptions: unknown socket option 'speed' on line 1\n"},
		{"LoadModule mod_bogus.c", "fatal: LoadModule: module 'mod_bogus.c' is not supported by this "
					   "version on line 1\n"},
		{"MasqueradeAddress no.example",
			"fatal: MasqueradeAddress: cannot resolve 'no.example' on line 1\n"},
		{"<VirtualHost no.example>\n</VirtualHost>",
			"fatal: <VirtualHost>: cannot resolve 'no.example' on line 1\n"},
		{"<Limit ALL>\nAllow from 1.2.3\n</Limit>",
			"fatal: Allow: '1.2.3' is no address, network, pattern or host name on line 2\n"},
		{"<Limit ALL>\nOrder deny\n</Limit>",
			"fatal: Order: unknown order 'deny', expected allow,deny or deny,allow on line 2\n"},
		{"<Limit STRO>\nDenyAll\n</Limit>",
			"warning: <Limit>: 'STRO' is no command of this server; named on line 1\n"},
		{"<Limit A/B>\nDenyAll\n</Limit>", "fatal: <Limit>: 'A/B' is no command on line 1\n"},
		{"<Limit ALL>\nAllowUser regex (\n</Limit>",
			"fatal: AllowUser: unusable regular expression '(': missing closing parenthesis (at "
			"byte 2) on "
			"line 2\n"},
		{"<Directory a>\n</Directory>",
			"fatal: <Directory>: 'a' is not an absolute path on line 1\n"},
		{"<Directory /a/../b>\n</Directory>",
			"fatal: <Directory>: '/a/../b' contains '..' on line 1\n"},
		{"<Directory /a>\n</Directory>\n<Directory /a//>\n</Directory>",
			"fatal: <Directory>: '/a' has a section already on line 1, again on line 3\n"},
		{"<Anonymous ~>\nUser x\n</Anonymous>",
			"fatal: <Anonymous>: '~' needs the name of a user here on line 1\n"},
		{"<Class c>\nFrom all\n</Class>\n<Class c>\nFrom all\n</Class>",
			"fatal: <Class>: 'c' exists already; again on line 4\n"},
		{"DefaultServer on\n<VirtualHost 192.0.2.1>\nDefaultServer on\n</VirtualHost>",
			"fatal: DefaultServer: only one server can be the default, the second begins on line "
			"2\n"},
		{"<VirtualHost 192.0.2.1>\n</VirtualHost>\n<VirtualHost 192.0.2.1>\n</VirtualHost>",
			"warning: <VirtualHost>: another server has the same address and port, and this one "
			"no name: it is never "
			"reached; begins on line 3\n"},
		{"<Limit LOGIN>\nDenyUser a\n</Limit>\n<Limit LOGIN>\nDenyUser b\n</Limit>",
			"warning: <Limit>: second section for LOGIN: a login must be allowed by all of them; "
			"begins on line 4\n"},
		{"Umask 022\nUmask 077",
			"warning: Umask: already set on line 1, the first counts; given again on line 2\n"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		char *p = problems(cases[i].text, false);

		if (cases[i].problem != NULL)
			assert_string_equal(p, cases[i].problem);
		else /* words of another library */
			assert_true(str_starts(p, "fatal: ") && str_ends(p, " on line 1\n"));
		free(p);
	}
}

static void all_errors_come_in_one_run(void **state)
{
	char *p = problems("Port x\nUmask y\nBogus\n<Directory rel>\n</Directory>\nUmask 9\n", false);

	assert_string_equal(p, "fatal: Port: 'x' is not a number on line 1\n"
			       "fatal: Umask: 'y' is not an octal mode on line 2\n"
			       "fatal: unknown configuration directive 'Bogus' on line 3\n"
			       "fatal: Umask: '9' is not an octal mode on line 6\n");
	free(p);
}

static void later_errors_stop_at_20_as_well(void **state)
{
	char text[2000] = "", *p;
	unsigned n = 0;

	for (unsigned i = 0; i < 30; i++)
		strcat(text, "<Directory rel>\n</Directory>\n");
	p = problems(text, false);
	for (const char *l = p; (l = strstr(l, "fatal: ")) != NULL; l++)
		n++;
	assert_int_equal(n, 20);
	assert_true(str_ends(p, "too many errors, the rest was not read\n"));
	free(p);
}

static void a_check_looks_at_users_files_and_logs(void **state)
{
	static const char text[] = "User no-such-user\nGroup no-such-group\nAuthUserFile "
				   "/no/such/file\nTransferLog /no/such/dir/log\n"
				   "ScoreboardFile /tmp/wherry.score\nExtendedLog /tmp\n";
	char *p = problems(text, true);

	assert_string_equal(p,
		"fatal: User: unknown user 'no-such-user' on line 1\n"
		"fatal: Group: unknown group 'no-such-group' on line 2\n"
		"fatal: AuthUserFile: cannot open '/no/such/file': No such file or directory on line 3\n"
		"fatal: TransferLog: cannot open '/no/such/dir', the directory of a log file: No such file "
		"or "
		"directory on line 4\n"
		"fatal: ExtendedLog: log file '/tmp' is a directory on line 6\n"
		"fatal: ScoreboardFile: directory '/tmp' can be written by everybody on line 5\n");
	assert_int_equal(access("/tmp/wherry.score", F_OK), -1);
	free(p);
	p = problems(text, false); /* a load does not ask */
	assert_string_equal(p, "");
	free(p);
}

static void a_foreign_configuration_with_unknown_modules_loads(void **state)
{
	char *p = problems(
		"<IfModule mod_vroot.c>\nVRootEngine on\n</IfModule>\n<IfModule "
		"mod_dynmasq.c>\nDynMasqRefresh 28800\n"
		"</IfModule>\nUseIPv6 on\n<IfModule mod_ident.c>\nIdentLookups off\n</IfModule>\nServerName "
		"\"Debian\"\n"
		"ServerType standalone\nDeferWelcome off\nDefaultServer on\nShowSymlinks "
		"on\nTimeoutNoTransfer 600\n"
		"DisplayLogin welcome.msg\nDisplayChdir .message true\nListOptions \"-l\"\nPort "
		"21\nMaxInstances 30\n"
		"User proftpd\nGroup nogroup\nUmask 022 022\nAllowOverwrite on\nTransferLog /var/log/x\n"
		"<IfModule mod_quotatab.c>\nQuotaEngine off\n</IfModule>\n<IfModule "
		"mod_delay.c>\nDelayEngine on\n"
		"</IfModule>\n<IfModule mod_ctrls.c>\nControlsEngine off\nControlsMaxClients 2\nControlsLog "
		"/v/c\n"
		"ControlsInterval 5\nControlsSocket /v/s\n</IfModule>\n<IfModule mod_ctrls_admin.c>\n"
		"AdminControlsEngine off\n</IfModule>\nLoadModule mod_ban.c\nLoadModule "
		"mod_ctrls_admin.c\nLoadModule mod_tls.c\n",
		false);

	assert_string_equal(p, "");
	free(p);
}

static void a_check_says_what_counts_for_all_servers(void **state)
{
	char *got = problems("SyslogLevel info\n<Global>\nDebugLevel 1\n</Global>\n<VirtualHost "
			     "192.0.2.1>\nPort 2121\nDebugLevel 2\nSyslogLevel debug\n</VirtualHost>",
		true);

	assert_string_equal(got,
		"warning: DebugLevel: without effect for one virtual host: processes that serve all "
		"servers log as the main server's DebugLevel says on line 7\n"
		"warning: SyslogLevel: without effect for one virtual host: processes that serve all "
		"servers log as the main server's SyslogLevel says on line 8\n");
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(a_check_says_what_counts_for_all_servers),
		cmocka_unit_test(all_errors_come_in_one_run),
		cmocka_unit_test(later_errors_stop_at_20_as_well),
		cmocka_unit_test(a_check_looks_at_users_files_and_logs),
		cmocka_unit_test(a_foreign_configuration_with_unknown_modules_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
