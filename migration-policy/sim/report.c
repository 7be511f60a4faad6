/*
 * What a simulation tells: a decision log, a table, JSON.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report.h"

static double mib(int64_t bytes)
{
    return bytes / 1048576.0;
}

static double sec(int64_t ns)
{
    return ns / 1e9;
}

/* Milliseconds, rounded; -1 stays unknown. */
static int64_t msec(int64_t ns)
{
    return ns < 0 ? -1 : (ns + 500000) / 1000000;
}

static const char *event_name(SimEventKind kind)
{
    static const char *const names[] = {
        [SIM_EVENT_ROUND] = "round", [SIM_EVENT_VERDICT] = "verdict",
        [SIM_EVENT_CONTROL] = "control", [SIM_EVENT_SWITCHOVER] = "switchover",
        [SIM_EVENT_END] = "end",
    };

    return names[kind];
}

/* ---- decision log ---- */

/* Times to 10 ms, sizes to 0.1 MiB: what a person would notice. */
void sim_log_event(void *opaque, const SimEvent *e)
{
    GString *to = opaque;
    const MigPolicyVerdict *v = &e->verdict;

    g_string_append_printf(to, "%8.2f s  %-10s  ", sec(e->time_ns),
                           event_name(e->kind));
    switch (e->kind) {
    case SIM_EVENT_CONTROL:
    case SIM_EVENT_END:
        g_string_append_printf(to, "%s\n", e->text);
        return;
    case SIM_EVENT_ROUND:
    case SIM_EVENT_VERDICT:
    case SIM_EVENT_SWITCHOVER:
        break;
    }
    g_string_append_printf(
        to, "%3" PRId64 "  pending %9.1f MiB  sent %9.1f MiB  %s (%s) %s",
        e->round, mib(e->pending_bytes), mib(e->sent_bytes),
        mig_policy_action_name(v->action), mig_policy_reason_name(v->reason),
        mig_policy_outlook_name(v->outlook));
    if (v->throttle_pct >= 0) {
        g_string_append_printf(to, " throttle %" PRId64 "%%", v->throttle_pct);
    }
    if (e->kind != SIM_EVENT_VERDICT && v->forecast.downtime_now_ns >= 0) {
        g_string_append_printf(to, ", now %.2f s",
                               sec(v->forecast.downtime_now_ns));
    }
    g_string_append_c(to, '\n');
}

/* ---- JSON ---- */

void sim_json_text(GString *to, const char *text)
{
    g_string_append_c(to, '"');
    for (; *text; text++) {
        unsigned char c = *text;

        if (c == '"' || c == '\\') {
            g_string_append_c(to, '\\');
            g_string_append_c(to, c);
        } else if (c < 0x20) {
            g_string_append_printf(to, "\\u%04x", c);
        } else {
            g_string_append_c(to, c);
        }
    }
    g_string_append_c(to, '"');
}

typedef struct Number {
    const char *name;
    int64_t value;
} Number;

/* Members of an object, with commas between them; unknown is null. */
static void json_numbers(GString *to, const Number *number)
{
    const char *comma = "";

    for (; number->name; number++, comma = ", ") {
        g_string_append_printf(to, "%s\"%s\": ", comma, number->name);
        if (number->value < 0) {
            g_string_append(to, "null");
        } else {
            g_string_append_printf(to, "%" PRId64, number->value);
        }
    }
}

#define JSON_NUMBERS(to, ...) \
    json_numbers(to, (const Number[]) { __VA_ARGS__, { NULL, 0 } })

void sim_json_event(void *opaque, const SimEvent *e)
{
    GString *to = opaque;
    const MigPolicyVerdict *v = &e->verdict;

    g_string_append_printf(to, "%s\n  {\"event\": \"%s\", ",
                           to->len ? "," : "", event_name(e->kind));
    JSON_NUMBERS(to, { "time_ms", msec(e->time_ns) });
    if (e->text) {
        g_string_append(to, ", \"text\": ");
        sim_json_text(to, e->text);
    } else {
        g_string_append(to, ", ");
        JSON_NUMBERS(to,
                     { "round", e->round },
                     { "pending_bytes", e->pending_bytes },
                     { "sent_bytes", e->sent_bytes },
                     { "dirtied_pages", e->dirtied_pages },
                     { "bandwidth_bps", e->bandwidth_bps });
        g_string_append_printf(
            to, ", \"action\": \"%s\", \"reason\": \"%s\", "
            "\"outlook\": \"%s\", ", mig_policy_action_name(v->action),
            mig_policy_reason_name(v->reason),
            mig_policy_outlook_name(v->outlook));
        JSON_NUMBERS(to,
                     { "downtime_now_ms", msec(v->forecast.downtime_now_ns) },
                     { "downtime_ms", msec(v->forecast.downtime_ns) });
    }
    g_string_append_c(to, '}');
}

