/*
 * frequent-set: hold back the pages that are written all the time, and stop
 * once little else is left.
 *
 * What was observed: a busy guest writes some pages so often that each copy
 * sent before the stop is out of date when it arrives.  Sending them again and
 * again takes the link from the pages that could be got clean, and what is
 * pending levels out at a mixture of both.
 *
 * Terms, for each epoch i of the page history (page-history.h)
 *   B_i         pages found dirty
 *   F_i         the frequent set: pages of at least the given class
 *   n_i         |B_i|
 *   rest        what is pending and not held back
 *   stable      epochs in a row in which n_i changed by no more than eps, and
 *               at least theta of B_i was in F_i
 *
 *   1. Ask for a refresh as often as the driver allows, during the first pass
 *      over RAM, too, so that F is known early.
 *   2. Hold F back from the second epoch on: its pages wait for the stop, and
 *      count as pending.  (frequent-set-withhold 0 sends them: the rule alone.)
 *   3. Let F go until the next sync where next to nothing else is left to send
 *      and the guest has not been found stable: an idle link helps nobody.  So
 *      too for an epoch when n_i falls by more than half: the guest went quiet.
 *   4. A guest that has been stable for K epochs is stopped as soon as what is
 *      pending has stopped falling, at a dip: stall's rule (stall.c) with a
 *      patience that is hardly any.
 *   5. Any other guest is waited for as stall does: one that writes at random
 *      over a large memory has no frequent set, and is ended all the same.
 *
 * After Tseng, "Efficient Virtual Machine Live Migration over
 * Kernel-Virtual-Machine", National Central University, 2016.  Its text is not
 * public: this is a reconstruction from its abstract and table of contents
 * (the most frequently referenced set, from counting the dirty pages of each
 * iteration, serves to send less and to decide when to stop), and all
 * thresholds are ours.  It differs from what they say in that
 *  - it counts epochs, not iterations: rounds can be seconds or milliseconds
 *    long, and say nothing then about rates;
 *  - "frequent" is a saturating counter, not a count over all iterations: it
 *    forgets, and so follows a guest whose work changes;
 *  - steps 3 and 5, and the wait for a dip in 4, are ours;
 *  - the ceiling on downtime is kept (by the driver).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "patience.h"

typedef struct FrequentState {
    const int64_t *tunable;
    MigPatience patience;
    int64_t epochs;             /* of the history, when last looked at */
    int64_t dirty_pages;        /* n of the epoch before; -1: none */
    int64_t stable;
    bool quiet;                 /* step 3: n fell by more than half */
    bool withhold;
} FrequentState;

enum {
    FREQUENT_WITHHOLD,
    FREQUENT_CLASS,
    FREQUENT_CHANGE,
    FREQUENT_SHARE,
    FREQUENT_EPOCHS,
    FREQUENT_REST,
    FREQUENT_PATIENCE,
    FREQUENT_PATIENCE_MIN,
};

static const MigPolicyTunable frequent_tunables[] = {
    [FREQUENT_WITHHOLD] = {
        .name = "frequent-set-withhold",
        .min = 0, .max = 1, .def = 1, .unit = "0 or 1",
        .why = "1 holds the frequent set back until the stop; 0 sends it as "
               "any other page, and leaves the rule for the stop.",
    },
    [FREQUENT_CLASS] = {
        .name = "frequent-set-class",
        .min = 1, .max = 3, .def = 3, .unit = "class",
        .why = "Class of the page history from which on a page is frequent; "
               "3 takes pages that are written in most epochs.",
    },
    [FREQUENT_CHANGE] = {
        .name = "frequent-set-change-percent",
        .min = 0, .max = 100, .def = 10, .unit = "%",
        .why = "Pages dirtied in an epoch that differ by no more than this "
               "from the epoch before count as the same.",
    },
    [FREQUENT_SHARE] = {
        .name = "frequent-set-share-percent",
        .min = 0, .max = 100, .def = 35, .unit = "%",
        .why = "Share of an epoch's dirty pages that must be frequent; where "
               "rates differ widely, many pages that are written once in a "
               "while add up to more than half.",
    },
    [FREQUENT_EPOCHS] = {
        .name = "frequent-set-stable-epochs",
        .min = 1, .max = 100, .def = 2, .unit = "epochs",
        .why = "So many epochs in a row must be stable; one could be chance.",
    },
    [FREQUENT_REST] = {
        .name = "frequent-set-rest-ms",
        .min = 0, .max = 10000, .def = 100, .unit = "ms",
        .why = "A rest that the link carries in this time is next to nothing: "
               "by the next sync it would stand idle.",
    },
    [FREQUENT_PATIENCE] = {
        .name = "frequent-set-patience-percent",
        .min = 0, .max = 10000, .def = 50, .unit = "%",
        .why = "How long it waits for pending to fall once the guest is "
               "stable, as a multiple of the downtime at stake; stall, which "
               "knows no pages, waits 200.",
    },
    [FREQUENT_PATIENCE_MIN] = {
        .name = "frequent-set-patience-min-ms",
        .min = 0, .max = 600000, .def = 200, .unit = "ms",
        .why = "Never less patient than this: two refreshes, to see a dip.",
    },
};

