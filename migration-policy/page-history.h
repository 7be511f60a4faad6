/*
 * Per-page update history: which pages the guest writes often.
 *
 * Fed at each dirty-bitmap sync with the pages that the sync found dirty, it
 * keeps a few bits a page, in bit planes, so that 64 pages are updated by a
 * few word operations.  It answers three questions:
 *
 *  - in which order to send what is pending: cold pages first (the staged
 *    order, Nakai et al., "Improving the Performance of Virtual Machine Live
 *    Migration by Ordering Memory Page Transfer Based on Update History",
 *    IPSJ Journal 56(2), 2015; reconstructed from its abstract);
 *  - which pages are so hot that sending them before the stop is waste (the
 *    frequent set of frequent-set.c);
 *  - how writes are spread over memory, and whether that changes (the regions
 *    of memory-pattern.c).
 *
 * Terms
 *   word     64 pages: page p is bit p % 64 of word p / 64, an uint64_t.  A
 *            caller with other words (32 bits, or big-endian files) converts.
 *   sync     one look at the dirty log.  They come at any rate: 100 ms apart
 *            when a policy asks for refreshes, minutes apart on a big guest.
 *   epoch    the syncs of at least epoch_ns, taken together: a page is dirty
 *            in it if any of them found it dirty.  History is counted in
 *            epochs, so that it means rates and not how often somebody looked.
 *   class    of a page, 0 cold to 3 hottest: a counter that goes up by one for
 *            each epoch in which the page was dirty, and down for each in which
 *            it was not, within 0..3.  A page that is more likely than not to
 *            be written during an epoch ends up at 3, the others at 0.
 *   stage    n: pages of class n + 1 or less may be sent.  The last stage sends
 *            everything, so that a round that goes through the stages in
 *            order leaves nothing out.
 *   frequent a page of class frequent_min or more.
 *   unknown  a page that nobody looked at during an epoch (its log was not
 *            cleared): keeps its class.
 *
 * Using the stages.  A round goes through them in order, the bitmap refreshed
 * before each: a hot page that is written again before its turn is sent once.
 * Where the bitmap is refreshed more often than that (a policy asks for it), go
 * back to stage 0 after each refresh: always the coldest pages next keeps the
 * most pages clean.  Each stage keeps a cursor of its own (block and page), goes
 * on where it was, and wraps: one that begins at the front of memory each time
 * sends that over and over, and never gets to the end.  A stage is empty when
 * its cursor has come around without finding a page.  See docs/page-history.md
 * for what that is worth.
 *
 * Like the policies it reads no clock and takes no lock: the caller serialises
 * calls.  Nothing is allocated after mig_page_history_new().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_PAGE_HISTORY_H
#define MIG_PAGE_HISTORY_H

#include "env.h"

/* Classes 0 to 3. */
#define MIG_PAGE_HISTORY_CLASSES 4
/*
 * Stage 0 takes classes 0 and 1: a page that was dirty in one epoch may have
 * been passed by a sweep over memory, and is then the last to be written again.
 */
#define MIG_PAGE_HISTORY_STAGES 3

typedef struct MigPageHistory MigPageHistory;

typedef struct MigPageHistoryConfig {
    int64_t epoch_ns;           /* least length of an epoch */
    int64_t frequent_min;       /* class from which on a page is frequent, 1-3 */
    int64_t region_pages;       /* of the histogram; 64, 128, .. 32768 */
} MigPageHistoryConfig;

/* 500 ms; class 2; regions of 512 pages (2 MiB of 4 KiB pages). */
extern const MigPageHistoryConfig mig_page_history_defaults;

/* What the last closed epoch tells.  -1 as long as none was closed. */
typedef struct MigPageHistoryStats {
    int64_t epochs;             /* closed so far; 0 is a known zero */
    int64_t epoch_ns;           /* length of the last one */
    int64_t known_pages;        /* pages that were looked at in it */
    int64_t dirty_pages;        /* distinct pages found dirty in it */
    int64_t frequent_pages;     /* in the frequent set, at its end */
    int64_t frequent_dirty_pages; /* of dirty_pages, those in that set */
    int64_t regions;            /* that RAM is divided into */
    /* Over the regions of which any page was looked at: */
    int64_t regions_dirty;      /* with at least one dirty page */
    /*
     * Cosine of the angle between the dirty pages by region of this epoch and
     * of the one before: 1 is the same pattern, 0 nothing in common.  -1: not
     * known, one of the two has no dirty page.
     */
    double region_cosine;
} MigPageHistoryStats;

