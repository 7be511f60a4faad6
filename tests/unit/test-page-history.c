/*
 * The page history, shadowed by a model that keeps one byte a page and thinks
 * a page at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "page-history.h"
#include "common.h"
#include "allocations.h"

#define BLOCKS 5
#define MOST_PAGES 1500

/* ---- the naive model ---- */

typedef struct Naive {
    int64_t pages;
    uint8_t open[MOST_PAGES];   /* found dirty in the open epoch */
    uint8_t seen[MOST_PAGES];   /* looked at in the open epoch */
    uint8_t class[MOST_PAGES];
    int64_t region[MOST_PAGES];
} Naive;

static const int64_t block_pages[BLOCKS] = { 1, 63, 64, 777, MOST_PAGES };

static bool bit(const uint64_t *words, int64_t page)
{
    return words[page / 64] >> (page % 64) & 1;
}

static void naive_sync(Naive *n, int64_t first, const uint64_t *raw,
                       const uint64_t *valid, int64_t count)
{
    int64_t i, j;

    for (i = 0; i < count; i++) {
        bool known = true;

        if (!valid || bit(valid, i)) {
            n->open[first + i] |= bit(raw, i);
        }
        /* A clean page counts if its whole word is valid. */
        for (j = i / 64 * 64; j < MIN(i / 64 * 64 + 64, count); j++) {
            known &= !valid || bit(valid, j);
        }
        n->seen[first + i] |= known;
    }
}

static void naive_close(Naive *blocks, int64_t region_pages, int min,
                        MigPageHistoryStats *st, double *bins, int64_t *n_bins)
{
    double now2 = 0, before2 = 0, product = 0;
    int b;
    int64_t i, j;

    st->known_pages = st->dirty_pages = st->frequent_pages = 0;
    st->frequent_dirty_pages = st->regions_dirty = 0;
    *n_bins = 0;
    for (b = 0; b < BLOCKS; b++) {
        Naive *n = &blocks[b];

        for (i = 0; i < n->pages; i += region_pages) {
            int64_t known = 0, dirty = 0;

            for (j = i; j < MIN(i + region_pages, n->pages); j++) {
                if (n->open[j]) {
                    n->class[j] = MIN(n->class[j] + 1, 3);
                } else if (n->seen[j]) {
                    n->class[j] = MAX(n->class[j] - 1, 0);
                }
                known += n->open[j] || n->seen[j];
                dirty += n->open[j];
                st->frequent_pages += n->class[j] >= min;
                st->frequent_dirty_pages += n->open[j] && n->class[j] >= min;
                n->open[j] = n->seen[j] = 0;
            }
            st->known_pages += known;
            st->dirty_pages += dirty;
            if (known) {
                int64_t *before = &n->region[i / region_pages];

                st->regions_dirty += dirty > 0;
                now2 += dirty * dirty;
                before2 += *before * *before;
                product += dirty * *before;
                *before = dirty;
                bins[(*n_bins)++] = dirty;
            }
        }
    }
    st->region_cosine = now2 > 0 && before2 > 0
                        ? product / sqrt(now2 * before2) : -1;
}

static int64_t naive_hot_regions(double *bins, int64_t n, int64_t share_pct)
{
    double sum = 0, got = 0;
    int64_t i, j, regions = 0;

    for (i = 0; i < n; i++) {
        sum += bins[i];
    }
    for (i = 0; i < n; i++) {
        for (j = i + 1; j < n; j++) {
            if (bins[j] > bins[i]) {
                double t = bins[i];

                bins[i] = bins[j];
                bins[j] = t;
            }
        }
    }
    while (regions < n && got * 100 < sum * share_pct) {
        got += bins[regions++];
    }
    return regions;
}

static int64_t naive_next(const Naive *n, const uint64_t *pending,
                          int64_t from, int64_t end, int stage, int withhold)
{
    for (; from < end; from++) {
        if (bit(pending, from) && (stage >= 2 || n->class[from] <= stage + 1) &&
            !(withhold && n->class[from] >= withhold)) {
            return from;
        }
    }
    return end;
}

/* ---- random traces ---- */

/* Each page has a rate of its own, from never to always. */
static uint64_t random_word(GRand *r, int64_t word)
{
    uint64_t x = 0;
    int i;

    for (i = 0; i < 64; i++) {
        int rate = (word * 64 + i) * 37 % 101;

        x |= (uint64_t)(g_rand_int_range(r, 0, 100) < rate) << i;
    }
    return x;
}

