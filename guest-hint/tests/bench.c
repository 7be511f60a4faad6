/*
 * What a pair of migration_hint_enter() and migration_hint_leave() costs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "migration-hint.h"

#define RUNS 5

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The least of some runs: what else the machine does only adds. */
static void measure(const char *what, long pairs)
{
    double best = -1, took;
    int run;
    long i;

    for (run = 0; run < RUNS; run++) {
        took = now_s();
        for (i = 0; i < pairs; i++) {
            migration_hint_enter("bench");
            migration_hint_leave();
        }
        took = now_s() - took;
        if (best < 0 || took < best) {
            best = took;
        }
    }
    printf("%-44s %9.1f ns a pair\n", what, best / pairs * 1e9);
}

int main(int argc, char **argv)
{
    struct migration_hint_status status;

    setenv("MIGRATION_HINT_SOCKET", "/nonexistent/socket", 1);
    measure("no daemon, outermost", 10000000);
    migration_hint_enter("outer");
    measure("no daemon, nested", 10000000);
    migration_hint_leave();
    if (argc < 2) {
        return 0;
    }
    setenv("MIGRATION_HINT_SOCKET", argv[1], 1);
    while (migration_hint_query(&status), !status.connected) {
        struct timespec pause = { .tv_nsec = 100000000 };

        nanosleep(&pause, NULL);
    }
    migration_hint_enter("outer");
    measure("daemon, nested (coalesced)", 10000000);
    migration_hint_leave();
    measure("daemon, outermost (two messages)", 20000);
    return 0;
}
