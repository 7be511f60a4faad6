/*
 * The link: how fast bytes leave, and when.
 *
 * Bytes are accepted into a buffer and leave it at the link's rate, which is
 * constant in each period.  The sender is blocked while the buffer is full;
 * what is in it at the switchover is part of the downtime.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "link.h"
#include "text.h"

#define NS_PER_S INT64_C(1000000000)

static bool link_set(SimLink *link, const char *key, const char *value,
                     char **errmsg)
{
    if (!strcmp(key, "shared")) {
        return sim_parse_pct("link: shared", value, &link->share_pct, errmsg);
    }
    if (!strcmp(key, "period")) {
        return sim_parse_time("link: period", value, &link->period_ns, errmsg);
    }
    if (!strcmp(key, "buffer")) {
        return sim_parse_bytes("link: buffer", value, &link->buffer_bytes,
                               errmsg);
    }
    if (!strcmp(key, "max-bandwidth")) {
        return sim_parse_bytes("link: max-bandwidth", value, &link->cap_bps,
                               errmsg);
    }
    if (!strcmp(key, "seed")) {
        int64_t seed;
        bool ok = sim_parse_count("link: seed", value, &seed, errmsg);

        link->seed = seed;
        return ok;
    }
    if (!strcmp(key, "drop")) {
        g_auto(GStrv) part = g_strsplit(value, "@", 2);

        if (!part[0] || !part[1]) {
            *errmsg = g_strdup_printf("link: drop: '%s' is not PERCENT@TIME, "
                                      "such as 20%%@10s", value);
            return false;
        }
        return sim_parse_pct("link: drop", part[0], &link->drop_pct, errmsg) &&
               sim_parse_time("link: drop", part[1], &link->drop_ns, errmsg);
    }
    *errmsg = g_strdup_printf("link: no setting '%s'; there are: shared, "
                              "period, drop, buffer, max-bandwidth, seed", key);
    return false;
}

bool sim_link_parse(SimLink *link, const char *text, char **errmsg)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    char **p;

    if (!parts[0] || !sim_parse_bytes("link", parts[0], &link->bps, errmsg)) {
        if (!parts[0]) {
            *errmsg = g_strdup("link: no bandwidth");
        }
        return false;
    }
    for (p = parts + 1; *p; p++) {
        char *value = strchr(*p, '=');

        if (!value) {
            *errmsg = g_strdup_printf("link: '%s' is not SETTING=VALUE", *p);
            return false;
        }
        *value++ = '\0';
        if (!link_set(link, *p, value, errmsg)) {
            return false;
        }
    }
    if (link->bps < 1024 || link->period_ns < 1000000) {
        *errmsg = g_strdup("link: less than 1 KiB/s, or a period of less than "
                           "1 ms");
        return false;
    }
    return true;
}

int64_t sim_link_bps(const SimLink *link, int64_t now_ns, bool capped,
                     int64_t *until_ns)
{
    int64_t bps = link->bps;

    *until_ns = INT64_MAX;
    if (link->share_pct) {
        int64_t period = now_ns / link->period_ns;
        uint64_t state = link->seed * 1000003 + period;
        int64_t taken = sim_random_below(&state, link->share_pct * 1000 + 1);

        bps = sim_muldiv(bps, 100000 - taken, 100000);
        *until_ns = (period + 1) * link->period_ns;
    }
    if (link->drop_ns >= 0) {
        if (now_ns >= link->drop_ns) {
            bps = sim_muldiv(bps, link->drop_pct, 100);
        } else {
            *until_ns = MIN(*until_ns, link->drop_ns);
        }
    }
    if (capped && link->cap_bps) {
        bps = MIN(bps, link->cap_bps);
    }
    /* A dead link would never let go: a byte a millisecond is dead enough. */
    return MAX(bps, 1000);
}

int64_t sim_link_send(SimLink *link, int64_t now_ns, int64_t bytes,
                      bool capped)
{
    int64_t at_ns = MAX(now_ns, link->busy_until_ns);
    int64_t bps, until_ns, room_ns;

    if (at_ns > link->busy_until_ns) {
        link->carry = 0;
    }
    for (;;) {
        __int128 need;
        int64_t ns;

        bps = sim_link_bps(link, at_ns, capped, &until_ns);
        need = (__int128)bytes * NS_PER_S + link->carry;
        ns = (int64_t)(need / bps);
        if (until_ns == INT64_MAX || at_ns + ns <= until_ns) {
            at_ns += ns;
            link->carry = (int64_t)(need % bps);
            break;
        }
        bytes -= sim_muldiv(until_ns - at_ns, bps, NS_PER_S);
        bytes = MAX(bytes, 0);
        link->carry = 0;
        at_ns = until_ns;
    }
    link->busy_until_ns = at_ns;
    room_ns = sim_muldiv(link->buffer_bytes, NS_PER_S, bps);
    return MAX(now_ns, at_ns - room_ns);
}
