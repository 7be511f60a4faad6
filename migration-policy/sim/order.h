/*
 * In which order pending pages are sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_ORDER_H
#define MIG_SIM_ORDER_H

#include "guest.h"

typedef struct SimOrder SimOrder;

/* "stock" or "history"; NULL and *errmsg (g_free) for anything else. */
SimOrder *sim_order_new(const char *name, const SimGuest *g, char **errmsg);
void sim_order_free(SimOrder *o);

/* A sync was done: raw is what the log held; at a round's end order starts. */
bool sim_order_wants_raw(const SimOrder *o);
void sim_order_synced(SimOrder *o, const SimGuest *g, const uint64_t *raw,
                      int64_t now_ns, bool round_ends);

/*
 * The next pages: bits of one word, all of them pending.  False when this
 * stage has none left.  withhold leaves out what the order knows to be hot.
 */
bool sim_order_next(SimOrder *o, const SimGuest *g, bool withhold,
                    size_t *word, uint64_t *bits);

/*
 * sim_order_next() had none left: true when there is a further stage, before
 * which the dirty bitmap should be refreshed.
 */
bool sim_order_next_stage(SimOrder *o);

#endif