static void frequent_init(void *state, const MigPolicySetup *setup)
{
    FrequentState *s = state;

    s->tunable = setup->tunable;
    s->dirty_pages = MIG_POLICY_UNKNOWN;
    mig_patience_init(&s->patience, setup);
}

static void frequent_history_config(const void *state,
                                    MigPageHistoryConfig *config)
{
    const FrequentState *s = state;

    config->frequent_min = s->tunable[FREQUENT_CLASS];
}

/* Is |a - b| at most pct of b? */
static bool frequent_is_near(int64_t a, int64_t b, int64_t pct)
{
    return fabs((double)a - (double)b) * 100 <= (double)b * pct;
}

/* Once an epoch. */
static void frequent_observe(FrequentState *s, const MigPolicySample *sample)
{
    const MigPageHistoryStats *stats = mig_page_history_stats(sample->history);
    int64_t before = s->dirty_pages;

    if (stats->epochs == s->epochs) {
        return;
    }
    s->epochs = stats->epochs;
    s->dirty_pages = stats->dirty_pages;
    s->quiet = stats->dirty_pages < before / 2;
    if (before > 0 &&
        frequent_is_near(stats->dirty_pages, before,
                         s->tunable[FREQUENT_CHANGE]) &&
        (double)stats->frequent_dirty_pages * 100 >=
        (double)stats->dirty_pages * s->tunable[FREQUENT_SHARE]) {
        s->stable = MIN(s->stable + 1, s->tunable[FREQUENT_EPOCHS]);
    } else {
        s->stable = 0;
    }
}

/* Steps 2 and 3. */
static bool frequent_withholds(const FrequentState *s,
                               const MigPolicySample *sample, bool stable)
{
    int64_t rest_bytes = sample->pending_bytes -
                         MAX(sample->withheld_bytes, 0);

    if (!s->tunable[FREQUENT_WITHHOLD] || s->epochs < 2 || s->quiet) {
        return false;
    }
    if (stable || sample->bandwidth_bps <= 0 || sample->pending_bytes < 0) {
        return true;
    }
    return (double)rest_bytes * 1000 > (double)sample->bandwidth_bps *
                                       s->tunable[FREQUENT_REST];
}

static void frequent_decide(void *state, const MigPolicySample *sample,
                            MigPolicyVerdict *verdict)
{
    FrequentState *s = state;
    bool stable;

    if (sample->history && sample->kind != MIG_SAMPLE_TICK) {
        frequent_observe(s, sample);
    }
    stable = s->stable >= s->tunable[FREQUENT_EPOCHS];
    if (sample->kind != MIG_SAMPLE_TICK) {
        s->withhold = frequent_withholds(s, sample, stable);
    }
    verdict->withhold = s->withhold;
    mig_patience_decide(&s->patience, sample, &(MigPatienceView) {
        .epochs = s->epochs,
        .known = stable,
        .percent = s->tunable[FREQUENT_PATIENCE],
        .min_ms = s->tunable[FREQUENT_PATIENCE_MIN],
        .known_reason = MIG_REASON_HOT_SET_STABLE,
        .unknown_reason = MIG_REASON_HOT_SET_CHANGING,
    }, verdict);
}

const MigPolicyOps mig_policy_frequent_set = {
    .decide = frequent_decide,
    .name = "frequent-set",
    .summary = "hold back the pages written all the time; stop when little "
               "else is left",
    .needs_history = true,
    .tunables = frequent_tunables,
    .n_tunables = G_N_ELEMENTS(frequent_tunables),
    .state_bytes = sizeof(FrequentState),
    .init = frequent_init,
    .history_config = frequent_history_config,
};
