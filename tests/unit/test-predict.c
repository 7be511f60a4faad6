/*
 * predict: N worked out by hand, and the edges of its formula.
 *
 * The guest on paper has D1 = 131072 pages (512 MiB); with T = 128 pages,
 * T / D1 = 2^-10, so that a rho of 2^-k gives guess = 10 / k + 1 exactly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"

#define D1 131072

static MigPolicySample start(void)
{
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);

    s.threshold_bytes = 128 * PAGE;
    s.downtime_ceiling_ns = 0;
    return s;
}

/* A round of so long, in which so many pages were dirtied. */
static MigPolicyVerdict round_end(MigPolicy *p, MigPolicySample *s,
                                  int64_t ns, int64_t pages)
{
    s->kind = MIG_SAMPLE_ROUND;
    s->round++;
    s->elapsed_ns += ns;
    s->now_ns += ns;
    s->dirtied_pages += pages;
    s->pending_bytes = MAX(pages, 200) * PAGE;
    return test_decide(p, *s);
}

static void test_steady(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;
    int n;

    /*
     * S = 131072 pages / 8 s = 16384 pages/s; R = 8192 / s: rho = 1/2, and
     * N = 10 / 1 + 1 = 11.  Each round takes half as long as the one before.
     */
    for (n = 1; n < 11; n++) {
        int64_t ns = 8 * SEC >> (n - 1);

        v = round_end(p, &s, ns, 8192 * ns / SEC);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.reason, ==, MIG_REASON_PENDING_FALLING);
        if (n == 1) {
            g_assert_cmpint(v.forecast.rounds, ==, 10);
        }
    }
    v = round_end(p, &s, 8 * SEC >> 10, 64);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ROUNDS_PREDICTED);
    mig_policy_free(p);
}

/* The guess is compared unrounded: 10 / 3 + 1 = 4.33 means 5 rounds. */
static void test_fraction(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;
    int n;

    for (n = 1; n < 5; n++) {
        /* rho = 1/8 in every round */
        v = round_end(p, &s, 8 * SEC, 16384);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.forecast.rounds, ==, 5 - n);
    }
    v = round_end(p, &s, 8 * SEC, 16384);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ROUNDS_PREDICTED);
    mig_policy_free(p);
}

static void test_guess_grew(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    v = round_end(p, &s, 8 * SEC, 8192);    /* rho = 1/16: N = 3.5 */
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.forecast.rounds, ==, 3);
    /* R = 16384 / 9 s: rho = 1/9, 3.154 + 1 = 4.15 > 3.5 */
    v = round_end(p, &s, 1 * SEC, 8192);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_GUESS_GREW);
    mig_policy_free(p);
}

/* Unrounded: 4.33, then 4.8, both of which are 5 rounds, is growing. */
static void test_grew_within_a_round(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    round_end(p, &s, 8 * SEC, 16384);
    /* R = 42598 / 16 s: rho = 0.1625, 10 / 2.62 + 1 = 4.81 */
    v = round_end(p, &s, 8 * SEC, 26214);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_GUESS_GREW);
    mig_policy_free(p);
}

/* QEMU's own rule is expected before N: its forecast is the better one. */
static void test_native_forecast(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    s.sent_bytes = TEST_RAM;
    round_end(p, &s, 8 * SEC, 8192);        /* N = 3.5: 3 more rounds */
    s.sent_bytes += 8192 * PAGE;
    /* 201 of 8192 pages: the next round leaves 5. */
    v = round_end(p, &s, 1 * SEC, 201);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.forecast.rounds, ==, 1);
    g_assert_cmpint(v.forecast.downtime_ns, <, 1 * MS);
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_CONVERGING);
    mig_policy_free(p);
}

/* rho = 0.8 at once: 10 / 0.322 + 1 = 32.06 > 30, the iteration limit. */
static void test_first_sample(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    s.kind = MIG_SAMPLE_TICK;
    v = test_decide(p, s);
    g_assert_cmpint(v.reason, ==, MIG_REASON_FIRST_ROUND);
    g_assert_cmpint(v.forecast.rounds, ==, -1);
    v = round_end(p, &s, 8 * SEC, 104858);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_GUESS_GREW);
    mig_policy_free(p);

    /* rho = 0.79: 10 / 0.340 + 1 = 30.4 > 30; 0.78: 28.9, it goes on. */
    p = test_new("predict", 0, NULL, NULL);
    s = start();
    v = round_end(p, &s, 8 * SEC, 102237);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.forecast.rounds, ==, 28);
    mig_policy_free(p);
}

static void test_zero_rate(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    /* rho = 0: the guess is 1, and so is N: one more round at most. */
    v = round_end(p, &s, 8 * SEC, 0);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 1 * SEC, 0);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ROUNDS_PREDICTED);
    mig_policy_free(p);
}

