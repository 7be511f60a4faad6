/*
 * A guest's memory on paper.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

SimGuest *sim_guest_new(int64_t page_bytes, const MigTraceBlock *blocks,
                        size_t n_blocks, bool check)
{
    SimGuest *g = g_new0(SimGuest, 1);
    size_t i;

    g->page_bytes = page_bytes;
    g->n_blocks = n_blocks;
    g->blocks = g_new0(SimBlock, n_blocks);
    for (i = 0; i < n_blocks; i++) {
        SimBlock *b = &g->blocks[i];

        b->name = g_strdup(blocks[i].name);
        b->pages = blocks[i].bytes / page_bytes;
        b->first_word = g->n_words;
        b->n_words = (b->pages + 63) / 64;
        g->n_words += b->n_words;
        g->pages += b->pages;
    }
    g->log = g_new0(uint64_t, g->n_words);
    g->pending = g_new0(uint64_t, g->n_words);
    g->zero = g_new0(uint64_t, g->n_words);
    if (check) {
        g->version = g_new0(uint32_t, g->n_words * 64);
        g->sent_version = g_new(uint32_t, g->n_words * 64);
        memset(g->sent_version, 0xff, g->n_words * 64 * sizeof(uint32_t));
    }
    return g;
}

void sim_guest_free(SimGuest *g)
{
    size_t i;

    if (!g) {
        return;
    }
    for (i = 0; i < g->n_blocks; i++) {
        g_free(g->blocks[i].name);
    }
    g_free(g->blocks);
    g_free(g->log);
    g_free(g->pending);
    g_free(g->zero);
    g_free(g->version);
    g_free(g->sent_version);
    g_free(g);
}

uint64_t sim_guest_word_mask(const SimGuest *g, size_t block, size_t word)
{
    const SimBlock *b = &g->blocks[block];
    int64_t rest = b->pages - (int64_t)(word - b->first_word) * 64;

    return rest >= 64 ? UINT64_MAX : (UINT64_C(1) << rest) - 1;
}

void sim_guest_locate(const SimGuest *g, int64_t page, size_t *word, int *bit)
{
    const SimBlock *b = g->blocks;

    while (page >= b->pages) {
        page -= b->pages;
        b++;
    }
    *word = b->first_word + page / 64;
    *bit = page % 64;
}

void sim_guest_set_zero(SimGuest *g, int64_t first_page, int64_t n_pages)
{
    int64_t page = first_page, end = first_page + n_pages;
    size_t word;
    int bit;

    while (page < end) {
        sim_guest_locate(g, page, &word, &bit);
        g->zero[word] |= UINT64_C(1) << bit;
        page++;
        /* Whole words of a block that is big enough to make it worth it. */
        while (bit == 63 && end - page >= 64 && g->n_blocks == 1) {
            g->zero[++word] = UINT64_MAX;
            page += 64;
        }
    }
}

void sim_guest_begin(SimGuest *g)
{
    size_t b, w;

    g->dirty_zero_pages = 0;
    for (b = 0; b < g->n_blocks; b++) {
        for (w = 0; w < g->blocks[b].n_words; w++) {
            size_t word = g->blocks[b].first_word + w;

            g->pending[word] = sim_guest_word_mask(g, b, word);
            g->log[word] = 0;
            g->dirty_zero_pages += __builtin_popcountll(g->zero[word]);
        }
    }
    g->pending_pages = g->pages;
    g->dirty_pages = g->pages;
}

int64_t sim_guest_sync(SimGuest *g, uint64_t *raw)
{
    int64_t found = 0;
    size_t w;

    if (raw) {
        memcpy(raw, g->log, g->n_words * sizeof(*raw));
    }
    for (w = 0; w < g->n_words; w++) {
        if (g->log[w]) {
            found += __builtin_popcountll(g->log[w] & ~g->pending[w]);
            g->pending[w] |= g->log[w];
            g->log[w] = 0;
        }
    }
    g->pending_pages += found;
    return found;
}

char *sim_guest_check(const SimGuest *g)
{
    int64_t pending = 0, dirty = 0, zero = 0;
    size_t w;

    for (w = 0; w < g->n_words; w++) {
        pending += __builtin_popcountll(g->pending[w]);
        dirty += __builtin_popcountll(g->pending[w] | g->log[w]);
        zero += __builtin_popcountll(g->pending[w] & g->zero[w]);
        if (g->log[w] & g->zero[w]) {
            return g_strdup("a page that was written counts as zero");
        }
    }
    if (pending != g->pending_pages || dirty != g->dirty_pages ||
        zero != g->dirty_zero_pages) {
        return g_strdup_printf(
            "counted %" PRId64 " pending, %" PRId64 " dirty, %" PRId64
            " zero pages; kept %" PRId64 ", %" PRId64 ", %" PRId64, pending,
            dirty, zero, g->pending_pages, g->dirty_pages,
            g->dirty_zero_pages);
    }
    return NULL;
}

char *sim_guest_check_sent(const SimGuest *g)
{
    size_t b;
    int64_t p;

    for (b = 0; b < g->n_blocks; b++) {
        for (p = 0; p < g->blocks[b].pages; p++) {
            size_t i = g->blocks[b].first_word * 64 + p;

            if (g->version[i] != g->sent_version[i]) {
                return g_strdup_printf(
                    "block '%s', page %" PRId64 ": the destination has "
                    "version %d, the source %" PRIu32, g->blocks[b].name, p,
                    (int32_t)g->sent_version[i], g->version[i]);
            }
        }
    }
    return NULL;
}
