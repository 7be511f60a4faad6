/*
 * mig-sim: simulate live migrations.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "matrix.h"
#include "oracle.h"
#include "report.h"
#include "text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    char *workload, *trace, *ram, *zero, *phase, *link, *policy, *order;
    char *controller, *limit, *ceiling, *timeout, *action, *give_up, *json;
    char *device, *completion, *sync, *page, *first_page, *workloads;
    char **programs, **tunables;
    gboolean log, check, oracle, list, matrix;
    int runs;
} opt = { .runs = 5 };

static const GOptionEntry entries[] = {
    { "workload", 'w', 0, G_OPTION_ARG_STRING, &opt.workload,
      "a preset (default hot60); see --list", "NAME" },
    { "program", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &opt.programs,
      "instead: what the guest does; several make a mixture", "PROGRAM" },
    { "trace", 't', 0, G_OPTION_ARG_FILENAME, &opt.trace,
      "instead: replay a recorded trace", "FILE" },
    { "phase", 0, 0, G_OPTION_ARG_STRING, &opt.phase,
      "enter the trace here (default 0s)", "TIME" },
    { "ram", 'm', 0, G_OPTION_ARG_STRING, &opt.ram,
      "the guest's RAM (default: the preset's, or 512M)", "SIZE" },
    { "zero", 0, 0, G_OPTION_ARG_STRING, &opt.zero,
      "share of RAM that is zero (default 21%)", "PCT" },
    { "link", 'l', 0, G_OPTION_ARG_STRING, &opt.link,
      "BANDWIDTH[,shared=PCT][,period=TIME][,drop=PCT@TIME][,buffer=SIZE]"
      "[,max-bandwidth=BANDWIDTH][,seed=N] (default 64M)", "LINK" },
    { "policy", 'P', 0, G_OPTION_ARG_STRING, &opt.policy,
      "convergence-policy (default stall; threshold is stock QEMU)", "NAME" },
    { "order", 'o', 0, G_OPTION_ARG_STRING, &opt.order,
      "stock (default) or history", "NAME" },
    { "controller", 'c', 0, G_OPTION_ARG_STRING, &opt.controller,
      "management software around QEMU; see --list", "NAME" },
    { "downtime-limit", 0, 0, G_OPTION_ARG_STRING, &opt.limit,
      "default 300ms", "TIME" },
    { "downtime-ceiling", 0, 0, G_OPTION_ARG_STRING, &opt.ceiling,
      "default 2s; 0: none", "TIME" },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &opt.timeout,
      "convergence-timeout (default 0: none)", "TIME" },
    { "action", 0, 0, G_OPTION_ARG_STRING, &opt.action,
      "convergence-action: continue (default), switchover, postcopy, throttle, "
      "cancel", "NAME" },
    { "tune", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt.tunables,
      "a policy's tunable", "NAME=VALUE" },
    { "time-limit", 0, 0, G_OPTION_ARG_STRING, &opt.give_up,
      "give up after this (default 10m)", "TIME" },
    { "device-state", 0, 0, G_OPTION_ARG_STRING, &opt.device,
      "sent while the guest is stopped (default 256K)", "SIZE" },
    { "completion", 0, 0, G_OPTION_ARG_STRING, &opt.completion,
      "part of the downtime that depends on nothing (default 15ms)", "TIME" },
    { "sync-per-gib", 0, 0, G_OPTION_ARG_STRING, &opt.sync,
      "what a dirty-bitmap sync takes, per GiB (default 50us)", "TIME" },
    { "page-cost", 0, 0, G_OPTION_ARG_STRING, &opt.page,
      "the migration thread's work on a page (default 1.5us)", "TIME" },
    { "first-page-cost", 0, 0, G_OPTION_ARG_STRING, &opt.first_page,
      "the link waits so long for a page that is new to the destination "
      "(default 0)", "TIME" },
    { "oracle", 0, 0, G_OPTION_ARG_NONE, &opt.oracle,
      "also the best moment in hindsight, and the best order's bound", NULL },
    { "matrix", 0, 0, G_OPTION_ARG_NONE, &opt.matrix,
      "all policies, limits and controllers on some workloads", NULL },
    { "workloads", 0, 0, G_OPTION_ARG_STRING, &opt.workloads,
      "for --matrix: presets and traces (default: all small presets)",
      "NAME,..." },
    { "runs", 0, 0, G_OPTION_ARG_INT, &opt.runs,
      "for --matrix: runs of each (default 5)", "N" },
    { "log", 0, 0, G_OPTION_ARG_NONE, &opt.log,
      "print the decision log", NULL },
    { "json", 0, 0, G_OPTION_ARG_FILENAME, &opt.json,
      "write results as JSON; - is standard output", "FILE" },
    { "check", 0, 0, G_OPTION_ARG_NONE, &opt.check,
      "verify all invariants on the way: slow", NULL },
    { "list", 0, 0, G_OPTION_ARG_NONE, &opt.list,
      "list workloads, policies and controllers", NULL },
    { NULL }
};

static G_GNUC_NORETURN void fail(const char *message)
{
    fprintf(stderr, "mig-sim: %s\n", message);
    exit(1);
}

/* errmsg by address: it is not set before ok is known. */
static void must(bool ok, char *const *errmsg)
{
    if (!ok) {
        fail(*errmsg);
    }
}