static void test_rho_one_and_more(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    v = round_end(p, &s, 8 * SEC, D1);      /* rho = 1 */
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIRTY_RATE);
    mig_policy_free(p);

    p = test_new("predict", 0, NULL, NULL);
    s = start();
    v = round_end(p, &s, 8 * SEC, D1 * 2);  /* rho = 2: -10 + 1 = -9 */
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIRTY_RATE);
    mig_policy_free(p);

    p = test_new("predict", 0, NULL, NULL);
    s = start();
    /* rho = 2^11: -10 / 11 + 1 = 0.09, as listed: N, and a last round. */
    v = round_end(p, &s, 8 * SEC, (int64_t)D1 << 11);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 8 * SEC, (int64_t)D1 << 11);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ROUNDS_PREDICTED);
    mig_policy_free(p);
}

static void test_threshold_edges(void)
{
    static const int64_t thresholds[] = {
        MIG_POLICY_UNKNOWN, 0, PAGE - 1, D1 * PAGE, 2 * D1 * PAGE, INT64_MAX
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(thresholds); i++) {
        MigPolicy *p = test_new("predict", 0, NULL, NULL);
        MigPolicySample s = start();
        MigPolicyVerdict v;

        /* No guess, so no stop; QEMU's own rule may well. */
        s.threshold_bytes = thresholds[i];
        s.pending_bytes = D1 * PAGE;
        v = round_end(p, &s, 8 * SEC, D1);
        if (thresholds[i] > D1 * PAGE) {
            g_assert_cmpint(v.reason, ==, MIG_REASON_BELOW_THRESHOLD);
        } else {
            g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
            g_assert_cmpint(v.reason, ==, MIG_REASON_BANDWIDTH_UNKNOWN);
        }
        /* The next round guesses on all that was seen: rho = 1/2. */
        s.threshold_bytes = 128 * PAGE;
        v = round_end(p, &s, 8 * SEC, 0);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.forecast.rounds, ==, 11 - 2);
        mig_policy_free(p);
    }
}

static void test_clock_backwards(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    round_end(p, &s, 8 * SEC, 8192);        /* rho = 1/16: N = 3.5 */
    s.elapsed_ns -= 5 * SEC;
    s.now_ns -= 5 * SEC;
    /* Standing still: no time, no rate, nothing learnt, nothing stopped. */
    v = round_end(p, &s, 0, 8192);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    /* Both rounds at once: R = 24576 / 24 s, still 1/16. */
    v = round_end(p, &s, 21 * SEC, 8192);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.forecast.rounds, ==, 1);
    mig_policy_free(p);
}

static void test_overflow(void)
{
    MigPolicyConfig config = {
        .policy = "predict", .ram_bytes = 64 * TIB, .page_bytes = PAGE,
    };
    MigPolicySample s = start();
    MigPolicyVerdict v;
    MigPolicy *p;
    char *errmsg;

    p = mig_policy_new(&config, &errmsg);
    g_assert_nonnull(p);
    /* 2^34 pages, T = 2^24: the same 2^-10; 2^23 pages/s of 2^24: 1/2. */
    s.ram_bytes = 64 * TIB;
    s.threshold_bytes = (INT64_C(1) << 24) * PAGE;
    v = round_end(p, &s, 1024 * SEC, INT64_C(1) << 33);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.forecast.rounds, ==, 10);
    mig_policy_free(p);

    /* Everything at its largest: no trap, and a verdict. */
    p = mig_policy_new(&config, &errmsg);
    s.round = 0;
    s.elapsed_ns = 0;
    s.dirtied_pages = 0;
    s.threshold_bytes = INT64_MAX / 2;
    v = round_end(p, &s, INT64_MAX / 4, INT64_MAX / 8192);
    s.pending_bytes = INT64_MAX;
    s.sent_bytes = INT64_MAX;
    s.dirtied_pages = INT64_MAX;
    s.elapsed_ns = INT64_MAX;
    s.round++;
    v = test_decide(p, s);
    g_assert_cmpint(v.forecast.downtime_now_ns, >, 0);
    mig_policy_free(p);
}

static void test_round_limit(void)
{
    static const char *const names[] = { "predict-max-rounds" };
    static const int64_t values[] = { 1 };
    MigPolicy *p = test_new("predict", 1, names, values);
    MigPolicySample s = start();
    MigPolicyVerdict v = round_end(p, &s, 8 * SEC, 10);

    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ROUND_LIMIT);
    mig_policy_free(p);
}

/* The limit is the first N: a guess of 11 is worse than 10. */
static void test_limit_is_n(void)
{
    static const char *const names[] = { "predict-max-rounds" };
    static const int64_t values[] = { 10 };
    MigPolicy *p = test_new("predict", 1, names, values);
    MigPolicySample s = start();
    MigPolicyVerdict v = round_end(p, &s, 8 * SEC, D1 / 2);

    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_GUESS_GREW);
    mig_policy_free(p);
}

