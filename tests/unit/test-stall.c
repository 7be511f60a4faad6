/*
 * stall: its state machine, on guests drawn by hand.
 *
 * The link carries 64 MiB/s, 6.4 MiB in the 100 ms between two refreshes, so
 * that 32 MiB are half a second of downtime and, at the default patience of
 * 200%, worth a second of waiting.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"

typedef struct Guest {
    MigPolicy *p;
    MigPolicySample s;
} Guest;

/* Round 1 is over, with so much pending. */
static Guest guest_new(double pending_mib)
{
    Guest g = {
        .p = test_new("stall", 0, NULL, NULL),
        .s = test_sample(MIG_SAMPLE_TICK, 0, 4 * SEC, 500 * MIB),
    };
    MigPolicyVerdict v = test_decide(g.p, g.s);

    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.reason, ==, MIG_REASON_FIRST_ROUND);
    g_assert_cmpint(v.next_sync_ns, ==, 0);
    g.s.kind = MIG_SAMPLE_ROUND;
    g.s.round = 1;
    g.s.elapsed_ns = 5 * SEC;
    g.s.pending_bytes = pending_mib * MIB;
    v = test_decide(g.p, g.s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.next_sync_ns, ==, 100 * MS);
    return g;
}

/* The next refresh, 100 ms later. */
static MigPolicyVerdict guest_next(Guest *g, double pending_mib)
{
    g->s.kind = MIG_SAMPLE_REFRESH;
    g->s.elapsed_ns += 100 * MS;
    g->s.now_ns += 100 * MS;
    g->s.pending_bytes = pending_mib * MIB;
    return test_decide(g->p, g->s);
}

static void guest_goes_on(Guest *g, double pending_mib)
{
    MigPolicyVerdict v = guest_next(g, pending_mib);

    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.next_sync_ns, ==, 100 * MS);
}

static void guest_stops(Guest *g, double pending_mib)
{
    MigPolicyVerdict v = guest_next(g, pending_mib);

    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIP);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
}

/* Refreshes until it stops: how many, or -1 after so many without a stop. */
static int guest_run(Guest *g, double pending_mib, int most)
{
    int i;

    for (i = 1; i <= most; i++) {
        if (guest_next(g, pending_mib).action == MIG_ACTION_SWITCHOVER) {
            return i;
        }
    }
    return -1;
}

static void guest_free(Guest *g)
{
    mig_policy_free(g->p);
}

/* A level of 32 MiB is half a second: it waits one, to the sample. */
static void test_steady(void)
{
    Guest g = guest_new(32);
    MigPolicyVerdict v;
    int i;

    for (i = 0; i < 9; i++) {
        v = guest_next(&g, 32);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.reason, ==, MIG_REASON_PENDING_FALLING);
    }
    /* By then it knows what it heads for: half a second, in 100 ms. */
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_STALLED);
    g_assert_cmpint(v.forecast.rounds, ==, 0);
    g_assert_cmpint(v.forecast.downtime_ns, ==, 500 * MS);
    g_assert_cmpint(v.forecast.downtime_low_ns, ==, 500 * MS);
    g_assert_cmpint(v.forecast.downtime_high_ns, ==, 500 * MS);
    g_assert_cmpint(v.forecast.eta_ns, ==, 600 * MS);
    guest_stops(&g, 32);
    guest_free(&g);
}

/* Twice the downtime at stake, twice the patience; and its bounds. */
static void test_patience(void)
{
    static const struct {
        double mib;
        int syncs;
    } cases[] = {
        { 32, 10 }, { 64, 20 }, { 96, 30 }, { 20, 7 /* 625 ms */ },
    };
    static const char *const names[] = {
        "stall-patience-min-ms", "stall-patience-max-ms",
        "stall-patience-percent",
    };
    static const int64_t values[] = { 1500, 1800, 0 };
    Guest g;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g = guest_new(cases[i].mib);
        g_assert_cmpint(guest_run(&g, cases[i].mib, 100), ==, cases[i].syncs);
        guest_free(&g);
    }
    g = guest_new(32);
    mig_policy_free(g.p);
    g.p = test_new("stall", 2, names, values);
    guest_goes_on(&g, 32);
    g_assert_cmpint(guest_run(&g, 32, 100), ==, 15);
    guest_free(&g);

    g.p = test_new("stall", 2, names, values);
    guest_goes_on(&g, 96);
    g_assert_cmpint(guest_run(&g, 96, 100), ==, 18);
    guest_free(&g);

    /* No patience but the least. */
    g.p = test_new("stall", 1, &names[2], &values[2]);
    guest_goes_on(&g, 96);
    g_assert_cmpint(guest_run(&g, 96, 100), ==, 5);
    guest_free(&g);
}

