/*
 * Workloads x everything that can end a migration, and what each regrets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "matrix.h"
#include "oracle.h"
#include "report.h"
#include <stdio.h>
#include <stdlib.h>

#define PEERS_MAX 64

typedef struct Peer {
    char *name;
    SimConfig config;
} Peer;

typedef struct Cell {
    double *total_ms, *downtime_ms, *sent_mib, *rounds;
    double *regret_ms, *regret_total_ms, *regret_downtime_ms, *ratio;
    int n;                      /* of runs that completed */
} Cell;

static size_t list_peers(const SimConfig *base, Peer *peers)
{
    const SimControllerKind *k;
    const MigPolicyOps *ops;
    size_t n = 0, i;

#define PEER(label, ...)                                            \
    do {                                                            \
        peers[n].name = (label);                                    \
        peers[n].config = *base;                                    \
        peers[n].config.policy = "threshold";                       \
        peers[n].config.order = "stock";                            \
        peers[n].config.controller = NULL;                          \
        __VA_ARGS__;                                                \
        n++;                                                        \
    } while (0)

    PEER(g_strdup_printf("stock-%" PRId64, base->downtime_limit_ns / 1000000));
    PEER(g_strdup("stock-2000"),
         peers[n].config.downtime_limit_ns = INT64_C(2000000000));
    PEER(g_strdup("stock-2000+history"),
         peers[n].config.downtime_limit_ns = INT64_C(2000000000);
         peers[n].config.order = "history");
    for (i = 0; (ops = mig_policy_nth(i)) && n + 2 < PEERS_MAX; i++) {
        if (strcmp(ops->name, "threshold")) {
            PEER(g_strdup(ops->name), peers[n].config.policy = ops->name);
            PEER(g_strconcat(ops->name, "+history", NULL),
                 peers[n].config.policy = ops->name;
                 peers[n].config.order = "history");
        }
    }
    for (i = 0; (k = sim_controller_nth(i)) && n < PEERS_MAX; i++) {
        PEER(g_strdup(k->name), peers[n].config.controller = k->name);
    }
#undef PEER
    return n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts; NAN of nothing. */
static double median(double *v, int n)
{
    qsort(v, n, sizeof(*v), compare);
    return n == 0 ? NAN : n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void cell_init(Cell *c, int runs)
{
    double *v = g_new0(double, 8 * runs);

    *c = (Cell) {
        v, v + runs, v + 2 * runs, v + 3 * runs, v + 4 * runs, v + 5 * runs,
        v + 6 * runs, v + 7 * runs, 0
    };
}

static void cell_add(Cell *c, const SimResult *r, const SimOracle *o)
{
    int64_t cost_ns = sim_cost_ns(r->total_ns, r->downtime_ns);
    int64_t best_ns = sim_cost_ns(o->total_ns, o->downtime_ns);
    int i = c->n;

    if (r->end != SIM_COMPLETED) {
        return;
    }
    c->n++;
    c->total_ms[i] = r->total_ns / 1e6;
    c->downtime_ms[i] = r->downtime_ns / 1e6;
    c->sent_mib[i] = r->sent_bytes / 1048576.0;
    c->rounds[i] = r->rounds;
    c->regret_ms[i] = (cost_ns - best_ns) / 1e6;
    c->regret_total_ms[i] = (r->total_ns - o->total_ns) / 1e6;
    c->regret_downtime_ms[i] = (r->downtime_ns - o->downtime_ns) / 1e6;
    c->ratio[i] = (double)cost_ns / best_ns;
}

static void print_head(GString *to, const SimCase *c, int runs)
{
    g_string_append_printf(
        to, "\n%s: %s; %d runs, medians\n"
        "%-20s %5s %9s %9s %9s %6s  %10s %9s %9s\n", c->name, c->what, runs,
        "", "done", "total s", "down ms", "sent MiB", "rounds", "regret s",
        "time s", "down ms");
}

/* The same as rows of a table for scripts/report and scripts/fill-tables. */
static void json_head(GString *to, const char *title, const char *headings)
{
    g_string_append_printf(to, "%s\n  {\"title\": ", to->len ? "," : "");
    sim_json_text(to, title);
    g_string_append_printf(to, ", \"headings\": [%s],\n   \"rows\": [",
                           headings);
}

static void json_cell(GString *to, const char *name, Cell *c, int runs,
                      bool first)
{
    g_string_append_printf(to, "%s\n    [\"%s\", \"%d of %d\", ",
                           first ? "" : ",", name, c->n, runs);
    if (!c->n) {
        g_string_append(to, "\"-\", \"-\", \"-\", \"-\", \"-\", \"-\"]");
        return;
    }
    g_string_append_printf(
        to, "\"%.2f\", \"%.0f\", \"%.0f\", \"%+.2f\", \"%+.2f\", "
        "\"%+.0f\"]", median(c->total_ms, c->n) / 1e3,
        median(c->downtime_ms, c->n), median(c->sent_mib, c->n),
        median(c->regret_ms, c->n) / 1e3,
        median(c->regret_total_ms, c->n) / 1e3,
        median(c->regret_downtime_ms, c->n));
}

static void print_cell(GString *to, const char *name, Cell *c, int runs)
{
    g_string_append_printf(to, "%-20s %2d/%-2d ", name, c->n, runs);
    if (!c->n) {
        g_string_append(to, "\n");
        return;
    }
    g_string_append_printf(
        to, "%9.2f %9.0f %9.0f %6.0f  %10.2f %9.2f %9.0f\n",
        median(c->total_ms, c->n) / 1e3, median(c->downtime_ms, c->n),
        median(c->sent_mib, c->n), median(c->rounds, c->n),
        median(c->regret_ms, c->n) / 1e3,
        median(c->regret_total_ms, c->n) / 1e3,
        median(c->regret_downtime_ms, c->n));
}

/* What could have been had: times only.  Sorts. */
static void print_ideal(GString *to, GString *tables, const char *name,
                        double *total_s, double *down_ms, int n)
{
    double total = median(total_s, n), down = median(down_ms, n);

    g_string_append_printf(to, "%-20s %5s %9.2f %9.0f\n", name, "", total,
                           down);
    g_string_append_printf(tables, ",\n    [\"%s\", \"\", \"%.2f\", "
                           "\"%.0f\", \"\", \"\", \"\", \"\"]", name,
                           total, down);
}

static void print_oracles(GString *to, GString *tables, const SimOracle *o,
                          int runs)
{
    double *total = g_new(double, runs), *down = g_new(double, runs);
    int i, n = 0;

    for (i = 0; i < runs; i++) {
        total[i] = o[i].total_ns / 1e9;
        down[i] = o[i].downtime_ns / 1e6;
    }
    print_ideal(to, tables, "best moment", total, down, runs);
    for (i = 0; i < runs; i++) {
        if (o[i].bound_cost_ns >= 0) {
            total[n] = o[i].bound_total_ns / 1e9;
            down[n++] = o[i].bound_downtime_ns / 1e6;
        }
    }
    if (n) {
        print_ideal(to, tables, "bound, any order", total, down, n);
    }
    g_free(total);
    g_free(down);
}

static bool run_workload(const SimCase *c, const Peer *peers, size_t n,
                         int runs, Cell *overall, GString *text, GString *json,
                         GString *tables, char **errmsg)
{
    char *title = g_strdup_printf("%s: %s; %d runs, medians", c->name, c->what,
                                  runs);
    SimOracle *oracle = g_new0(SimOracle, runs);
    SimResult *result = g_new0(SimResult, runs * n);
    Cell *cell = g_new0(Cell, n);
    bool ok = true;
    size_t i;
    int k;

    for (k = 0; ok && k < runs; k++) {
        SimCase v = sim_case_variant(c, k, runs);

        ok = sim_oracle(&v, &peers[0].config, &oracle[k], errmsg);
        for (i = 0; ok && i < n; i++) {
            SimResult *r = &result[k * n + i];

            ok = sim_case_run(&v, &peers[i].config, NULL, NULL, r, errmsg);
            /* In QEMU's order nobody may be better than the best. */
            if (ok && r->end == SIM_COMPLETED &&
                !strcmp(peers[i].config.order, "stock") &&
                sim_cost_ns(r->total_ns, r->downtime_ns) <
                sim_cost_ns(oracle[k].total_ns, oracle[k].downtime_ns)) {
                oracle[k].total_ns = r->total_ns;
                oracle[k].downtime_ns = r->downtime_ns;
            }
        }
        fprintf(stderr, "mig-sim: %s: run %d of %d\n", c->name, k + 1, runs);
    }
    print_head(text, c, runs);
    json_head(tables, title, "\"configuration\", \"completed\", "
              "\"total, s\", \"downtime, ms\", \"sent, MiB\", "
              "\"regret, s\", \"of it time, s\", \"downtime, ms\"");
    g_free(title);
    g_string_append_printf(json, "%s\n  {", json->str[json->len - 1] == '}'
                           ? "," : "");
    sim_json_case(json, c);
    g_string_append(json, ",\n   \"oracles\": [");
    for (k = 0; ok && k < runs; k++) {
        g_string_append(json, k ? ",\n    {" : "\n    {");
        sim_oracle_json(json, &oracle[k]);
        g_string_append_c(json, '}');
    }
    g_string_append(json, "],\n   \"configs\": [");
    for (i = 0; ok && i < n; i++) {
        cell_init(&cell[i], runs);
        g_string_append_printf(json, "%s\n    {\"name\": \"%s\", ",
                               i ? "," : "", peers[i].name);
        sim_json_config(json, &peers[i].config);
        g_string_append(json, ", \"runs\": [");
        for (k = 0; k < runs; k++) {
            const SimResult *r = &result[k * n + i];

            cell_add(&cell[i], r, &oracle[k]);
            cell_add(&overall[i], r, &oracle[k]);
            g_string_append(json, k ? ",\n     {" : "\n     {");
            sim_json_result(json, r);
            if (r->end == SIM_COMPLETED) {
                g_string_append_printf(
                    json, ", \"regret_ms\": %.0f",
                    (sim_cost_ns(r->total_ns, r->downtime_ns) -
                     sim_cost_ns(oracle[k].total_ns,
                                 oracle[k].downtime_ns)) / 1e6);
            }
            g_string_append_c(json, '}');
        }
        g_string_append(json, "]}");
        print_cell(text, peers[i].name, &cell[i], runs);
        json_cell(tables, peers[i].name, &cell[i], runs, i == 0);
        g_free(cell[i].total_ms);
    }
    g_string_append(json, "]}");
    if (ok) {
        print_oracles(text, tables, oracle, runs);
    }
    g_string_append(tables, "]}");
    g_free(oracle);
    g_free(result);
    g_free(cell);
    return ok;
}

static bool get_workload(SimCase *c, const char *name, char **errmsg)
{
    if (!g_str_has_suffix(name, ".mtrace")) {
        return sim_case_preset(c, name, errmsg);
    }
    *c = (SimCase) { .name = g_path_get_basename(name) };
    c->trace = sim_trace_load(name, errmsg);
    if (c->trace) {
        c->what = c->trace->label;
    }
    return c->trace != NULL;
}

static char *default_names(void)
{
    GString *names = g_string_new("");
    const SimCase *c;
    size_t i;

    for (i = 0; (c = sim_preset_nth(i)); i++) {
        if (!c->ram_bytes) {
            g_string_append_printf(names, "%s%s", names->len ? "," : "",
                                   c->name);
        }
    }
    return g_string_free(names, false);
}

bool sim_matrix(const SimConfig *base, bool keep_link, const char *names,
                int runs, GString *text, GString *json, char **errmsg)
{
    char *all = names ? g_strdup(names) : default_names();
    char **name = g_strsplit(all, ",", -1);
    Peer peers[PEERS_MAX];
    size_t n = list_peers(base, peers), i, w, n_workloads = g_strv_length(name);
    Cell *overall = g_new0(Cell, n);
    GString *tables = g_string_new(""), *first = g_string_new("");
    bool ok = true;

    g_string_append_printf(json, "{\"schema\": %d, \"what\": \"simulated: cost "
                           "is total time + %d x downtime; regret is cost "
                           "above the best moment in hindsight\",\n"
                           " \"workloads\": [", SIM_JSON_SCHEMA,
                           SIM_DOWNTIME_WEIGHT);
    for (i = 0; i < n; i++) {
        cell_init(&overall[i], runs * n_workloads);
    }
    for (w = 0; ok && name[w]; w++) {
        SimCase c;

        ok = get_workload(&c, name[w], errmsg);
        if (!ok) {
            break;
        }
        for (i = 0; i < n; i++) {
            peers[i].config.link = base->link;
            if (c.link && !keep_link) {
                ok = ok && sim_link_parse(&peers[i].config.link, c.link,
                                          errmsg);
            }
        }
        ok = ok && run_workload(&c, peers, n, runs, overall, text, json,
                                tables, errmsg);
        sim_trace_free(c.trace);
    }
    /* What sums up the rest comes first. */
    json_head(first, "All workloads: cost as a multiple of the best moment's, "
              "of the runs that completed", "\"configuration\", \"completed\", \"median\", \"worst\"");
    g_string_append_printf(text, "\nall workloads: cost as a multiple of the "
                           "best moment's (1: as good)\n%-20s %7s %9s %9s\n",
                           "", "done", "median", "worst");
    for (i = 0; ok && i < n; i++) {
        Cell *c = &overall[i];

        g_string_append_printf(first, "%s\n    [\"%s\", \"%d of %d\", ",
                               i ? "," : "", peers[i].name, c->n,
                               (int)(runs * n_workloads));
        g_string_append_printf(text, "%-20s %3d/%-3d", peers[i].name, c->n,
                               (int)(runs * n_workloads));
        if (c->n) {
            double middle = median(c->ratio, c->n);

            g_string_append_printf(text, " %9.2f %9.2f", middle,
                                   c->ratio[c->n - 1]);
            g_string_append_printf(first, "\"%.2f\", \"%.2f\"]", middle,
                                   c->ratio[c->n - 1]);
        } else {
            g_string_append(first, "\"-\", \"-\"]");
        }
        g_string_append_c(text, '\n');
    }
    g_string_append_printf(json, "\n ],\n \"tables\": [%s]}%s%s\n ]\n}\n",
                           first->str, tables->len ? "," : "", tables->str);
    g_string_free(tables, true);
    g_string_free(first, true);
    for (i = 0; i < n; i++) {
        g_free(overall[i].total_ms);
        g_free(peers[i].name);
    }
    g_free(overall);
    g_strfreev(name);
    g_free(all);
    return ok;
}
