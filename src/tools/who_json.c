#include "tools/format.h"
#include "tools/who.h"

static void preloads(struct json *j, const struct score_reader *reader)
{
	struct score_preload p;

	if (!score_read_preload(reader, 0, &p))
		return;
	json_open_array(j, "preloads");
	for (unsigned i = 0; score_read_preload(reader, i, &p); i++) {
		json_open_object(j, NULL);
		json_str(j, "path", p.path);
		json_u64(j, "size", p.size);
		json_u64(j, "generation", p.generation);
		json_u64(j, "locked", p.locked);
		json_u64(j, "hits", p.hits);
		json_u64(j, "stale", p.stale);
		json_end(j);
	}
	json_end(j);
}

void who_json_head(struct json *j, const struct score_daemon *d, const struct score_reader *reader)
{
	json_open_object(j, NULL);
	json_open_object(j, "server");
	json_str(j, "server_type", d->server == SCORE_INETD ? "inetd" : "standalone");
	if (d->server != SCORE_INETD) {
		json_i64(j, "pid", d->pid);
		json_u64(j, "started_ms", d->started_ms);
	}
	if (reader != NULL)
		preloads(j, reader);
	json_end(j);
	json_open_array(j, "connections");
}

void who_json_tail(struct json *j)
{
	json_end(j);
	json_end(j);
}

static void text_unless_empty(struct json *j, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_str(j, key, text);
}

static void addresses(struct json *j, const struct score_session *s)
{
	char text[ADDR_TEXT_MAX];

	if (s->client.sa.sa_family != 0) {
		(void)addr_text(&s->client, text);
		json_str(j, "remote_name", s->client_name[0] != '\0' ? s->client_name : text);
		json_str(j, "remote_address", text);
	}
	if (s->server.sa.sa_family != 0) {
		json_str(j, "local_address", addr_text(&s->server, text));
		json_u64(j, "local_port", addr_port(&s->server));
	}
	text_unless_empty(j, "server_name", s->label);
}

static void transfer(struct json *j, const struct score_session *s, uint64_t now_ms)
{
	enum format_kind kind = format_kind(s->cmd);
	struct format_transfer t = format_transfer(s);
	double rate = format_rate(s, now_ms);
	char percent[FORMAT_PERCENT_MAX];

	if (kind == FORMAT_DOWNLOAD) {
		json_bool(j, "downloading", true);
		if (format_percent(t.done, t.size) >= 0)
			json_str(j, "transfer_completed", format_percent_text(percent, t.done, t.size));
	} else if (kind == FORMAT_UPLOAD) {
		json_bool(j, "uploading", true);
		if (t.size > 0)
			json_str(j, "transfer_completed", format_percent_text(percent, t.done, t.size));
	}
	if (!t.begun)
		return;
	json_u64(j, "transfer_bytes", t.done);
	json_u64(j, "transfer_duration_ms", t.elapsed_ms);
	if (t.size > 0)
		json_u64(j, "transfer_size", t.size);
	if (t.acked > 0)
		json_u64(j, "acked_bytes", t.acked);
	if (rate >= 0)
		json_u64(j, "rate_bps", rate < 1e18 ? (uint64_t)rate : UINT64_C(1000000000000000000));
	text_unless_empty(j, "source", score_path_name(s->path));
}

static void activity(struct json *j, const struct score_session *s, uint64_t now_ms)
{
	if (s->idle) {
		json_bool(j, "idling", true);
		json_u64(j, "idle_since_ms", s->since_ms);
		return;
	}
	json_str(j, "command", s->cmd);
	text_unless_empty(j, "command_args", s->arg);
	transfer(j, s, now_ms);
}

void who_json_session(struct json *j, const struct score_session *s, uint64_t now_ms)
{
	json_open_object(j, NULL);
	json_i64(j, "pid", s->pid);
	json_u64(j, "session", s->id);
	json_u64(j, "connected_since_ms", s->begin_ms);
	addresses(j, s);
	if (s->logged_in)
		json_str(j, "user", s->user);
	else
		json_bool(j, "authenticating", true);
	text_unless_empty(j, "class", s->class_name);
	text_unless_empty(j, "protocol", s->protocol);
	if (s->tls_control)
		json_bool(j, "tls", true);
	if (s->tls_data)
		json_bool(j, "tls_data", true);
	if (s->logged_in) {
		text_unless_empty(j, "location", s->cwd);
		activity(j, s, now_ms);
	}
	if (s->rate_limit_bps > 0)
		json_u64(j, "rate_limit_bps", s->rate_limit_bps);
	json_end(j);
}
