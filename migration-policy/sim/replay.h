/*
 * A recorded trace as a guest's program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_REPLAY_H
#define MIG_SIM_REPLAY_H

#include "writer.h"

typedef struct SimReplay SimReplay;

/* For writer.c; documented with the functions of SimWriter. */
SimReplay *sim_replay_new(const SimTrace *trace, int64_t phase_ns);
void sim_replay_advance(SimReplay *r, SimGuest *g, int64_t to_ns);
int64_t sim_replay_writes(const SimReplay *r);
int64_t sim_replay_loops(const SimReplay *r);
void sim_replay_free(SimReplay *r);

#endif
