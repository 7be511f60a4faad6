/*
 * Driver: sanitising, ceiling, time budget, every action, the sync budget,
 * determinism, and no allocation after set-up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"
#include "allocations.h"
#include <stdlib.h>

/* ---- a policy that does what the test says, and shows what it saw ---- */

static struct {
    MigPolicyAction action;
    int64_t next_sync_ns;
    MigPolicyOutlook outlook;   /* __MAX: leave it */
    MigPolicyWorkload workload; /* __MAX: leave it */
    bool withhold;
    MigPolicySample seen;
    MigPolicyVerdict arrived;
    int inits, releases;
} puppet;

static void puppet_decide(void *state, const MigPolicySample *sample,
                          MigPolicyVerdict *verdict)
{
    puppet.seen = *sample;
    puppet.arrived = *verdict;
    verdict->action = puppet.action;
    verdict->withhold = puppet.withhold;
    if (puppet.workload != MIG_WORKLOAD__MAX) {
        verdict->workload = puppet.workload;
    }
    verdict->reason = MIG_REASON_DIP;
    verdict->next_sync_ns = puppet.next_sync_ns;
    if (puppet.outlook != MIG_OUTLOOK__MAX) {
        verdict->outlook = puppet.outlook;
    }
}

static void puppet_init(void *state, const MigPolicySetup *setup)
{
    g_assert_cmpint(*(int64_t *)state, ==, 0);
    g_assert_cmpint(setup->ram_bytes, ==, TEST_RAM);
    g_assert_cmpint(setup->page_bytes, ==, PAGE);
    g_assert_cmpint(setup->tunable[0], ==, 7);
    puppet.inits++;
}

static void puppet_release(void *state)
{
    puppet.releases++;
}

static void puppet_history_config(const void *state,
                                  MigPageHistoryConfig *config)
{
    g_assert_cmpint(config->frequent_min, ==,
                    mig_page_history_defaults.frequent_min);
    config->frequent_min = 3;
}

static const MigPolicyTunable puppet_tunables[] = {
    { "puppet-string", 0, 10, 7, "knots", "A test." },
};

static const MigPolicyOps puppet_ops = {
    .decide = puppet_decide,
    .name = "puppet",
    .summary = "does what the test says",
    .tunables = puppet_tunables,
    .n_tunables = 1,
    .state_bytes = sizeof(int64_t),
    .init = puppet_init,
    .release = puppet_release,
    .history_config = puppet_history_config,
};

static MigPolicy *puppet_new(MigPolicyAction action, int64_t next_sync_ns)
{
    puppet.action = action;
    puppet.next_sync_ns = next_sync_ns;
    puppet.outlook = MIG_OUTLOOK__MAX;
    puppet.withhold = false;
    puppet.workload = MIG_WORKLOAD__MAX;
    return test_new("puppet", 0, NULL, NULL);
}

/* ---- tests ---- */

static void test_hooks(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, 0, TEST_RAM);
    MigPolicyVerdict v;

    g_assert_cmpint(puppet.inits, ==, 1);
    g_assert_true(mig_policy_ops(p) == &puppet_ops);
    v = test_decide(p, s);
    g_assert_cmpint(puppet.arrived.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(puppet.arrived.reason, ==, MIG_REASON_NONE);
    g_assert_cmpint(puppet.arrived.outlook, ==, MIG_OUTLOOK_TOO_EARLY);
    g_assert_cmpint(puppet.arrived.throttle_pct, ==, -1);
    g_assert_cmpint(puppet.arrived.next_sync_ns, ==, -1);
    g_assert_cmpint(puppet.arrived.forecast.downtime_now_ns, ==, 8 * SEC);
    g_assert_cmpint(v.throttle_pct, ==, -1);
    mig_policy_free(p);
    g_assert_cmpint(puppet.releases, ==, 1);
}

