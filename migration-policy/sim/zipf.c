/*
 * Random ranks with Zipf's distribution, by rejection-inversion.
 *
 * W. Hoermann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996: invert the
 * integral of x^-s instead of the sum, and reject where the two differ.  No
 * table, a few library calls a number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "zipf.h"

/* (e^x - 1) / x and log(1 + x) / x, also near zero. */
static double expm1_over(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double log1p_over(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

/* Integral of x^-s from 1, and its inverse. */
static double zipf_h(const SimZipf *z, double x)
{
    double l = log(x);

    return expm1_over((1 - z->s) * l) * l;
}

static double zipf_h_inverse(const SimZipf *z, double y)
{
    double t = MAX(y * (1 - z->s), -1);

    return exp(log1p_over(t) * y);
}

void sim_zipf_init(SimZipf *z, int64_t n, double s)
{
    z->n = n;
    z->s = s;
    z->h_first = zipf_h(z, 1.5) - 1;
    z->h_last = zipf_h(z, n + 0.5);
    z->cut = 2 - zipf_h_inverse(z, zipf_h(z, 2.5) - pow(2, -s));
}

int64_t sim_zipf_next(const SimZipf *z, uint64_t *random)
{
    for (;;) {
        double u = (double)(sim_random(random) >> 11) * 0x1p-53;
        double y = z->h_last + u * (z->h_first - z->h_last);
        double x = zipf_h_inverse(z, y);
        double k = floor(x + 0.5);

        k = CLAMP(k, 1, z->n);
        if (k - x <= z->cut || y >= zipf_h(z, k + 0.5) - pow(k, -z->s)) {
            return (int64_t)k;
        }
    }
}
