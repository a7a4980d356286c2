/* What master answers to a child, over a real channel: the test is the child. Built with handler.c and
 * admit.c; what they call elsewhere is here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "master/asker.h"
#include "master/own.h"
#include "master/revocation.h"

struct end { /* a child and our end of its channel */
	struct child child;
	struct ipc_chan chan;
};

static struct master m;
static struct ftp_scope scope;
static struct ftp_server server = {.scope = &scope};
static struct ftp_server *servers[] = {&server};
static struct ftp_config config = {.servers = servers, .n_servers = 1, .generation = 1};
static struct generation gen = {.config = &config};
static struct end login, auth, process;
static const struct child *killed;
static struct ipc_scratch scratch;
static struct asker *asker; /* the process that was forked last for a question */
static unsigned asked;
static struct loop_watch *added; /* by a process that gives something away */

/* --- what master has elsewhere --- */

void generation_ref(struct generation *g)
{
}

void generation_unref(struct master *mm, struct generation *g)
{
}

void live_login(struct master *mm, const struct msession *s)
{
}

void live_left(struct master *mm, const struct msession *s)
{
}

void live_transfer(struct master *mm, const struct msession *s, const struct ipc_xfer_report *x)
{
}

int mapper_used(struct master *mm, struct generation *g, const struct ipc_map_used *q)
{
	return q->index < 2 ? 0 : -WE_PERMIT;
}

bool shut_denies(struct master *mm, char *text, size_t size)
{
	return false;
}

int loop_add(struct loop *l, struct loop_watch *w, int fd, uint32_t events, loop_fn *fn, void *arg)
{
	*w = (struct loop_watch){.fd = fd, .events = events, .fn = fn, .arg = arg};
	added = w;
	return 0;
}

void loop_del(struct loop *l, struct loop_watch *w)
{
	if (added == w)
		added = NULL;
}

void loop_mod(struct loop *l, struct loop_watch *w, uint32_t events)
{
}

int child_send(struct child *c, enum ipc_type type, const void *msg, int fd)
{
	return ipc_send(&c->chan, type, msg, fd);
}

int child_for_identity(struct master *mm, struct generation *g, const struct identity *id,
	struct child **ret_c, struct err *err)
{
	*ret_c = &process.child;
	return 0;
}

struct child *child_login(const struct master *mm)
{
	return &login.child;
}

void child_kill(struct master *mm, struct child *c, const char *why)
{
	killed = c;
}

int asker_start(struct asker *a, struct master *mm, unsigned secs, size_t size, asker_fn *fn, void *fn_arg)
{
	asker = a;
	asked++;
	a->fd = 99;
	a->deadline_ms = clock_ms() + secs * UINT64_C(1000);
	a->answer = xcalloc(1, size);
	a->size = size;
	return 0;
}

void asker_stop(struct asker *a)
{
	if (a->fd >= 0)
		free(a->answer);
	a->fd = -1;
}

/* --- the test --- */

static void end_init(struct end *e, enum ipc_role role)
{
	int fds[2];

	memset(e, 0, sizeof(*e));
	assert_int_equal(ipc_pair(fds), 0);
	e->child.role = role;
	e->child.gen = &gen;
	ipc_chan_init(&e->child.chan, fds[0], IPC_MASTER, role);
	ipc_chan_init(&e->chan, fds[1], role, IPC_MASTER);
}

static void end_done(struct end *e)
{
	ipc_chan_done(&e->child.chan);
	ipc_chan_done(&e->chan);
}

static int set_up(void **state)
{
	memset(&m, 0, sizeof(m));
	list_init(&m.sessions);
	memset(&scope, 0, sizeof(scope));
	scope.conf.port = 21;
	server.is_default = true;
	master_the = &m;
	killed = NULL;
	asked = 0;
	server.tls = NULL;
	end_init(&login, IPC_LOGIN);
	end_init(&auth, IPC_AUTH);
	end_init(&process, IPC_SESSION);
	return 0;
}

static int tear_down(void **state)
{
	own_finish(&m);
	revocation_free(&m);
	LIST_EACH(it, tmp, &m.sessions)
	msession_free(&m, LIST_OBJ(it, struct msession, link));
	grantee_unref(&process.child.grantee);
	end_done(&login);
	end_done(&auth);
	end_done(&process);
	return 0;
}

static void say(struct end *e, enum ipc_type type, const void *msg, int fd)
{
	assert_int_equal(ipc_send(&e->chan, type, msg, fd), 0);
	handler_event(&e->child, EPOLLIN);
}

/* The answer of that type; its descriptor is the caller's. */
static struct ipc_msg heard(struct end *e, enum ipc_type type)
{
	struct ipc_msg got;