static void test_sanitise(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 3, 9 * SEC, 100 * MIB);

    s.dirtied_pages = 500;
    s.sent_bytes = 600;
    s.refresh_spent_ns = 700;
    test_decide(p, s);
    g_assert_true(memcmp(&puppet.seen, &s, sizeof(s)) == 0);

    s.round = 2;
    s.now_ns -= SEC;
    s.elapsed_ns -= SEC;
    s.dirtied_pages = 499;
    s.sent_bytes = 599;
    s.refresh_spent_ns = 699;
    test_decide(p, s);
    g_assert_cmpint(puppet.seen.round, ==, 3);
    g_assert_cmpint(puppet.seen.now_ns, ==, 16 * SEC);
    g_assert_cmpint(puppet.seen.elapsed_ns, ==, 9 * SEC);
    g_assert_cmpint(puppet.seen.dirtied_pages, ==, 500);
    g_assert_cmpint(puppet.seen.sent_bytes, ==, 600);
    g_assert_cmpint(puppet.seen.refresh_spent_ns, ==, 700);

    memset(&s, 0x80, sizeof(s));    /* very negative, every one of them */
    s.kind = MIG_SAMPLE_REFRESH;
    s.on_failure = MIG_ACTION_CANCEL;
    test_decide(p, s);
    g_assert_cmpint(puppet.seen.round, ==, 3);
    g_assert_cmpint(puppet.seen.elapsed_ns, ==, 9 * SEC);
    g_assert_cmpint(puppet.seen.ram_bytes, ==, TEST_RAM);
    g_assert_cmpint(puppet.seen.page_bytes, ==, PAGE);
    g_assert_cmpint(puppet.seen.pending_bytes, ==, -1);
    g_assert_cmpint(puppet.seen.withheld_bytes, ==, -1);
    g_assert_cmpint(puppet.seen.dirtied_pages, ==, -1);
    g_assert_cmpint(puppet.seen.sent_bytes, ==, -1);
    g_assert_cmpint(puppet.seen.bandwidth_bps, ==, -1);
    g_assert_cmpint(puppet.seen.switchover_bps, ==, -1);
    g_assert_cmpint(puppet.seen.threshold_bytes, ==, -1);
    g_assert_cmpint(puppet.seen.sync_cost_ns, ==, -1);
    g_assert_cmpint(puppet.seen.refresh_spent_ns, ==, -1);
    g_assert_cmpint(puppet.seen.downtime_limit_ns, ==, -1);
    g_assert_cmpint(puppet.seen.downtime_ceiling_ns, ==, -1);
    g_assert_cmpint(puppet.seen.timeout_ns, ==, 0);

    /* Unknown for once does not let a counter go back. */
    s.dirtied_pages = 1;
    s.sent_bytes = 1;
    test_decide(p, s);
    g_assert_cmpint(puppet.seen.dirtied_pages, ==, 500);
    g_assert_cmpint(puppet.seen.sent_bytes, ==, 600);
    mig_policy_free(p);
}

static void test_ceiling_value(void)
{
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 0);

    g_assert_cmpint(mig_policy_effective_ceiling_ns(&s), ==, 2 * SEC);
    s.downtime_limit_ns = 5 * SEC;
    g_assert_cmpint(mig_policy_effective_ceiling_ns(&s), ==, 5 * SEC);
    s.downtime_ceiling_ns = 0;
    g_assert_cmpint(mig_policy_effective_ceiling_ns(&s), ==, INT64_MAX);
    /* Not known is not "none": the limit it is. */
    s.downtime_ceiling_ns = MIG_POLICY_UNKNOWN;
    g_assert_cmpint(mig_policy_effective_ceiling_ns(&s), ==, 5 * SEC);
}

static void test_ceiling(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_SWITCHOVER, 0);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 128 * MIB);
    MigPolicyVerdict v = test_decide(p, s);

    /* 2 s are allowed: */
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIP);
    g_assert_cmpint(v.forecast.rounds, ==, 0);
    g_assert_cmpint(v.forecast.downtime_ns, ==, 2 * SEC);
    g_assert_cmpint(v.forecast.eta_ns, ==, 2 * SEC);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
    /* and a sync more is too much. */
    s.sync_cost_ns = 1;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.reason, ==, MIG_REASON_ABOVE_CEILING);
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
    /* What is not known is not below it, */
    s.bandwidth_bps = MIG_POLICY_UNKNOWN;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.reason, ==, MIG_REASON_BANDWIDTH_UNKNOWN);
    /* unless there is none. */
    s.downtime_ceiling_ns = 0;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    mig_policy_free(p);
}

static void test_native_rule(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, 0);
    MigPolicySample s = test_sample(MIG_SAMPLE_REFRESH, 1, SEC,
                                    TEST_THRESHOLD - 1);
    MigPolicyVerdict v;

    puppet.outlook = MIG_OUTLOOK_NOT_CONVERGING;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_BELOW_THRESHOLD);
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_CONVERGING);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
    /* It overrides the ceiling and the budget: 10 s, say, on a bad link. */
    s.bandwidth_bps = TEST_THRESHOLD / 10;
    s.timeout_ns = 1;
    s.on_failure = MIG_ACTION_CANCEL;
    v = test_decide(p, s);
    g_assert_cmpint(v.reason, ==, MIG_REASON_BELOW_THRESHOLD);
    s.timeout_ns = 0;
    s.pending_bytes = TEST_THRESHOLD;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    /* An estimate is no reason to stop. */
    s.kind = MIG_SAMPLE_TICK;
    s.pending_bytes = 0;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    mig_policy_free(p);
}

