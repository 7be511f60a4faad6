/*
 * stall: look often, and stop at a dip once the pending set no longer falls.
 *
 * What was observed: what is pending falls fast at first, then levels out
 * where the guest dirties as fast as the link carries, and wobbles there.
 * QEMU looks at the end of a round only, and misses the dips; and where the
 * level is above downtime-limit it never ends.  A guest that works in bursts
 * lets pending fall as fast as the link allows while it is quiet, and makes it
 * jump when it starts again.
 *
 *   pending     bytes dirty, exact, at a sync
 *   D           downtime that stopping now would cost: pending / bandwidth,
 *               and a sync
 *   mark        pending when it last fell noticeably (by the tolerance), and
 *               the same as a downtime, D(mark)
 *   waited      time since the mark
 *   k           patience: how much waiting an equal amount of downtime is worth
 *   slope       change of pending since the last sync, against what the link
 *               could carry in that time: -1 is a guest that writes nothing;
 *               steep is 25% either way, and a fall is two steep steps or more
 *
 *      first pass over
 *     FIRST ----------------> FALLING <-------------------+
 *                              |   |  waited > k * D      |  a new mark, or
 *       reversal, after a fall |   |  and no steep fall   |  a steep fall
 *       much longer than k * D |   v                      |
 *                              |  WAITING ----------------+
 *                              |   |
 *                              |   |  pending is at a dip
 *                              v   v
 *                              STOP
 *
 *   1. Ask for a refresh as often as the driver allows, during the first pass
 *      over RAM, too: a page that was written before its turn is then found
 *      clean again after it, and is not sent twice; and a guest that works in
 *      bursts is known by when there is something to decide.  No stop before
 *      the first pass is over.
 *   2. Pending below (100 - tolerance)% of the mark makes a new mark.
 *   3. While pending falls steeply, do not stop: each second of waiting saves
 *      a good part of a second of downtime.  Not so where the sync budget
 *      makes syncs so rare that the end of a fall would be missed.
 *   4. Wait for k * (D + what D is above D(mark)).  Whoever waits longer than
 *      a multiple of the outage that waiting could save loses by it (the
 *      ski-rental argument); and where it has been better than now, it may get
 *      so again, which is worth more waiting.
 *   5. After that, stop at a dip: pending within tolerance of the least of the
 *      last 16 syncs.  A steep step down may be the first of a fall: wait for
 *      one more sync, once.  The tolerance doubles with each further
 *      k * D(mark), so that dips that get rarer, or a working set that grows,
 *      do not keep it waiting for ever.
 *   6. A fall that breaks off from one sync to the next (the slope grows by
 *      two steep shares or more) is a guest that starts work again; one that
 *      levels out is none.  The next fall is not expected sooner than the last
 *      one took: if that is much longer than k * D, stop at once, before the
 *      dip is gone.
 *
 * Own work.  To wait for a value near the best seen once it no longer improves
 * is also what KubeVirt's VEP 248 does from outside QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"

/* Least seen "lately": 1.6 s at the default refresh interval. */
#define STALL_WINDOW 16
/* One steep step is noise, so many in a row are a fall. */
#define STALL_FALL_STEPS 2
/* A fall is over when so many syncs in a row were not part of it. */
#define STALL_FALL_SYNCS 3
/*
 * A fall is not expected again soon if it took so many times the patience:
 * more than once, or the first hiccup that lasts as long would be one.
 */
#define STALL_FALL_WORTH 1.5
/* Fewer syncs than this within its patience do not show how a fall ends. */
#define STALL_FALL_SIGHT 4
/* Syncs between the three points that the level is extrapolated from. */
#define STALL_LEVEL_STEP 4
/* Falls that shrink less than this are taken as a straight line. */
#define STALL_LEVEL_DECAY 0.9

typedef struct StallState {
    const int64_t *tunable;
    int64_t ring_bytes[STALL_WINDOW]; /* pending at the last exact samples */
    int64_t ring_ns[STALL_WINDOW];    /* and when (elapsed) */
    int ring_n;                 /* how many of them are filled */
    int ring_last;              /* index of the newest */
    int64_t mark_bytes;         /* -1: none */
    int64_t mark_ns;            /* elapsed */
    int64_t fall_from_ns;       /* of the latest steep fall */
    int64_t fall_to_ns;
    double fall_slope;          /* of its last steep step */
    int fall_steps;             /* steep steps down in a row, until now */
    int fall_age;               /* syncs since the fall */
    bool waiting;
    bool doubted;               /* a dip, for what may have been a fall */
    bool first_pass_over;
} StallState;

enum {
    STALL_TOLERANCE,
    STALL_PATIENCE,
    STALL_PATIENCE_MIN,
    STALL_PATIENCE_MAX,
    STALL_STEEP,
};

