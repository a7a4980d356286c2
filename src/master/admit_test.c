/* The limits, over a session table without processes. Built with admit.c alone: what it calls elsewhere is
 * here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "master/master.h"

static bool shut;

void generation_ref(struct generation *g)
{
	g->refs++;
}

void generation_unref(struct master *m, struct generation *g)
{
	g->refs--;
}

void live_left(struct master *m, const struct msession *s)
{
}

bool shut_denies(struct master *m, char *text, size_t size)
{
	(void)snprintf(text, size, "500 shut");
	return shut;
}

static struct master m;
static struct ftp_scope scope, anon;
static struct ftp_server server = {.scope = &scope};
static struct ftp_server *servers[] = {&server};
static struct ftp_config config = {.servers = servers, .n_servers = 1};
static struct generation gen = {.config = &config};
static struct child login = {.role = IPC_LOGIN, .gen = &gen}, process = {.role = IPC_SESSION, .gen = &gen};
static struct ftp_class lan = {.name = "lan"}, wan = {.name = "wan"};
static char text[1024];

static int set_up(void **state)
{
	memset(&m, 0, sizeof(m));
	list_init(&m.sessions);
	memset(&scope, 0, sizeof(scope));
	memset(&anon, 0, sizeof(anon));
	config.max_instances = config.max_connection_rate = 0;
	scope.anons = &anon;
	shut = false;
	gen.refs = 0;
	return 0;
}

static int tear_down(void **state)
{
	LIST_EACH(it, tmp, &m.sessions)
	msession_free(&m, LIST_OBJ(it, struct msession, link));
	grantee_unref(&process.grantee);
	return gen.refs == 0 && m.n_sessions == 0 ? 0 : -1;
}

static struct msession *session_of(const char *peer, const char *user, uint32_t section)
{
	struct ipc_grant g = {.user = user,
		.anon = section,
		.sent_user = "",
		.email = "",
		.group_names = "",
		.home = "/",
		.root = "/",
		.chdir = ""};
	struct msession *s = msession_new(&m, &login);

	s->server = &server;
	assert_int_equal(addr_parse(peer, 4000, &s->peer), 0);
	assert_int_equal(addr_parse("127.0.0.1", 21, &s->local), 0);
	if (user != NULL) {
		grant_keep(s, &g);
		grant_started(s, &process);
		s->state = MSESSION_ACTIVE;
		msession_move(s, &process);
	}
	return s;
}

static struct msession *session(const char *peer, const char *user)
{
	return session_of(peer, user, 0);
}

static void sessions_are_found_by_number(void **state)
{
	struct msession *a = session("192.0.2.1", NULL), *b = session("192.0.2.1", "bob");
	uint32_t sid = a->sid;

	assert_ptr_equal(msession_find(&m, a->sid), a);
	assert_ptr_equal(msession_find(&m, b->sid), b);
	assert_int_not_equal(a->sid, b->sid);
	assert_int_equal(process.n_sessions, 1);
	msession_free(&m, a);
	assert_null(msession_find(&m, sid));
	m.next_sid = UINT32_MAX; /* the counter comes round: 0 and numbers in use are left out */
	m.next_sid = b->sid - 1;
	assert_int_not_equal(session("192.0.2.1", NULL)->sid, b->sid);
	m.next_sid = UINT32_MAX;
	assert_int_not_equal(session("192.0.2.1", NULL)->sid, 0);
}

static void sessions_of_a_process_share_an_equal_grantee(void **state)
{
	struct msession *a = session("192.0.2.1", "bob"), *b = session("192.0.2.2", "bob"),
			*c = session_of("192.0.2.2", "bob", 1);

	assert_ptr_equal(a->grantee, b->grantee);
	assert_ptr_not_equal(c->grantee, b->grantee);
	assert_null(a->start);
	msession_free(&m, a);
	assert_string_equal(msession_user(b), "bob");
	assert_int_equal(b->grantee->refs, 1); /* the process remembers that of the last one */
	assert_int_equal(c->grantee->refs, 2);
}

static void a_session_goes_back_to_before_its_login(void **state)
{
	struct msession *s = session_of("192.0.2.1", "bob", 1);

	s->xfer_command = FTP_XFER_RETR;
	msession_reset(&m, s, &login);
	assert_int_equal(process.n_sessions, 0);
	assert_ptr_equal(s->owner, &login);
	assert_int_equal(s->state, MSESSION_CONNECTED);
	assert_null(msession_user(s));
	assert_int_equal(msession_anon(s), 0);
	assert_int_equal(s->xfer_command, 0);
	assert_ptr_equal(msession_find(&m, s->sid), s);
}