/* Nothing is held back without a history, nor once the guest is stopped. */
static void test_withhold(void)
{
    static const int64_t pages[] = { 64 };
    MigPageHistory *h = mig_page_history_new(pages, 1, NULL);
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_REFRESH, 1, SEC, 100 * MIB);

    g_assert_false(test_decide(p, s).withhold);
    puppet.withhold = true;
    g_assert_false(test_decide(p, s).withhold);
    s.history = h;
    g_assert_true(test_decide(p, s).withhold);
    g_assert_true(puppet.seen.history == h);
    puppet.action = MIG_ACTION_SWITCHOVER;
    g_assert_false(test_decide(p, s).withhold);
    puppet.action = MIG_ACTION_CONTINUE;
    s.pending_bytes = 0;
    g_assert_false(test_decide(p, s).withhold);
    mig_policy_free(p);
    mig_page_history_free(h);
}

static void test_workload(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_REFRESH, 1, SEC, 100 * MIB);

    g_assert_cmpint(test_decide(p, s).workload, ==, MIG_WORKLOAD_UNKNOWN);
    puppet.workload = MIG_WORKLOAD_LOCALISED;
    g_assert_cmpint(test_decide(p, s).workload, ==, MIG_WORKLOAD_LOCALISED);
    puppet.workload = MIG_WORKLOAD__MAX;
    s.kind = MIG_SAMPLE_TICK;
    g_assert_cmpint(test_decide(p, s).workload, ==, MIG_WORKLOAD_LOCALISED);
    s.kind = MIG_SAMPLE_REFRESH;
    g_assert_cmpint(test_decide(p, s).workload, ==, MIG_WORKLOAD_UNKNOWN);
    mig_policy_free(p);
}

static void test_history_config(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPageHistoryConfig config;

    mig_policy_history_config(p, &config);
    g_assert_cmpint(config.frequent_min, ==, 3);
    g_assert_cmpint(config.epoch_ns, ==, mig_page_history_defaults.epoch_ns);
    mig_policy_free(p);
    p = test_new("threshold", 0, NULL, NULL);
    mig_policy_history_config(p, &config);
    g_assert_true(memcmp(&config, &mig_page_history_defaults,
                         sizeof(config)) == 0);
    mig_policy_free(p);
}

static void test_tick_carries_over(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict exact, tick;
    int i;

    s.threshold_bytes = 20 * MIB;
    for (i = 0; i < 3; i++) {
        s.round++;
        s.elapsed_ns += SEC;
        s.sent_bytes += 512 * MIB >> i;
        s.pending_bytes = 256 * MIB >> i;
        s.dirtied_pages += s.pending_bytes / PAGE;
        exact = test_decide(p, s);
    }
    g_assert_cmpint(exact.outlook, ==, MIG_OUTLOOK_CONVERGING);
    g_assert_cmpint(exact.forecast.eta_ns, ==, 1500 * MS + 250 * MS);
    s.kind = MIG_SAMPLE_TICK;
    s.elapsed_ns += 400 * MS;
    s.pending_bytes = 40 * MIB;
    tick = test_decide(p, s);
    g_assert_cmpint(tick.outlook, ==, exact.outlook);
    g_assert_cmpint(tick.forecast.rounds, ==, exact.forecast.rounds);
    g_assert_cmpint(tick.forecast.eta_ns, ==, 1350 * MS);
    g_assert_cmpint(tick.forecast.downtime_ns, ==, 250 * MS);
    /* Not the estimate: what was exact. */
    g_assert_cmpint(tick.forecast.downtime_now_ns, ==, SEC);
    s.elapsed_ns += 60 * SEC;
    tick = test_decide(p, s);
    g_assert_cmpint(tick.forecast.eta_ns, ==, 0);
    mig_policy_free(p);
}

/* Not converging, beyond the ceiling: the time at which an action comes. */
static int64_t action_after_ns(MigPolicy *p, MigPolicyAction on_failure,
                               MigPolicySample *s, MigPolicyVerdict *v)
{
    int64_t start_ns = s->elapsed_ns;
    int i;

    s->on_failure = on_failure;
    for (i = 0; i < 600; i++) {
        s->kind = i % 5 ? MIG_SAMPLE_TICK : MIG_SAMPLE_REFRESH;
        *v = test_decide(p, *s);
        if (v->action != MIG_ACTION_CONTINUE) {
            return s->elapsed_ns - start_ns;
        }
        s->elapsed_ns += 100 * MS;
        s->now_ns += 100 * MS;
    }
    return -1;
}

