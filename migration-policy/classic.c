/*
 * classic: the rule of Xen's first live migration.  A baseline.
 *
 * What was observed (Clark et al.): most of a guest's memory is rarely
 * written, so a few rounds send nearly all of it; what is written all the time
 * (the writable working set) never gets smaller, and sending it over and over
 * is a waste of the link.
 *
 *   round n     pages sent in it: round 1 all of RAM, later ones what was
 *               dirty when the round began
 *
 * At the end of each round n, switch over when
 *   1. n >= 29, or
 *   2. fewer than 50 pages are dirty, or
 *   3. more than 3x RAM was sent in all, or
 *   4. round n was larger than round n - 1, that is, sending at full speed no
 *      longer gains on the guest.
 *
 * Sources: Clark et al., "Live Migration of Virtual Machines", NSDI 2005, and
 * the save code of Xen's toolstack that went with it (xc_linux_save.c, later
 * xc_domain_save.c).
 *
 * How this differs:
 *  - Clark's transfer speed is raised from round to round, and rule 4 holds at
 *    the highest speed only.  QEMU sends at full speed from the start.
 *  - Xen counts the pages of the round that has just ended for rule 2; this
 *    counts the pages now dirty, as newer Xen (xg_sr_save.c) does.
 *  - Xen skips a page that it finds dirty again before its turn; QEMU sends
 *    it, so that rounds here are somewhat larger.
 *  - QEMU's own rule stays in force beside it.
 *
 * It knows neither downtime-limit nor downtime-ceiling.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "policy.h"

typedef struct ClassicState {
    const int64_t *tunable;
    int64_t ram_pages;
    int64_t round;              /* last round seen */
    int64_t this_round_pages;   /* size of the round that is being sent */
    int64_t last_round_pages;   /* of the one before; -1: none */
    double total_pages;         /* of all completed rounds */
    MigPolicyReason stop;       /* why the last round has come; NONE: not yet */
} ClassicState;

enum {
    CLASSIC_MAX_ROUNDS,
    CLASSIC_MIN_DIRTY_PAGES,
    CLASSIC_MAX_RAM_PERCENT,
};

static const MigPolicyTunable classic_tunables[] = {
    [CLASSIC_MAX_ROUNDS] = {
        .name = "classic-max-rounds",
        .min = 1, .max = 10000, .def = 29, .unit = "rounds",
        .why = "Rounds after which it switches over whatever is dirty; "
               "Xen's number.",
    },
    [CLASSIC_MIN_DIRTY_PAGES] = {
        .name = "classic-min-dirty-pages",
        .min = 0, .max = 1000000, .def = 50, .unit = "pages",
        .why = "Fewer dirty pages than this are not worth another round; "
               "Xen's number.",
    },
    [CLASSIC_MAX_RAM_PERCENT] = {
        .name = "classic-max-ram-percent",
        .min = 100, .max = 10000, .def = 300, .unit = "%",
        .why = "Share of the guest's RAM that may be sent in all before it "
               "switches over; Xen's factor of 3.",
    },
};

static void classic_init(void *state, const MigPolicySetup *setup)
{
    ClassicState *c = state;

    c->tunable = setup->tunable;
    c->ram_pages = setup->ram_bytes / setup->page_bytes;
    c->this_round_pages = c->ram_pages;
    c->last_round_pages = MIG_POLICY_UNKNOWN;
}

static MigPolicyReason classic_stop_reason(const ClassicState *c,
                                           int64_t round,
                                           int64_t dirty_pages)
{
    double max_pages = (double)c->ram_pages *
                       c->tunable[CLASSIC_MAX_RAM_PERCENT] / 100.0;

    if (round >= c->tunable[CLASSIC_MAX_ROUNDS]) {
        return MIG_REASON_CLASSIC_ROUNDS;
    }
    if (dirty_pages < c->tunable[CLASSIC_MIN_DIRTY_PAGES]) {
        return MIG_REASON_CLASSIC_FEW_PAGES;
    }
    if (c->total_pages > max_pages) {
        return MIG_REASON_CLASSIC_SENT_LIMIT;
    }
    if (c->last_round_pages >= 0 &&
        c->this_round_pages > c->last_round_pages) {
        return MIG_REASON_CLASSIC_NOT_SHRINKING;
    }
    return MIG_REASON_NONE;
}

static void classic_decide(void *state, const MigPolicySample *sample,
                           MigPolicyVerdict *verdict)
{
    ClassicState *c = state;
    int64_t dirty_pages;

    verdict->reason = sample->round <= 0 ? MIG_REASON_FIRST_ROUND
                                         : MIG_REASON_PENDING_FALLING;
    if (verdict->outlook == MIG_OUTLOOK_NOT_CONVERGING) {
        /* It ends by its count of rounds at the latest. */
        verdict->outlook = MIG_OUTLOOK_STALLED;
    }
    if (c->stop != MIG_REASON_NONE) {
        /* The guest was not stopped yet: its programs may hold that. */
        verdict->action = MIG_ACTION_SWITCHOVER;
        verdict->reason = c->stop;
        return;
    }
    if (sample->kind != MIG_SAMPLE_ROUND || sample->round <= c->round ||
        sample->pending_bytes < 0) {
        return;
    }

    dirty_pages = sample->pending_bytes / sample->page_bytes;
    c->total_pages += c->this_round_pages;
    c->stop = classic_stop_reason(c, sample->round, dirty_pages);
    if (c->stop != MIG_REASON_NONE) {
        verdict->action = MIG_ACTION_SWITCHOVER;
        verdict->reason = c->stop;
    }
    c->round = sample->round;
    c->last_round_pages = c->this_round_pages;
    c->this_round_pages = dirty_pages;
}

const MigPolicyOps mig_policy_classic = {
    .decide = classic_decide,
    .name = "classic",
    .summary = "Xen's first rule: a limit on rounds and bytes, or a round "
               "that grew",
    .ignores_ceiling = true,
    .tunables = classic_tunables,
    .n_tunables = G_N_ELEMENTS(classic_tunables),
    .state_bytes = sizeof(ClassicState),
    .init = classic_init,
};