static void connections_are_limited(void **state)
{
	struct msession *s;

	scope.conf.max_connections_per_host = (struct ftp_max){2, "only %m"};
	(void)session("192.0.2.1", NULL);
	(void)session("192.0.2.9", NULL);
	s = session("192.0.2.1", NULL);
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_OK);
	s = session("192.0.2.1", NULL);
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_REFUSE_TEXT);
	assert_string_equal(text, "530 only 2");
	config.max_instances = 4;
	s = session("192.0.2.7", NULL);
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_REFUSE_SILENT);
	config.max_instances = 5;
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_OK);
	config.max_connection_rate = 1;
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_OK);
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_REFUSE_SILENT);
	config.max_connection_rate = 0;
	shut = true;
	assert_int_equal(admit_connection(&m, s, text, sizeof(text)), IPC_REFUSE_TEXT);
	assert_string_equal(text, "500 shut");
}

/* A login of user from peer against one limit: 1 admitted, 0 refused. */
static int try_login(const char *peer, const char *user, struct ftp_class *class, uint32_t anonymous)
{
	struct msession *s = session_of(peer, user, anonymous);
	int ok;

	s->class = class;
	s->state = MSESSION_GRANTED;
	ok = admit_login(&m, s, text, sizeof(text)) == IPC_OK;
	s->state = MSESSION_ACTIVE;
	if (!ok)
		msession_free(&m, s);
	return ok;
}

static void clients_are_limited(void **state)
{
	scope.conf.max_clients = (struct ftp_max){2, "full at %m%%"};
	(void)session("192.0.2.1", NULL); /* not logged in: does not count */
	assert_true(try_login("192.0.2.1", "a", NULL, 0));
	assert_true(try_login("192.0.2.2", "b", NULL, 0));
	assert_false(try_login("192.0.2.3", "c", NULL, 0));
}

static void users_and_hosts_are_limited(void **state)
{
	scope.conf.max_clients_per_user = (struct ftp_max){2, "user %m"};
	scope.conf.max_hosts_per_user = (struct ftp_max){1, "hosts %m"};
	assert_true(try_login("192.0.2.1", "a", NULL, 0));
	assert_false(try_login("192.0.2.2", "a", NULL, 0));
	assert_string_equal(text, "530 hosts 1");
	assert_true(try_login("192.0.2.1", "a", NULL, 0));
	assert_false(try_login("192.0.2.1", "a", NULL, 0));
	assert_string_equal(text, "530 user 2");
	assert_true(try_login("192.0.2.2", "b", NULL, 0));
	scope.conf.max_clients_per_host = (struct ftp_max){2, "host %m"};
	assert_false(try_login("192.0.2.1", "c", NULL, 0));
	assert_string_equal(text, "530 host 2");
	assert_true(try_login("192.0.2.2", "c", NULL, 0));
}

static void an_anonymous_section_counts_its_own(void **state)
{
	anon.conf.max_clients = (struct ftp_max){1, "anon %m"};
	assert_true(try_login("192.0.2.1", "bob", NULL, 0));
	assert_true(try_login("192.0.2.1", "ftp", NULL, 1));
	assert_false(try_login("192.0.2.1", "ftp", NULL, 1));
	assert_true(try_login("192.0.2.1", "bob", NULL, 0));
}

static void classes_are_limited(void **state)
{
	struct ftp_class_max rule = {.class_name = "lan", .max = 1, .message = "class %m"};

	scope.conf.max_clients_per_class = &rule;
	assert_true(try_login("192.0.2.1", "a", &lan, 0));
	assert_false(try_login("192.0.2.2", "b", &lan, 0));
	assert_string_equal(text, "530 class 1");
	assert_true(try_login("192.0.2.2", "b", &wan, 0));
	assert_true(try_login("192.0.2.3", "c", NULL, 0));
}

static void transfers_are_counted_per_command(void **state)
{
	struct ipc_xfer_claim retr = {.command = FTP_XFER_RETR, .max_user = 1},
			      stor = {.command = FTP_XFER_STOR, .max_user = 1},
			      host = {.command = FTP_XFER_RETR, .max_host = 1};
	struct msession *a = session("192.0.2.1", "a"), *b = session("192.0.2.1", "a"),
			*c = session("192.0.2.1", "c");

	assert_int_equal(admit_transfer(&m, a, &retr), 0);
	assert_int_equal(admit_transfer(&m, b, &retr), 1);
	assert_int_equal(admit_transfer(&m, b, &stor), 0);
	assert_int_equal(admit_transfer(&m, c, &host), 2);
	a->xfer_command = 0;
	assert_int_equal(admit_transfer(&m, c, &host), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sessions_are_found_by_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			sessions_of_a_process_share_an_equal_grantee, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_goes_back_to_before_its_login, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clients_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(users_and_hosts_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_anonymous_section_counts_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(classes_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(transfers_are_counted_per_command, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