static void test_actions(void)
{
    static const MigPolicyAction actions[] = {
        MIG_ACTION_SWITCHOVER, MIG_ACTION_POSTCOPY, MIG_ACTION_CANCEL,
        MIG_ACTION_THROTTLE,
    };
    MigPolicyVerdict v;
    MigPolicySample s;
    MigPolicy *p;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(actions); i++) {
        /* 200 MiB are 3.1 s, the ceiling 2. */
        p = puppet_new(MIG_ACTION_SWITCHOVER, -1);
        s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
        g_assert_cmpint(action_after_ns(p, actions[i], &s, &v), ==, 3 * SEC);
        g_assert_cmpint(v.action, ==, actions[i]);
        g_assert_cmpint(v.reason, ==, MIG_REASON_CEILING_ACTION);
        g_assert_cmpint(v.throttle_pct, ==,
                        actions[i] == MIG_ACTION_THROTTLE ? 20 : -1);
        mig_policy_free(p);

        /* The time budget needs no patience, and no forecast. */
        p = puppet_new(MIG_ACTION_CONTINUE, -1);
        s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
        s.timeout_ns = 5 * SEC;
        g_assert_cmpint(action_after_ns(p, actions[i], &s, &v), ==, 4 * SEC);
        g_assert_cmpint(v.action, ==, actions[i]);
        g_assert_cmpint(v.reason, ==, MIG_REASON_TIMEOUT_ACTION);
        g_assert_cmpint(v.throttle_pct, ==,
                        actions[i] == MIG_ACTION_THROTTLE ? 20 : -1);
        mig_policy_free(p);
    }

    p = puppet_new(MIG_ACTION_SWITCHOVER, -1);
    s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_CONTINUE, &s, &v), ==, -1);
    g_assert_cmpint(v.outlook, ==, MIG_OUTLOOK_NOT_CONVERGING);
    s.timeout_ns = 5 * SEC;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    g_assert_cmpint(v.reason, ==, MIG_REASON_TIMEOUT);
    /* A stop that fits is not held up by a spent budget. */
    s.kind = MIG_SAMPLE_REFRESH;
    s.pending_bytes = 100 * MIB;
    s.on_failure = MIG_ACTION_CANCEL;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIP);
    mig_policy_free(p);
}

/* Asked at @s it goes on; 100 ms pass. */
static void goes_on(MigPolicy *p, MigPolicySample *s)
{
    MigPolicyVerdict v = test_decide(p, *s);

    g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
    s->elapsed_ns += 100 * MS;
}

/* A break in not converging starts the patience anew; so a burst may end. */
static void test_action_break(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
    int i;

    s.on_failure = MIG_ACTION_CANCEL;
    for (i = 0; i < 100; i++) {
        /* One exact sample each 2.9 s is better: stalled, or cheap enough. */
        bool good = i % 29 == 28;

        puppet.outlook = good && i % 2 ? MIG_OUTLOOK_STALLED
                                       : MIG_OUTLOOK_NOT_CONVERGING;
        s.pending_bytes = good && !(i % 2) ? 128 * MIB : 200 * MIB;
        goes_on(p, &s);
    }
    mig_policy_free(p);
}

/* While its programs hold it, nothing can get better: that is not patience. */
static void test_action_held(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
    MigPolicyVerdict v;
    int i;

    puppet.outlook = MIG_OUTLOOK_NOT_CONVERGING;
    s.on_failure = MIG_ACTION_CANCEL;
    for (i = 0; i < 130; i++) {
        /* Held just before its patience is over. */
        s.held = i >= 29;
        s.kind = s.held ? MIG_SAMPLE_TICK : MIG_SAMPLE_ROUND;
        goes_on(p, &s);
    }
    s.held = false;
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_CANCEL, &s, &v), ==, 3 * SEC);
    /* The time budget goes on. */
    s.held = true;
    s.timeout_ns = s.elapsed_ns;
    v = test_decide(p, s);
    g_assert_cmpint(v.action, ==, MIG_ACTION_CANCEL);
    g_assert_cmpint(v.reason, ==, MIG_REASON_TIMEOUT_ACTION);
    mig_policy_free(p);
}

/* With a time budget, what ends it for good waits for that; the rest helps. */
static void test_action_waits(void)
{
    static const struct {
        MigPolicyAction action;
        int64_t after_ns;
        MigPolicyReason reason;
    } cases[] = {
        { MIG_ACTION_SWITCHOVER, 8 * SEC, MIG_REASON_TIMEOUT_ACTION },
        { MIG_ACTION_CANCEL, 8 * SEC, MIG_REASON_TIMEOUT_ACTION },
        { MIG_ACTION_POSTCOPY, 3 * SEC, MIG_REASON_CEILING_ACTION },
        { MIG_ACTION_THROTTLE, 3 * SEC, MIG_REASON_CEILING_ACTION },
    };
    MigPolicyVerdict v;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        MigPolicy *p = puppet_new(MIG_ACTION_SWITCHOVER, -1);
        MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);

        s.timeout_ns = 9 * SEC;
        g_assert_cmpint(action_after_ns(p, cases[i].action, &s, &v), ==,
                        cases[i].after_ns);
        g_assert_cmpint(v.action, ==, cases[i].action);
        g_assert_cmpint(v.reason, ==, cases[i].reason);
        mig_policy_free(p);
    }
}

