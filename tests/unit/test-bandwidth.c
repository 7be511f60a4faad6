/*
 * Bandwidth meter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bandwidth.h"
#include "common.h"

static MigBandwidth meter(void)
{
    MigBandwidth bw;

    mig_bandwidth_init(&bw);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, -1);
    return bw;
}

static void test_unknown(void)
{
    MigBandwidth bw = meter();

    mig_bandwidth_add(&bw, 99 * MS, 6 * MIB, 1500, 0);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, -1);
    mig_bandwidth_add(&bw, 0, 0, 0, 0);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, -1);
    /* The window is full with this one, all of it counts. */
    mig_bandwidth_add(&bw, 1 * MS, 4 * MIB, 1000, 0);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 100 * MIB);
}

static void test_zero_pages(void)
{
    MigBandwidth bw = meter();

    /* 900 zero pages and 100 with content: the link was not the limit. */
    mig_bandwidth_add(&bw, 100 * MS, 400 * KIB, 100, 900);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, -1);
    mig_bandwidth_add(&bw, 100 * MS, 5 * MIB, 1280, 0);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 50 * MIB);
    mig_bandwidth_add(&bw, 100 * MS, 400 * KIB, 100, 900);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 50 * MIB);
    /* Half and half still counts. */
    mig_bandwidth_add(&bw, 100 * MS, 5 * MIB, 100, 100);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 50 * MIB);
}

static void test_idle(void)
{
    MigBandwidth bw = meter();
    int i;

    mig_bandwidth_add(&bw, 100 * MS, 5 * MIB, 1280, 0);
    for (i = 0; i < 100; i++) {
        mig_bandwidth_add(&bw, 0, 0, 0, 0);
        mig_bandwidth_add(&bw, 100 * MS, 0, 0, 0);
    }
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 50 * MIB);
}

static void test_smooth(void)
{
    MigBandwidth bw = meter();
    int i;

    mig_bandwidth_add(&bw, 100 * MS, 10 * MIB, 2560, 0);
    mig_bandwidth_add(&bw, 100 * MS, 20 * MIB, 5120, 0);
    /* 100 + 0.3 * (200 - 100) */
    g_assert_cmpint(llabs(mig_bandwidth_bps(&bw) - 130 * MIB), <=, 1);
    for (i = 0; i < 40; i++) {
        mig_bandwidth_add(&bw, 100 * MS, 20 * MIB, 5120, 0);
    }
    g_assert_cmpint(llabs(mig_bandwidth_bps(&bw) - 200 * MIB), <=, 200);
}

static void test_nonsense(void)
{
    MigBandwidth bw = meter();

    mig_bandwidth_add(&bw, -5, -5, -5, -5);
    mig_bandwidth_add(&bw, 100 * MS, 10 * MIB, 2560, 0);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 100 * MIB);
    mig_bandwidth_add(&bw, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN);
    g_assert_cmpint(mig_bandwidth_bps(&bw), ==, 100 * MIB);
}

static void test_overflow(void)
{
    MigBandwidth bw = meter();

    mig_bandwidth_add(&bw, 1, INT64_MAX, 1, 0);
    mig_bandwidth_add(&bw, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
    g_assert_cmpint(llabs(mig_bandwidth_bps(&bw) - SEC), <=, 1);
    mig_bandwidth_add(&bw, 99 * MS, INT64_MAX, 1, 0);
    mig_bandwidth_add(&bw, 1 * MS, INT64_MAX, 1, 0);
    g_assert_cmpint(mig_bandwidth_bps(&bw), >, INT64_MAX / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bandwidth/unknown", test_unknown);
    g_test_add_func("/bandwidth/zero-pages", test_zero_pages);
    g_test_add_func("/bandwidth/idle", test_idle);
    g_test_add_func("/bandwidth/smooth", test_smooth);
    g_test_add_func("/bandwidth/nonsense", test_nonsense);
    g_test_add_func("/bandwidth/overflow", test_overflow);
    return g_test_run();
}