static const MigPolicyTunable stall_tunables[] = {
    [STALL_TOLERANCE] = {
        .name = "stall-tolerance-percent",
        .min = 0, .max = 50, .def = 5, .unit = "%",
        .why = "How far pending must fall to count as falling, and how close "
               "to the least it must be to count as a dip; wider than a "
               "steady guest's noise.",
    },
    [STALL_PATIENCE] = {
        .name = "stall-patience-percent",
        .min = 0, .max = 10000, .def = 200, .unit = "%",
        .why = "How long it waits for pending to fall further, as a multiple "
               "of the downtime that stopping now would cost; at 2, waiting "
               "is never much dearer than the outage it hopes to save.",
    },
    [STALL_PATIENCE_MIN] = {
        .name = "stall-patience-min-ms",
        .min = 0, .max = 600000, .def = 500, .unit = "ms",
        .why = "Never less patient than this, or a hiccup would end it.",
    },
    [STALL_PATIENCE_MAX] = {
        .name = "stall-patience-max-ms",
        .min = 0, .max = 600000, .def = 10000, .unit = "ms",
        .why = "Never more patient than this, or a guest with a high ceiling "
               "would be waited for too long.",
    },
    [STALL_STEEP] = {
        .name = "stall-steep-percent",
        .min = 1, .max = 1000, .def = 25, .unit = "%",
        .why = "Share of the link's speed from which on pending falls or "
               "rises steeply: a guest that went quiet, or back to work.",
    },
};

static void stall_init(void *state, const MigPolicySetup *setup)
{
    StallState *s = state;

    s->tunable = setup->tunable;
    s->mark_bytes = MIG_POLICY_UNKNOWN;
    s->ring_last = STALL_WINDOW - 1;
    s->fall_age = STALL_FALL_SYNCS;
}

static double stall_share(const StallState *s, int tunable)
{
    return s->tunable[tunable] / 100.0;
}

/* Index into the ring of the sample so many syncs ago. */
static int stall_ago(const StallState *s, int syncs)
{
    return (s->ring_last + STALL_WINDOW - syncs) % STALL_WINDOW;
}

static void stall_extremes(const StallState *s, int64_t *least_bytes,
                           int64_t *most_bytes)
{
    int i;

    *least_bytes = INT64_MAX;
    *most_bytes = 0;
    for (i = 0; i < s->ring_n; i++) {
        *least_bytes = MIN(*least_bytes, s->ring_bytes[i]);
        *most_bytes = MAX(*most_bytes, s->ring_bytes[i]);
    }
}

/* Step 4: how long it is worth waiting for less than pending. */
static double stall_patience_ns(const StallState *s,
                                const MigPolicySample *sample, int64_t bytes)
{
    double now_ns = mig_forecast_downtime_ns(sample, bytes);
    double mark_ns = mig_forecast_downtime_ns(sample, s->mark_bytes);
    double ns = now_ns + MAX(now_ns - mark_ns, 0);

    ns *= stall_share(s, STALL_PATIENCE);
    ns = MIN(ns, (double)s->tunable[STALL_PATIENCE_MAX] * 1e6);
    return MAX(ns, (double)s->tunable[STALL_PATIENCE_MIN] * 1e6);
}

/* Change since the sample before, as a share of what the link carries. */
static double stall_slope(const StallState *s, const MigPolicySample *sample)
{
    int now = s->ring_last, before = stall_ago(s, 1);
    double ns;

    if (s->ring_n < 2 || sample->bandwidth_bps <= 0) {
        return 0;
    }
    ns = (double)s->ring_ns[now] - (double)s->ring_ns[before];
    if (ns <= 0) {
        return 0;
    }
    return ((double)s->ring_bytes[now] - (double)s->ring_bytes[before]) * 1e9 /
           (ns * (double)sample->bandwidth_bps);
}

/* Remember the sample; steps 2 and 3. */
static double stall_observe(StallState *s, const MigPolicySample *sample)
{
    double limit = s->mark_bytes * (1 - stall_share(s, STALL_TOLERANCE));
    double slope;

    s->ring_last = (s->ring_last + 1) % STALL_WINDOW;
    s->ring_bytes[s->ring_last] = sample->pending_bytes;
    s->ring_ns[s->ring_last] = sample->elapsed_ns;
    s->ring_n = MIN(s->ring_n + 1, STALL_WINDOW);

    if (s->mark_bytes < 0 || sample->pending_bytes < limit) {
        s->mark_bytes = sample->pending_bytes;
        s->mark_ns = sample->elapsed_ns;
    }

    slope = stall_slope(s, sample);
    s->fall_steps = slope <= -stall_share(s, STALL_STEEP)
                    ? MIN(s->fall_steps + 1, STALL_FALL_STEPS) : 0;
    if (s->fall_steps < STALL_FALL_STEPS) {
        s->fall_age = MIN(s->fall_age + 1, STALL_FALL_SYNCS);
        return slope;
    }
    if (s->fall_age >= STALL_FALL_SYNCS) {
        s->fall_from_ns = s->ring_ns[stall_ago(s, STALL_FALL_STEPS)];
    }
    s->doubted = false;
    s->fall_to_ns = sample->elapsed_ns;
    s->fall_slope = slope;
    s->fall_age = 0;
    return slope;
}