static void test_action_patience(void)
{
    static const char *const names[] = { "action-patience-ms" };
    static const int64_t values[] = { 0 };
    MigPolicy *p = puppet_new(MIG_ACTION_SWITCHOVER, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
    MigPolicyVerdict v;

    mig_policy_free(p);
    p = test_new("puppet", 1, names, values);
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_CANCEL, &s, &v), ==, 0);
    mig_policy_free(p);
}

/* Baselines have no ceiling; the operator's action applies all the same. */
static void test_action_threshold(void)
{
    MigPolicy *p = test_new("threshold", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 100 * MIB);
    MigPolicyVerdict v;
    int i;

    s.on_failure = MIG_ACTION_POSTCOPY;
    for (i = 0; i < 100; i++) {
        s.round++;
        s.elapsed_ns += SEC;
        s.sent_bytes += 100 * MIB;
        s.dirtied_pages += 100 * MIB / PAGE;
        v = test_decide(p, s);
        if (v.action != MIG_ACTION_CONTINUE) {
            break;
        }
    }
    /* Rounds 1 and 2 give the first ratio, then three seconds. */
    g_assert_cmpint(s.round, ==, 5);
    g_assert_cmpint(v.action, ==, MIG_ACTION_POSTCOPY);
    g_assert_cmpint(v.reason, ==, MIG_REASON_CEILING_ACTION);
    mig_policy_free(p);
}

static void test_throttle(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_SWITCHOVER, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
    MigPolicyVerdict v;
    /* 20, and 10 more each 3 s; the most is 45. */
    static const int64_t pct[] = { 20, 30, 40, 45 };
    int64_t after_ns;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(pct); i++) {
        after_ns = action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v);
        g_assert_cmpint(after_ns, ==, 3 * SEC);
        g_assert_cmpint(v.action, ==, MIG_ACTION_THROTTLE);
        g_assert_cmpint(v.throttle_pct, ==, pct[i]);
        /* Once: the same sample again asks for nothing more. */
        v = test_decide(p, s);
        g_assert_cmpint(v.action, ==, MIG_ACTION_CONTINUE);
        g_assert_cmpint(v.throttle_pct, ==, -1);
    }
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v), ==, -1);
    mig_policy_free(p);
}

/* It helps: no further step while it converges. */
static void test_throttle_helps(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, -1);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
    MigPolicyVerdict v;

    s.timeout_ns = 2 * SEC;
    puppet.outlook = MIG_OUTLOOK_STALLED;
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v), ==, SEC);
    g_assert_cmpint(v.throttle_pct, ==, 20);
    puppet.outlook = MIG_OUTLOOK_CONVERGING;
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v), ==, -1);
    puppet.outlook = MIG_OUTLOOK_STALLED;
    g_assert_cmpint(action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v), ==, 0);
    g_assert_cmpint(v.throttle_pct, ==, 30);
    mig_policy_free(p);
}

/* Steps that the caller leaves out, or gets wrong, are QEMU's own. */
static void test_throttle_config(void)
{
    static const struct {
        int64_t initial, increment, max, want[2];
    } cases[] = {
        { 0, 0, 0, { 20, 30 } },
        { -1, -1, -1, { 20, 30 } },
        { 50, 7, 40, { 40, -1 } },
        { 95, 50, 200, { 95, 99 } },
        { 10, INT64_MAX / 2, 99, { 10, 99 } },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        MigPolicyConfig config = {
            .policy = "puppet", .ram_bytes = TEST_RAM, .page_bytes = PAGE,
            .throttle_initial_pct = cases[i].initial,
            .throttle_increment_pct = cases[i].increment,
            .throttle_max_pct = cases[i].max,
        };
        MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 200 * MIB);
        MigPolicyVerdict v;
        char *errmsg;
        MigPolicy *p;

        puppet.action = MIG_ACTION_SWITCHOVER;
        p = mig_policy_new(&config, &errmsg);
        action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v);
        g_assert_cmpint(v.throttle_pct, ==, cases[i].want[0]);
        action_after_ns(p, MIG_ACTION_THROTTLE, &s, &v);
        g_assert_cmpint(v.throttle_pct, ==, cases[i].want[1]);
        mig_policy_free(p);
    }
}

