/*
 * A guest on paper with a page history: what the tests of frequent-set and
 * memory-pattern share.
 *
 * 512 MiB of RAM in 256 regions; the link carries 64 MiB/s, 8192 pages in an
 * epoch of 500 ms.  Each step is a refresh 100 ms after the last one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_HISTORY_GUEST_H
#define TEST_HISTORY_GUEST_H

#include "page-history.h"
#include "common.h"

#define GUEST_PAGES (TEST_RAM / PAGE)
#define REGION_PAGES 512

typedef struct Guest {
    MigPolicy *p;
    MigPageHistory *h;
    MigPolicySample s;
    MigPolicyVerdict v;
    uint64_t raw[GUEST_PAGES / 64];
} Guest;

static inline Guest *guest_new(const char *policy, size_t n,
                               const char *const *names, const int64_t *values)
{
    static const int64_t pages[] = { GUEST_PAGES };
    Guest *g = g_new0(Guest, 1);
    MigPageHistoryConfig config;

    g->p = test_new(policy, n, names, values);
    mig_policy_history_config(g->p, &config);
    g->h = mig_page_history_new(pages, 1, &config);
    mig_page_history_begin(g->h, 0);
    g->s = test_sample(MIG_SAMPLE_TICK, 0, 0, TEST_RAM);
    g->s.history = g->h;
    return g;
}

static inline void guest_free(Guest *g)
{
    mig_policy_free(g->p);
    mig_page_history_free(g->h);
    g_free(g);
}

/* From the next step on: pages [from, from + n) are found dirty each time. */
static inline void guest_writes(Guest *g, int64_t from, int64_t n)
{
    int64_t page;

    memset(g->raw, 0, sizeof(g->raw));
    for (page = from; page < from + n; page++) {
        g->raw[page / 64] |= UINT64_C(1) << (page % 64);
    }
}

/* A refresh, with so much pending. */
static inline MigPolicyVerdict guest_step(Guest *g, double pending_mib)
{
    g->s.kind = MIG_SAMPLE_REFRESH;
    g->s.elapsed_ns += 100 * MS;
    g->s.now_ns += 100 * MS;
    g->s.pending_bytes = pending_mib * MIB;
    mig_page_history_sync(g->h, 0, 0, g->raw, NULL, GUEST_PAGES);
    mig_page_history_sync_end(g->h, g->s.elapsed_ns);
    g->v = test_decide(g->p, g->s);
    return g->v;
}

static inline void guest_steps(Guest *g, int n, double pending_mib)
{
    while (n--) {
        guest_step(g, pending_mib);
    }
}

/* Steps until it stops: how many, or -1 after so many without a stop. */
static inline int guest_run(Guest *g, double pending_mib, int most)
{
    int i;

    for (i = 1; i <= most; i++) {
        if (guest_step(g, pending_mib).action == MIG_ACTION_SWITCHOVER) {
            return i;
        }
    }
    return -1;
}

/* Without a history the policy decides as stall does, sample by sample. */
static inline void guest_check_without_history(const char *policy)
{
    MigPolicy *p = test_new(policy, 0, NULL, NULL);
    MigPolicy *stall = test_new("stall", 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 1, SEC, 0);
    MigPolicyVerdict v, w;
    int i;

    for (i = 0; i < 40; i++) {
        s.pending_bytes = (i < 10 ? 60 - 3 * i : 30) * MIB;
        v = test_decide(p, s);
        w = test_decide(stall, s);
        g_assert_cmpint(v.action, ==, w.action);
        g_assert_cmpint(v.next_sync_ns, ==, w.next_sync_ns);
        g_assert_cmpint(v.outlook, ==, w.outlook);
        g_assert_cmpint(v.forecast.downtime_ns, ==, w.forecast.downtime_ns);
        g_assert_cmpint(v.workload, ==, MIG_WORKLOAD_UNKNOWN);
        g_assert_false(v.withhold);
        if (v.action == MIG_ACTION_SWITCHOVER) {
            break;
        }
        if (w.reason == MIG_REASON_WAITING_FOR_DIP) {
            g_assert_cmpint(v.reason, ==, MIG_REASON_HISTORY_UNKNOWN);
        }
        s.kind = MIG_SAMPLE_REFRESH;
        s.elapsed_ns += 100 * MS;
        s.now_ns += 100 * MS;
    }
    /* And so it ends, by what is pending alone. */
    g_assert_cmpint(v.action, ==, MIG_ACTION_SWITCHOVER);
    g_assert_cmpint(v.reason, ==, MIG_REASON_DIP);
    mig_policy_free(p);
    mig_policy_free(stall);
}

#endif
