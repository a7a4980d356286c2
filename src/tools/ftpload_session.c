/* A session's commands and replies. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "tools/ftpload.h"

static const char *const verbs[LOAD_MODE_COUNT] = {[LOAD_GET] = "RETR",
	[LOAD_RATE] = "RETR",
	[LOAD_PUT] = "STOR",
	[LOAD_LIST] = "LIST",
	[LOAD_NLST] = "NLST",
	[LOAD_MLSD] = "MLSD"};

void load_session_connect(struct load_session *s)
{
	int r;

	s->start_us = clock_us();
	s->alive_ms = clock_ms();
	s->began = s->ended = false;
	r = load_ctrl_open(s);
	if (r < 0)
		load_fail(s, "cannot connect: %s", err_text(r));
}

void load_session_connected(struct load_session *s)
{
	if (s->state == LOAD_CONNECTING || s->load->opt->implicit) {
		s->state = LOAD_GREETING;
		return;
	}
	s->state = LOAD_USER; /* after AUTH */
	load_ctrl_send(s, "USER %s", s->load->opt->user);
}

/* Parameters of the session, one after the other; those that are not asked for are left out. */
static void next_parameter(struct load_session *s)
{
	const struct load_options *o = s->load->opt;

	switch (s->state) {
	case LOAD_PASS:
		load_samples_add(&s->load->login_times, clock_us() - s->start_us);
		if (o->mode == LOAD_LOGIN) {
			load_session_quit(s);
			return;
		}
		if (o->tls) {
			s->state = LOAD_PBSZ;
			load_ctrl_send(s, "PBSZ 0");
			return;
		}
		/* fallthrough */
	case LOAD_PROT:
		s->state = LOAD_TYPE;
		load_ctrl_send(s, "TYPE I");
		return;
	case LOAD_PBSZ:
		s->state = LOAD_PROT;
		load_ctrl_send(s, "PROT P");
		return;
	case LOAD_TYPE:
		if (o->mode_z) {
			s->state = LOAD_MODE_Z;
			load_ctrl_send(s, "MODE Z");
			return;
		}
		/* fallthrough */
	default:
		s->state = LOAD_READY;
		load_logged_in(s);
	}
}

/* The path with %d and %s filled in, behind a blank; "" without a path. False: it is too long. */
static bool put_path(struct load_session *s, char *out, size_t size)
{
	const struct load_options *o = s->load->opt;
	size_t n = 0;

	out[0] = '\0';
	if (o->path == NULL)
		return true;
	out[n++] = ' ';
	for (const char *p = o->path; *p != '\0'; p++) {
		if (n + 24 >= size)
			return false;
		if (p[0] == '%' && p[1] == 'd')
			n += (size_t)snprintf(
				out + n, size - n, "%" PRIu64, o->files > 0 ? s->op % o->files : s->op);
		else if (p[0] == '%' && p[1] == 's')
			n += (size_t)snprintf(out + n, size - n, "%u", s->number);
		else if (p[0] == '%' && p[1] == '%')
			out[n++] = '%';
		else {
			out[n++] = *p;
			continue;
		}
		p++;
	}
	out[n] = '\0';
	return true;
}

static void send_passive(struct load_session *s)
{
	s->state = LOAD_PASSIVE;
	load_ctrl_send(s, s->load->opt->pasv || s->load->no_epsv ? "PASV" : "EPSV");
}

void load_session_begin(struct load_session *s)
{
	if (s->load->opt->mode == LOAD_LOGIN) {
		load_session_connect(s);
		return;
	}
	s->start_us = clock_us();
	s->alive_ms = clock_ms();
	if (s->load->opt->mode == LOAD_IDLE) {
		s->state = LOAD_NOOP;
		load_ctrl_send(s, "NOOP");
	} else {
		send_passive(s);
	}
}

void load_session_quit(struct load_session *s)
{
	s->state = LOAD_QUIT;
	s->alive_ms = clock_ms();
	load_ctrl_send(s, "QUIT");
}

static void transfer(struct load_session *s, int port)
{
	char path[3000];
	int r;

	if (port < 0) {
		load_fail(s, "no port in the reply to %s", s->command);
		return;
	}
	if (!put_path(s, path, sizeof(path))) {
		load_fail(s, "the path is too long with its numbers filled in");
		return;
	}
	s->began = s->ended = false;
	s->state = LOAD_TRANSFER;
	r = load_data_open(s, (uint16_t)port);
	if (r < 0) {
		load_fail(s, "data connection: %s", err_text(r));
		return;
	}
	load_ctrl_send(s, "%s%s", verbs[s->load->opt->mode], path);
}

