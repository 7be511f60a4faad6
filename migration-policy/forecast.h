/*
 * What will happen: rounds, time and downtime, with an error band.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_FORECAST_H
#define MIG_POLICY_FORECAST_H

#include "policy.h"

/* How many ratios the error band rests on. */
#define MIG_FORECAST_RATIOS 3

typedef struct MigForecaster {
    /* the last rounds' ratio of bytes dirtied to bytes sent, newest first */
    double rho[MIG_FORECAST_RATIOS];
    int n_rho;
    /* what was pending at the last rounds' ends, newest first */
    int64_t rest_bytes[MIG_FORECAST_RATIOS];
    int n_rest;
    /* where the round that is being sent began; zero for the first */
    int64_t round_dirtied_pages;
    int64_t round_sent_bytes;
    int64_t round_pending_bytes;
} MigForecaster;

void mig_forecast_init(MigForecaster *f);

/*
 * Feed one sample, get the forecast under QEMU's own rule: geometric rounds
 * while each is smaller than the one before, unknown (-1) otherwise.  A tick
 * knows downtime_now_ns only.
 */
void mig_forecast_update(MigForecaster *f, const MigPolicySample *sample,
                         MigPolicyForecast *forecast);

/*
 * Guest stopped for so long if it switched over with bytes to send, -1 when
 * the bandwidth is not known.
 */
int64_t mig_forecast_downtime_ns(const MigPolicySample *sample, int64_t bytes);

#endif
