/*
 * Outside controllers: what management software does around QEMU.
 *
 * They see what query-migrate shows, at their own intervals, and may change
 * downtime-limit, or give up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_CONTROL_H
#define MIG_SIM_CONTROL_H

#include "../env.h"

/* What query-migrate shows. */
typedef struct SimView {
    int64_t elapsed_ns;         /* since "migrate" */
    int64_t remaining_bytes;
    int64_t ram_bytes;
    int64_t sync_count;         /* dirty-sync-count */
    int64_t bandwidth_bps;      /* mbps, over the last 100 ms */
} SimView;

typedef struct SimOrders {
    int64_t downtime_limit_ns;  /* in force; the controller may change it */
    bool abort;
    char text[96];              /* what was done, for the log; "" nothing */
} SimOrders;

typedef struct SimController SimController;

typedef struct SimControllerKind {
    const char *name;
    const char *summary;
    int64_t poll_ns;
    size_t state_bytes;         /* zeroed */
    void (*start)(void *state, const SimView *view, SimOrders *orders);
    void (*poll)(void *state, const SimView *view, SimOrders *orders);
} SimControllerKind;

/* NULL past the end, or when there is none of that name. */
const SimControllerKind *sim_controller_nth(size_t i);
const SimControllerKind *sim_controller_find(const char *name);

#endif
