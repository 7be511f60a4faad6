/*
 * What the engine's unit tests share: a sample to start from, and a guest on
 * paper.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_COMMON_H
#define TEST_COMMON_H

#include "policy.h"

#define KIB INT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)
#define PAGE INT64_C(4096)
#define MS MIG_POLICY_NS_PER_MS
#define SEC MIG_POLICY_NS_PER_S

#define TEST_RAM (512 * MIB)
#define TEST_BPS (64 * MIB)
#define TEST_THRESHOLD (TEST_BPS * 300 / 1000)

/* A 512 MiB guest over 64 MiB/s, QEMU's default limit, a ceiling of 2 s. */
static inline MigPolicySample test_sample(MigPolicySampleKind kind,
                                          int64_t round, int64_t elapsed_ns,
                                          int64_t pending_bytes)
{
    return (MigPolicySample) {
        .kind = kind,
        .round = round,
        .now_ns = 7 * SEC + elapsed_ns,
        .elapsed_ns = elapsed_ns,
        .ram_bytes = TEST_RAM,
        .page_bytes = PAGE,
        .pending_bytes = pending_bytes,
        .dirtied_pages = 0,
        .sent_bytes = 0,
        .bandwidth_bps = TEST_BPS,
        .switchover_bps = MIG_POLICY_UNKNOWN,
        .threshold_bytes = TEST_THRESHOLD,
        .sync_cost_ns = 0,
        .refresh_spent_ns = 0,
        .downtime_limit_ns = 300 * MS,
        .downtime_ceiling_ns = 2 * SEC,
        .timeout_ns = 0,
        .on_failure = MIG_ACTION_CONTINUE,
    };
}

static inline MigPolicy *test_new(const char *policy, size_t n,
                                  const char *const *names,
                                  const int64_t *values)
{
    MigPolicyConfig config = {
        .policy = policy,
        .ram_bytes = TEST_RAM,
        .page_bytes = PAGE,
        .throttle_initial_pct = 20,
        .throttle_increment_pct = 10,
        .throttle_max_pct = 45,
        .tunable_names = names,
        .tunable_values = values,
        .n_tunables = n,
    };
    char *errmsg;
    MigPolicy *p = mig_policy_new(&config, &errmsg);

    g_assert_cmpstr(errmsg, ==, NULL);
    g_assert_nonnull(p);
    return p;
}

static inline MigPolicyVerdict test_decide(MigPolicy *p, MigPolicySample s)
{
    MigPolicyVerdict v;

    mig_policy_decide(p, &s, &v);
    return v;
}

#endif
