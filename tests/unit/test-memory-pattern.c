/*
 * memory-pattern, on guests drawn by hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "history-guest.h"

/* Round 1 ends, so much is pending. */
static void guest_round(Guest *g, double pending_mib)
{
    g->s.round = 1;
    guest_step(g, pending_mib);
}

/* The first pass, as under stall: it ends by round or by volume. */
static void test_first_pass(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);
    int i;

    g->v = test_decide(g->p, g->s);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_FIRST_ROUND);
    for (i = 0; i < 20; i++) {
        guest_step(g, 300 - 6 * i);
        g_assert_cmpint(g->v.reason, ==, MIG_REASON_FIRST_ROUND);
        g_assert_cmpint(g->v.next_sync_ns, ==, 100 * MS);
    }
    /* 60 MiB pending, and as much found dirty anew: all was sent once. */
    g->s.dirtied_pages = 60 * MIB / PAGE;
    guest_step(g, 60);
    g_assert_cmpint(g->v.reason, !=, MIG_REASON_FIRST_ROUND);
    g_assert_cmpint(g->v.next_sync_ns, ==, 100 * MS);
    /* Over is over. */
    guest_step(g, 200);
    g_assert_cmpint(g->v.reason, !=, MIG_REASON_FIRST_ROUND);
    guest_free(g);
}

/* 40 MiB rewritten all the time, known by the end of round 1: no patience. */
static void test_steady(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);

    guest_writes(g, 0, 40 * MIB / PAGE);
    guest_steps(g, 30, 300);
    g_assert_cmpint(g->v.workload, ==, MIG_WORKLOAD_LOCALISED);
    guest_round(g, 40);
    /* 625 ms at stake: stall waits 1.25 s, half of it is 312 ms. */
    g_assert_cmpint(guest_run(g, 40, 100), ==, 4);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_MEMORY_INTENSIVE);
    g_assert_cmpint(g->v.forecast.downtime_ns, ==, 625 * MS);
    guest_free(g);
}

/* Not in the middle of a steep fall. */
static void test_fall(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);
    int i;

    guest_writes(g, 0, 40 * MIB / PAGE);
    guest_steps(g, 30, 300);
    guest_round(g, 120);
    for (i = 1; i <= 16; i++) {
        guest_step(g, 120 - 5 * i);
        g_assert_cmpint(g->v.action, ==, MIG_ACTION_CONTINUE);
    }
    g_assert_cmpint(guest_run(g, 40, 100), <=, 5);
    guest_free(g);
}

/* Other memory each epoch: nothing is known, it waits as stall does. */
static void test_changing(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);
    int i;

    for (i = 0; i < 30; i++) {
        guest_writes(g, i / 5 * 40 * REGION_PAGES, 20 * REGION_PAGES);
        guest_step(g, 300);
    }
    guest_round(g, 40);
    for (i = 1; i <= 11; i++) {
        guest_writes(g, i / 5 * 40 * REGION_PAGES, 20 * REGION_PAGES);
        guest_step(g, 40);
        g_assert_cmpint(g->v.action, ==, MIG_ACTION_CONTINUE);
    }
    guest_writes(g, 0, 20 * REGION_PAGES);
    g_assert_cmpint(guest_run(g, 40, 3), >, 0);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_DIP);
    guest_free(g);
}

/* The same regions, but fewer pages each epoch: waiting may pay. */
static void test_shrinking(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);
    int i, epoch;

    for (epoch = 0; epoch < 6; epoch++) {
        memset(g->raw, 0, sizeof(g->raw));
        for (i = 0; i < 20 * REGION_PAGES; i++) {
            if (i % 10 >= epoch * 2 - 2) {
                g->raw[i / 64] |= UINT64_C(1) << (i % 64);
            }
        }
        guest_steps(g, 5, 300);
    }
    g_assert_cmpfloat(mig_page_history_stats(g->h)->region_cosine, >, 0.95);
    guest_round(g, 40);
    g_assert_cmpint(guest_run(g, 40, 8), ==, -1);
    guest_free(g);
}

