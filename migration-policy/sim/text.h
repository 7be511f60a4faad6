/*
 * Numbers with units, as people write them on a command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_TEXT_H
#define MIG_SIM_TEXT_H

#include "../env.h"

/*
 * Each returns false and sets *errmsg (g_free), naming what, when text is not
 * such a number.
 *
 * _bytes: 512M, 1T, 4096; K, M, G, T are powers of 1024.
 * _count: 25000, 25k, 1.5M; k, M, G are powers of 1000.
 * _time:  3s, 200ms, 5m; without a unit seconds.
 * _pct:   40 or 40%.
 */
bool sim_parse_bytes(const char *what, const char *text, int64_t *value,
                     char **errmsg);
bool sim_parse_count(const char *what, const char *text, int64_t *value,
                     char **errmsg);
bool sim_parse_time(const char *what, const char *text, int64_t *ns,
                    char **errmsg);
bool sim_parse_pct(const char *what, const char *text, int64_t *value,
                   char **errmsg);

/* splitmix64: the state goes on by one step, a random word comes out. */
static inline uint64_t sim_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A random number below n. */
static inline uint64_t sim_random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)sim_random(state) * n) >> 64);
}

/* a * b / c without overflow on the way. */
static inline int64_t sim_muldiv(int64_t a, int64_t b, int64_t c)
{
    return (int64_t)((__int128)a * b / c);
}

#endif
