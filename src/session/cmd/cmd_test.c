/* Commands without the session machine: replies are caught, work of the pool runs at once, and the rules
 * forbid everything that has "denied" in its path, and the commands named in `forbidden`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "ftp/reply.h"
#include "ftp/verb.h"
#include "session/cmd/cmd.h"
#include "session/owner.h"
#include "session/xfer.h"
#include "vfs/vfs_test_tree.h"

extern const struct session_cmd session_cmd_cwd, session_cmd_xcwd, session_cmd_cdup, session_cmd_xcup,
	session_cmd_pwd, session_cmd_xpwd, session_cmd_mkd, session_cmd_xmkd, session_cmd_rmd,
	session_cmd_xrmd, session_cmd_dele, session_cmd_rnfr, session_cmd_rnto, session_cmd_size,
	session_cmd_mdtm, session_cmd_mfmt, session_cmd_mff, session_cmd_mfct, session_cmd_list,
	session_cmd_nlst, session_cmd_mlsd, session_cmd_mlst, session_cmd_stat, session_cmd_syst,
	session_cmd_help, session_cmd_feat, session_cmd_clnt, session_cmd_csid, session_cmd_lang,
	session_cmd_host, session_cmd_user, session_cmd_pass, session_cmd_rein, session_cmd_acct,
	session_cmd_smnt, session_cmd_opts, session_cmd_site;
extern const struct session_cmd session_site_help, session_site_umask, session_site_idle, session_site_chmod,
	session_site_chgrp, session_site_utime, session_site_mkdir, session_site_rmdir, session_site_symlink,
	session_site_copy, session_site_cpfr, session_site_cpto;

static const struct session_cmd *const all[] = {&session_cmd_cwd, &session_cmd_xcwd, &session_cmd_cdup,
	&session_cmd_xcup, &session_cmd_pwd, &session_cmd_xpwd, &session_cmd_mkd, &session_cmd_xmkd,
	&session_cmd_rmd, &session_cmd_xrmd, &session_cmd_dele, &session_cmd_rnfr, &session_cmd_rnto,
	&session_cmd_size, &session_cmd_mdtm, &session_cmd_mfmt, &session_cmd_mff, &session_cmd_mfct,
	&session_cmd_list, &session_cmd_nlst, &session_cmd_mlsd, &session_cmd_mlst, &session_cmd_stat,
	&session_cmd_syst, &session_cmd_help, &session_cmd_feat, &session_cmd_clnt, &session_cmd_csid,
	&session_cmd_lang, &session_cmd_host, &session_cmd_user, &session_cmd_pass, &session_cmd_rein,
	&session_cmd_acct, &session_cmd_smnt, &session_cmd_opts, &session_cmd_site};
const struct session_cmd *const session_site_cmds[] = {&session_site_help, &session_site_umask,
	&session_site_idle, &session_site_chmod, &session_site_chgrp, &session_site_utime,
	&session_site_mkdir, &session_site_rmdir, &session_site_symlink, &session_site_copy,
	&session_site_cpfr, &session_site_cpto, NULL};

/* --- the machine's side --- */

static struct ftp_scope scope;
static struct ftp_server server;
static struct session_command command;
static struct session_account account;
static struct session session;
static struct buf out;
static const char *forbidden = "";
static char logged[VFS_PATH_SIZE];

struct buf *session_out(struct session *s)
{
	return &out;
}

void session_replied(struct session *s, int code, int r)
{
	assert_int_equal(r, 0);
	if (code)
		s->cmd->reply_code = code;
}

#define FORMAT                                                                                               \
	char text[8192];                                                                                     \
	va_list ap;                                                                                          \
	va_start(ap, fmt);                                                                                   \
	(void)vsnprintf(text, sizeof text, fmt, ap);                                                         \
	va_end(ap)

void session_reply(struct session *s, int code, const char *fmt, ...)
{
	FORMAT;
	session_replied(s, code, reply(&out, (unsigned)code, "%s", text));
}

void session_reply_first(struct session *s, int code, const char *fmt, ...)
{
	FORMAT;
	session_replied(s, code, reply_first(&out, (unsigned)code, "%s", text));
}

void session_reply_more(struct session *s, const char *fmt, ...)
{
	FORMAT;
	session_replied(s, 0, reply_line(&out, "%s", text));
}

void session_reply_errno(struct session *s, int code, const char *arg, int error)
{
	session_reply(s, code, "%s: %s", arg, err_text(error));
}

void session_reply_display(struct session *s, int code, const char *text)
{
	if (text)
		session_replied(s, code, reply_text(&out, (unsigned)code, text, strlen(text)));
}

