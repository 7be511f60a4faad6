/*
 * memory-pattern: learn how the guest writes memory, and stop early once it is
 * plain that it will go on like that.
 *
 * What was observed: a guest that writes the same regions of memory at the same
 * rate, faster than the link carries, does not get better by waiting.  How its
 * writes are spread over regions shows that within a second or two, while what
 * is pending has to level out first.
 *
 * Terms, for each epoch i of the page history (page-history.h)
 *   h_i[r]      distinct dirty pages of region r
 *   n_i         their sum
 *   cosine_i    between h_i and h_{i-1}: 1 is the same pattern
 *   hot_i       least number of regions that hold alpha percent of n_i
 *   rate        n_i pages an epoch, as a share of what the link carries
 *   similar     epochs in a row with cosine >= theta
 *
 *   1. Ask for a refresh as often as the driver allows, during the first pass
 *      over RAM, too, so that the pattern is known by its end.
 *   2. At the end of each epoch: similar is counted up, or starts anew.  The
 *      pattern is steady once similar has reached K and n_i is not shrinking
 *      (no more than by the tolerance).
 *   3. The workload is named: idle, or write-light, where the rate is below a
 *      share of the link's; localised where the hot regions are a small part
 *      of RAM; memory-intensive where they are not.
 *   4. A steady guest that writes faster than that share of the link's speed
 *      is stopped as soon as what is pending has stopped falling, at a dip:
 *      stall's rule (stall.c) with a patience that is hardly any.
 *   5. Any other guest is waited for as stall does.
 *
 * After Tseng, "Efficient Virtual Machine Live Migration over
 * Kernel-Virtual-Machine", National Central University, 2016.  Its text is not
 * public: this is a reconstruction from its abstract and table of contents
 * (the policy monitors how memory is accessed, finds the regions accessed most,
 * tells the kind of application and stops early), and all thresholds are ours.
 * It differs from what they say in that
 *  - it counts epochs, not iterations: rounds can be seconds or milliseconds
 *    long, and say nothing then about rates;
 *  - it does not stop while what is pending still falls steeply, and waits for
 *    a dip: the pattern is known long before the last of the cold pages is
 *    sent;
 *  - guests without a steady pattern are ended, too, by stall's rule;
 *  - the ceiling on downtime is kept (by the driver).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "patience.h"

typedef struct PatternState {
    const int64_t *tunable;
    MigPatience patience;
    int64_t epochs;             /* of the history, when last looked at */
    int64_t dirty_pages;        /* n of the epoch before; -1: none */
    int64_t similar;
    bool steady;                /* steps 2 and 4: known not to get better */
    MigPolicyWorkload workload;
} PatternState;

enum {
    PATTERN_COSINE,
    PATTERN_EPOCHS,
    PATTERN_SHRINK,
    PATTERN_ALPHA,
    PATTERN_LOCALISED,
    PATTERN_IDLE,
    PATTERN_LIGHT,
    PATTERN_PATIENCE,
    PATTERN_PATIENCE_MIN,
};

static const MigPolicyTunable pattern_tunables[] = {
    [PATTERN_COSINE] = {
        .name = "memory-pattern-similarity-percent",
        .min = 1, .max = 100, .def = 95, .unit = "%",
        .why = "Cosine, in hundredths, from which on two epochs show the same "
               "pattern; steady writers are above 98, a sweep over a few "
               "hundred MiB below 80.",
    },
    [PATTERN_EPOCHS] = {
        .name = "memory-pattern-similar-epochs",
        .min = 1, .max = 100, .def = 2, .unit = "epochs",
        .why = "So many epochs in a row must show the same pattern; one could "
               "be chance, three are a second and a half.",
    },
    [PATTERN_SHRINK] = {
        .name = "memory-pattern-shrink-percent",
        .min = 0, .max = 100, .def = 10, .unit = "%",
        .why = "Pages dirtied in an epoch that are fewer by more than this "
               "count as getting less: waiting may pay.",
    },
    [PATTERN_ALPHA] = {
        .name = "memory-pattern-hot-percent",
        .min = 1, .max = 100, .def = 80, .unit = "%",
        .why = "The hot regions are the fewest that hold this share of the "
               "dirty pages.",
    },
    [PATTERN_LOCALISED] = {
        .name = "memory-pattern-localised-percent",
        .min = 0, .max = 100, .def = 10, .unit = "%",
        .why = "Hot regions of no more than this share of RAM make a guest "
               "localised; for the eye only, it decides nothing.",
    },
    [PATTERN_IDLE] = {
        .name = "memory-pattern-idle-percent",
        .min = 0, .max = 100, .def = 1, .unit = "%",
        .why = "A guest that dirties less than this share of what the link "
               "carries is idle.",
    },
    [PATTERN_LIGHT] = {
        .name = "memory-pattern-light-percent",
        .min = 0, .max = 1000, .def = 30, .unit = "%",
        .why = "A guest that dirties less than this share of what the link "
               "carries is light, and waited for: the link will win.",
    },
    [PATTERN_PATIENCE] = {
        .name = "memory-pattern-patience-percent",
        .min = 0, .max = 10000, .def = 50, .unit = "%",
        .why = "How long it waits for pending to fall once the pattern is "
               "known, as a multiple of the downtime at stake; stall, which "
               "knows no pattern, waits 200.",
    },
    [PATTERN_PATIENCE_MIN] = {
        .name = "memory-pattern-patience-min-ms",
        .min = 0, .max = 600000, .def = 200, .unit = "ms",
        .why = "Never less patient than this: two refreshes, to see a dip.",
    },
};

