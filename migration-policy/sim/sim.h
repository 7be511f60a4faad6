/*
 * A migration on paper: QEMU's loop around the engine's own objects.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_H
#define MIG_SIM_H

#include "control.h"
#include "link.h"
#include "order.h"
#include "policy.h"
#include "writer.h"

/* What this machine and this QEMU cost; every one a stated assumption. */
typedef struct SimCosts {
    int64_t setup_ns;           /* from "migrate" to the first page */
    int64_t sync_ns;            /* a dirty-bitmap sync... */
    int64_t sync_ns_per_gib;    /* ...and for each GiB of RAM */
    int64_t page_ns;            /* the thread's work on a page */
    int64_t zero_page_ns;       /* ...on a page that is found to be zero */
    int64_t first_page_ns;      /* the link stands still so long for a page
                                   that the destination did not have yet */
    int64_t page_head_bytes;    /* beside a page's content */
    int64_t zero_page_bytes;
    int64_t device_bytes;       /* device state, sent while stopped */
    int64_t completion_ns;      /* stopping the guest, loading its devices,
                                   starting it at the destination */
} SimCosts;

extern const SimCosts sim_costs_default;

typedef struct SimConfig {
    const char *policy;
    const char *order;
    const char *controller;     /* NULL: nobody from outside */
    int64_t downtime_limit_ns;
    int64_t downtime_ceiling_ns;
    int64_t timeout_ns;         /* convergence-timeout */
    MigPolicyAction on_failure;
    const char *const *tunable_names;
    const int64_t *tunable_values;
    size_t n_tunables;
    SimLink link;
    SimCosts costs;
    int64_t time_limit_ns;      /* whoever waits gives up */
    bool check;                 /* verify every invariant on the way */
    /*
     * For the oracle: sync this often at no cost, never stop.  0: as the
     * policy says.
     */
    int64_t free_sync_ns;
} SimConfig;

typedef enum SimEnd {
    SIM_COMPLETED,
    SIM_POSTCOPY,               /* completed in post-copy */
    SIM_FAILED,                 /* convergence-action cancel */
    SIM_ABORTED,                /* the controller gave up */
    SIM_GAVE_UP,                /* the time limit */
} SimEnd;

const char *sim_end_name(SimEnd end);

typedef enum SimEventKind {
    SIM_EVENT_ROUND,            /* a round ended */
    SIM_EVENT_VERDICT,          /* the verdict is another than before */
    SIM_EVENT_CONTROL,          /* the controller did something */
    SIM_EVENT_SWITCHOVER,       /* the guest is stopped */
    SIM_EVENT_END,
} SimEventKind;

typedef struct SimEvent {
    SimEventKind kind;
    int64_t time_ns;            /* since "migrate" */
    int64_t round;
    int64_t pending_bytes;
    int64_t sent_bytes;
    int64_t dirtied_pages;      /* in this round */
    int64_t bandwidth_bps;
    MigPolicyVerdict verdict;
    const char *text;           /* CONTROL: what it did */
} SimEvent;

typedef struct SimResult {
    SimEnd end;
    int64_t total_ns, downtime_ns, setup_ns;
    /*
     * From the stop until the last byte is in the link's buffer: there QEMU
     * ends its own downtime and total time.  -1: not stopped, or post-copy.
     */
    int64_t handed_over_ns;
    int64_t sent_bytes, pages, zero_pages;
    int64_t rounds, refreshes, refresh_spent_ns;
    int64_t ram_bytes;
    int64_t guest_work_pct;     /* of what it would have done undisturbed */
    int64_t writes;             /* page writes of the guest */
    int64_t trace_loops;
    MigPolicyReason reason;     /* of the switchover or the failure */
    int64_t forecast_ns;        /* downtime foretold at the switchover */
    int64_t unsynced_pages;     /* found by the last sync only */
    /*
     * The cheapest moment to stop on the way, as the oracle knows it: total
     * time and downtime if the guest had been stopped then.
     */
    int64_t best_total_ns, best_downtime_ns;
} SimResult;

/* Called for each event; NULL: nobody listens. */
typedef void SimListener(void *opaque, const SimEvent *event);

/*
 * One migration.  The guest and the writer are used up.  Returns false and
 * sets *errmsg (g_free) for a configuration that makes no sense, and, with
 * check, for an invariant that does not hold.
 */
bool sim_run(const SimConfig *config, SimGuest *g, SimWriter *writer,
             SimListener *listener, void *opaque, SimResult *result,
             char **errmsg);

/* Total time and ten times the downtime: what a migration costs. */
#define SIM_DOWNTIME_WEIGHT 10
static inline int64_t sim_cost_ns(int64_t total_ns, int64_t downtime_ns)
{
    return total_ns + SIM_DOWNTIME_WEIGHT * downtime_ns;
}

#endif
