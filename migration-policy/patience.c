/*
 * stall's rule with a patience that somebody else chooses.  See patience.h.
 *
 * stall waits because it does not know whether what is pending will get less.
 * Whoever knows from the page history that it will not, need not wait so long;
 * all else (steep falls, dips, reversals, forecast) is the same question with
 * the same answer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "patience.h"

static size_t patience_find(const char *name)
{
    size_t i;

    for (i = 0; i < mig_policy_stall.n_tunables; i++) {
        if (!strcmp(mig_policy_stall.tunables[i].name, name)) {
            break;
        }
    }
    g_assert(i < mig_policy_stall.n_tunables);
    return i;
}

void mig_patience_init(MigPatience *p, const MigPolicySetup *setup)
{
    MigPolicySetup inner = *setup;
    size_t i;

    g_assert(mig_policy_stall.state_bytes <= sizeof(p->stall));
    g_assert(mig_policy_stall.n_tunables <= MIG_PATIENCE_TUNABLES);
    for (i = 0; i < mig_policy_stall.n_tunables; i++) {
        p->tunable[i] = mig_policy_stall.tunables[i].def;
    }
    p->percent = patience_find("stall-patience-percent");
    p->min_ms = patience_find("stall-patience-min-ms");
    inner.tunable = p->tunable;
    mig_policy_stall.init(p->stall, &inner);
}

/* stall's verdict, with the patience of view. */
static void patience_ask_stall(MigPatience *p, const MigPolicySample *sample,
                               const MigPatienceView *view,
                               MigPolicyVerdict *verdict)
{
    const MigPolicyTunable *stall = mig_policy_stall.tunables;

    p->tunable[p->percent] = view->known ? view->percent
                                         : stall[p->percent].def;
    p->tunable[p->min_ms] = view->known ? view->min_ms : stall[p->min_ms].def;
    mig_policy_stall.decide(p->stall, sample, verdict);
}

void mig_patience_decide(MigPatience *p, const MigPolicySample *sample,
                         const MigPatienceView *view,
                         MigPolicyVerdict *verdict)
{
    patience_ask_stall(p, sample, view, verdict);
    if (verdict->action == MIG_ACTION_SWITCHOVER && view->known) {
        verdict->reason = view->known_reason;
    } else if (verdict->action == MIG_ACTION_CONTINUE && !view->known &&
               verdict->reason == MIG_REASON_WAITING_FOR_DIP) {
        verdict->reason = view->epochs > 0 ? view->unknown_reason
                                           : MIG_REASON_HISTORY_UNKNOWN;
    }
}
