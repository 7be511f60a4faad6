/*
 * What will happen under QEMU's own rule.
 *
 *   rho         bytes dirtied during a round / bytes sent in it
 *   pending[k]  pending now x rho^k: what is dirty after k more rounds
 *
 *   1. Each round after the first (or, where refreshes keep rounds from
 *      ending, the time in which what was pending at its start has been sent)
 *      gives one rho.  The first says little: it is so long that most writes
 *      hit a page that is dirty already.
 *   2. The newest three, weighted, give the expected rho; their extremes the
 *      error band.
 *   3. rho < 1: rounds is the first k with pending[k] below the threshold, and
 *      time and downtime follow from the bandwidth.
 *   4. rho >= 1: it will not end by itself; all of these stay unknown.
 *   5. Nor will it where what is left at the last three rounds' ends falls by
 *      less and less, towards a level (Aitken's extrapolation) that is not
 *      below the threshold: rho gets to 1 then, but not soon.
 *
 * The model is simple on purpose, and somewhat optimistic: the shorter a
 * round, the smaller the share of its writes that hit a page twice, so rho
 * rises from round to round.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"

/* From here on rounds shrink so slowly that no end is in sight. */
#define FORECAST_RHO_MAX 0.97
/* More rounds than this are no forecast. */
#define FORECAST_ROUNDS_MAX 1000

static const double forecast_weight[MIG_FORECAST_RATIOS] = { 0.5, 0.3, 0.2 };

void mig_forecast_init(MigForecaster *f)
{
    *f = (MigForecaster) { .round_pending_bytes = MIG_POLICY_UNKNOWN };
}

static int64_t forecast_bps(const MigPolicySample *sample)
{
    return sample->switchover_bps > 0 ? sample->switchover_bps
                                      : sample->bandwidth_bps;
}

int64_t mig_forecast_downtime_ns(const MigPolicySample *sample, int64_t bytes)
{
    int64_t ns = mig_policy_transfer_ns(bytes, forecast_bps(sample));

    if (ns < 0) {
        return MIG_POLICY_UNKNOWN;
    }
    if (sample->sync_cost_ns > 0) {
        ns = ns > INT64_MAX - sample->sync_cost_ns
             ? INT64_MAX : ns + sample->sync_cost_ns;
    }
    return ns;
}

/* Close the round if this sample ends one, and remember its ratio. */
static void forecast_observe(MigForecaster *f, const MigPolicySample *sample)
{
    int64_t dirtied_pages, sent_bytes;
    bool first = f->round_pending_bytes < 0;
    int i;

    if (sample->round < 1 || sample->dirtied_pages < 0 ||
        sample->sent_bytes < 0 || sample->pending_bytes < 0) {
        return;
    }
    dirtied_pages = sample->dirtied_pages - f->round_dirtied_pages;
    sent_bytes = sample->sent_bytes - f->round_sent_bytes;
    if (sample->kind == MIG_SAMPLE_REFRESH &&
        (first || sent_bytes < f->round_pending_bytes)) {
        return;
    }
    if (sent_bytes < sample->page_bytes) {
        return;
    }

    if (!first) {
        for (i = MIG_FORECAST_RATIOS - 1; i > 0; i--) {
            f->rho[i] = f->rho[i - 1];
        }
        f->rho[0] = (double)dirtied_pages * (double)sample->page_bytes /
                    (double)sent_bytes;
        f->n_rho = MIN(f->n_rho + 1, MIG_FORECAST_RATIOS);
    }
    for (i = MIG_FORECAST_RATIOS - 1; i > 0; i--) {
        f->rest_bytes[i] = f->rest_bytes[i - 1];
    }
    f->rest_bytes[0] = sample->pending_bytes;
    f->n_rest = MIN(f->n_rest + 1, MIG_FORECAST_RATIOS);
    f->round_dirtied_pages = sample->dirtied_pages;
    f->round_sent_bytes = sample->sent_bytes;
    f->round_pending_bytes = sample->pending_bytes;
}

