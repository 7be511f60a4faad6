/*
 * Link bandwidth, measured over the time in which the link was busy.
 *
 * QEMU's own figure is bytes over the last 100 ms, whatever happened in them:
 * it falls to nothing while nothing is sent, and to a fraction while zero
 * pages are scanned, and every forecast with it.  This meter counts only
 * intervals in which the link was the bottleneck, smooths over them, and keeps
 * its last value otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_BANDWIDTH_H
#define MIG_POLICY_BANDWIDTH_H

#include "env.h"

typedef struct MigBandwidth {
    int64_t bps;                /* bytes per second, -1 until known */
    int64_t window_ns;          /* of the interval being gathered */
    int64_t window_bytes;
    int64_t window_pages;       /* pages with content */
    int64_t window_zero_pages;
} MigBandwidth;

void mig_bandwidth_init(MigBandwidth *bw);

/*
 * Add an interval of busy_ns in which bytes were sent, with so many pages with
 * content and so many zero pages in them.  Called by whoever sends, several
 * times a second; idle and sync time must not be part of busy_ns.
 */
void mig_bandwidth_add(MigBandwidth *bw, int64_t busy_ns, int64_t bytes,
                       int64_t pages, int64_t zero_pages);

/* Bytes per second, -1 until known. */
int64_t mig_bandwidth_bps(const MigBandwidth *bw);

#endif
