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

static MigHintAnswer put(MigHintGate *g, MigHintQuestion q)
{
    MigHintAnswer a;

    q.guest_running = true;
    mig_hint_gate_ask(g, &q, &a);
    return a;
}

/* Nobody has looked at what is pending. */
static MigHintAnswer ask(MigHintGate *g, int64_t now_ms, MigHintPhase phase,
                         MigHintWhere where, bool wants)
{
    return put(g, (MigHintQuestion) {
        .now_ns = now_ms * MS,
        .phase = phase,
        .where = where,
        .wants_switchover = wants,
        .pending_bytes = -1,
    });
}

/* A switchover is wanted, with so much pending; the link carries 64 MiB/s. */
static MigHintAnswer look(MigHintGate *g, int64_t now_ms, MigHintWhere where,
                          int64_t pending_mib)
{
    return put(g, (MigHintQuestion) {
        .now_ns = now_ms * MS,
        .phase = PRECOPY,
        .where = where,
        .wants_switchover = true,
        .pending_bytes = pending_mib * MIB,
        .threshold_bytes = 19 * MIB,
        .bandwidth_bps = 64 * MIB,
    });
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
            .pending_bytes = -1,
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

/* Inside, what was written before is sent first, as long as that pays. */
static void test_settles(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 60000);
    a = look(&g, 0, OUTSIDE, 80);
    g_assert_cmpint(a.reason, ==, R(HOLDS_SWITCHOVER));
    a = look(&g, 1000, INSIDE, 80);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    g_assert_true(a.held && a.may_transfer && !a.may_switch_over);
    /* Nobody looked; and so soon after the last look nothing is known. */
    a = ask(&g, 1010, PRECOPY, INSIDE, true);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    a = look(&g, 1049, INSIDE, 80);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    /* 500 ms carry 32 MiB: half of that is enough, a little less is not. */
    a = look(&g, 1500, INSIDE, 64);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    a = look(&g, 2000, INSIDE, 49);
    g_assert_cmpint(a.reason, ==, R(INSIDE));
    g_assert_true(a.may_switch_over && !a.held);
    /* It was all one hold, and that counts. */
    g_assert_cmpint(a.held_ns, ==, 2000 * MS);
    g_assert_cmpint(a.holds, ==, 1);
    /* Once over, it is over in this tag, whatever falls. */
    a = look(&g, 2500, INSIDE, 20);
    g_assert_true(a.may_switch_over);
    /* In the next tag it begins anew. */
    look(&g, 3000, OUTSIDE, 80);
    a = look(&g, 3100, INSIDE, 80);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    a = look(&g, 3200, INSIDE, 81);
    g_assert_true(a.may_switch_over);
}

/* There is nothing to settle, or nothing to tell it by. */
static void test_settles_not(void)
{
    MigHintGate g;
    MigHintQuestion q = {
        .phase = PRECOPY,
        .where = INSIDE,
        .guest_running = true,
        .wants_switchover = true,
        .pending_bytes = 80 * MIB,
        .threshold_bytes = 19 * MIB,
        .bandwidth_bps = -1,
    };
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 60000);
    mig_hint_gate_ask(&g, &q, &a);
    g_assert_true(a.may_switch_over);
    /* QEMU's own rule is content, by a threshold or without one. */
    mig_hint_gate_begin(&g, GATE, 60000);
    a = look(&g, 0, INSIDE, 18);
    g_assert_true(a.may_switch_over);
    mig_hint_gate_begin(&g, GATE, 60000);
    q.bandwidth_bps = 64 * MIB;
    q.threshold_bytes = q.pending_bytes = 0;
    mig_hint_gate_ask(&g, &q, &a);
    g_assert_true(a.may_switch_over);
    /* Nobody wants to switch over; a later wish looks for the first time. */
    mig_hint_gate_begin(&g, GATE, 60000);
    a = ask(&g, 0, PRECOPY, INSIDE, false);
    g_assert_true(!a.held && a.may_switch_over);
    a = look(&g, 5000, INSIDE, 80);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    /* The guest's programs are gone, or it is stopped: no tag to settle in. */
    a = look(&g, 5100, NO_CLIENT, 60);
    g_assert_true(a.may_switch_over);
    /* With no time to spend, it stops at once. */
    mig_hint_gate_begin(&g, GATE, 0);
    a = look(&g, 0, INSIDE, 80);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    g_assert_true(a.may_switch_over);
}

/* A tag that ends too soon is lost; the like of it is not, the next time. */
static void test_settles_in_short_tags(void)
{
    MigHintGate g;
    MigHintAnswer a;

    mig_hint_gate_begin(&g, GATE, 60000);
    look(&g, 0, INSIDE, 80);
    a = look(&g, 400, INSIDE, 60);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    a = look(&g, 500, OUTSIDE, 60);
    g_assert_cmpint(a.reason, ==, R(HOLDS_SWITCHOVER));
    /* 400 ms were seen of it: the next one has 200. */
    look(&g, 2000, INSIDE, 80);
    a = look(&g, 2199, INSIDE, 60);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    a = look(&g, 2200, INSIDE, 50);
    g_assert_cmpint(a.reason, ==, R(INSIDE));
    g_assert_true(a.may_switch_over);
    /* Of a tag in which it was asked only once nothing is spent any more. */
    mig_hint_gate_begin(&g, GATE, 60000);
    look(&g, 0, INSIDE, 80);
    look(&g, 10, OUTSIDE, 80);
    a = look(&g, 20, INSIDE, 80);
    g_assert_true(a.may_switch_over);
    /* All of it together is within the timeout. */
    mig_hint_gate_begin(&g, GATE, 1000);
    look(&g, 0, INSIDE, 800);
    a = look(&g, 999, INSIDE, 600);
    g_assert_cmpint(a.reason, ==, R(SETTLES));
    a = look(&g, 1000, INSIDE, 500);
    g_assert_cmpint(a.reason, ==, R(TIMEOUT));
    g_assert_cmpint(a.held_ns, ==, 1000 * MS);
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
    g_test_add_func("/hint/gate/settles", test_settles);
    g_test_add_func("/hint/gate/settles-not", test_settles_not);
    g_test_add_func("/hint/gate/settles-in-short-tags",
                    test_settles_in_short_tags);
    g_test_add_func("/hint/gate/texts", test_texts);
    return g_test_run();
}
