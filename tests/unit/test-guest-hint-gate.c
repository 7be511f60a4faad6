/*
 * Guest hints: what the gate permits, as a table, and how it counts time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"
#include "guest-hint-gate.h"

#define GATE MIG_HINT_MODE_GATE
#define SUSPEND MIG_HINT_MODE_SUSPEND
#define SETUP MIG_HINT_PHASE_SETUP
#define PRECOPY MIG_HINT_PHASE_PRECOPY
#define POSTCOPY MIG_HINT_PHASE_POSTCOPY
#define UNKNOWN MIG_HINT_UNKNOWN
#define NO_CLIENT MIG_HINT_NO_CLIENT
#define INSIDE MIG_HINT_INSIDE
#define OUTSIDE MIG_HINT_OUTSIDE
#define R(name) MIG_HINT_REASON_##name

static MigHintAnswer ask(MigHintGate *g, int64_t now_ms, MigHintPhase phase,
                         MigHintWhere where, bool wants)
{
    MigHintQuestion q = {
        .now_ns = now_ms * MS,
        .phase = phase,
        .where = where,
        .guest_running = true,
        .wants_switchover = wants,
    };
    MigHintAnswer a;

    mig_hint_gate_ask(g, &q, &a);
    return a;
}

static void test_table(void)
{
    static const struct {
        MigHintMode mode;
        MigHintPhase phase;
        MigHintWhere where;
        bool stopped, wants;
        bool start, transfer, switch_over, held;
        MigHintReason reason;
    } rows[] = {
        /* gate: only the switchover waits, and only if somebody wants it */
        { GATE, SETUP, OUTSIDE, 0, 0, 1, 1, 0, 0, R(OUTSIDE) },
        { GATE, PRECOPY, OUTSIDE, 0, 0, 1, 1, 0, 0, R(OUTSIDE) },
        { GATE, PRECOPY, OUTSIDE, 0, 1, 1, 1, 0, 1, R(HOLDS_SWITCHOVER) },
        { GATE, PRECOPY, INSIDE, 0, 1, 1, 1, 1, 0, R(INSIDE) },
        { GATE, PRECOPY, NO_CLIENT, 0, 1, 1, 1, 1, 0, R(NO_CLIENT) },
        { GATE, PRECOPY, UNKNOWN, 0, 1, 1, 1, 1, 0, R(UNKNOWN) },
        { GATE, PRECOPY, OUTSIDE, 1, 1, 1, 1, 1, 0, R(STOPPED) },
        { GATE, POSTCOPY, OUTSIDE, 0, 1, 1, 1, 1, 0, R(POSTCOPY) },
        /* suspend: all of it waits */
        { SUSPEND, SETUP, OUTSIDE, 0, 0, 0, 0, 0, 1, R(HOLDS_START) },
        { SUSPEND, SETUP, INSIDE, 0, 0, 1, 1, 1, 0, R(INSIDE) },
        { SUSPEND, SETUP, NO_CLIENT, 0, 0, 1, 1, 1, 0, R(NO_CLIENT) },
        { SUSPEND, SETUP, UNKNOWN, 0, 0, 1, 1, 1, 0, R(UNKNOWN) },
        { SUSPEND, SETUP, OUTSIDE, 1, 0, 1, 1, 1, 0, R(STOPPED) },
        { SUSPEND, PRECOPY, OUTSIDE, 0, 0, 1, 0, 0, 1, R(HOLDS_TRANSFER) },
        { SUSPEND, PRECOPY, OUTSIDE, 0, 1, 1, 0, 0, 1, R(HOLDS_TRANSFER) },
        { SUSPEND, PRECOPY, INSIDE, 0, 0, 1, 1, 1, 0, R(INSIDE) },
        { SUSPEND, PRECOPY, OUTSIDE, 1, 1, 1, 1, 1, 0, R(STOPPED) },
        { SUSPEND, POSTCOPY, OUTSIDE, 0, 0, 1, 1, 1, 0, R(POSTCOPY) },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        MigHintQuestion q = {
            .now_ns = 5 * SEC,
            .phase = rows[i].phase,
            .where = rows[i].where,
            .guest_running = !rows[i].stopped,
            .wants_switchover = rows[i].wants,
        };
        MigHintGate g;
        MigHintAnswer a;

        mig_hint_gate_begin(&g, rows[i].mode, 60000);
        mig_hint_gate_ask(&g, &q, &a);
        if (a.may_start != rows[i].start ||
            a.may_transfer != rows[i].transfer ||
            a.may_switch_over != rows[i].switch_over ||
            a.held != rows[i].held || a.reason != rows[i].reason) {
            g_error("row %zu: %d %d %d, held %d, %s", i, a.may_start,
                    a.may_transfer, a.may_switch_over, a.held,
                    mig_hint_reason_name(a.reason));
        }
        g_assert_cmpint(a.held_ns, ==, 0);
        g_assert_cmpint(a.left_ns, ==, 60 * SEC);
        g_assert_cmpint(a.holds, ==, a.held);
        /* Whatever it was, with no time to spend nothing is held. */
        mig_hint_gate_begin(&g, rows[i].mode, 0);
        mig_hint_gate_ask(&g, &q, &a);
        g_assert_true(a.may_start && a.may_transfer && a.may_switch_over);
        g_assert_false(a.held);
    }
}

