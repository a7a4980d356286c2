/* Dialogues with one connection: what a client says, what it hears, and what master and auth are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/extlogs.h"
#include "ftp/verb.h"
#include "login/commands.h"
#include "login/conn_priv.h"
#include "login/record.h"
#include "score/score.h"

#define SID 7

static const char config_text[] =
	"ServerName \"Test Site\"\n"
	"ServerAdmin admin@example.org\n"
	"Port 2121\n"
	"DefaultAddress 127.0.0.1\n"
	"MaxLoginAttempts 3\n"
	"TimeoutLogin 60\n"
	"LogFormat short \"%m|%r|%J|%s|%S|%U|%c\"\n"
	"ExtendedLog /var/log/test-extended.log AUTH,INFO short\n"
	"MaxPasswordSize 20\n"
	"<Anonymous /srv/ftp>\n  User ftp\n  UserAlias anonymous ftp\n</Anonymous>\n"
	"<VirtualHost 127.0.0.2>\n  Port 2121\n  ServerName \"Closed\"\n"
	"  <Limit LOGIN>\n    DenyAll\n  </Limit>\n</VirtualHost>\n"
	"<VirtualHost 127.0.0.1>\n  Port 2121\n  ServerAlias other.example.org\n"
	"  ServerName \"Other\"\n  AccessDenyMsg \"No, %u.\"\n  AllowEmptyPasswords off\n"
	"  DefaultTransferMode binary\n"
	"  <Limit SYST>\n    DenyAll\n  </Limit>\n"
	"  <Limit NOOP>\n    Order allow,deny\n    Deny from .barred.example.org\n  "
	"</Limit>\n</VirtualHost>\n";

/* --- the fakes --- */

static struct ftp_config *config;
static struct login_conn conn;
static uint64_t now;
static char events[4096]; /* what was sent to master and auth */
static bool auth_there;
static int master_result;
static bool shown_at_hand_over;