static void transfer_over(struct load_session *s)
{
	const struct load_options *o = s->load->opt;
	uint64_t bytes = s->data.file_bytes;

	load_data_close(s);
	if (s->data.problem[0] != '\0') {
		load_fail(s, "%s: %s", s->command, s->data.problem);
		return;
	}
	if (o->expect_bytes != UINT64_MAX && bytes != o->expect_bytes) {
		load_fail(s, "%s: %" PRIu64 " bytes instead of %" PRIu64, s->command, bytes, o->expect_bytes);
		return;
	}
	s->state = LOAD_READY;
	load_op_done(s);
}

void load_session_data_end(struct load_session *s)
{
	if (s->ended)
		transfer_over(s);
	else if (s->load->opt->mode != LOAD_PUT)
		load_data_close(s); /* a server may wait for that before its 226 */
}

static void in_transfer(struct load_session *s, int code)
{
	if (code < 200) {
		if (!s->began)
			load_samples_add(&s->load->first_times, clock_us() - s->start_us);
		s->began = true;
		load_data_go(s);
		return;
	}
	s->ended = true;
	if (!s->data.open)
		transfer_over(s);
}

static bool unexpected(struct load_session *s, int code)
{
	switch (s->state) {
	case LOAD_USER:
		return code != 331 && code != 232 && code != 230;
	case LOAD_AUTH:
		return code != 234 && code != 334;
	case LOAD_PASSIVE:
		return code != 229 && code != 227 && code / 100 != 5;
	case LOAD_TRANSFER:
		return code >= 300;
	case LOAD_GREETING:
		return code / 100 != 2 && code != 120;
	case LOAD_READY:
		return true; /* nobody asked: 421 */
	default:
		return code / 100 != 2;
	}
}

static void passive(struct load_session *s, int code, const char *text)
{
	if (code == 229) {
		transfer(s, load_reply_epsv(text));
	} else if (code == 227) {
		transfer(s, load_reply_pasv(text));
	} else if (!s->load->opt->pasv && !s->load->no_epsv && s->load->addr.sa.sa_family == AF_INET) {
		s->load->no_epsv = true;
		send_passive(s);
	} else if (strcmp(s->command, "EPSV") == 0 && s->load->no_epsv) {
		send_passive(s); /* another session has found that out meanwhile */
	} else {
		load_fail(s, "%s: %s", s->command, text);
	}
}

static void greeted(struct load_session *s, int code)
{
	const struct load_options *o = s->load->opt;

	if (code == 120) /* ready in some minutes: the real greeting follows */
		return;
	if (o->tls && !o->implicit) {
		s->state = LOAD_AUTH;
		load_ctrl_send(s, "AUTH TLS");
	} else {
		s->state = LOAD_USER;
		load_ctrl_send(s, "USER %s", o->user);
	}
}

void load_session_reply(struct load_session *s, int code, const char *text)
{
	if (unexpected(s, code)) {
		load_fail(s, "%s: %s", s->command[0] != '\0' ? s->command : "greeting", text);
		return;
	}
	switch (s->state) {
	case LOAD_GREETING:
		greeted(s, code);
		return;
	case LOAD_AUTH:
		load_ctrl_secure(s);
		return;
	case LOAD_USER:
		s->state = LOAD_PASS;
		if (code == 331)
			load_ctrl_send(s, "PASS %s", s->load->opt->password);
		else
			next_parameter(s);
		return;
	case LOAD_PASSIVE:
		passive(s, code, text);
		return;
	case LOAD_TRANSFER:
		in_transfer(s, code);
		return;
	case LOAD_NOOP:
		s->state = LOAD_READY;
		load_op_done(s);
		return;
	case LOAD_QUIT:
		load_session_lost(s);
		return;
	default:
		next_parameter(s);
	}
}

void load_session_lost(struct load_session *s)
{
	if (s->state != LOAD_QUIT) {
		load_fail(s, "connection closed by the server%s%s", s->state == LOAD_READY ? "" : " after ",
			s->state == LOAD_READY ? "" : s->command);
		return;
	}
	load_ctrl_close(s);
	s->state = LOAD_CLOSED;
	load_session_closed(s);
}

void load_session_done(struct load_session *s)
{
	load_data_close(s);
	load_ctrl_close(s);
	SSL_SESSION_free(s->tls_session);
	if (s->data.inflate != NULL)
		(void)inflateEnd(s->data.inflate);
	free(s->data.inflate);
	buf_done(&s->out);
	free(s->bins);
}
