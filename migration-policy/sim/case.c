/*
 * What is simulated, and presets of it.
 *
 * The first five are the loads of the benchmark on real guests (512 MiB, 64
 * MiB/s), with the share of zero pages that was seen there.  load.c sends 15
 * of 16 writes of its pattern "skew" to a tenth of the pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "case.h"
#include "text.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

static const SimCase presets[] = {
    {
        .name = "hot60", .what = "60 MiB hot, 25,000 page writes/s",
        .texts = { "uniform,set=60M,rate=25k" },
    }, {
        .name = "burst200",
        .what = "200 MiB in bursts of 3 s with 3 s of quiet",
        .texts = { "uniform,set=200M,rate=25k,burst=3s,quiet=3s" },
    }, {
        .name = "sweep150", .what = "sweep over 150 MiB, 25,000 page writes/s",
        .texts = { "sweep,set=150M,rate=25k" },
    }, {
        .name = "skew150",
        .what = "150 MiB, 94% of 25,000 page writes/s to a tenth",
        .texts = { "hot,set=150M,rate=25k,share=94%,hot=10%" },
    }, {
        .name = "idle", .what = "next to nothing written",
        .texts = { "uniform,set=1M,rate=10" },
    }, {
        .name = "zipf", .what = "Zipf over 300 MiB, 25,000 page writes/s",
        .texts = { "zipf,set=300M,rate=25k" },
    }, {
        .name = "mixed",
        .what = "20 MiB hot, a sweep over 100 MiB, bursts over 80 MiB",
        .texts = { "uniform,set=20M,rate=20k", "sweep,set=100M,rate=5k",
                   "uniform,set=80M,rate=20k,burst=1s,quiet=4s" },
    }, {
        .name = "phased",
        .what = "loads 200 MiB in a sweep, then works on 40 MiB",
        .texts = { "sweep,set=200M,rate=20k,until=12s",
                   "uniform,set=40M,rate=15k,from=12s" },
    }, {
        .name = "big64", .what = "64 GiB, Zipf over 16 GiB, 200,000 writes/s, "
                                 "10 Gbit/s",
        .ram_bytes = 64 * GIB, .link = "10Gbit",
        .texts = { "zipf,set=16G,rate=200k" },
    },
};

const SimCase *sim_preset_nth(size_t i)
{
    return i < G_N_ELEMENTS(presets) ? &presets[i] : NULL;
}

bool sim_case_preset(SimCase *c, const char *name, char **errmsg)
{
    size_t i, k;

    for (i = 0; i < G_N_ELEMENTS(presets); i++) {
        if (strcmp(presets[i].name, name)) {
            continue;
        }
        *c = presets[i];
        c->ram_bytes = c->ram_bytes ? c->ram_bytes : 512 * MIB;
        c->page_bytes = 4096;
        c->zero_pct = 21;
        for (k = 0; c->texts[k]; k++) {
            if (!sim_program_parse(&c->programs[k], c->texts[k], errmsg)) {
                return false;
            }
        }
        c->n_programs = k;
        return true;
    }
    *errmsg = g_strdup_printf("there is no workload '%s'; see --list", name);
    return false;
}

SimCase sim_case_variant(const SimCase *c, int k, int n)
{
    SimCase v = *c;
    size_t i;

    for (i = 0; i < v.n_programs; i++) {
        SimProgram *p = &v.programs[i];

        p->seed += k;
        if (p->quiet_ns) {
            p->phase_ns += sim_muldiv(p->burst_ns + p->quiet_ns, k, n);
        }
    }
    if (v.trace) {
        v.phase_ns += sim_muldiv(v.trace->duration_ns, k, n);
    }
    return v;
}

bool sim_case_open(const SimCase *c, bool check, SimGuest **g, SimWriter **w,
                   char **errmsg)
{
    MigTraceBlock ram = { "ram", c->ram_bytes };
    int64_t zero;

    if (c->trace) {
        *g = sim_trace_guest(c->trace, check);
        *w = sim_writer_new_trace(c->trace, c->phase_ns);
        return true;
    }
    if (c->ram_bytes < c->page_bytes || c->ram_bytes % c->page_bytes) {
        *errmsg = g_strdup_printf("RAM of %" PRId64 " bytes is no number of "
                                  "pages", c->ram_bytes);
        return false;
    }
    *g = sim_guest_new(c->page_bytes, &ram, 1, check);
    zero = sim_muldiv((*g)->pages, c->zero_pct, 100);
    sim_guest_set_zero(*g, (*g)->pages - zero, zero);
    *w = sim_writer_new_programs(*g, c->programs, c->n_programs, errmsg);
    if (!*w) {
        sim_guest_free(*g);
        *g = NULL;
    }
    return *w != NULL;
}

bool sim_case_run(const SimCase *c, const SimConfig *config,
                  SimListener *listener, void *opaque, SimResult *result,
                  char **errmsg)
{
    SimGuest *g;
    SimWriter *w;
    bool ok;

    if (!sim_case_open(c, config->check, &g, &w, errmsg)) {
        return false;
    }
    ok = sim_run(config, g, w, listener, opaque, result, errmsg);
    sim_writer_free(w);
    sim_guest_free(g);
    return ok;
}
