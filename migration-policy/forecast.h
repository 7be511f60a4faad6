/*
 * What will happen: rounds, time and downtime, with an error band.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_FORECAST_H
#define MIG_POLICY_FORECAST_H

#include "policy.h"

typedef struct MigForecaster MigForecaster;
struct MigForecaster {
    /* the last rounds' ratio of bytes dirtied to bytes sent, newest first */
    double rho[3];
    int n_rho;
    int64_t round_dirtied_pages;    /* counters at the last round's end */
    int64_t round_sent_bytes;
    int64_t round_end_ns;           /* elapsed */
    int64_t round_pending_bytes;    /* pending when the round began */
};

void mig_forecast_init(MigForecaster *f);

/* Feed one sample, get the forecast under QEMU's own rule: geometric rounds
 * while each is smaller than the one before, unknown (-1) otherwise. */
void mig_forecast_update(MigForecaster *f, const MigPolicySample *sample,
                         MigPolicyForecast *forecast);

#endif
