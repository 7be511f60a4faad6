/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page that the generator shares with the heartbeat: how much work is
 * done.  It is a file in the guest's RAM disk, so it migrates with the guest.
 */
#ifndef GUEST_STATUS_H
#define GUEST_STATUS_H

#include <stdint.h>

#define STATUS_PATH "/run/load.status"
#define CONTROL_PATH "/run/load.sock"

struct status {
    volatile uint64_t done_writes;    /* page writes done since the start */
    volatile uint64_t wanted_writes;  /* page writes that the set rate asks for */
};

#endif