/* A noticeable fall starts the waiting anew, an unnoticeable one does not. */
static void test_mark(void)
{
    Guest g = guest_new(32);
    int i;

    for (i = 0; i < 9; i++) {
        guest_goes_on(&g, 32);
    }
    guest_goes_on(&g, 30.3);    /* 5.3% less */
    g_assert_cmpint(guest_run(&g, 30.3, 100), ==, 10 /* 947 ms */);
    guest_free(&g);

    g = guest_new(32);
    for (i = 0; i < 9; i++) {
        guest_goes_on(&g, 32);
    }
    guest_stops(&g, 30.5);      /* 4.7% less */
    guest_free(&g);
}

/* It levels out, and wobbles: out of patience at a crest, it waits. */
static void test_dip(void)
{
    Guest g = guest_new(32);
    MigPolicyVerdict v;
    int i;

    for (i = 0; i < 9; i++) {
        guest_goes_on(&g, i & 1 ? 32 : 33);
    }
    for (i = 0; i < 3; i++) {
        v = guest_next(&g, 35);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    }
    g_assert_cmpint(v.reason, ==, MIG_REASON_WAITING_FOR_DIP);
    /* A tick tells nothing new. */
    g.s.kind = MIG_SAMPLE_TICK;
    g.s.pending_bytes = 1 * MIB;
    v = test_decide(g.p, g.s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.reason, ==, MIG_REASON_WAITING_FOR_DIP);
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_STALLED);
    guest_stops(&g, 33.5);      /* 32 + 4.7% */
    guest_free(&g);
}

/* Noise of a steep step now and then is neither a fall nor a burst. */
static void test_noise(void)
{
    Guest g = guest_new(32);
    int i, stopped = -1;

    for (i = 1; i < 40 && stopped < 0; i++) {
        double mib = i & 1 ? 36 : 32;

        if (guest_next(&g, mib).action == MIG_ACTION_SWITCHOVER) {
            stopped = i;
            g_assert_cmpfloat(mib, ==, 32);
        }
    }
    g_assert_cmpint(stopped, >=, 10);
    g_assert_cmpint(stopped, <=, 12);
    guest_free(&g);
}

/* Steadily down, as fast as the link allows: the native rule ends it. */
static void test_fall(void)
{
    Guest g = guest_new(120);
    MigPolicyVerdict v;
    double mib = 120;

    for (mib = 120 - 6; mib > 19.2; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    v = guest_next(&g, mib);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_BELOW_THRESHOLD);
    guest_free(&g);
}

/*
 * A guest that alternates: quiet leaves 30 MiB, then it works.  Neither the
 * steep fall of the next quiet, nor the crest between stops it.
 */
