/*
 * stall's rule with a patience that somebody else chooses: what the policies
 * that watch the page history have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_PATIENCE_H
#define MIG_PATIENCE_H

#include "policy.h"

#define MIG_PATIENCE_STATE_WORDS 64
#define MIG_PATIENCE_TUNABLES 8

/* Zeroed, then set up by mig_patience_init(). */
typedef struct MigPatience {
    uint64_t stall[MIG_PATIENCE_STATE_WORDS]; /* the state of stall */
    int64_t tunable[MIG_PATIENCE_TUNABLES]; /* of stall, in its order */
    size_t percent, min_ms;     /* indices of the two that are chosen */
    bool first_pass_over;
} MigPatience;

void mig_patience_init(MigPatience *p, const MigPolicySetup *setup);

/*
 * Has everything been sent once?  True from the end of round 1 on; with
 * refreshes inside round 1, which keep adding to it, from when no more is left
 * to send than has become dirty anew.
 */
bool mig_patience_first_pass_over(MigPatience *p,
                                  const MigPolicySample *sample);

/*
 * stall's verdict on a sample after the first pass, with this patience in
 * percent of the downtime at stake.  Negative: stall's own.
 */
void mig_patience_decide(MigPatience *p, const MigPolicySample *sample,
                         int64_t patience_percent, int64_t patience_min_ms,
                         MigPolicyVerdict *verdict);

#endif