	assert_int_equal(ipc_recv(&e->chan, &scratch, &got), 1);
	assert_int_equal(got.permit->type, type);
	return got;
}

static void assert_silent(struct end *e)
{
	struct ipc_msg got;

	assert_int_equal(ipc_recv(&e->chan, &scratch, &got), 0);
}

static uint32_t connected(uint16_t local_port)
{
	struct ipc_connect q = {.cid = 7};
	struct ipc_msg got;

	assert_int_equal(addr_parse("192.0.2.1", 4000, &q.peer), 0);
	assert_int_equal(addr_parse("127.0.0.1", local_port, &q.local), 0);
	say(&login, IPC_CONNECT, &q, -1);
	got = heard(&login, IPC_ADMIT);
	assert_int_equal(got.admit.verdict, IPC_OK);
	return got.admit.sid;
}

static void grant_by(uint32_t sid, uid_t uid, const char *certificate)
{
	uint8_t digest[TLS_FINGERPRINT_BYTES];
	uint32_t group = getegid();
	struct ipc_grant g = {.sid = sid,
		.request = 1,
		.user = "alice",
		.sent_user = "alice",
		.email = "",
		.uid = uid,
		.gid = group,
		.groups = {&group, 1},
		.group_names = "",
		.home = "/",
		.root = "/",
		.chdir = "",
		.class_name = ""};

	if (certificate != NULL) {
		tls_client_cert_digest(certificate, strlen(certificate), digest);
		g.certificate = (struct ipc_bytes){digest, sizeof(digest)};
	}
	say(&auth, IPC_GRANT, &g, -1);
}

static void grant(uint32_t sid, uid_t uid)
{
	grant_by(sid, uid, NULL);
}

static void hand_off(uint32_t sid)
{
	struct ipc_handoff h = {.sid = sid, .generation = 1, .clnt = "", .client_name = "client.example.com"};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	say(&login, IPC_HANDOFF, &h, fds[0]);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static uint32_t logged_in(uint16_t local_port)
{
	uint32_t sid = connected(local_port);
	struct ipc_msg got;

	scope.conf.root_login = true; /* the test may run as root */
	grant(sid, geteuid());
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_OK);
	hand_off(sid);
	got = heard(&process, IPC_SESSION_START);
	assert_int_equal(got.session_start.grant.sid, sid);
	ipc_msg_done(&got);
	return sid;
}

static void login_is_carried_through(void **state)
{
	uint32_t sid = logged_in(21);
	struct ipc_sid end = {.sid = sid};

	assert_null(killed);
	assert_int_equal(login.child.n_sessions, 0);
	assert_int_equal(process.child.n_sessions, 1);
	say(&process, IPC_SESSION_END, &end, -1);
	assert_int_equal(m.n_sessions, 0);
	assert_int_equal(process.child.n_sessions, 0);
}

static void last_words_of_a_process_count(void **state)
{
	uint32_t sid = connected(21);
	struct ipc_handoff h = {.sid = sid, .generation = 1, .clnt = "", .client_name = "client.example.com"};
	struct ipc_msg got;
	int fds[2];

	scope.conf.root_login = true;
	grant(sid, geteuid());
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ipc_send(&login.chan, IPC_HANDOFF, &h, fds[0]), 0);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	handler_last_words(&m, &login.child);
	got = heard(&process, IPC_SESSION_START);
	assert_int_equal(got.session_start.grant.sid, sid);
	ipc_msg_done(&got);
}

static void handoff_needs_a_grant(void **state)
{
	hand_off(connected(21));
	assert_ptr_equal(killed, &login.child);
	assert_silent(&process);
}

static void grant_of_a_foreign_identity_is_refused(void **state)
{
	grant(connected(21), geteuid() + 1); /* this daemon cannot switch */
	assert_ptr_equal(killed, &auth.child);
	assert_silent(&login);
}

static void login_cannot_hold_more_connections_than_descriptors(void **state)
{
	struct ipc_connect q = {.cid = 7};
	struct rlimit r, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	few = r;
	few.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < 40; i++)
		(void)connected(21);
	assert_null(killed);
	assert_int_equal(addr_parse("192.0.2.1", 4000, &q.peer), 0);
	q.local = q.peer;
	say(&login, IPC_CONNECT, &q, -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	assert_ptr_equal(killed, &login.child);
	assert_int_equal(m.n_sessions, 40);
}

