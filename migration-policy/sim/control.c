/*
 * Outside controllers: what management software does around QEMU.
 *
 * Each is a reconstruction from its public description, reduced to what it
 * decides about downtime.  Timeouts by which they abort or go to post-copy
 * are left out, except where the stall detector aborts as part of its rule:
 * the simulation's time limit stands for them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "control.h"

#define MS INT64_C(1000000)
#define SEC INT64_C(1000000000)

static void set_limit(SimOrders *o, int64_t ms, const char *why)
{
    o->downtime_limit_ns = ms * MS;
    g_snprintf(o->text, sizeof(o->text), "downtime-limit %" PRId64 " ms: %s",
               ms, why);
}

/*
 * KubeVirt, VEP 291 "Dynamic Downtime Tuning"
 * (github.com/kubevirt/enhancements, veps/sig-compute/
 * 291-dynamic-downtime-tuning/vep.md): 150 ms at first; once the iteration is
 * 3 or more, a step every 10 s, 6 equal steps up to 1050 ms.  The text says 7
 * steps, its own table shows the values used here.  virt-launcher looks every
 * 400 ms.
 */
typedef struct Ramp {
    int64_t since_ns;           /* 0: not begun */
    int64_t ms;
} Ramp;

static void ramp_start(void *state, const SimView *v, SimOrders *o)
{
    Ramp *r = state;

    r->ms = 150;
    set_limit(o, r->ms, "ramp begins");
}

static void ramp_poll(void *state, const SimView *v, SimOrders *o)
{
    Ramp *r = state;

    if (v->sync_count < 3) {
        return;
    }
    if (!r->since_ns) {
        r->since_ns = v->elapsed_ns;
    } else if (v->elapsed_ns - r->since_ns >= 10 * SEC && r->ms < 1050) {
        r->since_ns = v->elapsed_ns;
        r->ms = MIN(r->ms + 150, 1050);
        set_limit(o, r->ms, "ramp");
    }
}

/*
 * KubeVirt, VEP 248 "Live Migration Stability & Convergence", the pre-copy
 * path without workload disruption (.../248-migration-convergence/vep.md and
 * migration-hyperparameters.md): at the end of an iteration, stalled when the
 * remaining bytes are at least 96% of the least among iterations 40 s ago or
 * earlier; from then on switch when they are within 104% of the best since
 * the stall began, the best being given up for the next best after 40 s, then
 * 20 s, 10 s, ...; switching means downtime-limit = 900 ms if remaining /
 * bandwidth (EWMA, 0.4) is at most 1.5 x 900 ms, and giving up otherwise; and
 * giving up 60 s after it.
 */
#define STALL_HISTORY 4096

typedef struct Stall {
    struct {
        int64_t at_ns, bytes;
    } seen[STALL_HISTORY];
    int n;
    int64_t sync_count;
    double bandwidth_bps;       /* EWMA; 0: none */
    bool stalled;
    int first;                  /* of the samples since the stall began */
    bool used[STALL_HISTORY];
    double best_bytes;
    int64_t patience_ns, patient_since_ns;
    int64_t switched_ns;        /* 0: not yet */
} Stall;

static bool stall_take_best(Stall *s)
{
    int i, best = -1;

    for (i = s->first; i < s->n; i++) {
        if (!s->used[i] &&
            (best < 0 || s->seen[i].bytes < s->seen[best].bytes)) {
            best = i;
        }
    }
    if (best >= 0) {
        s->used[best] = true;
        s->best_bytes = s->seen[best].bytes;
    }
    return best >= 0;
}

static void stall_detect(Stall *s, const SimView *v)
{
    int i, least = -1;

    for (i = 0; i < s->n && s->seen[i].at_ns <= v->elapsed_ns - 40 * SEC;
         i++) {
        if (least < 0 || s->seen[i].bytes <= s->seen[least].bytes) {
            least = i;
        }
    }
    if (least >= 0 && v->remaining_bytes >= 0.96 * s->seen[least].bytes) {
        s->stalled = true;
        s->first = least;
        s->patience_ns = 40 * SEC;
        s->patient_since_ns = v->elapsed_ns;
        stall_take_best(s);
    }
}

static void stall_switch(Stall *s, const SimView *v, SimOrders *o)
{
    double implied_ms = s->bandwidth_bps > 0
        ? v->remaining_bytes * 1000.0 / s->bandwidth_bps : 1e9;

    if (implied_ms <= 900 * 1.5) {
        s->switched_ns = v->elapsed_ns;
        set_limit(o, 900, "stalled, and near the best since");
    } else {
        o->abort = true;
        g_snprintf(o->text, sizeof(o->text), "gives up: stalled, and even the "
                   "best means %.0f ms", MIN(implied_ms, 1e6));
    }
}

