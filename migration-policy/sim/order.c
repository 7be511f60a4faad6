/*
 * In which order pending pages are sent.
 *
 *   stock    QEMU's: on from the last page, around all blocks, and around
 *            again; a refresh does not move the cursor.
 *   history  page-history.h's stages: the coldest pages first; after each
 *            refresh again from stage 0; each stage has a cursor of its own.
 *            A round ends when as many pages were sent as were dirty at its
 *            start, or none is left that may go.
 *
 * As in the series for QEMU, migration/ram-history.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "order.h"

typedef struct Cursor {
    size_t block, word;         /* word of the block */
} Cursor;

struct SimOrder {
    bool staged;
    size_t word;                /* stock's cursor, of the guest */
    Cursor cursor[MIG_PAGE_HISTORY_CLASSES];
    int stage;
    MigPageHistory *history;    /* NULL: none is kept */
    int64_t round_pages;        /* left of the round, in stages */
    int64_t found_pages;        /* since the last sync */
};

SimOrder *sim_order_new(const char *name, const SimGuest *g,
                        const MigPageHistoryConfig *config, bool keep_history,
                        char **errmsg)
{
    SimOrder *o;
    size_t i;

    if (strcmp(name, "stock") && strcmp(name, "history")) {
        *errmsg = g_strdup_printf("there is no order '%s'; there are: stock, "
                                  "history", name);
        return NULL;
    }
    o = g_new0(SimOrder, 1);
    o->staged = !strcmp(name, "history");
    o->round_pages = g->pages;
    if (o->staged || keep_history) {
        int64_t *pages = g_new0(int64_t, g->n_blocks);

        for (i = 0; i < g->n_blocks; i++) {
            pages[i] = g->blocks[i].pages;
        }
        o->history = mig_page_history_new(pages, g->n_blocks, config);
        g_free(pages);
    }
    return o;
}

void sim_order_free(SimOrder *o)
{
    if (o) {
        mig_page_history_free(o->history);
        g_free(o);
    }
}

const MigPageHistory *sim_order_history(const SimOrder *o)
{
    return o->history;
}

void sim_order_begin(SimOrder *o, int64_t now_ns)
{
    if (o->history) {
        mig_page_history_begin(o->history, now_ns);
    }
}

void sim_order_synced(SimOrder *o, const SimGuest *g, const uint64_t *raw,
                      int64_t now_ns, bool round_ends)
{
    size_t i;

    if (round_ends) {
        o->round_pages = g->pending_pages;
    }
    o->found_pages = 0;
    if (!o->history) {
        return;
    }
    for (i = 0; i < g->n_blocks; i++) {
        mig_page_history_sync(o->history, i, 0,
                              raw + g->blocks[i].first_word, NULL,
                              g->blocks[i].pages);
    }
    mig_page_history_sync_end(o->history, now_ns);
    o->stage = 0;
}

int64_t sim_order_withheld_pages(const SimOrder *o, const SimGuest *g)
{
    int64_t count[MIG_PAGE_HISTORY_CLASSES], frequent, pages = 0;
    size_t i;

    for (i = 0; o->history && i < g->n_blocks; i++) {
        const SimBlock *b = &g->blocks[i];

        memset(count, 0, sizeof(count));
        frequent = 0;
        mig_page_history_count(o->history, i, g->pending + b->first_word, 0,
                               b->pages, count, &frequent);
        pages += frequent;
    }
    return pages;
}

/* Stock: the next word that is not zero, around everything once. */
static bool next_stock(SimOrder *o, const SimGuest *g, size_t *word,
                       uint64_t *bits)
{
    size_t w;

    for (w = o->word; w < g->n_words && !g->pending[w]; w++) {
        /* on */
    }
    if (w == g->n_words) {
        for (w = 0; !g->pending[w]; w++) {
            /* there is one, or pending_pages would be zero */
        }
    }
    *word = w;
    *bits = g->pending[w];
    o->word = w + 1 < g->n_words ? w + 1 : 0;
    return true;
}

/* The pages of one word that may go in this stage, from page on. */
static uint64_t stage_bits(const SimOrder *o, const SimGuest *g, size_t block,
                           int64_t page, int stage, bool withhold)
{
    const SimBlock *b = &g->blocks[block];
    int64_t end = MIN((page | 63) + 1, b->pages);
    uint64_t bits = 0;

    while (page < end) {
        bits |= UINT64_C(1) << (page % 64);
        page = mig_page_history_next(o->history, block,
                                     g->pending + b->first_word, page + 1, end,
                                     stage, withhold);
    }
    return bits;
}

static bool next_history(SimOrder *o, const SimGuest *g, Cursor *cursor,
                         int stage, bool withhold, size_t *word,
                         uint64_t *bits)
{
    size_t i;

    /* The block of the cursor is looked at twice: behind it, and before it. */
    for (i = 0; i <= g->n_blocks; i++) {
        size_t block = (cursor->block + i) % g->n_blocks;
        const SimBlock *b = &g->blocks[block];
        int64_t from = i == 0 ? (int64_t)cursor->word * 64 : 0;
        int64_t page;

        if (from >= b->pages) {
            continue;
        }
        page = mig_page_history_next(o->history, block,
                                     g->pending + b->first_word, from,
                                     b->pages, stage, withhold);
        if (page < b->pages) {
            *word = b->first_word + page / 64;
            *bits = stage_bits(o, g, block, page, stage, withhold);
            cursor->block = block;
            cursor->word = page / 64 + 1;
            return true;
        }
    }
    return false;
}

bool sim_order_next(SimOrder *o, const SimGuest *g, bool withhold,
                    size_t *word, uint64_t *bits)
{
    int stages = o->staged ? mig_page_history_stages(o->history) : 1;
    bool found = false;

    if (!g->pending_pages) {
        return false;
    }
    if (!o->staged && !(withhold && o->history)) {
        found = next_stock(o, g, word, bits);
    } else if (o->round_pages > 0) {
        for (; o->stage < stages && !found; o->stage += !found) {
            /* Unstaged, it is QEMU's order without the frequent set. */
            found = next_history(o, g, &o->cursor[o->stage], o->staged
                                 ? o->stage : MIG_PAGE_HISTORY_CLASSES - 1,
                                 withhold, word, bits);
        }
    }
    if (found) {
        o->found_pages += __builtin_popcountll(*bits);
        o->round_pages -= __builtin_popcountll(*bits);
    }
    return found;
}

bool sim_order_is_empty(const SimOrder *o)
{
    return !o->found_pages;
}
