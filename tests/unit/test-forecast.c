/*
 * Forecast under QEMU's own rule: figures worked out by hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"
#include "common.h"

/* The guest on paper sends so much and dirties rho times as much a round. */
static MigPolicyForecast feed(MigForecaster *f, MigPolicySample *s,
                              int64_t sent_bytes, int64_t dirtied_bytes)
{
    MigPolicyForecast fc;

    s->round++;
    s->sent_bytes += sent_bytes;
    s->dirtied_pages += dirtied_bytes / PAGE;
    s->pending_bytes = dirtied_bytes;
    mig_forecast_update(f, s, &fc);
    return fc;
}

static void test_unknown(void)
{
    MigForecaster f;
    MigPolicyForecast fc;
    MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, SEC, 512 * MIB);

    mig_forecast_init(&f);
    mig_forecast_update(&f, &s, &fc);
    g_assert_cmpint(fc.rounds, ==, -1);
    g_assert_cmpint(fc.eta_ns, ==, -1);
    g_assert_cmpint(fc.downtime_ns, ==, -1);
    g_assert_cmpint(fc.downtime_low_ns, ==, -1);
    g_assert_cmpint(fc.downtime_high_ns, ==, -1);
    g_assert_cmpint(fc.downtime_now_ns, ==, 8 * SEC);

    s.bandwidth_bps = MIG_POLICY_UNKNOWN;
    mig_forecast_update(&f, &s, &fc);
    g_assert_cmpint(fc.downtime_now_ns, ==, -1);
}

static void test_geometric(void)
{
    MigForecaster f;
    MigPolicyForecast fc;
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, SEC, 0);

    mig_forecast_init(&f);
    s.threshold_bytes = 20 * MIB;
    fc = feed(&f, &s, 512 * MIB, 256 * MIB);
    /* The first round's ratio says little. */
    g_assert_cmpint(fc.rounds, ==, -1);
    fc = feed(&f, &s, 256 * MIB, 128 * MIB);
    /* 128 -> 64 -> 32 -> 16 < 20: 3 rounds; 224 MiB at 64 MiB/s, then 16. */
    g_assert_cmpint(fc.rounds, ==, 3);
    g_assert_cmpint(fc.downtime_ns, ==, 250 * MS);
    g_assert_cmpint(fc.eta_ns, ==, 3500 * MS + 250 * MS);
    g_assert_cmpint(fc.downtime_now_ns, ==, 2 * SEC);
    g_assert_cmpint(fc.downtime_low_ns, ==, 250 * MS);
    g_assert_cmpint(fc.downtime_high_ns, ==, 250 * MS);
    /* At the threshold is not below it. */
    s.threshold_bytes = 16 * MIB;
    fc = feed(&f, &s, 128 * MIB, 64 * MIB);
    g_assert_cmpint(fc.rounds, ==, 3);
    /* Not even when that is where it is: 32, then 16. */
    s.threshold_bytes = 32 * MIB;
    fc = feed(&f, &s, 64 * MIB, 32 * MIB);
    g_assert_cmpint(fc.rounds, ==, 1);
    /* A tick ends no round, and forecasts none. */
    s.kind = MIG_SAMPLE_TICK;
    s.sent_bytes += 32 * MIB;
    mig_forecast_update(&f, &s, &fc);
    g_assert_cmpint(fc.rounds, ==, -1);
    s.sent_bytes -= 32 * MIB;
    s.kind = MIG_SAMPLE_ROUND;
    /* Below it: no further round. */
    fc = feed(&f, &s, 32 * MIB, 8 * MIB);
    g_assert_cmpint(fc.rounds, ==, 0);
    g_assert_cmpint(fc.downtime_ns, ==, 125 * MS);
    g_assert_cmpint(fc.eta_ns, ==, 125 * MS);
}

static void test_band(void)
{
    MigForecaster f;
    MigPolicyForecast fc;
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, SEC, 0);

    mig_forecast_init(&f);
    s.threshold_bytes = 20 * MIB;
    feed(&f, &s, 512 * MIB, 256 * MIB);
    feed(&f, &s, 256 * MIB, 64 * MIB);      /* 0.25 */
    fc = feed(&f, &s, 64 * MIB, 64 * MIB);  /* 1: the band's end is now */
    /* (0.5 * 1 + 0.3 * 0.25) / 0.8 = 0.71875: 64, 46, 33.1, 23.8, 17.1 */
    g_assert_cmpint(fc.rounds, ==, 4);
    g_assert_cmpint(fc.downtime_high_ns, ==, SEC);
    /* 64 * 0.25 = 16 MiB */
    g_assert_cmpint(fc.downtime_low_ns, ==, 250 * MS);
    g_assert_cmpint(fc.downtime_ns, >=, 260 * MS);
    g_assert_cmpint(fc.downtime_ns, <=, 270 * MS);
}