char *session_display_text(struct session *s, const struct ftp_display *d, const char *dir)
{
	char vpath[VFS_PATH_SIZE], text[100] = "";
	int fd;
	ssize_t n;

	if (vfs_path_resolve(dir, d->path, vpath) < 0)
		return NULL;
	fd = vfs_open(s->root, vpath, 0, 0, 0);
	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 ? strdup(text) : NULL;
}

enum ftp_result session_job(struct session *s, session_work_fn *work, session_done_fn *done, void *arg)
{
	static const atomic_bool cancel;

	work(arg, &cancel);
	return done(s, arg);
}

int session_path(const struct session *s, const char *arg, char vpath[VFS_PATH_SIZE])
{
	return vfs_path_resolve(s->cwd, arg, vpath);
}

int session_allowed(
	struct session *s, const char *verb, const char *vpath, unsigned flags, struct session_access *ret)
{
	int r;

	if (flags & VFS_CACHED)
		return -EAGAIN;
	r = vfs_realpath(s->root, vpath, flags, ret->real);
	if (r < 0)
		return r;
	if (verb && (strstr(ret->real, "denied") || str_eq(verb, forbidden)))
		return -EPERM;
	ret->conf = &scope.conf;
	return 0;
}

void session_access_done(struct session_access *a)
{
}

bool session_entry_allowed(
	struct session *s, const char *verb, const struct session_access *dir, const char *name)
{
	return !strstr(name, "denied") && !str_eq(verb, forbidden);
}

int session_new_allowed(struct session *s, const char *verb, const struct session_access *dir,
	const char *vpath, const struct ftp_conf **ret_conf)
{
	*ret_conf = &scope.conf;
	return strstr(vpath, "denied") || str_eq(verb, forbidden) ? -EPERM : 0;
}

mode_t session_copy_mode(const struct session *s, const struct ftp_conf *conf, mode_t mode)
{
	return mode & 0755;
}

void session_free_source(struct session *s, struct xfer_source *src)
{
	src->free(src);
}

bool session_job_cancelled(const struct session *s)
{
	return false;
}

void session_close_fd(struct session *s, int *fd, dev_t dev)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

bool owner_wanted(const struct ftp_conf *conf)
{
	return false;
}

void owner_give(struct session *s, const struct ftp_owner *user, const struct ftp_owner *group, int fd)
{
}

enum ftp_result session_job_long(struct session *s, const struct session_long *what, session_work_fn *work,
	session_done_fn *done, void *arg)
{
	return session_job(s, work, done, arg);
}

void session_long_end(struct session *s, const struct session_long *what)
{
}

bool session_verb_allowed(struct session *s, const char *verb)
{
	return !str_eq(verb, forbidden);
}

mode_t session_dir_mode(const struct session *s, const struct ftp_conf *conf)
{
	return 0755;
}

void session_set_cwd(struct session *s, const char *vpath)
{
	free(s->cwd);
	s->cwd = xstrdup(vpath);
}

void session_set_idle(struct session *s, uint32_t ms)
{
	s->idle_ms = ms;
}

void session_note_path(struct session *s, const char *vpath)
{
}

void session_log_delete(struct session *s, const char *vpath, uint64_t size_bytes)
{
	(void)snprintf(logged, sizeof logged, "%s %llu", vpath, (unsigned long long)size_bytes);
}

static void put_source(struct xfer_source *src)
{
	static const atomic_bool go_on;
	static char piece[16384];
	ssize_t n;

	while ((n = src->fill(src, piece, sizeof piece, &go_on)) > 0)
		assert_int_equal(buf_append(&out, piece, (size_t)n), 0);
	src->free(src);
}

enum ftp_result xfer_start_listing(struct session *s, const char *name, struct xfer_source *src)
{
	session_reply(s, 150, "%s", name);
	put_source(src);
	return FTP_WAIT_DATA;
}

enum ftp_result xfer_list_on_control(struct session *s, int code, const char *last, struct xfer_source *src)
{
	put_source(src);
	session_reply(s, code, "%s", last);
	return FTP_WAIT_JOB;
}

void xfer_describe(const struct session *s, char *buf, size_t size)
{
	(void)snprintf(buf, size, " No data connection");
}

/* --- running a command --- */

/* Replies to a line. */
/* What a command answers must be among the replies that its row promises. */
static void row_check(const char *verb, const char *arg, int code)
{
	const struct ftp_verb *v = NULL;

	if (str_eq(verb, "SITE"))
		v = verb_find_site(arg, strcspn(arg, " "));
	if (v == NULL)
		v = verb_find(verb);
	assert_non_null(v);
	if (!verb_may_answer(v, (unsigned)code))
		fail_msg("%s answers %d, which its row does not have", v->name, code);
}