static void test_burst(void)
{
    Guest g = guest_new(60);
    double mib;
    int i;

    /* A short fall: 300 ms are less than the patience, the rise not the end. */
    for (mib = 54; mib >= 36; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    for (mib = 40; mib <= 120; mib += 4) {
        guest_goes_on(&g, mib);
    }
    /* Work goes on at a level far above the mark: 1.9 s, which was 0.6. */
    for (i = 0; i < 20; i++) {
        guest_goes_on(&g, 120);
    }
    /* Quiet: it falls, and is far below the level already when it ends. */
    for (mib = 114; mib >= 60; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    /* It sinks through what it has waited long enough for. */
    for (mib = 54; mib >= 24; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    guest_free(&g);
}

/* The first pass: it looks, but does not stop, and ends by round or volume. */
static void test_first_pass(void)
{
    MigPolicy *p = test_new("stall", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_REFRESH, 0, SEC, 40 * MIB);
    MigPolicyVerdict v;
    int i;

    s.dirtied_pages = 40 * MIB / PAGE - 1;
    for (i = 0; i < 100; i++) {
        v = test_decide(p, s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.reason, ==, MIG_REASON_FIRST_ROUND);
        g_assert_cmpint(v.next_sync_ns, ==, 100 * MS);
        s.elapsed_ns += 100 * MS;
        s.now_ns += 100 * MS;
    }
    /* As much was dirtied anew as is left: all was sent once. */
    s.dirtied_pages++;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIP);
    mig_policy_free(p);

    /* The fall of a guest that went quiet in the first pass counts. */
    p = test_new("stall", 0, NULL, NULL);
    for (i = 0; i < 20; i++) {
        s = test_sample(MIG_SAMPLE_REFRESH, 0, SEC + i * 100 * MS,
                        (160 - 6 * i) * MIB);
        g_assert_cmpint(test_decide(p, s).action, ==, MIG_ACTION_CONTINUE);
    }
    s = test_sample(MIG_SAMPLE_ROUND, 1, 3 * SEC, 40 * MIB);
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    /* 40 MiB are not worth waiting for as long as it fell. */
    s = test_sample(MIG_SAMPLE_REFRESH, 1, 3100 * MS, 40 * MIB);
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    mig_policy_free(p);
}

/* From 30 to 100 MiB, and 4 of the 5.3 s that this is worth. */
static void guest_climbs(Guest *g)
{
    double mib;
    int i;

    for (mib = 36; mib < 100; mib += 6) {
        guest_goes_on(g, mib);
    }
    for (i = 0; i < 40; i++) {
        guest_goes_on(g, 100);
    }
}

/* The crest is over, patience too: what falls now may fall on. */
static void test_fall_begins(void)
{
    Guest g = guest_new(30);
    double mib;
    int i;

    /* 94 are worth 4.9, and they are the least of late: maybe a fall. */
    for (i = 0; i < 2; i++) {
        guest_climbs(&g);
        for (mib = 94; mib > 24; mib -= 6) {
            guest_goes_on(&g, mib);
        }
    }
    guest_free(&g);

    /* It was none. */
    g = guest_new(30);
    guest_climbs(&g);
    guest_goes_on(&g, 94);
    guest_stops(&g, 94);
    guest_free(&g);
}

/*
 * A long fall that breaks off: the next chance is as far away as this was,
 * whether pending rises then or is level.
 */
static void test_reversal(void)
{
    Guest g = guest_new(120);
    double mib;

    for (mib = 114; mib >= 30; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    /* Fallen for 1.5 s; 31 MiB are worth a wait of 1 s, or a little more. */
    guest_stops(&g, 30.5);
    guest_free(&g);

    /* It levels out: each step falls by a third of what was left to fall. */
    g = guest_new(130);
    for (mib = 124; mib >= 40; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    guest_goes_on(&g, 36);
    guest_goes_on(&g, 33.5);
    guest_goes_on(&g, 32);
    guest_goes_on(&g, 31);
    guest_goes_on(&g, 30.5);
    guest_free(&g);

    /* The same rise after a fall of 0.9 s: not yet. */
    g = guest_new(84);
    for (mib = 78; mib >= 30; mib -= 6) {
        guest_goes_on(&g, mib);
    }
    guest_goes_on(&g, 33);
    guest_free(&g);
}

/*
 * The working set grows: the old least is out of reach.  Slowly, and the last
 * syncs forget it; fast, and what counts as a dip widens until it fits.
 */
static void test_drift_up(void)
{
    Guest g = guest_new(32);
    double mib = 32;
    int i;

    for (i = 1; i < 300; i++) {
        mib *= 1.01;
        if (guest_next(&g, mib).action == MIG_ACTION_SWITCHOVER) {
            break;
        }
    }
    g_assert_cmpint(i, >=, 25);
    g_assert_cmpint(i, <=, 75);
    guest_free(&g);

    /* From one level to a higher one: 16 syncs later only that is known. */
    g = guest_new(32);
    guest_goes_on(&g, 32);
    i = guest_run(&g, 36, 100);
    g_assert_cmpint(i, >=, 15);
    g_assert_cmpint(i, <=, 17);
    guest_free(&g);

    g = guest_new(32);
    mib = 32;

    for (i = 1; i < 100; i++) {
        mib *= 1.003;
        if (guest_next(&g, mib).action == MIG_ACTION_SWITCHOVER) {
            break;
        }
    }
    /* Past the patience, and before long: the window has forgotten. */
    g_assert_cmpint(i, >=, 11);
    g_assert_cmpint(i, <=, 20);
    guest_free(&g);
}

/* It shrinks by 1% each 100 ms: each five make a mark, and it goes on. */
static void test_drift_down(void)
{
    Guest g = guest_new(100);
    double mib = 100;
    int i;

    for (i = 0; i < 100; i++) {
        mib *= 0.99;
        guest_goes_on(&g, mib);
    }
    /* 1.1 s of patience, up to half of which are over already. */
    i = guest_run(&g, mib, 100);
    g_assert_cmpint(i, >=, 6);
    g_assert_cmpint(i, <=, 12);
    guest_free(&g);
}

/*
 * Syncs so rare that no fall can be watched: it takes what it gets, once it
 * has waited long enough.
 */
static void test_rare_syncs(void)
{
    Guest g = guest_new(60);
    MigPolicyVerdict v;
    int i, stopped = -1;

    for (i = 1; i < 100 && stopped < 0; i++) {
        /* Three steps down, at full speed, and one up, a second apart. */
        static const double mib[] = { 120, 100, 80, 60 };

        g.s.elapsed_ns += 900 * MS;
        v = guest_next(&g, mib[(i - 1) % 4]);
        if (v.action == MIG_ACTION_SWITCHOVER) {
            stopped = i;
        }
    }
    g_assert_cmpint(stopped, ==, 4);
    guest_free(&g);
}

/* Dips that get rarer: what counts as one widens with each patience. */
static void test_rarer_dips(void)
{
    Guest g = guest_new(32);
    int i, stopped = -1;

    for (i = 1; i < 300 && stopped < 0; i++) {
        /* A least each 1.5 s that is always 12% below all the rest. */
        if (guest_next(&g, i % 15 ? 36.5 : 32.5).action ==
            MIG_ACTION_SWITCHOVER) {
            stopped = i;
        }
    }
    g_assert_cmpint(stopped, >, 10);
    g_assert_cmpint(stopped, <, 45);
    guest_free(&g);
}

static void test_ceiling(void)
{
    Guest g = guest_new(160);
    MigPolicyVerdict v;
    int i;

    /* 2.5 s of downtime at a level: the wish comes after 5 s. */
    for (i = 0; i < 49; i++) {
        v = guest_next(&g, 160);
        g_assert_cmpint(v.reason, ==, MIG_REASON_PENDING_FALLING);
    }
    for (i = 0; i < 50; i++) {
        v = guest_next(&g, 160);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.reason, ==, MIG_REASON_ABOVE_CEILING);
        g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
        g_assert_cmpint(v.next_sync_ns, ==, 100 * MS);
    }
    /* A lower level is a new mark, and worth a new wait: 3.97 s. */
    guest_goes_on(&g, 127);
    g_assert_cmpint(guest_run(&g, 127, 100), ==, 40);
    guest_free(&g);

    /* The operator allows more. */
    g = guest_new(160);
    g.s.downtime_ceiling_ns = 0;
    g_assert_cmpint(guest_run(&g, 160, 100), ==, 50);
    guest_free(&g);
}

/* What it expects, from a curve that it sees the first third of. */
static void test_forecast(void)
{
    Guest g = guest_new(30 + 60);
    MigPolicyVerdict v;
    double above = 60;
    int64_t eta_ns, took_ns;
    int i;

    for (i = 0; i < 12; i++) {
        above *= 0.85;
        v = guest_next(&g, 30 + above);
    }
    /* On a level of 30 MiB: 469 ms. */
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_STALLED);
    g_assert_cmpint(llabs(v.forecast.downtime_ns - 469 * MS), <, 15 * MS);
    g_assert_cmpint(v.forecast.downtime_high_ns, ==,
                    mig_policy_transfer_ns(90 * MIB, TEST_BPS));
    eta_ns = v.forecast.eta_ns;
    for (i = 0; v.action == MIG_ACTION_CONTINUE; i++) {
        above *= 0.85;
        v = guest_next(&g, 30 + above);
    }
    /* What it said then came true, within a quarter. */
    took_ns = i * 100 * MS + v.forecast.downtime_ns;
    g_assert_cmpint(llabs(eta_ns - took_ns), <, took_ns / 4);
    guest_free(&g);

    /* A gentle straight line is taken for noise about where it is. */
    g = guest_new(100);
    for (i = 1; i < 12; i++) {
        v = guest_next(&g, 100 - 1.2 * i);
    }
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_STALLED);
    g_assert_cmpint(v.forecast.downtime_ns, ==, v.forecast.downtime_now_ns);
    /* The mark is two syncs old: so much of the patience is over. */
    g_assert_cmpint(llabs(v.forecast.eta_ns - 3 * v.forecast.downtime_ns +
                          200 * MS), <, 10);
    guest_free(&g);

    /* While it rises, the best it has seen is what it heads for: 32 MiB. */
    g = guest_new(32);
    for (i = 1; i < 12; i++) {
        v = guest_next(&g, 32 + 3 * i);
    }
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_TOO_EARLY);
    g_assert_cmpint(v.forecast.downtime_ns, ==, 500 * MS);
    g_assert_cmpint(v.forecast.eta_ns, ==, -1);
    guest_free(&g);

    /* On a level of 160 MiB it says so before the wish comes. */
    g = guest_new(160 + 60);
    for (i = 0, above = 60; i < 12; i++) {
        above *= 0.85;
        v = guest_next(&g, 160 + above);
    }
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
    guest_free(&g);

    /* On a level of 10 MiB QEMU's own rule will do: at 19.2, 300 ms. */
    g = guest_new(10 + 80);
    for (i = 0, above = 80; i < 8; i++) {
        above *= 0.9;
        v = guest_next(&g, 10 + above);
    }
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_CONVERGING);
    g_assert_cmpint(llabs(v.forecast.downtime_ns - 300 * MS), <, 1000);
    /* 80 * 0.9^n = 9.2: n = 20.5, 12.5 of which are to come */
    g_assert_cmpint(v.forecast.eta_ns, >, 1250 * MS + 200 * MS);
    g_assert_cmpint(v.forecast.eta_ns, <, 1250 * MS + 400 * MS);
    guest_free(&g);
}