static void test_no_end(void)
{
    MigForecaster f;
    MigPolicyForecast fc;
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, SEC, 0);

    mig_forecast_init(&f);
    feed(&f, &s, 512 * MIB, 100 * MIB);
    fc = feed(&f, &s, 100 * MIB, 120 * MIB);
    g_assert_cmpint(f.n_rho, ==, 1);
    g_assert_cmpint(fc.rounds, ==, -1);
    g_assert_cmpint(fc.eta_ns, ==, -1);
    g_assert_cmpint(fc.downtime_ns, ==, -1);
    g_assert_cmpint(fc.downtime_now_ns, ==, 1875 * MS);
    /* The figures of a guest that stands still. */
    mig_forecast_init(&f);
    s.round = 0;
    feed(&f, &s, 512 * MIB, 100 * MIB);
    fc = feed(&f, &s, 100 * MIB, 0);
    g_assert_cmpint(fc.rounds, ==, 0);
    g_assert_cmpint(fc.downtime_ns, ==, 0);
    g_assert_cmpint(fc.eta_ns, ==, 0);
    /* No threshold: no end. */
    mig_forecast_init(&f);
    feed(&f, &s, 512 * MIB, 100 * MIB);
    s.threshold_bytes = 0;
    fc = feed(&f, &s, 100 * MIB, 50 * MIB);
    g_assert_cmpint(fc.rounds, ==, -1);
    s.threshold_bytes = MIG_POLICY_UNKNOWN;
    fc = feed(&f, &s, 50 * MIB, 25 * MIB);
    g_assert_cmpint(fc.rounds, ==, -1);
    /* 98% each round would be 80 more of them: no end in sight. */
    mig_forecast_init(&f);
    s.threshold_bytes = 20 * MIB;
    feed(&f, &s, 512 * MIB, 100 * MIB);
    fc = feed(&f, &s, 100 * MIB, 98 * MIB);
    g_assert_cmpint(fc.rounds, ==, -1);
    /* One round of nothing dirtied, something pending. */
    mig_forecast_init(&f);
    s.threshold_bytes = 10 * MIB;
    feed(&f, &s, 512 * MIB, 100 * MIB);
    s.round++;
    s.sent_bytes += 50 * MIB;
    s.pending_bytes = 50 * MIB;
    mig_forecast_update(&f, &s, &fc);
    g_assert_cmpint(fc.rounds, ==, 1);
    g_assert_cmpint(fc.downtime_ns, ==, 0);
}

/* 64, 48, 40, 36: rho is 0.9 and the level 32; it matters where that is. */
static void test_level(void)
{
    static const int64_t thresholds[] = { 31 * MIB, 32 * MIB, 33 * MIB };
    static const int64_t rounds[] = { -1, -1, 1 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(rounds); i++) {
        MigForecaster f;
        MigPolicyForecast fc;
        MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, SEC, 0);

        mig_forecast_init(&f);
        s.threshold_bytes = thresholds[i];
        feed(&f, &s, 512 * MIB, 64 * MIB);
        fc = feed(&f, &s, 64 * MIB, 48 * MIB);
        /* Two rounds' ends are no curve yet. */
        g_assert_cmpint(fc.rounds, >, 0);
        feed(&f, &s, 48 * MIB, 40 * MIB);
        fc = feed(&f, &s, 40 * MIB, 36 * MIB);
        g_assert_cmpint(fc.rounds, ==, rounds[i]);
        g_assert_cmpint(fc.eta_ns < 0, ==, rounds[i] < 0);
    }
}

static void test_refreshes(void)
{
    MigForecaster f;
    MigPolicyForecast fc;
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, SEC, 0);
    int i;

    mig_forecast_init(&f);
    s.threshold_bytes = 20 * MIB;
    feed(&f, &s, 512 * MIB, 64 * MIB);
    /* Sixteen refreshes make up the round: 64 MiB sent, 48 MiB dirtied. */
    s.kind = MIG_SAMPLE_REFRESH;
    for (i = 0; i < 16; i++) {
        g_assert_cmpint(f.n_rho, ==, 0);
        s.sent_bytes += 4 * MIB;
        s.dirtied_pages += 3 * MIB / PAGE;
        s.pending_bytes -= 1 * MIB;
        mig_forecast_update(&f, &s, &fc);
    }
    g_assert_cmpint(f.n_rho, ==, 1);
    /* 48 -> 36 -> 27 -> 20.25 -> 15.2 */
    g_assert_cmpint(fc.rounds, ==, 4);
}

