/*
 * The page history, fed by each kind of dirty log that QEMU has.
 *
 * A guest writes a few pages of 256: page 0 in each epoch, page 1 in every
 * fourth, page 64 in each, page 200 never.  Each log is a model of how the
 * hypervisor reports that, and of what the caller may call valid.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "page-history.h"
#include "common.h"

#define PAGES 256
#define WORDS (PAGES / 64)
#define EPOCHS 40

static const int64_t block_pages[] = { PAGES };

typedef struct Log {
    uint64_t bits[WORDS];       /* what the hypervisor reports */
    uint64_t valid[WORDS];      /* cleared since the last sync */
} Log;

static void set(uint64_t *words, int64_t page)
{
    words[page / 64] |= UINT64_C(1) << (page % 64);
}

static void guest_writes(Log *log, int epoch)
{
    set(log->bits, 0);
    set(log->bits, 64);
    if (epoch % 4 == 0) {
        set(log->bits, 1);
    }
}

static void expect(MigPageHistory *h, int c0, int c1, int c64, int c200)
{
    g_assert_cmpint(mig_page_history_class(h, 0, 0), ==, c0);
    g_assert_cmpint(mig_page_history_class(h, 0, 1), ==, c1);
    g_assert_cmpint(mig_page_history_class(h, 0, 64), ==, c64);
    g_assert_cmpint(mig_page_history_class(h, 0, 200), ==, c200);
}

static MigPageHistory *history_new(void)
{
    MigPageHistory *h = mig_page_history_new(block_pages, 1, NULL);

    mig_page_history_begin(h, 0);
    return h;
}

/* TCG and KVM without manual protect: reading clears, all of it is valid. */
static void test_cleared_at_sync(void)
{
    MigPageHistory *h = history_new();
    Log log = { { 0 } };
    int i;

    for (i = 1; i <= EPOCHS; i++) {
        guest_writes(&log, i);
        mig_page_history_sync(h, 0, 0, log.bits, NULL, PAGES);
        memset(log.bits, 0, sizeof(log.bits));
        g_assert_true(mig_page_history_sync_end(h, i * SEC));
    }
    expect(h, 3, 1, 3, 0);
    g_assert_cmpint(mig_page_history_stats(h)->dirty_pages, ==, 3);
    g_assert_cmpint(mig_page_history_stats(h)->known_pages, ==, PAGES);
    mig_page_history_free(h);
}

/*
 * The dirty ring: entries are collected in between syncs as well, each page
 * once, in any order; between two syncs they add up to the same.
 */
static void test_dirty_ring(void)
{
    MigPageHistory *h = history_new();
    Log log = { { 0 } };
    int i, reap;

    for (i = 1; i <= EPOCHS; i++) {
        for (reap = 0; reap < 3; reap++) {
            guest_writes(&log, i);
        }
        /* The ring tells of pages, the sync of one block at a time. */
        mig_page_history_sync(h, 0, 0, log.bits, NULL, 128);
        mig_page_history_sync(h, 0, 128, log.bits + 2, NULL, 128);
        memset(log.bits, 0, sizeof(log.bits));
        g_assert_true(mig_page_history_sync_end(h, i * SEC));
    }
    expect(h, 3, 1, 3, 0);
    mig_page_history_free(h);
}

/*
 * KVM with manual protect: a chunk keeps reporting what it has until it is
 * cleared, just before it is sent.  Chunk 0 (pages 0 to 63) is cleared in each
 * epoch, chunk 1 in the first only, the others never.
 */
static void manual_protect(bool initially_set)
{
    MigPageHistory *h = history_new();
    Log log = { { 0 }, { 0 } };
    int i;

    if (initially_set) {
        memset(log.bits, 0xff, sizeof(log.bits));
    }
    for (i = 1; i <= EPOCHS; i++) {
        /* Before the guest writes: chunks are sent. */
        log.bits[0] = 0;
        log.valid[0] = ~UINT64_C(0);
        if (i == 1) {
            log.bits[1] = 0;
            log.valid[1] = ~UINT64_C(0);
        }
        guest_writes(&log, i);
        mig_page_history_sync(h, 0, 0, log.bits, log.valid, PAGES);
        memset(log.valid, 0, sizeof(log.valid));
        g_assert_true(mig_page_history_sync_end(h, i * SEC));
    }
    /* Page 64 was seen dirty once; page 200 was never looked at. */
    expect(h, 3, 1, 1, 0);
    g_assert_cmpint(mig_page_history_stats(h)->known_pages, ==, 64);
    mig_page_history_free(h);
}

static void test_manual_protect(void)
{
    manual_protect(false);
}

static void test_initially_set(void)
{
    manual_protect(true);
}

/* The same without the mask: cumulative bits look hot for ever. */
static void test_mask_matters(void)
{
    MigPageHistory *h = history_new();
    Log log = { { 0 } };
    int i;

    for (i = 1; i <= EPOCHS; i++) {
        log.bits[0] = 0;
        if (i == 1) {
            set(log.bits, 64);
            set(log.bits, 200);
        }
        mig_page_history_sync(h, 0, 0, log.bits, NULL, PAGES);
        mig_page_history_sync_end(h, i * SEC);
    }
    expect(h, 0, 0, 3, 3);
    mig_page_history_free(h);
}

/*
 * Why never the pending bitmap: a page that was written once and is held back
 * stays pending, and would prove itself frequent.  The raw bits forget it.
 */
static void test_pending_would_lie(void)
{
    MigPageHistory *right = history_new(), *wrong = history_new();
    uint64_t pending[WORDS] = { 0 };
    uint64_t raw[WORDS];
    int i;

    for (i = 1; i <= 20; i++) {
        memset(raw, 0, sizeof(raw));
        if (i <= 3) {
            set(raw, 0);
        }
        pending[0] |= raw[0];
        mig_page_history_sync(right, 0, 0, raw, NULL, PAGES);
        mig_page_history_sync(wrong, 0, 0, pending, NULL, PAGES);
        mig_page_history_sync_end(right, i * SEC);
        mig_page_history_sync_end(wrong, i * SEC);
        /* While it is written, both are right. */
        if (i == 3) {
            g_assert_true(mig_page_history_is_frequent(right, 0, 0));
            g_assert_true(mig_page_history_is_frequent(wrong, 0, 0));
        }
    }
    g_assert_false(mig_page_history_is_frequent(right, 0, 0));
    g_assert_cmpint(mig_page_history_next(right, 0, pending, 0, PAGES, 2, true),
                    ==, 0);
    g_assert_true(mig_page_history_is_frequent(wrong, 0, 0));
    g_assert_cmpint(mig_page_history_next(wrong, 0, pending, 0, PAGES, 2, true),
                    ==, PAGES);
    mig_page_history_free(right);
    mig_page_history_free(wrong);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-history-logs/cleared-at-sync",
                    test_cleared_at_sync);
    g_test_add_func("/page-history-logs/dirty-ring", test_dirty_ring);
    g_test_add_func("/page-history-logs/manual-protect", test_manual_protect);
    g_test_add_func("/page-history-logs/initially-set", test_initially_set);
    g_test_add_func("/page-history-logs/mask-matters", test_mask_matters);
    g_test_add_func("/page-history-logs/pending-would-lie",
                    test_pending_would_lie);
    return g_test_run();
}