/* Steps 3 to 6: is this the moment? */
static bool stall_wants_stop(StallState *s, const MigPolicySample *sample,
                             double slope)
{
    double patience_ns = stall_patience_ns(s, sample, sample->pending_bytes);
    double waited_ns = (double)(sample->elapsed_ns - s->mark_ns);
    double tolerance = stall_share(s, STALL_TOLERANCE);
    double mark_patience_ns = stall_patience_ns(s, sample, s->mark_bytes);
    double step_ns = (double)s->ring_ns[s->ring_last] -
                     (double)s->ring_ns[stall_ago(s, 1)];
    bool sees_falls = step_ns * STALL_FALL_SIGHT <= patience_ns;
    int64_t least_bytes, most_bytes;

    s->waiting = waited_ns >= patience_ns;
    if (s->fall_age == 0 && sees_falls) {
        s->waiting = false;
        return false;
    }
    if (s->fall_age < STALL_FALL_SYNCS &&
        slope - s->fall_slope >= 2 * stall_share(s, STALL_STEEP) &&
        (double)(s->fall_to_ns - s->fall_from_ns) >=
        STALL_FALL_WORTH * patience_ns) {
        return true;
    }
    if (!s->waiting) {
        return false;
    }
    /* Doubled a hundred times, it accepts anything. */
    if (mark_patience_ns > 0 && waited_ns > mark_patience_ns) {
        tolerance *= exp2(MIN(waited_ns / mark_patience_ns - 1, 100));
    }
    stall_extremes(s, &least_bytes, &most_bytes);
    if (sample->pending_bytes > least_bytes * (1 + tolerance)) {
        return false;
    }
    if (slope <= -stall_share(s, STALL_STEEP) && sees_falls && !s->doubted) {
        /* The first step of a fall, or noise: the next sync will tell */
        s->doubted = true;
        return false;
    }
    return true;
}

/*
 * Where pending is heading for, from three equally spaced samples: a fall that
 * shrinks by a factor has a level (Aitken's extrapolation); one that does not
 * goes on to zero.  -1 while it rises or too little is known.
 * *ns_per_step and *decay tell how fast it gets there, decay 0: it is there.
 */
static double stall_level_bytes(const StallState *s, double *ns_per_step,
                                double *decay)
{
    int step = s->ring_n > 2 * STALL_LEVEL_STEP ? STALL_LEVEL_STEP : 2;
    double p0, p1, p2;

    *decay = 0;
    *ns_per_step = 0;
    if (s->ring_n <= 2 * step) {
        return MIG_POLICY_UNKNOWN;
    }
    p2 = s->ring_bytes[s->ring_last];
    p1 = s->ring_bytes[stall_ago(s, step)];
    p0 = s->ring_bytes[stall_ago(s, 2 * step)];
    *ns_per_step = (double)s->ring_ns[s->ring_last] -
                   (double)s->ring_ns[stall_ago(s, step)];
    if (fabs(p0 - p2) <= stall_share(s, STALL_TOLERANCE) * p2) {
        return p2;
    }
    if (p0 <= p1 || p1 <= p2) {
        return p0 > p2 ? p2 : MIG_POLICY_UNKNOWN;
    }
    *decay = (p1 - p2) / (p0 - p1);
    if (*decay >= STALL_LEVEL_DECAY) {
        /* A steep straight line ends at zero, a gentle one is noise. */
        *decay = s->fall_age == 0 ? 1 : 0;
        return s->fall_age == 0 ? 0 : p2;
    }
    return MAX(p2 - (p1 - p2) * *decay / (1 - *decay), 0);
}

/* Time until pending is as low as bytes, on its way to level_bytes. */
static double stall_fall_ns(const StallState *s, double bytes,
                            double level_bytes, double ns_per_step,
                            double decay)
{
    double now = s->ring_bytes[s->ring_last];
    double before = s->ring_bytes[stall_ago(s, 1)];
    double ns = (double)s->ring_ns[s->ring_last] -
                (double)s->ring_ns[stall_ago(s, 1)];

    if (now <= bytes || decay <= 0) {
        return 0;
    }
    if (decay >= 1) {
        return before > now ? (now - bytes) * ns / (before - now) : 0;
    }
    bytes = MAX(bytes, level_bytes * (1 + stall_share(s, STALL_TOLERANCE)));
    if (now <= bytes || bytes <= level_bytes) {
        return 0;
    }
    return ns_per_step * log((bytes - level_bytes) / (now - level_bytes)) /
           log(decay);
}

