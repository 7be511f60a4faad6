/*
 * stall: look often, and stop at a dip once the pending set no longer falls.
 *
 * What was observed: what is pending falls fast at first, then levels out
 * where the guest dirties as fast as the link carries, and wobbles there.
 * QEMU looks at the end of a round only, and misses the dips; and where the
 * level is above downtime-limit it never ends.
 *
 *   pending     bytes dirty, exact, at a sync
 *   mark        pending when it last fell noticeably (by the tolerance)
 *   least       the least pending of the last 16 syncs
 *   patience    how long it waits for pending to fall further
 *
 *               +---------+  round 1 over   +---------+
 *     start --> |  FIRST  | --------------> | FALLING | <----------+
 *               +---------+                 +---------+            |
 *                                              |  no new mark      | new mark
 *                                              |  for patience     |
 *                                              v                   |
 *               +------+  pending at a dip  +---------+            |
 *               | STOP | <----------------- | WAITING | -----------+
 *               +------+                    +---------+
 *
 *   1. Once round 1 is over, ask for a refresh as often as the driver allows.
 *   2. At each sync: pending below (100 - tolerance)% of mark makes a new mark.
 *   3. Patience is a multiple of the downtime that stopping at the mark would
 *      cost: whoever waits longer than the outage that waiting could save has
 *      lost by waiting (the ski-rental argument).
 *   4. After so long without a new mark, stop at a dip: pending within
 *      tolerance of least.
 *
 * Own work; the rule to stop near the best seen is close to KubeVirt's VEP 248.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"

#define STALL_WINDOW 16

typedef struct StallState {
    const int64_t *tunable;
    int64_t ring_bytes[STALL_WINDOW];
    int ring_n, ring_next;
    int64_t mark_bytes;         /* -1: none */
    int64_t mark_ns;            /* elapsed */
} StallState;

enum {
    STALL_TOLERANCE,
    STALL_PATIENCE,
    STALL_PATIENCE_MIN,
    STALL_PATIENCE_MAX,
};

static const MigPolicyTunable stall_tunables[] = {
    [STALL_TOLERANCE] = {
        .name = "stall-tolerance-percent",
        .min = 0, .max = 50, .def = 4, .unit = "%",
        .why = "How far pending must fall to count as falling, and how close "
               "to the least it must be to count as a dip.",
    },
    [STALL_PATIENCE] = {
        .name = "stall-patience-percent",
        .min = 0, .max = 10000, .def = 200, .unit = "%",
        .why = "Waits for so large a multiple of the downtime at stake.",
    },
    [STALL_PATIENCE_MIN] = {
        .name = "stall-patience-min-ms",
        .min = 0, .max = 600000, .def = 500, .unit = "ms",
        .why = "Never less patient than this, or a hiccup would end it.",
    },
    [STALL_PATIENCE_MAX] = {
        .name = "stall-patience-max-ms",
        .min = 0, .max = 600000, .def = 10000, .unit = "ms",
        .why = "Never more patient than this.",
    },
};

static void stall_init(void *state, const MigPolicySetup *setup)
{
    StallState *s = state;

    s->tunable = setup->tunable;
    s->mark_bytes = MIG_POLICY_UNKNOWN;
}

static int64_t stall_least_bytes(const StallState *s)
{
    int64_t least = INT64_MAX;
    int i;

    for (i = 0; i < s->ring_n; i++) {
        least = MIN(least, s->ring_bytes[i]);
    }
    return least;
}

static int64_t stall_patience_ns(const StallState *s,
                                 const MigPolicySample *sample)
{
    double ns = mig_forecast_downtime_ns(sample, s->mark_bytes);

    ns = ns * s->tunable[STALL_PATIENCE] / 100.0;
    ns = MIN(ns, (double)s->tunable[STALL_PATIENCE_MAX] * 1e6);
    ns = MAX(ns, (double)s->tunable[STALL_PATIENCE_MIN] * 1e6);
    return (int64_t)ns;
}

static void stall_decide(void *state, const MigPolicySample *sample,
                         MigPolicyVerdict *verdict)
{
    StallState *s = state;
    double tolerance = s->tunable[STALL_TOLERANCE] / 100.0;
    double pending = sample->pending_bytes;

    if (sample->round <= 0) {
        verdict->reason = MIG_REASON_FIRST_ROUND;
        return;
    }
    verdict->next_sync_ns = 0;
    verdict->reason = MIG_REASON_PENDING_FALLING;
    if (sample->kind == MIG_SAMPLE_TICK || sample->pending_bytes < 0) {
        return;
    }

    s->ring_bytes[s->ring_next] = sample->pending_bytes;
    s->ring_next = (s->ring_next + 1) % STALL_WINDOW;
    s->ring_n = MIN(s->ring_n + 1, STALL_WINDOW);
    if (s->mark_bytes < 0 || pending < s->mark_bytes * (1 - tolerance)) {
        s->mark_bytes = sample->pending_bytes;
        s->mark_ns = sample->elapsed_ns;
    }
    if (sample->elapsed_ns - s->mark_ns < stall_patience_ns(s, sample)) {
        return;
    }
    verdict->reason = MIG_REASON_WAITING_FOR_DIP;
    if (pending <= stall_least_bytes(s) * (1 + tolerance)) {
        verdict->action = MIG_ACTION_SWITCHOVER;
        verdict->reason = MIG_REASON_DIP;
    }
}

const MigPolicyOps mig_policy_stall = {
    .decide = stall_decide,
    .name = "stall",
    .summary = "refresh inside rounds; stop at a dip when what is pending no "
               "longer falls",
    .tunables = stall_tunables,
    .n_tunables = G_N_ELEMENTS(stall_tunables),
    .state_bytes = sizeof(StallState),
    .init = stall_init,
};
