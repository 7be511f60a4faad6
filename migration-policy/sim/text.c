/*
 * Numbers with units, as people write them on a command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "text.h"
#include <stdlib.h>

typedef struct Unit {
    const char *name;
    double factor;
} Unit;

static bool parse(const char *what, const char *text, const Unit *units,
                  const char *hint, int64_t *value, char **errmsg)
{
    char *end;
    double x = g_ascii_strtod(text, &end);

    if (end != text && x >= 0) {
        for (; units->name; units++) {
            if (!strcmp(end, units->name) && x * units->factor < 9e18) {
                *value = (int64_t)(x * units->factor + 0.5);
                return true;
            }
        }
    }
    *errmsg = g_strdup_printf("%s: '%s' is not %s", what, text, hint);
    return false;
}

bool sim_parse_bytes(const char *what, const char *text, int64_t *value,
                     char **errmsg)
{
    static const Unit units[] = {
        { "", 1 }, { "K", 1024.0 }, { "M", 1048576.0 }, { "G", 1073741824.0 },
        { "T", 1099511627776.0 }, { "Mbit", 1e6 / 8 }, { "Gbit", 1e9 / 8 },
        { NULL, 0 },
    };

    return parse(what, text, units, "a size such as 512M or 1T", value, errmsg);
}

bool sim_parse_count(const char *what, const char *text, int64_t *value,
                     char **errmsg)
{
    static const Unit units[] = {
        { "", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { NULL, 0 },
    };

    return parse(what, text, units, "a number such as 25000 or 1.5M", value,
                 errmsg);
}

bool sim_parse_time(const char *what, const char *text, int64_t *ns,
                    char **errmsg)
{
    static const Unit units[] = {
        { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "m", 6e10 },
        { "h", 3.6e12 }, { NULL, 0 },
    };

    return parse(what, text, units, "a time such as 3s or 200ms", ns, errmsg);
}

bool sim_parse_pct(const char *what, const char *text, int64_t *value,
                   char **errmsg)
{
    static const Unit units[] = { { "", 1 }, { "%", 1 }, { NULL, 0 } };

    if (!parse(what, text, units, "a percentage", value, errmsg)) {
        return false;
    }
    if (*value > 100) {
        *errmsg = g_strdup_printf("%s: %s is more than 100%%", what, text);
        return false;
    }
    return true;
}