static void test_unknown(void)
{
    Guest g = guest_new(32);
    MigPolicyVerdict v;
    int i;

    g.s.bandwidth_bps = MIG_POLICY_UNKNOWN;
    for (i = 0; i < 100; i++) {
        v = guest_next(&g, 32);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.reason, ==, MIG_REASON_BANDWIDTH_UNKNOWN);
        g_assert_cmpint(v.next_sync_ns, ==, 100 * MS);
    }
    g.s.bandwidth_bps = TEST_BPS;
    for (i = 0; i < 100; i++) {
        g.s.pending_bytes = MIG_POLICY_UNKNOWN;
        g.s.elapsed_ns += 100 * MS;
        v = test_decide(g.p, g.s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    }
    /* A clock that stands still, or goes back, makes nobody impatient. */
    g.s.elapsed_ns = 100 * SEC;
    guest_free(&g);
    g = guest_new(32);
    for (i = 0; i < 100; i++) {
        g.s.elapsed_ns -= 200 * MS;
        g.s.kind = MIG_SAMPLE_REFRESH;
        v = test_decide(g.p, g.s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    }
    guest_free(&g);
}

/* 64 TiB over 100 GiB/s behaves as 512 MiB over 64 MiB/s do. */
static void test_overflow(void)
{
    Guest g = guest_new(32);

    mig_policy_free(g.p);
    g.p = test_new("stall", 0, NULL, NULL);
    g.s.ram_bytes = 64 * TIB;
    g.s.downtime_ceiling_ns = 0;
    g.s.bandwidth_bps = 64 * TIB;
    guest_next(&g, 32.0 * TIB / MIB);
    g_assert_cmpint(guest_run(&g, 32.0 * TIB / MIB, 100), ==, 10);
    guest_free(&g);

    g = guest_new(32);
    g.s.bandwidth_bps = 1;
    g.s.downtime_ceiling_ns = 0;
    g_assert_cmpint(guest_run(&g, 8e12 /* 2^63 bytes */, 300), >, 90);
    guest_free(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/stall/steady", test_steady);
    g_test_add_func("/stall/patience", test_patience);
    g_test_add_func("/stall/mark", test_mark);
    g_test_add_func("/stall/dip", test_dip);
    g_test_add_func("/stall/noise", test_noise);
    g_test_add_func("/stall/fall", test_fall);
    g_test_add_func("/stall/burst", test_burst);
    g_test_add_func("/stall/first-pass", test_first_pass);
    g_test_add_func("/stall/fall-begins", test_fall_begins);
    g_test_add_func("/stall/reversal", test_reversal);
    g_test_add_func("/stall/drift-up", test_drift_up);
    g_test_add_func("/stall/drift-down", test_drift_down);
    g_test_add_func("/stall/rare-syncs", test_rare_syncs);
    g_test_add_func("/stall/rarer-dips", test_rarer_dips);
    g_test_add_func("/stall/ceiling", test_ceiling);
    g_test_add_func("/stall/forecast", test_forecast);
    g_test_add_func("/stall/unknown", test_unknown);
    g_test_add_func("/stall/overflow", test_overflow);
    return g_test_run();
}