/* Step 5. */
static bool forecast_levels_out(const MigForecaster *f, double threshold)
{
    double older, newer;

    if (f->n_rest < MIG_FORECAST_RATIOS) {
        return false;
    }
    older = (double)f->rest_bytes[2] - (double)f->rest_bytes[1];
    newer = (double)f->rest_bytes[1] - (double)f->rest_bytes[0];
    if (newer <= 0 || older <= newer) {
        return false;
    }
    return f->rest_bytes[0] - newer * newer / (older - newer) >= threshold;
}

/* Rounds until pending * rho^k is below the threshold, -1 if never. */
static int64_t forecast_rounds(double pending, double threshold, double rho)
{
    double k;

    if (pending < threshold || pending <= 0) {
        return 0;
    }
    if (threshold <= 0 || rho >= FORECAST_RHO_MAX) {
        return MIG_POLICY_UNKNOWN;
    }
    if (rho <= 0) {
        return 1;
    }
    /* Below, not at, the threshold: one more when the quotient is whole. */
    k = floor(log(threshold / pending) / log(rho)) + 1;
    return k <= FORECAST_ROUNDS_MAX ? (int64_t)k : MIG_POLICY_UNKNOWN;
}

/* Bytes left to send at the switchover, -1 if it never gets there. */
static int64_t forecast_rest_bytes(const MigPolicySample *sample, double rho,
                                   int64_t *rounds, double *sent_bytes)
{
    double pending = sample->pending_bytes;
    double rest;

    *rounds = forecast_rounds(pending, sample->threshold_bytes, rho);
    if (*rounds < 0) {
        return MIG_POLICY_UNKNOWN;
    }
    if (*rounds == 0) {
        *sent_bytes = 0;
        return sample->pending_bytes;
    }
    /* rho is less than 1, and so rest less than pending. */
    rest = pending * pow(rho, *rounds);
    *sent_bytes = (pending - rest) / (1 - rho);
    return (int64_t)rest;
}

void mig_forecast_update(MigForecaster *f, const MigPolicySample *sample,
                         MigPolicyForecast *forecast)
{
    double sum = 0, weight = 0, low, high, sent_bytes, ignored;
    int64_t rest_bytes, send_ns, rounds, low_ns, high_ns;
    int i;

    *forecast = (MigPolicyForecast) { -1, -1, -1, -1, -1, -1 };
    forecast->downtime_now_ns =
        mig_forecast_downtime_ns(sample, sample->pending_bytes);
    if (sample->kind == MIG_SAMPLE_TICK) {
        return;
    }
    forecast_observe(f, sample);
    if (f->n_rho == 0 || sample->pending_bytes < 0 ||
        sample->threshold_bytes < 0) {
        return;
    }

    low = high = f->rho[0];
    for (i = 0; i < f->n_rho; i++) {
        sum += forecast_weight[i] * f->rho[i];
        weight += forecast_weight[i];
        low = MIN(low, f->rho[i]);
        high = MAX(high, f->rho[i]);
    }
    rest_bytes = forecast_rest_bytes(sample, sum / weight, &rounds,
                                     &sent_bytes);
    if (rest_bytes < 0 || forecast_levels_out(f, sample->threshold_bytes)) {
        return;
    }
    forecast->rounds = rounds;
    forecast->downtime_ns = mig_forecast_downtime_ns(sample, rest_bytes);
    if (forecast->downtime_ns < 0) {
        return;
    }
    send_ns = mig_policy_transfer_ns((int64_t)MIN(sent_bytes, 9e18),
                                     sample->bandwidth_bps);
    if (send_ns >= 0) {
        forecast->eta_ns = send_ns > INT64_MAX - forecast->downtime_ns
                           ? INT64_MAX : send_ns + forecast->downtime_ns;
    }

    /* The extremes: at the high end it may be no better than now. */
    rest_bytes = forecast_rest_bytes(sample, low, &rounds, &ignored);
    low_ns = mig_forecast_downtime_ns(sample, rest_bytes);
    rest_bytes = forecast_rest_bytes(sample, high, &rounds, &ignored);
    high_ns = rest_bytes < 0 ? forecast->downtime_now_ns
                             : mig_forecast_downtime_ns(sample, rest_bytes);
    forecast->downtime_low_ns = MIN(forecast->downtime_ns,
                                    MIN(low_ns, high_ns));
    forecast->downtime_high_ns = MAX(forecast->downtime_ns,
                                     MAX(low_ns, high_ns));
}