static void sessions_of_others_are_out_of_reach(void **state)
{
	struct ipc_sid q = {.sid = connected(21)};

	say(&process, IPC_SESSION_END, &q, -1);
	assert_int_equal(m.n_sessions, 1);
	say(&process, IPC_ACTIVE_REQUEST, &q, -1);
	assert_silent(&process);
}

static uint16_t free_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct addr a;

	assert_int_equal(addr_parse("127.0.0.1", 0, &a), 0);
	assert_int_equal(bind(fd, &a.sa, addr_len(&a)), 0);
	assert_int_equal(addr_local(fd, &a), 0);
	fd_close(&fd);
	return addr_port(&a);
}

/* Login says where a client has connected to; for a privileged port the configuration must agree. */
static void active_sockets_are_of_served_ports(void **state)
{
	struct ipc_sid q = {.sid = logged_in(26)};
	struct ipc_msg got;

	say(&process, IPC_ACTIVE_REQUEST, &q, -1);
	got = heard(&process, IPC_ACTIVE_SOCKET);
	assert_int_equal(got.fd, -1);
	assert_int_not_equal(got.active_socket.error, 0);
	scope.conf.port = (uint16_t)(free_port() + 1);
	q.sid = logged_in(scope.conf.port);
	say(&process, IPC_ACTIVE_REQUEST, &q, -1);
	got = heard(&process, IPC_ACTIVE_SOCKET);
	assert_int_equal(got.active_socket.error, 0);
	assert_true(got.fd >= 0);
	ipc_msg_done(&got);
}

static void a_mapping_that_is_not_there_cannot_be_used(void **state)
{
	struct ipc_map_used q = {.index = 1};

	say(&process, IPC_MAP_USED, &q, -1);
	assert_null(killed);
	q.index = 2;
	say(&process, IPC_MAP_USED, &q, -1);
	assert_ptr_equal(killed, &process.child);
}