static void list(void)
{
    const SimControllerKind *k;
    const MigPolicyOps *ops;
    const SimCase *c;
    size_t i;

    puts("workloads");
    for (i = 0; (c = sim_preset_nth(i)); i++) {
        printf("  %-16s %s\n", c->name, c->what);
    }
    puts("policies");
    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        printf("  %-16s %s\n", ops->name, ops->summary);
    }
    puts("controllers");
    for (i = 0; (k = sim_controller_nth(i)); i++) {
        printf("  %-16s %s\n", k->name, k->summary);
    }
}

static void get_case(SimCase *c)
{
    char *e = NULL;
    int i;

    if (!!opt.workload + !!opt.programs + !!opt.trace > 1) {
        fail("only one of --workload, --program and --trace");
    }
    must(sim_case_preset(c, opt.workload ? opt.workload : "hot60", &e), &e);
    if (opt.trace) {
        *c = (SimCase) { .name = g_path_get_basename(opt.trace) };
        c->trace = sim_trace_load(opt.trace, &e);
        must(c->trace != NULL, &e);
        c->what = c->trace->label;
        if (opt.ram || opt.zero) {
            fail("--ram and --zero: a trace has its own");
        }
    }
    if (opt.programs) {
        c->name = "custom";
        c->what = g_strjoinv(" + ", opt.programs);
        c->link = NULL;
        for (i = 0; opt.programs[i]; i++) {
            if (i == SIM_PROGRAMS_MAX) {
                fail("too many programs");
            }
            must(sim_program_parse(&c->programs[i], opt.programs[i], &e), &e);
        }
        c->n_programs = i;
    }
    if (opt.ram) {
        must(sim_parse_bytes("--ram", opt.ram, &c->ram_bytes, &e), &e);
    }
    if (opt.zero) {
        must(sim_parse_pct("--zero", opt.zero, &c->zero_pct, &e), &e);
    }
    if (opt.phase) {
        must(sim_parse_time("--phase", opt.phase, &c->phase_ns, &e), &e);
    }
}

static void get_tunables(SimConfig *config)
{
    size_t n = opt.tunables ? g_strv_length(opt.tunables) : 0, i;
    const char **names = g_new0(const char *, n + 1);
    int64_t *values = g_new0(int64_t, n + 1);

    for (i = 0; i < n; i++) {
        char *value = strchr(opt.tunables[i], '='), *end;

        if (!value) {
            fail("--tune wants NAME=VALUE");
        }
        *value++ = '\0';
        values[i] = g_ascii_strtoll(value, &end, 10);
        if (end == value || *end) {
            fail("--tune: the value is not a whole number");
        }
        names[i] = opt.tunables[i];
    }
    config->tunable_names = names;
    config->tunable_values = values;
    config->n_tunables = n;
}

