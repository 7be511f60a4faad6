/*
 * In which order pending pages are sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_ORDER_H
#define MIG_SIM_ORDER_H

#include "guest.h"
#include "page-history.h"

typedef struct SimOrder SimOrder;

/*
 * "stock" or "history"; NULL and *errmsg (g_free) for anything else.  A page
 * history is kept when the order or the policy needs one.
 */
SimOrder *sim_order_new(const char *name, const SimGuest *g,
                        const MigPageHistoryConfig *config, bool keep_history,
                        char **errmsg);
void sim_order_free(SimOrder *o);

/* NULL: none is kept. */
const MigPageHistory *sim_order_history(const SimOrder *o);

/* The order's stages begin and are fed from here on. */
void sim_order_begin(SimOrder *o, int64_t now_ns);

/* A sync was done: raw is what the log held; stages begin anew. */
void sim_order_synced(SimOrder *o, const SimGuest *g, const uint64_t *raw,
                      int64_t now_ns, bool round_ends);

/* Pending pages that withholding holds back. */
int64_t sim_order_withheld_pages(const SimOrder *o, const SimGuest *g);

/*
 * The next pages: bits of one word, all of them pending.  False when the round
 * is over: none is left that may go.  withhold leaves out what the order knows to be hot.
 */
bool sim_order_next(SimOrder *o, const SimGuest *g, bool withhold,
                    size_t *word, uint64_t *bits);

/* Nothing was found since the last sync. */
bool sim_order_is_empty(const SimOrder *o);

#endif
