/* Negotiating the next data connection: PORT, EPRT, PASV, EPSV. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "ftp/profile.h"
#include "session/data_priv.h"
#include "session/hostport.h"
#include "session/passive.h"
#include "session/proc.h"
#include "session/session_priv.h"

/* --- PORT and EPRT --- */

/* Refusals before the address is even looked at. */
static bool active_refused(struct session *s, const char *verb, const char *arg)
{
	if (s->epsv_all) {
		session_reply(s, 500, "Illegal %s command, EPSV ALL in effect", verb);
		return true;
	}
	if (strchr(arg, ' ') || !*arg) {
		session_reply(s, 501, "Invalid number of parameters");
		return true;
	}
	if (s->scope->conf.root_revoke == FTP_ROOT_REVOKE_ON && addr_port(&s->local) < 1025) {
		session_reply(s, 500, "Unable to service %s commands", verb);
		return true;
	}
	return false;
}

/* Devices that change the address in a clear 227 line cannot do so in TLS (TLSMasqueradeAddress). sa_family 0: our own. */
static struct addr shown_address(const struct session *s)
{
	const struct ftp_conf *conf = &s->scope->conf;
	bool hidden = s->secure && !s->tls_cleared;

	return hidden && conf->tls_masquerade.sa.sa_family
		       ? ftp_live_addr(conf->tls_masquerade_live, &conf->tls_masquerade)
		       : ftp_live_addr(conf->masquerade_live, &conf->masquerade);
}

/* A client behind NAT names its private address; if the rest of the path is public, its public one is
 * meant. */
static void nat_correct(const struct session *s, struct addr *a)
{
	const struct addr shown = shown_address(s), *own = shown.sa.sa_family ? &shown : &s->local;
	uint16_t port = addr_port(a);

	if (addr_is_private(own) || addr_is_private(&s->peer) || !addr_is_private(a))
		return;
	addr_unmap(&s->peer, a);
	addr_set_port(a, port);
}

/* Would we be made to connect to a third party (bounce attack)? */
static bool target_ok(struct session *s, const char *verb, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (!addr_host_equal(a, &s->peer) && !data_foreign_allowed(s, a)) {
		log_warn(&s->log, "refused %s %s port %u: not the client's address", verb, addr_text(a, text),
			addr_port(a));
		return false;
	}
	if (addr_port(a) < 1024 && !(s->quirks & FTP_QUIRK_LOW_PORTS && addr_host_equal(a, &s->peer))) {
		log_warn(&s->log,
			"refused %s %s port %u: possible bounce attack, low ports are never connected to",
			verb, addr_text(a, text), addr_port(a));
		return false;
	}
	return true;
}

static void active_take(struct session *s, const char *verb, const struct addr *a)
{
	struct data *d = data_get(s);

	data_reset(d);
	d->cpsv = false;
	d->active = *a;
	d->active_set = true;
	session_reply(s, 200, "%s command successful", verb);
}

void data_port(struct session *s, const char *arg)
{
	struct addr a;

	if (active_refused(s, "PORT", arg))
		return;
	if (port_parse(arg, &a) < 0) {
		session_reply(s, 501, "Illegal PORT command");
		return;
	}
	nat_correct(s, &a);
	if (!addr_is_v4(&s->peer) || !target_ok(s, "PORT", &a)) {
		session_reply(s, 500, "Illegal PORT command");
		return;
	}
	active_take(s, "PORT", &a);
}

void data_eprt(struct session *s, const char *arg)
{
	bool v6 = s->proc->start->config->use_ipv6;
	struct addr a;
	int r;

	if (active_refused(s, "EPRT", arg))
		return;
	r = eprt_parse(arg, v6, &a);
	if (r == -EPROTONOSUPPORT) {
		session_reply(s, 522, "Network protocol not supported, use (%s)", v6 ? "1,2" : "1");
		return;
	}
	if (r < 0) {
		session_reply(s, 501, "Illegal EPRT command");
		return;
	}
	nat_correct(s, &a);
	if (!target_ok(s, "EPRT", &a)) {
		session_reply(s, 500, "Illegal EPRT command");
		return;
	}
	active_take(s, "EPRT", &a);
}

/* --- PASV and EPSV --- */

static int listener_open(struct session *s, struct addr *ret_bound)
{
	const struct ftp_conf *conf = &s->scope->conf;
	struct addr host;
	bool fallback;
	int fd;

	data_reset(s->data);
	addr_unmap(&s->local, &host);
	fd = passive_listen(&host, conf, ret_bound, &fallback);
	if (fallback)
		log_warn(&s->log, "no free port among PassivePorts %u-%u, using port %u", conf->passive_min,
			conf->passive_max, fd < 0 ? 0 : addr_port(ret_bound));
	if (fd < 0)
		return fd;
	data_get(s)->listen_fd = fd;
	s->data->cpsv = false;
	return 0;
}

/* A server in a container or behind NAT knows its own address only, where a client from outside cannot connect to. */
static void warn_unreachable(struct session *s, const struct addr *shown)
{
	char own[ADDR_TEXT_MAX];

	if (s->unreachable_logged || !addr_is_private(shown) || addr_is_private(&s->peer))
		return;
	s->unreachable_logged = true;
	log_notice(&s->log,
		"PASV tells the client %s, which cannot be reached from public addresses: "
		"MasqueradeAddress sets the one to tell",
		addr_text(shown, own));
}

static void pasv_run(struct session *s, const char *verb, bool cpsv)
{
	const struct addr masquerade = shown_address(s);
	struct addr bound, shown;
	char text[64];
	int r;

	if (s->epsv_all) {
		session_reply(s, 500, "Illegal %s command, EPSV ALL in effect", verb);
		return;
	}
	if (!addr_is_v4(&s->local)) {
		log_notice(&s->log, "PASV on an IPv6 connection: its reply could not hold our address, the "
				    "client must use EPSV");
		session_reply(s, 425, "Use EPSV");
		return;
	}
	r = listener_open(s, &bound);
	if (r < 0) {
		session_reply(s, 425, "%s: %s", verb, err_text(r));
		return;
	}
	s->data->cpsv = cpsv;
	shown = masquerade.sa.sa_family && addr_is_v4(&masquerade) ? masquerade : bound;
	warn_unreachable(s, &shown);
	addr_set_port(&shown, addr_port(&bound));
	(void)pasv_text(&shown, text, sizeof text); /* v4 was checked above */
	session_reply(s, 227, "Entering Passive Mode (%s).", text);
}

void data_pasv(struct session *s)
{
	pasv_run(s, "PASV", false);
}

void data_cpsv(struct session *s)
{
	pasv_run(s, "CPSV", true);
}

void data_epsv(struct session *s, const char *arg)
{
	bool v4 = addr_is_v4(&s->local);
	struct addr bound;
	uint64_t proto;
	int r;

	if (str_eq_nocase(arg, "ALL")) {
		s->epsv_all = true;
		session_reply(s, 200, "EPSV ALL command successful");
		return;
	}
	if (*arg) {
		if (str_to_u64(arg, &proto) < 0) {
			session_reply(s, 501, "EPSV: unknown network protocol");
			return;
		}
		if (proto != (v4 ? 1u : 2u)) {
			session_reply(s, 522, "Network protocol not supported, use (%s)", v4 ? "1" : "2");
			return;
		}
	}
	r = listener_open(s, &bound);
	if (r < 0) {
		session_reply(s, 425, "EPSV: %s", err_text(r));
		return;
	}
	session_reply(s, 229, "Entering Extended Passive Mode (|||%u|)", addr_port(&bound));
}