static void get_config(SimConfig *c, const char *preset_link)
{
    const struct {
        const char *what, *text;
        int64_t *value;
    } times[] = {
        { "--downtime-limit", opt.limit, &c->downtime_limit_ns },
        { "--downtime-ceiling", opt.ceiling, &c->downtime_ceiling_ns },
        { "--timeout", opt.timeout, &c->timeout_ns },
        { "--time-limit", opt.give_up, &c->time_limit_ns },
        { "--completion", opt.completion, &c->costs.completion_ns },
        { "--sync-per-gib", opt.sync, &c->costs.sync_ns_per_gib },
        { "--page-cost", opt.page, &c->costs.page_ns },
        { "--first-page-cost", opt.first_page, &c->costs.first_page_ns },
    };
    char *e = NULL;
    size_t i;

    *c = (SimConfig) {
        .policy = opt.policy ? opt.policy : "stall",
        .order = opt.order ? opt.order : "stock",
        .controller = opt.controller,
        .downtime_limit_ns = 300000000, .downtime_ceiling_ns = 2000000000,
        .link = SIM_LINK_DEFAULT, .costs = sim_costs_default,
        .time_limit_ns = INT64_C(600000000000), .check = opt.check,
    };
    /* A controller decides; unless somebody wants both. */
    if (opt.controller && !opt.policy) {
        c->policy = "threshold";
    }
    for (i = 0; i < G_N_ELEMENTS(times); i++) {
        if (times[i].text) {
            must(sim_parse_time(times[i].what, times[i].text, times[i].value,
                                &e), &e);
        }
    }
    if (opt.device) {
        must(sim_parse_bytes("--device-state", opt.device,
                             &c->costs.device_bytes, &e), &e);
    }
    if (opt.link || preset_link) {
        must(sim_link_parse(&c->link, opt.link ? opt.link : preset_link, &e),
             &e);
    }
    if (opt.action) {
        for (i = 0; i < MIG_ACTION__MAX; i++) {
            if (!strcmp(opt.action, mig_policy_action_name(i))) {
                break;
            }
        }
        if (i == MIG_ACTION__MAX) {
            fail("--action is continue, switchover, postcopy, throttle or "
                 "cancel");
        }
        c->on_failure = i;
    }
    get_tunables(c);
}

static void write_out(const char *path, const GString *text)
{
    GError *error = NULL;

    if (!strcmp(path, "-")) {
        fputs(text->str, stdout);
    } else if (!g_file_set_contents(path, text->str, text->len, &error)) {
        fail(error->message);
    }
}

static void run_one(void)
{
    GString *log = g_string_new(""), *events = g_string_new("");
    GString *text = g_string_new(""), *json = g_string_new("{\n");
    bool want_json = opt.json != NULL;
    SimConfig config;
    SimResult result;
    SimOracle oracle;
    SimCase c;
    char *e = NULL;

    get_case(&c);
    get_config(&config, c.link);
    must(sim_case_run(&c, &config, want_json ? sim_json_event : sim_log_event,
                      want_json ? events : log, &result, &e), &e);
    sim_print_result(text, &c, &config, &result);
    g_string_append_printf(json, " \"schema\": %d, ", SIM_JSON_SCHEMA);
    sim_json_case(json, &c);
    g_string_append(json, ",\n ");
    sim_json_config(json, &config);
    g_string_append(json, ",\n ");
    sim_json_result(json, &result);
    if (opt.oracle) {
        must(sim_oracle(&c, &config, &oracle, &e), &e);
        sim_oracle_print(text, &oracle, &result);
        g_string_append(json, ",\n ");
        sim_oracle_json(json, &oracle);
    }
    g_string_append_printf(json, ",\n \"events\": [%s\n ]\n}\n", events->str);
    if (want_json) {
        write_out(opt.json, json);
    }
    if (opt.log && !want_json) {
        fputs(log->str, stdout);
    }
    if (!want_json || strcmp(opt.json, "-")) {
        fputs(text->str, stdout);
    }
}

static void run_matrix(void)
{
    GString *text = g_string_new(""), *json = g_string_new("");
    SimConfig config;
    char *e = NULL;

    if (opt.runs < 1 || opt.runs > 1000) {
        fail("--runs is 1 to 1000");
    }
    get_config(&config, NULL);
    must(sim_matrix(&config, opt.link != NULL, opt.workloads, opt.runs, text,
                    json, &e), &e);
    if (opt.json) {
        write_out(opt.json, json);
    }
    if (!opt.json || strcmp(opt.json, "-")) {
        fputs(text->str, stdout);
    }
}

int main(int argc, char **argv)
{
    GOptionContext *context = g_option_context_new(
        "- simulate live migrations under the very policies of QEMU");
    char *description = g_strdup_printf(
        "PROGRAM is\n%s\nWithout options: the policy stall and a guest of 512 "
        "MiB that writes 60 MiB\n25,000 times a second, over 64 MiB/s.\n"
        "docs/simulator.md tells what is modelled, and what is not.\n",
        sim_program_help);
    GError *error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context, description);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fail(error->message);
    }
    if (argc > 1) {
        fail("too many arguments; see --help");
    }
    mig_policy_register_builtin();
    if (opt.list) {
        list();
    } else if (opt.matrix) {
        run_matrix();
    } else {
        run_one();
    }
    return 0;
}
