/*
 * A program that gives the hints it is told to, for tests/run.
 *
 * One command a line on standard input, each answered by a line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "migration-hint.h"

static atomic_int go;

/* Opens and closes tags n times, three deep, and ends outside. */
static void *toggle(void *n)
{
    long i;

    for (i = 0; i < (long)n; i++) {
        migration_hint_enter("a");
        migration_hint_enter("b");
        migration_hint_enter("c");
        migration_hint_leave();
        migration_hint_leave();
        migration_hint_leave();
    }
    return NULL;
}

/* A worker that goes inside at go >= 1 and ends, inside, at go >= 2. */
static void *work(void *unused)
{
    migration_hint_worker_begin();
    while (go < 1) {
        usleep(1000);
    }
    migration_hint_enter("worker");
    while (go < 2) {
        usleep(1000);
    }
    return NULL;
}

int main(void)
{
    struct migration_hint_status status;
    pthread_t thread[64];
    int n_threads = 0, i;
    char line[128], what[32];
    long a, b;
    pid_t child;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        a = b = 0;
        if (sscanf(line, "%31s %ld %ld", what, &a, &b) < 1) {
            continue;
        }
        if (!strcmp(what, "enter")) {
            migration_hint_enter("test");
        } else if (!strcmp(what, "leave")) {
            migration_hint_leave();
        } else if (!strcmp(what, "join")) {
            migration_hint_join();
        } else if (!strcmp(what, "close")) {
            migration_hint_close();
        } else if (!strcmp(what, "toggle")) {
            for (i = 0; i < a && i < 64; i++) {
                pthread_create(&thread[i], NULL, toggle, (void *)b);
            }
            while (i > 0) {
                pthread_join(thread[--i], NULL);
            }
        } else if (!strcmp(what, "workers")) {
            go = 0;
            for (n_threads = 0; n_threads < a && n_threads < 64; n_threads++) {
                pthread_create(&thread[n_threads], NULL, work, NULL);
            }
        } else if (!strcmp(what, "go")) {
            go = a;
            while (go == 2 && n_threads > 0) {
                pthread_join(thread[--n_threads], NULL);
            }
        } else if (!strcmp(what, "fork")) {
            /* The child holds all it has inherited, and says nothing. */
            fflush(stdout);
            child = fork();
            if (child == 0) {
                migration_hint_leave();
                sleep(30);
                _exit(0);
            }
            printf("%d\n", (int)child);
            continue;
        } else if (!strcmp(what, "leak")) {
            /* No handler of fork runs: the child keeps the connection open. */
            child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
            if (child == 0) {
                sleep(30);
                _exit(0);
            }
            printf("%d\n", (int)child);
            continue;
        } else if (strcmp(what, "query")) {
            printf("? %s\n", what);
            continue;
        }
        migration_hint_query(&status);
        printf("connected %d inside %d depth %d\n", status.connected,
               status.inside, status.depth);
    }
    return 0;
}
