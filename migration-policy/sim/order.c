/*
 * In which order pending pages are sent.
 *
 *   stock    QEMU's: on from the last page, around all blocks, and around
 *            again; a refresh does not move the cursor.
 *   history  page-history.h's stages: cold pages first, then what was written
 *            more often, with a refresh between two stages, so that a hot page
 *            that is written again before its turn is sent once; in each stage
 *            as stock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "order.h"
#include "page-history.h"

struct SimOrder {
    size_t word;                /* cursor */
    size_t block;
    MigPageHistory *history;    /* NULL: stock */
    int stage;
};

SimOrder *sim_order_new(const char *name, const SimGuest *g, char **errmsg)
{
    SimOrder *o;
    size_t i;

    if (strcmp(name, "stock") && strcmp(name, "history")) {
        *errmsg = g_strdup_printf("there is no order '%s'; there are: stock, "
                                  "history", name);
        return NULL;
    }
    o = g_new0(SimOrder, 1);
    if (!strcmp(name, "history")) {
        int64_t *pages = g_new0(int64_t, g->n_blocks);

        for (i = 0; i < g->n_blocks; i++) {
            pages[i] = g->blocks[i].pages;
        }
        o->history = mig_page_history_new(pages, g->n_blocks, NULL);
        mig_page_history_begin(o->history, 0);
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

bool sim_order_wants_raw(const SimOrder *o)
{
    return o->history != NULL;
}

void sim_order_synced(SimOrder *o, const SimGuest *g, const uint64_t *raw,
                      int64_t now_ns, bool round_ends)
{
    size_t i;

    if (!o->history) {
        return;
    }
    for (i = 0; i < g->n_blocks; i++) {
        mig_page_history_sync(o->history, i, 0,
                              raw + g->blocks[i].first_word, NULL,
                              g->blocks[i].pages);
    }
    mig_page_history_sync_end(o->history, now_ns);
    if (round_ends) {
        o->stage = 0;
    }
}

/* Stock: the next word that is not zero, around everything once. */
static bool next_stock(SimOrder *o, const SimGuest *g, size_t *word,
                       uint64_t *bits)
{
    size_t w;

    if (!g->pending_pages) {
        return false;
    }
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

/* The pages of one word that may go in this stage. */
static uint64_t stage_bits(const SimOrder *o, const SimGuest *g, size_t block,
                           int64_t page, bool withhold)
{
    const SimBlock *b = &g->blocks[block];
    int64_t end = MIN((page | 63) + 1, b->pages);
    uint64_t bits = 0;

    while (page < end) {
        bits |= UINT64_C(1) << (page % 64);
        page = mig_page_history_next(o->history, block,
                                     g->pending + b->first_word, page + 1, end,
                                     o->stage, withhold);
    }
    return bits;
}

static bool next_history(SimOrder *o, const SimGuest *g, bool withhold,
                         size_t *word, uint64_t *bits)
{
    size_t i;

    if (!g->pending_pages) {
        return false;
    }
    /* The block of the cursor is looked at twice: behind it, and before it. */
    for (i = 0; i <= g->n_blocks; i++) {
        size_t block = (o->block + i) % g->n_blocks;
        const SimBlock *b = &g->blocks[block];
        int64_t from = i == 0 ? (int64_t)o->word * 64 : 0;
        int64_t page;

        if (from >= b->pages) {
            continue;
        }
        page = mig_page_history_next(o->history, block,
                                     g->pending + b->first_word, from,
                                     b->pages, o->stage, withhold);
        if (page < b->pages) {
            *word = b->first_word + page / 64;
            *bits = stage_bits(o, g, block, page, withhold);
            o->block = block;
            o->word = page / 64 + 1;
            return true;
        }
    }
    return false;
}

bool sim_order_next(SimOrder *o, const SimGuest *g, bool withhold,
                    size_t *word, uint64_t *bits)
{
    return o->history ? next_history(o, g, withhold, word, bits)
                      : next_stock(o, g, word, bits);
}

bool sim_order_next_stage(SimOrder *o)
{
    if (!o->history || o->stage >= mig_page_history_stages(o->history) - 1) {
        return false;
    }
    o->stage++;
    return true;
}
