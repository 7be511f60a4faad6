/*
 * What is simulated: a guest and what it does, from which each run gets its
 * own copy.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_CASE_H
#define MIG_SIM_CASE_H

#include "sim.h"

#define SIM_PROGRAMS_MAX 16

typedef struct SimCase {
    const char *name;
    const char *what;           /* one line for a person */
    const char *link;           /* a preset's; NULL: the caller's */
    int64_t ram_bytes;
    int64_t page_bytes;
    int64_t zero_pct;           /* of RAM, at its end, never written */
    const char *texts[SIM_PROGRAMS_MAX]; /* a preset's programs */
    SimProgram programs[SIM_PROGRAMS_MAX];
    size_t n_programs;
    SimTrace *trace;            /* instead of all of that */
    int64_t phase_ns;           /* the trace is entered here */
} SimCase;

/* The presets; NULL past the end. */
const SimCase *sim_preset_nth(size_t i);

/* A preset, its programs parsed; false and *errmsg if there is none. */
bool sim_case_preset(SimCase *c, const char *name, char **errmsg);

/* The same at another moment: run k of n, other random pages, other phase. */
SimCase sim_case_variant(const SimCase *c, int k, int n);

/* A guest and a writer for one run; the caller frees both. */
bool sim_case_open(const SimCase *c, bool check, SimGuest **g, SimWriter **w,
                   char **errmsg);

/* sim_run() on a fresh guest. */
bool sim_case_run(const SimCase *c, const SimConfig *config,
                  SimListener *listener, void *opaque, SimResult *result,
                  char **errmsg);

#endif