/* ---- refreshes ---- */

static void test_refresh_interval(void)
{
    MigPolicy *p = puppet_new(MIG_ACTION_CONTINUE, 0);
    MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, SEC, 200 * MIB);
    MigPolicyVerdict v = test_decide(p, s);

    /* None before: at once. */
    g_assert_cmpint(v.next_sync_ns, ==, 0);
    s.kind = MIG_SAMPLE_REFRESH;
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, 100 * MS);
    s.kind = MIG_SAMPLE_TICK;
    s.elapsed_ns += 60 * MS;
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, 40 * MS);
    s.elapsed_ns += 60 * MS;
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, 0);
    /* Later than the interval is the policy's right. */
    puppet.next_sync_ns = 700 * MS;
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, 700 * MS);
    puppet.next_sync_ns = -5;
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
    puppet.next_sync_ns = INT64_MAX;
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
    mig_policy_free(p);
}

/* A page history is fed at syncs, whether or not the policy wants any. */
static void test_refresh_for_history(void)
{
    static const int64_t pages[] = { 64 };
    static const char *const names[] = { "sync-budget-percent" };
    static const int64_t none[] = { 0 };
    MigPageHistory *h = mig_page_history_new(pages, 1, NULL);
    MigPolicy *p = test_new("threshold", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_REFRESH, 0, SEC, 200 * MIB);

    g_assert_cmpint(test_decide(p, s).next_sync_ns, ==, -1);
    s.history = h;
    g_assert_cmpint(test_decide(p, s).next_sync_ns, ==, 100 * MS);
    s.pending_bytes = 0;
    g_assert_cmpint(test_decide(p, s).next_sync_ns, ==, -1);
    mig_policy_free(p);
    p = test_new("threshold", 1, names, none);
    s.pending_bytes = 200 * MIB;
    g_assert_cmpint(test_decide(p, s).next_sync_ns, ==, -1);
    mig_policy_free(p);
    mig_page_history_free(h);
}

static void test_refresh_tunables(void)
{
    static const char *const names[] = {
        "sync-budget-percent", "refresh-interval-ms"
    };
    static const int64_t values[] = { 0, 700 };
    MigPolicySample s = test_sample(MIG_SAMPLE_REFRESH, 1, SEC, 200 * MIB);
    MigPolicyVerdict v;
    MigPolicy *p;

    puppet.action = MIG_ACTION_CONTINUE;
    puppet.next_sync_ns = 0;
    p = test_new("puppet", 1, names, values);
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, -1);
    mig_policy_free(p);
    p = test_new("puppet", 1, &names[1], &values[1]);
    v = test_decide(p, s);
    g_assert_cmpint(v.next_sync_ns, ==, 700 * MS);
    mig_policy_free(p);
}

/*
 * Whoever refreshes when told to never spends more than the share, as long as
 * a sync takes no longer than the dearest of late.
 */
static void test_sync_budget(void)
{
    int i, j;

    for (i = 0; i < 300; i++) {
        int64_t pct = g_test_rand_int_range(1, 51);
        const char *name = "sync-budget-percent";
        int64_t dearest_ns = (int64_t)1 << g_test_rand_int_range(10, 34);
        MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1,
            (int64_t)g_test_rand_int_range(1, 2000000000) * 10, 200 * MIB);
        MigPolicyVerdict v;
        MigPolicy *p;
        int refreshes = 0;

        puppet.action = MIG_ACTION_CONTINUE;
        puppet.outlook = MIG_OUTLOOK_TOO_EARLY;
        puppet.next_sync_ns = 0;
        p = test_new("puppet", 1, &name, &pct);
        s.sync_cost_ns = dearest_ns;
        for (j = 0; j < 300; j++) {
            v = test_decide(p, s);
            g_assert_cmpint(v.next_sync_ns, >=, 0);
            if (s.kind != MIG_SAMPLE_TICK) {
                g_assert_cmpint(v.next_sync_ns, >=, 100 * MS);
            }
            if (v.next_sync_ns > 100 * MS && g_test_rand_int_range(0, 2)) {
                s.kind = MIG_SAMPLE_TICK;
                s.elapsed_ns += 100 * MS;
                continue;
            }
            /* At most 11% cheaper than the last: the estimate follows. */
            s.kind = MIG_SAMPLE_REFRESH;
            s.sync_cost_ns = MAX(s.sync_cost_ns -
                                 s.sync_cost_ns / 64 *
                                 g_test_rand_int_range(0, 7), 10);
            s.elapsed_ns += v.next_sync_ns;
            s.refresh_spent_ns += s.sync_cost_ns;
            g_assert_cmpfloat((double)s.refresh_spent_ns * 100, <=,
                              (double)s.elapsed_ns * pct + 100);
            s.elapsed_ns += s.sync_cost_ns;
            refreshes++;
        }
        g_assert_cmpint(refreshes, >, 50);
        mig_policy_free(p);
    }
}

