/*
 * What a simulation tells: a decision log, a table, JSON.
 *
 * Figures are rounded so that they come out the same with every compiler.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_REPORT_H
#define MIG_SIM_REPORT_H

#include "case.h"

#define SIM_JSON_SCHEMA 1

/* A SimListener; opaque is a GString that gets one line an event. */
void sim_log_event(void *opaque, const SimEvent *event);

/* A SimListener; opaque is a GString that gets JSON objects and commas. */
void sim_json_event(void *opaque, const SimEvent *event);

/* "text" with what JSON wants escaped. */
void sim_json_text(GString *to, const char *text);

/* Members of an object, without the braces. */
void sim_json_result(GString *to, const SimResult *r);
void sim_json_case(GString *to, const SimCase *c);
void sim_json_config(GString *to, const SimConfig *c);

/* For people. */
void sim_print_result(GString *to, const SimCase *c, const SimConfig *config,
                      const SimResult *r);

#endif
