/*
 * Link bandwidth, measured over the time in which the link was busy.
 *
 *   1. Gather intervals until they cover at least 100 ms of busy time: QEMU
 *      sends in bursts, and shorter windows see only the bursts.
 *   2. Drop a window in which most pages were zero pages: the time went into
 *      looking at them, not into the link.
 *   3. Smooth what is left (EWMA), so that one odd window moves no decision.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bandwidth.h"

/* Shorter windows show how QEMU's buffer fills, not what the link carries. */
#define BANDWIDTH_WINDOW_NS INT64_C(100000000)
/* Weight of the newest window: half of a change is seen after two windows. */
#define BANDWIDTH_EWMA_WEIGHT 0.3
/* Largest double that converts to int64_t without overflow. */
#define BANDWIDTH_MAX_BPS 9.2e18

void mig_bandwidth_init(MigBandwidth *bw)
{
    *bw = (MigBandwidth) { .bps = -1 };
}

static int64_t bandwidth_sum(int64_t a, int64_t b)
{
    if (b <= 0) {
        return a;
    }
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

void mig_bandwidth_add(MigBandwidth *bw, int64_t busy_ns, int64_t bytes,
                       int64_t pages, int64_t zero_pages)
{
    double bps;

    bw->window_ns = bandwidth_sum(bw->window_ns, busy_ns);
    bw->window_bytes = bandwidth_sum(bw->window_bytes, bytes);
    bw->window_pages = bandwidth_sum(bw->window_pages, pages);
    bw->window_zero_pages = bandwidth_sum(bw->window_zero_pages, zero_pages);
    if (bw->window_ns < BANDWIDTH_WINDOW_NS) {
        return;
    }

    if (bw->window_bytes > 0 && bw->window_zero_pages <= bw->window_pages) {
        bps = (double)bw->window_bytes * 1e9 / (double)bw->window_ns;
        if (bw->bps >= 0) {
            bps = bw->bps + BANDWIDTH_EWMA_WEIGHT * (bps - bw->bps);
        }
        bw->bps = bps < BANDWIDTH_MAX_BPS ? (int64_t)bps : INT64_MAX;
    }
    bw->window_ns = 0;
    bw->window_bytes = 0;
    bw->window_pages = 0;
    bw->window_zero_pages = 0;
}

int64_t mig_bandwidth_bps(const MigBandwidth *bw)
{
    return bw->bps;
}