static uint64_t random_valid(GRand *r)
{
    switch (g_rand_int_range(r, 0, 4)) {
    case 0:
        return 0;
    case 1:
        return (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
    default:
        return ~UINT64_C(0);
    }
}

static void random_sync(MigPageHistory *h, Naive *naive, GRand *r,
                        bool with_mask)
{
    uint64_t raw[MOST_PAGES / 64 + 1], valid[MOST_PAGES / 64 + 1];
    int b;
    int64_t from, i;

    for (b = 0; b < BLOCKS; b++) {
        int64_t pages = block_pages[b];

        if (with_mask && g_rand_int_range(r, 0, 8) == 0) {
            continue;
        }
        for (from = 0; from < pages;) {
            int64_t n = (int64_t)g_rand_int_range(r, 1, 12) * 64;

            n = MIN(n, pages - from);
            for (i = 0; i < (n + 63) / 64; i++) {
                raw[i] = random_word(r, from / 64 + i);
                valid[i] = random_valid(r);
            }
            mig_page_history_sync(h, b, from, raw, with_mask ? valid : NULL,
                                  n);
            naive_sync(&naive[b], from, raw, with_mask ? valid : NULL, n);
            from += n;
        }
    }
}

static void check_order(const MigPageHistory *h, const Naive *naive, GRand *r,
                        int min)
{
    uint64_t pending[MOST_PAGES / 64 + 1];
    int64_t count[MIG_PAGE_HISTORY_CLASSES], frequent, i;
    int b, c, try;

    for (b = 0; b < BLOCKS; b++) {
        const Naive *n = &naive[b];
        int64_t pages = block_pages[b];
        int dense = g_rand_int_range(r, 0, 7);

        for (i = 0; i < (pages + 63) / 64; i++) {
            /* Bits past the end of the block must do no harm. */
            pending[i] = ~UINT64_C(0);
            for (c = 0; c < dense; c++) {
                pending[i] &= (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
            }
        }
        for (i = 0; i < pages; i++) {
            g_assert_cmpint(mig_page_history_class(h, b, i), ==, n->class[i]);
            g_assert_cmpint(mig_page_history_is_frequent(h, b, i), ==,
                            n->class[i] >= min);
        }
        for (try = 0; try < 40; try++) {
            int64_t from = g_rand_int_range(r, 0, pages + 1);
            int64_t end = g_rand_int_range(r, from, pages + 1);
            int stage = g_rand_int_range(r, 0, 5);
            bool withhold = g_rand_boolean(r);
            int64_t want[MIG_PAGE_HISTORY_CLASSES] = { 0 };
            int64_t want_frequent = 0;
            int most = 0;

            g_assert_cmpint(mig_page_history_next(h, b, pending, from, end,
                                                  stage, withhold), ==,
                            naive_next(n, pending, from, end, stage,
                                       withhold ? min : 0));
            for (i = from; i < end; i++) {
                most = MAX(most, n->class[i]);
                if (bit(pending, i)) {
                    want[n->class[i]]++;
                    want_frequent += n->class[i] >= min;
                }
            }
            mig_page_history_count(h, b, pending, from, end, count, &frequent);
            for (c = 0; c < MIG_PAGE_HISTORY_CLASSES; c++) {
                g_assert_cmpint(count[c], ==, want[c]);
            }
            g_assert_cmpint(frequent, ==, want_frequent);
            if (from < end) {
                g_assert_cmpint(mig_page_history_range_class(h, b, from,
                                                             end - from),
                                ==, most);
            }
        }
    }
}

static void random_trace(guint32 seed, bool with_mask, int min,
                         int64_t region_pages)
{
    MigPageHistoryConfig config = {
        .epoch_ns = 500 * MS, .frequent_min = min,
        .region_pages = region_pages,
    };
    MigPageHistory *h = mig_page_history_new(block_pages, BLOCKS, &config);
    Naive *naive = g_new0(Naive, BLOCKS);
    double *bins = g_new0(double, BLOCKS * MOST_PAGES);
    GRand *r = g_rand_new_with_seed(seed);
    int64_t now_ns = 0, start_ns, epochs = 0, n_bins;
    int i;

    for (i = 0; i < BLOCKS; i++) {
        naive[i].pages = block_pages[i];
    }
    g_assert_cmpint(mig_page_history_stages(h), ==, 1);
    g_assert_cmpint(mig_page_history_hot_regions(h, 80), ==, -1);
    mig_page_history_begin(h, now_ns);
    start_ns = now_ns;
    for (i = 0; i < 120; i++) {
        MigPageHistoryStats want;
        const MigPageHistoryStats *got = mig_page_history_stats(h);
        int before, share_pct = g_rand_int_range(r, 0, 101);
        bool closed;

        now_ns += (int64_t)g_rand_int_range(r, 1, 600) * MS;
        random_sync(h, naive, r, with_mask);
        before = allocations;
        closed = mig_page_history_sync_end(h, now_ns);
        g_assert_cmpint(allocations, ==, before);
        g_assert_cmpint(closed, ==, now_ns - start_ns >= 500 * MS);
        if (!closed) {
            continue;
        }
        naive_close(naive, region_pages, min, &want, bins, &n_bins);
        g_assert_cmpint(got->epochs, ==, ++epochs);
        g_assert_cmpint(got->epoch_ns, ==, now_ns - start_ns);
        g_assert_cmpint(got->known_pages, ==, want.known_pages);
        g_assert_cmpint(got->dirty_pages, ==, want.dirty_pages);
        g_assert_cmpint(got->frequent_pages, ==, want.frequent_pages);
        g_assert_cmpint(got->frequent_dirty_pages, ==,
                        want.frequent_dirty_pages);
        g_assert_cmpint(got->regions_dirty, ==, want.regions_dirty);
        g_assert_cmpfloat_with_epsilon(got->region_cosine, want.region_cosine,
                                       1e-9);
        g_assert_cmpint(mig_page_history_hot_regions(h, share_pct), ==,
                        naive_hot_regions(bins, n_bins, share_pct));
        g_assert_cmpint(mig_page_history_stages(h), ==,
                        MIG_PAGE_HISTORY_STAGES);
        check_order(h, naive, r, min);
        start_ns = now_ns;
    }
    g_assert_cmpint(epochs, >, 20);
    g_rand_free(r);
    g_free(bins);
    g_free(naive);
    mig_page_history_free(h);
}

static void test_property(void)
{
    guint32 seed;

    for (seed = 1; seed <= 12; seed++) {
        random_trace(seed, seed % 2, 1 + seed % 3, seed % 4 < 2 ? 64 : 512);
    }
}

/* Observing and asking allocates nothing; what it holds is what it says. */
static void test_memory(void)
{
    static const int64_t gib_pages[] = { 262144 };
    static const int64_t odd[] = { 100, 65, 1 };
    uint64_t raw[2] = { 5, 1 };
    MigPageHistory *h = mig_page_history_new(odd, 3, NULL);
    int before = allocations, i;
    int64_t count[MIG_PAGE_HISTORY_CLASSES], bytes;

    g_assert_cmpint(before, >, 0);
    mig_page_history_begin(h, 0);
    for (i = 1; i < 20; i++) {
        mig_page_history_sync(h, 0, 0, raw, NULL, 100);
        mig_page_history_sync(h, 1, 0, raw, raw, 65);
        mig_page_history_sync_end(h, i * 300 * MS);
        mig_page_history_next(h, 0, raw, 0, 100, 1, true);
        mig_page_history_count(h, 0, raw, 0, 100, count, NULL);
        mig_page_history_hot_regions(h, 80);
    }
    g_assert_cmpint(allocations, ==, before);
    mig_page_history_free(h);

    /* At most 4 bits a page, all told. */
    h = mig_page_history_new(gib_pages, 1, NULL);
    bytes = mig_page_history_bytes(h);
    g_assert_cmpint(bytes, >=, 3 * 262144 / 8);
    g_assert_cmpint(bytes * 8, <=, 4 * 262144);
    mig_page_history_free(h);
    mig_page_history_free(NULL);
}

/* How often somebody looks must not make a page hotter. */
static void test_epochs(void)
{
    static const int64_t pages[] = { 64 };
    MigPageHistory *often = mig_page_history_new(pages, 1, NULL);
    MigPageHistory *seldom = mig_page_history_new(pages, 1, NULL);
    uint64_t now, both;
    int i;

    mig_page_history_begin(often, 0);
    mig_page_history_begin(seldom, 0);
    for (i = 1, both = 0; i <= 100; i++) {
        /* Page 0 always, page 1 each 200 ms, page 2 each 2 s. */
        now = 1 | (uint64_t)(i % 2 == 0) << 1 | (uint64_t)(i % 20 == 0) << 2;
        both |= now;
        mig_page_history_sync(often, 0, 0, &now, NULL, 64);
        mig_page_history_sync_end(often, i * 100 * MS);
        if (i % 5 == 0) {
            mig_page_history_sync(seldom, 0, 0, &both, NULL, 64);
            g_assert_true(mig_page_history_sync_end(seldom, i * 100 * MS));
            both = 0;
        }
    }
    for (i = 0; i < 4; i++) {
        static const int class[] = { 3, 3, 1, 0 };

        g_assert_cmpint(mig_page_history_class(often, 0, i), ==, class[i]);
        g_assert_cmpint(mig_page_history_class(seldom, 0, i), ==, class[i]);
    }
    g_assert_cmpint(mig_page_history_stats(often)->epochs, ==, 20);
    mig_page_history_free(often);
    mig_page_history_free(seldom);
}

/* begin() drops what was accumulated, keeps what is known. */
static void test_begin(void)
{
    static const int64_t pages[] = { 64 };
    MigPageHistory *h = mig_page_history_new(pages, 1, NULL);
    uint64_t all = ~UINT64_C(0), none = 0;

    /* Never begun: the first end of a sync begins it. */
    mig_page_history_sync(h, 0, 0, &all, NULL, 64);
    g_assert_false(mig_page_history_sync_end(h, 9 * SEC));
    mig_page_history_sync(h, 0, 0, &none, NULL, 64);
    g_assert_true(mig_page_history_sync_end(h, 10 * SEC));
    g_assert_cmpint(mig_page_history_stats(h)->dirty_pages, ==, 0);
    g_assert_cmpint(mig_page_history_stats(h)->epoch_ns, ==, 1 * SEC);

    mig_page_history_sync(h, 0, 0, &all, NULL, 64);
    g_assert_true(mig_page_history_sync_end(h, 11 * SEC));
    g_assert_cmpint(mig_page_history_class(h, 0, 7), ==, 1);
    mig_page_history_sync(h, 0, 0, &all, NULL, 64);
    mig_page_history_begin(h, 12 * SEC);
    g_assert_true(mig_page_history_sync_end(h, 13 * SEC));
    /* Nothing known of that epoch: the class stays. */
    g_assert_cmpint(mig_page_history_class(h, 0, 7), ==, 1);
    g_assert_cmpint(mig_page_history_stats(h)->known_pages, ==, 0);
    g_assert_cmpfloat(mig_page_history_stats(h)->region_cosine, ==, -1);
    /* A clock that goes back closes nothing. */
    g_assert_false(mig_page_history_sync_end(h, 1 * SEC));
    mig_page_history_free(h);
}

/* Going through the stages sends each pending page exactly once. */
static void test_stages(void)
{
    static const int64_t pages[] = { 1000 };
    MigPageHistory *h = mig_page_history_new(pages, 1, NULL);
    GRand *r = g_rand_new_with_seed(4);
    uint64_t pending[16], raw[16];
    int64_t page, sent = 0;
    int i, j, last = 0;

    mig_page_history_begin(h, 0);
    for (i = 1; i <= 6; i++) {
        for (j = 0; j < 16; j++) {
            raw[j] = random_word(r, j);
        }
        mig_page_history_sync(h, 0, 0, raw, NULL, 1000);
        mig_page_history_sync_end(h, i * SEC);
    }
    memset(pending, 0xff, sizeof(pending));
    for (i = 0; i < mig_page_history_stages(h); i++) {
        for (page = 0;
             (page = mig_page_history_next(h, 0, pending, page, 1000, i,
                                           false)) < 1000; page++) {
            int class = mig_page_history_class(h, 0, page);

            /* Stage 0 takes classes 0 and 1. */
            g_assert_cmpint(MAX(class - 1, 0), ==, i);
            last = MAX(class, last);
            pending[page / 64] &= ~(UINT64_C(1) << (page % 64));
            sent++;
        }
    }
    g_assert_cmpint(sent, ==, 1000);
    g_assert_cmpint(last, ==, 3);
    g_rand_free(r);
    mig_page_history_free(h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-history/property", test_property);
    g_test_add_func("/page-history/memory", test_memory);
    g_test_add_func("/page-history/epochs", test_epochs);
    g_test_add_func("/page-history/begin", test_begin);
    g_test_add_func("/page-history/stages", test_stages);
    return g_test_run();
}