static void test_sync_cost(void)
{
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 64 * MIB);

    s.sync_cost_ns = 3 * MS;
    g_assert_cmpint(mig_forecast_downtime_ns(&s, 64 * MIB), ==, 1003 * MS);
    s.sync_cost_ns = MIG_POLICY_UNKNOWN;
    g_assert_cmpint(mig_forecast_downtime_ns(&s, 64 * MIB), ==, SEC);
    /* The link carries more once the guest is stopped, says the operator. */
    s.switchover_bps = 128 * MIB;
    g_assert_cmpint(mig_forecast_downtime_ns(&s, 64 * MIB), ==, 500 * MS);
    s.sync_cost_ns = INT64_MAX;
    g_assert_cmpint(mig_forecast_downtime_ns(&s, 64 * MIB), ==, INT64_MAX);
    g_assert_cmpint(mig_forecast_downtime_ns(&s, -1), ==, -1);
}

static void test_transfer(void)
{
    g_assert_cmpint(mig_policy_transfer_ns(-1, 1), ==, -1);
    g_assert_cmpint(mig_policy_transfer_ns(1, -1), ==, -1);
    g_assert_cmpint(mig_policy_transfer_ns(1, 0), ==, -1);
    g_assert_cmpint(mig_policy_transfer_ns(0, 5), ==, 0);
    g_assert_cmpint(mig_policy_transfer_ns(10, 5), ==, 2 * SEC);
    /* Rounded up: a third of a second. */
    g_assert_cmpint(mig_policy_transfer_ns(1, 3), ==, 333333334);
    g_assert_cmpint(mig_policy_transfer_ns(64 * TIB, 1), ==, INT64_MAX);
    g_assert_cmpint(mig_policy_transfer_ns(64 * TIB, GIB), ==, 65536 * SEC);
    /* The long division: the rest is too large to multiply. */
    g_assert_cmpint(mig_policy_transfer_ns(64 * TIB, 128 * TIB), ==, SEC / 2);
    g_assert_cmpint(mig_policy_transfer_ns(64 * TIB, 192 * TIB), ==,
                    333333334);
    g_assert_cmpint(mig_policy_transfer_ns(160 * TIB, 128 * TIB), ==,
                    1250 * MS);
    g_assert_cmpint(mig_policy_transfer_ns(INT64_MAX, INT64_MAX), ==, SEC);
    g_assert_cmpint(llabs(mig_policy_transfer_ns(INT64_MAX / 2, INT64_MAX) -
                          SEC / 2), <=, 2);
}

static void test_overflow(void)
{
    MigForecaster f;
    MigPolicyForecast fc;
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, SEC, 0);

    mig_forecast_init(&f);
    s.ram_bytes = 64 * TIB;
    s.threshold_bytes = 20 * MIB;
    feed(&f, &s, 64 * TIB, 32 * TIB);
    fc = feed(&f, &s, 32 * TIB, 16 * TIB);
    /* 2^44 -> below 20 MiB: 2^24 after 20 halvings; 6 days */
    g_assert_cmpint(fc.rounds, ==, 20);
    g_assert_cmpint(fc.eta_ns, ==, INT64_C(524287500) * MS + 250 * MS);
    s.pending_bytes = INT64_MAX;
    s.sent_bytes = INT64_MAX;
    s.dirtied_pages = INT64_MAX;
    s.bandwidth_bps = 1;
    s.round++;
    mig_forecast_update(&f, &s, &fc);
    g_assert_cmpint(fc.downtime_now_ns, ==, INT64_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/forecast/unknown", test_unknown);
    g_test_add_func("/forecast/geometric", test_geometric);
    g_test_add_func("/forecast/band", test_band);
    g_test_add_func("/forecast/no-end", test_no_end);
    g_test_add_func("/forecast/level", test_level);
    g_test_add_func("/forecast/refreshes", test_refreshes);
    g_test_add_func("/forecast/sync-cost", test_sync_cost);
    g_test_add_func("/forecast/transfer", test_transfer);
    g_test_add_func("/forecast/overflow", test_overflow);
    return g_test_run();
}
