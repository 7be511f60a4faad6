/*
 * Random ranks with Zipf's distribution.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_ZIPF_H
#define MIG_SIM_ZIPF_H

#include "text.h"

typedef struct SimZipf {
    double n, s;
    double h_first, h_last, cut;
} SimZipf;

/* Ranks 1 to n, rank k with a probability proportional to k^-s; s > 0. */
void sim_zipf_init(SimZipf *z, int64_t n, double s);
int64_t sim_zipf_next(const SimZipf *z, uint64_t *random);

#endif