/*
 * A history of n_blocks blocks (at least one page each) with so many pages; a
 * block is named by its index from then on.  config NULL: the defaults.  A
 * value out of range is a programming error.  Called once a migration, before
 * it starts; a changed list of blocks needs a new history.
 */
MigPageHistory *mig_page_history_new(const int64_t *block_pages,
                                     size_t n_blocks,
                                     const MigPageHistoryConfig *config);
void mig_page_history_free(MigPageHistory *h);

/*
 * All of its memory, in bytes: with the defaults 3 + 1/64 + 1/32 bits a page
 * (planes, what was looked at, regions) and a few KiB.
 */
int64_t mig_page_history_bytes(const MigPageHistory *h);

/*
 * Observation starts now: the first epoch begins, what was accumulated and not
 * closed is dropped, classes stay.  Call it when dirty logging has just
 * started and the log was read (and cleared) once; that first reading tells
 * nothing about rates and must not be fed.
 */
void mig_page_history_begin(MigPageHistory *h, int64_t now_ns);

/*
 * A sync found these pages dirty.  first_page is a multiple of 64; raw_new and
 * valid point to the words from there on; n_pages is a multiple of 64 or
 * reaches the block's end.  A sync may come in several calls.
 *
 *   raw_new  pages whose log said dirty in this sync, whether or not they were
 *            already pending.  NEVER the pending bitmap: a page that waits to
 *            be sent looks dirty in it for ever.
 *   valid    pages whose log had been cleared since the last sync (or since
 *            begin), so that their bit means "written since then".  NULL: all
 *            of them, as with TCG, KVM without manual protect, and the dirty
 *            ring.  With KVM's manual protect a chunk that was not cleared
 *            reads all ones (initially set) or what was seen before
 *            (cumulative): leave it out.  A clean page counts as observed only
 *            if all 64 pages of its word are valid: QEMU's clear_bmap is never
 *            finer than that.
 *
 * Blocks or parts that are not fed are unknown in this sync.
 */
void mig_page_history_sync(MigPageHistory *h, size_t block, int64_t first_page,
                           const uint64_t *raw_new, const uint64_t *valid,
                           int64_t n_pages);

/*
 * All of a sync was fed.  Closes the epoch if it is old enough: classes,
 * frequent set and statistics change then, and only then.  Returns true if it
 * did.  Called once a sync; needs no lock that guards the dirty log.
 */
bool mig_page_history_sync_end(MigPageHistory *h, int64_t now_ns);

/* As of the last closed epoch. */
const MigPageHistoryStats *mig_page_history_stats(const MigPageHistory *h);

/* Stages of a round: 0 to this - 1.  Before an epoch was closed, just one. */
int mig_page_history_stages(const MigPageHistory *h);

/*
 * The first page in [from_page, end_page) that is set in pending and may be
 * sent in this stage; end_page if there is none.  pending holds the whole
 * block's bits, from page 0 on.  withhold leaves the frequent set out.  A
 * stage beyond the last is the last: everything that is pending.
 */
int64_t mig_page_history_next(const MigPageHistory *h, size_t block,
                              const uint64_t *pending, int64_t from_page,
                              int64_t end_page, int stage, bool withhold);

/* 0 to 3. */
int mig_page_history_class(const MigPageHistory *h, size_t block,
                           int64_t page);
bool mig_page_history_is_frequent(const MigPageHistory *h, size_t block,
                                  int64_t page);

/* The highest class among pages [first_page, first_page + n): a host page's. */
int mig_page_history_range_class(const MigPageHistory *h, size_t block,
                                 int64_t first_page, int64_t n_pages);

/* Pages set in pending, by class; *frequent (may be NULL): the withheld. */
void mig_page_history_count(const MigPageHistory *h, size_t block,
                            const uint64_t *pending, int64_t from_page,
                            int64_t end_page,
                            int64_t count[MIG_PAGE_HISTORY_CLASSES],
                            int64_t *frequent);

/*
 * The least number of regions that hold share_pct percent of the last epoch's
 * dirty pages: the hot regions.  -1 before an epoch was closed.
 */
int64_t mig_page_history_hot_regions(const MigPageHistory *h,
                                     int64_t share_pct);

#endif
