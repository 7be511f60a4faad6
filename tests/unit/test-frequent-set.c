/*
 * frequent-set, on guests drawn by hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "history-guest.h"

/* Round 1 is over, 40 MiB are written all the time, and it is known. */
static Guest *guest_stable(size_t n, const char *const *names,
                           const int64_t *values)
{
    Guest *g = guest_new("frequent-set", n, names, values);

    guest_writes(g, 0, 40 * MIB / PAGE);
    guest_steps(g, 30, 300);
    g->s.round = 1;
    guest_step(g, 40);
    return g;
}

/* Held back from the second epoch on; at a tick, too; sent at the stop. */
static void test_withhold(void)
{
    Guest *g = guest_new("frequent-set", 0, NULL, NULL);

    g_assert_false(test_decide(g->p, g->s).withhold);
    guest_writes(g, 0, 40 * MIB / PAGE);
    guest_steps(g, 9, 300);
    g_assert_false(g->v.withhold);
    guest_step(g, 300);
    g_assert_true(g->v.withhold);
    g->s.kind = MIG_SAMPLE_TICK;
    g_assert_true(test_decide(g->p, g->s).withhold);
    guest_free(g);

    g = guest_stable(0, NULL, NULL);
    g_assert_true(g->v.withhold);
    g_assert_cmpint(guest_run(g, 40, 100), >, 0);
    g_assert_false(g->v.withhold);
    guest_free(g);
}

/* The stop: 625 ms at stake, half of that is waited for. */
static void test_stable(void)
{
    Guest *g = guest_stable(0, NULL, NULL);

    g_assert_cmpint(guest_run(g, 40, 100), ==, 4);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_HOT_SET_STABLE);
    guest_free(g);
}

/* The rule by itself decides alike, and holds nothing back. */
static void test_ablation(void)
{
    static const char *const names[] = { "frequent-set-withhold" };
    static const int64_t values[] = { 0 };
    Guest *g = guest_stable(1, names, values);
    int i;

    g_assert_false(g->v.withhold);
    for (i = 0; i < 3; i++) {
        guest_step(g, 40);
        g_assert_cmpint(g->v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_false(g->v.withhold);
    }
    guest_step(g, 40);
    g_assert_cmpint(g->v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_HOT_SET_STABLE);
    guest_free(g);
}

/* The frequent pages stay, their number does not: not stable, so patient. */
static void test_changing(void)
{
    Guest *g = guest_new("frequent-set", 0, NULL, NULL);
    int i;

    for (i = 0; i < 31; i++) {
        guest_writes(g, 0, (40 + i / 5 % 2 * 20) * MIB / PAGE);
        guest_step(g, 300);
    }
    g->s.round = 1;
    for (i = 0; i < 12; i++) {
        guest_writes(g, 0, (40 + i / 5 % 2 * 20) * MIB / PAGE);
        guest_step(g, 40);
        g_assert_cmpint(g->v.action, ==, MIG_ACTION_CONTINUE);
    }
    g_assert_cmpint(guest_run(g, 40, 20), >, 0);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_DIP);
    guest_free(g);
}

/* As much each epoch, but other pages: no frequent set, and it still ends. */
static void test_no_frequent_set(void)
{
    Guest *g = guest_new("frequent-set", 0, NULL, NULL);
    int i;

    g->s.round = 1;
    for (i = 0; i < 100; i++) {
        guest_writes(g, i / 5 % 8 * 30 * REGION_PAGES, 20 * REGION_PAGES);
        if (guest_step(g, 40).action == MIG_ACTION_SWITCHOVER) {
            break;
        }
    }
    g_assert_cmpint(i, <, 40);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_DIP);
    guest_free(g);
}

/* An idle link: with little else left the frequent pages may go, too. */
static void test_idle_link(void)
{
    static const char *const names[] = { "frequent-set-share-percent" };
    static const int64_t values[] = { 100 };
    Guest *g = guest_new("frequent-set", 1, names, values);
    int i;

    /* Half of what is dirty is frequent: not stable by this tunable. */
    for (i = 0; i < 30; i++) {
        guest_writes(g, 0, 40 * MIB / PAGE);
        if (i / 5 % 2) {
            guest_writes(g, 0, 41 * MIB / PAGE);
        }
        guest_step(g, 300);
    }
    g->s.round = 1;
    g->s.withheld_bytes = 30 * MIB;
    guest_step(g, 40);
    g_assert_true(g->v.withhold);
    /* 6.4 MiB are 100 ms. */
    g->s.withheld_bytes = 35 * MIB;
    guest_step(g, 40);
    g_assert_false(g->v.withhold);
    guest_free(g);

    /* Where it is stable they are not worth it. */
    g = guest_stable(0, NULL, NULL);
    g->s.withheld_bytes = 40 * MIB;
    guest_step(g, 40);
    g_assert_true(g->v.withhold);
    guest_free(g);
}

/* The guest goes quiet: what was held back goes out while it lasts. */
static void test_quiet(void)
{
    Guest *g = guest_stable(0, NULL, NULL);

    guest_writes(g, 0, 0);
    guest_steps(g, 3, 120);
    g_assert_true(g->v.withhold);
    /* To the end of the first epoch without writes. */
    guest_steps(g, 6, 120);
    g_assert_false(g->v.withhold);
    guest_free(g);
}

static void test_class(void)
{
    static const char *const names[] = { "frequent-set-class" };
    static const int64_t values[] = { 1 };
    MigPageHistoryConfig config;
    MigPolicy *p = test_new("frequent-set", 1, names, values);

    mig_policy_history_config(p, &config);
    g_assert_cmpint(config.frequent_min, ==, 1);
    mig_policy_free(p);
    p = test_new("frequent-set", 0, NULL, NULL);
    mig_policy_history_config(p, &config);
    g_assert_cmpint(config.frequent_min, ==, 3);
    mig_policy_free(p);
}

static void test_ceiling(void)
{
    Guest *g = guest_stable(0, NULL, NULL);

    g_assert_cmpint(guest_run(g, 200, 300), ==, -1);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_ABOVE_CEILING);
    g_assert_true(g->v.withhold);
    guest_free(g);
}

/* What is held back is no reason to think that round 1 is still on. */
static void test_first_pass(void)
{
    Guest *g = guest_new("frequent-set", 0, NULL, NULL);

    guest_writes(g, 0, 60 * MIB / PAGE);
    guest_steps(g, 30, 300);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_FIRST_ROUND);
    g->s.withheld_bytes = 60 * MIB;
    g->s.dirtied_pages = 4 * MIB / PAGE;
    guest_step(g, 70);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_FIRST_ROUND);
    guest_step(g, 64);
    g_assert_cmpint(g->v.reason, !=, MIG_REASON_FIRST_ROUND);
    guest_free(g);
}

static void test_without_history(void)
{
    guest_check_without_history("frequent-set");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/frequent-set/withhold", test_withhold);
    g_test_add_func("/frequent-set/stable", test_stable);
    g_test_add_func("/frequent-set/ablation", test_ablation);
    g_test_add_func("/frequent-set/changing", test_changing);
    g_test_add_func("/frequent-set/no-frequent-set", test_no_frequent_set);
    g_test_add_func("/frequent-set/idle-link", test_idle_link);
    g_test_add_func("/frequent-set/quiet", test_quiet);
    g_test_add_func("/frequent-set/class", test_class);
    g_test_add_func("/frequent-set/ceiling", test_ceiling);
    g_test_add_func("/frequent-set/first-pass", test_first_pass);
    g_test_add_func("/frequent-set/without-history", test_without_history);
    return g_test_run();
}