static const char *ask(const char *line)
{
	const char *arg = strchr(line, ' ');
	size_t n = arg ? (size_t)(arg - line) : strlen(line);
	const struct session_cmd *c = NULL;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strlen(all[i]->verb) == n && memcmp(all[i]->verb, line, n) == 0)
			c = all[i];
	assert_non_null(c);
	arg = arg ? arg + 1 : "";
	buf_clear(&out);
	session.cmd->verb = c->verb;
	session.cmd->line = (char *)(uintptr_t)line;
	if (!c->check || c->check(&session, arg))
		(void)c->run(&session, arg);
	session.cmd->line = NULL;
	free(session.cmd->rename_from);
	session.cmd->rename_from = NULL;
	if (out.len > 0)
		row_check(c->verb, arg, atoi(out.data));
	return out.data;
}

#define ASK(line, want) assert_string_equal(ask(line), want "\r\n")

static int setup(void **state)
{
	struct test_tree *t;
	int r = tree_setup(state);

	if (r < 0)
		return r;
	t = *state;
	scope = (struct ftp_scope){.conf = {.show_symlinks = true,
					   .times_gmt = true,
					   .use_globbing = true,
					   .facts_advertise = true,
					   .lang_engine = true,
					   .site_misc = true,
					   .ident_on = true,
					   .server_name = "Test",
					   .server_admin = "admin@example.org",
					   .timeout_idle_ms = 600000,
					   .umask_file = 022}};
	server.scope = &scope;
	memset(&session, 0, sizeof session);
	session.cmd = &command;
	session.root = t->root;
	session.scope = &scope;
	session.server = &server;
	session.cwd = xstrdup("/");
	account = (struct session_account){.user = "alice", .sent_user = "alice"};
	session.account = &account;
	(void)addr_parse("192.0.2.1", 1024, &session.peer);
	session.facts = verb_facts_offered(&scope.conf);
	session.site_umask = -1;
	session.idle_ms = 600000;
	forbidden = "";
	logged[0] = '\0';
	buf_init(&out, 1 << 20);
	tree_dir(t, "root/d");
	tree_file(t, "root/d/f", "12345");
	tree_file(t, "root/f", "123");
	tree_link(t, "d", "root/ld");
	tree_link(t, "f", "root/lf");
	tree_link(t, "nowhere", "root/dangling");
	return 0;
}

static int teardown(void **state)
{
	free(session.cwd);
	session_forget_source(&session);
	free(session.display_seen);
	free(session.clnt);
	buf_done(&out);
	return tree_teardown(state);
}

static bool there(void **state, const char *rel)
{
	struct stat st;

	return lstat(tree_host(*state, rel), &st) == 0;
}

/* --- directories --- */

static void cwd_goes_where_it_is_told(void **state)
{
	ASK("CWD d", "250 CWD command successful");
	assert_string_equal(session.cwd, "/d");
	ASK("PWD", "257 \"/d\" is the current directory");
	ASK("CDUP", "250 CDUP command successful");
	ASK("XCUP", "250 XCUP command successful");
	assert_string_equal(session.cwd, "/");
	ASK("XCWD /ld", "250 XCWD command successful");
	assert_string_equal(session.cwd, "/d");
	scope.conf.show_symlinks = false;
	ASK("CWD /ld", "250 CWD command successful");
	assert_string_equal(session.cwd, "/ld");
	ASK("CWD", "501 Invalid number of parameters");
	ASK("CWD none", "550 none: No such file or directory");
	ASK("CWD /f", "550 /f: Not a directory");
	ASK("CWD /d ", "550 /d : No such file or directory");
	tree_dir(*state, "root/denied");
	ASK("CWD /denied", "550 /denied: Operation not permitted");
	tree_dir(*state, "root/q\"q");
	ASK("CWD /q\"q", "250 CWD command successful");
	ASK("XPWD", "257 \"/q\"\"q\" is the current directory");
}

static void cwd_knows_home_and_cdpath(void **state)
{
	struct ftp_dir_rule cdpath = {.path = "/d"};
	char home[200];

	tree_dir(*state, "root/d/sub");
	ASK("CWD sub", "550 sub: No such file or directory");
	scope.conf.cdpath = &cdpath;
	ASK("CWD sub", "250 CWD command successful");
	assert_string_equal(session.cwd, "/d/sub");
	(void)snprintf(home, sizeof home, "%s", tree_host(*state, "root/d"));
	account.home = home;
	ASK("CWD ~", "250 CWD command successful");
	assert_string_equal(session.cwd, "/d");
	ASK("CWD ~/sub", "250 CWD command successful");
	ASK("CWD ~nobody", "550 ~nobody: No such file or directory");
}