/* ---- determinism, cost ---- */

static uint32_t seed;

static uint32_t next_random(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* A guest that is not all nonsense, nor all sense. */
static void random_step(MigPolicySample *s)
{
    int64_t ns = 20 * MS + next_random() % (200 * MS);

    s->kind = next_random() % 3;
    s->round += s->kind == MIG_SAMPLE_ROUND;
    s->elapsed_ns += next_random() % 50 ? ns : -ns;
    s->now_ns = s->elapsed_ns;
    s->pending_bytes = 20 * MIB + (int64_t)(next_random() % 40000) * PAGE;
    s->dirtied_pages += next_random() % 5000;
    s->sent_bytes += ns / 1000 * 64;
    s->bandwidth_bps = next_random() % 20 ? TEST_BPS + next_random() % MIB : -1;
    s->sync_cost_ns = next_random() % (10 * MS);
    s->refresh_spent_ns += s->kind == MIG_SAMPLE_REFRESH ? s->sync_cost_ns : 0;
}

static void test_determinism(void)
{
    static MigPolicyVerdict first[2000];
    const MigPolicyOps *ops;
    size_t i;
    int run, j;

    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        puppet.action = MIG_ACTION_CONTINUE;
        puppet.next_sync_ns = 0;
        for (run = 0; run < 2; run++) {
            MigPolicy *p = test_new(ops->name, 0, NULL, NULL);
            MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, 0, 0);

            s.on_failure = MIG_ACTION_THROTTLE;
            seed = 12345;
            /* Another clock, the same verdicts. */
            for (j = 0; j < 2000; j++) {
                MigPolicyVerdict v;

                random_step(&s);
                s.now_ns += run * 1000 * SEC;
                memset(&v, run ? 0xff : 0, sizeof(v));
                mig_policy_decide(p, &s, &v);
                if (!run) {
                    first[j] = v;
                    continue;
                }
                g_assert_cmpint(v.action, ==, first[j].action);
                g_assert_cmpint(v.reason, ==, first[j].reason);
                g_assert_cmpint(v.outlook, ==, first[j].outlook);
                g_assert_cmpint(v.throttle_pct, ==, first[j].throttle_pct);
                g_assert_cmpint(v.next_sync_ns, ==, first[j].next_sync_ns);
                g_assert_true(memcmp(&v.forecast, &first[j].forecast,
                                     sizeof(v.forecast)) == 0);
            }
            mig_policy_free(p);
        }
    }
}

static int64_t chaos_value(void)
{
    static const int64_t odd[] = {
        0, 1, -1, -2, PAGE - 1, INT64_MAX, INT64_MIN, INT64_MAX - 1,
        64 * TIB, SEC, 1000 * SEC,
    };
    int shift = next_random() % 62;

    if (next_random() % 3) {
        return odd[next_random() % G_N_ELEMENTS(odd)];
    }
    return ((int64_t)next_random() << 20) >> shift;
}

/*
 * Whatever it is told, it answers with something that can be obeyed.  (Run it
 * with the sanitizers as well: see docs/policies/README.md.)
 */
