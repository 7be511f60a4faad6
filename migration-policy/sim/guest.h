/*
 * A guest's memory on paper: which pages are dirty, pending, zero.
 *
 * All blocks lie behind each other in one array of 64-bit words, each block
 * beginning at a word of its own, so that everything is done 64 pages at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_GUEST_H
#define MIG_SIM_GUEST_H

#include "trace.h"

typedef struct SimBlock {
    char *name;
    int64_t pages;
    size_t first_word;
    size_t n_words;
} SimBlock;

typedef struct SimGuest {
    int64_t page_bytes;
    int64_t pages;
    SimBlock *blocks;
    size_t n_blocks;
    size_t n_words;

    uint64_t *log;      /* written since the last sync: the dirty log */
    uint64_t *pending;  /* known to be dirty and not yet sent */
    uint64_t *zero;     /* never written, all zero */
    int64_t pending_pages;
    /* as of now, known or not: pending or in the log, and its zero pages */
    int64_t dirty_pages;
    int64_t dirty_zero_pages;

    /* Only when the simulation checks itself: a content version a page. */
    uint32_t *version;
    uint32_t *sent_version;
} SimGuest;

/* A guest with these blocks, nothing dirty, nothing zero. */
SimGuest *sim_guest_new(int64_t page_bytes, const MigTraceBlock *blocks,
                        size_t n_blocks, bool check);
void sim_guest_free(SimGuest *g);

/* The bits of a word that are pages. */
uint64_t sim_guest_word_mask(const SimGuest *g, size_t block, size_t word);

/* Pages of the whole guest counted through its blocks: word and bit of one. */
void sim_guest_locate(const SimGuest *g, int64_t page, size_t *word, int *bit);

/* These pages are all zero and have never been written. */
void sim_guest_set_zero(SimGuest *g, int64_t first_page, int64_t n_pages);

/* Everything is pending, the log is empty: a migration begins. */
void sim_guest_begin(SimGuest *g);

/*
 * What a dirty-bitmap sync does: the log goes into pending and is cleared.
 * Returns how many pages were not pending before.  raw, if not NULL, gets the
 * log as it was (n_words words).
 */
int64_t sim_guest_sync(SimGuest *g, uint64_t *raw);

/* The guest writes these pages of a word. */
static inline void sim_guest_write(SimGuest *g, size_t word, uint64_t bits)
{
    uint64_t fresh = bits & ~g->log[word];

    if (G_UNLIKELY(g->version != NULL)) {
        uint64_t left = bits;

        for (; left; left &= left - 1) {
            g->version[word * 64 + __builtin_ctzll(left)]++;
        }
    }
    if (!fresh) {
        return;
    }
    g->log[word] |= fresh;
    if (g->zero[word] & fresh) {
        g->dirty_zero_pages -=
            __builtin_popcountll(g->zero[word] & fresh & g->pending[word]);
        g->zero[word] &= ~fresh;
    }
    fresh &= ~g->pending[word];
    g->dirty_pages += __builtin_popcountll(fresh);
}

/* These pages of a word, all pending, go out with what they hold now. */
static inline void sim_guest_send(SimGuest *g, size_t word, uint64_t bits,
                                  int64_t *pages, int64_t *zero_pages)
{
    int64_t n = __builtin_popcountll(bits);
    int64_t zero = __builtin_popcountll(bits & g->zero[word]);

    if (G_UNLIKELY(g->version != NULL)) {
        uint64_t left = bits;

        for (; left; left &= left - 1) {
            size_t page = word * 64 + __builtin_ctzll(left);

            g->sent_version[page] = g->version[page];
        }
    }
    g->pending[word] &= ~bits;
    g->pending_pages -= n;
    g->dirty_pages -= __builtin_popcountll(bits & ~g->log[word]);
    g->dirty_zero_pages -= zero;
    *pages = n - zero;
    *zero_pages = zero;
}

/* Recounts everything; NULL or what does not add up (g_free). */
char *sim_guest_check(const SimGuest *g);

/* The destination's content against the source's: NULL or what is wrong. */
char *sim_guest_check_sent(const SimGuest *g);

#endif