/* The timeout is for all holds together, and what follows is never held. */
static void test_timeout_in_total(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 1000);
    ask(&g, 0, PRECOPY, OUTSIDE, true);
    a = ask(&g, 400, PRECOPY, INSIDE, true);
    g_assert_cmpint(a.held_ns, ==, 400 * MS);
    a = ask(&g, 5000, PRECOPY, OUTSIDE, false);    /* not wanted: free */
    a = ask(&g, 6000, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.held_ns, ==, 400 * MS);
    g_assert_cmpint(a.left_ns, ==, 600 * MS);
    g_assert_cmpint(a.holds, ==, 2);
    a = ask(&g, 6599, PRECOPY, OUTSIDE, true);
    g_assert_true(a.held);
    a = ask(&g, 6600, PRECOPY, OUTSIDE, true);
    g_assert_false(a.held);
    g_assert_true(a.may_switch_over);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    g_assert_cmpint(a.left_ns, ==, 0);
    g_assert_cmpint(a.holds, ==, 2);
    a = ask(&g, 6700, PRECOPY, INSIDE, true);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    a = ask(&g, 6800, PRECOPY, OUTSIDE, true);
    g_assert_true(a.may_switch_over);
    g_assert_cmpint(a.held_ns, ==, 1000 * MS);
}

/* A guest that flips as fast as it can gains nothing. */
static void test_flipping(void)
{
    MigHintGate g;
    MigHintAnswer a;
    int64_t ms;

    mig_hint_gate_begin(&g, SUSPEND, 1000);
    for (ms = 0; ms < 1000000; ms++) {
        a = ask(&g, ms, PRECOPY, ms % 2 ? INSIDE : OUTSIDE, false);
        if (a.reason == R(TIMEOUT)) {
            break;
        }
    }
    /* Half of the time is held. */
    g_assert_cmpint(ms, ==, 1999);
}

/* Waiting for the start counts, and so does the wait for a late question. */
static void test_start_and_late(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, SUSPEND, 1000);
    a = ask(&g, 0, SETUP, OUTSIDE, false);
    g_assert_false(a.may_start);
    a = ask(&g, 700, SETUP, INSIDE, false);
    g_assert_true(a.may_start);
    a = ask(&g, 800, PRECOPY, OUTSIDE, false);
    g_assert_false(a.may_transfer);
    g_assert_cmpint(a.left_ns, ==, 300 * MS);
    a = ask(&g, 9000, PRECOPY, OUTSIDE, false);
    g_assert_true(a.may_transfer);
    g_assert_cmpint(a.held_ns, ==, 8900 * MS);
}

static void test_fresh(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 100);
    ask(&g, 0, PRECOPY, OUTSIDE, true);
    a = ask(&g, 100, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    /* The next migration, seconds later: nothing of it remains. */
    mig_hint_gate_begin(&g, GATE, 100);
    a = ask(&g, 5000, PRECOPY, OUTSIDE, true);
    g_assert_true(a.held);
    g_assert_cmpint(a.held_ns, ==, 0);
    g_assert_cmpint(a.holds, ==, 1);
}

static void test_live_change(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 10000);
    ask(&g, 0, PRECOPY, OUTSIDE, true);
    mig_hint_gate_set_timeout(&g, 500);
    a = ask(&g, 400, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.left_ns, ==, 100 * MS);
    mig_hint_gate_set_timeout(&g, 300);
    a = ask(&g, 401, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    mig_hint_gate_set_timeout(&g, 60000);
    a = ask(&g, 402, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    g_assert_cmpint(a.left_ns, ==, 0);

    mig_hint_gate_begin(&g, GATE, -1);
    g_assert_cmpint(g.timeout_ns, ==, 0);
    mig_hint_gate_begin(&g, GATE, INT64_MAX);
    g_assert_cmpint(g.timeout_ns, ==, MIG_HINT_TIMEOUT_MAX_MS * MS);
}

static void test_clock_backwards(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 1000);
    ask(&g, 5000, PRECOPY, OUTSIDE, true);
    a = ask(&g, 100, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.held_ns, ==, 0);
    a = ask(&g, 5500, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.held_ns, ==, 500 * MS);
    a = ask(&g, 0, PRECOPY, OUTSIDE, true);
    g_assert_true(a.held);
    a = ask(&g, 6000, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    /* A jump to the end of time is one long hold, not an overflow. */
    mig_hint_gate_begin(&g, GATE, 1000);
    ask(&g, 0, PRECOPY, OUTSIDE, true);
    a = ask(&g, INT64_MAX / MS, PRECOPY, OUTSIDE, true);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
}

static void test_texts(void)
{
    int i;

    for (i = 0; i < MIG_HINT_REASON__MAX; i++) {
        g_assert_true(mig_hint_name_valid(mig_hint_reason_name(i), 40));
        g_assert_true(g_str_has_suffix(mig_hint_reason_text(i), "."));
    }
    g_assert_cmpstr(mig_hint_reason_name(99), ==, "unknown");
    g_assert_cmpstr(mig_hint_reason_text(99), ==, "");
    g_assert_cmpstr(mig_hint_mode_name(GATE), ==, "gate");
    g_assert_cmpstr(mig_hint_mode_name(SUSPEND), ==, "suspend");
    g_assert_cmpstr(mig_hint_mode_name(99), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hint/gate/table", test_table);
    g_test_add_func("/hint/gate/timeout-in-total", test_timeout_in_total);
    g_test_add_func("/hint/gate/flipping", test_flipping);
    g_test_add_func("/hint/gate/start-and-late", test_start_and_late);
    g_test_add_func("/hint/gate/fresh", test_fresh);
    g_test_add_func("/hint/gate/live-change", test_live_change);
    g_test_add_func("/hint/gate/clock-backwards", test_clock_backwards);
    g_test_add_func("/hint/gate/texts", test_texts);
    return g_test_run();
}
