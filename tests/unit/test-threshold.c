/*
 * threshold decides as QEMU does: against a transcription of its rule on
 * random figures, and against runs of an unpatched QEMU (tests/traces).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"
#include <stdio.h>

/*
 * One pass of migration_iteration_run() in QEMU 10.0, with its types and its
 * comparisons, as far as pre-copy goes.  exact stands for the sync.
 */
typedef enum { QEMU_ITERATE, QEMU_COMPLETE } QemuDecision;

static QemuDecision qemu_iteration(uint64_t estimate, uint64_t exact,
                                   uint64_t threshold_size, bool *synced)
{
    uint64_t pending_size = estimate;

    *synced = false;
    if (pending_size < threshold_size) {
        pending_size = exact;
        *synced = true;
    }
    if (!pending_size || pending_size < threshold_size) {
        return QEMU_COMPLETE;
    }
    return QEMU_ITERATE;
}

/* The same pass, as the glue makes it of the engine's functions and driver. */
static QemuDecision engine_iteration(MigPolicy *p, MigPolicySample *s,
                                     int64_t estimate, int64_t exact,
                                     int64_t threshold, bool *synced)
{
    MigPolicyVerdict v;

    *synced = mig_threshold_wants_exact(estimate, threshold);
    s->threshold_bytes = threshold;
    s->elapsed_ns += 50 * MS;
    s->now_ns += 50 * MS;
    s->pending_bytes = *synced ? exact : estimate;
    s->kind = *synced ? MIG_SAMPLE_ROUND : MIG_SAMPLE_TICK;
    s->round += *synced;
    mig_policy_decide(p, s, &v);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
    if (!*synced) {
        /* QEMU may stop on an estimate of nothing; the engine's glue, too. */
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        return mig_threshold_may_stop(estimate, threshold) ? QEMU_COMPLETE
                                                           : QEMU_ITERATE;
    }
    g_assert_cmpint(v.action == MIG_ACTION_SWITCHOVER, ==,
                    mig_threshold_may_stop(exact, threshold));
    if (v.action == MIG_ACTION_SWITCHOVER) {
        g_assert_cmpint(v.reason, ==, MIG_REASON_BELOW_THRESHOLD);
        return QEMU_COMPLETE;
    }
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    return QEMU_ITERATE;
}

static int64_t random_bytes(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return 0;
    case 1:
        return g_test_rand_int_range(0, 5);
    case 2:
        return 64 * TIB;
    default:
        return (int64_t)g_test_rand_int_range(0, 1 << 20) <<
               g_test_rand_int_range(0, 27);
    }
}

static void test_property(void)
{
    int i, j, completed = 0, synced_n = 0;

    for (i = 0; i < 2000; i++) {
        MigPolicy *p = test_new("threshold", 0, NULL, NULL);
        MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, 0, 0);

        for (j = 0; j < 100; j++) {
            int64_t threshold = random_bytes();
            int64_t estimate = g_test_rand_int_range(0, 4)
                ? random_bytes() : MAX(0, threshold +
                                          g_test_rand_int_range(-2, 3));
            int64_t exact = g_test_rand_int_range(0, 2)
                ? random_bytes() : MAX(0, threshold +
                                          g_test_rand_int_range(-2, 3));
            bool a, b;
            QemuDecision want = qemu_iteration(estimate, exact, threshold, &a);
            QemuDecision got = engine_iteration(p, &s, estimate, exact,
                                                threshold, &b);

            g_assert_cmpint(a, ==, b);
            g_assert_cmpint(want, ==, got);
            completed += want == QEMU_COMPLETE;
            synced_n += a;
        }
        mig_policy_free(p);
    }
    /* All three ways through the rule were taken, and often. */
    g_assert_cmpint(completed, >, 10000);
    g_assert_cmpint(synced_n - completed, >, 1000);
    g_assert_cmpint(200000 - synced_n, >, 10000);
}

static void test_unknown(void)
{
    g_assert_false(mig_threshold_wants_exact(-1, 100));
    g_assert_false(mig_threshold_wants_exact(5, -1));
    g_assert_false(mig_threshold_may_stop(-1, 100));
    g_assert_false(mig_threshold_may_stop(5, -1));
    g_assert_true(mig_threshold_may_stop(0, -1));
    g_assert_true(mig_threshold_may_stop(0, 0));
    g_assert_false(mig_threshold_may_stop(5, 5));
    g_assert_true(mig_threshold_may_stop(4, 5));
}