static void stall_poll(void *state, const SimView *v, SimOrders *o)
{
    Stall *s = state;

    if (v->bandwidth_bps >= 0) {
        s->bandwidth_bps = s->bandwidth_bps > 0
            ? 0.4 * v->bandwidth_bps + 0.6 * s->bandwidth_bps
            : v->bandwidth_bps;
    }
    if (s->switched_ns) {
        if (v->elapsed_ns - s->switched_ns > 60 * SEC) {
            o->abort = true;
            g_snprintf(o->text, sizeof(o->text), "gives up: no switchover 60 s "
                       "after the limit was raised");
        }
        return;
    }
    /* Iterations only; the first one has all of RAM remaining. */
    if (v->sync_count == s->sync_count || v->sync_count < 2) {
        return;
    }
    s->sync_count = v->sync_count;
    if (s->n < STALL_HISTORY) {
        s->seen[s->n].at_ns = v->elapsed_ns;
        s->seen[s->n++].bytes = v->remaining_bytes;
    }
    if (!s->stalled) {
        stall_detect(s, v);
        if (!s->stalled) {
            return;
        }
    }
    if (v->remaining_bytes <= s->best_bytes * 1.04) {
        stall_switch(s, v, o);
    } else if (v->elapsed_ns - s->patient_since_ns >= s->patience_ns) {
        stall_take_best(s);
        s->patience_ns /= 2;
        s->patient_since_ns = v->elapsed_ns;
    }
}

/*
 * OpenStack Nova (nova/virt/libvirt/migration.py, downtime_steps(); options
 * live_migration_downtime 500 ms, _steps 10, _delay 75 s): from downtime /
 * steps up to it, in equal steps, one each delay x GiB of RAM, at least 2;
 * looks every 500 ms.
 */
static void nova_at(SimOrders *o, int64_t step)
{
    int64_t base = 500 / 10;

    set_limit(o, base + (500 - base) * step / 10, "a step");
}

static void nova_start(void *state, const SimView *v, SimOrders *o)
{
    nova_at(o, 0);
}

static void nova_poll(void *state, const SimView *v, SimOrders *o)
{
    int64_t *step = state;
    int64_t gib = MAX(v->ram_bytes >> 30, 2);

    if (*step < 10 && v->elapsed_ns >= (*step + 1) * 75 * SEC * gib) {
        nova_at(o, ++*step);
    }
}

/*
 * oVirt, policy "Minimal downtime" (vdsm, lib/vdsm/virt/migration.py, and
 * ovirt-engine's MigrationPolicy): 100 ms at first; each iteration that leaves
 * no less than the least so far is a stall; at the 1st, 2nd, 3rd, 4th and 6th
 * 150, 200, 300, 400, 500 ms; after that it aborts.  Looks every 5 s here.
 * The abort is left out, as with the others.
 */
typedef struct Ovirt {
    int64_t sync_count, least_bytes;
    int stalls;
} Ovirt;

static void ovirt_start(void *state, const SimView *v, SimOrders *o)
{
    set_limit(o, 100, "schedule begins");
}

static void ovirt_poll(void *state, const SimView *v, SimOrders *o)
{
    static const int64_t ms[] = { 0, 150, 200, 300, 400, 0, 500 };
    Ovirt *s = state;

    if (v->sync_count < 2 || v->sync_count == s->sync_count) {
        return;
    }
    s->sync_count = v->sync_count;
    if (!s->least_bytes || v->remaining_bytes < s->least_bytes) {
        s->least_bytes = MAX(v->remaining_bytes, 1);
        return;
    }
    s->stalls++;
    if (s->stalls < (int)G_N_ELEMENTS(ms) && ms[s->stalls]) {
        set_limit(o, ms[s->stalls], "stalled");
    }
}

/*
 * The rule of thumb of hand-written scripts: start at QEMU's default and
 * double it every 5 s, up to QEMU's maximum of 2000 s.
 */
static void doubling_poll(void *state, const SimView *v, SimOrders *o)
{
    int64_t ms = o->downtime_limit_ns / MS;

    if (ms < 2000000) {
        set_limit(o, MIN(ms * 2, 2000000), "doubled");
    }
}

static void doubling_start(void *state, const SimView *v, SimOrders *o)
{
    set_limit(o, 300, "begins");
}

static const SimControllerKind kinds[] = {
    {
        .name = "kubevirt-ramp", .poll_ns = 400 * MS,
        .summary = "KubeVirt VEP 291: 150 to 1050 ms, a step each 10 s",
        .state_bytes = sizeof(Ramp), .start = ramp_start, .poll = ramp_poll,
    }, {
        .name = "kubevirt-stall", .poll_ns = 400 * MS,
        .summary = "KubeVirt VEP 248: detects a stall over 40 s, then 900 ms",
        .state_bytes = sizeof(Stall), .poll = stall_poll,
    }, {
        .name = "nova", .poll_ns = 500 * MS,
        .summary = "Nova: 50 to 500 ms in 10 steps, 75 s per GiB each",
        .state_bytes = sizeof(int64_t), .start = nova_start,
        .poll = nova_poll,
    }, {
        .name = "ovirt", .poll_ns = 5 * SEC,
        .summary = "oVirt: 100 to 500 ms, by stalls",
        .state_bytes = sizeof(Ovirt), .start = ovirt_start, .poll = ovirt_poll,
    }, {
        .name = "doubling", .poll_ns = 5 * SEC,
        .summary = "300 ms, doubled every 5 s",
        .start = doubling_start, .poll = doubling_poll, .state_bytes = 1,
    },
};

const SimControllerKind *sim_controller_nth(size_t i)
{
    return i < G_N_ELEMENTS(kinds) ? &kinds[i] : NULL;
}

const SimControllerKind *sim_controller_find(const char *name)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    return NULL;
}
