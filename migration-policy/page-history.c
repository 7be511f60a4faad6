/*
 * Per-page update history in bit planes.  See page-history.h for the terms.
 *
 * Three planes a block: what the open epoch has accumulated, and a counter of
 * two bits a page, bit-sliced.  "Class 1 or more", "2 or more" and "3" are
 * "or", the high bit, and "and" of two words, so that nothing here ever looks
 * at a single page but where the caller asks for one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "page-history.h"

#define WORD_PAGES 64
#define ALL_PAGES (~UINT64_C(0))
/* Counts of a region's dirty pages have 16 bits. */
#define REGION_PAGES_MAX 32768

const MigPageHistoryConfig mig_page_history_defaults = {
    .epoch_ns = INT64_C(500000000),
    .frequent_min = 2,
    .region_pages = 512,
};

typedef struct HistoryBlock {
    int64_t pages;
    int64_t words;
    uint64_t *open;             /* dirty in the open epoch */
    uint64_t *low, *high;       /* the counter */
    uint64_t *seen;             /* a bit a word: looked at in the open epoch */
    uint16_t *region;           /* dirty pages in the last epoch known */
} HistoryBlock;

struct MigPageHistory {
    MigPageHistoryConfig config;
    size_t n_blocks;
    HistoryBlock *block;
    uint64_t *words;            /* all planes of all blocks */
    int64_t n_words;
    uint16_t *regions;          /* of all blocks */
    int64_t n_regions;
    int64_t *region_bin;        /* [n]: regions with n dirty pages */
    int64_t epoch_start_ns;
    bool began;
    MigPageHistoryStats stats;
};

/* ---- words ---- */