static void test_chaos(void)
{
    const MigPolicyOps *ops;
    size_t i;
    int j;

    seed = 4711;
    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        MigPolicy *p = NULL;

        for (j = 0; j < 50000; j++) {
            MigPolicySample s = test_sample(next_random() % 3, j, j * 100 * MS,
                                            50 * MIB);
            /* Everything odd, or one thing in an orderly life. */
            int64_t *field = &s.round;
            int n = (sizeof(s) - offsetof(MigPolicySample, round)) / 8 - 1;
            int k, one = next_random() % n;
            MigPolicyVerdict v;

            if (j % 100 == 0) {
                mig_policy_free(p);
                puppet.action = next_random() % MIG_ACTION_THROTTLE;
                puppet.next_sync_ns = chaos_value();
                p = test_new(ops->name, 0, NULL, NULL);
            }
            for (k = 0; k < n; k++) {
                if (j % 200 >= 100 || k == one) {
                    field[k] = chaos_value();
                }
            }
            s.on_failure = next_random() % MIG_ACTION__MAX;
            mig_policy_decide(p, &s, &v);

            g_assert_cmpint(v.action, >=, 0);
            g_assert_cmpint(v.action, <, MIG_ACTION__MAX);
            g_assert_cmpint(v.reason, >, MIG_REASON_NONE);
            g_assert_cmpint(v.reason, <, MIG_REASON__MAX);
            g_assert_cmpint(v.outlook, >=, 0);
            g_assert_cmpint(v.outlook, <, MIG_OUTLOOK__MAX);
            g_assert_cmpint(v.next_sync_ns, >=, -1);
            g_assert_cmpint(v.forecast.rounds, >=, -1);
            g_assert_cmpint(v.forecast.eta_ns, >=, -1);
            g_assert_cmpint(v.forecast.downtime_ns, >=, -1);
            g_assert_cmpint(v.forecast.downtime_low_ns, >=, -1);
            g_assert_cmpint(v.forecast.downtime_now_ns, >=, -1);
            if (v.forecast.downtime_low_ns >= 0 &&
                v.forecast.downtime_high_ns >= 0) {
                g_assert_cmpint(v.forecast.downtime_low_ns, <=,
                                v.forecast.downtime_ns);
                g_assert_cmpint(v.forecast.downtime_ns, <=,
                                v.forecast.downtime_high_ns);
            }
            if (v.action == MIG_ACTION_THROTTLE) {
                g_assert_cmpint(v.throttle_pct, >=, 20);
                g_assert_cmpint(v.throttle_pct, <=, 45);
            } else {
                g_assert_cmpint(v.throttle_pct, ==, -1);
            }
            /* A policy's own stop is below the ceiling, by its forecast. */
            if (v.action == MIG_ACTION_SWITCHOVER && !ops->ignores_ceiling &&
                v.reason != MIG_REASON_BELOW_THRESHOLD &&
                v.reason != MIG_REASON_TIMEOUT_ACTION &&
                v.reason != MIG_REASON_CEILING_ACTION &&
                s.downtime_ceiling_ns != 0) {
                g_assert_cmpint(v.forecast.downtime_now_ns, >=, 0);
                g_assert_cmpint(v.forecast.downtime_now_ns, <=,
                                MAX(s.downtime_ceiling_ns,
                                    s.downtime_limit_ns));
            }
        }
        mig_policy_free(p);
    }
}

static void test_no_allocation(void)
{
    const MigPolicyOps *ops;
    size_t i;
    int j;

    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        int before = allocations;
        MigPolicy *p = test_new(ops->name, 0, NULL, NULL);
        MigPolicySample s = test_sample(MIG_SAMPLE_TICK, 0, 0, 0);
        MigPolicyVerdict v;

        /* The counter counts: set-up allocates. */
        g_assert_cmpint(allocations, >=, before + 2);
        before = allocations;
        seed = 99;
        for (j = 0; j < 2000; j++) {
            random_step(&s);
            mig_policy_decide(p, &s, &v);
        }
        g_assert_cmpint(allocations, ==, before);
        mig_policy_free(p);
    }
}

int main(int argc, char **argv)
{
    char *errmsg;

    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_assert_true(mig_policy_register(&puppet_ops, &errmsg));
    g_test_add_func("/driver/hooks", test_hooks);
    g_test_add_func("/driver/sanitise", test_sanitise);
    g_test_add_func("/driver/ceiling-value", test_ceiling_value);
    g_test_add_func("/driver/ceiling", test_ceiling);
    g_test_add_func("/driver/native-rule", test_native_rule);
    g_test_add_func("/driver/withhold", test_withhold);
    g_test_add_func("/driver/workload", test_workload);
    g_test_add_func("/driver/history-config", test_history_config);
    g_test_add_func("/driver/tick-carries-over", test_tick_carries_over);
    g_test_add_func("/driver/actions", test_actions);
    g_test_add_func("/driver/action-break", test_action_break);
    g_test_add_func("/driver/action-held", test_action_held);
    g_test_add_func("/driver/action-patience", test_action_patience);
    g_test_add_func("/driver/action-waits", test_action_waits);
    g_test_add_func("/driver/action-threshold", test_action_threshold);
    g_test_add_func("/driver/throttle", test_throttle);
    g_test_add_func("/driver/throttle-helps", test_throttle_helps);
    g_test_add_func("/driver/throttle-config", test_throttle_config);
    g_test_add_func("/driver/refresh-interval", test_refresh_interval);
    g_test_add_func("/driver/refresh-for-history", test_refresh_for_history);
    g_test_add_func("/driver/refresh-tunables", test_refresh_tunables);
    g_test_add_func("/driver/sync-budget", test_sync_budget);
    g_test_add_func("/driver/determinism", test_determinism);
    g_test_add_func("/driver/chaos", test_chaos);
    g_test_add_func("/driver/no-allocation", test_no_allocation);
    return g_test_run();
}