static void test_weighted(void)
{
    static const char *const names[] = { "predict-rate-weight-percent" };
    static const int64_t values[] = { 50 };
    MigPolicy *p = test_new("predict", 1, names, values);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    v = round_end(p, &s, 8 * SEC, D1 / 2);      /* rho = 1/2: N = 11 */
    g_assert_cmpint(v.forecast.rounds, ==, 10);
    /* Nothing dirtied: half the rate is left, rho = 1/4, N = 6 (not 1/3). */
    v = round_end(p, &s, 4 * SEC, 0);
    g_assert_cmpint(v.forecast.rounds, ==, 4);
    /* And a quarter: rho = 1/8, N = 4.33. */
    v = round_end(p, &s, 100 * SEC, 0);
    g_assert_cmpint(v.forecast.rounds, ==, 2);
    mig_policy_free(p);
}

static void test_measured_speed(void)
{
    static const char *const names[] = { "predict-measured-speed" };
    static const int64_t values[] = { 1 };
    MigPolicy *p = test_new("predict", 1, names, values);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    /*
     * Zero pages made round 1 last 2 s, which looks like 256 MiB/s: rho 1/16.
     * Measured is 64 MiB/s: 4096 pages/s of 16384 is 1/4, and N = 6.
     */
    v = round_end(p, &s, 2 * SEC, 8192);
    g_assert_cmpint(v.forecast.rounds, ==, 5);
    mig_policy_free(p);

    p = test_new("predict", 0, NULL, NULL);
    s = start();
    v = round_end(p, &s, 2 * SEC, 8192);
    g_assert_cmpint(v.forecast.rounds, ==, 3);  /* 3.5 */
    mig_policy_free(p);

    p = test_new("predict", 1, names, values);
    s = start();
    s.bandwidth_bps = MIG_POLICY_UNKNOWN;
    v = round_end(p, &s, 2 * SEC, 8192);
    g_assert_cmpint(v.reason, ==, MIG_REASON_BANDWIDTH_UNKNOWN);
    mig_policy_free(p);
}

/* The ceiling forbids the stop; the wish stays until it fits. */
static void test_ceiling(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;

    s.downtime_ceiling_ns = 2 * SEC;
    v = round_end(p, &s, 8 * SEC, D1);      /* 512 MiB: 8 s */
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ABOVE_CEILING);
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
    v = round_end(p, &s, 8 * SEC, 32769);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ABOVE_CEILING);
    v = round_end(p, &s, 8 * SEC, 32768);   /* 128 MiB: 2 s exactly */
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIRTY_RATE);
    g_assert_cmpint(v.forecast.downtime_ns, ==, 2 * SEC);
    mig_policy_free(p);
}

static void test_rounds_only(void)
{
    MigPolicy *p = test_new("predict", 0, NULL, NULL);
    MigPolicySample s = start();
    MigPolicyVerdict v;
    int i;

    round_end(p, &s, 8 * SEC, 8192);        /* N = 3.5 */
    s.round = 4;                            /* whatever it says */
    for (i = 0; i < 50; i++) {
        s.kind = i & 1 ? MIG_SAMPLE_TICK : MIG_SAMPLE_REFRESH;
        s.elapsed_ns += 100 * MS;
        s.dirtied_pages += 100;
        v = test_decide(p, s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.next_sync_ns, ==, -1);
        g_assert_cmpint(v.reason, ==, MIG_REASON_PENDING_FALLING);
    }
    mig_policy_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/predict/steady", test_steady);
    g_test_add_func("/predict/fraction", test_fraction);
    g_test_add_func("/predict/guess-grew", test_guess_grew);
    g_test_add_func("/predict/grew-within-a-round", test_grew_within_a_round);
    g_test_add_func("/predict/native-forecast", test_native_forecast);
    g_test_add_func("/predict/first-sample", test_first_sample);
    g_test_add_func("/predict/zero-rate", test_zero_rate);
    g_test_add_func("/predict/rho-one-and-more", test_rho_one_and_more);
    g_test_add_func("/predict/threshold-edges", test_threshold_edges);
    g_test_add_func("/predict/clock-backwards", test_clock_backwards);
    g_test_add_func("/predict/overflow", test_overflow);
    g_test_add_func("/predict/round-limit", test_round_limit);
    g_test_add_func("/predict/limit-is-n", test_limit_is_n);
    g_test_add_func("/predict/weighted", test_weighted);
    g_test_add_func("/predict/measured-speed", test_measured_speed);
    g_test_add_func("/predict/ceiling", test_ceiling);
    g_test_add_func("/predict/rounds-only", test_rounds_only);
    return g_test_run();
}