/* A file of ours in *ret_path (removed by the caller). */
static int own_file(char path[static 40], mode_t mode)
{
	int fd;

	strcpy(path, "/tmp/handler_test.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

/* What master does of itself, until nothing is being given away. */
static void let_give(void)
{
	(void)own_tick(&m, clock_ms());
	while (added != NULL) {
		struct pollfd p = {.fd = added->fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, 60000), 1);
		added->fn(added->arg, EPOLLIN);
	}
}

/* As session/store.c: what asks no file system. */
static int path_only(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The group of a file of ours after master was asked to give it the group gid. */
static gid_t group_after(struct ipc_own *q, mode_t mode, bool linked)
{
	char path[40], other[48];
	int fd = own_file(path, mode), given = path_only(path);
	struct stat st;

	(void)snprintf(other, sizeof(other), "%s.2", path);
	if (linked)
		assert_int_equal(link(path, other), 0);
	say(&process, IPC_OWN, q, given);
	fd_close(&given);
	let_give();
	assert_int_equal(fstat(fd, &st), 0);
	fd_close(&fd);
	(void)unlink(path);
	(void)unlink(other);
	return st.st_gid;
}

static void only_plain_files_of_the_user_get_only_configured_owners(void **state)
{
	struct ftp_scope dir = {.kind = CONF_KIND_DIRECTORY, .parent = &scope};
	struct ipc_own q = {.sid = logged_in(21), .group = true, .gid = 54321};
	struct stat st;
	char path[40];
	int fd, given;

	if (geteuid() != 0)
		skip();
	dir.conf.group_owner = (struct ftp_owner){true, 54321};
	scope.dirs = &dir;
	assert_int_equal(group_after(&q, 0644, false), 54321);
	assert_int_equal(group_after(&q, 0644, true), getegid());
	assert_int_equal(group_after(&q, 04755, false), getegid());
	fd = path_only("/dev/null");
	say(&process, IPC_OWN, &q, fd);
	let_give();
	fd_close(&fd);
	assert_null(killed);
	q.user = true; /* no section names a user */
	assert_int_equal(group_after(&q, 0644, false), getegid());
	assert_ptr_equal(killed, &process.child);
	dir.conf.user_owner = (struct ftp_owner){true, 12345};
	q.uid = 0;
	killed = NULL;
	assert_int_equal(group_after(&q, 0644, false), getegid());
	assert_ptr_equal(killed, &process.child);
	q.uid = 12345;
	assert_int_equal(group_after(&q, 0644, false), 54321);
	/* somebody else's file */
	q.gid = 54321;
	killed = NULL;
	fd = own_file(path, 0600);
	assert_int_equal(fchown(fd, 777, 777), 0);
	given = path_only(path);
	say(&process, IPC_OWN, &q, given);
	let_give();
	fd_close(&given);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, 777);
	assert_null(killed);
	/* one whose close would ask the file system */
	say(&process, IPC_OWN, &q, fd);
	assert_ptr_equal(killed, &process.child);
	fd_close(&fd);
	(void)unlink(path);
	scope.dirs = NULL;
}

static void rein_keeps_the_name_that_login_knew(void **state)
{
	struct ipc_rein q = {.sid = logged_in(21), .input = {"x", 1}};
	struct ipc_msg got;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	say(&process, IPC_REIN, &q, fds[0]);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	got = heard(&login, IPC_ADOPT);
	assert_string_equal(got.adopt.client_name, "client.example.com");
	assert_int_equal(got.adopt.input.len, 1);
	assert_int_equal(login.child.n_sessions, 1);
	assert_int_equal(process.child.n_sessions, 0);
	ipc_msg_done(&got);
}

/* --- certificates of clients --- */

/* The server asks responders; nobody looks into its material here. */
static void responders_on(void)
{
	static char material;

	scope.conf.tls.engine = true;
	scope.conf.tls.verify = TLS_VERIFY_OPTIONAL;
	scope.conf.tls.order = TLS_ORDER_OCSP;
	scope.conf.tls.staple_timeout_ms = 5000;
	scope.conf.root_login = true;
	server.tls = (struct tls_material *)(void *)&material;
}

static uint32_t shown(const char *certificate)
{
	struct ipc_cert_check q = {
		.sid = connected(21), .certificate = {(const uint8_t *)certificate, strlen(certificate)}};

	say(&login, IPC_CERT_CHECK, &q, -1);
	return q.sid;
}

static void answered(uint32_t status, int64_t secs)
{
	struct tls_revocation *a = asker->answer;
	int64_t now = (int64_t)time(NULL);

	*a = (struct tls_revocation){.status = status,
		.until = now + secs,
		.refresh = now + secs,
		.text = "'CN=x' is this or that"};
	asker->done(asker->arg, sizeof(*a));
}

static void told(uint32_t sid, uint32_t verdict)
{
	struct ipc_msg got = heard(&login, IPC_CERT_STATUS);

	assert_int_equal(got.cert_status.sid, sid);
	assert_int_equal(got.cert_status.verdict, verdict);
	assert_string_not_equal(got.cert_status.text, "");
}

static void clients_with_one_certificate_share_a_question_and_its_answer(void **state)
{
	uint32_t one, two;

	responders_on();
	one = shown("a");
	two = shown("a");
	assert_int_equal(asked, 1);
	assert_silent(&login);
	answered(TLS_REVOCATION_GOOD, 1000);
	told(one, IPC_CERT_GOOD);
	told(two, IPC_CERT_GOOD);
	told(shown("a"), IPC_CERT_GOOD);
	assert_int_equal(asked, 1);
	one = shown("b");
	assert_int_equal(asked, 2);
	answered(TLS_REVOCATION_REVOKED, 1000);
	told(one, IPC_CERT_REFUSED);
	told(shown("b"), IPC_CERT_REFUSED);
	assert_int_equal(asked, 2);
}

static void a_client_that_has_gone_is_told_nothing(void **state)
{
	struct ipc_disconnect gone;

	responders_on();
	gone.sid = shown("a");
	say(&login, IPC_DISCONNECT, &gone, -1);
	answered(TLS_REVOCATION_GOOD, 1000);
	assert_silent(&login);
	told(shown("a"), IPC_CERT_GOOD);
}

static void no_answer_is_as_the_options_say_and_not_asked_for_at_once_again(void **state)
{
	uint32_t sid;

	responders_on();
	sid = shown("a");
	asker->done(asker->arg, 10);
	told(sid, IPC_CERT_REFUSED);
	scope.conf.tls.options = TLS_OPT_OCSP_SOFT_FAIL;
	told(shown("a"), IPC_CERT_DOUBTFUL);
	assert_int_equal(asked, 1);
}

static void an_answer_is_not_asked_for_again_at_once(void **state)
{
	struct tls_revocation *a;
	int64_t now = (int64_t)time(NULL);
	uint32_t sid;

	responders_on();
	sid = shown("a");
	a = asker->answer;
	*a = (struct tls_revocation){
		.status = TLS_REVOCATION_GOOD, .until = now + 10, .refresh = now, .text = "'CN=x' is good"};
	asker->done(asker->arg, sizeof(*a));
	told(sid, IPC_CERT_GOOD);
	told(shown("a"), IPC_CERT_GOOD); /* a refresh of now is one in ten seconds */
	assert_int_equal(asked, 1);
}

static void too_many_questions_are_not_asked(void **state)
{
	uint32_t first = 0, sid = 0;
	char name[8];

	responders_on();
	for (unsigned i = 0; i < 64; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		sid = shown(name);
		first = i == 0 ? sid : first;
	}
	assert_int_equal(asked, 8);
	assert_silent(&login);
	told(shown("another"), IPC_CERT_REFUSED);
	answered(TLS_REVOCATION_GOOD, 1000); /* of the eighth */
	(void)heard(&login, IPC_CERT_STATUS);
	(void)revocation_tick(&m, clock_ms());
	assert_int_equal(asked, 9);
	(void)revocation_tick(&m, clock_ms() + 6000); /* those that wait for longer than one may take */
	(void)heard(&login, IPC_CERT_STATUS);
	(void)revocation_tick(&m, clock_ms() + 60000); /* and processes that do not end */
	for (unsigned i = 2; i < 64; i++)
		(void)heard(&login, IPC_CERT_STATUS);
	assert_silent(&login);
}

static void only_what_an_honest_login_process_asks_is_answered(void **state)
{
	struct ipc_cert_check q = {.certificate = {(const uint8_t *)"a", 1}};

	q.sid = connected(21);
	say(&login, IPC_CERT_CHECK, &q, -1); /* this server asks nobody */
	assert_ptr_equal(killed, &login.child);
	killed = NULL;
	responders_on();
	q.sid = shown("a");
	assert_null(killed);
	say(&login, IPC_CERT_CHECK, &q, -1); /* it has not waited for the answer */
	assert_ptr_equal(killed, &login.child);
}

/* A login process that does not wait, and a client that comes back (REIN) while the first question is still open. */
static void the_answer_to_an_earlier_question_is_not_for_a_later_one(void **state)
{
	struct ipc_cert_check b = {.sid = 0, .certificate = {(const uint8_t *)"b", 1}};
	struct ipc_rein q = {0};
	struct asker *first;
	struct ipc_msg got;
	int fds[2];

	responders_on();
	b.sid = q.sid = shown("a");
	first = asker;
	grant(q.sid, geteuid());
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_OK);
	hand_off(q.sid);
	got = heard(&process, IPC_SESSION_START);
	ipc_msg_done(&got);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	say(&process, IPC_REIN, &q, fds[0]);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	got = heard(&login, IPC_ADOPT);
	ipc_msg_done(&got);
	say(&login, IPC_CERT_CHECK, &b, -1);
	assert_int_equal(asked, 2);
	*(struct tls_revocation *)first->answer =
		(struct tls_revocation){.status = TLS_REVOCATION_GOOD, .until = INT64_MAX};
	first->done(first->arg, sizeof(struct tls_revocation));
	assert_silent(&login);
	answered(TLS_REVOCATION_REVOKED, 1000);
	told(b.sid, IPC_CERT_REFUSED);
	assert_null(killed);
}

