/*
 * Workloads x everything that can end a migration, and what each regrets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_MATRIX_H
#define MIG_SIM_MATRIX_H

#include "case.h"

/*
 * Runs it all: names is a comma-separated list of presets and trace files,
 * NULL for the small presets.  base has the link (a preset's own unless
 * keep_link), costs and limits.  The tables go to text, the figures to json;
 * progress goes to stderr.
 */
bool sim_matrix(const SimConfig *base, bool keep_link, const char *names,
                int runs, GString *text, GString *json, char **errmsg);

#endif
