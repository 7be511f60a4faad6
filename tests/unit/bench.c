/*
 * What a decision and the page history cost: nanoseconds and bytes.
 *
 * The aims are 1 us for a decision without page history; 50 us per GiB for a
 * sync fed to the history, the end of an epoch included; 40 ns for the search
 * for the next page, 1% of what sending it takes at 1 GB/s.  The figures depend
 * on the machine, so this reports and does not judge.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"
#include "common.h"
#include "page-history.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DECISIONS 200000
#define REPEATS 7

static double now_ns(void)
{
    struct timespec t;

    /* Of this thread alone: what others do to the machine counts less. */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
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

/* ---- the page history ---- */

#define HISTORY_GIB 4
#define HISTORY_PAGES (HISTORY_GIB * GIB / PAGE)
#define HISTORY_WORDS (HISTORY_PAGES / 64)

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One page in so many, spread evenly; 1 is all of them. */
static void fill(uint64_t *words, int64_t one_in)
{
    int64_t page;

    memset(words, 0, HISTORY_WORDS * sizeof(*words));
    for (page = 0; page < HISTORY_PAGES; page += one_in) {
        words[page / 64] |= UINT64_C(1) << (page % 64);
    }
}

static void history_sync(uint64_t *raw, int64_t one_in, bool masked,
                         int64_t epoch_ns, const char *what)
{
    static const int64_t pages[] = { HISTORY_PAGES };
    MigPageHistoryConfig config = mig_page_history_defaults;
    uint64_t *valid = g_new(uint64_t, HISTORY_WORDS);
    double us[REPEATS];
    MigPageHistory *h;
    int64_t from;
    int i;

    config.epoch_ns = epoch_ns;
    h = mig_page_history_new(pages, 1, &config);
    memset(valid, 0xff, HISTORY_WORDS * sizeof(*valid));
    fill(raw, one_in);
    mig_page_history_begin(h, 0);
    for (i = 0; i < REPEATS + 2; i++) {
        double start = now_ns();

        /* In chunks of 1 GiB, as QEMU clears. */
        for (from = 0; from < HISTORY_PAGES; from += GIB / PAGE) {
            mig_page_history_sync(h, 0, from, raw + from / 64,
                                  masked ? valid + from / 64 : NULL,
                                  GIB / PAGE);
        }
        mig_page_history_sync_end(h, (i + 1) * SEC);
        if (i >= 2) {
            us[i - 2] = (now_ns() - start) / 1e3 / HISTORY_GIB;
        }
    }
    qsort(us, REPEATS, sizeof(us[0]), by_value);
    printf("%-34s 1 in %-6" PRId64 " %12.1f %12.1f\n", what, one_in, us[0],
           us[REPEATS / 2]);
    mig_page_history_free(h);
    g_free(valid);
}

/*
 * A round through all stages over what is pending.  hot: all of it belongs to
 * the last stage, so that every stage before looks at it in vain.
 */
static void history_next(uint64_t *pending, int64_t one_in, bool hot)
{
    static const int64_t pages[] = { HISTORY_PAGES };
    MigPageHistory *h = mig_page_history_new(pages, 1, NULL);
    int64_t found = 0, page;
    double ns[REPEATS];
    int i, stage;

    fill(pending, 1);
    mig_page_history_begin(h, 0);
    for (i = 1; i <= 3; i++) {
        if (!hot) {
            memset(pending, 0, HISTORY_WORDS * sizeof(*pending));
        }
        mig_page_history_sync(h, 0, 0, pending, NULL, HISTORY_PAGES);
        mig_page_history_sync_end(h, i * SEC);
    }
    for (i = 0; i < REPEATS; i++) {
        double start;

        fill(pending, one_in);
        found = 0;
        start = now_ns();
        for (stage = 0; stage < mig_page_history_stages(h); stage++) {
            for (page = 0; (page = mig_page_history_next(h, 0, pending, page,
                     HISTORY_PAGES, stage, false)) < HISTORY_PAGES; page++) {
                pending[page / 64] &= ~(UINT64_C(1) << (page % 64));
                found++;
            }
        }
        ns[i] = (now_ns() - start) / found;
    }
    qsort(ns, REPEATS, sizeof(ns[0]), by_value);
    printf("%-34s 1 in %-6" PRId64 " %12.1f %12.1f\n",
           hot ? "next page, all in the last stage" : "next page, all cold",
           one_in, ns[0], ns[REPEATS / 2]);
    mig_page_history_free(h);
}

static void bench_history(void)
{
    static const int64_t pages[] = { GIB / PAGE };
    static const int64_t one_in[] = { 1, 3, 64, 1000, 10000, 100000 };
    MigPageHistory *h = mig_page_history_new(pages, 1, NULL);
    uint64_t *words = g_new(uint64_t, HISTORY_WORDS);
    size_t i;

    printf("\npage history: %.2f bits a page, all told\n",
           mig_page_history_bytes(h) * 8.0 / pages[0]);
    mig_page_history_free(h);
    printf("%-34s %-11s %12s %12s\n", "us per GiB and sync", "dirty",
           "least", "median");
    for (i = 0; i < 4; i++) {
        history_sync(words, one_in[i], false, 1000 * SEC, "sync");
        history_sync(words, one_in[i], true, 1000 * SEC, "sync with mask");
        history_sync(words, one_in[i], true, 0, "sync with mask, end of epoch");
    }
    printf("%-34s %-11s %12s %12s\n", "ns per page found, whole round",
           "pending", "least", "median");
    for (i = 0; i < G_N_ELEMENTS(one_in); i++) {
        history_next(words, one_in[i], false);
        history_next(words, one_in[i], true);
    }
    g_free(words);
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
    bench_history();
    return 0;
}
