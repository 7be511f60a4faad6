/*
 * predict: stop when the predicted number of rounds stops falling.
 *
 * What was observed: a guest that dirties memory at a steady rate shrinks what
 * is left by a constant factor with each round, so the number of rounds that
 * it will take can be computed after the first.  If the prediction grows as
 * more is seen, the guest is not going to converge, and each further round is
 * wasted.
 *
 *   D1      RAM in pages              P[i]  pages dirtied during round i
 *   C       page size, bytes          t[i]  time that round i took, s
 *   T       pages small enough to stop
 *   S       transfer speed, bytes/s   R     dirty rate, pages/s
 *   rho     R * C / S                 n     rounds sent
 *   N       rounds predicted; at first the iteration limit
 *
 *   1. Round 1 sends all of RAM: S = RAM / t[1].
 *   2. At the end of round n, stop if n >= N.
 *   3. R = sum(P[1..n]) / sum(t[1..n])
 *   4. guess = log(T / D1) / log(rho) + 1, not rounded
 *   5. Stop if guess > N (it is getting worse) or guess <= 0 (dirtying
 *      outruns the link by far).
 *   6. Else N = guess; send the dirty pages, which is round n + 1.
 *
 * Source: Kim and Kim, "An Efficient Method for Reducing Times using Prediction
 * in Live Migration of Virtual Machine", Sogang University.  Kim's master's
 * thesis (Sogang, 2014) refines it: S is the speed measured during the
 * migration (predict-measured-speed), R a weighted rate
 * (predict-rate-weight-percent; the thesis' weights are not public, so this is
 * a reconstruction: an exponentially weighted mean).
 *
 * How this differs:
 *  - T is QEMU's own threshold (bandwidth x downtime-limit), which adapts to
 *    the link: what the paper names as future work.
 *  - QEMU's own rule stays in force beside it: the listing never looks at how
 *    much is pending.
 *  - downtime-ceiling may forbid the stop.  The wish then stays: it stops at
 *    the first exact figure that fits.
 *  - A round in which T is unknown or less than a page (QEMU's 100 ms
 *    bandwidth figure can be zero) makes no guess.  Nor is there one when
 *    T >= D1, which the paper rules out: QEMU's own rule ends that.
 *
 * Known weaknesses:
 *  - P counts a page once however often it was written, so P / t rises as
 *    rounds get shorter, and with it the guess: it stops early.
 *  - QEMU sends a page of zeros in a few bytes.  A guest with much untouched
 *    memory makes t[1] short and S = RAM / t[1] larger than the link is: the
 *    first guesses are too good, later ones worse, which stops it early too.
 *    predict-measured-speed avoids it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"

typedef struct PredictState {
    const int64_t *tunable;
    double ram_pages;           /* D1 */
    double limit_rounds;        /* N */
    bool limit_is_guess;        /* N came from step 6 */
    bool stopping;              /* the stop was wished for; it stays so */
    MigPolicyReason stop_reason;
    double speed_bps;           /* S, of the first round; 0: not known */
    double rate_pps;            /* R, pages/s */
    double sum_pages;           /* sum(P) */
    double sum_s;               /* sum(t) */
    int64_t round;              /* n */
    int64_t round_dirtied_pages; /* counter and time at its end */
    int64_t round_end_ns;
} PredictState;

enum {
    PREDICT_MAX_ROUNDS,
    PREDICT_RATE_WEIGHT,
    PREDICT_MEASURED_SPEED,
};

static const MigPolicyTunable predict_tunables[] = {
    [PREDICT_MAX_ROUNDS] = {
        .name = "predict-max-rounds",
        .min = 1, .max = 10000, .def = 30, .unit = "rounds",
        .why = "Iteration limit: the N that the first guess is compared "
               "with, and the rounds after which it stops in any case; the "
               "paper leaves it open, Xen's is 30.",
    },
    [PREDICT_RATE_WEIGHT] = {
        .name = "predict-rate-weight-percent",
        .min = 0, .max = 100, .def = 0, .unit = "%",
        .why = "Weight of the newest round in the dirty rate; 0 is the "
               "paper's plain mean over all rounds.",
    },
    [PREDICT_MEASURED_SPEED] = {
        .name = "predict-measured-speed",
        .min = 0, .max = 1, .def = 0, .unit = "switch",
        .why = "1 takes the speed measured on the link instead of the "
               "paper's RAM / duration of round 1, which zero pages make "
               "too large.",
    },
};

static void predict_init(void *state, const MigPolicySetup *setup)
{
    PredictState *s = state;

    s->tunable = setup->tunable;
    s->ram_pages = (double)setup->ram_bytes / (double)setup->page_bytes;
    s->limit_rounds = s->tunable[PREDICT_MAX_ROUNDS];
}

/* Steps 1 and 3: learn from the round that ended.  False: nothing learnt. */
static bool predict_observe(PredictState *s, const MigPolicySample *sample)
{
    int64_t pages = sample->dirtied_pages - s->round_dirtied_pages;
    int64_t ns = sample->elapsed_ns - s->round_end_ns;
    int weight_pct = s->tunable[PREDICT_RATE_WEIGHT];
    double rate;

    s->round = sample->round;
    if (sample->dirtied_pages < 0 || sample->elapsed_ns < 0 || ns <= 0) {
        /* The next round's figures then cover this one as well. */
        return false;
    }
    s->round_dirtied_pages = sample->dirtied_pages;
    s->round_end_ns = sample->elapsed_ns;

    rate = (double)pages * 1e9 / (double)ns;
    s->sum_pages += pages;
    s->sum_s += (double)ns / 1e9;
    if (weight_pct == 0) {
        s->rate_pps = s->sum_pages / s->sum_s;
    } else if (s->speed_bps == 0) {
        s->rate_pps = rate;
    } else {
        s->rate_pps += weight_pct / 100.0 * (rate - s->rate_pps);
    }
    if (s->speed_bps == 0) {
        s->speed_bps = s->ram_pages * (double)sample->page_bytes * 1e9 /
                       (double)ns;
    }
    return true;
}

