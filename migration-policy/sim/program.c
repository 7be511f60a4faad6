/*
 * Programs as they are written on the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "writer.h"
#include "text.h"

const char sim_program_help[] =
    "  PATTERN[,SETTING=VALUE...], where PATTERN is one of\n"
    "    uniform  every page of the set is as likely\n"
    "    zipf     rank k with a probability of 1 / k^s\n"
    "    hot      'share' of the writes go to 'hot' of the set\n"
    "    sweep    one page after the other, over and over\n"
    "  set=SIZE   memory it writes (default 60M)\n"
    "  rate=N     page writes a second while it works (default 25k)\n"
    "  at=SIZE    where the set begins (default: behind the one before)\n"
    "  share=PCT, hot=PCT           of 'hot' (default 90%, 10%)\n"
    "  s=X, scatter=yes|no          of 'zipf' (default 0.99, yes)\n"
    "  burst=TIME, quiet=TIME, phase=TIME   works, rests, works, ...; where\n"
    "             in that it is at the start\n"
    "  from=TIME, until=TIME        works only then\n"
    "  seed=N     (default 1)\n";

static bool program_set(SimProgram *p, const char *key, const char *value,
                        char **errmsg)
{
    int64_t number;

    if (!strcmp(key, "rate")) {
        return sim_parse_count("rate", value, &p->rate, errmsg);
    }
    if (!strcmp(key, "set")) {
        return sim_parse_bytes("set", value, &p->set_bytes, errmsg);
    }
    if (!strcmp(key, "at")) {
        return sim_parse_bytes("at", value, &p->at_bytes, errmsg);
    }
    if (!strcmp(key, "share")) {
        return sim_parse_pct("share", value, &p->share_pct, errmsg);
    }
    if (!strcmp(key, "hot")) {
        return sim_parse_pct("hot", value, &p->hot_pct, errmsg);
    }
    if (!strcmp(key, "burst")) {
        return sim_parse_time("burst", value, &p->burst_ns, errmsg);
    }
    if (!strcmp(key, "quiet")) {
        return sim_parse_time("quiet", value, &p->quiet_ns, errmsg);
    }
    if (!strcmp(key, "phase")) {
        return sim_parse_time("phase", value, &p->phase_ns, errmsg);
    }
    if (!strcmp(key, "from")) {
        return sim_parse_time("from", value, &p->from_ns, errmsg);
    }
    if (!strcmp(key, "until")) {
        return sim_parse_time("until", value, &p->until_ns, errmsg);
    }
    if (!strcmp(key, "seed")) {
        if (!sim_parse_count("seed", value, &number, errmsg)) {
            return false;
        }
        p->seed = number;
        return true;
    }
    if (!strcmp(key, "scatter")) {
        p->scatter = !strcmp(value, "yes");
        if (p->scatter || !strcmp(value, "no")) {
            return true;
        }
        *errmsg = g_strdup_printf("scatter: '%s' is neither yes nor no", value);
        return false;
    }
    if (!strcmp(key, "s")) {
        char *end;

        p->exponent = g_ascii_strtod(value, &end);
        if (!*end && p->exponent >= 0.01 && p->exponent <= 10) {
            return true;
        }
        *errmsg = g_strdup_printf("s: '%s' is not from 0.01 to 10", value);
        return false;
    }
    *errmsg = g_strdup_printf("a program has no setting '%s'; see --help", key);
    return false;
}

bool sim_program_parse(SimProgram *p, const char *text, char **errmsg)
{
    static const char *const patterns[] = {
        [SIM_UNIFORM] = "uniform", [SIM_ZIPF] = "zipf", [SIM_HOT] = "hot",
        [SIM_SWEEP] = "sweep",
    };
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    char **part;
    size_t i;

    *p = (SimProgram) {
        .rate = 25000, .set_bytes = 60 << 20, .at_bytes = -1,
        .share_pct = 90, .hot_pct = 10, .exponent = 0.99, .scatter = true,
        .until_ns = -1, .seed = 1,
    };
    for (i = 0; i < G_N_ELEMENTS(patterns); i++) {
        if (parts[0] && !strcmp(parts[0], patterns[i])) {
            break;
        }
    }
    if (i == G_N_ELEMENTS(patterns)) {
        *errmsg = g_strdup_printf("there is no pattern '%s'; there are: "
                                  "uniform, zipf, hot, sweep",
                                  parts[0] ? parts[0] : "");
        return false;
    }
    p->pattern = i;
    for (part = parts + 1; *part; part++) {
        char *value = strchr(*part, '=');

        if (!value) {
            *errmsg = g_strdup_printf("'%s' is not SETTING=VALUE", *part);
            return false;
        }
        *value++ = '\0';
        if (!program_set(p, *part, value, errmsg)) {
            return false;
        }
    }
    if (p->quiet_ns && !p->burst_ns) {
        *errmsg = g_strdup("quiet needs a burst");
        return false;
    }
    return true;
}