static void event(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void event(const char *fmt, ...)
{
	size_t used = strlen(events);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(events + used, sizeof(events) - used, fmt, ap);
	va_end(ap);
}

static int fake_master(void *arg, const struct login_conn *c, enum ipc_type type, const void *msg)
{
	const struct ipc_handoff *h = msg;

	if (type == IPC_CONNECT)
		event("CONNECT;");
	else if (type == IPC_DISCONNECT)
		event("DISCONNECT %u;", ((const struct ipc_disconnect *)msg)->sid);
	else if (type == IPC_HOST)
		event("HOST %u;", ((const struct ipc_host *)msg)->server);
	else if (type == IPC_CERT_CHECK)
		event("CERT %u;", ((const struct ipc_cert_check *)msg)->sid);
	else {
		shown_at_hand_over = c->score != NULL;
		event("HANDOFF %u %s%s%s clnt=%s in=%.*s;", h->sid, h->type_ascii ? "A" : "I",
			h->utf8_on ? " utf8" : "", h->quiet ? " quiet" : "", h->clnt, (int)h->input.len,
			(const char *)h->input.data);
	}
	return master_result;
}

static int fake_auth(void *arg, const struct ipc_auth_request *req)
{
	if (!auth_there)
		return -WE_CLOSED;
	event("AUTH %u.%u %s/%s@%u;", req->sid, req->request, req->user, req->password, req->server);
	return 0;
}

static int fake_resolve(void *arg, const struct ipc_resolve *q)
{
	char text[ADDR_TEXT_MAX];

	if (!auth_there)
		return -WE_CLOSED;
	event("RESOLVE %u %s;", q->sid, addr_text(&q->addr, text));
	return 0;
}

static const struct login_ops ops = {fake_master, fake_auth, fake_resolve};
static struct login_env env = {.ops = &ops};

static void connect_to(const char *local)
{
	struct addr peer, addr;

	login_conn_done(&conn);
	events[0] = '\0';
	addr_parse("192.0.2.9", 4000, &peer);
	addr_parse(local, 2121, &addr);
	login_conn_init(&conn, &env, 1, &peer, &addr, now);
}

static void admit(void)
{
	struct ipc_admit m = {.cid = 1, .sid = SID, .verdict = IPC_OK, .text = ""};

	login_conn_admit(&conn, &m, now);
}

static void deny(unsigned request)
{
	struct ipc_auth_failed m = {.sid = SID, .request = request, .reason = IPC_AUTH_BAD_PASSWORD};

	login_conn_failed(&conn, &m, now);
}

static void result(unsigned request, uint32_t verdict, const char *text)
{
	struct ipc_login_result m = {.sid = SID, .request = request, .verdict = verdict, .text = text};

	login_conn_result(&conn, &m, now);
}

static void say(const char *bytes)
{
	size_t n = strlen(bytes);

	while (n > 0) {
		size_t k = login_conn_wants_input(&conn);

		if (k == 0)
			return;
		k = k < n ? k : n;
		login_conn_input(&conn, bytes, k, now);
		bytes += k;
		n -= k;
	}
}

/* The client reads everything: what it heard, until the next call. */
static const char *heard(void)
{
	static char text[LOGIN_OUT_MAX + 1];
	size_t used = 0;

	text[0] = '\0';
	while (conn.out.len > 0 && used + conn.out.len < sizeof(text)) {
		memcpy(text + used, conn.out.data, conn.out.len);
		used += conn.out.len;
		text[used] = '\0';
		login_conn_sent(&conn, conn.out.len, now);
	}
	return text;
}

/* One line out, the answer back without its CRLF. */
static const char *ask(const char *line)
{
	char *answer;

	say(line);
	say("\r\n");
	answer = (char *)(uintptr_t)heard();
	if (str_ends(answer, "\r\n"))
		answer[strlen(answer) - 2] = '\0';
	return answer;
}

static void pass_time(uint64_t ms)
{
	uint64_t end = now + ms;

	while (login_conn_deadline(&conn) != 0 && login_conn_deadline(&conn) <= end) {
		now = login_conn_deadline(&conn);
		login_conn_tick(&conn, now);
	}
	now = end;
}

static int group_setup(void **state)
{
	struct ftp_config_options opt = {.text = config_text, .name = "test.conf"};
	struct err err = ERR_INIT;

	if (ftp_config_load(&opt, 5, &config, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	env.config = config;
	log_set_level(LOG_EMERG);
	return 0;
}

static int group_teardown(void **state)
{
	ftp_config_free(config);
	return 0;
}

static int setup(void **state)
{
	now = 1000000;
	auth_there = true;
	master_result = 0;
	connect_to("127.0.0.1");
	admit();
	(void)heard();
	events[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	login_conn_done(&conn);
	return 0;
}

/* --- connecting --- */

static void nothing_is_said_or_read_before_master_admits(void **state)
{
	connect_to("127.0.0.1");
	assert_string_equal(events, "CONNECT;");
	assert_int_equal(login_conn_wants_input(&conn), 0);
	assert_int_equal(conn.out.len, 0);
	admit();
	assert_string_equal(heard(), "220 Wherry Server (Test Site) [127.0.0.1]\r\n");
	assert_true(login_conn_wants_input(&conn) > 0);
	login_conn_done(&conn);
	assert_string_equal(events, "CONNECT;DISCONNECT 7;");
}

static void a_refused_client_is_told_why_and_closed(void **state)
{
	struct ipc_admit m = {.cid = 1, .sid = 9, .verdict = IPC_REFUSE_TEXT, .text = "530 Sorry, too many"};

	connect_to("127.0.0.1");
	login_conn_admit(&conn, &m, now);
	assert_int_equal(conn.state, LOGIN_CLOSING);
	assert_string_equal(heard(), "530 Sorry, too many\r\n");
	assert_int_equal(conn.state, LOGIN_LINGERING);
	login_conn_eof(&conn, now);
	assert_int_equal(conn.state, LOGIN_GONE);
	login_conn_done(&conn);
	assert_string_equal(events, "CONNECT;"); /* master has no entry to remove */
	m.verdict = IPC_REFUSE_SILENT;
	connect_to("127.0.0.1");
	login_conn_admit(&conn, &m, now);
	assert_int_equal(conn.state, LOGIN_GONE);
}

static void resolved(const char *name)
{
	struct ipc_resolved m = {.sid = SID, .name = name};

	login_conn_resolved(&conn, &m, now);
}

static void the_name_of_a_client_is_awaited_before_the_greeting(void **state)
{
	config->use_reverse_dns = true;
	connect_to("127.0.0.1");
	admit();
	assert_string_equal(events, "CONNECT;RESOLVE 7 192.0.2.9;");
	assert_int_equal(conn.state, LOGIN_RESOLVING);
	assert_int_equal(login_conn_wants_input(&conn), 0);
	assert_int_equal(conn.out.len, 0);
	resolved("client.example.com");
	assert_int_equal(conn.state, LOGIN_COMMANDS);
	assert_string_equal(conn.client_name, "client.example.com");
	assert_string_equal(heard(), "220 Wherry Server (Test Site) [127.0.0.1]\r\n");
	resolved("other.example.com"); /* a second answer changes nothing */
	assert_string_equal(conn.client_name, "client.example.com");

	connect_to("127.0.0.1"); /* rules may be about it */
	admit();
	resolved("client.barred.example.org");
	(void)heard();
	assert_string_equal(ask("NOOP"), "200 NOOP command successful");
	assert_string_equal(ask("HOST other.example.org"), "220 HOST command successful");
	assert_string_equal(ask("NOOP"), "550 NOOP: Operation not permitted");

	connect_to("127.0.0.1"); /* no answer in time */
	admit();
	now = login_conn_deadline(&conn);
	login_conn_tick(&conn, now);
	assert_int_equal(conn.state, LOGIN_COMMANDS);
	assert_null(conn.client_name);
	resolved("late.example.com");
	assert_null(conn.client_name);

	connect_to("127.0.0.1"); /* auth goes */
	admit();
	login_conn_auth_lost(&conn, now);
	assert_int_equal(conn.state, LOGIN_COMMANDS);
	auth_there = false; /* or is not there */
	connect_to("127.0.0.1");
	admit();
	assert_int_equal(conn.state, LOGIN_COMMANDS);
	config->use_reverse_dns = false;
}

static void an_address_without_server_is_answered_500(void **state)
{
	connect_to("127.0.0.9");
	admit();
	assert_string_equal(heard(), "500 Sorry, no server available to handle request on 127.0.0.9\r\n");
	pass_time(LOGIN_LINGER_MS);
	assert_int_equal(conn.state, LOGIN_GONE);
}

static void limit_login_refuses_before_the_greeting(void **state)
{
	connect_to("127.0.0.2");
	admit();
	assert_string_equal(heard(), "530 Access denied\r\n");
	assert_int_equal(conn.state, LOGIN_LINGERING);
	login_conn_done(&conn);
	assert_string_equal(events, "CONNECT;DISCONNECT 7;");
}

static void display_texts_come_before_the_greeting_and_the_farewell(void **state)
{
	struct ftp_conf *conf = &config->servers[0]->scope->conf;

	conf->display_connect.text = "Hello %R\n230 of %V\n";
	conf->display_quit.text = "Bye %U\n";
	connect_to("127.0.0.1");
	admit();
	assert_string_equal(heard(), "220-Hello 192.0.2.9\r\n 230 of Test Site\r\n"
				     "220 Wherry Server (Test Site) [127.0.0.1]\r\n");
	(void)ask("USER alice");
	assert_string_equal(ask("QUIT"), "221-Bye alice\r\n221 Goodbye.");
	conf->display_connect.text = conf->display_quit.text = NULL;
}

static void a_deferred_welcome_names_nothing(void **state)
{
	struct ftp_conf *conf = &config->servers[0]->scope->conf;

	conf->defer_welcome = true;
	connect_to("127.0.0.1");
	admit();
	assert_string_equal(heard(), "220 127.0.0.1 FTP server ready\r\n");
	assert_null(strstr(ask("STAT"), "Test Site"));
	conf->defer_welcome = false;
}

/* --- commands --- */

static void commands_before_login_answer_as_specified(void **state)
{
	static const char *const dialogue[][2] = {
		{"SYST", "215 UNIX Type: L8"},
		{"NOOP", "200 NOOP command successful"},
		{"noop what ever", "200 NOOP command successful"},
		{"ACCT x", "502 ACCT command not implemented"},
		{"CLNT test client", "200 OK"},
		{"CLNT", "501 Invalid number of parameters"},
		{"LANG", "200 Using default language en-US"},
		{"LANG xx", "504 Language xx not supported"},
		{"OPTS UTF8 ON", "200 UTF8 set to on"},
		{"OPTS MLST size;", "501 'OPTS MLST size;' not understood"},
		{"TYPE I", "200 Type set to I"},
		{"TYPE", "500 'TYPE' not understood"},
		{"REIN", "220 Service ready for new user."},
		{"PASS x", "503 Login with USER first"},
		{"USER", "500 USER: command requires a parameter"},
		{"USER alice", "331 Password required for alice"},
		{"USER no body", "331 Password required for no body"},
		{"USER ftp", "331 Anonymous login ok, send your complete email address as your password"},
		{"USER anonymous",
			"331 Anonymous login ok, send your complete email address as your password"},
		{"LIST", "530 Please login with USER and PASS"},
		{"SITE HELP", "530 Please login with USER and PASS"},
		{"ABOR", "530 Please login with USER and PASS"},
		{"STAT x", "530 Please login with USER and PASS"},
		{"AUTH TLS", "500 AUTH not understood"},
		{"XYZZY", "500 XYZZY not understood"},
		{" NOOP", "500 Invalid command: line begins with a blank"},
		{"HELP USER", "214 Syntax: USER <sp> username"},
		{"STAT", "211-Status of 'Test Site'\r\n Connected from 192.0.2.9 (192.0.2.9)\r\n"
			 " TYPE: ASCII, STRUcture: File, Mode: Stream\r\n No data connection\r\n211 End of "
			 "status"},
		{"QUIT now", "221 Goodbye."},
	};

	for (size_t i = 0; i < ARRAY_LEN(dialogue); i++)
		assert_string_equal(ask(dialogue[i][0]), dialogue[i][1]);
	assert_int_equal(conn.state, LOGIN_LINGERING);
	assert_int_equal(strncmp(events, "AUTH", 4) == 0, 0);
}

static void every_command_before_login_is_there_and_no_other(void **state)
{
	unsigned n = 0;

	for (const struct ftp_verb *v = ftp_verbs; v->name != NULL; v++)
		if ((v->flags & VERB_PRELOGIN) != 0)
			assert_string_equal(login_commands[n++].verb, v->name);
	assert_null(login_commands[n].verb);
}

static void feat_and_help_come_from_the_table(void **state)
{
	assert_non_null(strstr(ask("FEAT"), "211-Features:\r\n"));
	assert_non_null(strstr(ask("HELP"), "214 Direct comments to admin@example.org"));
}

static void a_limit_by_name_closes_a_command(void **state)
{
	assert_string_equal(ask("HOST other.example.org"), "220 HOST command successful");
	assert_string_equal(ask("SYST"), "550 SYST: Operation not permitted");
}

static void other_protocols_are_cut_off_without_a_word(void **state)
{
	say("GET / HTTP/1.0\r\nUSER alice\r\n");
	assert_int_equal(conn.state, LOGIN_GONE);
	assert_int_equal(conn.out.len, 0);
	connect_to("127.0.0.1");
	admit();
	(void)heard();
	say("SSH-2.0-OpenSSH_9.2\r\n");
	assert_int_equal(conn.state, LOGIN_GONE);
}

static void unusable_lines_are_answered_and_skipped(void **state)
{
	char line[LOGIN_LINE_MAX];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_string_equal(ask(line), "500 Command line too long");
	assert_string_equal(ask("NOOP"), "200 NOOP command successful");
	login_conn_input(&conn, "US\0ER x\r\n", 9, now);
	assert_string_equal(heard(), "501 Invalid character in command\r\n");
	assert_string_equal(ask("\xff\xfb\x01NOOP"), "\xff\xfe\x01"
						     "200 NOOP command successful");
	memset(line, 'u', 257 + 5);
	memcpy(line, "USER ", 5);
	line[262] = '\0';
	assert_string_equal(ask(line), "501 Login incorrect.");
	assert_string_equal(ask("PASS x"), "503 Login with USER first");
}

/* --- HOST --- */

static void host_chooses_a_server_of_the_same_address(void **state)
{
	assert_string_equal(ask("HOST"), "500 'HOST' not understood");
	assert_string_equal(ask("HOST a b"), "500 'HOST a b' not understood");
	assert_string_equal(ask("HOST a:b"), "501 a:b: Invalid hostname provided");
	assert_string_equal(ask("HOST [::1"), "501 [::1: Invalid IPv6 address provided");
	assert_string_equal(ask("HOST ["), "501 [: Invalid IPv6 address provided");
	assert_string_equal(ask("HOST []"), "501 []: Invalid IPv6 address provided");
	assert_string_equal(ask("HOST [127.0.0.1]"), "501 [127.0.0.1]: Invalid IPv6 address provided");
	assert_string_equal(ask("HOST [::2]"), "504 [::2]: Unknown hostname provided");
	assert_string_equal(ask("HOST 127.0.0.2"), "504 127.0.0.2: Unknown hostname provided");
	assert_string_equal(
		ask("HOST nobody.example.org"), "504 nobody.example.org: Unknown hostname provided");
	assert_string_equal(events, "");
	assert_string_equal(ask("HOST 127.0.0.1"), "220 HOST command successful");
	assert_string_equal(events, "");
	(void)ask("USER alice");
	assert_string_equal(ask("HOST other.example.org"), "220 HOST command successful");
	assert_string_equal(events, "HOST 2;");
	assert_string_equal(ask("PASS x"), "503 Login with USER first");
	(void)ask("USER alice");
	say("PASS x\r\n");
	assert_string_equal(events, "HOST 2;AUTH 7.1 alice/x@2;");
	deny(1);
	pass_time(LOGIN_FAIL_MS);
	assert_string_equal(heard(), "530 No, alice.\r\n");
	assert_string_equal(ask("REIN"), "220 Service ready for new user.");
	assert_true(str_ends(events, ";HOST 0;"));
}

/* --- USER and PASS --- */

static void a_login_is_handed_over_with_what_the_client_set(void **state)
{
	(void)ask("TYPE I");
	(void)ask("CLNT my client");
	(void)ask("OPTS UTF8 ON");
	(void)ask("USER alice");
	say("PASS  two  blanks \r\nLIST\r\nRETR x\r\nNO");
	assert_string_equal(events, "AUTH 7.1 alice/ two  blanks @0;");
	assert_int_equal(conn.out.len, 0); /* nothing before the verdict */
	assert_int_equal(login_conn_wants_input(&conn), 0);
	events[0] = '\0';
	result(1, IPC_OK, "");
	assert_string_equal(events, "HANDOFF 7 I utf8 clnt=my client in=LIST\r\nRETR x\r\nNO;");
	assert_int_equal(conn.state, LOGIN_GONE);
	assert_int_equal(conn.out.len, 0);
	login_conn_done(&conn);
	assert_null(strstr(events, "DISCONNECT"));
}

/* The session process shows the client from then on. */
static void the_scoreboard_forgets_a_client_before_the_hand_over(void **state)
{
	struct score_info info = {.program = "wherryd", .server = SCORE_STANDALONE};
	struct score_region *region;
	struct score_board *board;

	assert_int_equal(score_create(NULL, &info, &board, NULL), 0);
	assert_int_equal(score_region_new(board, SCORE_LOGIN, 4, &region, NULL), 0);
	conn.score = score_claim(region, SID);
	assert_non_null(conn.score);
	say("USER alice\r\nPASS x\r\n");
	(void)heard();
	shown_at_hand_over = true;
	result(1, IPC_OK, "");
	assert_non_null(strstr(events, "HANDOFF"));
	assert_false(shown_at_hand_over);
	assert_null(conn.score);
	score_region_drop(region);
	score_close(board, false);
}

static void pipelined_replies_leave_before_the_hand_over(void **state)
{
	say("USER alice\r\nPASS -x\r\n");
	result(1, IPC_OK, "");
	assert_int_equal(conn.state, LOGIN_HANDING_OVER);
	assert_null(strstr(events, "HANDOFF"));
	assert_string_equal(heard(), "331 Password required for alice\r\n");
	assert_true(str_ends(events, "HANDOFF 7 A quiet clnt= in=;"));
	assert_non_null(strstr(events, "alice/-x@0")); /* the sign belongs to the password */
}

static void a_failure_is_told_in_steps_of_time(void **state)
{
	static const struct {
		unsigned auth_ms, told_ms;
	} cases[] = {{0, 500}, {1, 500}, {499, 500}, {500, 500}, {501, 750}, {750, 750}, {751, 1000}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		connect_to("127.0.0.1");
		admit();
		(void)heard();
		say("USER alice\r\nPASS wrong\r\nNOOP\r\n");
		(void)heard();
		pass_time(cases[i].auth_ms);
		deny(1);
		assert_int_equal(conn.out.len, 0);
		if (cases[i].told_ms > cases[i].auth_ms) {
			pass_time(cases[i].told_ms - cases[i].auth_ms - 1);
			assert_int_equal(conn.out.len, 0);
		}
		pass_time(1);
		assert_string_equal(heard(), "530 Login incorrect.\r\n200 NOOP command successful\r\n");
	}
}

static void a_failure_forgets_the_user(void **state)
{
	(void)ask("USER alice");
	say("PASS x\r\n");
	deny(1);
	pass_time(LOGIN_FAIL_MS);
	(void)heard();
	assert_string_equal(ask("PASS y"), "503 Login with USER first");
}

static void the_last_attempt_closes(void **state)
{
	for (unsigned i = 1; i <= 3; i++) {
		assert_string_equal(ask("USER alice"), "331 Password required for alice");
		say("PASS wrong\r\nUSER alice\r\nPASS guess\r\n");
		if (i < 3) {
			/* the rest is taken back: one attempt at a time in this test */
			struct line_cmd c;

			(void)line_next(&conn.in, &c);
			(void)line_next(&conn.in, &c);
		}
		deny(i);
		pass_time(LOGIN_FAIL_MS);
		assert_string_equal(heard(), "530 Login incorrect.\r\n");
	}
	assert_int_equal(conn.state, LOGIN_LINGERING);
	assert_null(strstr(events, "guess"));
}

static void passwords_of_a_wrong_form_never_reach_auth(void **state)
{
	(void)ask("USER alice");
	say("PASS 123456789012345678901\r\n"); /* MaxPasswordSize 20 */
	assert_string_equal(events, "");
	pass_time(LOGIN_FAIL_MS);
	assert_string_equal(heard(), "501 Login incorrect.\r\n");
	(void)ask("USER alice");
	say("PASS 12345678901234567890\r\n");
	assert_non_null(strstr(events, "12345678901234567890"));
	connect_to("127.0.0.1");
	admit();
	(void)ask("HOST other.example.org");
	(void)ask("USER alice");
	events[0] = '\0';
	say("PASS \r\n"); /* AllowEmptyPasswords off */
	assert_string_equal(events, "");
	pass_time(LOGIN_FAIL_MS);
	assert_string_equal(heard(), "501 No, alice.\r\n");
}

static void an_empty_password_is_asked_about_where_it_is_allowed(void **state)
{
	(void)ask("USER alice");
	say("PASS\r\n");
	assert_string_equal(events, "AUTH 7.1 alice/@0;");
}

static void limits_after_the_password_end_the_connection(void **state)
{
	(void)ask("USER alice");
	say("PASS x\r\n");
	result(1, IPC_REFUSE_TEXT,
		"530 Sorry, the maximum number of allowed clients (1) are already connected.");
	assert_string_equal(
		heard(), "530 Sorry, the maximum number of allowed clients (1) are already connected.\r\n");
	assert_int_equal(conn.state, LOGIN_LINGERING);
	connect_to("127.0.0.1");
	admit();
	(void)ask("USER alice");
	say("PASS x\r\n");
	result(1, IPC_REFUSE_SILENT, "");
	assert_int_equal(conn.state, LOGIN_GONE);
}

static void answers_to_other_requests_do_nothing(void **state)
{
	(void)ask("USER alice");
	say("PASS x\r\n");
	deny(9);
	assert_int_equal(conn.state, LOGIN_AUTHENTICATING);
	deny(1);
	assert_int_equal(conn.state, LOGIN_DELAYING);
	/* auth had granted it and died; the client has not been told anything yet */
	result(1, IPC_OK, "");
	assert_int_equal(conn.state, LOGIN_GONE);
	assert_non_null(strstr(events, "HANDOFF"));
}

static void a_grant_that_comes_too_late_ends_the_connection(void **state)
{
	(void)ask("USER alice");
	say("PASS x\r\n");
	login_conn_auth_lost(&conn, now);
	pass_time(LOGIN_FAIL_MS);
	assert_string_equal(heard(), "530 Login incorrect.\r\n");
	result(1, IPC_OK, "");
	assert_string_equal(heard(), "421 Service not available, please log in again\r\n");
	login_conn_done(&conn);
	assert_null(strstr(events, "HANDOFF"));
	assert_non_null(strstr(events, "DISCONNECT"));
	/* also while the next attempt is with auth */
	connect_to("127.0.0.1");
	admit();
	(void)ask("USER alice");
	say("PASS x\r\n");
	result(0, IPC_OK, "");
	assert_null(strstr(events, "HANDOFF"));
	assert_int_equal(conn.state, LOGIN_CLOSING);
}

static void a_login_waits_for_an_auth_process_that_is_starting(void **state)
{
	auth_there = false;
	(void)ask("USER alice");
	say("PASS x\r\n");
	assert_int_equal(conn.state, LOGIN_AUTHENTICATING);
	login_conn_auth_lost(&conn, now); /* it never had the request */
	assert_int_equal(conn.state, LOGIN_AUTHENTICATING);
	assert_non_null(conn.password);
	auth_there = true;
	login_conn_auth_ready(&conn, now);
	assert_string_equal(events, "AUTH 7.1 alice/x@0;");
	assert_null(conn.password);
	login_conn_auth_ready(&conn, now);
	assert_string_equal(events, "AUTH 7.1 alice/x@0;");
	deny(1);
	pass_time(LOGIN_FAIL_MS);
	(void)heard();
	/* an auth that answers what it was not asked cannot make us keep the password */
	auth_there = false;
	(void)ask("USER alice");
	say("PASS x\r\n");
	assert_non_null(conn.password);
	deny(2);
	assert_null(conn.password);
}

static void a_failing_master_closes(void **state)
{
	master_result = -WE_CLOSED;
	connect_to("127.0.0.1");
	assert_int_equal(conn.state, LOGIN_GONE);
	master_result = 0;
	connect_to("127.0.0.1");
	admit();
	(void)ask("USER alice");
	say("PASS x\r\n");
	master_result = -WE_CLOSED;
	result(1, IPC_OK, "");
	assert_int_equal(conn.state, LOGIN_GONE);
}

/* --- certificates that a responder is asked about --- */

static void secured_with(bool cert_shown, const char *cert)
{
	struct tls_config *tls = &config->servers[0]->scope->conf.tls;

	tls->engine = true;
	tls->verify = TLS_VERIFY_OPTIONAL;
	tls->order = TLS_ORDER_OCSP;
	tls->staple_timeout_ms = 5000;
	login_enter(&conn, LOGIN_SECURING, now);
	conn.cert_shown = cert_shown;
	(void)buf_append(&conn.cert, cert, strlen(cert));
	login_conn_secured(&conn, "TLS", NULL, now);
	tls->engine = false;
}

static void cert_status(uint32_t verdict)
{
	struct ipc_cert_status m = {.sid = SID, .verdict = verdict, .text = "'CN=x' is something"};

	login_conn_cert_status(&conn, &m, now);
}

static void commands_wait_for_the_answer_about_a_certificate(void **state)
{
	static const uint32_t in[] = {IPC_CERT_GOOD, IPC_CERT_DOUBTFUL};

	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		connect_to("127.0.0.1");
		admit();
		(void)heard();
		secured_with(true, "der");
		assert_true(str_ends(events, "CERT 7;"));
		assert_int_equal(conn.state, LOGIN_CHECKING);
		assert_int_equal(login_conn_wants_input(&conn), 0);
		cert_status(in[i]);
		assert_string_equal(ask("NOOP"), "200 NOOP command successful");
		cert_status(IPC_CERT_REFUSED); /* nobody has asked */
		assert_int_equal(conn.state, LOGIN_COMMANDS);
	}
}

static void a_certificate_that_is_refused_ends_the_connection(void **state)
{
	static const char told[] = "421 Client certificate not accepted, closing control connection\r\n";

	secured_with(true, "der");
	cert_status(IPC_CERT_REFUSED);
	assert_string_equal(heard(), told);
	assert_int_equal(conn.state, LOGIN_LINGERING);
	connect_to("127.0.0.1");
	admit();
	(void)heard();
	secured_with(true, "der");
	pass_time(2 * 5000 + LOGIN_CHECK_MS); /* master does not answer */
	assert_string_equal(heard(), told);
	connect_to("127.0.0.1");
	admit();
	(void)heard();
	secured_with(true, ""); /* there was no room for it */
	assert_string_equal(heard(), told);
}

static void without_a_certificate_nobody_is_asked(void **state)
{
	secured_with(false, "");
	assert_int_equal(conn.state, LOGIN_COMMANDS);
	assert_string_equal(events, "");
}

/* --- records --- */

static const char *recorded(int fd)
{
	static char text[2048];
	ssize_t k = read(fd, text, sizeof(text) - 1);

	text[k > 0 ? k : 0] = '\0';
	return text;
}

static void commands_reach_the_extended_log_without_secrets(void **state)
{
	int fds[2];

	assert_non_null(config->logfiles);
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	config->logfiles->fd = fds[1];
	env.extlogs = extlogs_new(config);
	extlogs_prepare(env.extlogs);
	(void)ask("PASS early-secret");
	(void)ask("TYPE I"); /* MISC: not in this log */
	(void)ask("FEAT");
	(void)ask("USER al\x01ice");
	say("PASS some-secret\r\n");
	assert_string_equal(recorded(fds[0]), "PASS|PASS (hidden)|(hidden)|503|Login with USER first|-|-\n"
					      "FEAT|FEAT|-|211|End|-|-\n"
					      "USER|USER al\\x01ice|al\\x01ice|331|Password required for "
					      "al\\x01ice|al\\x01ice|-\n");
	deny(1);
	pass_time(LOGIN_FAIL_MS);
	(void)heard();
	assert_string_equal(
		recorded(fds[0]), "PASS|PASS (hidden)|(hidden)|530|Login incorrect.|al\\x01ice|-\n");
	(void)ask("USER bob");
	say("PASS some-secret\r\n");
	(void)recorded(fds[0]);
	result(2, IPC_REFUSE_TEXT, "530 Sorry");
	assert_string_equal(recorded(fds[0]), "PASS|PASS (hidden)|(hidden)|530|Sorry|bob|-\n");
	extlogs_free(&env.extlogs);
	config->logfiles->fd = -1;
	close(fds[0]);
	close(fds[1]);
}

/* --- time, ends, and clients that do not read --- */

static void timeout_login_ends_with_421_in_every_state(void **state)
{
	for (int i = 0; i < 3; i++) {
		connect_to("127.0.0.1");
		admit();
		(void)heard();
		auth_there = i != 2;
		if (i > 0)
			say("USER alice\r\nPASS x\r\n");
		(void)heard();
		pass_time(59999);
		assert_int_equal(conn.out.len, 0);
		pass_time(1);
		assert_string_equal(
			heard(), "421 Login timeout (60 seconds): closing control connection\r\n");
		assert_null(conn.password);
		pass_time(LOGIN_LINGER_MS);
		assert_int_equal(conn.state, LOGIN_GONE);
	}
}

static void a_client_that_does_not_read_costs_bounded_memory(void **state)
{
	char bytes[6 * 5000 + 1];

	for (unsigned i = 0; i < 5000; i++)
		memcpy(bytes + 6 * i, "HELP\r\n", 7);
	for (unsigned i = 0; i < 5; i++)
		say(bytes);
	assert_int_equal(login_conn_wants_input(&conn), 0);
	assert_true(conn.out.len < LOGIN_OUT_PAUSE + 4096);
	assert_true(line_input(&conn.in)->cap <= LINE_PENDING_MAX + 64);
	pass_time(60000);
	assert_int_equal(conn.state, LOGIN_CLOSING);
	pass_time(LOGIN_CLOSE_MS);
	assert_int_equal(conn.state, LOGIN_GONE);
}

static void many_pipelined_commands_are_all_answered(void **state)
{
	char bytes[6 * 2000 + 1];
	const char *text;
	unsigned n = 0;

	bytes[0] = '\0';
	for (unsigned i = 0; i < 2000; i++)
		memcpy(bytes + 6 * i, "NOOP\r\n", 7);
	say(bytes);
	do {
		text = heard();
		for (const char *at = text; (at = strstr(at, "200 ")) != NULL; at++)
			n++;
	} while (*text != '\0');
	assert_int_equal(n, 2000);
}

static void a_half_closed_client_gets_all_its_answers(void **state)
{
	login_conn_input(&conn, "NOOP\r\nSYST\r\nNO", 14, now);
	login_conn_eof(&conn, now);
	assert_string_equal(heard(), "200 NOOP command successful\r\n215 UNIX Type: L8\r\n");
	assert_int_equal(conn.state, LOGIN_GONE);
	/* also one that logs in */
	connect_to("127.0.0.1");
	admit();
	say("USER alice\r\nPASS x\r\nLIST\r\n");
	conn.eof = true;
	(void)heard();
	result(1, IPC_OK, "");
	assert_true(str_ends(events, "in=LIST\r\n;"));
}

static void a_broken_connection_is_gone_at_once(void **state)
{
	(void)ask("USER alice");
	say("PASS x\r\n");
	login_conn_broken(&conn, "reset", now);
	assert_int_equal(conn.state, LOGIN_GONE);
	login_conn_done(&conn);
	assert_true(str_ends(events, "DISCONNECT 7;"));
}

static void retiring_says_why(void **state)
{
	login_conn_end(&conn, "421 Service not available", now);
	say("NOOP\r\n");
	assert_string_equal(heard(), "421 Service not available\r\n");
	assert_int_equal(conn.state, LOGIN_LINGERING);
}

static void passwords_do_not_stay_in_memory(void **state)
{
	(void)ask("USER alice");
	say("PASS very-secret-word\r\n");
	assert_non_null(line_input(&conn.in)->data);
	assert_null(memmem(line_input(&conn.in)->data, line_input(&conn.in)->cap, "very-secret", 11));
	if (conn.in.held->line.data != NULL)
		assert_null(memmem(conn.in.held->line.data, conn.in.held->line.cap, "very-secret", 11));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_is_said_or_read_before_master_admits),
		T(the_name_of_a_client_is_awaited_before_the_greeting),
		T(a_refused_client_is_told_why_and_closed),
		T(an_address_without_server_is_answered_500),
		T(limit_login_refuses_before_the_greeting),
		T(display_texts_come_before_the_greeting_and_the_farewell),
		T(a_deferred_welcome_names_nothing),
		T(commands_before_login_answer_as_specified),
		T(every_command_before_login_is_there_and_no_other),
		T(feat_and_help_come_from_the_table),
		T(a_limit_by_name_closes_a_command),
		T(other_protocols_are_cut_off_without_a_word),
		T(unusable_lines_are_answered_and_skipped),
		T(host_chooses_a_server_of_the_same_address),
		T(a_login_is_handed_over_with_what_the_client_set),
		T(the_scoreboard_forgets_a_client_before_the_hand_over),
		T(pipelined_replies_leave_before_the_hand_over),
		T(a_failure_is_told_in_steps_of_time),
		T(a_failure_forgets_the_user),
		T(the_last_attempt_closes),
		T(passwords_of_a_wrong_form_never_reach_auth),
		T(an_empty_password_is_asked_about_where_it_is_allowed),
		T(limits_after_the_password_end_the_connection),
		T(answers_to_other_requests_do_nothing),
		T(a_grant_that_comes_too_late_ends_the_connection),
		T(a_login_waits_for_an_auth_process_that_is_starting),
		T(a_failing_master_closes),
		T(commands_wait_for_the_answer_about_a_certificate),
		T(a_certificate_that_is_refused_ends_the_connection),
		T(without_a_certificate_nobody_is_asked),
		T(commands_reach_the_extended_log_without_secrets),
		T(timeout_login_ends_with_421_in_every_state),
		T(a_client_that_does_not_read_costs_bounded_memory),
		T(many_pipelined_commands_are_all_answered),
		T(a_half_closed_client_gets_all_its_answers),
		T(a_broken_connection_is_gone_at_once),
		T(retiring_says_why),
		T(passwords_do_not_stay_in_memory),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
