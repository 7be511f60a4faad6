/*
 * The best that could have been done, in hindsight.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_ORACLE_H
#define MIG_SIM_ORACLE_H

#include "case.h"

typedef struct SimOracle {
    /* The best moment to stop, in QEMU's order. */
    int64_t total_ns, downtime_ns;
    /* What no order and no moment can beat; -1: not known. */
    int64_t bound_total_ns, bound_downtime_ns;
    int64_t bound_cost_ns;
    /* The least downtime at any time, whatever it takes; -1: not known. */
    int64_t least_downtime_ns;
} SimOracle;

/*
 * Both for the case and the link and costs of config (policy, order and
 * controller do not matter).
 */
bool sim_oracle(const SimCase *c, const SimConfig *config, SimOracle *oracle,
                char **errmsg);

/* bound.c: fills in the bound's members. */
void sim_bound(const SimCase *c, const SimConfig *config, SimOracle *oracle);

void sim_oracle_print(GString *to, const SimOracle *o, const SimResult *r);
void sim_oracle_json(GString *to, const SimOracle *o);

#endif