static double predict_speed_bps(const PredictState *s,
                                const MigPolicySample *sample)
{
    if (s->tunable[PREDICT_MEASURED_SPEED]) {
        return sample->bandwidth_bps > 0 ? (double)sample->bandwidth_bps : 0;
    }
    return s->speed_bps;
}

/* Steps 2 to 6.  NONE: go on. */
static MigPolicyReason predict_round(PredictState *s,
                                     const MigPolicySample *sample)
{
    double threshold_pages, speed_bps, rho, guess;

    if (!predict_observe(s, sample)) {
        return MIG_REASON_NONE;
    }
    if (s->round >= s->limit_rounds) {
        return s->limit_is_guess ? MIG_REASON_ROUNDS_PREDICTED
                                 : MIG_REASON_ROUND_LIMIT;
    }

    threshold_pages = (double)sample->threshold_bytes /
                      (double)sample->page_bytes;
    speed_bps = predict_speed_bps(s, sample);
    if (threshold_pages < 1 || threshold_pages >= s->ram_pages ||
        speed_bps <= 0) {
        return MIG_REASON_NONE;
    }
    rho = s->rate_pps * (double)sample->page_bytes / speed_bps;
    /*
     * rho 0: log(rho) is minus infinity, the quotient 0, and the guess 1.
     * rho 1: log(rho) is 0, and the guess minus infinity.
     */
    guess = log(threshold_pages / s->ram_pages) / log(rho) + 1;
    if (guess <= 0) {
        return MIG_REASON_DIRTY_RATE;
    }
    if (guess > s->limit_rounds) {
        return MIG_REASON_GUESS_GREW;
    }
    s->limit_rounds = guess;
    s->limit_is_guess = true;
    return MIG_REASON_NONE;
}

/*
 * What step 2 leads to.  A round is taken to leave as much as it found, which
 * is the least that is known of a guest whose rounds stop shrinking; QEMU's
 * own rule, where it is expected to come first, has the better forecast.
 */
static void predict_forecast(const PredictState *s,
                             const MigPolicySample *sample,
                             MigPolicyVerdict *verdict)
{
    MigPolicyForecast *fc = &verdict->forecast;
    int64_t rounds = (int64_t)ceil(s->limit_rounds) - s->round;
    int64_t send_ns;

    if (!s->limit_is_guess || s->stopping) {
        return;
    }
    rounds = MAX(rounds, 1);
    if (fc->rounds >= 0 && fc->rounds <= rounds) {
        return;
    }
    fc->rounds = rounds;
    fc->downtime_ns = fc->downtime_now_ns;
    fc->downtime_low_ns = MIG_POLICY_UNKNOWN;
    fc->downtime_high_ns = fc->downtime_now_ns;
    fc->eta_ns = MIG_POLICY_UNKNOWN;
    send_ns = mig_policy_transfer_ns(sample->pending_bytes,
                                     sample->bandwidth_bps);
    if (send_ns >= 0 && fc->downtime_ns >= 0) {
        fc->eta_ns = (int64_t)MIN((double)rounds * send_ns, 1e18) +
                     MIN(fc->downtime_ns, INT64_MAX / 2);
    }
    if (verdict->outlook == MIG_OUTLOOK_NOT_CONVERGING ||
        verdict->outlook == MIG_OUTLOOK_CONVERGING) {
        /* It ends after so many rounds, if the ceiling lets it. */
        verdict->outlook = MIG_OUTLOOK_STALLED;
    }
}

static void predict_decide(void *state, const MigPolicySample *sample,
                           MigPolicyVerdict *verdict)
{
    PredictState *s = state;

    if (sample->round <= 0) {
        verdict->reason = MIG_REASON_FIRST_ROUND;
        return;
    }
    verdict->reason = s->stopping ? s->stop_reason
                      : s->limit_is_guess ? MIG_REASON_PENDING_FALLING
                                          : MIG_REASON_BANDWIDTH_UNKNOWN;
    if (sample->kind == MIG_SAMPLE_TICK) {
        return;
    }
    if (sample->kind == MIG_SAMPLE_ROUND && sample->round > s->round &&
        !s->stopping) {
        s->stop_reason = predict_round(s, sample);
        s->stopping = s->stop_reason != MIG_REASON_NONE;
    }
    if (!s->stopping && s->limit_is_guess) {
        verdict->reason = MIG_REASON_PENDING_FALLING;
    }
    predict_forecast(s, sample, verdict);
    if (s->stopping) {
        verdict->action = MIG_ACTION_SWITCHOVER;
        verdict->reason = s->stop_reason;
        verdict->outlook = MIG_OUTLOOK_STALLED;
    }
}

const MigPolicyOps mig_policy_predict = {
    .decide = predict_decide,
    .name = "predict",
    .summary = "predict the number of rounds from dirty rate and speed; stop "
               "when the prediction is reached or grows",
    .tunables = predict_tunables,
    .n_tunables = G_N_ELEMENTS(predict_tunables),
    .state_bytes = sizeof(PredictState),
    .init = predict_init,
};