static void display_chdir_is_shown(void **state)
{
	scope.conf.display_chdir = (struct ftp_display){.path = "msg"};
	tree_file(*state, "root/d/msg", "hello\nthere\n");
	ASK("CWD d", "250-hello\r\n there\r\n250 CWD command successful");
	ASK("CWD /d", "250-hello\r\n there\r\n250 CWD command successful");
	scope.conf.display_chdir.once = true;
	ASK("CWD /d", "250-hello\r\n there\r\n250 CWD command successful");
	ASK("CWD /d", "250 CWD command successful");
	ASK("CWD /", "250 CWD command successful");
}

static void directories_are_made_and_removed(void **state)
{
	ASK("MKD d//new/", "257 \"/d/new\" - Directory successfully created");
	assert_true(there(state, "root/d/new"));
	ASK("XMKD /d/new", "550 /d/new: File exists");
	ASK("MKD .", "550 .: File exists");
	ASK("MKD a*", "550 a*: Invalid directory name");
	ASK("MKD no/new", "550 no/new: No such file or directory");
	ASK("MKD denied", "550 denied: Operation not permitted");
	ASK("MKD q\"", "257 \"/q\"\"\" - Directory successfully created");
	ASK("RMD d", "550 d: Directory not empty");
	ASK("RMD d/new", "250 RMD command successful");
	ASK("XRMD q\"", "250 XRMD command successful");
	ASK("RMD ld", "550 ld: Not a directory");
	ASK("RMD f", "550 f: Not a directory");
	ASK("RMD none", "550 none: No such file or directory");
	forbidden = "RMD";
	tree_dir(*state, "root/e");
	ASK("RMD e", "550 e: Operation not permitted");
	assert_true(there(state, "root/e"));
}

/* --- files --- */

static void dele_removes_the_link_not_the_file(void **state)
{
	ASK("DELE lf", "250 DELE command successful");
	assert_false(there(state, "root/lf"));
	assert_true(there(state, "root/f"));
	ASK("DELE f", "250 DELE command successful");
	assert_string_equal(logged, "/f 3");
	ASK("DELE f", "550 f: No such file or directory");
	ASK("DELE d", "550 d: Is a directory");
	ASK("DELE dangling", "250 DELE command successful");
	forbidden = "DELE";
	ASK("DELE d/f", "550 d/f: Operation not permitted");
	assert_true(there(state, "root/d/f"));
}

static void rename_needs_both_halves(void **state)
{
	ASK("RNTO x", "503 Bad sequence of commands");
	ASK("RNFR none", "550 none: No such file or directory");
	ASK("RNTO x", "503 Bad sequence of commands");
	ASK("RNFR f", "350 File or directory exists, ready for destination name");
	ASK("RNTO g", "250 Rename successful");
	assert_true(there(state, "root/g") && !there(state, "root/f"));
	ASK("RNTO h", "503 Bad sequence of commands");
	ASK("RNFR dangling", "350 File or directory exists, ready for destination name");
	ASK("RNTO d/dangling", "250 Rename successful");
	ASK("RNFR d", "350 File or directory exists, ready for destination name");
	ASK("RNTO d/d", "550 d/d: Invalid argument");
	ASK("RNTO d/d", "503 Bad sequence of commands");
	ASK("RNFR d", "350 File or directory exists, ready for destination name");
	ASK("RNTO denied", "550 denied: Operation not permitted");
	assert_true(there(state, "root/d"));
}

static void rename_overwrites_only_when_allowed(void **state)
{
	ASK("RNFR f", "350 File or directory exists, ready for destination name");
	ASK("RNTO d/f", "550 d/f: Rename permission denied");
	assert_true(there(state, "root/f"));
	scope.conf.allow_overwrite = true;
	ASK("RNFR f", "350 File or directory exists, ready for destination name");
	ASK("RNTO d/f", "250 Rename successful");
	assert_false(there(state, "root/f"));
}

static void size_and_mdtm_are_for_files(void **state)
{
	struct timespec times[2] = {{.tv_sec = 951825600}, {.tv_sec = 951825600}};

	assert_int_equal(utimensat(-100, tree_host(*state, "root/f"), times, 0), 0);
	ASK("SIZE f", "213 3");
	ASK("SIZE lf", "213 3");
	ASK("SIZE d", "550 d: not a regular file");
	ASK("SIZE dangling", "550 dangling: No such file or directory");
	ASK("MDTM f", "213 20000229120000");
	ASK("MDTM d", "550 d: not a plain file");
	ASK("MDTM none", "550 none: No such file or directory");
	session.ascii = true;
	ASK("SIZE f", "550 SIZE not allowed in ASCII mode");
	forbidden = "MDTM";
	ASK("MDTM f", "550 f: Operation not permitted");
}

