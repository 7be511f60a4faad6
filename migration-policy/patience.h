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
} MigPatience;

void mig_patience_init(MigPatience *p, const MigPolicySetup *setup);

/* What a policy makes of the page history, at one sample. */
typedef struct MigPatienceView {
    int64_t epochs;             /* that it has seen; 0: none yet */
    bool known;                 /* waiting will not make the pause shorter */
    /* Only when that is known, in place of stall's own. */
    int64_t percent;            /* of the downtime at stake */
    int64_t min_ms;             /* never less patient than this */
    MigPolicyReason known_reason; /* to stop: because it is known */
    MigPolicyReason unknown_reason; /* to wait: because it is not */
} MigPatienceView;

/*
 * The verdict of a policy that watches the page history, at every sample: it
 * is stall's, with the patience and reasons of view.
 */
void mig_patience_decide(MigPatience *p, const MigPolicySample *sample,
                         const MigPatienceView *view,
                         MigPolicyVerdict *verdict);

#endif
