/*
 * The best moment to stop, in hindsight.
 *
 * The oracle sends in QEMU's order, syncs for nothing, and knows at every
 * moment what is dirty; it may stop whenever it likes, and picks the moment
 * with the least cost, which is total time + 10 x downtime.  How often it syncs
 * changes what it sends twice, so it tries several intervals (each iteration of
 * 50 ms, 100 ms, 500 ms, and only when everything is sent) and keeps the best.
 * It looks no further than a moment whose total time alone costs more.
 *
 * It is the best of these four courses, not of all that are thinkable.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "oracle.h"

#define NS_PER_MS INT64_C(1000000)

bool sim_oracle(const SimCase *c, const SimConfig *config, SimOracle *oracle,
                char **errmsg)
{
    static const int64_t intervals_ns[] = {
        1, 100 * NS_PER_MS, 500 * NS_PER_MS, INT64_MAX / 2,
    };
    SimConfig free_config = *config;
    size_t i;

    *oracle = (SimOracle) {
        .total_ns = -1, .bound_total_ns = -1, .bound_downtime_ns = -1,
        .bound_cost_ns = -1, .least_downtime_ns = -1,
    };
    free_config.policy = "threshold";
    free_config.order = "stock";
    free_config.controller = NULL;
    free_config.n_tunables = 0;
    for (i = 0; i < G_N_ELEMENTS(intervals_ns); i++) {
        SimResult r;

        free_config.free_sync_ns = intervals_ns[i];
        if (!sim_case_run(c, &free_config, NULL, NULL, &r, errmsg)) {
            return false;
        }
        if (oracle->total_ns < 0 ||
            sim_cost_ns(r.best_total_ns, r.best_downtime_ns) <
            sim_cost_ns(oracle->total_ns, oracle->downtime_ns)) {
            oracle->total_ns = r.best_total_ns;
            oracle->downtime_ns = r.best_downtime_ns;
        }
    }
    sim_bound(c, config, oracle);
    return true;
}

void sim_oracle_print(GString *to, const SimOracle *o, const SimResult *r)
{
    int64_t best_ns = sim_cost_ns(o->total_ns, o->downtime_ns);

    g_string_append_printf(to, "best moment     total %.2f s, downtime %.0f "
                           "ms, cost %.2f s\n", o->total_ns / 1e9,
                           o->downtime_ns / 1e6, best_ns / 1e9);
    if (r->downtime_ns >= 0) {
        int64_t cost_ns = sim_cost_ns(r->total_ns, r->downtime_ns);

        g_string_append_printf(to, "regret          cost %+.2f s: total %+.2f "
                               "s, downtime %+.0f ms\n",
                               (cost_ns - best_ns) / 1e9,
                               (r->total_ns - o->total_ns) / 1e9,
                               (r->downtime_ns - o->downtime_ns) / 1e6);
    }
    if (o->bound_cost_ns >= 0) {
        g_string_append_printf(to, "best order      bound: cost %.2f s (total "
                               "%.2f s, downtime %.0f ms); least downtime "
                               "%.0f ms\n", o->bound_cost_ns / 1e9,
                               o->bound_total_ns / 1e9,
                               o->bound_downtime_ns / 1e6,
                               o->least_downtime_ns / 1e6);
    }
}

void sim_oracle_json(GString *to, const SimOracle *o)
{
    g_string_append_printf(to, "\"oracle\": {\"total_ms\": %.0f, "
                           "\"downtime_ms\": %.0f, \"cost_ms\": %.0f",
                           o->total_ns / 1e6, o->downtime_ns / 1e6,
                           sim_cost_ns(o->total_ns, o->downtime_ns) / 1e6);
    if (o->bound_cost_ns >= 0) {
        g_string_append_printf(to, ", \"bound_total_ms\": %.0f, "
                               "\"bound_downtime_ms\": %.0f, "
                               "\"bound_cost_ms\": %.0f, "
                               "\"least_downtime_ms\": %.0f",
                               o->bound_total_ns / 1e6,
                               o->bound_downtime_ns / 1e6,
                               o->bound_cost_ns / 1e6,
                               o->least_downtime_ns / 1e6);
    }
    g_string_append_c(to, '}');
}
