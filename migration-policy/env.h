/*
 * Convergence policies for live migration: the few includes a policy needs.
 *
 * The engine is plain C11 and glib.  Inside QEMU every source file has to
 * start with qemu/osdep.h; anywhere else the standard headers do.  This is the
 * one place that knows the difference.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_ENV_H
#define MIG_POLICY_ENV_H

#if __has_include("qemu/osdep.h")
#include "qemu/osdep.h"
#else
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <glib.h>
#endif
#include <math.h>

#endif