static void facts_are_changed_all_or_none(void **state)
{
	struct stat st;

	ASK("MFMT 20000229120000.5 f", "213 Modify=20000229120000; f");
	ASK("MDTM f", "213 20000229120000");
	ASK("MFMT 20000230120000 f", "501 20000230120000: Invalid argument");
	ASK("MFMT 20000229120000", "501 Invalid number of parameters");
	ASK("MFMT 20000229120000 none", "550 none: No such file or directory");
	ASK("MFF modify=20010101000000;UNIX.mode=0600; f", "213 modify=20010101000000;UNIX.mode=0600; f");
	assert_int_equal(lstat(tree_host(*state, "root/f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_mtime, 978307200);
	ASK("MFF UNIX.mode=0644;size=3; f", "504 Cannot modify fact 'size'");
	ASK("MFF UNIX.mode=0644 f", "550 UNIX.mode=0644: Invalid argument");
	ASK("MFF UNIX.mode=0644;modify=1; f", "501 modify=1: Invalid argument");
	forbidden = "SITE_CHMOD";
	ASK("MFF modify=20020101000000;UNIX.mode=0644; f", "550 Unable to handle command");
	assert_int_equal(lstat(tree_host(*state, "root/f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_mtime, 978307200);
	forbidden = "MFMT";
	ASK("MFMT 20000229120000 f", "550 Unable to handle command");
	ASK("MFCT 20000229120000 f", "504 f: The time of creation cannot be changed");
	ASK("MFCT 20000229120000 none", "550 none: No such file or directory");
}

/* --- listings --- */

static void listings_are_refused_before_the_data_connection(void **state)
{
	ASK("LIST none", "450 none: No such file or directory");
	ASK("LIST -l none", "450 none: No such file or directory");
	ASK("NLST *.none", "450 No files found");
	ASK("NLST none", "450 none: No such file or directory");
	ASK("MLSD f", "550 'f' is not a directory");
	ASK("MLSD none", "550 none: No such file or directory");
	tree_dir(*state, "root/denied");
	ASK("LIST denied", "550 denied: Operation not permitted");
	ASK("MLST denied", "550 'denied' cannot be listed");
	ASK("MLST dangling", "550 'dangling' cannot be listed");
	ASK("NLST -1 d", "150 file list\r\nf");
	assert_non_null(strstr(ask("LIST d"), "150 file list\r\n-rw"));
}

static void facts_of_a_file_are_one_line(void **state)
{
	ASK("OPTS MLST type;size;", "200 MLST OPTS type;size;");
	ASK("MLST f", "250-Start of list for f\r\n size=3;type=file; f\r\n250 End of list");
	ASK("MLST d", "250-Start of list for d\r\n type=dir; d\r\n250 End of list");
	ASK("MLST lf", "250-Start of list for lf\r\n size=1;type=OS.unix=symlink; lf\r\n250 End of list");
	ASK("MLST", "250-Start of list for /\r\n type=dir; /\r\n250 End of list");
	scope.conf.show_symlinks = false;
	ASK("MLST lf", "250-Start of list for lf\r\n size=3;type=file; lf\r\n250 End of list");
	scope.conf.show_symlinks = true;
	scope.conf.facts_options = FTP_FACTS_USE_SLINK;
	ASK("MLST lf", "250-Start of list for lf\r\n size=1;type=OS.unix=slink:f; lf\r\n250 End of list");
	ASK("OPTS MLST", "200 MLST OPTS");
	ASK("MLST f", "250-Start of list for f\r\n  f\r\n250 End of list");
	ASK("OPTS MLST a b", "501 'OPTS MLST a b' not understood");
}

static void mlsd_lists_all_entries(void **state)
{
	const char *text;

	tree_file(*state, "root/denied", "x");
	scope.dirs = &scope; /* some <Directory> */
	ASK("OPTS MLST type;unique;", "200 MLST OPTS type;unique;");
	text = ask("MLSD");
	assert_non_null(strstr(text, "type=cdir;"));
	assert_non_null(strstr(text, "type=pdir;"));
	assert_non_null(strstr(text, " f\r\n"));
	assert_null(strstr(text, "denied"));
	assert_null(strstr(text, "dangling"));
}

static void perm_says_what_may_be_done(void **state)
{
	if (geteuid() != 0) /* root may always */
		assert_int_equal(chmod(tree_host(*state, "root/d"), 0555), 0);
	ASK("OPTS MLST perm;", "200 MLST OPTS perm;");
	ASK("MLST f", "250-Start of list for f\r\n perm=dfr; f\r\n250 End of list");
	scope.conf.allow_overwrite = scope.conf.allow_store_restart = true;
	ASK("MLST f", "250-Start of list for f\r\n perm=adfrw; f\r\n250 End of list");
	forbidden = "DELE";
	ASK("MLST f", "250-Start of list for f\r\n perm=afrw; f\r\n250 End of list");
	forbidden = "RETR";
	ASK("MLST f", "250-Start of list for f\r\n perm=adfw; f\r\n250 End of list");
	forbidden = "";
	if (geteuid() != 0) {
		ASK("MLST d", "250-Start of list for d\r\n perm=defl; d\r\n250 End of list");
		ASK("MLST d/f", "250-Start of list for d/f\r\n perm=arw; d/f\r\n250 End of list");
		assert_int_equal(chmod(tree_host(*state, "root/d"), 0755), 0);
	} else {
		ASK("MLST d", "250-Start of list for d\r\n perm=cdeflmp; d\r\n250 End of list");
	}
	ASK("MLST /", "250-Start of list for /\r\n perm=celmp; /\r\n250 End of list");
}

static void stat_has_three_forms(void **state)
{
	ASK("STAT",
		"211-Status of 'Test'\r\n Connected from 192.0.2.1 (192.0.2.1)\r\n Logged in as alice\r\n"
		" TYPE: BINARY, STRUcture: File, Mode: Stream\r\n Total bytes transferred for session: 0\r\n"
		" No data connection\r\n211 End of status");
	assert_memory_equal(ask("STAT f"), "213-Status of f:\r\n -rw", 22);
	assert_non_null(strstr(out.data, " f\r\n213 End of status\r\n"));
	assert_memory_equal(ask("STAT d"), "212-Status of d:\r\n drwx", 22);
	assert_non_null(strstr(out.data, "\r\n212 End of status\r\n"));
	ASK("STAT none", "450 none: No such file or directory");
}

/* --- the rest --- */

static void simple_commands_answer(void **state)
{
	ASK("SYST", "215 UNIX Type: L8");
	ASK("CLNT some client", "200 OK");
	assert_string_equal(session.clnt, "some client");
	ASK("LANG", "200 Using default language en-US");
	ASK("LANG en-US", "200 Using language en-US");
	ASK("LANG de", "504 Language de not supported");
	ASK("HOST x", "503 Bad sequence of commands");
	ASK("USER alice", "230 User alice logged in");
	ASK("USER bob", "501 Reauthentication not supported");
	ASK("PASS x", "503 You are already logged in");
	ASK("ACCT", "502 ACCT command not implemented");
	ASK("SMNT x", "502 SMNT command not implemented");
	ASK("HELP SIZE", "214 Syntax: SIZE <sp> pathname");
	ASK("HELP NONE", "502 Unknown command 'NONE'");
	assert_int_equal(session.cmd->reply_code, 502);
	assert_non_null(strstr(ask("HELP"), "214 Direct comments to admin@example.org\r\n"));
	assert_memory_equal(ask("CSID name=x;"), "200 name=Wherry;version=", 24);
	scope.conf.ident_on = false;
	ASK("CSID name=x;", "200 casesensitive=1;");
}

static void opts_are_per_command(void **state)
{
	ASK("OPTS", "501 'OPTS' not understood");
	ASK("OPTS X y", "501 'OPTS X y' not understood");
	ASK("OPTS a b c d e f g h i", "550 Too many parameters");
	ASK("OPTS UTF8 ON", "200 UTF8 set to on");
	ASK("OPTS utf8 off", "200 UTF8 set to off");
	assert_false(session.utf8_on);
	ASK("OPTS UTF8", "501 'OPTS UTF8' not understood");
	ASK("OPTS mlst Size;TYPE;none;", "200 MLST OPTS size;type;");
	assert_non_null(strstr(ask("FEAT"), " MLST modify;perm;size*;type*;unique;"));
	ASK("OPTS REST RETR", "451 REST RETR not allowed");
	scope.conf.allow_store_restart = true;
	ASK("OPTS REST STOR", "200 REST STOR allowed");
	forbidden = "OPTS_UTF8";
	ASK("OPTS UTF8 ON", "550 OPTS UTF8: Operation not permitted");
}

static mode_t mode_of(void **state, const char *rel)
{
	struct stat st;

	assert_int_equal(lstat(tree_host(*state, rel), &st), 0);
	return st.st_mode & 07777;
}

static void site_changes_attributes(void **state)
{
	struct stat st;

	ASK("SITE CHMOD 0640 f", "200 SITE CHMOD command successful");
	assert_int_equal(mode_of(state, "root/f"), 0640);
	ASK("SITE chmod u+x,g-r lf", "200 SITE CHMOD command successful");
	assert_int_equal(mode_of(state, "root/f"), 0700);
	ASK("SITE CHMOD 999 f", "550 '999': invalid mode");
	ASK("SITE CHMOD 600", "500 'SITE CHMOD' not understood");
	ASK("SITE CHMOD", "500 'SITE CHMOD' not understood");
	ASK("SITE CHMOD 600 none", "550 none: No such file or directory");
	ASK("SITE UTIME 200002291200 f", "200 SITE UTIME command successful");
	ASK("MDTM f", "213 20000229120000");
	ASK("SITE UTIME f 20010101000000 20020202020202 20030303030303 UTC",
		"200 SITE UTIME command successful");
	assert_int_equal(stat(tree_host(*state, "root/f"), &st), 0);
	assert_int_equal(st.st_atime, 978307200);
	assert_int_equal(st.st_mtime, 1012615322);
	ASK("SITE UTIME x f", "500 x f: Invalid argument");
	ASK("SITE CHGRP 4294967295 f", "550 4294967295: Invalid argument");
	forbidden = "SITE_CHMOD";
	ASK("SITE CHMOD 0600 f", "550 f: Operation not permitted");
}

static void site_makes_and_removes_trees(void **state)
{
	ASK("SITE MKDIR a/b/c", "200 SITE MKDIR command successful");
	ASK("SITE MKDIR a/b/c", "200 SITE MKDIR command successful");
	assert_true(there(state, "root/a/b/c"));
	ASK("SITE MKDIR f/x", "550 f/x: Not a directory");
	ASK("SITE MKDIR a/denied/c", "550 a/denied/c: Operation not permitted");
	forbidden = "MKD";
	ASK("SITE MKDIR a/b/new", "550 a/b/new: Operation not permitted");
	forbidden = "";
	ASK("SITE SYMLINK \"../f\" \"a/b/my link\"", "200 SITE SYMLINK command successful");
	ASK("SIZE a/b/my link", "550 a/b/my link: No such file or directory");
	ASK("SITE SYMLINK /d a/l", "200 SITE SYMLINK command successful");
	ASK("SITE SYMLINK ../denied a/m", "550 a/m: Operation not permitted");
	assert_false(there(state, "root/a/m"));
	ASK("SITE SYMLINK nowhere/x a/m", "200 SITE SYMLINK command successful");
	ASK("SITE SYMLINK x f", "550 f: File exists");
	ASK("SITE SYMLINK ../some file /a/some link", "200 SITE SYMLINK command successful");
	ASK("SITE SYMLINK some file a/b", "500 'SITE SYMLINK' not understood");
	ASK("SITE SYMLINK x", "500 'SITE SYMLINK' not understood");
	ASK("SITE RMDIR a", "200 SITE RMDIR command successful");
	assert_false(there(state, "root/a"));
	assert_true(there(state, "root/d/f"));
	ASK("SITE RMDIR f", "550 f: Not a directory");
	ASK("SITE RMDIR ld", "550 ld: Not a directory");
	ASK("SITE RMDIR /", "550 /: Device or resource busy");
	tree_file(*state, "root/d/denied", "");
	ASK("SITE RMDIR d", "550 d: Operation not permitted");
	assert_true(there(state, "root/d/denied") && !there(state, "root/d/f"));
}

static void site_copies_files_and_trees(void **state)
{
	ASK("SITE COPY f g", "500 'SITE COPY f g' not understood");
	ASK("SITE CPFR f", "500 'SITE CPFR f' not understood");
	ASK("SITE CPTO f", "500 'SITE CPTO f' not understood");
	scope.conf.copy_engine = true;
	ASK("SITE COPY f g", "200 SITE COPY command successful");
	assert_true(there(state, "root/g"));
	ASK("SITE COPY f", "501 Invalid number of parameters");
	ASK("SITE COPY nosuch x", "550 nosuch: No such file or directory");
	ASK("SITE COPY f nosuch/x", "550 nosuch/x: No such file or directory");
	ASK("SITE COPY f g", "550 g: Copy permission denied, it exists");
	scope.conf.allow_overwrite = true;
	ASK("SITE COPY f g", "200 SITE COPY command successful");
	ASK("SITE COPY d d/e", "550 d/e: Invalid argument");
	ASK("SITE COPY d \"a b\"", "200 SITE COPY command successful");
	ASK("SITE COPY /a b /c d", "200 SITE COPY command successful");
	assert_true(there(state, "root/c d/f"));
	ASK("SITE COPY lf copied", "200 SITE COPY command successful"); /* what the link leads to */
	assert_true(there(state, "root/copied"));
	ASK("SIZE copied", "213 3");
}

static void site_copies_in_two_steps(void **state)
{
	scope.conf.copy_engine = true;
	ASK("SITE CPTO h", "503 Bad sequence of commands");
	ASK("SITE CPFR nosuch", "550 nosuch: No such file or directory");
	ASK("SITE CPTO h", "503 Bad sequence of commands");
	ASK("SITE CPFR f", "350 File or directory exists, ready for destination name");
	ASK("SITE CPTO h", "250 Copy successful");
	assert_true(there(state, "root/h"));
	ASK("SITE CPTO i", "503 Bad sequence of commands");
	ASK("SITE CPFR d", "350 File or directory exists, ready for destination name");
	ASK("SITE MKDIR x", "200 SITE MKDIR command successful");
	ASK("SITE CPTO i", "503 Bad sequence of commands");
	ASK("RNFR f", "350 File or directory exists, ready for destination name");
	ASK("SITE CPTO i", "503 Bad sequence of commands");
}

static void a_copy_is_asked_about_at_both_ends(void **state)
{
	static const char *const verbs[] = {"RETR", "SITE_CPFR", "STOR", "SITE_CPTO"};

	scope.conf.copy_engine = true;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		bool source = i < 2;

		forbidden = verbs[i];
		assert_string_equal(ask("SITE COPY f g"),
			source ? "550 f: Operation not permitted\r\n" : "550 g: Operation not permitted\r\n");
		if (source)
			ASK("SITE CPFR f", "550 f: Operation not permitted");
		assert_false(there(state, "root/g"));
	}
	forbidden = "MKD";
	ASK("SITE COPY d e", "550 e: Operation not permitted");
	forbidden = "";
	tree_file(*state, "root/d/denied", "");
	ASK("SITE COPY d e", "550 d: Operation not permitted");
	assert_false(there(state, "root/e"));
	ASK("SITE COPY f denied", "550 denied: Operation not permitted");
}

static void a_copy_is_no_larger_than_a_file_may_be(void **state)
{
	struct ftp_max_size max = {.bytes = 2};

	scope.conf.copy_engine = true;
	scope.conf.max_store_size = &max;
	ASK("SITE COPY f g", "552 g: File too large");
	ASK("SITE COPY d e", "552 e: File too large");
	assert_false(there(state, "root/g") || there(state, "root/e"));
	max.bytes = 5;
	ASK("SITE COPY d e", "200 SITE COPY command successful");
}

static void site_has_settings(void **state)
{
	ASK("SITE", "500 'SITE' requires parameters");
	ASK("SITE exec ls", "500 'SITE EXEC' not understood");
	ASK("SITE UMASK", "200 Current UMASK is 0022");
	ASK("SITE UMASK 077", "200 UMASK set to 0077 (was 0022)");
	ASK("SITE UMASK 0", "200 UMASK set to 0022 (was 0077)");
	assert_int_equal(session.site_umask, 022);
	ASK("SITE UMASK 8", "501 8: Invalid argument");
	ASK("SITE IDLE 60", "200 IDLE time limit set to 60 seconds");
	assert_int_equal(session.idle_ms, 60000);
	ASK("SITE IDLE 601", "501 601: Invalid argument, the IDLE time limit is at most 600 seconds");
	ASK("SITE IDLE", "200 Current IDLE time limit is 60 seconds, at most 600");
	ASK("SITE HELP CHMOD", "214 Syntax: SITE CHMOD <sp> mode <sp> pathname");
	ASK("SITE HELP X", "502 Unknown command 'SITE X'");
	assert_non_null(strstr(ask("SITE HELP"), "UTIME"));
	forbidden = "SITE_IDLE";
	ASK("SITE IDLE 60", "550 SITE IDLE: Operation not permitted");
}

static void every_command_has_a_row(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_non_null(verb_find(all[i]->verb));
	for (size_t i = 0; session_site_cmds[i]; i++)
		assert_non_null(
			verb_find_site(session_site_cmds[i]->verb, strlen(session_site_cmds[i]->verb)));
	assert_int_equal(ftp_site_verb_count(), ARRAY_LEN(session_site_cmds) - 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cwd_goes_where_it_is_told),
		T(cwd_knows_home_and_cdpath),
		T(display_chdir_is_shown),
		T(directories_are_made_and_removed),
		T(dele_removes_the_link_not_the_file),
		T(rename_needs_both_halves),
		T(rename_overwrites_only_when_allowed),
		T(size_and_mdtm_are_for_files),
		T(facts_are_changed_all_or_none),
		T(listings_are_refused_before_the_data_connection),
		T(facts_of_a_file_are_one_line),
		T(mlsd_lists_all_entries),
		T(perm_says_what_may_be_done),
		T(stat_has_three_forms),
		T(simple_commands_answer),
		T(opts_are_per_command),
		T(site_changes_attributes),
		T(site_makes_and_removes_trees),
		T(site_copies_files_and_trees),
		T(site_copies_in_two_steps),
		T(a_copy_is_asked_about_at_both_ends),
		T(a_copy_is_no_larger_than_a_file_may_be),
		T(site_has_settings),
		T(every_command_has_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