static void a_login_is_by_the_certificate_that_was_asked_about(void **state)
{
	uint32_t sid;

	responders_on();
	sid = shown("a");
	answered(TLS_REVOCATION_GOOD, 1000);
	told(sid, IPC_CERT_GOOD);
	grant_by(sid, geteuid(), "b");
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_REFUSE_TEXT);
	grant_by(sid, geteuid(), "a");
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_OK);
	grant_by(connected(21), geteuid(), "a"); /* it was not asked for this client */
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_REFUSE_TEXT);
	grant(connected(21), geteuid()); /* by password */
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_OK);
	sid = shown("r");
	answered(TLS_REVOCATION_REVOKED, 1000);
	told(sid, IPC_CERT_REFUSED);
	grant_by(sid, geteuid(), "r");
	assert_int_equal(heard(&login, IPC_LOGIN_RESULT).login_result.verdict, IPC_REFUSE_TEXT);
	assert_null(killed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(login_is_carried_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(last_words_of_a_process_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(handoff_needs_a_grant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(grant_of_a_foreign_identity_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			login_cannot_hold_more_connections_than_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sessions_of_others_are_out_of_reach, set_up, tear_down),
		cmocka_unit_test_setup_teardown(active_sockets_are_of_served_ports, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_mapping_that_is_not_there_cannot_be_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			only_plain_files_of_the_user_get_only_configured_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			clients_with_one_certificate_share_a_question_and_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_has_gone_is_told_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			no_answer_is_as_the_options_say_and_not_asked_for_at_once_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_is_not_asked_for_again_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_questions_are_not_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			only_what_an_honest_login_process_asks_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_answer_to_an_earlier_question_is_not_for_a_later_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_login_is_by_the_certificate_that_was_asked_about, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rein_keeps_the_name_that_login_knew, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
