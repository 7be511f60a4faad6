/*
 * The link: how fast bytes leave, and when.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_LINK_H
#define MIG_SIM_LINK_H

#include "../env.h"

typedef struct SimLink {
    int64_t bps;                /* bytes per second at best */
    int64_t buffer_bytes;       /* in flight: sockets, queues */
    /*
     * Shared: in each period others take a random share of up to share_pct of
     * it; 0: nobody does.
     */
    int64_t share_pct;
    int64_t period_ns;
    uint64_t seed;
    /* From drop_ns on only drop_pct of it is left; -1: no drop. */
    int64_t drop_ns;
    int64_t drop_pct;
    /* max-bandwidth, which does not hold once the guest is stopped; 0: none */
    int64_t cap_bps;

    /* when all that was accepted has left, and what is too small for a ns */
    int64_t busy_until_ns;
    int64_t carry;
} SimLink;

#define SIM_LINK_DEFAULT { .bps = 64 << 20, .buffer_bytes = 256 << 10, \
    .period_ns = 1000000000, .drop_ns = -1, .seed = 1 }

/*
 * "64M", "10G,shared=40%,period=1s", "1G,drop=20%@10s", "64M,buffer=1M".
 * Sizes are powers of two; a trailing "bit" means bits of powers of ten.
 * Returns false and sets *errmsg (g_free).
 */
bool sim_link_parse(SimLink *link, const char *text, char **errmsg);

/* Bytes per second at a time, and until when that holds. */
int64_t sim_link_bps(const SimLink *link, int64_t now_ns, bool capped,
                     int64_t *until_ns);

/*
 * Hand over bytes at now_ns.  Returns when the sender may go on: at once while
 * the buffer has room.
 */
int64_t sim_link_send(SimLink *link, int64_t now_ns, int64_t bytes,
                      bool capped);

#endif