static void pattern_init(void *state, const MigPolicySetup *setup)
{
    PatternState *s = state;

    s->tunable = setup->tunable;
    s->dirty_pages = MIG_POLICY_UNKNOWN;
    mig_patience_init(&s->patience, setup);
}

/* Step 3: rate_pct is the guest's writing as a share of the link's speed. */
static MigPolicyWorkload pattern_workload(const PatternState *s,
                                          const MigPolicySample *sample,
                                          double rate_pct)
{
    int64_t hot = mig_page_history_hot_regions(sample->history,
                                               s->tunable[PATTERN_ALPHA]);
    const MigPageHistoryStats *stats = mig_page_history_stats(sample->history);

    if (rate_pct < 0) {
        return MIG_WORKLOAD_UNKNOWN;
    }
    if (rate_pct < s->tunable[PATTERN_IDLE]) {
        return MIG_WORKLOAD_IDLE;
    }
    if (rate_pct < s->tunable[PATTERN_LIGHT]) {
        return MIG_WORKLOAD_WRITE_LIGHT;
    }
    return hot * 100 <= stats->regions * s->tunable[PATTERN_LOCALISED]
           ? MIG_WORKLOAD_LOCALISED : MIG_WORKLOAD_MEMORY_INTENSIVE;
}

/* Steps 2 and 3, once an epoch. */
static void pattern_observe(PatternState *s, const MigPolicySample *sample)
{
    const MigPageHistoryStats *stats = mig_page_history_stats(sample->history);
    int64_t before = s->dirty_pages;
    double rate_pct = -1;
    bool shrinking;

    if (stats->epochs == s->epochs) {
        return;
    }
    s->epochs = stats->epochs;
    s->dirty_pages = stats->dirty_pages;
    shrinking = before < 0 || (double)stats->dirty_pages * 100 <
                (double)before * (100 - s->tunable[PATTERN_SHRINK]);
    s->similar = stats->region_cosine * 100 >= s->tunable[PATTERN_COSINE]
                 ? MIN(s->similar + 1, s->tunable[PATTERN_EPOCHS]) : 0;
    if (sample->bandwidth_bps > 0 && stats->epoch_ns > 0) {
        rate_pct = (double)stats->dirty_pages * sample->page_bytes * 1e11 /
                   ((double)stats->epoch_ns * sample->bandwidth_bps);
    }
    s->workload = pattern_workload(s, sample, rate_pct);
    s->steady = s->similar >= s->tunable[PATTERN_EPOCHS] && !shrinking &&
                rate_pct >= s->tunable[PATTERN_LIGHT];
}

static void pattern_decide(void *state, const MigPolicySample *sample,
                           MigPolicyVerdict *verdict)
{
    PatternState *s = state;

    if (sample->history && sample->kind != MIG_SAMPLE_TICK) {
        pattern_observe(s, sample);
    }
    verdict->workload = s->workload;
    mig_patience_decide(&s->patience, sample, &(MigPatienceView) {
        .epochs = s->epochs,
        .known = s->steady,
        .percent = s->tunable[PATTERN_PATIENCE],
        .min_ms = s->tunable[PATTERN_PATIENCE_MIN],
        .known_reason = MIG_REASON_MEMORY_INTENSIVE,
        .unknown_reason = MIG_REASON_PATTERN_CHANGING,
    }, verdict);
}

const MigPolicyOps mig_policy_memory_pattern = {
    .decide = pattern_decide,
    .name = "memory-pattern",
    .summary = "learn how the guest writes memory; stop early when that is "
               "steady and faster than the link",
    .needs_history = true,
    .tunables = pattern_tunables,
    .n_tunables = G_N_ELEMENTS(pattern_tunables),
    .state_bytes = sizeof(PatternState),
    .init = pattern_init,
};