void sim_json_result(GString *to, const SimResult *r)
{
    g_string_append_printf(to, "\"end\": \"%s\", ", sim_end_name(r->end));
    JSON_NUMBERS(to,
                 { "total_ms", msec(r->total_ns) },
                 { "downtime_ms", msec(r->downtime_ns) },
                 { "handed_over_ms", msec(r->handed_over_ns) },
                 { "downtime_forecast_ms", msec(r->forecast_ns) },
                 { "sent_bytes", r->sent_bytes },
                 { "pages", r->pages },
                 { "zero_pages", r->zero_pages },
                 { "rounds", r->rounds },
                 { "refreshes", r->refreshes },
                 { "refresh_spent_us", r->refresh_spent_ns / 1000 },
                 { "guest_work_pct", r->guest_work_pct },
                 { "page_writes", r->writes },
                 { "trace_loops", r->trace_loops });
    g_string_append_printf(to, ", \"reason\": \"%s\"",
                           mig_policy_reason_name(r->reason));
}

void sim_json_case(GString *to, const SimCase *c)
{
    g_string_append(to, "\"workload\": ");
    sim_json_text(to, c->name);
    g_string_append(to, ", \"workload_is\": ");
    sim_json_text(to, c->what);
    g_string_append(to, ", ");
    if (c->trace) {
        JSON_NUMBERS(to,
                     { "trace_ms", msec(c->trace->duration_ns) },
                     { "phase_ms", msec(c->phase_ns) },
                     { "ram_bytes", c->trace->pages * c->trace->page_bytes });
    } else {
        JSON_NUMBERS(to,
                     { "ram_bytes", c->ram_bytes },
                     { "zero_pct", c->zero_pct });
    }
}

void sim_json_config(GString *to, const SimConfig *c)
{
    size_t i;

    g_string_append_printf(to, "\"policy\": \"%s\", \"order\": \"%s\", "
                           "\"controller\": %s%s%s, ", c->policy, c->order,
                           c->controller ? "\"" : "",
                           c->controller ? c->controller : "null",
                           c->controller ? "\"" : "");
    JSON_NUMBERS(to,
                 { "downtime_limit_ms", msec(c->downtime_limit_ns) },
                 { "downtime_ceiling_ms", msec(c->downtime_ceiling_ns) },
                 { "link_bps", c->link.bps },
                 { "link_buffer_bytes", c->link.buffer_bytes },
                 { "link_shared_pct", c->link.share_pct },
                 { "completion_ms", msec(c->costs.completion_ns) },
                 { "time_limit_ms", msec(c->time_limit_ns) });
    g_string_append(to, ", \"tunables\": {");
    for (i = 0; i < c->n_tunables; i++) {
        g_string_append_printf(to, "%s\"%s\": %" PRId64, i ? ", " : "",
                               c->tunable_names[i], c->tunable_values[i]);
    }
    g_string_append_c(to, '}');
}

/* ---- table ---- */

void sim_print_result(GString *to, const SimCase *c, const SimConfig *config,
                      const SimResult *r)
{
    g_string_append_printf(to, "workload        %s: %s\n", c->name, c->what);
    g_string_append_printf(to, "guest           %.0f MiB\n",
                           mib(r->ram_bytes));
    g_string_append_printf(to, "policy, order   %s, %s%s%s\n", config->policy,
                           config->order,
                           config->controller ? ", controller " : "",
                           config->controller ? config->controller : "");
    g_string_append_printf(to, "result          %s (%s)\n",
                           sim_end_name(r->end),
                           mig_policy_reason_text(r->reason));
    g_string_append_printf(to, "total           %.2f s\n", sec(r->total_ns));
    if (r->downtime_ns >= 0) {
        g_string_append_printf(to, "downtime        %" PRId64 " ms",
                               msec(r->downtime_ns));
        if (r->forecast_ns >= 0) {
            g_string_append_printf(to, " (forecast %" PRId64 " ms)",
                                   msec(r->forecast_ns));
        }
        g_string_append_c(to, '\n');
    }
    g_string_append_printf(to, "sent            %.1f MiB\n",
                           mib(r->sent_bytes));
    g_string_append_printf(to, "rounds          %" PRId64 ", refreshes %"
                           PRId64 " (%.1f ms in all)\n", r->rounds,
                           r->refreshes, r->refresh_spent_ns / 1e6);
    g_string_append_printf(to, "guest           %" PRId64 " page writes, "
                           "%" PRId64 "%% of its speed\n", r->writes,
                           r->guest_work_pct);
    if (r->trace_loops) {
        g_string_append_printf(to, "note            the trace ended %" PRId64
                               " times and began anew\n", r->trace_loops);
    }
}
