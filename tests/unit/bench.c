/*
 * What a decision costs: nanoseconds and bytes, a line a policy.
 *
 * The aim is 1 us for a decision without page history.  The figures depend on
 * the machine, so this reports and does not judge.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"
#include "common.h"
#include <stdio.h>
#include <time.h>

#define DECISIONS 200000
#define REPEATS 7

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* The dearest mix: every sample is exact, and it never ends. */
static double one_run(const char *policy)
{
    MigPolicy *p = test_new(policy, 0, NULL, NULL);
    MigPolicySample s = test_sample(MIG_SAMPLE_ROUND, 0, 0, 0);
    MigPolicyVerdict v;
    double start;
    int i;

    s.sync_cost_ns = 1 * MS;
    start = now_ns();
    for (i = 0; i < DECISIONS; i++) {
        s.kind = i % 10 ? MIG_SAMPLE_REFRESH : MIG_SAMPLE_ROUND;
        s.round += !(i % 10);
        s.elapsed_ns += 100 * MS;
        s.now_ns += 100 * MS;
        s.sent_bytes += 6 * MIB;
        s.dirtied_pages += 6 * MIB / PAGE - i % 50;
        s.pending_bytes = 200 * MIB - i % 4096 * 8 * KIB;
        mig_policy_decide(p, &s, &v);
    }
    start = (now_ns() - start) / DECISIONS;
    mig_policy_free(p);
    return start;
}

int main(void)
{
    const MigPolicyOps *ops;
    size_t i;
    int j;

    mig_policy_register_builtin();
    printf("%-12s %14s %14s %18s\n", "policy", "least ns", "median ns",
           "bytes of state");
    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        double ns[REPEATS];
        int a, b;

        for (j = 0; j < REPEATS; j++) {
            ns[j] = one_run(ops->name);
        }
        for (a = 0; a < REPEATS; a++) {
            for (b = a + 1; b < REPEATS; b++) {
                if (ns[b] < ns[a]) {
                    double t = ns[a];

                    ns[a] = ns[b];
                    ns[b] = t;
                }
            }
        }
        printf("%-12s %14.1f %14.1f %18zu\n", ops->name, ns[0],
               ns[REPEATS / 2], ops->state_bytes +
               ops->n_tunables * sizeof(int64_t));
    }
    printf("The state does not depend on the size of the guest: 0 bytes per "
           "GiB of RAM.\n");
    return 0;
}