static void stall_forecast(const StallState *s, const MigPolicySample *sample,
                           MigPolicyVerdict *verdict)
{
    MigPolicyForecast *fc = &verdict->forecast;
    double ns_per_step, decay, level, wait_ns;
    double threshold = sample->threshold_bytes;
    int64_t least_bytes, most_bytes, heading_bytes;
    bool native;

    level = stall_level_bytes(s, &ns_per_step, &decay);
    stall_extremes(s, &least_bytes, &most_bytes);
    native = level >= 0 && level < threshold;
    if (level < 0) {
        /* It rises: what it waits for is the like of the best it has seen. */
        heading_bytes = s->mark_bytes;
    } else if (native) {
        heading_bytes = sample->threshold_bytes;
    } else {
        heading_bytes = level < sample->pending_bytes ? (int64_t)level
                                                      : sample->pending_bytes;
    }
    heading_bytes = MIN(heading_bytes, sample->pending_bytes);

    fc->rounds = level < 0 ? MIG_POLICY_UNKNOWN : 0;
    fc->eta_ns = MIG_POLICY_UNKNOWN;
    fc->downtime_ns = mig_forecast_downtime_ns(sample, heading_bytes);
    fc->downtime_low_ns =
        mig_forecast_downtime_ns(sample, MIN(heading_bytes, least_bytes));
    fc->downtime_high_ns =
        mig_forecast_downtime_ns(sample, MAX(heading_bytes, most_bytes));
    if (level >= 0 && fc->downtime_ns >= 0) {
        wait_ns = stall_fall_ns(s, heading_bytes, level, ns_per_step, decay);
        if (!native) {
            /* Patience starts at the mark, or when it gets level. */
            double patience_ns = stall_patience_ns(s, sample, heading_bytes);
            double waited_ns = (double)(sample->elapsed_ns - s->mark_ns);

            wait_ns += decay > 0 ? patience_ns
                                 : MAX(patience_ns - waited_ns, 0);
        }
        fc->eta_ns = (int64_t)MIN(wait_ns, 1e18) +
                     MIN(fc->downtime_ns, INT64_MAX / 2);
    }

    if (native) {
        verdict->outlook = MIG_OUTLOOK_CONVERGING;
    } else if (level < 0 && !s->waiting) {
        verdict->outlook = MIG_OUTLOOK_TOO_EARLY;
    } else if (fc->downtime_ns > mig_policy_effective_ceiling_ns(sample)) {
        verdict->outlook = MIG_OUTLOOK_NOT_CONVERGING;
    } else {
        verdict->outlook = MIG_OUTLOOK_STALLED;
    }
}

/*
 * Has everything been sent once?  That is so when round 1 ends; with refreshes
 * inside it, which keep adding to it, when no more is left to send than has
 * become dirty anew.
 */
static bool stall_first_pass_over(StallState *s, const MigPolicySample *sample)
{
    int64_t left_bytes = sample->pending_bytes - MAX(sample->withheld_bytes, 0);

    s->first_pass_over |= sample->round > 0 ||
                          (sample->kind != MIG_SAMPLE_TICK &&
                           sample->pending_bytes >= 0 &&
                           sample->dirtied_pages > 0 &&
                           sample->dirtied_pages >=
                           left_bytes / sample->page_bytes);
    return s->first_pass_over;
}

static void stall_decide(void *state, const MigPolicySample *sample,
                         MigPolicyVerdict *verdict)
{
    StallState *s = state;
    bool first = !stall_first_pass_over(s, sample);
    double slope;
    bool stop;

    verdict->next_sync_ns = 0;
    verdict->reason = first ? MIG_REASON_FIRST_ROUND
                      : s->waiting ? MIG_REASON_WAITING_FOR_DIP
                                   : MIG_REASON_PENDING_FALLING;
    if (sample->kind == MIG_SAMPLE_TICK || sample->pending_bytes < 0) {
        return;
    }
    if (sample->bandwidth_bps <= 0) {
        /* No downtime can be told, and so no patience. */
        verdict->reason = first ? MIG_REASON_FIRST_ROUND
                                : MIG_REASON_BANDWIDTH_UNKNOWN;
        return;
    }

    slope = stall_observe(s, sample);
    if (first) {
        return;
    }
    stop = stall_wants_stop(s, sample, slope);
    verdict->reason = s->waiting ? MIG_REASON_WAITING_FOR_DIP
                                 : MIG_REASON_PENDING_FALLING;
    stall_forecast(s, sample, verdict);
    if (stop) {
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
