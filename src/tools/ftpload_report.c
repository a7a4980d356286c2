/* What the run took: text for people, JSON for programs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tools/ftpload.h"

#define WARM_UP_BINS 10 /* the first second of a download with a rate */

struct rates {
	double min, mean, max; /* bytes a second of a session */
	double roughness;      /* mean over the sessions */
	size_t sessions;       /* that got anything */
};

static double seconds(const struct load *l)
{
	return (double)(l->end_us - l->start_us) / 1e6;
}

/* Rate of each session behind the first second. */
static void rates_make(const struct load *l, struct rates *ret)
{
	size_t skip = l->bins > 2 * WARM_UP_BINS ? WARM_UP_BINS : 0, count = l->bins - skip;

	*ret = (struct rates){0};
	for (unsigned i = 0; i < l->opt->sessions && count > 0; i++) {
		const uint32_t *bins = l->sessions[i].bins + skip;
		double sum = 0, rate;

		for (size_t b = 0; b < count; b++)
			sum += bins[b];
		rate = sum * 1000 / LOAD_BIN_MS / (double)count;
		if (i == 0 || rate < ret->min)
			ret->min = rate;
		if (rate > ret->max)
			ret->max = rate;
		ret->mean += rate;
		ret->roughness += load_roughness(bins, count);
		ret->sessions += sum > 0;
	}
	ret->mean /= l->opt->sessions;
	ret->roughness /= l->opt->sessions;
}

static void json_times(struct json *j, const char *key, struct load_samples *samples)
{
	struct load_summary s;

	load_samples_summary(samples, &s);
	json_open_object(j, key);
	json_u64(j, "count", samples->count);
	json_f64(j, "min", s.min);
	json_f64(j, "mean", s.mean);
	json_f64(j, "p50", s.p50);
	json_f64(j, "p90", s.p90);
	json_f64(j, "p99", s.p99);
	json_f64(j, "max", s.max);
	json_end(j);
}

static void json_rates(struct json *j, const struct load *l)
{
	struct rates r;

	rates_make(l, &r);
	json_open_object(j, "rate");
	json_u64(j, "bin_ms", LOAD_BIN_MS);
	json_u64(j, "expected", l->opt->rate_bps);
	json_f64(j, "min", r.min);
	json_f64(j, "mean", r.mean);
	json_f64(j, "max", r.max);
	json_f64(j, "roughness", r.roughness);
	json_open_array(j, "bins");
	for (unsigned i = 0; i < l->opt->sessions; i++) {
		json_open_array(j, NULL);
		for (size_t b = 0; b < l->bins; b++)
			json_u64(j, NULL, l->sessions[i].bins[b]);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void json_tls(struct json *j, const struct load *l)
{
	json_open_object(j, "tls");
	json_str(j, "cipher", l->tls_text);
	json_u64(j, "control_full", l->tls_full);
	json_u64(j, "control_resumed", l->tls_resumed);
	json_u64(j, "data_full", l->data_full);
	json_u64(j, "data_resumed", l->data_resumed);
	json_end(j);
}

static int report_json(struct load *l, struct buf *out)
{
	struct json j;

	json_init(&j, out, 0);
	json_open_object(&j, NULL);
	json_str(&j, "mode", load_mode_name[l->opt->mode]);
	json_u64(&j, "sessions", l->opt->sessions);
	json_u64(&j, "operations", l->ops_done);
	json_u64(&j, "errors", l->errors);
	json_u64(&j, "bytes", l->bytes);
	json_u64(&j, "wire_bytes", l->wire_bytes);
	json_f64(&j, "seconds", seconds(l));
	json_f64(&j, "client_cpu_seconds", l->client_cpu);
	json_times(&j, "operation_ms", &l->op_times);
	json_times(&j, "begin_ms", &l->first_times);
	json_times(&j, "login_ms", &l->login_times);
	if (l->opt->mode == LOAD_IDLE)
		json_u64(&j, "skipped", l->skipped);
	if (l->opt->mode == LOAD_RATE)
		json_rates(&j, l);
	if (l->opt->tls)
		json_tls(&j, l);
	json_end(&j);
	return json_finish(&j);
}

static void text_times(const char *what, struct load_samples *samples)
{
	struct load_summary s;

	if (samples->count == 0)
		return;
	load_samples_summary(samples, &s);
	(void)printf("%-10s %zu, ms: min %.3f, mean %.3f, p50 %.3f, p90 %.3f, p99 %.3f, max %.3f\n", what,
		samples->count, s.min, s.mean, s.p50, s.p90, s.p99, s.max);
}

static void text_rates(const struct load *l)
{
	struct rates r;

	rates_make(l, &r);
	(void)printf("rates      KiB/s of a session: min %.1f, mean %.1f, max %.1f; roughness of %d ms: "
		     "%.3f; %zu of %u sessions got data\n",
		r.min / 1024, r.mean / 1024, r.max / 1024, LOAD_BIN_MS, r.roughness, r.sessions,
		l->opt->sessions);
	if (l->opt->rate_bps > 0)
		(void)printf("           against %.1f KiB/s: %+.2f %% to %+.2f %%\n",
			(double)l->opt->rate_bps / 1024, 100 * (r.min / (double)l->opt->rate_bps - 1),
			100 * (r.max / (double)l->opt->rate_bps - 1));
}

static void report_text(struct load *l)
{
	double s = seconds(l), mib = (double)l->bytes / (1u << 20);

	(void)printf("%s: %u session%s, %" PRIu64 " operations in %.3f s (%.1f a second), %" PRIu64
		     " errors\n",
		load_mode_name[l->opt->mode], l->opt->sessions, l->opt->sessions == 1 ? "" : "s", l->ops_done,
		s, s > 0 ? (double)l->ops_done / s : 0, l->errors);
	if (l->bytes > 0)
		(void)printf("bytes      %" PRIu64 " (%.1f MiB/s)\n", l->bytes, s > 0 ? mib / s : 0);
	if (l->opt->mode_z)
		(void)printf("on wire    %" PRIu64 " (1:%.2f)\n", l->wire_bytes,
			l->wire_bytes > 0 ? (double)l->bytes / (double)l->wire_bytes : 0);
	text_times("operations", &l->op_times);
	text_times("until 150", &l->first_times);
	text_times("logins", &l->login_times);
	if (l->opt->mode == LOAD_RATE)
		text_rates(l);
	if (l->skipped > 0)
		(void)printf("skipped    %" PRIu64
			     " NOOPs found no session free, or no processor for the load\n",
			l->skipped);
	if (l->opt->tls)
		(void)printf("TLS        %s; control: %" PRIu64 " full, %" PRIu64 " resumed; data: %" PRIu64
			     " full, %" PRIu64 " resumed\n",
			l->tls_text, l->tls_full, l->tls_resumed, l->data_full, l->data_resumed);
	(void)printf("own CPU    %.3f s\n", l->client_cpu);
}

void load_report(struct load *l)
{
	struct buf out;

	if (!l->opt->json) {
		report_text(l);
	} else {
		buf_init(&out, 256u << 20);
		if (report_json(l, &out) == 0)
			(void)printf("%s\n", out.data);
		else {
			(void)fprintf(stderr,
				"ftpload: the report is too large: fewer sessions or seconds are wanted\n");
			l->failed = true;
		}
		buf_done(&out);
	}
	if (fflush(stdout) != 0) {
		(void)fprintf(stderr, "ftpload: the report cannot be written: %s\n", strerror(errno));
		l->failed = true;
	}
}