/* Ones in each byte.  Plain C, so that it needs no library and vectorises. */
static inline uint64_t word_byte_counts(uint64_t x)
{
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) +
        ((x >> 2) & UINT64_C(0x3333333333333333));
    return (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

/* The sum of the bytes. */
static inline int64_t word_sum(uint64_t bytes)
{
    bytes = (bytes & UINT64_C(0x00ff00ff00ff00ff)) +
            ((bytes >> 8) & UINT64_C(0x00ff00ff00ff00ff));
    return (bytes * UINT64_C(0x0001000100010001)) >> 48;
}

static inline int64_t word_count(uint64_t x)
{
    return word_sum(word_byte_counts(x));
}

/* A byte holds the counts of so many words, at 8 each. */
#define BYTE_WORDS 31

/* The pages of a block's word that exist: all but in its last word. */
static inline uint64_t word_pages(const HistoryBlock *b, int64_t word)
{
    int64_t left = b->pages - word * WORD_PAGES;

    return left >= WORD_PAGES ? ALL_PAGES : (UINT64_C(1) << left) - 1;
}

/* Bits from .. WORD_PAGES - 1. */
static inline uint64_t word_from(int64_t from)
{
    return ALL_PAGES << from;
}

/* Bits 0 .. to - 1; to is 1 to 64. */
static inline uint64_t word_to(int64_t to)
{
    return ALL_PAGES >> (WORD_PAGES - to);
}

/* Pages of class min or more. */
static inline uint64_t word_class(uint64_t low, uint64_t high, int min)
{
    switch (min) {
    case 0:
        return ALL_PAGES;
    case 1:
        return high | low;
    case 2:
        return high;
    case 3:
        return high & low;
    default:
        return 0;
    }
}

static inline uint64_t block_class(const HistoryBlock *b, int64_t word, int min)
{
    return word_class(b->low[word], b->high[word], min);
}

static inline int64_t divide_up(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

/* Words of the "seen" bits. */
static inline int64_t block_seen_words(const HistoryBlock *b)
{
    return divide_up(b->words, WORD_PAGES);
}

static inline bool block_seen(const HistoryBlock *b, int64_t word)
{
    return b->seen[word / WORD_PAGES] >> (word % WORD_PAGES) & 1;
}

/* ---- set-up ---- */

MigPageHistory *mig_page_history_new(const int64_t *block_pages,
                                     size_t n_blocks,
                                     const MigPageHistoryConfig *config)
{
    MigPageHistory *h = g_new0(MigPageHistory, 1);
    int64_t region_words;
    uint16_t *region;
    uint64_t *at;
    size_t i;

    h->config = config ? *config : mig_page_history_defaults;
    g_assert(h->config.epoch_ns >= 0);
    g_assert(h->config.frequent_min >= 1 &&
             h->config.frequent_min < MIG_PAGE_HISTORY_CLASSES);
    g_assert(h->config.region_pages > 0 &&
             h->config.region_pages <= REGION_PAGES_MAX &&
             h->config.region_pages % WORD_PAGES == 0);

    region_words = h->config.region_pages / WORD_PAGES;
    h->n_blocks = n_blocks;
    h->block = g_new0(HistoryBlock, n_blocks);
    for (i = 0; i < n_blocks; i++) {
        HistoryBlock *b = &h->block[i];

        g_assert(block_pages[i] > 0);
        b->pages = block_pages[i];
        b->words = divide_up(b->pages, WORD_PAGES);
        h->n_words += 3 * b->words + block_seen_words(b);
        h->n_regions += divide_up(b->words, region_words);
    }
    h->words = g_new0(uint64_t, h->n_words);
    h->regions = g_new0(uint16_t, h->n_regions);
    at = h->words;
    region = h->regions;
    for (i = 0; i < n_blocks; i++) {
        HistoryBlock *b = &h->block[i];

        b->open = at;
        b->low = b->open + b->words;
        b->high = b->low + b->words;
        b->seen = b->high + b->words;
        at = b->seen + block_seen_words(b);
        b->region = region;
        region += divide_up(b->words, region_words);
    }
    h->region_bin = g_new0(int64_t, h->config.region_pages + 1);
    h->stats = (MigPageHistoryStats) { 0, -1, -1, -1, -1, -1,
                                       h->n_regions, -1, -1 };
    return h;
}

void mig_page_history_free(MigPageHistory *h)
{
    if (h) {
        g_free(h->region_bin);
        g_free(h->regions);
        g_free(h->words);
        g_free(h->block);
        g_free(h);
    }
}

int64_t mig_page_history_bytes(const MigPageHistory *h)
{
    return sizeof(*h) + h->n_blocks * sizeof(*h->block) +
           h->n_words * sizeof(*h->words) +
           h->n_regions * sizeof(*h->regions) +
           (h->config.region_pages + 1) * sizeof(*h->region_bin);
}

/* ---- a sync ---- */

void mig_page_history_begin(MigPageHistory *h, int64_t now_ns)
{
    size_t i;

    for (i = 0; i < h->n_blocks; i++) {
        HistoryBlock *b = &h->block[i];

        memset(b->open, 0, b->words * sizeof(uint64_t));
        memset(b->seen, 0, block_seen_words(b) * sizeof(uint64_t));
    }
    h->epoch_start_ns = now_ns;
    h->began = true;
}

/* One word; exist: its pages that are there. */
static inline void sync_word(HistoryBlock *b, int64_t word, uint64_t raw,
                             uint64_t valid, uint64_t exist)
{
    b->open[word] |= raw & valid & exist;
    b->seen[word / WORD_PAGES] |=
        (uint64_t)((valid & exist) == exist) << (word % WORD_PAGES);
}

/* Marks words [from, to) as observed. */
static void sync_seen(HistoryBlock *b, int64_t from, int64_t to)
{
    int64_t first = from / WORD_PAGES, last = (to - 1) / WORD_PAGES, i;

    if (from >= to) {
        return;
    }
    for (i = first; i <= last; i++) {
        uint64_t mask = ALL_PAGES;

        if (i == first) {
            mask &= word_from(from % WORD_PAGES);
        }
        if (i == last) {
            mask &= word_to((to - 1) % WORD_PAGES + 1);
        }
        b->seen[i] |= mask;
    }
}

void mig_page_history_sync(MigPageHistory *h, size_t block, int64_t first_page,
                           const uint64_t *raw_new, const uint64_t *valid,
                           int64_t n_pages)
{
    HistoryBlock *b;
    uint64_t *open;
    int64_t first, whole, i;

    g_assert(block < h->n_blocks);
    b = &h->block[block];
    g_assert(first_page >= 0 && first_page % WORD_PAGES == 0);
    g_assert(n_pages >= 0 && n_pages <= b->pages - first_page);
    g_assert(n_pages % WORD_PAGES == 0 || first_page + n_pages == b->pages);

    first = first_page / WORD_PAGES;
    whole = n_pages / WORD_PAGES;
    open = b->open + first;
    if (valid) {
        for (i = 0; i < whole; i++) {
            sync_word(b, first + i, raw_new[i], valid[i], ALL_PAGES);
        }
    } else {
        for (i = 0; i < whole; i++) {
            open[i] |= raw_new[i];
        }
        sync_seen(b, first, first + whole);
    }
    if (n_pages % WORD_PAGES) {
        sync_word(b, first + whole, raw_new[whole],
                  valid ? valid[whole] : ALL_PAGES,
                  word_pages(b, first + whole));
    }
}

/* ---- the end of an epoch ---- */

/* What is summed up over all regions. */
typedef struct EpochSums {
    double now_squared, before_squared, product;
} EpochSums;

/* Pages, of a few words or of a region. */
typedef struct EpochCounts {
    int64_t known, dirty, frequent, both;
} EpochCounts;

/* Counts up to BYTE_WORDS words of the open epoch into their counters. */
static inline void epoch_close_words(HistoryBlock *b, int64_t from,
                                     int64_t to, int min, EpochCounts *counts)
{
    uint64_t dirty = 0, frequent = 0, both = 0;
    int64_t i;

    for (i = from; i < to; i++) {
        bool looked_at = block_seen(b, i);
        uint64_t seen = -(uint64_t)looked_at;
        uint64_t up = b->open[i], down = seen & ~up;
        uint64_t low = b->low[i], high = b->high[i];
        uint64_t keep = ~(up | down), hot;

        /* Most of most guests: cold, and not written. */
        counts->known += looked_at ? WORD_PAGES : word_count(up);
        if (!(up | low | high)) {
            continue;
        }
        /* Saturating: up from 3 stays at 3, down from 0 at 0. */
        b->low[i] = (up & (~low | high)) | (down & ~low & high) | (keep & low);
        b->high[i] = (up & (low | high)) | (down & low & high) | (keep & high);
        b->open[i] = 0;

        hot = word_class(b->low[i], b->high[i], min);
        dirty += word_byte_counts(up);
        frequent += word_byte_counts(hot);
        both += word_byte_counts(hot & up);
    }
    counts->dirty += word_sum(dirty);
    counts->frequent += word_sum(frequent);
    counts->both += word_sum(both);
}

static void epoch_close_region(MigPageHistory *h, HistoryBlock *b,
                               int64_t from, int64_t to, uint16_t *region,
                               EpochSums *sums)
{
    MigPageHistoryStats *stats = &h->stats;
    EpochCounts counts = { 0, 0, 0, 0 };
    int64_t before = *region, i;

    for (i = from; i < to; i += BYTE_WORDS) {
        int64_t end = MIN(i + BYTE_WORDS, to);

        /* With a constant the compiler leaves the choice out of the loop. */
        switch (h->config.frequent_min) {
        case 1:
            epoch_close_words(b, i, end, 1, &counts);
            break;
        case 2:
            epoch_close_words(b, i, end, 2, &counts);
            break;
        default:
            epoch_close_words(b, i, end, 3, &counts);
            break;
        }
    }
    if (to == b->words && block_seen(b, to - 1)) {
        /* The last word was counted in full. */
        counts.known -= b->words * WORD_PAGES - b->pages;
    }
    stats->known_pages += counts.known;
    stats->dirty_pages += counts.dirty;
    stats->frequent_pages += counts.frequent;
    stats->frequent_dirty_pages += counts.both;
    if (counts.known == 0) {
        return;
    }
    stats->regions_dirty += counts.dirty > 0;
    h->region_bin[counts.dirty]++;
    sums->now_squared += (double)counts.dirty * counts.dirty;
    sums->before_squared += (double)before * before;
    sums->product += (double)counts.dirty * before;
    *region = counts.dirty;
}

static void epoch_close(MigPageHistory *h, int64_t now_ns)
{
    int64_t region_words = h->config.region_pages / WORD_PAGES;
    EpochSums sums = { 0, 0, 0 };
    size_t i;

    h->stats = (MigPageHistoryStats) {
        .epochs = h->stats.epochs + 1,
        .epoch_ns = now_ns - h->epoch_start_ns,
        .regions = h->n_regions,
    };
    memset(h->region_bin, 0,
           (h->config.region_pages + 1) * sizeof(*h->region_bin));
    for (i = 0; i < h->n_blocks; i++) {
        HistoryBlock *b = &h->block[i];

        int64_t from, r = 0;

        for (from = 0; from < b->words; from += region_words) {
            epoch_close_region(h, b, from, MIN(from + region_words, b->words),
                               &b->region[r++], &sums);
        }
        memset(b->seen, 0, block_seen_words(b) * sizeof(uint64_t));
    }
    h->stats.region_cosine = -1;
    if (sums.now_squared > 0 && sums.before_squared > 0) {
        h->stats.region_cosine = sums.product / sqrt(sums.now_squared *
                                                     sums.before_squared);
    }
    h->epoch_start_ns = now_ns;
}

bool mig_page_history_sync_end(MigPageHistory *h, int64_t now_ns)
{
    if (!h->began) {
        mig_page_history_begin(h, now_ns);
        return false;
    }
    if (now_ns - h->epoch_start_ns < h->config.epoch_ns) {
        return false;
    }
    epoch_close(h, now_ns);
    return true;
}

const MigPageHistoryStats *mig_page_history_stats(const MigPageHistory *h)
{
    return &h->stats;
}

int64_t mig_page_history_hot_regions(const MigPageHistory *h, int64_t share_pct)
{
    int64_t want = 0, regions = 0, pages;

    if (h->stats.epochs == 0) {
        return -1;
    }
    /* In hundredths of pages. */
    for (pages = h->config.region_pages; pages > 0; pages--) {
        want += h->region_bin[pages] * pages * share_pct;
    }
    for (pages = h->config.region_pages; pages > 0 && want > 0; pages--) {
        int64_t take = MIN(divide_up(want, pages * 100), h->region_bin[pages]);

        regions += take;
        want -= take * pages * 100;
    }
    return regions;
}

/* ---- the order of sending ---- */

int mig_page_history_stages(const MigPageHistory *h)
{
    return h->stats.epochs > 0 ? MIG_PAGE_HISTORY_STAGES : 1;
}

/* Of a word's pages, those that may be sent: of class below min. */
static inline uint64_t next_allowed(const HistoryBlock *b, int64_t word,
                                    int min)
{
    return min < MIG_PAGE_HISTORY_CLASSES ? ~block_class(b, word, min)
                                          : ALL_PAGES;
}

/* The first word from there on that is not zero; end if there is none. */
static inline int64_t next_pending(const uint64_t *pending, int64_t word,
                                   int64_t end)
{
    while (end - word >= 8 &&
           !(pending[word] | pending[word + 1] | pending[word + 2] |
             pending[word + 3] | pending[word + 4] | pending[word + 5] |
             pending[word + 6] | pending[word + 7])) {
        word += 8;
    }
    while (word < end && !pending[word]) {
        word++;
    }
    return word;
}

int64_t mig_page_history_next(const MigPageHistory *h, size_t block,
                              const uint64_t *pending, int64_t from_page,
                              int64_t end_page, int stage, bool withhold)
{
    const HistoryBlock *b = &h->block[block];
    int64_t word, end;
    uint64_t found;
    int min;

    g_assert(block < h->n_blocks && end_page <= b->pages);
    if (from_page >= end_page) {
        return end_page;
    }
    min = stage >= MIG_PAGE_HISTORY_STAGES - 1 ? MIG_PAGE_HISTORY_CLASSES
                                               : stage + 2;
    if (withhold) {
        min = MIN(min, (int)h->config.frequent_min);
    }

    word = from_page / WORD_PAGES;
    end = (end_page + WORD_PAGES - 1) / WORD_PAGES;
    found = pending[word] & word_from(from_page % WORD_PAGES);
    for (;;) {
        if (found) {
            found &= next_allowed(b, word, min);
        }
        if (found) {
            return MIN(word * WORD_PAGES + __builtin_ctzll(found), end_page);
        }
        word = next_pending(pending, word + 1, end);
        if (word >= end) {
            return end_page;
        }
        found = pending[word];
    }
}

int mig_page_history_class(const MigPageHistory *h, size_t block, int64_t page)
{
    return mig_page_history_range_class(h, block, page, 1);
}

bool mig_page_history_is_frequent(const MigPageHistory *h, size_t block,
                                  int64_t page)
{
    return mig_page_history_class(h, block, page) >= h->config.frequent_min;
}

/* A word's pages within [from_page, end_page). */
static inline uint64_t word_within(int64_t word, int64_t from_page,
                                   int64_t end_page)
{
    uint64_t mask = ALL_PAGES;

    if (word == from_page / WORD_PAGES) {
        mask &= word_from(from_page % WORD_PAGES);
    }
    if (word == (end_page - 1) / WORD_PAGES) {
        mask &= word_to((end_page - 1) % WORD_PAGES + 1);
    }
    return mask;
}

int mig_page_history_range_class(const MigPageHistory *h, size_t block,
                                 int64_t first_page, int64_t n_pages)
{
    const HistoryBlock *b = &h->block[block];
    int64_t end_page = first_page + n_pages, word;
    uint64_t any[MIG_PAGE_HISTORY_CLASSES] = { 0 };
    int c;

    g_assert(block < h->n_blocks && first_page >= 0 && n_pages > 0 &&
             end_page <= b->pages);
    for (word = first_page / WORD_PAGES; word * WORD_PAGES < end_page; word++) {
        uint64_t mask = word_within(word, first_page, end_page);

        for (c = 1; c < MIG_PAGE_HISTORY_CLASSES; c++) {
            any[c] |= block_class(b, word, c) & mask;
        }
    }
    for (c = MIG_PAGE_HISTORY_CLASSES - 1; c > 0; c--) {
        if (any[c]) {
            break;
        }
    }
    return c;
}

void mig_page_history_count(const MigPageHistory *h, size_t block,
                            const uint64_t *pending, int64_t from_page,
                            int64_t end_page,
                            int64_t count[MIG_PAGE_HISTORY_CLASSES],
                            int64_t *frequent)
{
    const HistoryBlock *b = &h->block[block];
    int64_t at_least[MIG_PAGE_HISTORY_CLASSES + 1] = { 0 };
    int64_t word;
    int c;

    g_assert(block < h->n_blocks && from_page >= 0 && end_page <= b->pages);
    for (word = from_page / WORD_PAGES; word * WORD_PAGES < end_page; word++) {
        uint64_t found = pending[word] & word_within(word, from_page, end_page);

        if (found) {
            for (c = 0; c < MIG_PAGE_HISTORY_CLASSES; c++) {
                at_least[c] += word_count(found & block_class(b, word, c));
            }
        }
    }
    for (c = 0; c < MIG_PAGE_HISTORY_CLASSES; c++) {
        count[c] = at_least[c] - at_least[c + 1];
    }
    if (frequent) {
        *frequent = at_least[h->config.frequent_min];
    }
}
