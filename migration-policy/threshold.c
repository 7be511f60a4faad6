/*
 * threshold: QEMU's own rule, and nothing else.
 *
 * What QEMU does without a convergence policy, as pure functions, and a policy
 * that adds nothing to them.  It is the kill switch in mid-migration, and the
 * baseline that every other policy is measured against.
 *
 *   pending     bytes of RAM (and device state) not yet sent
 *   threshold   bandwidth over the last 100 ms x downtime-limit
 *
 *   1. While the estimate of pending is at or above the threshold: send.
 *   2. Below it: sync the dirty bitmap, which makes pending exact and ends a
 *      round.
 *   3. Switch over when nothing is pending, or less than the threshold.
 *
 * Source: QEMU migration/migration.c, migration_iteration_run().
 * Differences: QEMU compares unsigned figures that are always known.  Here an
 * unknown figure (-1) is never below anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "policy.h"

bool mig_threshold_wants_exact(int64_t pending_bytes, int64_t threshold_bytes)
{
    return pending_bytes >= 0 && pending_bytes < threshold_bytes;
}

bool mig_threshold_may_stop(int64_t pending_bytes, int64_t threshold_bytes)
{
    return pending_bytes == 0 ||
           (pending_bytes > 0 && pending_bytes < threshold_bytes);
}

static void threshold_decide(void *state, const MigPolicySample *sample,
                             MigPolicyVerdict *verdict)
{
    /* The driver applies the rule itself, beside every policy. */
    verdict->reason = sample->round <= 0 ? MIG_REASON_FIRST_ROUND
                                         : MIG_REASON_ABOVE_THRESHOLD;
}

const MigPolicyOps mig_policy_threshold = {
    .decide = threshold_decide,
    .name = "threshold",
    .summary = "QEMU's own rule: switch over when what is pending can be "
               "sent within downtime-limit",
    .ignores_ceiling = true,
};
