/*
 * classic: each of its four conditions, alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"

/* Next round's end, with so many pages dirty. */
static MigPolicyVerdict round_end(MigPolicy *p, MigPolicySample *s,
                                  int64_t dirty_pages)
{
    s->kind = MIG_SAMPLE_ROUND;
    s->round++;
    s->elapsed_ns += SEC;
    s->pending_bytes = dirty_pages * PAGE;
    s->threshold_bytes = 0;     /* QEMU's own rule out of the way */
    return test_decide(p, *s);
}

static void test_rounds(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v;
    int i;

    for (i = 1; i < 29; i++) {
        /* Each round a little smaller, all of them small. */
        v = round_end(p, &s, 1000 - i);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.next_sync_ns, ==, -1);
        g_assert_cmpint(v.outlook, !=, MIG_OUTLOOK_NOT_CONVERGING);
    }
    v = round_end(p, &s, 1000 - i);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_ROUNDS);
    mig_policy_free(p);
}

static void test_few_pages(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v = round_end(p, &s, 50);

    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 49);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_FEW_PAGES);
    mig_policy_free(p);
}

static void test_sent_limit(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v;
    int64_t ram = TEST_RAM / PAGE;

    /* Rounds of RAM, RAM, RAM - 1, 2: the fourth takes the sum above 3x. */
    v = round_end(p, &s, ram);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, ram - 1);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 100);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 99);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_SENT_LIMIT);
    mig_policy_free(p);
}

static void test_not_shrinking(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v;

    round_end(p, &s, 2000);
    v = round_end(p, &s, 2000);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    /* Round 3 was as large as round 2, not larger. */
    v = round_end(p, &s, 2001);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 100);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_NOT_SHRINKING);
    mig_policy_free(p);
}

/* It knows no ceiling: 400 MiB would stop the guest for more than 6 s. */
static void test_ceiling(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v;

    round_end(p, &s, 90000);
    round_end(p, &s, 102400);
    v = round_end(p, &s, 102400);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.forecast.downtime_ns, ==, 6250 * MS);
    mig_policy_free(p);
}

static void test_other_samples(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, 0, TEST_RAM);
    MigPolicyVerdict v = test_decide(p, s);
    int i;

    g_assert_cmpint(v.reason, ==, MIG_REASON_FIRST_ROUND);
    s.elapsed_ns = -1;
    round_end(p, &s, 2000);
    round_end(p, &s, 1000);
    s.kind = MIG_SAMPLE_REFRESH;
    for (i = 0; i < 100; i++) {
        /* Neither a refresh nor the same round again is a round. */
        s.pending_bytes = 10 * PAGE;
        s.kind = i & 1 ? MIG_SAMPLE_ROUND : MIG_SAMPLE_REFRESH;
        v = test_decide(p, s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    }
    v = round_end(p, &s, MIG_POLICY_UNKNOWN);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    mig_policy_free(p);
}

/* A guest that was not stopped at once is stopped as soon as may be. */
static void test_held(void)
{
    MigPolicy *p = test_new("classic", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v;
    int i;

    round_end(p, &s, 1000);
    v = round_end(p, &s, 49);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    for (i = 0; i < 10; i++) {
        s.kind = i & 1 ? MIG_SAMPLE_TICK : MIG_SAMPLE_REFRESH;
        s.pending_bytes = 5000 * PAGE;
        v = test_decide(p, s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
        g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_FEW_PAGES);
    }
    mig_policy_free(p);
}

static void test_tunables(void)
{
    static const char *const names[] = {
        "classic-max-rounds", "classic-min-dirty-pages",
        "classic-max-ram-percent",
    };
    static const int64_t values[] = { 2, 5, 100 };
    MigPolicy *p = test_new("classic", 2, names, values);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v = round_end(p, &s, 5);

    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 5);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_ROUNDS);
    mig_policy_free(p);

    p = test_new("classic", 1, &names[2], &values[2]);
    s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    v = round_end(p, &s, 100);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    v = round_end(p, &s, 100);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CLASSIC_SENT_LIMIT);
    mig_policy_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/classic/rounds", test_rounds);
    g_test_add_func("/classic/few-pages", test_few_pages);
    g_test_add_func("/classic/sent-limit", test_sent_limit);
    g_test_add_func("/classic/not-shrinking", test_not_shrinking);
    g_test_add_func("/classic/ceiling", test_ceiling);
    g_test_add_func("/classic/other-samples", test_other_samples);
    g_test_add_func("/classic/held", test_held);
    g_test_add_func("/classic/tunables", test_tunables);
    return g_test_run();
}