static void check_workload(int64_t pages, MigPolicyWorkload workload)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);

    guest_step(g, 300);
    g_assert_cmpint(g->v.workload, ==, MIG_WORKLOAD_UNKNOWN);
    guest_writes(g, 0, pages);
    guest_steps(g, 19, 300);
    g_assert_cmpint(g->v.workload, ==, workload);
    /* A tick knows no better. */
    g->s.kind = MIG_SAMPLE_TICK;
    g_assert_cmpint(test_decide(g->p, g->s).workload, ==, workload);
    guest_free(g);
}

/* Of 8192 pages that the link carries in an epoch: 1%, 30%; 10% of RAM. */
static void test_workloads(void)
{
    check_workload(0, MIG_WORKLOAD_IDLE);
    check_workload(81, MIG_WORKLOAD_IDLE);
    check_workload(82, MIG_WORKLOAD_WRITE_LIGHT);
    check_workload(2457, MIG_WORKLOAD_WRITE_LIGHT);
    check_workload(2458, MIG_WORKLOAD_LOCALISED);
    check_workload(25 * REGION_PAGES, MIG_WORKLOAD_LOCALISED);
    check_workload(64 * REGION_PAGES, MIG_WORKLOAD_MEMORY_INTENSIVE);
}

/* A light guest is waited for, however steady. */
static void test_light(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);

    guest_writes(g, 0, 2000);
    guest_steps(g, 30, 300);
    guest_round(g, 40);
    g_assert_cmpint(guest_run(g, 40, 8), ==, -1);
    guest_free(g);
}

static void test_ceiling(void)
{
    Guest *g = guest_new("memory-pattern", 0, NULL, NULL);

    guest_writes(g, 0, 200 * MIB / PAGE);
    guest_steps(g, 30, 300);
    guest_round(g, 200);
    g_assert_cmpint(guest_run(g, 200, 200), ==, -1);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_ABOVE_CEILING);
    g_assert_cmpint(g->v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
    g->s.on_failure = MIG_ACTION_POSTCOPY;
    g_assert_cmpint(guest_step(g, 200).action, ==, MIG_ACTION_POSTCOPY);
    guest_free(g);
}

/* Its threshold for "the same" is obeyed. */
static void test_tunables(void)
{
    static const char *const names[] = { "memory-pattern-similar-epochs" };
    static const int64_t values[] = { 7 };
    Guest *g = guest_new("memory-pattern", 1, names, values);

    guest_writes(g, 0, 40 * MIB / PAGE);
    guest_steps(g, 30, 300);
    guest_round(g, 40);
    g_assert_cmpint(guest_run(g, 40, 8), ==, -1);
    /* Eight epochs: seven of them like the one before. */
    g_assert_cmpint(guest_run(g, 40, 2), ==, 1);
    g_assert_cmpint(g->v.reason, ==, MIG_REASON_MEMORY_INTENSIVE);
    guest_free(g);
}

static void test_without_history(void)
{
    guest_check_without_history("memory-pattern");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/memory-pattern/first-pass", test_first_pass);
    g_test_add_func("/memory-pattern/steady", test_steady);
    g_test_add_func("/memory-pattern/fall", test_fall);
    g_test_add_func("/memory-pattern/changing", test_changing);
    g_test_add_func("/memory-pattern/shrinking", test_shrinking);
    g_test_add_func("/memory-pattern/workloads", test_workloads);
    g_test_add_func("/memory-pattern/light", test_light);
    g_test_add_func("/memory-pattern/ceiling", test_ceiling);
    g_test_add_func("/memory-pattern/tunables", test_tunables);
    g_test_add_func("/memory-pattern/without-history", test_without_history);
    return g_test_run();
}