/* The ceiling is not its business, whatever is pending. */
static void test_no_opinion(void)
{
    MigPolicy *p = test_new("threshold", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 400 * MIB);
    MigPolicyVerdict v;
    int i;

    for (i = 0; i < 200; i++) {
        s.elapsed_ns += SEC;
        s.round++;
        s.sent_bytes += 64 * MIB;
        s.dirtied_pages += 64 * MIB / PAGE;
        v = test_decide(p, s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.reason, ==, MIG_REASON_ABOVE_THRESHOLD);
        g_assert_cmpint(v.next_sync_ns, ==, -1);
    }
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
    mig_policy_free(p);
}

/* ---- replay of what an unpatched QEMU did ---- */

typedef struct Replayed {
    int passes, syncs, stops;
} Replayed;

static void replay(const char *path, Replayed *sum)
{
    MigPolicy *p = test_new("threshold", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, 0, 0);
    char *text, **lines;
    uint64_t threshold = 0, estimate = 0;
    bool synced, done = false;
    int i, passes = 0, syncs = 0, stops = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        uint64_t value;
        QemuDecision d;
        char what, next;

        if (!lines[i][0] || lines[i][0] == '#') {
            continue;
        }
        g_assert_false(done);
        g_assert_cmpint(sscanf(lines[i], "%c %" G_GUINT64_FORMAT, &what,
                               &value), ==, 2);
        next = lines[i + 1] ? lines[i + 1][0] : '\0';
        switch (what) {
        case 't':               /* a new threshold_size */
            threshold = value;
            break;
        case 'e':               /* pending, estimated: a pass begins */
            estimate = value;
            passes++;
            g_assert_cmpint(mig_threshold_wants_exact(value, threshold), ==,
                            next == 'x');
            if (next != 'x') {
                d = engine_iteration(p, &s, estimate, 0, threshold, &synced);
                g_assert_false(synced);
                g_assert_cmpint(d == QEMU_COMPLETE, ==, next == 's');
            }
            break;
        case 'x':               /* pending, exact: a sync was made */
            d = engine_iteration(p, &s, estimate, value, threshold, &synced);
            g_assert_true(synced);
            g_assert_cmpint(d == QEMU_COMPLETE, ==, next == 's');
            syncs++;
            break;
        case 's':               /* it switched over, with so much pending */
            g_assert_true(mig_threshold_may_stop(value, threshold));
            stops++;
            done = true;
            break;
        default:
            g_error("%s:%d: '%c' is no record", path, i + 1, what);
        }
    }
    g_test_message("%s: %d passes, %d syncs, %d stop", path, passes,
                   syncs, stops);
    g_assert_cmpint(passes, >, 0);
    sum->passes += passes;
    sum->syncs += syncs;
    sum->stops += stops;
    g_strfreev(lines);
    g_free(text);
    mig_policy_free(p);
}

static void test_traces(void)
{
    const char *dir = g_getenv("MIG_TRACES");
    const char *name;
    GDir *d;
    Replayed sum = { 0 };
    int n = 0;

    g_assert_nonnull(dir);
    d = g_dir_open(dir, 0, NULL);
    g_assert_nonnull(d);
    while ((name = g_dir_read_name(d))) {
        if (g_str_has_suffix(name, ".decisions")) {
            char *path = g_build_filename(dir, name, NULL);

            replay(path, &sum);
            g_free(path);
            n++;
        }
    }
    g_dir_close(d);
    /*
     * There is something of everything in them.  They may have been recorded
     * just now: a slow host gets through fewer passes in its time.
     */
    g_assert_cmpint(n, >=, 4);
    g_assert_cmpint(sum.passes, >=, 10 * n);
    g_assert_cmpint(sum.syncs, >, sum.stops + 5);
    g_assert_cmpint(sum.stops, >=, 3);
    g_assert_cmpint(sum.stops, <, n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/threshold/property", test_property);
    g_test_add_func("/threshold/unknown", test_unknown);
    g_test_add_func("/threshold/no-opinion", test_no_opinion);
    g_test_add_func("/threshold/traces", test_traces);
    return g_test_run();
}
